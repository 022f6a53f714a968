import dataclasses
import json
import subprocess
import sys

import duckdb
import pytest
from support.log import USER, batch, message
from support.oracle import differences

from streams.errors import ConfigError, IntegrityError, ListenbackError
from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse import publish, writer


def settings(tmp_path, **other):
    return Settings(data_dir=tmp_path, **other)


@pytest.fixture
def pipeline(tmp_path):
    made = Pipeline(settings(tmp_path))
    made.assign(frozenset({0, 1}))
    yield made
    made.close()


def exposure(event_id="x1", **fields):
    return message(Topic.EXPOSURES, event_id, **fields)


def listen(event_id="l1", **fields):
    return message(Topic.LISTENS, event_id, **fields)


def windows(con, **where):
    clause = " AND ".join(f"{name} = '{value}'" for name, value in where.items())
    return con.sql(f"FROM window_aggregate WHERE {clause}").pl()


def test_a_play_before_its_exposure_is_an_orphan_and_moves_when_the_exposure_comes(pipeline):
    pipeline.add(batch(Topic.LISTENS, [listen()]))
    pipeline.flush()
    waiting = windows(pipeline._con, basis="activity", size_s=60, attribution="orphan")
    assert waiting["starts_n"].to_list() == [1]
    assert pipeline._con.sql("SELECT max(orphans_n) FROM pipeline_health").fetchall() == [(1,)]

    pipeline.add(batch(Topic.EXPOSURES, [exposure()]))
    pipeline.flush()
    assert windows(pipeline._con, attribution="orphan").height == 0
    met = windows(pipeline._con, basis="exposure", size_s=60, attribution="exposed")
    assert met.select("exposures_n", "starts_n").rows() == [(1, 1)]
    assert pipeline._con.sql("SELECT max(orphans_n) FROM pipeline_health").fetchall() == [(0,)]
    assert differences(pipeline._con) == {}


def test_the_same_event_sent_twice_counts_once_and_is_booked(pipeline):
    pipeline.add(batch(Topic.LISTENS, [listen(), listen()]))
    first = pipeline.flush()
    pipeline.add(batch(Topic.LISTENS, [listen()], first_offset=2))
    second = pipeline.flush()
    assert (first.read_n, first.accepted_n, first.duplicate_n) == (2, 1, 1)
    assert (second.read_n, second.accepted_n, second.duplicate_n) == (1, 0, 1)
    assert pipeline._con.sql("SELECT count(*) FROM listen").fetchall() == [(1,)]


def test_messages_below_the_offsets_of_record_are_dropped(pipeline):
    both = [listen("l1"), listen("l2")]
    pipeline.add(batch(Topic.LISTENS, both))
    pipeline.flush()
    pipeline.add(batch(Topic.LISTENS, [*both, listen("l3")]))
    assert pipeline.rows_buffered() == 1
    assert pipeline.flush().read_n == 1


def test_poison_is_kept_counted_and_the_rest_goes_on(pipeline):
    pipeline.add(batch(Topic.LISTENS, [b'{"broken', listen(), b"\xff\xfe"]))
    done = pipeline.flush()
    assert (done.accepted_n, done.dead_lettered_n) == (1, 2)
    letters = pipeline.dead_letters(10)
    envelope = json.loads(letters[0].envelope)
    assert envelope["original_topic"] == "listens"
    assert envelope["original_offset"] == 0
    assert envelope["error_class"] == "decode"
    pipeline.mark_forwarded([letter.dlq_id for letter in letters])
    assert pipeline.dead_letters(10) == []
    assert pipeline._con.sql("SELECT bool_and(is_balanced) FROM pipeline_health").fetchall() == [
        (True,)
    ]


def test_a_failed_write_keeps_nothing_and_the_next_worker_goes_on(tmp_path, monkeypatch):
    sick = Pipeline(settings(tmp_path))
    sick.assign(frozenset({0}))
    sick.add(batch(Topic.LISTENS, [listen()]))
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_score", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            sick.flush()
    assert sick._con.sql("SELECT count(*) FROM listen").fetchall() == [(0,)]
    sick.close()
    well = Pipeline(settings(tmp_path))
    assert well.assign(frozenset({0}))["listens", 0] == 0
    well.close()


def test_a_restart_goes_on_where_the_file_stands(tmp_path):
    first = Pipeline(settings(tmp_path))
    first.assign(frozenset({0}))
    first.add(batch(Topic.EXPOSURES, [exposure()]))
    first.flush()
    first.close()
    second = Pipeline(settings(tmp_path))
    assert second.assign(frozenset({0}))["exposures", 0] == 1
    second.add(batch(Topic.LISTENS, [listen()]))
    second.flush()
    assert differences(second._con) == {}
    second.close()


def test_what_a_last_run_could_not_publish_is_published_by_the_next_one(tmp_path):
    first = Pipeline(settings(tmp_path))
    first.assign(frozenset({0}))
    first.add(batch(Topic.EXPOSURES, [exposure()]))
    first.flush()
    first.close()
    second = Pipeline(settings(tmp_path))
    assert second.publish_if_due()
    second.close()
    third = Pipeline(settings(tmp_path))
    assert not third.publish_if_due(), "nothing has changed since"
    third.close()


def test_other_window_sizes_on_the_same_file_are_refused(tmp_path):
    Pipeline(settings(tmp_path)).close()
    with pytest.raises(ConfigError, match="other rules"):
        Pipeline(settings(tmp_path, window_sizes_s=(60,)))


def test_private_listening_counts_in_windows_and_in_nobodys_day(pipeline):
    pipeline.add(batch(Topic.EXPOSURES, [exposure()]))
    pipeline.add(batch(Topic.LISTENS, [listen(incognito=True)]))
    pipeline.flush()
    assert windows(pipeline._con, basis="exposure", size_s=60)["incognito_n"].to_list() == [1]
    assert pipeline._con.sql("SELECT sum(starts_n) FROM unit_day").fetchall() == [(0,)]


def test_a_sole_workers_snapshot_is_the_warehouse_and_readers_do_not_wait(tmp_path):
    worker = Pipeline(settings(tmp_path))
    worker.assign(frozenset({0}))
    worker.add(batch(Topic.LISTENS, [listen()]))
    worker.flush()
    assert worker.publish_if_due()
    assert not worker.publish_if_due(), "nothing changed since"
    with duckdb.connect(str(settings(tmp_path).warehouse_file), read_only=True) as reader:
        assert reader.sql("SELECT sum(starts_n) FROM unit_day").fetchall() == [(1,)]
        worker.add(batch(Topic.LISTENS, [listen("l2")], first_offset=1))
        worker.flush()
        worker.publish()
        assert reader.sql("SELECT sum(starts_n) FROM unit_day").fetchall() == [(1,)]
    with duckdb.connect(str(settings(tmp_path).warehouse_file), read_only=True) as reader:
        assert reader.sql("SELECT sum(starts_n) FROM unit_day").fetchall() == [(2,)]
    worker.close()


def test_only_the_last_few_snapshots_are_kept(tmp_path):
    worker = Pipeline(settings(tmp_path, publish_keep_n=3))
    worker.assign(frozenset({0}))
    for n in range(5):
        worker.add(batch(Topic.LISTENS, [listen(f"l{n}")], first_offset=n))
        worker.flush()
        worker.publish()
    files = settings(tmp_path).published_dir.iterdir()
    kept = {path.name for path in files if not path.name.endswith(".lock")}
    assert kept == {
        f"{stem}.duckdb{age}" for stem in ("worker-0", "warehouse") for age in ("", ".1", ".2")
    }
    worker.close()


def workers_of_two_shards(tmp_path):
    """Two workers of a group, one shard each, both published."""
    for shard in (0, 1):
        one = Pipeline(settings(tmp_path, worker_id=str(shard)))
        one.assign(frozenset({shard}))
        user = str(shard) * 64
        one.add(batch(Topic.EXPOSURES, [exposure(f"x{shard}", user_key=user)], shard=shard))
        one.add(batch(Topic.LISTENS, [listen(f"l{shard}", user_key=user)], shard=shard))
        one.flush()
        one.publish()
        one.close()


def test_publish_merges_what_all_workers_published(tmp_path):
    workers_of_two_shards(tmp_path)
    place = settings(tmp_path)
    taken = publish.merge(
        place.published_dir.glob(publish.WORKER_GLOB),
        place.warehouse_file,
        memory="500MB",
        keep_n=3,
    )
    assert {shard: path.name for shard, path in taken.items()} == {
        0: "worker-0.duckdb",
        1: "worker-1.duckdb",
    }
    with duckdb.connect(str(place.warehouse_file), read_only=True) as reader:
        met = "FROM window_aggregate WHERE basis = 'exposure' AND size_s = 60"
        assert reader.sql(f"SELECT exposures_n, starts_n {met}").fetchall() == [(2, 2)]


def test_a_gained_shard_is_taken_from_the_copy_that_is_furthest(tmp_path):
    workers_of_two_shards(tmp_path)
    heir = Pipeline(settings(tmp_path, worker_id="heir"))
    offsets = heir.assign(frozenset({0, 1}))
    assert (offsets["listens", 0], offsets["listens", 1]) == (1, 1)
    assert heir._con.sql("SELECT sum(starts_n) FROM unit_day").fetchall() == [(4,)]
    assert differences(heir._con) == {}
    heir.close()


def test_a_copy_made_under_other_rules_is_not_taken(tmp_path):
    workers_of_two_shards(tmp_path)
    other = Pipeline(settings(tmp_path, worker_id="other", window_sizes_s=(60,)))
    with pytest.raises(IntegrityError, match="other window sizes"):
        other.assign(frozenset({0}))
    other.close()


def test_record_times_that_no_clock_shows_are_refused_not_fatal(pipeline):
    for n, time_ms in enumerate((1 << 62, -(1 << 62), 8_300_000_000_000_000)):
        plain = batch(Topic.LISTENS, [listen(f"l{n}")], first_offset=n)
        pipeline.add(dataclasses.replace(plain, record_times_ms=[time_ms]))
    done = pipeline.flush()
    assert (done.accepted_n, done.dead_lettered_n) == (0, 3)
    classes = [json.loads(letter.envelope)["error_class"] for letter in pipeline.dead_letters(9)]
    assert sorted(classes) == ["late_beyond_horizon", "late_beyond_horizon", "semantic"]


def test_a_generation_in_two_shards_joins_in_neither_order(tmp_path):
    found = []
    for cut in (False, True):
        one = Pipeline(settings(tmp_path, worker_id=str(cut)))
        one.assign(frozenset({0, 1}))
        one.add(batch(Topic.EXPOSURES, [exposure()], shard=0))
        if cut:
            one.flush()
        one.add(batch(Topic.LISTENS, [listen()], shard=1))
        one.flush()
        found.append(one._con.sql("FROM window_sum ORDER BY ALL").fetchall())
        one.close()
    assert found[0] == found[1]


def test_ids_that_only_a_separator_tells_apart_are_two_events(pipeline):
    for n, (source, event_id) in enumerate((("a\x1fb", "c"), ("a", "b\x1fc"))):
        made = listen(event_id, source=source)
        pipeline.add(batch(Topic.LISTENS, [made], first_offset=n))
        pipeline.flush()
    assert pipeline._con.sql("SELECT count(*) FROM listen").fetchall() == [(2,)]


def test_a_value_too_large_for_an_envelope_stays_in_the_table(pipeline):
    pipeline.add(batch(Topic.LISTENS, [b"x" * 900_000, b"x"]))
    pipeline.flush()
    large, small = (json.loads(letter.envelope) for letter in pipeline.dead_letters(9))
    assert (large["value_b64"], large["value_bytes_n"]) == (None, 900_000)
    assert (small["value_b64"], small["value_bytes_n"]) == ("eA==", 1)
    kept = pipeline._con.sql("SELECT max(octet_length(value)) FROM dead_letter").fetchall()
    assert kept == [(900_000,)]


def test_a_published_file_that_cannot_be_read_stops_no_worker_but_every_merge(tmp_path):
    place = settings(tmp_path)
    place.published_dir.mkdir(parents=True)
    (place.published_dir / "worker-9.duckdb").write_bytes(b"")
    (place.published_dir / "worker-8.duckdb").write_bytes(b"garbage" * 10_000)
    worker = Pipeline(place)
    assert worker.assign(frozenset({0}))["listens", 0] == 0
    worker.close()
    with pytest.raises(ListenbackError, match=r"worker-[89]\.duckdb"):
        publish.merge(
            place.published_dir.glob(publish.WORKER_GLOB),
            place.warehouse_file,
            memory="500MB",
            keep_n=3,
        )
    assert not place.warehouse_file.exists()


def test_a_merge_refuses_files_of_an_older_schema(tmp_path):
    workers_of_two_shards(tmp_path)
    place = settings(tmp_path)
    with duckdb.connect(str(place.published_dir / "worker-1.duckdb")) as con:
        con.execute("DELETE FROM schema_history WHERE version > 1")
    with pytest.raises(IntegrityError, match="version 1 is older"):
        publish.merge(
            place.published_dir.glob(publish.WORKER_GLOB),
            place.warehouse_file,
            memory="500MB",
            keep_n=3,
        )


def test_the_watermark_makes_windows_final_only_after_the_horizon(pipeline):
    pipeline.add(batch(Topic.LISTENS, [listen()]))
    pipeline.flush()
    status = windows(pipeline._con, size_s=60)
    assert status.select("status", "maturity").unique().rows() == [("provisional", 0.0)]
    month_s = 31 * 86_400
    late = message(Topic.LISTENS, "l9", late_s=month_s, user_key=USER)
    later = batch(Topic.LISTENS, [late], first_offset=1)
    moved = [time_ms + month_s * 1_000 for time_ms in later.record_times_ms]
    pipeline.add(type(later)("listens", 0, later.offsets, moved, later.keys, later.values))
    pipeline.flush()
    old = windows(pipeline._con, size_s=60, window_start="2026-03-01 12:00:00")
    assert old.select("status", "maturity").unique().rows() == [("final", 1.0)]


OPEN = """
import sys
from pathlib import Path
from streams.errors import TransientError
from streams.pipeline import Pipeline
from streams.settings import Settings

try:
    Pipeline(Settings(data_dir=Path(sys.argv[1])))
except TransientError as error:
    print(error)
"""


def test_no_second_process_opens_a_worker_s_file_not_even_after_publishing(tmp_path):
    worker = Pipeline(settings(tmp_path))
    worker.publish()
    second = [sys.executable, "-c", OPEN, str(tmp_path)]
    told = subprocess.run(second, capture_output=True, text=True, check=True).stdout
    assert "another process holds this file" in told
    worker.close()
    assert subprocess.run(second, capture_output=True, text=True, check=True).stdout == ""


def books_of(pipeline, shard, *, record_s, event_s):
    """A shard that has been read to these times, as a flush would leave it."""
    pipeline._con.execute(
        "INSERT INTO topic_shard BY NAME SELECT 'listens' AS topic, ? AS shard, 1 AS next_offset, "
        "1 AS read_n, 1 AS accepted_n, 0 AS duplicate_n, 0 AS dead_lettered_n, 0 AS late_n, "
        "0 AS unknown_enum_n, ?::BIGINT * 1000000 AS record_time_us_max",
        [shard, record_s],
    )
    pipeline._con.execute(
        "INSERT INTO shard_watermark VALUES (?, ?::BIGINT * 1000000)", [shard, event_s]
    )


def freshness(pipeline):
    idle = pipeline._con.sql("SELECT shard FROM pipeline_health WHERE is_idle ORDER BY 1")
    watermark = pipeline._con.sql("SELECT watermark_us // 1000000 FROM watermark").fetchall()
    return [shard for (shard,) in idle.fetchall()], watermark[0][0]


def test_a_shard_without_records_for_ten_minutes_does_not_hold_the_watermark(pipeline):
    books_of(pipeline, 0, record_s=10_000, event_s=9_990)
    books_of(pipeline, 1, record_s=9_400, event_s=9_390)
    assert freshness(pipeline) == ([], 9_390 - 60)
    books_of(pipeline, 2, record_s=9_399, event_s=5)
    assert freshness(pipeline) == ([], 5 - 60), "half of three shards are not yet ahead"
    books_of(pipeline, 3, record_s=10_000, event_s=9_980)
    assert freshness(pipeline) == ([2], 9_390 - 60)


def test_one_wild_clock_makes_no_other_shard_idle(pipeline):
    for shard in (0, 1):
        books_of(pipeline, shard, record_s=10_000, event_s=9_990)
    books_of(pipeline, 2, record_s=4_000_000_000, event_s=4_000_000_000)
    assert freshness(pipeline) == ([], 9_990 - 60)


def test_late_events_are_no_idleness(pipeline):
    for shard in (0, 1):
        books_of(pipeline, shard, record_s=10_000, event_s=9_990)
    books_of(pipeline, 2, record_s=10_000, event_s=1_000)
    assert freshness(pipeline) == ([], 1_000 - 60)
