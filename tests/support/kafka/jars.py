"""The jars of Apache Kafka's broker, fetched once by Maven into a cache outside the work tree."""

from __future__ import annotations

import os
import re
from pathlib import Path

from benchmarks import maven

POM = Path(__file__).with_name("pom.xml")
VERSION = re.search(r"<version>([\d.]{3,})</version>", POM.read_text(encoding="utf-8"))[1]


def missing_tool() -> str | None:
    """What keeps Apache Kafka from running here; None: nothing."""
    return maven.missing_tool("mvn")


def fetched_jars() -> Path:
    """The folder of the jars. Two test runs may ask at once: one fetches, the other waits."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "listenback"
    folder = maven.fetched_jars(POM, cache, f"kafka-{VERSION}")
    assert list(folder.glob("kafka_2.13-*.jar")), f"no broker among {sorted(folder.iterdir())}"
    return folder
