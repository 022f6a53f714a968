"""What a night has decided stays decided: over later nights, on the same data."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from support.night import METRICS, PLAN, fill
from support.published import DAY_0, Published, config_of, day_us

from analytics.catalog import Experiment, load_catalog
from analytics.cells import Cell
from analytics.decide import TERMINAL, Evidence, settle
from analytics.nightly import Request, analyse
from analytics.trajectory import Aged

PLANNED = Experiment(
    id="e", control="a", variants={"a": 0.5, "b": 0.5}, metrics={"primary": "metrics/m"}
)


def nights(rng) -> list[tuple[dt.date, list[Evidence]]]:
    """Evidence that jumps about, as no real one does."""
    found = []
    for day in range(20):
        standing = rng.choice(["better", "worse", "no clear difference", "not enough data"])
        guard = rng.choice(["within margin", "beyond margin", "margin undecided"])
        p = 1e-6 if standing in {"better", "worse"} else 0.5
        success = Evidence("m", "success", str(standing), p, bool(standing == "better"))
        rail = Evidence("g", "guardrail", str(guard), p, is_good=True, margin=0.1)
        found.append((DAY_0 + dt.timedelta(days=day), [success, rail]))
    return found


@pytest.mark.parametrize("seed", range(50))
def test_another_night_never_changes_what_was_settled_before_it(seed):
    course = nights(np.random.default_rng(seed))
    told = [settle(PLANNED, course[:k]) for k in range(len(course) + 1)]
    first = next((one for one in told if one is not None), None)
    assert first is not None
    assert first.state in TERMINAL
    after = told[told.index(first) :]
    assert all(one == first for one in after)


def test_cells_by_age_add_up_to_those_old_enough():
    rng = np.random.default_rng(1)
    rows = {age: rng.integers(0, 9, (5, 2)) for age in (0, 2, 3)}
    cells = {
        age: Cell(
            5,
            {"x": 1, "y": 2},
            {"x": int((v[:, 0] - 1).sum()), "y": int((v[:, 1] - 2).sum())},
            {
                ("x", "x"): int(((v[:, 0] - 1) ** 2).sum()),
                ("x", "y"): int(((v[:, 0] - 1) * (v[:, 1] - 2)).sum()),
                ("y", "y"): int(((v[:, 1] - 2) ** 2).sum()),
            },
        )
        for age, v in rows.items()
    }
    found = Aged.of(cells, ("x", "y"), 3).closed(np.array([1.0, 3.0, 9.0]), (1.0, 10.0))
    old = np.concatenate([rows[2], rows[3]]) / [1, 10]
    assert found.n.tolist() == [10, 5, 0]
    assert np.allclose(found.mean[0], old.mean(axis=0))
    assert np.allclose(found.m2[0], np.cov(old.T) * 9)
    assert not np.isnan(found.m2).any()


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The verdicts of that warehouse on every day, as a report of that day says them."""
    folder = tmp_path_factory.mktemp("course")
    published = Published(folder / "warehouse.duckdb")
    fill(published)
    con = published.open()
    catalog = load_catalog(config_of(folder / "config", METRICS, PLAN))
    found = []
    for day in (6, 9, 11, 13, 15, 18, 20):
        request = Request("w", now_us=day_us(day), as_of=DAY_0 + dt.timedelta(days=day))
        (one,) = analyse(con, catalog, request).experiments
        found.append((request.as_of, one.verdicts[0]))
    con.close()
    return found


def test_a_verdict_does_not_un_happen_from_night_to_night(course):
    states = [verdict.state for _, verdict in course]
    first = next(k for k, state in enumerate(states) if state in TERMINAL)
    assert 0 < first < len(states) - 1
    assert set(states[:first]) <= {"keep running", "not enough data"}
    assert set(states[first:]) == {"ship"}


def test_a_settled_verdict_names_the_day_on_which_it_fell(course):
    settled = [verdict.decided_on for _, verdict in course if verdict.decided_on]
    assert len(settled) >= 2
    assert len(set(settled)) == 1
    decided = dt.date.fromisoformat(settled[0])
    for day, verdict in course:
        assert (verdict.state in TERMINAL) == (day >= decided)
        if verdict.decided_on:
            assert f"(decided on {decided})" in verdict.reasons[0]


def test_days_left_stand_in_the_sentence(course):
    running = [verdict for _, verdict in course if verdict.state == "keep running"]
    assert all("days left." in verdict.sentence for verdict in running)
