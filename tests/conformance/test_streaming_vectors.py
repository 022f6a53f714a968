"""Other engines' windows and joins: their published answers come out of our whole engine.

A key or a left value becomes an experiment, a millisecond becomes a second. NOT_OURS says of each
vector that is not run why it cannot hold here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.frames import arrived

from streams.engine.rules import Rules
from streams.events.topics import Topic
from streams.flush import commit
from streams.warehouse.connect import open_writable
from streams.warehouse.migrate import migrate

if TYPE_CHECKING:
    from pathlib import Path

    from support.frames import Entry

SIZE_S = 10
RULES = Rules((1, SIZE_S), 0)
USER = "a" * 64
BYTEWAX, HOPPING = "bytewax_windows", "kafka_streams_hopping_windows"
JOIN = "kafka_streams_stream_stream_join"
NOT_OURS = {
    "test_fold_window_session": "session windows: ours are tumbling alone",
    "test_fold_window_sliding": "it drops late events; ours revise their window",
    "TimeWindowedKStreamIntegrationTest.shouldAggregateWindowedWithNoGrace": "the same",
    "StreamStreamJoinIntegrationTest.testSelfJoin": "a stream joined with itself: we have none",
}


def vectors(shared: Path, file: str) -> dict[str, Any]:
    text = (shared / "data" / "vectors_streaming" / f"{file}.json").read_text("utf-8")
    return {one["name"]: one for one in json.loads(text)}


@pytest.fixture
def con(tmp_path):
    con = open_writable(tmp_path / "vectors.duckdb", memory="500MB", threads_n=1)
    migrate(con, "here")
    yield con
    con.close()


def entry(topic: Topic, at: int, time_s: int, **fields: Any) -> Entry:
    common = {"shard": 0, "offset": at, "source": "vector", "event_id": str(at)}
    times = {"event_time_us": time_s * 1_000_000, "record_time_us": time_s * 1_000_000}
    return topic, common | times | {"generation_id": "g", "user_key": USER} | fields


def exposed(name: str, at: int, time_s: int, generation: str | None = None) -> Entry:
    """An exposure in an experiment of this name."""
    return entry(
        Topic.EXPOSURES,
        at,
        time_s,
        generation_id=generation or f"g{at}",
        experiment_id=name,
        variant_id="v",
        unit_type="user",
        unit_id=USER,
    )


def counted(con, entries: list[Entry]) -> dict[tuple[str, int], int]:
    """Events per name and window number, flushed one by one in the order given."""
    for one in entries:
        commit(con, arrived([one]), RULES)
    return {
        (name, start): n
        for name, start, n in con.sql(
            f"SELECT experiment_id, window_start_us // {SIZE_S * 1_000_000}, "
            f"sum(exposures_n)::BIGINT FROM window_sum WHERE size_s = {SIZE_S} "
            "AND basis = 'activity' AND attribution = 'exposed' "
            "GROUP BY ALL HAVING sum(exposures_n) <> 0"
        ).fetchall()
    }


def test_bytewax_counts_by_value_in_tumbling_windows(shared, con):
    vector = vectors(shared, BYTEWAX)["test_fold_window_tumbling"]
    entries = [exposed(value, at, time_s) for at, (time_s, value) in enumerate(vector["input"])]
    expected = {(name, n): count for n, sums in vector["expected"] for name, count in sums.items()}
    assert counted(con, entries) == expected


def test_bytewax_counts_by_key_in_tumbling_windows(shared, con):
    vector = vectors(shared, BYTEWAX)["test_count_window"]
    entries = [exposed(key, at, time_s) for at, (time_s, key) in enumerate(vector["input"])]
    assert counted(con, entries) == {(key, n): count for key, (n, count) in vector["expected"]}


def test_bytewax_collects_what_comes_out_of_order_in_its_window(shared, con):
    vector = vectors(shared, BYTEWAX)["test_collect_window"]
    entries = [exposed(str(v), at, time_s) for at, (time_s, v) in enumerate(vector["input"])]
    expected = {(str(value), n): 1 for n, values in vector["expected"] for value in values}
    assert counted(con, entries) == expected


@pytest.mark.parametrize(
    ("name", "updates"),
    [
        ("KStreamWindowAggregateTest.testAggBasic", "expected"),
        (
            "TimeWindowedKStreamIntegrationTest.shouldAggregateWindowedWithGrace",
            "expected_every_update",
        ),
    ],
)
def test_every_other_hopping_window_of_kafka_streams_is_our_tumbling_one(
    shared, con, name, updates
):
    """Windows of 10 every 5: those that begin at multiples of 10 are gap-free."""
    vector = vectors(shared, HOPPING)[name]
    entries = [exposed(r["key"], at, r["timestamp"]) for at, r in enumerate(vector["input"])]
    last = {  # "0+1+2": as many values as plus signs; the last update of a window is its content
        (row["key"], row["start"] // SIZE_S): row["value"].count("+")
        for row in vector[updates]
        if row["start"] % SIZE_S == 0
    }
    assert counted(con, entries) == last


@pytest.mark.parametrize("how", ["Inner", "Left", "Outer"])
def test_pairs_of_a_kafka_streams_join_are_pairs_of_an_exposure_and_a_play(shared, con, how):
    """Left records are exposures in experiments of their own, right ones listens of the key."""
    steps = vectors(shared, JOIN)[f"StreamStreamJoinIntegrationTest.test{how}"]["steps"]
    pairs: set[tuple[str, str]] = set()
    values = {}
    for at, step in enumerate(steps):
        if step["value"] is None or (step["side"] == "left" and step["key"] is None):
            continue  # null values are no events; an exposure without its key is a dead letter
        time_s = step["timestamp"]
        key = None if step["key"] is None else f"g{step['key']}"
        if step["side"] == "left":
            one = exposed(step["value"], at, time_s, key)
        else:
            one = entry(Topic.LISTENS, at, time_s, generation_id=key, ms_played=1)
            values[time_s] = step["value"]
        commit(con, arrived([one]), RULES)
        pairs |= {tuple(row["value"].split("-")) for row in step["expected"] if row["key"] == 0}
        found = con.sql(
            "SELECT experiment_id, window_start_us // 1000000 FROM window_sum "
            "WHERE size_s = 1 AND basis = 'activity' AND attribution = 'exposed' "
            "GROUP BY ALL HAVING sum(starts_n) = 1"
        ).fetchall()
        assert {(left, values[at_s]) for left, at_s in found} == pairs
    assert len(pairs) == 16
    organic = con.sql("SELECT sum(starts_n) FROM window_sum WHERE attribution = 'organic'")
    assert organic.fetchall() == [(2,)], "the play without a key, in windows of two sizes"


def test_each_vector_is_run_or_listed_with_its_reason(shared):
    names = {name for file in (BYTEWAX, HOPPING, JOIN) for name in vectors(shared, file)}
    run = {
        *("test_fold_window_tumbling", "test_count_window", "test_collect_window"),
        "KStreamWindowAggregateTest.testAggBasic",
        "TimeWindowedKStreamIntegrationTest.shouldAggregateWindowedWithGrace",
        *(f"StreamStreamJoinIntegrationTest.test{how}" for how in ("Inner", "Left", "Outer")),
    }
    assert names == run | set(NOT_OURS)
    assert not run & set(NOT_OURS)
