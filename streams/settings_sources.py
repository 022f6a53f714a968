"""Where settings are given: flags, the environment, `.env` and the project file, in that order.

Each given value keeps its origin, so that an error names the line to change and
`listenback config show --origin` can answer where a value comes from.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from dotenv import dotenv_values

from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

PREFIX = "LISTENBACK_"
ENCODING = "utf-8-sig"
"""UTF-8 with or without the mark that some editors put before it."""
PROJECT_FILE = "listenback.toml"
ENV_FILE = ".env"
NOT_SETTINGS = frozenset({"LISTENBACK_SHARED"})  # read by the tests: where the data sets are


class Given(NamedTuple):
    """A value as somebody wrote it, and where."""

    value: Any
    origin: str


class Known(NamedTuple):
    """The names that exist; those of secrets must not stand in a project file or on a flag."""

    names: Collection[str]
    secrets: Collection[str]


def project_dir(start: Path) -> Path | None:
    """The nearest folder from `start` upward that holds a `listenback.toml`."""
    return next((path for path in (start, *start.parents) if (path / PROJECT_FILE).is_file()), None)


def from_flags(flags: Mapping[str, Any], known: Known) -> dict[str, Given]:
    """What the command line gives; None means not given."""
    given = {
        name: Given(value, f"--{name.replace('_', '-')}")
        for name, value in flags.items()
        if value is not None
    }
    _refuse_unknown({name: one.origin for name, one in given.items()}, known.names)
    _refuse_secrets(given, known.secrets)
    return given


def from_environment(environ: Mapping[str, str], known: Known) -> dict[str, Given]:
    """What `LISTENBACK_*` gives; an empty value means not given, as in `${NAME:-}` of compose."""
    ours = {name: value for name, value in environ.items() if _is_ours(name)}
    _refuse_unknown(dict.fromkeys(ours, "environment"), _variables(known.names))
    return {
        name.removeprefix(PREFIX).lower(): Given(value, name)
        for name, value in ours.items()
        if value
    }


def _text_of(path: Path) -> str:
    """The whole file. Raises ConfigError where it cannot be read or is no UTF-8."""
    try:
        return path.read_text(encoding=ENCODING)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"byte {error.object[error.start]:#04x} is not UTF-8.",
            where=f"{path}:{line}",
            done="Nothing of this file was taken.",
            todo="Save the file as UTF-8.",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"the file cannot be read: {error.strerror}.",
            where=str(path),
            todo="Let whoever runs this read it, or move it away.",
        ) from error


def from_env_file(path: Path, known: Known) -> dict[str, Given]:
    """What `LISTENBACK_*` lines of a `.env` give; its other lines belong to others."""
    if not path.is_file():
        return {}
    text = _text_of(path)
    values = dotenv_values(path, interpolate=False, encoding=ENCODING)
    origins = {name: f"{path}:{_line_of(name, text)}" for name in values if _is_ours(name)}
    _refuse_unknown(origins, _variables(known.names))
    return {
        name.removeprefix(PREFIX).lower(): Given(values[name], origin)
        for name, origin in origins.items()
        if values[name]
    }


def from_project_file(path: Path, known: Known) -> dict[str, Given]:
    """What `listenback.toml` gives: one flat table of settings."""
    if not path.is_file():
        return {}
    text = _text_of(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"this is not TOML: {error}.", where=str(path), todo="Put that line right."
        ) from error
    given = {name: Given(value, f"{path}:{_line_of(name, text)}") for name, value in values.items()}
    _refuse_unknown({name: one.origin for name, one in given.items()}, known.names)
    _refuse_secrets(given, known.secrets)
    return given


def _is_ours(variable: str) -> bool:
    return variable.startswith(PREFIX) and variable not in NOT_SETTINGS


def _variables(names: Collection[str]) -> list[str]:
    """The environment variables of settings."""
    return [f"{PREFIX}{name.upper()}" for name in names]


def _line_of(key: str, text: str) -> int:
    """The first line that gives `key` a value or opens a table of that name; 1 if none does."""
    opening = re.compile(rf"^\s*(export\s+)?\[*\s*[\"']?{re.escape(key)}[\"']?\s*[=.\]]")
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if opening.match(line)), 1)


def _refuse_unknown(origins: Mapping[str, str], known: Collection[str]) -> None:
    for name, origin in origins.items():
        if name not in known:
            raise ConfigError(
                f"no setting is called '{name}'.",
                where=origin,
                done=did_you_mean(name, known),
                todo="All settings: listenback config list.",
            )


def _refuse_secrets(given: Mapping[str, Given], secrets: Collection[str]) -> None:
    for name, one in given.items():
        if name in secrets:
            raise ConfigError(
                f"'{name}' is a secret, and files are read by many.",
                where=one.origin,
                todo=f"Remove it here and set {PREFIX}{name.upper()} in the environment.",
            )
