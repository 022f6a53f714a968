"""SIGTERM before the worker listens: an orderly end, and no trace of it afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from listenback import cli, ending

SWALLOWING = """
import signal
from listenback import ending

class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

with ending.early_sigterm():
    {moment}
    print("went on")
"""
"""What is raised in a finalizer is printed and forgotten."""


@pytest.mark.parametrize(
    "moment", ["signal.raise_signal(signal.SIGTERM)", "Finalized()"], ids=["anywhere", "swallowed"]
)
def test_sigterm_while_it_starts_ends_with_0_whatever_it_meets(moment):
    program = [sys.executable, "-c", SWALLOWING.format(moment=moment)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")


def test_sigterm_is_as_before_when_the_worker_listens_no_more():
    before = signal.getsignal(signal.SIGTERM)
    with ending.early_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_thread_that_may_not_listen_to_signals_goes_on():
    done = []

    def work():
        with ending.early_sigterm():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_the_deadline_ends_the_process_with_3_and_a_cancelled_one_does_not(monkeypatch):
    ended = []
    monkeypatch.setattr(ending, "END_WAIT_MAX_S", 0.05)
    monkeypatch.setattr(ending.os, "_exit", ended.append)
    monkeypatch.setattr(ending.logging, "shutdown", lambda: None)
    late, in_time = ending.Deadline(), ending.Deadline()
    late.start()
    in_time.start()
    in_time.cancel()
    late._timer.join(5)
    in_time._timer.join(5)
    assert ended == [3]


INTERRUPTED_QUERY = """
import threading
import duckdb
from listenback import cli
con = duckdb.connect()
endless = "SELECT count(*) FROM range(100000000000000) a(x) WHERE hash(x) = 1"
cli.get_command = lambda _: lambda **_: con.execute(endless)
is_over = threading.Event()
def press():
    while not is_over.wait(0.5):
        con.interrupt()
presses = threading.Thread(target=press)
presses.start()
code = cli.run([])
is_over.set()
presses.join()
raise SystemExit(code)
"""


def test_a_query_that_is_interrupted_is_no_bug_but_an_end_as_asked():
    """By DuckDB's own call, which is heard each time; a signal in the middle is not always."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_QUERY],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (130, "Interrupted: ended as asked.\n")


def test_what_duckdb_says_where_ctrl_c_ends_a_query_is_an_end_as_asked(monkeypatch, capsys):
    def interrupted(**_):
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr(cli, "get_command", lambda _: interrupted)
    assert cli.run([]) == 130
    assert capsys.readouterr().err == "Interrupted: ended as asked.\n"
