"""What `listenback doctor` says of the broker's own rules: how long it keeps, how much it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from listenback.finding import Finding
from streams import topics
from streams.clock import now_us

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.settings import Settings

RETENTION = "retention.ms"
LARGEST = "max.message.bytes"
ANY_TIME = "message.timestamp.after.max.ms"
AHEAD_MAX_MS = 60_000
"""Records further ahead of our clock mean that one clock is wrong."""


def limits(settings: Settings) -> Finding:
    """Whether Kafka keeps events for the horizon and takes messages as large as we do."""
    return of_limits(settings, topics.told_rules(settings))


def of_limits(settings: Settings, told: Mapping[str, Mapping[str, str]]) -> Finding:
    """The finding on what the broker told of each topic; a rule that it does not tell is named.

    told: by topic and name of the rule, as Kafka spells both name and value.
    """
    wanted_ms = settings.horizon_days * topics.DAY_MS
    short = {
        name: value
        for name, value in _numbers(told, RETENTION).items()
        if topics.FOR_EVER < value < wanted_ms
    }
    small = {
        name: value
        for name, value in _numbers(told, LARGEST).items()
        if value < settings.message_bytes_max
    }
    says, wish = [], {}
    if short:
        days = min(short.values()) / topics.DAY_MS
        shown = f"{', '.join(short)} keep events for {days:,.1f} days (the shortest)"
        says.append(f"{shown}, horizon_days is {settings.horizon_days}: a lost disk loses events")
        wish[RETENTION] = topics.retention_wanted_ms(settings)
    if small:
        shown = f"{', '.join(small)} refuse more than {min(small.values()):,} bytes"
        says.append(f"{shown}, message_bytes_max is {settings.message_bytes_max:,}")
        wish[LARGEST] = settings.message_bytes_max + topics.BATCH_HEAD_BYTES
    if wish:
        return Finding("limits", "warn", "; ".join(says), _how_to_set(settings, wish))
    silent = [rule for rule in (RETENTION, LARGEST) if not _numbers(told, rule)]
    unsaid = f"; the broker does not tell {', '.join(silent)}" if silent else ""
    return Finding("limits", "ok", f"no topic's rule is narrower than our settings{unsaid}")


def times(settings: Settings) -> Finding:
    """Our clock against the times of the records, which the producers or the broker gave them."""
    free = [name for name, rules in topics.told_rules(settings).items() if _takes_any_time(rules)]
    now_ms = now_us() // 1_000
    ahead = topics.records_from(settings, now_ms + AHEAD_MAX_MS)
    found = {place: time for place, time in ahead.items() if place.topic not in free}
    return of_times(found, now_ms=now_ms)


def of_times(ahead: Mapping[topics.Place, int], *, now_ms: int) -> Finding:
    """The finding on records of times that our clock has not reached.

    ahead: the first of them in each partition, and its time, ms since 1970.
    """
    if not ahead:
        return Finding("times", "ok", f"no record is {AHEAD_MAX_MS // 1_000} s ahead of our clock")
    place, at_ms = max(ahead.items(), key=lambda one: one[1])
    ahead_s = (at_ms - now_ms) / 1_000
    return Finding(
        "times",
        "warn",
        f"{place.topic}[{place.partition}]@{place.offset} has a time {ahead_s:,.0f} s ahead of our "
        f"clock, and {len(ahead) - 1} other partitions have such records",
        "Start a time service here, on the brokers and on the producers: Kafka keeps such records "
        "too long, and their events are not refused as being from the future.",
    )


def _takes_any_time(rules: Mapping[str, str]) -> bool:
    """Whether the topic was made for records whose times are made up."""
    return rules.get(ANY_TIME) == str(topics.LONG_MAX) or rules.get(RETENTION) == str(
        topics.FOR_EVER
    )


def _numbers(told: Mapping[str, Mapping[str, str]], rule: str) -> dict[str, int]:
    return {name: int(rules[rule]) for name, rules in told.items() if rule in rules}


def _how_to_set(settings: Settings, wish: Mapping[str, int]) -> str:
    pairs = ",".join(f"{rule}={value}" for rule, value in wish.items())
    return (
        f"Set on each: kafka-configs.sh --bootstrap-server {settings.bootstrap} --alter "
        f"--entity-type topics --entity-name TOPIC --add-config {pairs}"
    )
