"""Messages that must be refused, each with the class of its dead letter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streams.events.dead_letter import ErrorClass
from streams.events.topics import Topic
from streams.simulate.plan import DAY_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Fields = dict[str, Any]
ALL = tuple(Topic)
FUTURE_MS = 2 * DAY_MS
STALE_MS = 45 * DAY_MS
REQUIRED = {
    Topic.EXPOSURES: "user_key",
    Topic.LISTENS: "user_key",
    Topic.FEEDBACK: "action",
    Topic.JUDGE_SCORES: "dimension",
    Topic.HUMAN_LABELS: "rater_key",
}
NUMBER = {
    Topic.EXPOSURES: "position",
    Topic.LISTENS: "ms_played",
    Topic.FEEDBACK: "polarity",
    Topic.JUDGE_SCORES: "sampling_prob",
    Topic.HUMAN_LABELS: "ms_listened",
}


@dataclass(frozen=True, slots=True)
class Poison:
    """A way to be wrong. make: from the fields of a good message, its topic and its record time."""

    name: str
    error_class: ErrorClass
    topics: Sequence[Topic]
    make: Callable[[Fields, Topic, int], bytes | None]


def _json(fields: Fields) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _rfc3339(time_ms: int) -> str:
    when = datetime.fromtimestamp(time_ms / 1_000, tz=UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cut_off(fields: Fields, _topic: Topic, _time_ms: int) -> bytes:
    whole = _json(fields)
    return whole[: len(whole) // 2]


def _not_utf8(fields: Fields, _topic: Topic, _time_ms: int) -> bytes:
    return _json({**fields, "environment": "?"}).replace(b'"?"', b'"\xff\xfe"')


def _a_list(fields: Fields, _topic: Topic, _time_ms: int) -> bytes:
    return json.dumps([fields]).encode()


def _nothing(_fields: Fields, _topic: Topic, _time_ms: int) -> bytes:
    return b""


def _tombstone(_fields: Fields, _topic: Topic, _time_ms: int) -> None:
    return None


def _without(fields: Fields, topic: Topic, _time_ms: int) -> bytes:
    return _json({name: value for name, value in fields.items() if name != REQUIRED[topic]})


def _text_for_number(fields: Fields, topic: Topic, _time_ms: int) -> bytes:
    return _json({**fields, NUMBER[topic]: "many"})


def _out_of_range(fields: Fields, topic: Topic, _time_ms: int) -> bytes:
    return _json({**fields, NUMBER[topic]: -7})


def _no_time(fields: Fields, _topic: Topic, _time_ms: int) -> bytes:
    return _json({**fields, "event_time": "yesterday at noon"})


def _address(fields: Fields, _topic: Topic, _time_ms: int) -> bytes:
    return _json({**fields, "ip_addr": "192.0.2.7"})


def _future(fields: Fields, _topic: Topic, time_ms: int) -> bytes:
    return _json({**fields, "event_time": _rfc3339(time_ms + FUTURE_MS)})


def _stale(fields: Fields, _topic: Topic, time_ms: int) -> bytes:
    old = _rfc3339(time_ms - STALE_MS)
    started = {"started_at": old} if "started_at" in fields else {}
    return _json({**fields, "event_time": old, **started})


def _started_after_end(fields: Fields, _topic: Topic, time_ms: int) -> bytes:
    times = {"event_time": _rfc3339(time_ms - MINUTE_MS), "started_at": _rfc3339(time_ms)}
    return _json({**fields, **times})


def _opted_out(fields: Fields, _topic: Topic, _time_ms: int) -> bytes:
    return _json({**fields, "artist_consent": "opted_out"})


def _score_beside_error(fields: Fields, _topic: Topic, _time_ms: int) -> bytes:
    return _json({**fields, "score_value": 0.0, "error_type": "timeout"})


def _beyond_scale(fields: Fields, _topic: Topic, _time_ms: int) -> bytes:
    scored = {name: value for name, value in fields.items() if name != "error_type"}
    return _json({**scored, "score_value": 1_000.0})


POISONS = (
    Poison("cut_off", ErrorClass.DECODE, ALL, _cut_off),
    Poison("not_utf8", ErrorClass.DECODE, ALL, _not_utf8),
    Poison("a_list", ErrorClass.DECODE, ALL, _a_list),
    Poison("nothing", ErrorClass.DECODE, ALL, _nothing),
    Poison("tombstone", ErrorClass.DECODE, ALL, _tombstone),
    Poison("field_missing", ErrorClass.SCHEMA, ALL, _without),
    Poison("text_for_number", ErrorClass.SCHEMA, ALL, _text_for_number),
    Poison("out_of_range", ErrorClass.SCHEMA, ALL, _out_of_range),
    Poison("no_time", ErrorClass.SCHEMA, ALL, _no_time),
    Poison("address", ErrorClass.SCHEMA, ALL, _address),
    Poison("future", ErrorClass.SEMANTIC, ALL, _future),
    Poison("stale", ErrorClass.LATE_BEYOND_HORIZON, ALL, _stale),
    Poison("started_after_end", ErrorClass.SEMANTIC, (Topic.LISTENS,), _started_after_end),
    Poison("opted_out", ErrorClass.CONSENT_BLOCK, (Topic.EXPOSURES,), _opted_out),
    Poison("score_beside_error", ErrorClass.SCHEMA, (Topic.JUDGE_SCORES,), _score_beside_error),
    Poison("beyond_scale", ErrorClass.SCHEMA, (Topic.JUDGE_SCORES,), _beyond_scale),
)


def poisons_of(topic: Topic) -> tuple[Poison, ...]:
    """The ways in which a message of this topic can be wrong."""
    return tuple(one for one in POISONS if topic in one.topics)


def spoil(topic: Topic, nth: int, fields: Fields, time_ms: int) -> bytes | None:
    """The nth poison message of a topic, made from a good one; the ways take turns."""
    ways = poisons_of(topic)
    return ways[nth % len(ways)].make(fields, topic, time_ms)
