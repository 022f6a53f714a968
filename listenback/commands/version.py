"""`listenback version`: what runs here, for a bug report."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Annotated

import typer

from listenback.console import out, print_json

PACKAGES = ("listenback", "faust-streaming", "aiokafka", "polars", "duckdb", "numpy", "scipy")


def version(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False
) -> None:
    """Print the versions in use.

    Of listenback, of Python and of the packages that numbers depend on.

    Examples:
      listenback version
      listenback version --json
    """
    versions = {name: metadata.version(name) for name in PACKAGES}
    versions["python"] = platform.python_version()
    if as_json:
        print_json(versions)
        return
    for name, number in versions.items():
        out.print(f"{name:<16} {number}", markup=False)
