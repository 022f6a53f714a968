"""The live page: what it shows, who may see it, what it does without data."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from support.night import METRICS, PLAN, fill
from support.published import Published, config_of, day_us

from listenback.cli import run
from listenback.live import server
from listenback.live.view import WINDOWS_MAX, look, nights_of
from streams.warehouse.layout import TABLES

NOW_US = 1_793_700_000_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data dir with a published warehouse, and reports of one night."""
    folder = tmp_path_factory.mktemp("live")
    published = Published(folder / "warehouse.duckdb")
    fill(published)
    published.close()
    config_of(folder / "config", METRICS, PLAN)
    target = folder / "listenback-data" / "published"
    target.mkdir(parents=True)
    shutil.move(published.path, target / "warehouse.duckdb")
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert run(["nightly", "--fail-on", "none"]) == 0
    finally:
        os.chdir(here)
    return folder


def serving(home, **more):
    given = {
        "host": "127.0.0.1",
        "port": 1,
        "warehouse": home / "listenback-data/published/warehouse.duckdb",
        "reports": home / "reports",
        "token": None,
    }
    return server.Serving(**given | more)


def answers(where, *asked):
    """Status, headers and text of requests (path, headers) to the app, one after another."""

    async def ask():
        async with TestClient(TestServer(server.app_of(where))) as client:
            got = []
            for path, headers in asked:
                async with client.get(path, headers=headers, allow_redirects=False) as answer:
                    got.append((answer.status, dict(answer.headers), await answer.text()))
            return got

    return asyncio.run(ask())


def test_every_number_on_the_page_stands_in_the_json(home):
    view = look(serving(home).warehouse, home / "reports", now_us=NOW_US)
    shown = {float(one) for one in re.findall(r'<data value="([^"]+)">', server.html(view))}
    (_, _, text) = answers(serving(home), ("/view.json", {}))[0]
    document = json.loads(text)

    def numbers(node):
        if isinstance(node, dict):
            node = list(node.values())
        if isinstance(node, list):
            return {one for each in node for one in numbers(each)}
        return {float(node)} if isinstance(node, int | float) else set()

    age = (NOW_US - document["published_at_us"]) / 1e6
    counted = {max(0.0, age), float(len(document["nights"]))}
    assert len(shown) > 10
    assert shown <= numbers(document) | counted


def test_the_verdict_on_the_page_is_the_report_s(home):
    (night,) = nights_of(home / "reports")
    (report,) = home.glob("reports/????-*/report.json")
    verdict = json.loads(report.read_text())["experiments"][0]["verdicts"][0]
    shown = night["experiments"][0]
    assert (shown["state"], shown["sentence"]) == (verdict["state"], verdict["sentence"])
    expected = verdict["success"][0]["always_valid_relative"]
    found = shown["comparisons"][0]
    assert {key: found[key] for key in ("estimate", "low", "high")} == {
        key: expected[key] for key in ("estimate", "low", "high")
    }


class Pieces(HTMLParser):
    """What a page loads, and the ids in it."""

    def __init__(self):
        super().__init__()
        self.loads, self.ids = [], []

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.loads += [said[key] for key in ("src", "href") if key in said and tag != "a"]
        self.ids += [said["id"]] if "id" in said else []


def test_the_page_loads_only_what_it_serves_and_says_so_to_the_browser(home):
    ((status, headers, text),) = answers(serving(home), ("/", {}))
    assert status == 200
    pieces = Pieces()
    pieces.feed(text)
    assert len(pieces.ids) == len(set(pieces.ids))
    assert {"/static/live.js", "/static/live.css"} <= set(pieces.loads)
    loaded = answers(serving(home), *((one, {}) for one in pieces.loads))
    assert {one[0] for one in loaded} == {200}
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "http" not in "".join(pieces.loads)


@pytest.mark.parametrize("path", ["/static/server.py", "/nowhere", "/static/x.js"])
def test_other_paths_are_not_there(home, path):
    assert answers(serving(home), (path, {}))[0][0] == 404


def test_a_token_guards_the_page_and_becomes_a_cookie(home):
    where = serving(home, host="0.0.0.0", token="sixteen letters!")
    got = answers(
        where,
        ("/", {}),
        ("/view.json", {"Authorization": "Bearer wrong"}),
        ("/view.json", {"Authorization": "Bearer sixteen letters!"}),
        ("/healthz", {}),
        ("/?token=sixteen+letters!", {}),
        ("/", {}),
    )
    assert [status for status, _, _ in got] == [401, 401, 200, 200, 303, 200]
    assert "HttpOnly" in got[4][1]["Set-Cookie"]
    assert "sixteen" not in got[5][2]


def test_a_page_on_loopback_does_not_answer_to_a_foreign_name(home):
    ((status, _, text),) = answers(serving(home), ("/", {"Host": "evil.example:80"}))
    assert (status, text) == (403, "ask for localhost\n")


def test_without_a_warehouse_the_page_says_what_to_do(tmp_path):
    where = serving(tmp_path)
    (page, _) = answers(where, ("/", {}), ("/view.json", {}))
    assert page[0] == 200
    assert "warehouse.duckdb" in page[2]
    assert "No night yet" in page[2]
    assert look(where.warehouse, where.reports, now_us=NOW_US).problem


def test_a_report_that_is_being_written_is_left_out(home, tmp_path):
    shutil.copytree(home / "reports", tmp_path / "reports")
    broken = tmp_path / "reports" / "2020-01-01"
    broken.mkdir()
    (broken / "report.json").write_text('{"experiments": [')
    assert len(nights_of(tmp_path / "reports")) == 1


def test_other_machines_need_a_token(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(["serve", "--host", "0.0.0.0"]) == 2
    assert "LISTENBACK_SERVE_TOKEN" in capsys.readouterr().err


def test_a_token_that_could_be_guessed_is_refused(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LISTENBACK_SERVE_TOKEN", "letmein")
    assert run(["serve"]) == 2
    said = capsys.readouterr().err
    assert "fewer than 16" in said.replace("\n", " ")
    assert "letmein" not in said


def test_a_port_in_use_is_one_line_and_code_2(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(["serve", "--port", str(taken.getsockname()[1])]) == 2
    assert "Name a free port" in capsys.readouterr().err.replace("\n", " ")


def test_it_serves_until_told_to_end(home):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "listenback", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=home, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = f"http://127.0.0.1:{port}/healthz"
            for line in process.stderr:
                if line.startswith("http"):
                    break
            for _ in range(200):
                try:
                    with urllib.request.urlopen(url, timeout=5) as answer:
                        assert answer.read() == b"ok\n"
                    break
                except urllib.error.URLError:
                    time.sleep(0.1)
            else:
                pytest.fail("it never answered")
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            process.kill()
    assert process.returncode == 0


def with_windows(path, plays):
    """A warehouse with windows: size in seconds -> (how many, plays in each).

    Every other one is empty, and has no row.
    """
    published = Published(path)
    table = TABLES["window_sum"]
    blank = dict.fromkeys(table.columns, "") | dict.fromkeys(table.counted, 0)
    kept = {"basis": "activity", "attribution": "all", "shard": 0}
    published.insert(
        "window_sum",
        [
            blank
            | kept
            | {
                "size_s": size_s,
                "window_start_us": day_us(1) + place * size_s * 1_000_000,
                "starts_n": each,
            }
            for size_s, (windows_n, each) in plays.items()
            for place in range(0, windows_n, 2)
        ],
    )
    published.reach(3)
    published.close()
    return path


@pytest.mark.parametrize(
    ("plays", "expected_s"),
    [
        ({60: (400, 40), 3_600: (8, 2_000), 86_400: (1, 9_000)}, 60),
        ({60: (400, 39), 3_600: (400, 800), 86_400: (9, 9_000)}, 3_600),
        ({60: (40, 1), 3_600: (20, 2), 86_400: (3, 9)}, 86_400),
    ],
)
def test_windows_are_as_fine_as_the_traffic_carries_and_can_be_chosen(tmp_path, plays, expected_s):
    file = with_windows(tmp_path / "w.duckdb", plays)
    view = look(file, tmp_path, now_us=NOW_US)
    assert view.problem is None
    assert view.window_sizes == [60, 3_600, 86_400]
    assert view.window_s == expected_s
    for size_s in view.window_sizes:
        chosen = look(file, tmp_path, now_us=NOW_US, window_s=size_s)
        assert {one["size_s"] for one in chosen.windows} == {size_s}
        starts_us = [one["start_us"] for one in chosen.windows]
        assert starts_us == sorted(starts_us)
        assert starts_us[-1] - starts_us[0] < WINDOWS_MAX * size_s * 1_000_000
        assert [one["starts_n"] for one in chosen.windows] == [plays[size_s][1]] * len(starts_us)
    assert look(file, tmp_path, now_us=NOW_US, window_s=7) == view


@pytest.mark.parametrize(("each", "expected_s"), [(36, 60), (35, 3_600)])
def test_a_new_service_is_shown_as_finely_as_its_first_minutes_carry(tmp_path, each, expected_s):
    file = with_windows(tmp_path / "w.duckdb", {60: (9, each), 3_600: (1, 5 * each)})
    assert look(file, tmp_path, now_us=NOW_US).window_s == expected_s  # 5 of 9 minutes have plays


def test_the_size_of_windows_is_chosen_by_links_and_marked(tmp_path):
    file = with_windows(tmp_path / "w.duckdb", {60: (4, 1), 3_600: (1, 2)})
    where = server.Serving("127.0.0.1", 1, file, tmp_path, None)
    long = f"/?window={'9' * 4_400}"
    asked = ("/", "/?window=60", "/?window=nonsense", long, "/view.json?window=60")
    got = answers(where, *((path, {}) for path in asked))
    assert {status for status, _, _ in got} == {200}
    (auto, chosen, odd, endless, data) = (text for _, _, text in got)
    assert '<a href="/?window=3600#windows" aria-current="true">per hour</a>' in auto
    assert '<a href="/?window=60#windows" aria-current="true">per minute</a>' in chosen
    assert chosen.count("aria-current") == auto.count("aria-current") == 1
    assert "per hour</a>" in odd
    assert 'aria-current="true">per hour</a>' in endless
    assert json.loads(data)["window_s"] == 60


def test_one_night_is_said_as_one_and_an_empty_warehouse_says_so(home, tmp_path):
    page = server.html(look(serving(home).warehouse, home / "reports", now_us=NOW_US))
    assert "drawn from the second night on" in page
    assert "1 nights" not in re.sub(r"<[^>]+>", "", page)
    Published(tmp_path / "w.duckdb").close()
    empty = look(tmp_path / "w.duckdb", tmp_path, now_us=NOW_US)
    assert (empty.problem, empty.window_sizes, empty.window_s) == (None, [], None)
    assert "No window yet" in server.html(empty)
