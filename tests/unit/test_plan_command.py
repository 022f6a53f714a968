"""`listenback plan`: units, effects and power, from numbers, the catalogue or the warehouse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.night import METRICS, PLAN, fill
from support.published import Published, config_of

from analytics import plan as planning
from analytics.plan import DESIGNS, Baseline, Rule
from listenback.cli import run
from streams.errors import ConfigError

WITH_EFFECT = METRICS[0].replace(
    "preferred_direction: decrease",
    "preferred_direction: decrease\n        default_effect_size: 0.1",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    published = Published(folder / "warehouse.duckdb")
    fill(published)
    published.close()
    Published(folder / "empty.duckdb").close()
    config_of(folder / "config", [WITH_EFFECT, *METRICS[1:]], PLAN)
    return folder


@pytest.fixture
def plan(home, monkeypatch, capsys):
    monkeypatch.chdir(home)

    def call(*args: str) -> tuple[int, str, str]:
        code = run(["plan", *args])
        said = capsys.readouterr()
        return code, said.out, " ".join(said.err.split())

    return call


def rows(plan, *args: str) -> list[dict]:
    code, out, err = plan(*args, "--json")
    assert code == 0, err
    return json.loads(out)["rows"]


def test_units_are_those_of_the_textbook(plan):
    (row,) = rows(plan, "--mean", "6", "--sd", "15", "--effect", "0.1", "--design", "once")
    assert row["units"] == [9812, 9812]  # 9811.0997: (1.96 + 0.8416)^2 * 2 * 225 / 0.6^2


def test_guardrails_ask_for_more_power_and_take_no_alpha(plan):
    base = ("--rate", "0.3", "--effect", "0.02", "--design", "once")
    (alone,) = rows(plan, *base)
    (guarded,) = rows(plan, *base, "--guardrails", "3")
    assert alone["power"] == pytest.approx(0.8)
    assert guarded["power"] == pytest.approx(1 - 0.2 / 4)
    assert guarded["alpha"] == alone["alpha"] == 0.05
    (careful,) = rows(plan, *base, "--guardrails", "3", "--alpha-quality", "0.01")
    assert careful["power"] == pytest.approx(1 - 0.19 / 4)
    assert alone["total"] < guarded["total"] < careful["total"]


def test_success_metrics_and_treatments_share_alpha_as_in_the_report(plan):
    base = ("--rate", "0.3", "--effect", "0.02", "--design", "once")
    (row,) = rows(plan, *base, "--successes", "2", "--shares", "1/2, 1/4, 1/4")
    assert row["alpha"] == pytest.approx(0.05 / 4)
    first, second, third = row["units"]
    assert first == pytest.approx(2 * second, abs=2)
    assert second == third


def test_cuped_saves_its_share_of_the_units(plan):
    base = ("--mean", "6", "--sd", "15", "--effect", "0.1", "--design", "once")
    (plain,), (less,) = rows(plan, *base), rows(plan, *base, "--variance-left", "0.6")
    assert less["total"] == pytest.approx(0.6 * plain["total"], abs=2)


def test_looking_every_night_costs_what_exact_crossing_chances_say(plan):
    found = {row["design"]: row for row in rows(plan, "--rate", "0.3", "--effect", "0.02")}
    assert tuple(found) == DESIGNS
    assert found["once"]["inflation"] == 1
    assert found["group-sequential"]["inflation"] == pytest.approx(1.08, abs=0.01)
    assert found["always"]["inflation"] == pytest.approx(1.72, abs=0.01)
    for row in found.values():
        assert row["total"] / found["once"]["total"] == pytest.approx(row["inflation"], rel=1e-3)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("role", ["success", "guardrail"])
@pytest.mark.parametrize("kind", ["mean", "proportion"])
@pytest.mark.parametrize("higher", [True, False])
def test_units_effect_and_power_say_the_same_thing(design, role, kind, higher):
    rule = Rule(successes=2, guardrails=1, shares=(0.4, 0.3, 0.3), looks=14)
    baseline = Baseline("m", kind, 0.4, 0.24, higher, variance_left=0.8)
    sized = planning.size(baseline, role, 0.05, rule, design)
    back = planning.smallest(baseline, role, sized.total, rule, design)
    reached = planning.powered(baseline, role, 0.05, sized.total, rule, design)
    assert back.effect == pytest.approx(0.05, rel=1e-3)
    assert reached.power == pytest.approx(sized.power, abs=1e-3)
    assert sized.power == pytest.approx(1 - 0.2 / 2)


def test_the_smallest_visible_effect_of_so_many_users(plan):
    (row,) = rows(plan, "--mean", "100", "--sd", "50", "--users", "10000", "--design", "once")
    expected = 2.8015852181 * np.sqrt(4 * 50**2 / 10_000) / 100
    assert row["effect"] == pytest.approx(expected, rel=1e-5)


def test_an_experiment_is_planned_from_the_control_that_the_warehouse_has_seen(plan):
    args = ("-e", "voice", "--from-warehouse", "--warehouse", "warehouse.duckdb")
    code, out, _ = plan(*args, "--json")
    found = json.loads(out)
    assert code == 0
    names = [(row["metric"], row["role"]) for row in found["rows"][::3]]
    assert names == [("skip-rate", "success"), ("returned", "guardrail")]
    skips, returned = found["baselines"]
    assert (skips["kind"], skips["n"], returned["n"]) == ("ratio", 800, 800)
    assert skips["mean"] == pytest.approx(0.2949, abs=1e-4)
    assert skips["source"].startswith("control of voice, as of 2026-10-21")
    assert returned["mean"] == pytest.approx(0.80625)
    assert found["units_per_day"] == pytest.approx(1_600 / 12)
    assert found["rows"][0]["effect"] == 0.1
    assert found["rows"][3]["effect"] == 0.1  # the margin of the catalogue
    assert found["units"]["always"] == max(
        r["total"] for r in found["rows"] if r["design"] == "always"
    )
    days = found["rows"][0]["days"]
    assert days == np.ceil(found["rows"][0]["total"] / (1_600 / 12)) + 7


def test_the_table_says_what_it_stands_on(plan):
    code, out, err = plan("--rate", "0.8", "--margin", "0.02", "--per-day", "4000")
    assert code == 0
    assert "metric (proportion): mean 0.8, sd 0.4 (given)" in out
    assert "guardrail" in out
    assert "0.05 one-sided" in out
    assert "always: asymptotic confidence sequence, as the report decides" in err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "a baseline is --rate, or --mean"),
        (("--rate", "0.3"), "what effect of metric?"),
        (("--rate", "1.3", "--effect", "0.1"), "--rate is 1.3"),
        (("--rate", "0.9", "--effect", "0.2"), "must lie between 0 and 1"),
        (("--rate", "0.3", "--effect", "-0.1"), "its direction is known"),
        (("--rate", "0.3", "--effect", "0.1", "--margin", "0.1"), "exclude each other"),
        (("--mean", "3", "--effect", "0.1"), "a baseline is --rate, or --mean"),
        (("--mean", "3", "--sd", "0", "--effect", "0.1"), "--sd (above 0)"),
        (("--rate", "0.3", "--effect", "0.1", "--variance-left", "1.5"), "--variance-left"),
        (("--rate", "0.3", "--effect", "0.1", "--shares", "0.5,0.6"), "sums to 1.1"),
        (("--rate", "0.3", "--effect", "0.1", "--shares", "a,b"), "is no list of shares"),
        (("--rate", "0.3", "--effect", "0.1", "--alpha", "1.5"), "not between 0 and 1"),
        (("--rate", "0.3", "--effect", "0.1", "--power", "1"), "not between 0 and 1"),
        (("--rate", "0.3", "--effect", "0.1", "--alpha-quality", "0.3"), "leaves nothing of beta"),
        (("--mean", "1", "--sd", "999", "--users", "4"), "see no effect"),
        (("--rate", "0.3", "--effect", "0.1", "--successes", "0"), "fewer than the 1 success"),
        (("--metric", "skip-rte", "--effect", "0.1"), "Did you mean 'skip-rate'?"),
        (("--experiment", "voise"), "Did you mean 'voice'?"),
        (("--from-warehouse", "--effect", "0.1"), "needs --metric or --experiment"),
        (("--metric", "minutes", "--mean", "2", "--sd", "1"), "what effect of minutes?"),
    ],
)
def test_what_cannot_be_planned_is_said_in_one_line(plan, args, says):
    code, out, err = plan(*args)
    assert (code, out) == (2, "")
    assert says in err


def test_a_warehouse_without_units_does_not_carry_a_plan(plan):
    args = ("-m", "skip-rate", "--from-warehouse", "--warehouse", "empty.duckdb", "--users", "100")
    code, out, err = plan(*args)
    assert (code, out) == (4, "")
    assert "nobody met a variant of any experiment yet" in err


def test_a_metric_with_nothing_to_divide_by_is_not_planned(plan):
    args = ("-m", "saves", "--from-warehouse", "--warehouse", "warehouse.duckdb", "--users", "99")
    code, _, err = plan(*args)
    assert code == 4
    assert "saves cannot be planned from 800 units" in err


def test_an_allocation_must_sum_to_one():
    assert planning.check_shares([0.5, 0.5]) == (0.5, 0.5)
    with pytest.raises(ConfigError, match="must sum to 1"):
        planning.check_shares([0.5, 0.4])
