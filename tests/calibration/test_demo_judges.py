"""What the demo says of its judges is what was planted in them, and mining finds what was planted.

The demo's own world (its size and seed), joined without a broker.
"""

from __future__ import annotations

import json

import polars as pl
import pytest
from support.simulated import warehouse

from listenback.cli import run
from streams.simulate.plan import DEFAULT_EVENTS_N, Plan
from streams.simulate.simulation import simulate

pytestmark = [pytest.mark.calibration, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return warehouse(tmp_path_factory.mktemp("demo"), events_n=DEFAULT_EVENTS_N).warehouse_file


@pytest.fixture
def states(demo, capsys) -> dict[tuple[str, str], list[str]]:
    """(judge, surface) -> the states of its epochs, in order of time."""
    assert run(["trust", "--warehouse", str(demo), "--json"]) == 0
    found: dict[tuple[str, str], list[str]] = {}
    for judge in json.loads(capsys.readouterr().out)["judges"]:
        for one in judge["certificates"]:
            found.setdefault((judge["instrument"]["judge"], one["surface"]), []).append(
                one["state"]
            )
    return found


def test_each_judge_is_called_what_it_was_planted_as(states):
    assert states["maestro", "prompted_playlist"] == ["CERTIFIED"]
    assert states["flatterer", "dj"] == ["REVOKED"]
    for (judge, surface), found in states.items():
        if judge == "coin":
            assert found == ["REVOKED"], surface
        elif judge == "debut":
            assert found == ["NEVER_CHECKED"], surface
        elif judge == "aria":
            assert len(found) == 2
            assert "REVOKED" not in found, surface
        else:
            assert "CERTIFIED" not in found or judge == "maestro", surface


def test_what_is_mined_of_the_good_judges_is_what_was_planted(demo, tmp_path):
    truth = simulate(Plan()).truth()["shelf"]
    for judge in ("aria", "maestro"):
        out = tmp_path / judge
        assert run(["mine", "--warehouse", str(demo), "--judge", judge, "--out", str(out)]) == 0
        items = pl.read_parquet(out / "items.parquet")
        kinds = {
            "judge_high_and_skipped": truth["misplaced"],
            "judge_low_and_saved": truth["hidden_gems"],
        }
        for kind, planted in kinds.items():
            told = set(items.filter(kind=kind)["generation_id"])
            assert len(told & set(planted)) >= max(2, 0.7 * len(told)), (judge, kind)
