"""A command in a terminal of its own, as a person sees it: no test needs one around itself."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS_N, COLUMNS_N = 40, 160
CTRL_C = b"\x03"
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TAKE_THE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """Runs a command; `said` is all that it showed."""

    def __init__(self, command: Sequence[str | Path], *, folder: Path) -> None:
        self._screen, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS_N, COLUMNS_N, 0, 0))
        quiet = {"CI", "NO_COLOR", "PYTEST_CURRENT_TEST"}
        kept = {name: value for name, value in os.environ.items() if name not in quiet}
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_THE_TERMINAL, *map(str, command)],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=folder,
            env=kept | {"TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(inner)
        self._shown = b""

    @property
    def said(self) -> str:
        """What was shown, without colours and movements."""
        return CONTROLS.sub("", self._shown.decode("utf-8", "replace")).replace("\r\n", "\n")

    @property
    def moved(self) -> bool:
        """Whether anything was drawn over, as progress is."""
        return b"\x1b[2K" in self._shown

    def until(self, words: str, wait_max_s: float) -> None:
        """Read until these words were shown."""
        give_up_at = time.monotonic() + wait_max_s
        while words not in self.said:
            assert time.monotonic() < give_up_at, self.said
            assert self._read(), f"ended before it said {words!r}: {self.said}"

    def type(self, keys: bytes) -> None:
        os.write(self._screen, keys)

    def ended(self, wait_max_s: float) -> int:
        """Read to the end; the exit code."""
        give_up_at = time.monotonic() + wait_max_s
        while self._read():
            assert time.monotonic() < give_up_at, self.said
        code = self.process.wait(wait_max_s)
        os.close(self._screen)
        return code

    def left_behind(self) -> list[str]:
        """Processes of its session that still run."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = stat.read_text().rpartition(")")
            except OSError:  # it has ended meanwhile
                continue
            state, _, _, session, *_ = rest.split()
            if int(session) == self.process.pid and state != "Z":
                found.append(name)
        return found

    def close(self) -> None:
        """End what still runs; for a test that has failed."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            os.close(self._screen)

    def _read(self) -> bool:
        """Wait a moment for more; False once the other side is closed."""
        ready, _, _ = select.select([self._screen], [], [], 0.2)
        try:
            more = os.read(self._screen, 65_536) if ready else None
        except OSError:  # Linux says EIO where others say nothing more
            return False
        self._shown += more or b""
        return more != b""
