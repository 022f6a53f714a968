"""Peers in Java: jars by Maven, compiled on demand, both kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.child import FailedError, run
from benchmarks.history import cache_dir
from benchmarks.maven import fetched_jars, missing_tool

COMPILE_WAIT_MAX_S = 180.0
HERE = Path(__file__).parent
JVM = ("-Xmx2g", "-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
"""2 GiB is our own budget of memory; the parallel collector took a tenth less CPU than G1 here."""


@dataclass(frozen=True, slots=True)
class JavaPeer:
    """Another way to do the same. folder: beside this file, with pom.xml and Peer.java."""

    name: str
    folder: str

    def command(self) -> list[Any]:
        """What starts it; fetches and compiles the first time. Raises FailedError."""
        if missing := missing_tool("javac", "mvn"):
            raise FailedError(missing)
        jars = fetched_jars(HERE / self.folder / "pom.xml", cache_dir() / "peers", self.folder)
        classes = _compiled(sorted((HERE / self.folder).glob("*.java")), jars)
        return ["java", *JVM, "-cp", f"{classes}:{jars}/*", "Peer"]


def _compiled(sources: list[Path], jars: Path) -> Path:
    """The folder of the classes; its name is made of what it was compiled from."""
    digest = hashlib.sha256(jars.name.encode())
    for source in sources:
        digest.update(source.read_bytes())
    classes = jars.with_name(f"{jars.name}-classes-{digest.hexdigest()[:12]}")
    if not classes.is_dir():
        coming = Path(tempfile.mkdtemp(dir=jars.parent))
        try:
            command = ["javac", "-Xlint:all", "-Werror", "-cp", f"{jars}/*", "-d", coming / "made"]
            status, _, said = run(
                [*command, *sources], folder=coming, wait_max_s=COMPILE_WAIT_MAX_S
            )
            if status:
                raise FailedError(f"cannot be compiled here: {said[-300:]}")
            if not classes.is_dir():  # another run may have been quicker
                (coming / "made").rename(classes)
        finally:
            shutil.rmtree(coming, ignore_errors=True)
    return classes
