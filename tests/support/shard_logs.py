"""Logs for property tests: events of few users and generations, cut and interleaved at will."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from streams.engine.rules import Rules
from streams.events.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection
    from support.frames import Entry

RULES = Rules((60, 3_600, 86_400), 60_000_000)
START_US = 1_700_000_000_000_000
GENERATIONS = ("g1", "g2")
USERS = ("a" * 64, "b" * 64)
ERROR_TYPES = {
    (False, False): None,
    (False, True): None,
    (True, False): "timeout",
    (True, True): None,  # a score that is a label alone
}
OPTIMIZED = st.sampled_from((True, False, False, False))
"""Rows do not depend on how DuckDB plans; for a dozen rows a plan costs more than running it."""
EDGES_S = (39, 40, 2_799, 2_800, 6_399, 6_400)
"""Last and first seconds of a minute, an hour and a day, from START_US on."""
times = (st.integers(0, 3 * 86_400) | st.sampled_from(EDGES_S)).map(
    lambda s: START_US + s * 1_000_000
)
delays_us = st.sampled_from(
    (0, 30_000_000, 60_000_000, 61_000_000, 120_000_000, 3_600_000_000, 86_400_000_000)
)


@contextlib.contextmanager
def plan(con: DuckDBPyConnection, *, is_optimized: bool) -> Iterator[None]:
    """Let DuckDB optimize its plans, or run them as they are written."""
    con.execute(f"PRAGMA {'enable' if is_optimized else 'disable'}_optimizer")
    try:
        yield
    finally:
        con.execute("PRAGMA enable_optimizer")


def event(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    common = {
        "event_time_us": times,
        "delay_us": delays_us,
        "generation_id": st.sampled_from(GENERATIONS),
        "user_key": st.sampled_from((USERS[0], USERS[0], USERS[0], USERS[1])),
        "environment_raw": st.sampled_from((None, None, "qa")),
    }
    return st.fixed_dictionaries(common | fields)


exposures = event(
    experiment_id=st.sampled_from(("e1", "e1", "e2", None)),
    unit_type=st.just("user"),
    unit_id=st.sampled_from(("u1", "u2", USERS[1])),
    surface=st.sampled_from((None, "dj", "home")),
    artist_consent=st.sampled_from((None, "opted_in")),
    gen_latency_ms=st.sampled_from((None, 40)),
).map(lambda e: e | {"variant_id": e["experiment_id"] and "v" + e["unit_id"]})
listens = event(
    generation_id=st.sampled_from((*GENERATIONS, None)),
    ms_played=st.sampled_from((0, 4_999, 29_999, 30_000, 61_000, 400_000)),
    ms_content_unique=st.sampled_from((None, 100_000)),
    track_duration_ms=st.sampled_from((None, 200_000)),
    reason_end=st.sampled_from((None, "trackdone", "fwdbtn", "backbtn", "trackerror", "endplay")),
    incognito=st.sampled_from((None, False, True)),
    offline=st.sampled_from((None, True)),
    is_organic=st.sampled_from((None, True)),
)
feedback = event(
    action=st.sampled_from(("like", "unlike", "save", "unsave", "survey", "other")),
    value=st.sampled_from((None, 0.25, 4.0, -1.5)),
)
scores = event(
    dimension=st.sampled_from(("taste", "safety")),
    evaluator_epoch=st.sampled_from(("e1", "e2")),
    judge_id=st.just("j"),
    score_value=st.sampled_from((None, 0.0, 0.25, 1.0)),
    repeat_idx=st.sampled_from((None, 0, 1)),
    sampling_prob=st.sampled_from((None, 0.5, 1.0)),
).map(lambda e: e | {"error_type": ERROR_TYPES[e["score_value"] is None, e["repeat_idx"] == 1]})
labels = event(
    dimension=st.just("taste"),
    score_value=st.just(1.0),
    rater_key=st.sampled_from((None, *USERS)),
)
logs = st.lists(
    st.one_of(
        st.tuples(st.just(topic), events)
        for topic, events in (
            *((Topic.EXPOSURES, exposures),) * 3,
            *((Topic.LISTENS, listens),) * 3,
            (Topic.FEEDBACK, feedback),
            *((Topic.JUDGE_SCORES, scores),) * 2,
            (Topic.HUMAN_LABELS, labels),
        )
    ),
    max_size=24,
)


def as_log(drawn: list[Entry], *, repeats: list[int]) -> list[Entry]:
    """Number the events; some stand in the log twice."""
    drawn = drawn + [drawn[i % len(drawn)] for i in repeats if drawn]
    offsets: dict[tuple[Topic, int], itertools.count[int]] = {}
    ids = {id(entry): f"event-{n}" for n, entry in enumerate(drawn)}
    log = []
    for topic, fields in drawn:
        key = fields["generation_id"] or fields["user_key"]
        shard = len(key) % 2 if key in USERS else int(key[1]) % 2
        offset = next(offsets.setdefault((topic, shard), itertools.count()))
        identity = next(ids[id(entry)] for entry in drawn if entry[1] is fields)
        record_time_us = fields["event_time_us"] + fields["delay_us"]
        log.append(
            (
                topic,
                fields
                | {"shard": shard, "offset": offset, "record_time_us": record_time_us}
                | {"source": "test", "event_id": identity},
            )
        )
    return log


def cut(entries: list[Entry], sizes: list[int]) -> list[list[Entry]]:
    """The entries in chunks of the given sizes, the rest in one."""
    chunks, start = [], 0
    for size in sizes:
        chunks.append(entries[start : start + size])
        start += size
    return [*chunks, entries[start:]]


def interleaved(log: list[Entry], order: list[int]) -> list[Entry]:
    """Any interleaving of topics and shards; each keeps its own offset order, as Kafka does."""
    ranked = sorted(range(len(log)), key=lambda i: order[i % len(order)] if order else 0)
    queues: dict[tuple[Topic, int], list[Entry]] = {}
    for entry in log:
        queues.setdefault((entry[0], entry[1]["shard"]), []).append(entry)
    return [queues[log[i][0], log[i][1]["shard"]].pop(0) for i in ranked]
