"""spotify-confidence on the same users: sums by pandas, then its z test with linear regression.

The file is read before the clock starts; summing users is part of the work, as it is for us.
Arguments: file of users (Parquet), number of metrics, file for the result.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
from spotify_confidence import ZTestLinreg


def sums(users: pd.DataFrame, metrics_n: int) -> pd.DataFrame:
    """Sufficient statistics, one row per variant and metric."""
    parts = []
    for n in range(metrics_n):
        after, before = users[f"after_{n}"], users[f"before_{n}"]
        made = pd.DataFrame(
            {
                "variant": users["variant"],
                "y": after,
                "y2": after * after,
                "x": before,
                "x2": before * before,
                "xy": after * before,
                "n": 1,
            }
        )
        parts.append(
            made.groupby("variant", as_index=False, observed=False)
            .sum()
            .assign(metric=f"after_{n}")
        )
    return pd.concat(parts)


def main(file: str, metrics_n: str, out: str) -> None:
    """Compare all variants with the control and write what it took."""
    warnings.simplefilter("ignore", FutureWarning)  # pandas about spotify-confidence's own code
    users = pd.read_parquet(file)
    users["variant"] = users["variant"].astype("category")
    started_s = time.perf_counter()
    test = ZTestLinreg(
        sums(users, int(metrics_n)).astype({"variant": str}),
        numerator_column="y",
        numerator_sum_squares_column="y2",
        denominator_column="n",
        feature_column="x",
        feature_sum_squares_column="x2",
        feature_cross_sum_column="xy",
        categorical_group_columns=["variant", "metric"],
    )
    found = test.multiple_difference("control", groupby="metric", level_as_reference=True)
    took_s = time.perf_counter() - started_s
    estimates = {
        f"{row.level_2} {row.metric}": row.difference for row in found.itertuples(index=False)
    }
    Path(out).write_text(json.dumps({"took_s": took_s, "estimates": estimates}))


if __name__ == "__main__":
    main(*sys.argv[1:])
