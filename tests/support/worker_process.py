"""A worker of its own process over a folder sink, to be killed or told to end.

Arguments: bootstrap, group, prefix, folder, name, session timeout.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.sinks import FolderSink

from streams.settings import Settings
from streams.worker import run_worker

bootstrap, group, prefix, folder, name, session_s = sys.argv[1:]


class TellingSink(FolderSink):
    """Says on stdout which shards it has."""

    def assign(self, shards):
        print("shards", *sorted(shards), flush=True)  # noqa: T201 - read by the test
        return super().assign(shards)


settings = Settings(
    bootstrap=bootstrap,
    group=group,
    topic_prefix=prefix,
    flush_age_max_ms=100,
    session_timeout_s=float(session_s),
    rebalance_timeout_s=float(session_s),
)
report = run_worker(settings, TellingSink(Path(folder), name))
print("ended by", report.ended_by, report.progress.read_n, flush=True)  # noqa: T201
