"""`doctor` holds what the broker tells of its topics against our settings."""

from __future__ import annotations

import pytest

from listenback import broker_findings
from listenback.broker_findings import of_limits, of_times, times
from streams import topics
from streams.settings import Settings
from streams.topics import DAY_MS, FOR_EVER, LONG_MAX, Place

NOW_MS = 1_795_000_000_000


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, horizon_days=30, message_bytes_max=1_000_000)


def rules(retention_ms: int, bytes_max: int) -> dict[str, str]:
    return {"retention.ms": str(retention_ms), "max.message.bytes": str(bytes_max)}


@pytest.mark.parametrize("retention_ms", [FOR_EVER, 30 * DAY_MS, 31 * DAY_MS])
def test_topics_as_wide_as_the_settings_are_well(settings, retention_ms):
    one = of_limits(settings, {"listens": rules(retention_ms, 1_000_000)})
    assert (one.state, one.says) == ("ok", "no topic's rule is narrower than our settings")


def test_a_topic_that_deletes_before_the_horizon_is_named_with_what_to_set(settings):
    told = {
        "exposures": rules(30 * DAY_MS, 1_048_588),
        "listens": rules(30 * DAY_MS - 1, 1_048_588),
        "feedback": rules(7 * DAY_MS, 1_048_588),
    }
    one = of_limits(settings, told)
    assert one.state == "warn"
    assert one.says.startswith("listens, feedback keep events for 7.0 days (the shortest)")
    assert "horizon_days is 30" in one.says
    assert f"--add-config retention.ms={45 * DAY_MS}" in one.todo
    assert "max.message.bytes" not in one.todo


def test_a_topic_that_refuses_what_we_would_take_is_named_with_what_to_set(settings):
    told = {"listens": rules(FOR_EVER, 999_999), "feedback": rules(FOR_EVER, 1_000_000)}
    one = of_limits(settings, told)
    assert one.state == "warn"
    assert one.says == ("listens refuse more than 999,999 bytes, message_bytes_max is 1,000,000")
    assert one.todo.endswith("--add-config max.message.bytes=1001024")


def test_rules_that_the_broker_does_not_tell_are_named_not_judged(settings):
    one = of_limits(settings, {"listens": {}})
    assert one.state == "ok"
    assert one.says.endswith("the broker does not tell retention.ms, max.message.bytes")


def test_records_of_our_future_are_a_warning_and_the_furthest_is_named():
    near, far = Place("listens", 0, 7), Place("feedback", 3, 41)
    one = of_times({near: NOW_MS + 61_000, far: NOW_MS + 7_200_000}, now_ms=NOW_MS)
    assert one.state == "warn"
    assert one.says.startswith("feedback[3]@41 has a time 7,200 s ahead of our clock, and 1 other")
    assert one.todo.startswith("Start a time service here")


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ({"retention.ms": "1"}, "warn"),
        ({"retention.ms": str(FOR_EVER)}, "ok"),
        ({"message.timestamp.after.max.ms": str(LONG_MAX)}, "ok"),
    ],
)
def test_made_up_times_are_well_in_topics_that_were_made_for_them(
    settings, monkeypatch, rule, state
):
    asked = []

    def records_from(_: Settings, at_ms: int) -> dict[Place, int]:
        asked.append(at_ms)
        return {Place("listens", 0, 7): at_ms}

    monkeypatch.setattr(broker_findings, "now_us", lambda: NOW_MS * 1_000)
    monkeypatch.setattr(topics, "told_rules", lambda _: {"listens": rule})
    monkeypatch.setattr(topics, "records_from", records_from)
    assert times(settings).state == state
    assert asked == [NOW_MS + 60_000]


@pytest.mark.parametrize(("horizon_days", "kept_days"), [(30, 45), (14, 21), (2, 9)])
def test_kafka_is_to_keep_half_a_horizon_more_and_a_week_at_least(horizon_days, kept_days):
    wanted_ms = topics.retention_wanted_ms(Settings(horizon_days=horizon_days))
    assert wanted_ms == kept_days * DAY_MS
