"""Where the logs of the embedded broker end, as its fetches say it.

Asked outright, Tansu answers where the last record batch begins, plus one; Kafka says the truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kafka import KafkaConsumer

from streams.clock import monotonic_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kafka import TopicPartition

    from streams.settings import Settings

EMBEDDED_CLUSTER: Final = "tansu_cluster"
"""The name that Tansu gives its cluster, unless told another."""
LOOK_MS = 200
LOOK_MAX_S = 10.0


def fetched_ends(
    settings: Settings, answered: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The ends, of logs that hold something; where no fetch tells in time, the answer stands.

    Args: answered: where each log ends, as the broker says when it is asked outright.
    """
    ends = dict(answered)
    waiting = {tp for tp, end in answered.items() if end}
    give_up_at_ms = monotonic_ms() + LOOK_MAX_S * 1_000
    consumer = KafkaConsumer(
        bootstrap_servers=settings.bootstrap.split(","),
        group_id=None,
        enable_auto_commit=False,
        fetch_max_wait_ms=LOOK_MS,
        **settings.kafka_security().client_options(),
    )
    try:
        consumer.assign(sorted(waiting))
        for tp in waiting:
            consumer.seek(tp, answered[tp] - 1)
        while waiting and monotonic_ms() < give_up_at_ms:
            consumer.poll(timeout_ms=LOOK_MS)
            said = {tp: end for tp in waiting if (end := consumer.highwater(tp)) is not None}
            ends |= said
            waiting -= said.keys()
    finally:
        consumer.close()
    return ends
