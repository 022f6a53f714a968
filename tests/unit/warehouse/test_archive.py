"""Facts behind the horizon move into Parquet parts; nobody who counts notices."""

import datetime as dt
import json

import duckdb
import pytest
from support.log import USER, batch, message
from support.oracle import differences

from listenback.cli import run
from streams import erasing, forgetting
from streams.engine.rules import Rules
from streams.errors import IntegrityError
from streams.events.topics import JOINED_TOPICS, Topic
from streams.pipeline import Pipeline
from streams.publishing import Publishing
from streams.settings import Settings
from streams.warehouse import archive, archiving, publish
from streams.warehouse.connect import open_readable
from streams.warehouse.content import content_of
from streams.warehouse.erasures import Request

DAY_S = 86_400
OTHER = "b" * 64
LAST_DAY = 40
RULES = Rules((60, 3_600, 86_400), 60_000_000)


def settings(folder, worker_id="0", **more):
    return Settings(data_dir=folder, worker_id=worker_id, archive_rows_min=1, **more)


def events(day, *, user=USER):
    """One of each topic on a day."""
    made = []
    for topic in JOINED_TOPICS:
        own = {"unit_id": user} if topic is Topic.EXPOSURES else {}
        name = f"{topic}-{day}-{user[0]}"
        made.append((topic, message(topic, name, late_s=day * DAY_S, user_key=user, **own)))
    return made


def add(pipeline, log, *, shard=0):
    """The log behind what the shard has read, each message taken when it happened; committed."""
    for topic, fields in log:
        first = pipeline._next[topic.value, shard]
        one = batch(topic, [fields], shard=shard, first_offset=first)
        taken = dt.datetime.fromisoformat(fields["event_time"]).timestamp()
        object.__setattr__(one, "record_times_ms", [int(taken * 1_000)])
        pipeline.add(one)
    pipeline.flush()


def aged(place):
    """A worker with two old days and a new one, each of two users; nothing is archived yet."""
    made = Pipeline(place)
    made.assign(frozenset({0}))
    for day in (0, 1, LAST_DAY):
        add(made, [*events(day), *events(day, user=OTHER)])
    return made


@pytest.fixture
def pipeline(tmp_path):
    made = aged(settings(tmp_path / "data"))
    yield made
    made.close()


def archive_all(pipeline):
    while pipeline._archive_if_due():
        pass


def count(con, rows):
    return con.sql(f"SELECT count(*) FROM {rows}").fetchall()[0][0]


def test_what_lies_behind_the_horizon_moves_and_every_number_stays(pipeline):
    con = pipeline._con
    before, generations = content_of(con), con.sql("FROM generation ORDER BY ALL").fetchall()
    archive_all(pipeline)
    assert [count(con, name) for name in ("listen", "listen_recent")] == [6, 2]
    assert count(con, "archive_part") == 10  # five tables, two days
    assert content_of(con) == before
    assert con.sql("FROM generation ORDER BY ALL").fetchall() == generations
    assert differences(con) == {}
    health = con.sql("SELECT sum(archived_n)::BIGINT, bool_and(is_balanced) FROM pipeline_health")
    assert health.fetchall() == [(20, True)]


def test_parts_lie_by_shard_table_and_day_under_the_hash_of_their_bytes(pipeline):
    archive_all(pipeline)
    folder = pipeline._settings.archive_dir
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == archive.files(pipeline._con)
    assert found[0].startswith("shard=00/exposure/day=2026-03-01/part-")
    rows = duckdb.sql(f"SELECT event_id FROM '{folder}/shard=00/listen/*/*.parquet' ORDER BY ALL")
    assert len(rows.fetchall()) == 4


def test_nothing_inside_the_horizon_moves_nor_what_is_too_little_nor_when_told_not_to(pipeline):
    con = pipeline._con
    assert archiving.due(con, after_us=41 * DAY_S * 1_000_000, rows_min=1) is None
    assert archiving.due(con, after_us=30 * DAY_S * 1_000_000, rows_min=3) is None
    pipeline._settings = settings(pipeline._settings.data_dir, archive=False)
    assert not pipeline._archive_if_due()
    assert count(con, "archive_part") == 0


def test_publishing_moves_a_piece_and_asks_to_be_called_until_nothing_is_due(pipeline, monkeypatch):
    monkeypatch.setattr(archiving, "MOVED_ROWS_MIN", 0)  # one piece is always moved
    parts = []
    while pipeline._is_changed:
        pipeline.publish()
        parts.append(count(pipeline._con, "archive_part"))
    assert parts == [*range(1, 11), 10]
    reader = open_readable(pipeline._settings.warehouse_file)
    assert (count(reader, "listen"), content_of(reader)) == (6, content_of(pipeline._con))
    reader.close()


@pytest.mark.parametrize(
    ("bounds", "parts"),
    [
        ((200_000, 20, 1_000), [10, 10]),  # all at once: a few rows
        ((200_000, 20, 4), [4, 8, 10, 10]),
        ((24, 1_000, 1_000), [2, 4, 6, 8, 10, 10]),  # two pieces of 2 rows, each at the cost of 10
        ((0, 1, 1_000), [2, 4, 5, 6, 7, 8, 9, 10, 10]),  # by the rows of the file: 30, then 26, 22
    ],
)
def test_a_publication_moves_as_many_pieces_as_it_may(pipeline, monkeypatch, bounds, parts):
    monkeypatch.setattr(archiving, "PIECE_COST_ROWS", 10)
    for name, bound in zip(("MOVED_ROWS_MIN", "MOVED_SHARE", "PIECES_MAX"), bounds, strict=True):
        monkeypatch.setattr(archiving, name, bound)
    before, found = content_of(pipeline._con), []
    while pipeline._is_changed:
        pipeline.publish()
        found.append(count(pipeline._con, "archive_part"))
    assert found == parts
    assert content_of(pipeline._con) == before
    assert differences(pipeline._con) == {}


def test_a_copy_without_its_archive_says_so_and_any_client_can_name_the_folder(pipeline, tmp_path):
    archive_all(pipeline)
    pipeline.publish()
    copied = tmp_path / "copied.duckdb"
    copied.write_bytes(pipeline._settings.warehouse_file.read_bytes())
    folder = pipeline._settings.archive_dir
    with duckdb.connect(str(copied), read_only=True) as con:
        assert count(con, "listen") == 6  # where it was written it is found by its path
    folder.rename(tmp_path / "moved")
    with duckdb.connect(str(copied), read_only=True) as con:
        assert con.sql("SELECT sum(starts_n) FROM unit_day").fetchall()[0][0] > 0
        with pytest.raises(duckdb.IOException, match="No files found"):
            count(con, "listen")
        con.execute(f"SET VARIABLE listenback_archive = '{tmp_path / 'moved'}'")
        assert count(con, "listen") == 6


def test_a_late_exposure_finds_the_archived_plays_of_its_pair(pipeline):
    archive_all(pipeline)
    again = message(Topic.EXPOSURES, "late", late_s=LAST_DAY * DAY_S, experiment_id="another")
    add(pipeline, [(Topic.EXPOSURES, again)])
    assert differences(pipeline._con) == {}
    plays = pipeline._con.sql(
        "SELECT sum(starts_n)::BIGINT FROM unit_day WHERE experiment_id = 'another'"
    )
    assert plays.fetchall() == [(3,)]


def test_a_repeat_of_an_archived_event_is_a_duplicate_even_from_an_importer(pipeline):
    archive_all(pipeline)
    before = content_of(pipeline._con).without(["topic_shard"])
    add(pipeline, events(0))  # the log takes it when it happened: no horizon refuses it
    counts = "SELECT sum(accepted_n)::BIGINT, sum(duplicate_n)::BIGINT FROM topic_shard"
    assert pipeline._con.sql(counts).fetchall() == [(30, 5)]
    assert content_of(pipeline._con).without(["topic_shard"]) == before


def test_what_is_imported_into_an_archived_day_becomes_another_part(pipeline):
    archive_all(pipeline)
    add(pipeline, events(0, user="c" * 64))
    before = content_of(pipeline._con)
    archive_all(pipeline)
    assert count(pipeline._con, "archive_part") == 15
    assert content_of(pipeline._con) == before
    assert differences(pipeline._con) == {}


def test_a_moved_shard_takes_its_parts_along_and_a_merge_counts_them(pipeline):
    archive_all(pipeline)
    pipeline.publish()
    whole = content_of(pipeline._con)
    heir = Pipeline(settings(pipeline._settings.data_dir, "1"))
    heir.assign(frozenset({0}))
    assert content_of(heir._con) == whole
    assert count(heir._con, "listen") == 6
    add(heir, events(LAST_DAY, user="c" * 64))
    heir.publish()
    target = pipeline._settings.warehouse_file
    sources = target.parent.glob(publish.WORKER_GLOB)
    publish.merge(sources, target, memory="500MB", keep_n=1)
    reader = open_readable(target)
    assert content_of(reader) == content_of(heir._con)
    assert count(reader, "listen") == 7
    reader.close()
    heir.close()


def test_a_copy_whose_parts_are_gone_is_no_copy(pipeline):
    archive_all(pipeline)
    pipeline.publish()
    part = pipeline._settings.archive_dir / archive.files(pipeline._con)[0]
    part.unlink()
    target = pipeline._settings.warehouse_file
    with pytest.raises(IntegrityError, match="1 archived parts are not there"):
        publish.merge([pipeline._published], target, memory="500MB", keep_n=1)
    heir = Pipeline(settings(pipeline._settings.data_dir, "1"))
    heir.assign(frozenset({0}))
    assert count(heir._con, "topic_shard") == 0  # it reads the shard from Kafka
    heir.close()
    pipeline.assign(frozenset())
    with pytest.raises(IntegrityError, match="remove the worker's file"):
        pipeline.assign(frozenset({0}))
    assert count(pipeline._con, "topic_shard") == 5  # nothing was thrown away


def test_a_shard_without_its_parts_is_taken_from_a_file_that_has_them(pipeline):
    archive_all(pipeline)
    pipeline.publish()
    heir = Pipeline(settings(pipeline._settings.data_dir, "1"))
    heir.assign(frozenset({0}))
    file = archive.files(heir._con)[0]
    heir._con.execute("UPDATE archive_part SET file = 'x' || file WHERE file = ?", [file])
    heir.assign(frozenset())
    heir.assign(frozenset({0}))
    assert archive.missing(heir._con) == []
    assert content_of(heir._con) == content_of(pipeline._con)
    heir.close()


def test_an_erased_user_leaves_the_parts_and_old_parts_go_when_nothing_names_them(pipeline):
    archive_all(pipeline)
    pipeline.publish()
    pipeline._settings = settings(
        pipeline._settings.data_dir, erasure_scrub_interval_s=0, publish_keep_n=1
    )
    old = set(archive.files(pipeline._con))
    told = pipeline.erase([Request("r1", OTHER, 0)])
    assert (told["listen"], told["exposure"]) == (3, 3)
    assert erasing.erase(pipeline._con, (), RULES).rows_n == {}
    assert differences(pipeline._con) == {}
    assert count(pipeline._con, "listen") == 3
    folder = pipeline._settings.archive_dir
    assert all((folder / file).is_file() for file in old)  # the published file still names them
    pipeline.publish()
    left = {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")}
    assert left == set(archive.files(pipeline._con))
    users = duckdb.sql(f"SELECT DISTINCT user_key FROM '{folder}/*/listen/*/*.parquet'").fetchall()
    assert users == [(USER,)]
    assert content_of(pipeline._con).parts == content_of(open_readable(pipeline._published)).parts


def test_a_step_that_fails_leaves_the_rows_where_they_were(pipeline, monkeypatch):
    before = content_of(pipeline._con)
    pieces = archiving.due(pipeline._con, after_us=30 * DAY_S * 1_000_000, rows_min=1)

    def refuse(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(archiving, "_place", refuse)
    with pytest.raises(OSError, match="no space"):
        archiving.move(pipeline._con, pieces)
    assert count(pipeline._con, "archive_part") == 0
    assert content_of(pipeline._con) == before
    assert list(pipeline._settings.archive_dir.iterdir()) == []


def test_a_folder_that_takes_no_part_is_the_trouble_of_a_snapshot_and_costs_nothing(pipeline):
    before = content_of(pipeline._con)
    pipeline._settings.archive_dir.parent.mkdir(exist_ok=True)
    pipeline._settings.archive_dir.mkdir()
    (pipeline._settings.archive_dir / ".worker-0.duckdb.coming").mkdir()
    publishing = Publishing(pipeline)
    assert not publishing.now()
    assert isinstance(publishing.failure, OSError)
    assert content_of(pipeline._con) == before
    (pipeline._settings.archive_dir / ".worker-0.duckdb.coming").rmdir()
    assert publishing.now()
    assert count(pipeline._con, "archive_part") > 0


def test_a_part_that_is_not_what_was_written_moves_nothing(pipeline, monkeypatch):
    pieces = archiving.due(pipeline._con, after_us=30 * DAY_S * 1_000_000, rows_min=1)
    monkeypatch.setattr(archiving, "rows_numbers", lambda *_: [(2, 1), (2, 2)])
    with pytest.raises(IntegrityError, match="does not hold what was written"):
        archiving.move(pipeline._con, pieces)
    assert count(pipeline._con, "listen_recent") == 6


def test_a_data_directory_that_was_moved_shows_its_archive_again(tmp_path):
    pipeline = aged(settings(tmp_path / "data"))
    archive_all(pipeline)
    pipeline.publish()
    pipeline.close()
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    moved = Pipeline(settings(tmp_path / "elsewhere"))
    assert not archive.is_shown_elsewhere(moved._con)
    moved.publish()
    with duckdb.connect(str(moved._settings.warehouse_file), read_only=True) as con:
        assert count(con, "listen") == 6
    moved.close()


@pytest.mark.release
def test_the_command_removes_a_user_from_all_parts_and_whatever_nothing_names(tmp_path, capsys):
    place = settings(tmp_path / "data")
    pipeline = aged(place)
    pipeline.publish()  # an earlier snapshot names one part, a later one all
    archive_all(pipeline)
    pipeline.publish()
    pipeline.close()
    part = next((place.archive_dir / "shard=00" / "listen").rglob("*.parquet"))
    (part.parent / "part-left-by-a-crash.parquet").write_bytes(part.read_bytes())
    (place.archive_dir / ".worker-0.duckdb.coming").write_bytes(OTHER.encode())
    command = ["erase", "--user-key", OTHER, "--data-dir", str(place.data_dir), "--json"]

    assert run(command) == 0
    told = json.loads(capsys.readouterr().out)
    rows = {one["file"]: one["rows"] for one in told["files"]}
    assert rows[str(part.relative_to(place.data_dir))] == {"listen": 1}
    assert rows["published/warehouse.duckdb"]["listen"] == 3

    assert run([*command, "--yes"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["is_proved"], told["residue"], told["not_sums_of_facts"]) == (True, {}, [])
    con = open_readable(place.warehouse_file)
    named = set(archive.files(con))
    assert count(con, "listen") == 3
    con.close()
    there = [path for path in place.archive_dir.rglob("*") if path.is_file()]
    assert {str(path.relative_to(place.archive_dir)) for path in there} == named


def test_a_part_that_still_holds_the_user_is_residue(tmp_path):
    place = settings(tmp_path / "data")
    pipeline = aged(place)
    archive_all(pipeline)
    pipeline.publish()
    pipeline.close()
    found = forgetting.residue(place, forgetting.request_of(OTHER, None, 0))
    assert {name for name in found if name.endswith(".parquet") and "listen" in name} == {
        str(path.relative_to(place.data_dir))
        for path in (place.archive_dir / "shard=00" / "listen").rglob("*.parquet")
    }


def test_parts_that_only_another_workers_own_file_names_stay(tmp_path):
    place = settings(tmp_path / "data")
    behind = aged(place)
    archive_all(behind)
    behind.publish()
    behind.assign(frozenset())
    owner = Pipeline(settings(tmp_path / "data", worker_id="1"))
    owner.assign(frozenset({0}))
    request = Request("r1", USER, 1, None)
    behind.erase([request])
    behind.publish()  # its old copy of the shard knows no part any more that the owner names
    assert archive.missing(owner._con) == []
    assert owner.erase([request])["listen"] == 3
    owner.publish()
    behind.close()
    owner.publish()
    on_disk = {str(path.relative_to(place.archive_dir)) for path in parts_below(place.archive_dir)}
    assert on_disk == set(archive.files(owner._con))
    owner.close()


def parts_below(folder):
    return [path for path in folder.rglob("*.parquet") if path.is_file()]


def test_what_was_forgotten_and_not_yet_published_is_published_by_the_next_run(tmp_path):
    first = aged(settings(tmp_path / "data"))
    first.publish()
    first.erase([Request("r1", USER, 1, None)])
    first._scrub_if_due()
    first.close()  # killed before it published
    second = Pipeline(settings(tmp_path / "data"))
    assert publish.scrubbed_in(second._published) == frozenset()
    assert second.publish_if_due()
    assert publish.scrubbed_in(second._published) == {"r1"}
    second.close()
