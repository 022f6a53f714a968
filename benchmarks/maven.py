"""Jars that Maven fetches into a cache outside the work tree, for the bench and for the tests."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

from benchmarks.child import FailedError

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
JAVA_MIN = 17
FETCH_WAIT_MAX_S = 240


def missing_tool(*tools: str) -> str | None:
    """What keeps Java from running here; None: nothing. tools: commands beside `java`."""
    if absent := [tool for tool in ("java", *tools) if shutil.which(tool) is None]:
        return f"not installed: {', '.join(absent)}"
    done = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', done.stderr)
    if found is None or int(found[1]) < JAVA_MIN:
        return f"Java {JAVA_MIN} or newer is needed; this is {done.stderr.strip()[:80]}"
    return None


def fetched_jars(pom: Path, cache: Path, name: str) -> Path:
    """The folder of the jars that a pom names. Raises FailedError.

    Two processes may ask at once: one fetches, the other waits.
    """
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{zlib.crc32(pom.read_bytes()):08x}"
    with (cache / "maven.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            coming = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=cache))
            try:
                _fetch(pom, coming)
                coming.rename(folder)
            finally:
                shutil.rmtree(coming, ignore_errors=True)
    return folder


def _fetch(pom: Path, folder: Path) -> None:
    command = ["mvn", "--quiet", "--batch-mode", "--file", pom, COPY, f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=FETCH_WAIT_MAX_S
        )
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"Maven took longer than {FETCH_WAIT_MAX_S} s to fetch {pom}") from error
    if done.returncode or not list(folder.glob("*.jar")):
        raise FailedError(f"Maven could not fetch {pom}: {(done.stdout + done.stderr)[-300:]}")
