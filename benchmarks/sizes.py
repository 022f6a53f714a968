"""How much of everything: `full` for numbers, `small` for a look, `tiny` to see that it works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """One size of the whole bench.

    events_n: the live slice of the main row. pairs_n: rounds of every comparison. base_n: open
    generations under the main row. open_n: those of the comparison by state, least and most first
    and last. open_events_n: its slice, long enough for some publications. grown_events_n: that of
    the curves. peer_events_n: by peer. long_events_n: the run whose memory is
    watched. paced_s: length of the latency runs.
    """

    name: str
    events_n: int
    pairs_n: int
    base_n: int
    open_n: tuple[int, ...]
    restart_n: int
    paced_n: int
    open_events_n: int
    grown_events_n: int
    listeners_n: int
    peer_events_n: dict[str, int]
    long_events_n: int
    paced_s: float
    users_n: int
    flush_rows: tuple[int, ...] = (20_000, 50_000, 200_000, 500_000)
    window_sizes_s: tuple[tuple[int, ...], ...] = ((3_600,), (60, 3_600), (60, 3_600, 86_400))
    arms_n: tuple[int, ...] = (3, 12, 48)
    shards_n: tuple[int, ...] = (1, 2, 4)


FAUST, QUIX, BYTEWAX = "Faust, per event", "Quix Streams", "Bytewax"
PATHWAY, KAFKA_STREAMS = "Pathway", "Kafka Streams"
FULL = Size(
    name="full",
    events_n=500_000,
    pairs_n=5,
    base_n=100_000,
    open_n=(100_000, 1_000_000, 3_000_000, 10_000_000),
    restart_n=3_000_000,
    paced_n=5_000_000,
    open_events_n=1_000_000,
    grown_events_n=200_000,
    listeners_n=2_000_000,
    peer_events_n={
        FAUST: 4_000,
        QUIX: 4_000,
        BYTEWAX: 40_000,
        PATHWAY: 100_000,
        KAFKA_STREAMS: 300_000,
    },
    long_events_n=1_500_000,
    paced_s=20.0,
    users_n=1_000_000,
)
SMALL = Size(
    name="small",
    events_n=60_000,
    pairs_n=2,
    base_n=10_000,
    open_n=(10_000, 100_000),
    restart_n=100_000,
    paced_n=100_000,
    open_events_n=40_000,
    grown_events_n=40_000,
    listeners_n=200_000,
    peer_events_n={
        FAUST: 1_000,
        QUIX: 1_000,
        BYTEWAX: 5_000,
        PATHWAY: 10_000,
        KAFKA_STREAMS: 30_000,
    },
    long_events_n=120_000,
    paced_s=5.0,
    users_n=100_000,
    flush_rows=(5_000, 20_000),
    window_sizes_s=((3_600,), (60, 3_600, 86_400)),
    arms_n=(3, 12),
    shards_n=(1, 2),
)
TINY = Size(
    name="tiny",
    events_n=3_000,
    pairs_n=1,
    base_n=500,
    open_n=(500, 1_000),
    restart_n=1_000,
    paced_n=1_000,
    open_events_n=2_000,
    grown_events_n=2_000,
    listeners_n=4_000,
    peer_events_n={},
    long_events_n=3_000,
    paced_s=1.0,
    users_n=5_000,
    flush_rows=(1_000,),
    window_sizes_s=((3_600,),),
    arms_n=(3,),
    shards_n=(1,),
)
SIZES = {size.name: size for size in (TINY, SMALL, FULL)}
