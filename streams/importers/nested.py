"""Rows from nested JSON documents: a path to lists of objects, each flattened to text columns.

`resourceLogs[].scopeLogs[].logRecords[]` makes a row of each element of the last list. Its own
fields are named from there (`source.source_id`); those of what it lies in keep their whole path
(`info.trace_id`). A document without the first name of the path is a row itself, so that exports of
single records and of pages read alike. Lists of `{key, value}`, as OpenTelemetry writes attributes,
are objects by key. Every column is text, as in CSV, because one field may hold 0.9, true and "yes".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Row = dict[str, str | None]

LIST: Final = "[]"
DOT: Final = "."
TYPED: Final = ("stringValue", "boolValue", "intValue", "doubleValue", "bytesValue")
"""Members of an OpenTelemetry AnyValue that hold one value."""


def rows_of(document: Mapping[str, Any], path: str) -> Iterator[Row]:
    """The rows of a document, in its order. path: '' makes the document the row."""
    steps = path.split(DOT) if path else []
    if not steps or steps[0].removesuffix(LIST) not in document:
        yield flat(document)
        return
    yield from _below(document, steps, prefix="", around={})


def _below(node: Mapping[str, Any], steps: list[str], *, prefix: str, around: Row) -> Iterator[Row]:
    """Rows under a node. around: the fields of what the node lies in, by their whole path."""
    if not steps:
        yield {**around, **flat(node)}
        return
    name = steps[0].removesuffix(LIST)
    beside = {key: value for key, value in node.items() if key != name}
    known = {**around, **{f"{prefix}{key}": value for key, value in flat(beside).items()}}
    found = node.get(name)
    nodes = found if isinstance(found, list) else [found]
    for one in nodes:
        if isinstance(one, dict):
            yield from _below(one, steps[1:], prefix=f"{prefix}{name}{DOT}", around=known)


def flat(node: Mapping[str, Any]) -> Row:
    """The object's values as texts, by dotted name; null, and lists as JSON, are kept."""
    out: Row = {}
    for name, raw in node.items():
        value = plain(raw)
        if isinstance(value, dict):
            out |= {f"{name}{DOT}{key}": text for key, text in flat(value).items()}
        elif value is None or isinstance(value, str):
            out[name] = value
        else:
            out[name] = json.dumps(value)
    return out


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The value without OpenTelemetry's wrapping: `{doubleValue: 1}` is 1."""
    if isinstance(value, list) and value and all(_is_pair(one) for one in value):
        return {one["key"]: plain(one.get("value")) for one in value}
    if isinstance(value, dict) and len(value) == 1:
        (kind,) = value
        if kind in TYPED:
            return value[kind]
        if kind == "kvlistValue":
            return plain(value[kind].get("values", []))
        if kind == "arrayValue":
            return [plain(one) for one in value[kind].get("values", [])]
    return value


def _is_pair(one: object) -> bool:
    return isinstance(one, dict) and "key" in one and set(one) <= {"key", "value"}
