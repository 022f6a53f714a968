"""For producers in Python: one function an event, each makes a Kafka record that workers accept.

    from streams.sending import listen

    record = listen(
        source="//player/web",
        secret=secret,
        user_id="42",
        generation_id="gen-7f3a",
        ms_played=31_000,
        reason_end="trackdone",
    )
    kafka.send(record.topic, key=record.key, value=record.value, headers=list(record.headers))

What is not given and can be made is made: the event's id, its times, the user's key. Sending the
same Record again is safe: it is the same event.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.clock import now_us
from streams.errors import ConfigError
from streams.events.contracts import CONTRACTS
from streams.events.explain import Refusal, explain
from streams.events.identity import score_id, user_key
from streams.events.instants import instant_text
from streams.events.limits import Limits
from streams.events.topics import Topic

if TYPE_CHECKING:
    from streams.events.contract import Contract

CE_TYPE = "org.listenback.{name}.v1"


@dataclass(frozen=True, slots=True)
class Record:
    """What to hand to a Kafka client. headers: the same facts as CloudEvents, for routers."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def exposure(**fields: Any) -> Record:  # noqa: ANN401 - the contract types them
    """The unit met the generation; fields as in docs/data-model.md, or user_id and secret."""
    return _record(CONTRACTS[Topic.EXPOSURES], fields)


def listen(**fields: Any) -> Record:  # noqa: ANN401 - the contract types them
    """A play, sent when it ended; fields as in docs/data-model.md, or user_id and secret."""
    return _record(CONTRACTS[Topic.LISTENS], fields)


def feedback(**fields: Any) -> Record:  # noqa: ANN401 - the contract types them
    """What a listener said or did; fields as in docs/data-model.md, or user_id and secret."""
    return _record(CONTRACTS[Topic.FEEDBACK], fields)


def judge_score(**fields: Any) -> Record:  # noqa: ANN401 - the contract types them
    """What a judge said of a generation; fields as in docs/data-model.md."""
    return _record(CONTRACTS[Topic.JUDGE_SCORES], fields)


def human_label(**fields: Any) -> Record:  # noqa: ANN401 - the contract types them
    """What a person said of a generation; as in docs/data-model.md, or rater_id and secret."""
    return _record(CONTRACTS[Topic.HUMAN_LABELS], fields)


def _record(contract: Contract, given: dict[str, Any]) -> Record:
    fields = _completed(contract, given)
    unknown = set(fields) - {column.wire for column in contract.columns}
    if unknown:
        raise _refused(contract, min(unknown), "is no field of this event")
    value = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    read = explain(value, contract, {}, nesting_max=Limits().nesting_max)
    if isinstance(read, Refusal):
        raise _refused(contract, read.field_path or contract.name, read.error_message)
    key = next(str(read[name]) for name in contract.key_fields if read[name] is not None)
    headers = {
        "ce_specversion": "1.0",
        "ce_id": read["event_id"],
        "ce_source": read["source"],
        "ce_type": CE_TYPE.format(name=contract.name),
        "ce_time": fields["event_time"],
        "ce_partitionkey": key,
    }
    said = tuple((name, str(text).encode()) for name, text in headers.items())
    return Record(contract.topic.value, key.encode(), value, said)


def _completed(contract: Contract, given: dict[str, Any]) -> dict[str, Any]:
    """What was given without nulls, ids as keys, and what can be made."""
    fields = {name: value for name, value in given.items() if value is not None}
    secret = fields.pop("secret", None)
    for raw, keyed in (("user_id", "user_key"), ("rater_id", "rater_key")):
        if raw in fields:
            fields[keyed] = _key(contract, raw, secret, str(fields.pop(raw)))
    at_us = now_us()
    if "event_id" not in fields and contract.own_id not in fields:
        fields[contract.own_id] = _own_id(contract, fields) or str(_uuid7(at_us // 1_000))
    fields.setdefault("event_time", instant_text(at_us))
    fields.setdefault("recorded_time", instant_text(at_us))
    if fields.get("unit_type") == "user" and "user_key" in fields:
        fields.setdefault("unit_id", fields["user_key"])
    return fields


def _own_id(contract: Contract, fields: dict[str, Any]) -> str | None:
    """The id that follows from what is said: the same grading sent twice is one."""
    if contract.own_id != "score_id":
        return None
    whole = contract.model.completed(fields)
    parts = [whole.get(name) for name in ("generation_id", "evaluator_epoch", "dimension")]
    generation_id, epoch, dimension = (str(part) for part in parts)
    if None in parts:  # the contract will say which
        return None
    return score_id(generation_id, epoch, dimension, int(whole.get("repeat_idx", 0)))


def _key(contract: Contract, field: str, secret: bytes | None, raw_id: str) -> str:
    if secret is None:
        raise _refused(contract, field, "needs secret=: only its HMAC leaves this process")
    return user_key(secret, raw_id)


def _refused(contract: Contract, field: str, why: str) -> ConfigError:
    return ConfigError(
        f"{why}.",
        where=f"{contract.name}.{field}",
        done="Nothing was made.",
        todo="Fields and limits: docs/data-model.md.",
    )


def _uuid7(time_ms: int) -> uuid.UUID:
    """A time-ordered UUID (RFC 9562, version 7); Python's own comes with 3.14."""
    random = int.from_bytes(os.urandom(10), "big")
    high = (time_ms << 16) | 0x7000 | (random >> 62 & 0xFFF)
    return uuid.UUID(int=(high << 64) | (1 << 63) | (random & (1 << 62) - 1))
