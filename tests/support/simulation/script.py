"""A scripted log: some hundred messages on five topics and three shards, of every kind there is.

What each message must become is known when it is made, so that lost and doubled can be told from
the log alone.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl
from support.log import message

from streams.events.batch import Batch
from streams.events.contracts import CONTRACTS
from streams.events.decode import Decoded, decode_all
from streams.events.limits import Limits
from streams.events.topics import JOINED_TOPICS, Topic

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from streams.events.contract import Contract

SHARDS = (0, 1, 2)
EVENTS_N = 90
UNKNOWN = "a reason of tomorrow"
ACCEPTED, DUPLICATE, DEAD = "accepted", "duplicate", "dead"
Place = tuple[Topic, int]
HORIZON_S = 30 * 86_400
FUTURE_S = 3_600
OUT_OF_ORDERNESS_S = 60
DELAYS_S = (
    0,
    0,
    1,
    60,
    61,
    120,
    7_200,
    3 * 86_400,
    HORIZON_S,
    -FUTURE_S,
    HORIZON_S + 1,
    -FUTURE_S - 1,
)
"""How long after an event its record was written; at, and just beyond, both limits."""
WEIGHTS = {
    Topic.EXPOSURES: 4,
    Topic.LISTENS: 6,
    Topic.FEEDBACK: 3,
    Topic.JUDGE_SCORES: 4,
    Topic.HUMAN_LABELS: 1,
}


@dataclass(frozen=True, slots=True)
class Record:
    """A message in its place, and what must become of it."""

    offset: int
    time_ms: int
    key: bytes | None
    value: bytes | None
    fate: str
    event_time_us: int = 0
    is_late: bool = False
    is_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """An event before it stands in the log. poison: what its producer does wrong."""

    place: Place
    delay_s: int
    fields: dict[str, Any]
    poison: str | None


Log = dict[Place, list[Record]]


def scripted(rng: random.Random) -> Log:
    """Events, some sent twice, some poison, in the order of a shuffled deck, with offset gaps."""
    made = [_card(rng, n) for n in range(EVENTS_N)]
    again = [rng.choice(made) for _ in range(EVENTS_N // 6)]
    deck = made + [replace(card, delay_s=rng.choice(DELAYS_S)) for card in again]
    rng.shuffle(deck)
    log: Log = {(topic, shard): [] for topic in JOINED_TOPICS for shard in SHARDS}
    seen: set[tuple[Place, str]] = set()
    for card in deck:
        records = log[card.place]
        last = records[-1].offset if records else -1
        record = _record(card, last + rng.choice((1, 1, 1, 3)))
        is_event = record.fate == ACCEPTED
        if is_event and (card.place, card.fields["event_id"]) in seen:
            record = replace(record, fate=DUPLICATE)
        elif is_event:
            seen.add((card.place, card.fields["event_id"]))
        records.append(record)
    return log


def batch(records: list[Record], place: Place) -> Batch:
    """These records as a fetch gives them."""
    return Batch(
        place[0].value,
        place[1],
        [r.offset for r in records],
        [r.time_ms for r in records],
        [r.key for r in records],
        [r.value for r in records],
    )


class Decoder:
    """Stands in for decode_all: each message of a log decoded once, by decode_all itself.

    Decoding is a pure function of a message (tests/property/test_decode.py), and costs more than
    all the rest of a small flush.
    """

    def __init__(self, log: Log) -> None:
        """Decode the whole log."""
        self._known = {
            topic: decode_all(
                [batch(log[topic, shard], (topic, shard)) for shard in SHARDS],
                CONTRACTS[topic],
                Limits(),
            )
            for topic in JOINED_TOPICS
        }

    def __call__(self, batches: Sequence[Batch], contract: Contract, limits: Limits) -> Decoded:
        """The rows of these messages, in their order."""
        assert limits == Limits(), "decoded under other limits"
        places = [(one.shard, offset) for one in batches for offset in one.offsets]
        schema = {"shard": pl.Int32, "offset": pl.Int64}
        wanted = pl.DataFrame(places, schema=schema, orient="row")
        known = self._known[Topic(contract.topic)]
        accepted, rejected = (
            wanted.join(rows, on=["shard", "offset"], maintain_order="left").select(rows.columns)
            for rows in (known.accepted, known.rejected)
        )
        return Decoded(accepted, rejected)


def _card(rng: random.Random, n: int) -> Card:
    topic = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    shard = rng.choices(SHARDS, (5, 5, 1))[0]  # one shard is nearly idle
    fields: dict[str, Any] = {
        "late_s": rng.choice((0, 59, 60, 3_599, 86_400, rng.randrange(3 * 86_400))),
        "generation_id": f"g{shard}-{rng.randrange(5)}",
        "user_key": rng.choice("ab") * 64,
        **_own(rng, topic),
    }
    if topic is Topic.LISTENS and rng.random() < 0.15:
        fields |= {"generation_id": None, "user_key": str(shard) * 64}
    poison = rng.choice(POISONS) if rng.random() < 0.12 else None
    return Card((topic, shard), rng.choice(DELAYS_S), {"event_id": f"event-{n}", **fields}, poison)


def _own(rng: random.Random, topic: Topic) -> dict[str, Any]:
    match topic:
        case Topic.EXPOSURES:
            experiment = rng.choice(("e1", "e1", "e2", None))
            return {
                "experiment_id": experiment,
                "variant_id": experiment and rng.choice(("a", "b")),
                "surface": rng.choice((None, "dj", "home")),
                "artist_consent": rng.choice((None, "opted_in")),
                "gen_latency_ms": rng.choice((None, 840)),
            }
        case Topic.LISTENS:
            return {
                "ms_played": rng.choice((0, 4_999, 5_000, 29_999, 30_000, 61_000)),
                "ms_content_unique": rng.choice((None, 102_000, 102_001, 204_000, 300_000)),
                "track_duration_ms": rng.choice((None, 204_000)),
                "reason_end": rng.choice(("trackdone", "fwdbtn", "backbtn", "trackerror", UNKNOWN)),
                "incognito": rng.random() < 0.1,
            }
        case Topic.FEEDBACK:
            actions = ("like", "unlike", "save", "unsave", "dislike", "survey")
            return {"action": rng.choice(actions), "value": rng.choice((None, 0.25))}
        case Topic.JUDGE_SCORES:
            failed = rng.random() < 0.2
            return {
                "evaluator_epoch": rng.choice(("epoch-1", "epoch-2")),
                "score_value": None if failed else rng.choice((1.0, 2.5, 4.0)),
                "error_type": "timeout" if failed else None,
                "repeat_idx": rng.choice((0, 1)),
            }
        case _:
            return {}


POISONS = ("bytes", "null", "key", "json", "field", "number")


def _record(card: Card, offset: int) -> Record:
    """The message of a card; whether it is the first of its id is not asked here."""
    body = message(card.place[0], **card.fields)
    happened = dt.datetime.fromisoformat(body["event_time"])
    time_ms = int((happened.timestamp() + card.delay_s) * 1_000)
    key = (body["generation_id"] or body["user_key"]).encode()
    value: bytes | None = json.dumps(body).encode()
    match card.poison:
        case "bytes":
            value = b"\xff\x00" + key
        case "null":
            value = None
        case "key":
            key = b"somebody else"
        case "json":
            value = json.dumps(body).encode()[:-1]
        case "field":
            value = json.dumps({**body, "event_time": "yesterday"}).encode()
        case "number":
            value = json.dumps({**body, "schema_version": 1}).encode()
        case _:
            pass
    is_within = -FUTURE_S <= card.delay_s <= HORIZON_S
    fate = ACCEPTED if card.poison is None and is_within else DEAD
    return Record(
        offset,
        time_ms,
        key,
        value,
        fate,
        event_time_us=int(happened.timestamp()) * 1_000_000,
        is_late=card.delay_s > OUT_OF_ORDERNESS_S,
        is_unknown=card.fields.get("reason_end") == UNKNOWN,
    )
