"""Where output goes: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def is_interactive() -> bool:
    """Progress is drawn for people only."""
    return sys.stderr.isatty() and not os.environ.get("CI")


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever json can say
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
