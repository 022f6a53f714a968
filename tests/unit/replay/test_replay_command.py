"""`listenback replay`: the rebuilt warehouse is the live one, or is said not to be."""

from __future__ import annotations

import json
import shutil

import pytest
from support.simulated import batches, warehouse

from listenback.cli import run
from streams.event_writer import JsonlWriter
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate
from streams.warehouse import archive
from streams.warehouse.connect import open_readable, open_writable
from streams.warehouse.content import content_of

EVENTS_N = 2_000


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    with JsonlWriter(folder) as writer:
        for topic, records in simulate(Plan(events_n=EVENTS_N)).records():
            writer.write(topic, records)
    return folder


@pytest.fixture
def live(tmp_path):
    return warehouse(tmp_path / "data", events_n=EVENTS_N)


@pytest.fixture
def replay(log, live, capsys):
    """Runs a replay of the log beside the live warehouse: exit code, JSON, what was said."""

    def replay(*args, source=("--from", "jsonl", "--input", str(log))):
        code = run(["replay", *source, "--data-dir", str(live.data_dir), "--json", *args])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return replay


def content_at(path):
    con = open_readable(path)
    found = content_of(con)
    con.close()
    return found


def change_live(live, sql):
    """Breaks a row of the live warehouse and publishes it so."""
    pipeline = Pipeline(live)
    pipeline._con.execute(sql)
    pipeline.publish()
    pipeline.close()


def test_the_rebuilt_warehouse_has_the_content_of_the_live_one(replay, live):
    before = content_at(live.warehouse_file)
    code, told, _ = replay()
    assert (code, told["differing"], told["is_compared"]) == (0, [], True)
    assert told["hash"] == told["live_hash"] == before.hash
    assert told["read_n"] == sum(map(len, batches(Plan(events_n=EVENTS_N))))
    assert content_at(live.warehouse_file) == before


def test_it_stops_where_the_live_warehouse_stands(replay, tmp_path):
    behind = Settings(data_dir=tmp_path / "data2")
    pipeline = Pipeline(behind)
    pipeline.assign(frozenset(range(4)))
    for batch in list(batches(Plan(events_n=EVENTS_N), rows_max=300))[::2][:9]:
        shorter = batch.before(150)
        if batch.offsets[0] == 0:
            pipeline.add(shorter)
            pipeline.flush()
    pipeline.publish()
    pipeline.close()
    code, told, _ = replay("--data-dir", str(behind.data_dir))
    assert (code, told["is_compared"], told["differing"]) == (0, True, [])
    assert 0 < told["read_n"] < EVENTS_N


def test_a_broken_row_of_the_live_warehouse_is_found_and_repaired_by_a_swap(replay, live):
    change_live(live, "UPDATE window_sum SET starts_n = starts_n + 1 WHERE shard = 2")
    code, told, said = replay()
    assert (code, told["differing"]) == (5, ["window_sum"])
    assert "window_sum" in said
    code, told, _ = replay("--swap", source=())
    assert (code, "kept" in told) == (5, False)
    code, told, _ = replay("--swap", "--accept-difference", source=())
    assert code == 0
    assert content_at(live.warehouse_file).hash == told["hash"] != told["live_hash"]
    pipeline = Pipeline(live)
    offsets = pipeline.assign(frozenset(range(4)))
    assert sum(offsets.values()) == told["read_n"]
    assert content_of(pipeline._con).hash == told["hash"]
    pipeline.close()


def test_a_swap_is_refused_while_a_worker_holds_its_file(replay, live):
    assert replay()[0] == 0
    before = content_at(live.warehouse_file)
    worker = Pipeline(live)
    worker.publish()  # a copy of its file drops DuckDB's own lock
    code, _, said = replay("--swap", source=())
    worker.close()
    assert code == 3
    assert "a worker runs here" in said
    assert content_at(live.warehouse_file) == before
    assert replay("--swap", source=())[0] == 0


def test_a_swap_that_was_cut_short_goes_on(replay, live):
    change_live(live, "UPDATE window_sum SET starts_n = starts_n + 1 WHERE shard = 2")
    replay()
    shadow = live.data_dir / "replay"
    live.published_dir.rename(live.data_dir / "older")
    (shadow / "published").rename(live.published_dir)  # and then the power failed
    change_live(live, "UPDATE window_sum SET skips_n = skips_n + 1")  # a worker started meanwhile
    code, told, _ = replay("--swap", "--accept-difference", source=())
    assert code == 0
    assert content_at(live.warehouse_file).hash == told["hash"]
    con = open_writable(live.worker_file, memory="100MB", threads_n=1)
    assert content_of(con).hash == told["hash"]
    con.close()


def test_other_rules_are_rebuilt_and_not_compared(replay, monkeypatch):
    monkeypatch.setenv("LISTENBACK_OUT_OF_ORDERNESS_S", "7")
    code, told, _ = replay()
    assert (code, told["is_compared"], told["differing"]) == (0, False, [])
    assert told["hash"] != told["live_hash"]


def test_a_replay_that_was_cut_short_goes_on_where_it_stood(replay, live):
    shadow = live.model_copy(update={"data_dir": live.data_dir / "replay"})
    pipeline = Pipeline(shadow)
    pipeline.assign(frozenset(range(4)))
    for batch in list(batches(Plan(events_n=EVENTS_N), rows_max=700))[:4]:
        pipeline.add(batch)
    done_n = pipeline.flush().read_n
    pipeline.close()
    _, whole, _ = replay("--resume")
    assert whole["read_n"] > 0
    assert whole["differing"] == []
    assert done_n > 0
    assert replay()[1]["read_n"] == whole["read_n"] + done_n


def test_who_was_forgotten_is_not_brought_back_by_the_log(replay, live, capsys):
    con = open_readable(live.warehouse_file)
    user = con.sql("SELECT user_key FROM listen ORDER BY 1 LIMIT 1").fetchall()[0][0]
    con.close()
    assert run(["erase", "--user-key", user, "--data-dir", str(live.data_dir), "--yes"]) == 0
    capsys.readouterr()
    before = content_at(live.warehouse_file)
    code, told, _ = replay()
    assert (code, told["differing"], told["is_compared"]) == (0, [], True)
    assert told["hash"] == before.hash
    con = open_readable(live.data_dir / "replay" / "published" / "warehouse.duckdb")
    erased = con.sql("SELECT sum(erased_n)::BIGINT FROM pipeline_health").fetchall()[0][0]
    assert erased > 0
    con.close()


def test_what_is_missing_is_said(tmp_path, capsys):
    assert run(["replay", "--data-dir", str(tmp_path)]) == 2
    assert run(["replay", "--swap", "--data-dir", str(tmp_path)]) == 2
    assert run(["replay", "--from", "jsonl", "--data-dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "say what to replay" in said
    assert "no replay was finished" in said
    assert "no folder was named" in said


PARQUET = ("--from", "parquet")


def archived(live):
    """The live warehouse with some of its facts in parts: how many there are, and here."""
    pipeline = Pipeline(live.model_copy(update={"archive_after_days": 1, "archive_rows_min": 1}))
    for _ in range(20):
        assert pipeline._archive_if_due()
    pipeline.publish()
    kept, moved = (
        pipeline._con.sql(f"SELECT count(*) FROM {name}").fetchall()[0][0]
        for name in ("listen_recent", "(SELECT unnest(range(part_rows_n)) FROM archive_part)")
    )
    pipeline.close()
    return kept, moved


def test_archived_and_other_facts_joined_anew_are_the_live_warehouse(replay, live):
    before = content_at(live.warehouse_file)
    kept_n, moved_n = archived(live)
    assert moved_n > 0
    assert kept_n > 0
    code, told, _ = replay(source=PARQUET)
    assert (code, told["is_compared"], told["differing"]) == (0, True, [])
    assert told["hash"] == told["live_hash"] == before.hash


def test_facts_joined_anew_say_which_sums_do_not_follow_from_them(replay, live):
    archived(live)
    change_live(live, "UPDATE unit_day_sum SET starts_n = starts_n + 1 WHERE starts_n = 1")
    code, told, said = replay(source=PARQUET)
    assert (code, told["differing"]) == (5, ["unit_day_sum"])
    assert "unit_day_sum" in said


def test_facts_joined_anew_take_the_place_of_the_live_files_and_workers_read_on(replay, live):
    archived(live)
    code, told, _ = replay("--swap", source=PARQUET)
    assert code == 0
    pipeline = Pipeline(live)
    offsets = pipeline.assign(frozenset(range(live.partitions_n)))
    pipeline.publish()
    assert sum(offsets.values()) > 0
    pipeline.close()
    assert content_at(live.warehouse_file).hash == told["hash"]


@pytest.mark.release
def test_a_swap_that_was_cut_short_finds_the_parts_that_went_ahead(replay, live):
    archived(live)
    code, told, _ = replay(source=PARQUET)
    assert code == 0
    archived(live.model_copy(update={"data_dir": live.data_dir / "replay"}))
    live.published_dir.rename(live.data_dir / "older")
    (live.data_dir / "replay" / "published").rename(live.published_dir)  # and the power failed
    assert list(live.archive_dir.rglob("*.parquet")) != []
    assert replay("--swap", "--accept-difference", source=())[0] == 0
    assert content_at(live.warehouse_file).hash == told["hash"]
    pipeline = Pipeline(live)
    assert archive.missing(pipeline._con) == []
    pipeline.close()


def test_a_pinned_night_still_finds_its_parts_after_a_swap(replay, live):
    archived(live)
    night = live.nights_dir / "2026-11-01" / "warehouse.duckdb"
    night.parent.mkdir(parents=True)
    shutil.copyfile(live.warehouse_file, night)
    counted = "SELECT count(*) FROM listen"
    before = asked(night, counted)
    assert replay("--swap", source=PARQUET)[0] == 0
    assert asked(night, counted) == before


def asked(path, sql):
    con = open_readable(path)
    try:
        return con.sql(sql).fetchall()
    finally:
        con.close()


def test_facts_are_joined_as_far_as_they_go(replay):
    for args in (("--resume",), ("--until", "end")):
        code, _, said = replay(*args, source=PARQUET)
        assert code == 2
        assert "Leave out" in said
