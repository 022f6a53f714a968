"""Options that are settings: their help, variable and default come from the settings model.

from listenback.options import setting

def worker(*, bootstrap: Annotated[str | None, setting("bootstrap")] = None, ...) -> None:
    settings = load_settings(bootstrap=bootstrap, ...)
"""

from __future__ import annotations

from typing import Any

import typer

from streams.settings import Settings
from streams.settings_sources import PREFIX


def shown_default(name: str) -> str:
    """The default of a setting as a person would write it; empty when there is none."""
    default = Settings.model_fields[name].default
    if isinstance(default, tuple):
        return ",".join(str(part) for part in default)
    return "" if default is None else str(default)


def setting(name: str, *flags: str, says: str = "") -> Any:  # noqa: ANN401 - typer's OptionInfo is a value here
    """The option of a setting, named as it is (`data_dir` is `--data-dir`); its default is None.

    Args:
        name: a field of `Settings`.
        flags: more names, such as `-b`.
        says: help that suits the command better than the setting's own.
    """
    origin = [f"{PREFIX}{name.upper()}"]
    if default := shown_default(name):
        origin.append(f"default {default}")
    text = says or f"{Settings.model_fields[name].description}."
    return typer.Option(
        f"--{name.replace('_', '-')}",
        *flags,
        help=f"{text} ({'; '.join(origin)})",
        show_default=False,
    )
