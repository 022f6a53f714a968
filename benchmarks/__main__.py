"""`python -m benchmarks [--size full|small|tiny]`: measure, print the table, keep it."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks import curves, state_size, statistics_rows, throughput
from benchmarks.bench import Bench
from benchmarks.demo_time import demo_time
from benchmarks.machine import described
from benchmarks.report import as_text
from benchmarks.sizes import SIZES

SECTIONS = {
    "files": state_size.files,
    "main": throughput.main_row,
    "peers": throughput.peer_rows,
    "open_generations": state_size.open_generations,
    "latency": state_size.latency,
    "restart": state_size.restart,
    "nightly": statistics_rows.nightly,
    "fold": statistics_rows.fold,
    "looks": statistics_rows.looks,
    "demo": throughput.demo_row,
    "demo_time": demo_time,
    "publishing": state_size.publishing,
    "flush_sizes": curves.flush_sizes,
    "windows": curves.windows,
    "dimensions": curves.dimensions,
    "shards": curves.shards,
    "workers": curves.workers,
    "long_run": curves.long_run,
}
RESULTS = Path(__file__).parent / "results.json"
"""What the numbers in docs/performance.md come from: the last full run, kept in the repository."""


def main(arguments: list[str]) -> None:
    """Measure all sections, or those named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="full")
    parser.add_argument("--out", type=Path, help="JSON file; the kept one for full, else none")
    parser.add_argument("--only", help="sections, commas between; all others are left out")
    given = parser.parse_args(arguments)
    size = SIZES[given.size]
    chosen = given.only.split(",") if given.only else list(SECTIONS)
    folder = Path(tempfile.mkdtemp(prefix="listenback-bench-"))
    bench = Bench(size, folder)
    on = described()
    try:
        for name in chosen:
            bench.section(name, SECTIONS[name])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = {"machine": on, "size": asdict(size), "raw": bench.raw}
    out = given.out or (RESULTS if size.name == "full" and not given.only else None)
    if out:
        out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        bench.say(f"all of it is in {out}")
    print(as_text(result))


if __name__ == "__main__":
    main(sys.argv[1:])
