"""YAML with line numbers: a definition that is wrong is named by file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a definition file."""

    file: Path
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """`file:line: field: message`, as editors and pull-request annotations read it."""
        head = f"{self.file}:{self.line}"
        return f"{head}: {self.field}: {self.message}" if self.field else f"{head}: {self.message}"


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML file holds, and on which line each of its keys stands (the first line is 1)."""

    file: Path
    data: Any
    lines: Mapping[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest key around it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem with the value at `path`; parts that are no key of the file are left out."""
        *above, last = path or ("",)
        known: KeyPath = ()
        for part in above:
            known = (*known, part) if (*known, part) in self.lines else known
        path = (*known, last) if path else ()
        return Problem(self.file, self.line(path), field_path(path), message)


def field_path(path: KeyPath) -> str:
    """`measurements[2].metrics[0].name`."""
    words = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(words).removeprefix(".")


def read_yaml(file: Path) -> tuple[Document | None, tuple[Problem, ...]]:
    """Read one YAML file with one document.

    Returns: the document (None where it cannot be read or is empty) and what is wrong with it.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, (Problem(file, 1, "", f"cannot be read: {error}"),)
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, ()
        lines: dict[KeyPath, int] = {}
        doubled: list[Problem] = []
        _walk(root, (), lines, doubled, file)
        return Document(file, loader.construct_document(root), lines), tuple(doubled)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        return None, (Problem(file, line, "", f"is not valid YAML: {error.problem}"),)
    finally:
        loader.dispose()


def _walk(
    node: yaml.Node,
    path: KeyPath,
    lines: dict[KeyPath, int],
    doubled: list[Problem],
    file: Path,
) -> None:
    """Note the line of every key and the keys that stand twice (YAML would keep the last)."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, doubled, file)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            below = (*path, str(key.value))
            line = key.start_mark.line + 1
            if key.value in seen:
                doubled.append(Problem(file, line, field_path(below), "stands here a second time"))
            seen.add(key.value)
            lines[below] = line
            _walk(value, below, lines, doubled, file)
