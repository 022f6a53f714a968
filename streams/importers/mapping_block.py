"""A block of a mapping: how a row becomes an event of one topic.

`topic`; `columns` (field: column), `constants` (field: value), `expressions` (field: SQL over the
row); `times` (field: strptime pattern, epoch_s, epoch_ms, epoch_us or rfc3339); `hash_user` (a
column, or field: column or SQL whose value becomes a user key); `event_id` (`row`, or {hash:
[column or SQL, ...]}) and `ids` (field: {hash: [...]}); `filter` (SQL: rows for which it holds).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streams.errors import did_you_mean
from streams.events.contracts import CONTRACTS
from streams.events.fields import Kind
from streams.events.judge_score import EPOCH_PARTS
from streams.events.topics import Topic
from streams.importers.sources import ExpressionError, Source, column, constant, expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.events.columns import Column
    from streams.events.contract import Contract
    from streams.importers.yaml_lines import Document, Keys

BLOCK_KEYS: Final = (
    "topic",
    "columns",
    "constants",
    "expressions",
    "times",
    "hash_user",
    "event_id",
    "ids",
    "filter",
)
EPOCHS: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""How numbers are read as times: microseconds in one of them."""
RFC3339: Final = "rfc3339"
EVENT_ID: Final = "event_id"
BY_ROW: Final = "row"
USERS: Final = "hash_user"


@dataclass(frozen=True, slots=True)
class Block:
    """How a row becomes an event of one topic.

    fields: wire name -> where it comes from. times: field -> strptime pattern or one of EPOCHS.
    users: those of the fields that are hashed. hashes: field -> what its id is hashed from; without
    event_id among them, or a field for it, the file's name and the row make the id.
    """

    contract: Contract
    fields: Mapping[str, Source]
    times: Mapping[str, str]
    users: frozenset[str]
    hashes: Mapping[str, tuple[Source, ...]]
    keep: Source | None
    nth: str

    def sources(self) -> Iterable[Source]:
        """Everything that is evaluated."""
        yield from self.fields.values()
        yield from (one for parts in self.hashes.values() for one in parts)
        if self.keep is not None:
            yield self.keep


def check_keys(
    document: Document, keys: Keys, found: Mapping[str, Any], known: Iterable[str]
) -> None:
    """Raise for the first key that is not known."""
    for key in found:
        if key not in known:
            raise document.wrong(
                f"'{key}' is no key here (there are {', '.join(known)}).",
                *keys,
                key,
                todo=did_you_mean(key, known),
            )


@dataclass(frozen=True, slots=True)
class BlockReader:
    """Reads one block. wanted: the topic of --topic. source: `source` where it is not mapped."""

    document: Document
    keys: Keys
    value: Any
    wanted: Topic | None
    source: str

    def read(self) -> Block:
        """The block, checked against its contract. Raises ConfigError."""
        if not isinstance(self.value, dict):
            raise self.document.wrong("a block is a YAML object.", *self.keys)
        check_keys(self.document, self.keys, self.value, BLOCK_KEYS)
        contract = CONTRACTS[self._topic()]
        known = {one.wire: one for one in contract.columns}
        fields = self._fields(known)
        fields.setdefault("source", constant(self.source, self._place()))
        hashes = self._hashes(known, fields)
        self._check_required(contract, {*fields, *hashes})
        return Block(
            contract=contract,
            fields=fields,
            times=self._times(known, fields),
            users=frozenset(self._users()),
            hashes=hashes,
            keep=self._filter(),
            nth=".".join(map(str, self.keys)),
        )

    def _place(self, *keys: str) -> str:
        return self.document.place(*self.keys, *keys)

    def _topic(self) -> Topic:
        name = self.value.get("topic", self.wanted)
        if name is None:
            raise self.document.wrong(
                "this block says no topic.", *self.keys, todo="Write `topic: ...`, or give --topic."
            )
        if name not in list(Topic):
            raise self.document.wrong(
                f"there is no topic '{name}' (there are {', '.join(Topic)}).",
                *self.keys,
                "topic",
                todo=did_you_mean(str(name), list(Topic)),
            )
        return Topic(name)

    def _section(self, name: str) -> dict[str, Any]:
        section = self.value.get(name, {})
        if not isinstance(section, dict):
            raise self.document.wrong(
                f"{name} is an object of fields.", *self.keys, name, todo="Write `field: value`."
            )
        return section

    def _users(self) -> dict[str, Any]:
        """Field -> what is hashed for it; a lone column is that of the topic's only user field."""
        users = self.value.get(USERS)
        if isinstance(users, str):
            return {"rater_key" if self._topic() is Topic.HUMAN_LABELS else "user_key": users}
        return self._section(USERS)

    def _fields(self, known: Mapping[str, Column]) -> dict[str, Source]:
        """All mapped fields; a field has one source."""
        fields: dict[str, Source] = {}
        sections = {one: self._section(one) for one in ("columns", "constants", "expressions")}
        for section, values in {**sections, USERS: self._users()}.items():
            for name, value in values.items():
                self._check_field(name, known, section)
                if name in fields:
                    raise self.document.wrong(
                        f"'{name}' has two sources in this block.", *self.keys, section, name
                    )
                fields[name] = self._one(section, name, value, known[name])
        return fields

    def _one(self, section: str, name: str, value: Any, into: Column) -> Source:  # noqa: ANN401 - whatever YAML holds
        place = self._place(section, name)
        if section == "columns":
            return column(str(value), place)
        if section == "constants":
            if into.kind is Kind.ENUM and value not in into.values:
                raise self.document.wrong(
                    f"'{value}' is no {name} (there are {', '.join(into.values)}).",
                    *self.keys,
                    section,
                    name,
                    todo=did_you_mean(str(value), into.values),
                )
            return constant(value, place)
        return self._sql(value, section, name, is_column=section == USERS)

    def _sql(self, text: Any, *keys: str, is_column: bool = False) -> Source:  # noqa: ANN401 - whatever YAML holds
        """An expression. is_column: a lone word names a column, be it a word of SQL (`user`)."""
        if is_column and str(text).isidentifier():
            return column(str(text), self._place(*keys))
        try:
            return expression(str(text), self._place(*keys))
        except ExpressionError as error:
            raise self.document.wrong(f"{error}.", *self.keys, *keys) from error

    def _check_field(self, name: str, known: Mapping[str, Column], section: str) -> None:
        if name not in known:
            raise self.document.wrong(
                f"topic '{self._topic()}' has no field '{name}'.",
                *self.keys,
                section,
                name,
                todo=did_you_mean(name, known) or f"Its fields: {', '.join(known)}.",
            )

    def _times(self, known: Mapping[str, Column], fields: Mapping[str, Source]) -> dict[str, str]:
        """Field -> format, RFC 3339 (the default) left out."""
        times = {}
        for name, form in self._section("times").items():
            self._check_field(name, known, "times")
            if known[name].kind is not Kind.INSTANT or name not in fields:
                raise self.document.wrong(
                    f"'{name}' is no time that this block maps.", *self.keys, "times", name
                )
            if form not in (*EPOCHS, RFC3339) and "%" not in str(form):
                raise self.document.wrong(
                    f"'{form}' is no way to read a time.",
                    *self.keys,
                    "times",
                    name,
                    todo=f"Write {RFC3339}, {', '.join(EPOCHS)} or a pattern: '%Y-%m-%d %H:%M'.",
                )
            times[name] = str(form)
        return {name: form for name, form in times.items() if form != RFC3339}

    def _hashes(
        self, known: Mapping[str, Column], fields: Mapping[str, Source]
    ) -> dict[str, tuple[Source, ...]]:
        hashes = {}
        event_id = self.value.get(EVENT_ID, BY_ROW)
        if event_id != BY_ROW:
            hashes[EVENT_ID] = self._hashed(event_id, EVENT_ID)
        for name, value in self._section("ids").items():
            self._check_field(name, known, "ids")
            hashes[name] = self._hashed(value, "ids", name)
        for name in hashes:
            if name in fields:
                raise self.document.wrong(f"'{name}' has two sources in this block.", *self.keys)
        return hashes

    def _hashed(self, value: Any, *keys: str) -> tuple[Source, ...]:  # noqa: ANN401 - whatever YAML holds
        parts = value.get("hash") if isinstance(value, dict) and set(value) == {"hash"} else None
        if not isinstance(parts, list) or not parts:
            raise self.document.wrong(
                f"{keys[-1]} is not a list to hash.",
                *self.keys,
                *keys,
                todo=f"Write `{keys[-1]}: {{hash: [column, ...]}}`.",
            )
        return tuple(self._sql(part, *keys, is_column=True) for part in parts)

    def _filter(self) -> Source | None:
        return self._sql(self.value["filter"], "filter") if "filter" in self.value else None

    def _check_required(self, contract: Contract, mapped: set[str]) -> None:
        given = {EVENT_ID, contract.own_id, *mapped}
        if set(EPOCH_PARTS) <= mapped:
            given.add("evaluator_epoch")
        missing = [one.wire for one in contract.columns if one.required and one.wire not in given]
        if missing:
            raise self.document.wrong(
                f"topic '{contract.topic}' needs {', '.join(missing)}; this block does not map it.",
                *self.keys,
                todo="Add it under columns, constants, expressions or hash_user.",
            )
