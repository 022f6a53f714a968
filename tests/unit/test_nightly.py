"""`listenback nightly`, `schedule`, and looking back with --as-of."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from support.night import METRICS, PLAN, fill
from support.published import Published, config_of

from listenback.cli import run
from listenback.commands.schedule import next_time_us
from streams.clock import now_us
from streams.warehouse import night_outcome, nights
from streams.warehouse.connect import open_readable, open_writable

FORMS = ("report.html", "report.md", "report.json")


def today():
    return dt.datetime.fromtimestamp(now_us() / 1e6, tz=dt.UTC).date()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A warehouse with an experiment in it."""
    published = Published(tmp_path_factory.mktemp("filled") / "warehouse.duckdb")
    fill(published)
    published.close()
    return published.path


@pytest.fixture
def home(filled, tmp_path):
    """A folder with definitions and a data dir whose published warehouse is the filled one."""
    config_of(tmp_path / "config", METRICS, PLAN)
    published = tmp_path / "listenback-data" / "published"
    published.mkdir(parents=True)
    shutil.copyfile(filled, published / "warehouse.duckdb")
    return tmp_path


@pytest.fixture
def listenback(home, capsys, monkeypatch):
    """Run a command line in that folder: exit code, stdout, stderr."""
    monkeypatch.chdir(home)

    def call(*args: str) -> tuple[int, str, str]:
        code = run(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def query(file, sql):
    con = open_readable(file)
    try:
        return con.execute(sql).fetchall()
    finally:
        con.close()


def forms(folder):
    return {name: (folder / name).read_bytes() for name in FORMS}


def test_a_night_is_the_same_bytes_as_of_its_date_after_everything_changed(listenback, home):
    code, out, _ = listenback("nightly", "--json", "--fail-on", "none")
    assert code == 0
    told = json.loads(out)
    made = forms(home / "reports" / told["date"])
    assert forms(home / "reports" / "latest") == made

    (home / "listenback-data/published/warehouse.duckdb").unlink()
    shutil.rmtree(home / "config")
    code, _, _ = listenback("report", "--as-of", told["date"], "--out", "again")
    assert code == 0
    assert forms(home / "again") == made
    code, out, _ = listenback("query", "FROM pipeline_health", "--as-of", told["date"], "--json")
    assert code == 0
    assert json.loads(out)


def test_a_verdict_that_the_data_took_back_says_which_night_said_what(listenback, home):
    yesterday = (today() - dt.timedelta(1)).isoformat()
    listenback("nightly", "--date", yesterday, "--fail-on", "none")
    file = home / "listenback-data/published/warehouse.duckdb"
    changed = home / "changed.duckdb"
    shutil.copyfile(file, changed)
    con = open_writable(changed, memory="500MB", threads_n=1)
    con.execute("DELETE FROM unit_day_sum WHERE hash(unit_id) % 10 > 0")
    con.close()
    changed.replace(file)

    listenback("nightly", "--fail-on", "none")
    document = json.loads((home / "reports/latest/report.json").read_text())
    (verdict,) = document["experiments"][0]["verdicts"]
    assert verdict["state"] != "ship"
    assert f"revised: the report of {yesterday} said ship" in verdict["reasons"]
    changes = document["changes"]
    assert (changes["since"], changes["compared"] > 0) == (yesterday, True)
    nights_kept = query(home / "reports/results.duckdb", "SELECT date::VARCHAR, state FROM verdict")
    assert dict(nights_kept) == {yesterday: "ship", today().isoformat(): verdict["state"]}
    assert [(one["before"], one["now"]) for one in changes["verdicts"]] == [
        ("ship", verdict["state"])
    ]
    causes = {cause for one in changes["moved"] for cause in one["causes"]}
    assert causes == {"nothing in the file says why: was it rebuilt or exchanged?"}
    for form in ("report.html", "report.md"):
        said = (home / "reports/latest" / form).read_text()
        assert f"Revised: the report of {yesterday} said ship" in said
    listenback("report", "--as-of", today().isoformat(), "--out", "again")
    assert forms(home / "again") == forms(home / "reports/latest")


def test_a_night_that_says_the_same_again_revises_nothing(listenback, home):
    yesterday = (today() - dt.timedelta(1)).isoformat()
    listenback("nightly", "--date", yesterday, "--fail-on", "none")
    listenback("nightly", "--fail-on", "none")
    text = (home / "reports/latest/report.json").read_text()
    assert "evised" not in text
    changes = json.loads(text)["changes"]
    assert changes["compared"] > 0
    assert (changes["moved"], changes["verdicts"], changes["judges"]) == ([], [], [])


def test_a_report_before_that_cannot_be_read_is_told_and_stops_nothing(listenback, home):
    yesterday = (today() - dt.timedelta(1)).isoformat()
    broken = home / "reports" / yesterday / "report.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}")
    code, _, err = listenback("nightly", "--fail-on", "none")
    assert code == 0
    assert "what it said is not compared" in err


def test_a_second_run_of_a_night_changes_nothing(listenback, home):
    listenback("nightly", "--fail-on", "none")
    before = forms(home / "reports" / "latest")
    results = (home / "reports" / "results.duckdb").read_bytes()
    (home / "listenback-data/published/warehouse.duckdb").unlink()
    code, out, _ = listenback("nightly", "--json", "--fail-on", "none")
    assert code == 0
    assert json.loads(out)["was_there"]
    assert (home / "reports" / "results.duckdb").read_bytes() == results
    assert forms(home / "reports" / "latest") == before


def test_a_failed_night_leaves_the_last_report_with_a_banner_until_the_next_good_one(
    listenback, home
):
    listenback("nightly", "--fail-on", "none")
    good = forms(home / "reports" / "latest")
    shutil.rmtree(home / "listenback-data" / "nights")
    warehouse = home / "listenback-data/published/warehouse.duckdb"
    kept = warehouse.read_bytes()
    warehouse.write_bytes(b"<no database>" * 400)
    for _ in range(2):  # twice failed is one banner
        code, _, err = listenback("nightly")
        assert code in {2, 5}
        assert "nights" in err or "warehouse" in err
    shown = home / "reports" / "latest"
    page = (shown / "report.html").read_text()
    assert page.count('role="alert"') == 1
    assert page.index('role="alert"') < page.index("<h1>")
    assert f"The night of {today()} failed" in (shown / "report.md").read_text()
    assert (shown / "report.json").read_bytes() == good["report.json"]
    status = json.loads((shown / "status.json").read_text())
    assert (status["state"], status["report_of"]) == ("failed", str(today()))

    shutil.rmtree(home / "listenback-data" / "nights")
    warehouse.write_bytes(kept)
    listenback("nightly", "--fail-on", "none")
    assert b'role="alert"' not in (shown / "report.html").read_bytes()
    assert json.loads((shown / "status.json").read_text())["state"] == "ok"


def test_results_that_cannot_be_kept_put_no_banner_over_the_report_that_was_made(listenback, home):
    (home / "reports").mkdir()
    (home / "reports" / "results.duckdb").write_text("no database" * 400)
    code, _, err = listenback("nightly", "--fail-on", "none")
    assert code == 5
    assert "results of earlier nights cannot be read" in err
    shown = home / "reports" / "latest"
    assert json.loads((shown / "status.json").read_text())["state"] == "ok"
    assert b'role="alert"' not in (shown / "report.html").read_bytes()
    tried = night_outcome.last(home / "listenback-data" / "nights")
    assert tried is not None
    assert (tried.date, tried.is_made) == (str(today()), True)


def test_making_yesterday_s_report_again_leaves_the_banner_of_tonight(listenback, home):
    yesterday = str(today() - dt.timedelta(1))
    listenback("nightly", "--fail-on", "none", "--date", yesterday)
    shown = home / "reports" / "latest"
    good = forms(shown)
    warehouse = home / "listenback-data/published/warehouse.duckdb"
    kept = warehouse.rename(warehouse.with_name("kept"))
    assert listenback("nightly")[0] == 2  # before anything was pinned
    failed = forms(shown), (shown / "status.json").read_text()
    assert listenback("nightly", "--fail-on", "none", "--date", yesterday)[0] == 0
    assert (forms(shown), (shown / "status.json").read_text()) == failed
    assert f"The night of {today()} failed" in (shown / "report.html").read_text()
    kept.rename(warehouse)
    assert listenback("nightly", "--fail-on", "none")[0] == 0
    assert json.loads((shown / "status.json").read_text())["report_of"] == str(today())
    assert b'role="alert"' in failed[0]["report.html"]
    assert b'role="alert"' not in good["report.html"] + (shown / "report.html").read_bytes()


def test_a_night_without_a_warehouse_says_what_to_start(listenback, home):
    (home / "listenback-data/published/warehouse.duckdb").unlink()
    code, _, err = listenback("nightly")
    assert code == 2
    assert "listenback worker" in err
    assert json.loads((home / "reports/latest/status.json").read_text())["state"] == "failed"


@pytest.mark.parametrize(
    ("date", "says"),
    [("tonight", "no date"), ("2999-01-01", "has not come yet"), ("2020-02-02", "no night of")],
)
def test_a_night_that_cannot_be_made_is_refused_and_pins_nothing(listenback, home, date, says):
    code, _, err = listenback("nightly", "--date", date)
    assert code == 2
    assert says in err.replace("\n", " ")
    assert not (home / "listenback-data" / "nights").exists()


def test_a_missing_night_names_the_nearest_one(listenback):
    listenback("nightly", "--fail-on", "none")
    code, _, err = listenback("report", "--as-of", "2021-01-01")
    assert code == 2
    assert f"--as-of {today()}" in err.replace("\n", " ")


def test_a_damaged_night_is_an_integrity_error(listenback, home):
    listenback("nightly", "--fail-on", "none")
    (home / f"listenback-data/nights/{today()}/night.json").write_text('{"schema": 3}')
    code, _, err = listenback("report", "--as-of", str(today()))
    assert code == 5
    assert "night.json" in err.replace("\n", "")


def test_two_nights_are_not_made_at_once(listenback, home):
    with nights.alone(home / "listenback-data" / "nights"):
        code, _, err = listenback("nightly")
    assert code == 3
    assert "another process" in err
    assert not (home / "reports" / "latest").exists()


def test_only_the_newest_nights_are_kept(tmp_path):
    for number in range(1, 6):
        folder = tmp_path / f"2026-11-0{number}"
        folder.mkdir()
        (folder / "night.json").write_text("{}")
    gone = nights.expire(tmp_path, keep_n=2)
    assert [one.day for one in gone] == [1, 2, 3]
    assert [one.day for one in nights.dates(tmp_path)] == [4, 5]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-11-04", "2026-11-05"]


@pytest.fixture
def webhook():
    """A server that keeps what is posted to it and answers with a status of the test's."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        status = 200

        def do_POST(self):
            size = int(self.headers["Content-Length"])
            posted.append(json.loads(self.rfile.read(size)))
            self.send_response(self.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/secret", Handler, posted
        server.shutdown()
        thread.join()


def test_the_message_is_posted_and_a_refusal_is_to_be_tried_again(
    listenback, home, webhook, monkeypatch
):
    url, handler, posted = webhook
    monkeypatch.setenv("LISTENBACK_WEBHOOK_URL", url)
    code, _, _ = listenback("nightly", "--fail-on", "none")
    assert code == 0
    assert posted == [{"text": (home / "reports/latest/report.md").read_text()}]
    handler.status = 500
    code, _, err = listenback("nightly", "--fail-on", "none")
    assert code == 3
    assert "secret" not in err
    assert (home / "reports/latest/report.html").is_file()


def test_a_webhook_that_is_no_web_address_is_refused(listenback, monkeypatch):
    monkeypatch.setenv("LISTENBACK_WEBHOOK_URL", "file:///etc/passwd")
    code, _, err = listenback("nightly", "--fail-on", "none")
    assert code == 2
    assert "passwd" not in err


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("0 3 * * *", "2026-11-22T02:59:59+00:00", "2026-11-22T03:00:00+00:00"),
        ("0 3 * * *", "2026-11-22T03:00:00+00:00", "2026-11-23T03:00:00+00:00"),
        ("30 4 * * 1-5", "2026-11-20T12:00:00+00:00", "2026-11-23T04:30:00+00:00"),
        ("0 0 29 2 *", "2026-11-20T12:00:00+00:00", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_the_next_time_is_the_expression_s_in_utc(cron, after, expected):
    after_us, expected_us = (
        int(dt.datetime.fromisoformat(text).timestamp() * 1e6) for text in (after, expected)
    )
    assert next_time_us(cron, after_us) == expected_us


def test_a_schedule_that_is_none_is_refused(listenback):
    code, _, err = listenback("schedule", "every night")
    assert code == 2
    assert '"0 3 * * *"' in err.replace("\n", " ")


def test_a_schedule_makes_its_night_and_ends_when_told(home):
    command = [sys.executable, "-m", "listenback", "schedule", "* * * * * */1"]
    environment = os.environ | {"LISTENBACK_LOG_FORMAT": "json"}
    with subprocess.Popen(
        command, cwd=home, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            event = json.loads(line)
            if event["event"] == "wrote %s; code %d":
                break
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    assert process.returncode == 0
    assert (home / "reports/latest/report.html").is_file()
