"""The bench measures every row, and what went through it is what was sent."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from support.needed import absent

from benchmarks import budgets, child, logs, report, sizing
from benchmarks.__main__ import SECTIONS, main
from benchmarks.bench import Bench
from benchmarks.maven import missing_tool
from benchmarks.peers import streams as engines
from benchmarks.peers import work
from benchmarks.peers.environment import peer_result
from benchmarks.sizes import FULL, KAFKA_STREAMS, SIZES, SMALL
from benchmarks.throughput import peer_rows
from benchmarks.traffic import Traffic
from streams.broker import broker_binary, embedded_broker
from streams.errors import ConfigError

pytestmark = [
    pytest.mark.integration,
    pytest.mark.release,
    pytest.mark.timeout(900),
]
ELSEWHERE = {"peers", "demo_time"}
"""Other engines would be installed first; the demo has tests of its own."""
NEED_THEM = {"of_faust", "tea-tasting", "spotify-confidence", "demo"}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    try:
        broker_binary()
    except ConfigError as error:
        absent(str(error))
    folder = tmp_path_factory.mktemp("bench")
    out = folder / "result.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setenv("LISTENBACK_BENCH_INLINE", "1")
        sections = ",".join(name for name in SECTIONS if name not in ELSEWHERE)
        main(["--size", "tiny", "--out", str(out), "--only", sections])
    return json.loads(out.read_text())


def test_every_section_is_measured(result):
    failed = {name: one for name, one in result["raw"].items() if "failed" in one}
    assert failed == {}
    assert set(result["raw"]) >= set(SECTIONS) - ELSEWHERE


def test_every_budget_has_a_finite_number_or_says_that_it_was_left_out(result):
    rows = {row.key: row for row in budgets.rows(result)}
    numbers = {key: row.value for key, row in rows.items() if key not in NEED_THEM}
    assert {key for key, value in numbers.items() if value is None or not math.isfinite(value)} == (
        set()
    )
    assert {rows[key].why for key in NEED_THEM} == {"left out of this run"}


def test_nothing_is_lost_and_nothing_is_doubled(result):
    log, open_n = result["raw"]["main"]["log"], result["raw"]["main"]["traffic"]["open_n"]
    for run in result["raw"]["main"]["rounds"]["worker"]:
        accounts = run["accounts"]
        names = ("read_n", "accepted_n", "duplicate_n", "dead_lettered_n")
        assert {name: accounts[name] for name in names} == {name: log[name] for name in names}
        assert accounts["facts_n"] == accounts["distinct_n"] == log["accepted_n"] + open_n
        assert accounts["is_balanced"]


def test_the_worker_finds_the_history_that_events_return_to(result):
    for run in result["raw"]["main"]["rounds"]["worker"]:
        assert run["accounts"]["returned_to_n"] > 20


def test_the_log_has_the_mix_that_the_budgets_are_for(result):
    log = result["raw"]["main"]["log"]
    assert log["duplicate_n"] / log["accepted_n"] == pytest.approx(0.01, abs=0.005)
    assert log["late_n"] / log["accepted_n"] == pytest.approx(0.05, abs=0.01)
    assert 0 < log["dead_lettered_n"] < 0.003 * log["read_n"]
    assert log["value_bytes"] / log["read_n"] == pytest.approx(550, abs=100)


def test_both_workers_together_read_the_whole_log(result):
    log_n = result["raw"]["shards"][0]["rows_n"]
    assert [sum(run["rows_n"] for run in one["runs"]) for one in result["raw"]["workers"]] == [
        log_n,
        log_n,
    ]


def test_the_result_says_what_it_was_measured_on(result):
    assert {"commit", "cores_n", "versions", "python", "memory_mib"} <= set(result["machine"])
    assert result["size"]["name"] == "tiny"


def test_the_page_and_the_terminal_show_every_budget(result):
    for shown in (report.as_text(result), report.as_markdown(result)):
        assert [row.what for row in budgets.rows(result) if row.what not in shown] == []


def test_the_sizing_page_is_made_from_the_same_run(result):
    found = sizing.measured(result)
    needs = sizing.needs(found)
    assert all(math.isfinite(number) and number > 0 for number in dataclasses.astuple(found))
    assert [need.events_per_day for need in needs] == list(sizing.LOADS_PER_DAY)
    for need in needs:
        assert need.workers_n * found.rate * sizing.BUSY_SHARE >= need.peak_rate
        assert (need.workers_n - 1) * found.rate * sizing.BUSY_SHARE < need.peak_rate
    assert "1 thousand million" in report.scale_markdown(result)


def test_what_is_made_goes_between_the_markers_and_nowhere_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.update_page(page, "new")
    report.update_page(page, "newer")
    assert page.read_text() == f"before\n{report.BEGIN}\n\nnewer\n\n{report.END}\nafter\n"


@pytest.mark.parametrize("page", [report.PERFORMANCE, report.SCALE])
def test_the_pages_have_the_markers_once(page):
    text = page.read_text()
    assert text.count(report.BEGIN) == text.count(report.END) == 1


def test_a_measurement_in_a_child_gives_its_result_and_its_peak_memory():
    found = child.measured("benchmarks.nightly:looks")
    assert found["comparisons_n"] == 30
    assert found["peak_mib"] > 10


def test_a_measurement_that_fails_is_a_reason():
    with pytest.raises(child.FailedError, match=r"users\.duckdb"):
        child.measured("benchmarks.nightly:night", folder="there-is-none")


@pytest.mark.parametrize("size", [SMALL, FULL])
def test_every_peer_has_its_number_of_events(size):
    assert {peer.name for peer in engines.PEERS} == set(size.peer_events_n)


@pytest.fixture
def kafka_streams(monkeypatch):
    """The peer alone, with a broker to run on."""
    (peer,) = (one for one in engines.PEERS if one.name == KAFKA_STREAMS)
    monkeypatch.setattr("benchmarks.throughput.PEERS", (peer,))
    return peer


def test_without_java_kafka_streams_is_a_row_with_its_reason(kafka_streams, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = peer_rows(Bench(SIZES["small"], tmp_path))
    assert found == {kafka_streams.name: {"failed": "not installed: java, javac, mvn"}}
    shown = report.peer_rows({"raw": {"peers": found}})
    assert shown[1][:3] == ("Kafka Streams", "-", "not measured: not installed: java, javac, mvn")


def test_kafka_streams_does_what_the_python_peers_do(kafka_streams):
    if missing := missing_tool("javac", "mvn"):
        absent(f"Kafka Streams cannot run here: {missing}")
    traffic = Traffic(events_n=2_000, open_n=200, listeners_n=2_000)
    batches, log = logs.live_batches(traffic)
    with embedded_broker() as broker:
        logs.send_live(broker.bootstrap, "theirs", dataclasses.asdict(traffic))
        found = peer_result(kafka_streams, broker.bootstrap, "theirs", log["read_n"])
    counts, sums = by_hand(batches)
    assert {name: found[name] for name in counts} == counts
    assert found["sums"] == sums
    assert found["rows_n"] == log["read_n"]
    assert found["duplicate_n"] == log["duplicate_n"]


def by_hand(batches):
    """What `work.py` makes of a log: counts, and the sums of all windows by basis and size."""
    states, counts, sums = {}, dict.fromkeys(("accepted_n", "duplicate_n", "refused_n"), 0), {}
    for batch in batches:
        for key, value in zip(batch.keys, batch.values, strict=True):
            event = work.parsed(batch.topic, value)
            if event is None:
                counts["refused_n"] += 1
                continue
            seen_n = len(states.get(key, {"seen": ()})["seen"])
            states[key], moves = work.joined(states.get(key), batch.topic, event)
            is_new = len(states[key]["seen"]) > seen_n
            counts["accepted_n" if is_new else "duplicate_n"] += 1
            for place, moved in moves:
                parts = place.split("|")
                name = "day" if parts[0] == "day" else "|".join(parts[:2])
                sums[name] = sums.get(name, 0) + np.array(moved)
    return counts, {name: total.tolist() for name, total in sums.items()}
