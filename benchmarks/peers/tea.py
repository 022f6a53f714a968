"""tea-tasting on the same users: its own aggregation in DuckDB through Ibis, CUPED, Welch's t.

Arguments: file of users, number of metrics, file for the result.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import ibis
import tea_tasting as tt


def main(file: str, metrics_n: str, out: str) -> None:
    """Compare all variants with the control and write what it took."""
    metrics = {
        f"after_{n}": tt.Mean(f"after_{n}", f"before_{n}", equal_var=False)
        for n in range(int(metrics_n))
    }
    experiment = tt.Experiment(metrics, variant="variant")
    started_s = time.perf_counter()
    users = ibis.duckdb.connect(file, read_only=True, threads=2).table("users")
    results = experiment.analyze(users, control="control", all_variants=True)
    took_s = time.perf_counter() - started_s
    estimates = {
        f"{pair[1]} {name}": result.effect_size
        for pair, found in results.items()
        for name, result in found.items()
    }
    Path(out).write_text(json.dumps({"took_s": took_s, "estimates": estimates}))


if __name__ == "__main__":
    main(*sys.argv[1:])
