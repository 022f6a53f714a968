"""The jars of Apache Kafka, fetched once by Maven into a cache outside the work tree."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
VERSION = re.search(r"<version>([\d.]{3,})</version>", POM.read_text(encoding="utf-8"))[1]
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
JAVA_MIN = 17
FETCH_WAIT_MAX_S = 240


def missing_tool() -> str | None:
    """What keeps Apache Kafka from running here; None: nothing."""
    if absent := [tool for tool in ("java", "mvn") if shutil.which(tool) is None]:
        return f"not installed: {', '.join(absent)}"
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < JAVA_MIN:
        return f"Java {JAVA_MIN} or newer is needed; this is {said.splitlines()[0]}"
    return None


def fetched_jars() -> Path:
    """The folder of the jars. Two test runs may ask at once: one fetches, the other waits."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "listenback"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"kafka-{VERSION}-{zlib.crc32(POM.read_bytes()):08x}"
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            coming = Path(tempfile.mkdtemp(prefix="kafka-", dir=cache))
            _fetch(coming)
            coming.rename(folder)
    return folder


def _fetch(folder: Path) -> None:
    done = subprocess.run(
        ["mvn", "--quiet", "--batch-mode", "--file", POM, COPY, f"-DoutputDirectory={folder}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=FETCH_WAIT_MAX_S,
    )
    assert done.returncode == 0, f"Maven could not fetch Kafka:\n{done.stdout[-3000:]}{done.stderr}"
    assert list(folder.glob("kafka_2.13-*.jar")), f"no broker among {sorted(folder.iterdir())}"
