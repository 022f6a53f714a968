"""The alternative annotator test on labels: those of a case, or of the real data beside it."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.stat_answer import Answer, off

from analytics.stats.alt_test import AltRule, AltTest, alt_test

SCORINGS = {"accuracy": "accuracy", "neg_rmse": "neg_rmse"}


def folder() -> Path:
    named = os.environ.get("LISTENBACK_SHARED")
    root = Path(named) if named else Path(__file__).parents[2] / "../shared"
    return root / "data" / "alt_test"


@cache
def expected() -> dict[str, Any]:
    return json.loads((folder() / "expected.json").read_text(encoding="utf-8"))


@cache
def labels(dataset: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Human labels (humans, items), NaN where none, and each judge's (items,), as numbers."""
    human = pl.read_parquet(folder() / "human_labels.parquet").filter(dataset=dataset)
    judge = pl.read_parquet(folder() / "judge_labels.parquet").filter(dataset=dataset)
    if expected()[dataset]["metric"] == "accuracy":
        words = sorted(set(human["label"]) | set(judge["label"]))
        codes = {word: float(place) for place, word in enumerate(words)}
        coded = pl.col("label").replace_strict(codes, return_dtype=pl.Float64)
    else:
        coded = pl.col("label").cast(pl.Float64, strict=False)
    wide = human.with_columns(coded).pivot(on="annotator", index="item", values="label")
    wide = wide.sort("item")
    said = {
        str(name): wide.select("item")
        .join(rows.select("item", coded), on="item", how="left", maintain_order="left")["label"]
        .to_numpy()
        for (name,), rows in judge.group_by("judge")
    }
    return wide.drop("item").to_numpy().T.astype(float), said


def run(dataset: str, judge: str) -> AltTest:
    human, said = labels(dataset)
    told = expected()[dataset]
    rule = AltRule(told["epsilon"])
    return alt_test(human, said[judge], rule, scoring=SCORINGS[told["metric"]])


def alt_test_case(i: dict[str, Any]) -> Answer:
    """A case with labels is run on them. One that only names a data set which is not here (the
    paper's LGBTeen) is held against the three of the same paper that are: 18 judges in all."""
    if "humans" in i:
        rule = AltRule(i.get("epsilon", 0.2), items_min=i.get("items_min", 30))
        told = [alt_test(np.array(i["humans"], float), llm, rule) for llm in i["llm"]]
        return Answer(rates(told))
    if not (folder() / "expected.json").is_file():
        pytest.skip(f"labels of the alt-test are not at {folder()}")
    name = i["dataset"].split("/")[-1]
    if name in expected():
        return Answer(rates([run(name, judge) for judge in i["llm"]]))
    for dataset, recomputed in expected().items():
        for judge, row in recomputed["recomputed_alt_test"].items():
            found = run(dataset, judge)
            assert found.winning_rate == row["winning_rate"], (dataset, judge)
            assert off(found.advantage, row["advantage_probability"]) < 1e-9, (dataset, judge)
            known = np.sort(found.p[~np.isnan(found.p)])
            assert off(known, row["p_values_sorted"]) < 1e-9, (dataset, judge)
    return Answer(elsewhere=frozenset({"winning_rate", "advantage"}))


def rates(told: list[AltTest]) -> dict[str, list[float]]:
    return {
        "winning_rate": [one.winning_rate for one in told],
        "advantage": [one.advantage for one in told],
    }
