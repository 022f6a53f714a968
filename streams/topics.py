"""The topics on the broker: create them, hold their partition counts equal, say how far they are.

Joins stay local because partition p of the five joined topics is one shard: their partition counts
must be equal, and whoever starts checks it.
"""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kafka import TopicPartition
from kafka.admin import (
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    OffsetSpec,
    OffsetTimestamp,
)
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    InvalidReplicationFactorError,
    KafkaError,
    NotCoordinatorError,
    TopicAlreadyExistsError,
)

from streams.clock import monotonic_ms
from streams.errors import ConfigError, IntegrityError, TransientError
from streams.events.topics import ERASURES, JOINED_TOPICS, dead_letter_topic
from streams.greeting import greet
from streams.log_ends import EMBEDDED_CLUSTER, fetched_ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.settings import Settings

ANSWER_WAIT_MAX_S = 3.0
"""A broker that does not take a connection in this time is called unreachable."""
REQUEST_WAIT_MAX_S = 15.0
CREATED_WAIT_MAX_S = 10.0
COORDINATOR_WAIT_MAX_S = 15.0
"""A new cluster makes the topic of the groups' offsets when it is asked for the first time."""
RETRY_WAIT_S = 0.2
RETENTION_HORIZONS = 1.5
RETENTION_BEYOND_DAYS = 7
"""Kafka keeps at least so much more than the horizon: time to mend a worker that stands still."""
DAY_MS = 86_400_000
FOR_EVER = -1
"""Kafka deletes by the records' own times: old events would be gone within minutes."""
LONG_MAX = (1 << 63) - 1
BATCH_HEAD_BYTES = 1_024
"""More than the head of a batch and of its one record, without key and headers, ever takes."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    """How far a partition is: the log's first and end offset, and what the group told Kafka.

    group_offset is None where the group has told nothing; the offsets of record are the sink's.
    """

    topic: str
    partition: int
    begin_offset: int
    end_offset: int
    group_offset: int | None

    @property
    def lag_n(self) -> int:
        """Records that the group has not told Kafka to be done with."""
        return max(0, self.end_offset - max(self.group_offset or 0, self.begin_offset))


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


def joined_names(settings: Settings) -> tuple[str, ...]:
    """The five joined topics as the broker knows them."""
    return tuple(settings.topic(topic) for topic in JOINED_TOPICS)


def all_names(settings: Settings) -> tuple[str, ...]:
    """Every topic we use as the broker knows it: five joined, erasures, five of dead letters."""
    letters = (settings.topic(dead_letter_topic(topic)) for topic in JOINED_TOPICS)
    return (*joined_names(settings), settings.topic(ERASURES), *letters)


def require_broker(settings: Settings) -> None:
    """Raise TransientError unless one of the addresses takes us.

    A plain connect and a greeting, before any client starts: clients retry for a minute, also with
    a wrong password, and log all of it.
    """
    reasons = []
    for address in settings.bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")  # the settings have checked the form
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_WAIT_MAX_S).close()
        except (OSError, OverflowError) as error:
            reasons.append(f"{address}: {error}")
        else:
            greet(settings, host.strip("[]"), int(port))
            return
    raise TransientError(
        f"no broker answers ({'; '.join(reasons)}).",
        where=settings.bootstrap,
        todo="Start Kafka (docker compose up -d), or name the right one: --bootstrap host:port.",
    )


@contextlib.contextmanager
def admin(settings: Settings) -> Iterator[KafkaAdminClient]:
    """An admin client. What Kafka refuses leaves as TransientError."""
    require_broker(settings)
    try:
        with KafkaAdminClient(
            bootstrap_servers=settings.bootstrap.split(","),
            bootstrap_timeout_ms=int(ANSWER_WAIT_MAX_S * 1_000),
            request_timeout_ms=int(REQUEST_WAIT_MAX_S * 1_000),
            **settings.kafka_security().client_options(),
        ) as client:
            yield client
    except KafkaError as error:
        raise TransientError(
            f"no answer as a Kafka broker gives it ({str(error) or type(error).__name__}).",
            where=settings.bootstrap,
            todo="Look at `listenback doctor`, then try again.",
        ) from error


def partition_counts(settings: Settings) -> dict[str, int]:
    """Partitions of each of our topics that exists. Raises TransientError."""
    with admin(settings) as client:
        return _counts(client, all_names(settings))


def home_counts(settings: Settings) -> dict[str, int]:
    """What a producer needs to choose partitions: the counts of all our topics, all of them there.

    Asked before a producer starts, because many brokers create a topic that a producer names, with
    a partition count of their own. Raises TransientError, ConfigError, IntegrityError.
    """
    counts = partition_counts(settings)
    check_counts(settings, counts)
    return counts


def create_topics(
    settings: Settings, *, replication_n: int = 1, retention_ms: int | None = None
) -> tuple[str, ...]:
    """Create the topics that do not exist, as the joined ones that do, or with the settings' count.

    Args:
        settings: names, partitions, horizon.
        replication_n: copies of each partition.
        retention_ms: how old a record's own time may grow before Kafka deletes it; FOR_EVER
            for whoever sends old events. None: the horizon and half of it again, because a broker's
            default of 7 days deletes what a lost disk would need.

    Returns: the names created, none if all were there.

    Raises TransientError, IntegrityError; ConfigError where brokers are too few for the copies.
    """
    if retention_ms is None:
        retention_ms = retention_wanted_ms(settings)
    with admin(settings) as client:
        there = _counts(client, all_names(settings))
        joined = [count for name, count in there.items() if name in joined_names(settings)]
        partitions_n = max(joined, default=settings.partitions_n)
        check_counts(settings, {**dict.fromkeys(all_names(settings), partitions_n), **there})
        missing = [name for name in all_names(settings) if name not in there]
        wish = {
            "num_partitions": partitions_n,
            "replication_factor": replication_n,
            "configs": {"retention.ms": str(retention_ms)} | _any_time(retention_ms),
        }
        if missing:
            with _enough_brokers(client, replication_n):
                client.create_topics(dict.fromkeys(missing, wish))
            client.wait_for_topics(missing, timeout_ms=int(CREATED_WAIT_MAX_S * 1_000))
        return tuple(missing)


@contextlib.contextmanager
def _enough_brokers(client: KafkaAdminClient, copies_n: int) -> Iterator[None]:
    """Create topics within. Raises ConfigError where there are too few brokers for the copies."""
    try:
        # Two workers may start at once: whoever comes second finds the topic there.
        with contextlib.suppress(TopicAlreadyExistsError):
            yield
    except InvalidReplicationFactorError as error:
        brokers_n = len(client.describe_cluster()["brokers"])
        raise ConfigError(
            f"{copies_n} copies of each partition need as many brokers; {brokers_n} answered.",
            done="No topic was created.",
            todo="Start the others, or ask for fewer: listenback topics create --replication "
            f"{brokers_n}",
        ) from error


def retention_wanted_ms(settings: Settings) -> int:
    """How old a record may grow before Kafka deletes it, so that a lost disk can be read anew."""
    days = settings.horizon_days
    return int(max(days * RETENTION_HORIZONS, days + RETENTION_BEYOND_DAYS) * DAY_MS)


def _any_time(retention_ms: int) -> dict[str, str]:
    """For records whose times are made up: since 3.6 Kafka refuses those an hour in the future."""
    return {"message.timestamp.after.max.ms": str(LONG_MAX)} if retention_ms == FOR_EVER else {}


def check_topics(settings: Settings) -> int:
    """The partition count that the joined topics share.

    Raises:
        ConfigError: a topic is missing. IntegrityError: the counts differ.
    """
    return check_counts(settings, partition_counts(settings))


def check_counts(settings: Settings, counts: Mapping[str, int]) -> int:
    """Hold the counts of our topics against the shard law; see `check_topics`."""
    missing = [name for name in all_names(settings) if name not in counts]
    if missing:
        raise ConfigError(
            f"topics are missing: {', '.join(missing)}.",
            where=settings.bootstrap,
            todo="Create them: listenback topics create",
        )
    joined = {name: counts[name] for name in joined_names(settings)}
    if len(set(joined.values())) > 1:
        said = ", ".join(f"{name} has {count}" for name, count in joined.items())
        raise IntegrityError(
            f"the joined topics differ in their number of partitions: {said}.",
            where=settings.bootstrap,
            done="Nothing was read: partition p of one would not belong to partition p of another.",
            todo="Recreate the topics with equal counts and send the events again "
            "(adding partitions moves keys, so it does not repair what is there).",
        )
    return next(iter(joined.values()))


def partition_states(settings: Settings) -> tuple[PartitionState, ...]:
    """Every partition of our topics that exist, in order. Raises TransientError."""
    with admin(settings) as client:
        counts = _counts(client, all_names(settings))
        tps = [TopicPartition(name, p) for name, count in counts.items() for p in range(count)]
        begin = client.list_partition_offsets(dict.fromkeys(tps, OffsetSpec.EARLIEST))
        latest = client.list_partition_offsets(dict.fromkeys(tps, OffsetSpec.LATEST))
        end = {tp: latest[tp].offset for tp in tps}
        if any(end.values()) and client.describe_cluster()["cluster_id"] == EMBEDDED_CLUSTER:
            end = fetched_ends(settings, end)
        told = _group_offsets(client, settings.group, tps)
    return tuple(
        PartitionState(tp.topic, tp.partition, begin[tp].offset, end[tp], _told(told.get(tp)))
        for tp in tps
    )


def told_rules(settings: Settings) -> dict[str, dict[str, str]]:
    """The rules that hold for each of our topics that exist, by Kafka's names of them.

    A broker may tell a few or none, Kafka tells all. Raises TransientError.
    """
    with admin(settings) as client:
        names = list(_counts(client, all_names(settings)))
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        told = client.describe_configs(asked, config_filter="all").get("topic", {})
    return {
        name: {rule: one["value"] for rule, one in rules.items() if one["value"] is not None}
        for name, rules in told.items()
    }


def records_from(settings: Settings, at_ms: int) -> dict[Place, int]:
    """In each partition the first record of that time or later, and its time, ms since 1970.

    Raises TransientError.
    """
    with admin(settings) as client:
        counts = _counts(client, all_names(settings))
        tps = [TopicPartition(name, p) for name, count in counts.items() for p in range(count)]
        found = client.list_partition_offsets(dict.fromkeys(tps, OffsetTimestamp(at_ms)))
    return {
        Place(tp.topic, tp.partition, one.offset): one.timestamp
        for tp, one in found.items()
        if one.offset >= 0 and one.timestamp >= at_ms
    }


def _group_offsets(
    client: KafkaAdminClient, group: str, tps: list[TopicPartition]
) -> Mapping[TopicPartition, object]:
    """What the group told Kafka; waits for a coordinator that is only now being made."""
    give_up_at_ms = monotonic_ms() + COORDINATOR_WAIT_MAX_S * 1_000
    while True:
        try:
            told: Mapping[TopicPartition, object] = client.list_group_offsets({group: tps})[group]
        except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError):
            if monotonic_ms() > give_up_at_ms:
                raise
            time.sleep(RETRY_WAIT_S)
        else:
            return told


def _told(committed: object) -> int | None:
    offset: int = getattr(committed, "offset", -1)
    return None if offset < 0 else offset


def _counts(client: KafkaAdminClient, names: tuple[str, ...]) -> dict[str, int]:
    described = {topic["name"]: topic for topic in client.describe_topics(list(names))}
    return {
        name: len(described[name]["partitions"])
        for name in names
        if name in described and not described[name]["error_code"]
    }
