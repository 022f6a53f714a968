"""Sending dead letters again: the same bytes to the same partition of the topic they came from.

An event keeps its id, so what was accepted meanwhile is dropped as a duplicate. What was sent is
recorded after the broker has it: a run that dies in between sends a part again, which is the same.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streams import decisions
from streams.bulk_producer import BulkProducer, Records
from streams.clock import monotonic_ms, now_us
from streams.decisions import Decision
from streams.events.dead_letter import is_replayable
from streams.events.record_headers import headers_of
from streams.events.redriven import Redriven, redrive_headers
from streams.original_records import Original, originals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.settings import Settings

CHUNK_LETTERS_MAX: Final = 500
"""Letters sent before the next line of the record, and held in memory."""

Letter = dict[str, Any]
"""A row of the view `letter`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would become of the letters asked for: ids to send, and why the others are left out."""

    to_send: tuple[str, ...]
    from_topic_n: int
    not_replayable_n: int
    redriven_n: int
    discarded_n: int


@dataclass(frozen=True, slots=True)
class Sent:
    """How it went: sent and acknowledged; no longer in Kafka, nor in the table."""

    sent_n: int
    gone_n: int


def planned(letters: Sequence[Letter], *, is_again: bool, is_named: bool) -> Plan:
    """Which of these letters are to be sent.

    Args:
        letters: dlq_id, error_class, error_type, state, is_whole.
        is_again: also those that were sent or discarded before.
        is_named: a person named these very letters: send what seems hopeless, too.
    """
    fresh = [one for one in letters if is_again or one["state"] == "open"]
    hopeful = [
        one for one in fresh if is_named or is_replayable(one["error_class"], one["error_type"])
    ]
    held_back = [] if is_again else letters
    return Plan(
        to_send=tuple(one["dlq_id"] for one in hopeful),
        from_topic_n=sum(not one["is_whole"] for one in hopeful),
        not_replayable_n=len(fresh) - len(hopeful),
        redriven_n=sum(one["state"] == "redriven" for one in held_back),
        discarded_n=sum(one["state"] == "discarded" for one in held_back),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who sends again and why; rate_max: messages a second."""

    decided_by: str
    why: str | None
    rate_max: float


def redrive(
    settings: Settings,
    dlq_ids: Sequence[str],
    read: Callable[[Sequence[str]], Sequence[Letter]],
    act: Act,
    advance: Callable[[int], None],
) -> Sent:
    """Send these letters again, a chunk at a time, and record each chunk.

    Args:
        settings: broker, topics and the folder of the record.
        dlq_ids: what to send, in this order.
        read: the whole rows of some of them.
        act: who, why, how fast.
        advance: told how many are done.

    Raises:
        TransientError: the broker did not take them; run again: what was recorded is left out.
    """
    size = max(1, min(CHUNK_LETTERS_MAX, int(act.rate_max)))
    sent_n = gone_n = 0
    with BulkProducer(settings) as producer:
        for start in range(0, len(dlq_ids), size):
            began_ms = monotonic_ms()
            ids = dlq_ids[start : start + size]
            found = _with_bytes(settings, read(ids))
            _send(producer, found)
            if found:
                done = tuple(letter["dlq_id"] for letter, _ in found)
                decisions.decide(decisions.path_of(settings), _decision(act, done))
            sent_n += len(found)
            gone_n += len(ids) - len(found)
            advance(len(ids))
            if start + size < len(dlq_ids):
                took_s = (monotonic_ms() - began_ms) / 1_000
                time.sleep(max(0.0, len(ids) / act.rate_max - took_s))
    return Sent(sent_n, gone_n)


def _decision(act: Act, dlq_ids: tuple[str, ...]) -> Decision:
    return Decision(
        decision="redriven",
        decided_at_us=now_us(),
        decided_by=act.decided_by,
        why=act.why,
        dlq_ids=dlq_ids,
    )


def _with_bytes(settings: Settings, letters: Sequence[Letter]) -> list[tuple[Letter, Original]]:
    """The letters with their raw bytes: from the row, else from the topic; gone ones left out.

    A record of another size than the letter's is another record: the topic was made anew.
    """
    places = {_place(one) for one in letters if not one["is_whole"]}
    there = originals(settings, places) if places else {}
    found = []
    for one in letters:
        if one["is_whole"]:
            found.append((one, Original(one["key"], one["value"], headers_of(one["headers"]))))
        elif (raw := there.get(_place(one))) and _size(raw.value) == one["value_bytes_n"]:
            found.append((one, raw))
    return found


def _place(letter: Letter) -> tuple[str, int, int]:
    return letter["topic"], letter["shard"], letter["offset"]


def _size(value: bytes | None) -> int | None:
    return None if value is None else len(value)


def _send(producer: BulkProducer, found: Sequence[tuple[Letter, Original]]) -> None:
    """Hand over by topic, then wait for the broker."""
    for topic in sorted({letter["topic"] for letter, _ in found}):
        part = [(letter, raw) for letter, raw in found if letter["topic"] == topic]
        producer.send(
            Records(
                topic=topic,
                keys=[raw.key for _, raw in part],
                values=[raw.value for _, raw in part],
                record_times_ms=[now_us() // 1_000] * len(part),
                headers=[redrive_headers(raw.headers, _again(letter)) for letter, raw in part],
                partitions=[letter["shard"] for letter, _ in part],
            )
        )
    producer.flush()


def _again(letter: Letter) -> Redriven:
    return Redriven(letter["dlq_id"], letter["redrive_count"] + 1, letter["first_failed_at_us"])
