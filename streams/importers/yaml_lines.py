"""YAML that knows on which line each key stands, so that an error can say where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain values. lines: path of keys -> line number, from 1."""

    path: Path
    value: Any
    lines: Mapping[Keys, int]

    def place(self, *keys: str | int) -> str:
        """`file:line` of the nearest key that has a line."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return f"{self.path}:{self.lines.get(keys, 1)}"

    def wrong(self, what: str, *keys: str | int, todo: str = "") -> ConfigError:
        """An error at the line of these keys."""
        return ConfigError(what, where=self.place(*keys), todo=todo)


class _Loader(yaml.SafeLoader):
    """Builds plain values from nodes, noting lines; aliases and `<<` work as in YAML."""

    def __init__(self, text: str, path: Path) -> None:
        super().__init__(text)
        self.path = path
        self.lines: dict[Keys, int] = {}

    def plain(self, node: yaml.Node, keys: Keys) -> Any:  # noqa: ANN401 - whatever YAML holds
        """The value of a node, its keys noted."""
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, keys)
        if isinstance(node, yaml.SequenceNode):
            return [self._noted(one, (*keys, nth)) for nth, one in enumerate(node.value)]
        return self.construct_object(node, deep=True)

    def _noted(self, node: yaml.Node, keys: Keys) -> Any:  # noqa: ANN401 - whatever YAML holds
        self.lines[keys] = node.start_mark.line + 1
        return self.plain(node, keys)

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        own = [str(key.value) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = sorted({name for name in own if own.count(name) > 1})
        if twice:
            raise ConfigError(
                f"'{twice[0]}' stands twice in one block; the second would win.",
                where=f"{self.path}:{node.start_mark.line + 1}",
                todo="Remove one of them.",
            )
        self.flatten_mapping(node)
        out = {}
        for key, value in node.value:
            name = str(key.value)
            self.lines[*keys, name] = key.start_mark.line + 1
            out[name] = self.plain(value, (*keys, name))
        return out


def load(path: Path) -> Document:
    """Read a YAML file. Raises ConfigError where it is missing or no YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot read this file ({error.strerror}).", where=str(path), todo="Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            "this is no UTF-8 text.", where=str(path), todo="Name a YAML file."
        ) from error
    loader = _Loader(text, path)
    try:
        node = loader.get_single_node()
        value = None if node is None else loader.plain(node, ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(
            f"this is no YAML: {error.problem}.",
            where=f"{path}:{line}",
            todo="Mind the indentation, and quote texts that hold a colon.",
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"this is no YAML: {error}.", where=str(path)) from error
    finally:
        loader.dispose()
    return Document(path, value, loader.lines)
