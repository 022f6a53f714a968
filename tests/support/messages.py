"""Batches of messages around the documented examples, and what an obvious reader makes of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from streams.events.batch import Batch
from streams.events.decode import decode
from streams.events.examples import encode_example
from streams.events.instants import instant_us
from streams.events.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events.contract import Contract

LIMITS = Limits()
BEHIND_US = 60_000_000
"""How far the examples lie before the time of their records."""


def written(fields: dict[str, Any], **style: Any) -> bytes:
    return json.dumps(
        fields, **({"separators": (",", ":"), "ensure_ascii": False} | style)
    ).encode()


def record_time_us(contract: Contract) -> int:
    us = instant_us(str(contract.example["event_time"]))
    assert us is not None
    return us + BEHIND_US


def key_of(contract: Contract, fields: dict[str, Any]) -> bytes | None:
    named = [fields.get(name) for name in contract.key_fields]
    return next((name.encode() for name in named if isinstance(name, str)), None)


def batch_of(
    contract: Contract,
    values: Sequence[bytes | None],
    *,
    keys: Sequence[bytes | None] | None = None,
    headers: Sequence[Sequence[tuple[str, bytes]]] = (),
) -> Batch:
    key = key_of(contract, dict(contract.example))
    return Batch(
        topic=contract.topic,
        shard=3,
        offsets=range(100, 100 + len(values)),
        record_times_ms=[record_time_us(contract) // 1_000] * len(values),
        keys=[key] * len(values) if keys is None else keys,
        values=values,
        headers=headers,
    )


def without(contract: Contract, *names: str, **changed: Any) -> bytes:
    """The example without its nulls and these fields, and with those."""
    kept = {k: v for k, v in contract.example.items() if v is not None and k not in names}
    return written({**kept, **changed})


def accepted(contract: Contract, *values: bytes, **parts: Any) -> list[dict[str, Any]]:
    """The rows of messages of which none is refused."""
    decoded = decode(batch_of(contract, values, **parts), contract, LIMITS)
    assert decoded.rejected.to_dicts() == []
    return decoded.accepted.to_dicts()


def refusal(contract: Contract, value: bytes | None, **parts: Any) -> tuple[Any, ...]:
    """Class, type and path of the refusal of the second of three messages."""
    neighbour = encode_example(contract)
    decoded = decode(batch_of(contract, [neighbour, value, neighbour], **parts), contract, LIMITS)
    assert decoded.accepted["offset"].to_list() == [100, 102]
    (row,) = decoded.rejected.to_dicts()
    assert (row["offset"], row["value"]) == (101, value)
    return row["error_class"], row["error_type"], row["field_path"]


class DoubledKeyError(ValueError):
    """A key came twice where that may not be."""


def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(found)
    return {**fields, "\0twice": True} if len(fields) < len(found) else fields


def refuse(name: str) -> None:
    raise ValueError(name)


def without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_marks(v) for k, v in value.items() if k != "\0twice"}
    return [without_marks(v) for v in value] if isinstance(value, list) else value


def read(value: bytes, contract: Contract) -> dict[str, Any]:
    """The JSON object of a message.

    Raises:
        ValueError: it is none, or ambiguous, or could not be written again.
    """
    fields = json.loads(value.decode(), object_pairs_hook=pairs, parse_constant=refuse)
    json.dumps(fields, ensure_ascii=False).encode()
    maps = [fields[name] for name in ("taxonomy",) if isinstance(fields, dict) and name in fields]
    if not isinstance(fields, dict) or "\0twice" in fields:
        raise DoubledKeyError
    if contract.name == "exposure" and any("\0twice" in m for m in maps if isinstance(m, dict)):
        raise DoubledKeyError
    return {name: without_marks(one) for name, one in fields.items()}


def disagreement(row: dict[str, Any], name: str) -> str | None:
    """The error class of what is wrong between fields."""
    checks = {
        "exposure": exposure_disagreement,
        "listen": lambda row: (
            "semantic" if (row["started_at_us"] or 0) > row["event_time_us"] else None
        ),
        "feedback": lambda _: None,
        "judge_score": score_disagreement,
        "human_label": label_disagreement,
    }
    return checks[name](row)


def exposure_disagreement(row: dict[str, Any]) -> str | None:
    if (row["experiment_id"] is None) != (row["variant_id"] is None):
        return "semantic"
    is_out = row["artist_consent"] == "opted_out" and row["content_origin"] != "human"
    return "consent_block" if is_out else None


def score_disagreement(row: dict[str, Any]) -> str | None:
    is_both = row["error_type"] is not None and row["score_value"] is not None
    says = (row["score_value"], row["score_label"], row["error_type"])
    is_silent = all(one is None for one in says)
    return "schema" if is_both or is_silent else out_of_scale(row)


def label_disagreement(row: dict[str, Any]) -> str | None:
    if all(row[one] is None for one in ("preference", "score_value", "score_label")):
        return "schema"
    alone = {None, row["generation_id"]}
    if row["preference"] is not None and row["other_generation_id"] in alone:
        return "semantic"
    return out_of_scale(row)


def out_of_scale(row: dict[str, Any]) -> str | None:
    value, low, high = row["score_value"], row["score_min"], row["score_max"]
    is_empty = low is not None and high is not None and low >= high
    is_below = value is not None and low is not None and value < low
    is_above = value is not None and high is not None and value > high
    return "schema" if is_empty or is_below or is_above else None


def told(value: bytes | None, key: bytes | None, contract: Contract) -> dict[str, Any] | str:
    """The row of a message, or the class of its refusal: one at a time, by the book."""
    if not value or len(value) > LIMITS.message_bytes_max:
        return "decode"
    try:
        fields = read(value, contract)
    except (ValueError, RecursionError):
        return "decode"
    try:
        row = contract.model.model_validate(fields).model_dump()
    except ValidationError:
        return "schema"
    for column in contract.enum_columns:
        sent = fields.get(column.wire)
        row[column.raw_name] = sent if sent not in (None, *column.values) else None
    behind_us = record_time_us(contract) - row["event_time_us"]
    if key != key_of(contract, row) or key is None or -behind_us > LIMITS.future_max_us:
        return "semantic"
    if behind_us > LIMITS.horizon_us:
        return "late_beyond_horizon"
    return disagreement(row, contract.name) or row
