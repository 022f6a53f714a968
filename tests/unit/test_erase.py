"""Forgetting a user in the files of a data directory, and in a pipeline that runs."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest
from support.log import batch, message
from support.simulated import warehouse

from listenback.cli import run
from streams import forgetting
from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse import publish
from streams.warehouse.connect import open_readable, open_writable
from streams.warehouse.content import content_of
from streams.warehouse.erasures import Request, keys_in

A, B = "a" * 64, "b1" * 32
SHARDS = frozenset({0, 1})


def events(user, mark):
    """An exposure, a play, a like of a user; and a refused message that names the user."""
    mark = f"{user[0]}{mark}"
    named = {"user_key": user, "generation_id": "g1"}
    broken = json.dumps({"user_key": user, "event_id": mark}).encode()
    hidden = b'{"blob":"' + base64.b64encode(b"xy" + user.encode()) + b'"}'
    return [
        (Topic.EXPOSURES, [message(Topic.EXPOSURES, f"x{mark}", unit_id=user, **named)]),
        (Topic.LISTENS, [message(Topic.LISTENS, f"l{mark}", **named), broken, hidden]),
        (Topic.FEEDBACK, [message(Topic.FEEDBACK, f"f{mark}", **named)]),
    ]


def feed(pipeline, log, *, shard=0):
    """Adds the log behind what the shard has read, and commits."""
    for topic, messages in log:
        first = pipeline._next[topic.value, shard]
        pipeline.add(batch(topic, messages, shard=shard, first_offset=first))
    pipeline.flush()


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data", erasure_scrub_interval_s=0)


@pytest.fixture(scope="module")
def once_made(tmp_path_factory):
    """A data directory in which both users are in every file, earlier snapshots among them."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("made") / "data", publish_keep_n=2)
    pipeline = Pipeline(settings)
    pipeline.assign(SHARDS)
    for number, shard in enumerate((0, 1)):
        feed(pipeline, [*events(A, number), *events(B, number)], shard=shard)
        pipeline.publish()
    pipeline.close()
    return settings.data_dir


@pytest.fixture
def stopped(settings, once_made):
    """A copy of it of the test's own; names of one file are names of one file there, too."""
    subprocess.run(["cp", "-a", str(once_made), str(settings.data_dir)], check=True)
    return settings


def erase(settings, capsys, *args, user=A):
    code = run(["erase", "--user-key", user, "--data-dir", str(settings.data_dir), "--json", *args])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


def content_at(path):
    con = open_readable(path)
    found = content_of(con)
    con.close()
    return found


def test_a_dry_run_counts_by_table_and_file_and_changes_nothing(stopped, capsys):
    before = {path: path.read_bytes() for path in forgetting.files(stopped)}
    code, told, _ = erase(stopped, capsys)
    assert code == 0
    assert told["is_dry_run"] is True
    found = {one["file"]: one for one in told["files"]}
    rows = found["published/warehouse.duckdb"]["rows"]
    assert (rows["exposure"], rows["listen"], rows["feedback"]) == (2, 2, 2)
    assert rows["dead_letter"] == 4
    assert rows["window_sum"] > 0
    assert "workers/worker-0.duckdb" in found
    assert {path: path.read_bytes() for path in forgetting.files(stopped)} == before


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("VARCHAR", A.upper()),
        ("VARCHAR", f"said {A}, then"),
        ("VARCHAR", base64.b64encode(b"xy" + A.encode()).decode()),
        ("VARCHAR[]", [None, A]),
        ("BLOB", b"\x00" + A.encode()),
        ("STRUCT(who VARCHAR)", {"who": A}),
        ("JSON", json.dumps({"who": A})),
    ],
)
def test_a_key_in_a_column_of_any_type_that_can_hold_it_is_residue(settings, kind, value):
    path = settings.published_dir / "warehouse.duckdb"
    path.parent.mkdir(parents=True)
    con = open_writable(path, memory="100MB", threads_n=1)
    con.execute(f'CREATE TABLE odd (n BIGINT, "a ""column" {kind}, moment TIMESTAMP)')
    con.execute("INSERT INTO odd VALUES (1, ?, now()), (2, NULL, now())", [value])
    con.execute("CREATE TABLE numbers AS SELECT 1 AS n")
    con.close()
    assert forgetting._rows_naming(path, A) == 1
    assert forgetting._rows_naming(path, B) == 0


def test_no_file_holds_the_user_afterwards_and_the_sums_are_those_of_the_rest(
    stopped, capsys, monkeypatch
):
    monkeypatch.setenv("LISTENBACK_CERTIFICATE_SECRET", "s3cret")
    assert len(forgetting.residue(stopped, forgetting.request_of(A, None, 0))) >= 4
    code, told, _ = erase(stopped, capsys, "--yes")
    assert code == 0
    assert (told["is_proved"], told["residue"], told["not_sums_of_facts"]) == (True, {}, [])
    assert forgetting.residue(stopped, forgetting.request_of(A, None, 0)) == {}
    assert forgetting.residue(stopped, forgetting.request_of(B, None, 0)) != {}
    by_file = {one["file"]: one for one in told["files"]}
    assert by_file["workers/worker-0.duckdb"]["rows_removed_or_changed"]["listen"] == 2
    assert len(told["hmac_sha256"]) == 64
    assert A not in json.dumps(told)
    certificate = stopped.data_dir / "erasures" / f"{told['request_id']}.json"
    assert json.loads(certificate.read_text()) == told

    alone = Settings(data_dir=stopped.data_dir.parent / "alone")
    pipeline = Pipeline(alone)
    pipeline.assign(SHARDS)
    for number, shard in enumerate((0, 1)):
        feed(pipeline, events(B, number), shard=shard)
    pipeline.publish()
    pipeline.close()
    con, other = open_readable(stopped.warehouse_file), open_readable(alone.warehouse_file)
    names = forgetting.DERIVED
    assert content_of(con, tables=names).parts == content_of(other, tables=names).parts
    con.close()
    other.close()


def test_twice_is_the_same_as_once_and_two_names_of_a_file_stay_one_file(stopped, capsys):
    erase(stopped, capsys, "--yes")
    before = content_at(stopped.warehouse_file)
    code, told, _ = erase(stopped, capsys, "--yes")
    assert code == 0
    assert all(one["rows_removed_or_changed"] == {} for one in told["files"])
    assert content_at(stopped.warehouse_file) == before
    worker = stopped.published_dir / "worker-0.duckdb"
    assert worker.stat().st_ino == stopped.warehouse_file.stat().st_ino


def test_what_comes_later_of_the_user_is_counted_and_not_kept(stopped, capsys):
    erase(stopped, capsys, "--yes")
    pipeline = Pipeline(stopped)
    pipeline.assign(SHARDS)
    feed(pipeline, [*events(A, "again"), *events(B, "again")])
    pipeline.publish()
    health = pipeline._con.sql(
        "SELECT sum(erased_n)::BIGINT, bool_and(is_balanced) FROM pipeline_health"
    )
    assert health.fetchall() == [(9, True)]
    pipeline.close()
    assert forgetting.residue(stopped, forgetting.request_of(A, None, 0)) == {}


def test_a_worker_forgets_while_it_runs_and_publishes_clean_files(settings):
    pipeline = Pipeline(settings)
    pipeline.assign(SHARDS)
    feed(pipeline, [*events(A, "1"), *events(B, "1")])
    pipeline.publish()
    feed(pipeline, events(A, "2"), shard=1)
    pipeline.publish()
    first = content_of(pipeline._con)
    rows_n = pipeline.erase([Request("r1", A, 0)])
    assert (rows_n["listen"], rows_n["dead_letter"]) == (2, 4)
    pipeline.publish()
    assert content_of(pipeline._con) != first
    assert forgetting.residue(settings, forgetting.request_of(A, None, 0)) == {}
    assert list(settings.published_dir.glob("*.1")) == []
    feed(pipeline, events(B, "3"))
    pipeline.publish()
    assert len(list(settings.published_dir.glob("*.1"))) == 2  # a clean one is kept again
    pipeline.close()
    assert forgetting.is_sum_of_facts(settings.warehouse_file)


def test_a_shard_from_a_file_that_did_not_know_is_cleaned_when_it_is_taken(settings):
    other = settings.model_copy(update={"worker_id": "1"})
    unaware = Pipeline(other)
    unaware.assign(frozenset({1}))
    feed(unaware, [*events(A, "1"), *events(B, "1")], shard=1)
    unaware.publish()
    unaware.close()
    pipeline = Pipeline(settings)
    pipeline.assign(frozenset({0}))
    pipeline.erase([Request("r1", A, 0)])
    pipeline.assign(SHARDS)
    assert pipeline._con.sql("SELECT DISTINCT user_key FROM listen").fetchall() == [(B,)]
    pipeline.close()


def test_the_snapshot_of_a_dead_worker_that_did_not_know_is_not_merged(settings):
    dead = Pipeline(settings.model_copy(update={"worker_id": "0"}))
    dead.assign(SHARDS)
    feed(dead, [*events(A, "1"), *events(B, "1")])
    dead.publish()
    dead.close()
    heir = Pipeline(settings.model_copy(update={"worker_id": "heir"}))
    heir.assign(SHARDS)
    heir.erase([Request("r1", A, 0)])
    heir.publish()
    heir.close()
    files = sorted(settings.published_dir.glob("worker-*.duckdb"))
    assert [path.name for path in files] == ["worker-0.duckdb", "worker-heir.duckdb"]
    publish.merge(files, settings.warehouse_file, memory="200MB", keep_n=1)
    con = open_readable(settings.warehouse_file)
    assert con.execute("SELECT DISTINCT user_key FROM listen").fetchall() == [(B,)]
    con.close()


def test_a_merged_warehouse_keeps_whom_to_forget(settings):
    for worker_id, shard in (("0", 0), ("1", 1)):
        pipeline = Pipeline(settings.model_copy(update={"worker_id": worker_id}))
        pipeline.assign(frozenset({shard}))
        feed(pipeline, [*events(A, "1"), *events(B, "1")], shard=shard)
        pipeline.publish()
        if worker_id == "0":
            pipeline.erase([Request("r1", A, 0)])
            pipeline.publish()
        pipeline.close()
    sources = settings.published_dir.glob(publish.WORKER_GLOB)
    publish.merge(sources, settings.warehouse_file, memory="500MB", keep_n=3)
    con = open_readable(settings.warehouse_file)
    assert con.sql("SELECT request_id, is_scrubbed FROM erasure").fetchall() == [("r1", False)]
    con.close()


def test_a_scope_in_time_leaves_what_came_later(stopped, capsys):
    code, _, _ = erase(stopped, capsys, "--before", "2026-03-01T12:00:00Z", "--yes")
    assert code == 0
    con = open_readable(stopped.warehouse_file)
    users = con.sql("SELECT user_key, count(*) FROM listen GROUP BY ALL ORDER BY ALL").fetchall()
    con.close()
    assert users == [(A, 2), (B, 2)]
    code, _, _ = erase(stopped, capsys, "--before", "2026-03-01T12:00:01Z", "--yes")
    con = open_readable(stopped.warehouse_file)
    assert con.sql("SELECT DISTINCT user_key FROM listen").fetchall() == [(B,)]
    con.close()


def test_a_file_that_is_not_ours_is_named_and_ends_with_5(stopped, capsys):
    (stopped.data_dir / "export.csv").write_text(f"user,plays\n{A},3\n")
    code, told, said = erase(stopped, capsys, "--yes")
    assert code == 5
    assert told["residue"] == {"export.csv": 1}
    assert "export.csv" in said


def test_it_waits_for_no_worker(stopped, capsys):
    worker = Pipeline(stopped)
    code, _, said = erase(stopped, capsys, "--yes")
    worker.close()
    assert code == 3
    assert "a worker runs here" in said


def test_a_key_that_is_none_is_refused(settings, capsys):
    assert erase(settings, capsys, user="somebody")[0] == 2
    assert erase(settings, capsys, "--before", "soon")[0] == 2


@pytest.mark.parametrize("shift", range(4))
def test_a_key_is_found_in_bytes_as_text_and_in_base64(shift):
    raw = b"-" * shift + A.encode() + b"?"
    assert A in keys_in(raw)
    assert A in keys_in(b'{"x":"' + base64.b64encode(raw) + b'"}')
    assert A in keys_in(b"1" * shift + A.upper().encode())
    assert A not in keys_in(A.encode()[1:])


@pytest.mark.release
def test_whoever_is_forgotten_of_a_simulated_log_the_sums_follow_from_the_facts(tmp_path, capsys):
    settings = warehouse(tmp_path / "data", events_n=3_000)
    con = open_readable(settings.warehouse_file)
    users = con.sql("SELECT user_key FROM listen GROUP BY ALL ORDER BY count(*) DESC LIMIT 2")
    names = [row[0] for row in users.fetchall()]
    con.close()
    for user in names:
        code, told, _ = erase(settings, capsys, "--yes", user=user)
        assert (code, told["is_proved"]) == (0, True)
        rows = next(one["rows_removed_or_changed"] for one in told["files"])
        assert rows["listen"] > 0
