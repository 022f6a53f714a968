"""One refused message at a time: what exactly is wrong with it, or that it is well after all."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from pydantic import ValidationError

from streams.events.dead_letter import ERROR_MESSAGE_CHARS_MAX, ErrorClass
from streams.events.fields import Kind
from streams.events.refused_names import RAW_IDENTITY_REASON, raw_identity_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events.contract import Contract

FIELD_PATH_CHARS_MAX: Final = 200
_STRING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_DIGITS_MAX: Final = 308
"""Longer integers are beyond the largest double; Python refuses to read very long ones."""


class Refusal(NamedTuple):
    """Why a message was refused; says nothing of its content but the name of the field."""

    error_class: ErrorClass
    error_type: str
    error_message: str
    field_path: str | None = None


class _RefusedError(Exception):
    """Carries a refusal out of the parser's callbacks."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.error_message)
        self.refusal = refusal


class _Fields(dict[str, object]):
    """A JSON object that remembers a key that came twice."""

    twice: str | None = None


def explain(
    value: bytes, contract: Contract, fill: Mapping[str, object], *, nesting_max: int
) -> dict[str, object] | Refusal:
    """Read one message as a row of the contract's schema, or say why that cannot be.

    Args:
        value: the record's value.
        contract: what it must be.
        fill: by JSON name, what the record's headers say of fields that the body lacks.
        nesting_max: how deep brackets may nest.
    """
    try:
        fields = _parsed(value, contract, nesting_max)
    except _RefusedError as refused:
        return refused.refusal
    lacking = {name: said for name, said in fill.items() if fields.get(name) is None}
    try:
        event = contract.model.model_validate({**fields, **lacking})
    except ValidationError as error:
        return _first(error)
    raw = {
        column.raw_name: fields[column.wire]
        for column in contract.enum_columns
        if fields.get(column.wire) not in {None, *column.values}
    }
    return {**dict.fromkeys(contract.schema), **event.model_dump(), **raw}


def _parsed(value: bytes, contract: Contract, nesting_max: int) -> dict[str, object]:
    """The JSON object of a message, no key of it twice or naming a raw identity."""
    fields = _json(_text(value, nesting_max))
    if not isinstance(fields, _Fields):
        _refuse("not_an_object", f"must be a JSON object, not {_json_type(fields)}")
    maps = [column.wire for column in contract.columns if column.kind is Kind.LABELS]
    twice = fields.twice or next(
        (name for name in maps if getattr(fields.get(name), "twice", None) is not None), None
    )
    if twice is not None:
        _refuse("duplicate_key", "the same key comes twice", twice)
    for name in raw_identity_names(fields):
        raise _RefusedError(
            Refusal(ErrorClass.SCHEMA, "raw_identity", RAW_IDENTITY_REASON, _path(name))
        )
    return fields


def _text(value: bytes, nesting_max: int) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        _refuse("invalid_utf8", f"byte {error.start} is not UTF-8: {error.reason}")
    if text.startswith("\ufeff"):
        _refuse("byte_order_mark", "begins with a byte order mark; send UTF-8 without one")
    if _nests_deeper(text, nesting_max):
        _refuse("nested_too_deep", f"brackets nest deeper than {nesting_max}")
    return text


def _json(text: str) -> object:
    try:
        read: object = json.loads(
            text,
            object_pairs_hook=_fields,
            parse_constant=_refuse_constant,
            parse_int=_integer,
        )
        if "\\u" in text:  # a lone surrogate is well-formed JSON that no UTF-8 can hold
            json.dumps(read, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        _refuse("invalid_json", f"{error.msg} at character {error.pos}")
    except UnicodeEncodeError:
        _refuse("lone_surrogate", "a string holds half of a surrogate pair")
    return read


def _fields(pairs: list[tuple[str, object]]) -> _Fields:
    fields = _Fields(pairs)
    if len(fields) < len(pairs):
        names = Counter(name for name, _ in pairs)
        fields.twice = next(name for name, times_n in names.items() if times_n > 1)
    return fields


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS_MAX else float(digits)


def _refuse_constant(name: str) -> NoReturn:
    _refuse("invalid_json", f"{name} is not JSON")


def _refuse(error_type: str, message: str, name: str | None = None) -> NoReturn:
    raise _RefusedError(Refusal(ErrorClass.DECODE, error_type, message, name and _path(name)))


def _nests_deeper(text: str, nesting_max: int) -> bool:
    """Whether brackets outside of strings nest deeper than that."""
    if text.count("[") + text.count("{") <= nesting_max:
        return False
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest > nesting_max


def _json_type(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _first(error: ValidationError) -> Refusal:
    """The first thing pydantic found, without the value it found it in."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(map(str, first["loc"])) or None
    message = first["msg"][:ERROR_MESSAGE_CHARS_MAX]
    return Refusal(ErrorClass.SCHEMA, first["type"], message, path and _path(path))


def _path(name: str) -> str:
    return name[:FIELD_PATH_CHARS_MAX]
