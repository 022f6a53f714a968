"""Folders that take nothing, a port in use, a slip in a setting: one line, a code, no halves.

Root may write everywhere, so a folder that is none (a file has its name) stands for one that
refuses.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.full_disk import fill_the_disk_at
from support.night import METRICS, PLAN
from support.published import Published, config_of

from listenback.cli import run
from listenback.live import server
from streams.errors import ConfigError
from streams.warehouse import night_outcome, publish
from streams.warehouse.connect import hold

DATA = Path("listenback-data")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A warehouse with two variants of few units."""
    published = Published(tmp_path_factory.mktemp("small") / "warehouse.duckdb")
    rows = [
        {"unit_id": f"{variant}{i}", "variant_id": variant, "day": i % 3, "experiment_id": "voice"}
        | {"exposures_n": 1, "starts_n": 3 + i % 4, "early_skips_n": i % 3}
        for variant in ("control", "warm")
        for i in range(40)
    ]
    published.unit_days(rows)
    published.reach(20)
    published.close()
    return published.path


@pytest.fixture
def call(small, tmp_path, monkeypatch, capsys):
    """Run a command beside that warehouse: exit code, stdout, stderr in one line."""
    monkeypatch.chdir(tmp_path)
    config_of(tmp_path / "config", METRICS, PLAN)
    (DATA / "published").mkdir(parents=True)
    shutil.copyfile(small, DATA / "published" / "warehouse.duckdb")

    def of(*args: str) -> tuple[int, str, str]:
        code = run(list(args))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, " ".join(said.err.split())

    return of


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_report_goes_nowhere_and_leaves_nothing(call, tmp_path):
    Path("taken").write_text("a file")
    before = files(tmp_path)
    code, out, err = call("report", "--out", "taken/reports")
    assert (code, out) == (2, "")
    assert "the report cannot be written: Not a directory" in err
    assert "--out" in err
    assert files(tmp_path) == before


def test_a_report_that_breaks_off_leaves_the_one_before(call, monkeypatch):
    assert call("report", "--out", "night")[0] == 0
    kept = {path.name: path.read_bytes() for path in Path("night").iterdir()}
    fill_the_disk_at(monkeypatch, nth=2)
    code, _, err = call("report", "--out", "night", "--experiment", "voice")
    assert code == 2
    assert "No space left on device" in err
    assert "The last report is as it was." in err
    shown = {path.name: path.read_bytes() for path in Path("night").iterdir()}
    assert shown == kept


def test_a_night_whose_reports_cannot_be_written_says_that_first_and_that_no_banner_says_it(
    call, caplog
):
    Path("taken").write_text("a file")
    code, out, err = call("nightly", "--out", "taken/reports")
    assert (code, out) == (2, "")
    assert err.endswith("Name a writable folder with --out.")
    assert "the report cannot be written: Not a directory" in err
    assert "nothing says over the last report" in caplog.text
    tried = night_outcome.last(DATA / "nights")
    assert tried is not None
    assert (tried.is_made, tried.made_at_us) == (False, None)
    assert call("nightly", "--fail-on", "none")[0] == 0  # it goes on with what was pinned
    tried = night_outcome.last(DATA / "nights")
    assert tried is not None
    assert (tried.is_made, tried.made_at_us) == (True, tried.tried_at_us)


def test_a_data_dir_that_takes_no_night_is_named_and_no_report_is_made(call, caplog):
    (DATA / "nights").write_text("a file")
    code, out, err = call("nightly")
    assert (code, out) == (2, "")
    assert "nights cannot be kept here" in err
    assert "--data-dir" in err
    assert "no metric says" in caplog.text
    assert files(Path("reports")) == {"latest/status.json"}
    assert json.loads(Path("reports/latest/status.json").read_text())["state"] == "failed"


def test_a_metric_that_cannot_be_kept_fails_no_night_that_was_made(call, monkeypatch, caplog):
    def full(*_: object, **__: object) -> None:
        raise ConfigError("how the night went cannot be kept: No space left on device.")

    monkeypatch.setattr(night_outcome, "note", full)
    assert call("nightly", "--fail-on", "none")[0] == 0
    assert "no metric says that the night of" in caplog.text
    assert "was made: how the night went cannot be kept" in caplog.text
    assert json.loads(Path("reports/latest/status.json").read_text())["state"] == "ok"
    assert 'role="alert"' not in Path("reports/latest/report.html").read_text()


def test_a_night_gone_by_that_cannot_be_made_anew_puts_no_banner_over_tonight_s(call):
    assert call("nightly", "--fail-on", "none")[0] == 0
    tonight = night_outcome.last(DATA / "nights")
    assert tonight is not None
    shown = files(Path("reports/latest"))
    status = Path("reports/latest/status.json").read_bytes()
    old = DATA / "nights" / "2020-01-01"
    shutil.copytree(DATA / "nights" / tonight.date, old)
    manifest = json.loads((old / "night.json").read_text()) | {"date": old.name}
    (old / "night.json").write_text(json.dumps(manifest))
    (old / "warehouse.duckdb").unlink()
    (old / "warehouse.duckdb").write_text("no database" * 400)
    code, _, err = call("nightly", "--date", old.name)
    assert (code, "cannot be opened as a DuckDB file" in err) == (2, True)
    assert night_outcome.last(DATA / "nights") == tonight
    assert files(Path("reports/latest")) == shown
    assert Path("reports/latest/status.json").read_bytes() == status


def test_old_nights_that_cannot_be_removed_are_told_after_the_report_was_made(call, monkeypatch):
    old = DATA / "nights" / "2020-01-01"
    old.mkdir(parents=True)
    (old / "night.json").write_text("{}")

    real = shutil.rmtree

    def refuses(path: Path, **options: bool) -> None:
        if ".leaving" in str(path):
            raise PermissionError(1, "Operation not permitted")
        real(path, **options)

    monkeypatch.setenv("LISTENBACK_NIGHTS_KEEP_N", "1")
    with monkeypatch.context() as patch:
        patch.setattr("streams.warehouse.nights.shutil.rmtree", refuses)
        code, _, err = call("nightly", "--fail-on", "none")
    assert code == 3
    assert "cannot be removed: Operation not permitted" in err
    assert json.loads(Path("reports/latest/status.json").read_text())["state"] == "ok"
    assert call("nightly", "--fail-on", "none")[0] == 0
    assert len(list((DATA / "nights").glob("*20*"))) == 1


def test_a_schedule_survives_a_night_that_cannot_be_written(call):
    Path("taken").write_text("a file")
    code, _, err = call("schedule", "* * * * * */1", "--runs", "1", "--out", "taken/reports")
    assert code == 0
    assert "the night failed: taken/reports" in err


def test_a_merge_that_the_folder_refuses_leaves_the_warehouse_and_no_half_of_one(
    call, small, monkeypatch
):
    folder = DATA / "published"
    for name in ("worker-a.duckdb", "worker-b.duckdb"):
        shutil.copyfile(small, folder / name)
    before = (folder / "warehouse.duckdb").read_bytes()

    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(publish, "place", refuses)
    code, out, err = call("publish")
    assert (code, out) == (3, "")
    assert "the warehouse was not renewed: Permission denied" in err
    assert "Readers keep the last one" in err
    assert (folder / "warehouse.duckdb").read_bytes() == before
    assert [path.name for path in folder.iterdir() if ".coming" in path.name] == []


def test_publishing_where_nobody_has_is_told_with_the_folder(call, tmp_path):
    code, _, err = call("publish", "--data-dir", str(tmp_path / "nobody"))
    assert code == 2
    assert "nobody/published: no worker has published here yet." in err
    assert not (tmp_path / "nobody").exists()


def test_a_worker_folder_that_takes_no_file_is_named_before_anything_is_opened(tmp_path):
    (tmp_path / "workers" / ".worker-0.duckdb.lock").mkdir(parents=True)
    with pytest.raises(Exception, match="no file can be made here: Is a directory") as told:
        hold(tmp_path / "workers" / "worker-0.duckdb")
    assert (type(told.value).__name__, told.value.exit_code) == ("ConfigError", 2)
    (tmp_path / "file").write_text("x")
    with pytest.raises(Exception, match="cannot make the folder: Not a directory") as told:
        hold(tmp_path / "file" / "workers" / "worker-0.duckdb")
    assert told.value.exit_code == 2


def test_serve_names_its_address_only_once_it_is_its_own(call, monkeypatch):
    async def taken(*_: object, **__: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(server.web.TCPSite, "start", taken)
    code, out, err = call("serve", "--port", "8787")
    assert (code, out) == (2, "")
    assert "http://" not in err
    assert "127.0.0.1:8787: cannot listen here: Address already in use." in err
    assert "Name a free port with --port." in err


@pytest.mark.parametrize("command", ["report", "nightly", "publish", "serve", "query"])
def test_a_slip_in_a_setting_is_named_with_its_line_by_every_command(call, command, tmp_path):
    (tmp_path / "listenback.toml").write_text("horizon_days = 30\nnights_kep_n = 3\n")
    args = (command, "FROM unit_day") if command == "query" else (command,)
    code, out, err = call(*args)
    assert (code, out) == (2, "")
    assert "listenback.toml:2" in err
    assert "Did you mean 'nights_keep_n'?" in err
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("command", ["report", "nightly", "query", "trust", "hash"])
def test_an_empty_folder_says_what_to_start(call, command, tmp_path):
    args = (command, "FROM unit_day") if command == "query" else (command,)
    code, out, err = call(*args, "--data-dir", str(tmp_path / "empty"))
    assert (code, out) == (2, "")
    assert "there is no warehouse" in err
    assert "worker" in err
