"""`listenback demo` as a person runs it: in a terminal, then what it says to type next."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from support.needed import absent
from support.terminal import CTRL_C, Terminal

from streams.broker import broker_binary
from streams.errors import ConfigError

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="terminals and /proc as Linux has them"),
]

LISTENBACK = Path(sys.executable).with_name("listenback")
DEMO = (LISTENBACK, "demo", "--events", "5000", "--out", "my demo")
WAIT_MAX_S = 240
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@pytest.fixture
def terminal(tmp_path):
    """A demo that has begun in a terminal of its own."""
    try:
        broker_binary()
    except ConfigError as error:
        absent(str(error))
    found = Terminal(DEMO, folder=tmp_path)
    yield found
    found.close()


def typed(command, folder):
    """A line as a shell would run it, with our own `listenback`."""
    first, *words = shlex.split(command)
    assert first == "listenback"
    return subprocess.run(
        [LISTENBACK, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_MAX_S,
        env=os.environ | {"COLUMNS": "160"},
    )


def test_it_shows_progress_says_what_it_wrote_and_what_it_says_to_type_works(terminal, tmp_path):
    assert terminal.ended(WAIT_MAX_S) == 0, terminal.said
    said = terminal.said
    assert set(SPINNER) & set(said)
    assert terminal.moved
    for step in ("starting a Kafka-compatible broker", "into five topics", "into DuckDB"):
        assert f" s  {step}" in said or f"{step}\n" in said
    where = dict(line.split(maxsplit=1) for line in said.splitlines() if "my demo/" in line)
    assert (tmp_path / where["warehouse"]).is_file()
    assert (tmp_path / where["report"]).read_text("utf-8").startswith("<!doctype html>")
    assert json.loads((tmp_path / "my demo" / "truth.json").read_text("utf-8"))
    assert terminal.left_behind() == []
    lines = [line.strip() for line in said.partition("Next, to look around:")[2].splitlines()]
    commands = [line for line in lines if line]
    assert len(commands) >= 4
    for command in commands:
        if " serve " not in command:  # it would go on until told to end; tests/unit/test_live.py
            done = typed(command, tmp_path)
            assert done.returncode in (0, 4), (command, done.stderr)  # 4: too little data
            assert done.stdout, command
    assert list((tmp_path / "my demo" / "report-again").rglob("*.html"))


@pytest.mark.parametrize("step", ["simulating about", "joining"])
def test_ctrl_c_ends_it_with_130_and_leaves_no_process_and_no_half_file(terminal, step, tmp_path):
    terminal.until(step, WAIT_MAX_S)
    terminal.type(CTRL_C)
    assert terminal.ended(WAIT_MAX_S) == 130, terminal.said
    assert "Traceback" not in terminal.said
    assert "Next, to look around" not in terminal.said
    assert terminal.left_behind() == []
    assert not (tmp_path / "my demo" / "report").exists()
    for file in (tmp_path / "my demo").rglob("warehouse.duckdb"):
        with duckdb.connect(str(file), read_only=True) as con:
            assert con.sql("SELECT bool_and(is_balanced) FROM pipeline_health").fetchall()
    for file in (tmp_path / "my demo").glob("truth.json"):
        assert json.loads(file.read_text("utf-8"))
