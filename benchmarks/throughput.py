"""The main row: fetch, decode, join, the whole worker and the peers, in turn on the same logs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.child import FailedError, measured
from benchmarks.pairs import in_turn
from benchmarks.peers.environment import peer_result
from benchmarks.peers.streams import PEERS
from streams.broker import embedded_broker

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench
    from benchmarks.peers.environment import Peer
    from benchmarks.peers.java import JavaPeer


def main_row(bench: Bench) -> dict[str, Any]:
    """Rounds of: bare fetch, our fetch, decode, flush, the worker; with the log's own accounts."""
    base, traffic = bench.base(bench.size.base_n), bench.traffic()
    with embedded_broker() as broker:
        at = broker.bootstrap
        log = measured("benchmarks.logs:send_live", bootstrap=at, name="live", traffic=traffic)
        fetch = {"bootstrap": at, "name": "live"}
        rounds = in_turn(
            {
                "bare_fetch": lambda: measured(
                    "benchmarks.fetching:bare_fetch", records_n=log["read_n"], **fetch
                ),
                "batch_fetch": lambda: measured(
                    "benchmarks.fetching:batch_fetch", group=bench.fresh("group"), **fetch
                ),
                "decode": lambda: measured("benchmarks.fetching:decode_rate", traffic=traffic),
                "flush": lambda: bench.in_folder(
                    "benchmarks.joining:flush_rate", traffic=traffic, base=base
                ),
                "worker": lambda: bench.worker(at, "live", base),
            },
            bench.size.pairs_n,
        )
    return {"log": log, "traffic": traffic, "rounds": rounds}


def demo_row(bench: Bench) -> dict[str, Any]:
    """The worker on the demo's density: 31 days in one log, into an empty warehouse."""
    with embedded_broker() as broker:
        log = measured(
            "benchmarks.logs:send_demo",
            bootstrap=broker.bootstrap,
            name="demo",
            events_n=bench.size.grown_events_n,
        )
        return {"log": log, "worker": bench.worker(broker.bootstrap, "demo", "")}


def peer_rows(bench: Bench) -> dict[str, Any]:
    """Each peer in turn with the worker; a peer that cannot run is its reason."""
    return {
        peer.name: _against(bench, peer, bench.size.peer_events_n[peer.name])
        for peer in PEERS
        if peer.name in bench.size.peer_events_n
    }


def _against(bench: Bench, peer: Peer | JavaPeer, events_n: int) -> dict[str, Any]:
    bench.say(f"  {peer.name}")
    try:
        peer.command()  # installed before the broker starts
        with embedded_broker() as broker:
            return _rounds(bench, broker.bootstrap, peer, events_n)
    except FailedError as error:
        return {"failed": str(error)}


def _rounds(bench: Bench, at: str, peer: Peer | JavaPeer, events_n: int) -> dict[str, Any]:
    base = bench.base(bench.size.base_n)
    theirs = measured(
        "benchmarks.logs:send_live",
        bootstrap=at,
        name="theirs",
        traffic=bench.traffic(events_n=events_n),
    )
    ours = measured(
        "benchmarks.logs:send_live",
        bootstrap=at,
        name="ours",
        traffic=bench.traffic(events_n=bench.size.grown_events_n),
    )
    measures: dict[str, Callable[[], Any]] = {
        "worker": lambda: bench.worker(at, "ours", base),
        "peer": partial(_peer_once, peer, at, theirs["read_n"]),
    }
    rounds = in_turn(measures, bench.size.pairs_n)
    return {"log": theirs, "our_log": ours, "rounds": rounds}


def _peer_once(peer: Peer | JavaPeer, at: str, read_n: int) -> dict[str, Any]:
    found = peer_result(peer, at, "theirs", read_n)
    if found["rows_n"] < read_n * 0.98:  # a log of which it read a part says nothing of its rate
        raise FailedError(f"read {found['rows_n']} of {read_n} records and then no more")
    found.pop("sums", None)  # for the test that it does the same work
    return {**found, "rate": found["rows_n"] / found["took_s"]}
