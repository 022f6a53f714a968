"""Whether the data can be trusted, and how far it is."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest
from support.published import DAY_0, Published, day_us

from analytics.read import check_warehouse, data_day, read_trust
from streams.errors import ConfigError


@pytest.fixture
def published(tmp_path):
    return Published(tmp_path / "w.duckdb")


def test_balanced_topics_are_good_apart_from_what_was_refused(published):
    published.reach(3)
    trust = read_trust(published.open(), now_us=day_us(4))
    assert trust.level == "look"  # reach() refuses one message in ten
    assert all("10.0% of the messages were refused" in one for one in trust.findings)
    assert all(topic.balanced for topic in trust.topics)
    assert trust.watermark == "2026-10-04T12:00:00Z"
    assert trust.watermark_lag_s == 43_200


def test_a_topic_that_does_not_balance_is_bad_and_named(published):
    published.reach(3)
    counts = {"read_n": 10, "accepted_n": 8, "duplicate_n": 0, "dead_lettered_n": 0}
    rest = {"late_n": 0, "unknown_enum_n": 0, "next_offset": 10, "record_time_us_max": 1}
    published.insert("topic_shard", [{"topic": "listens", "shard": 1, **counts, **rest}])
    trust = read_trust(published.open(), now_us=day_us(4))
    assert trust.level == "bad"
    assert trust.findings[0].startswith("listens: 20 read, but")


def test_many_orphans_are_worth_a_look(published):
    published.insert("exposure", [{"generation_id": "known", "event_time_us": day_us(1)}])
    published.insert("listen", [{"generation_id": "waiting", "ms_played": 1}])
    trust = read_trust(published.open(), now_us=day_us(4))
    assert (trust.generations, trust.orphans) == (2, 1)
    assert trust.findings == ("50.0% of the generations wait for their exposure",)


def test_the_slowest_shard_sets_the_day(published):
    published.reach(9)
    published.insert("shard_watermark", [{"shard": 1, "event_time_us_max": day_us(5, seconds=60)}])
    counts = {"read_n": 1, "accepted_n": 1, "duplicate_n": 0, "dead_lettered_n": 0}
    rest = {"late_n": 0, "unknown_enum_n": 0, "next_offset": 1, "record_time_us_max": 1}
    published.insert("topic_shard", [{"topic": "listens", "shard": 1, **counts, **rest}])
    con = published.open()
    assert data_day(con) == DAY_0 + dt.timedelta(days=5)
    assert "one shard is 4.5 days behind" in read_trust(con, now_us=day_us(10)).findings[-1]


def test_without_a_watermark_the_last_day_of_the_units_is_taken(published):
    published.unit_days([{"unit_id": "u", "variant_id": "a", "day": 4, "exposures_n": 1}])
    assert data_day(published.open()) == DAY_0 + dt.timedelta(days=4)


def test_a_file_without_events_has_no_day(published):
    con = published.open()
    assert data_day(con) is None
    assert read_trust(con, now_us=0).watermark is None


def test_dead_letters_are_counted_by_class_also_those_that_a_flood_left_without_a_row(published):
    counted = [(0, "decode", 2), (1_000_000, "decode", 5_000), (0, "schema", 1)]
    published.insert(
        "dead_letter_count",
        [
            {"topic": "listens", "block_offset": at, "error_class": kind, "refused_n": n}
            for at, kind, n in counted
        ],
    )
    found = read_trust(published.open(), now_us=0).dead_letters
    assert [(one.error_class, one.n) for one in found] == [("decode", 5_002), ("schema", 1)]


def test_another_file_is_refused_with_what_it_lacks():
    with pytest.raises(ConfigError, match="no listenback warehouse: it has no unit_day"):
        check_warehouse(duckdb.connect(), "other.duckdb")
