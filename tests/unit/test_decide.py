"""From comparisons to a verdict."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from analytics.catalog import Experiment
from analytics.decide import Quality, Settled, decide, multiple_exposure, sample_ratio
from analytics.results import Arm, Comparison, Estimate, Margin, Maturity

PLAN = Experiment(
    id="e",
    control="a",
    variants={"a": 0.5, "b": 0.5},
    metrics={"primary": "metrics/win"},
)
GOOD = Quality(sample_ratio(PLAN, [{"a": 500, "b": 510}]), multiple_exposure(0, single=1_010))
STATE = {"clear": ("better", 1e-6), "open": ("no clear difference", 0.4), "harm": ("worse", 1e-6)}


def metric(name: str, role: str, how: str, *, margin: Margin | None = None) -> Comparison:
    standing, p = STATE.get(how, (how, 1e-6))
    value = -1.0 if how == "harm" else 1.0
    estimate = Estimate("m", value, value - 0.5, value + 0.5, 0.2, p, 0.95)
    has_data = standing != "not enough data"
    return Comparison(
        metric=f"metrics/{name}",
        title=name,
        kind="mean",
        role=role,
        direction="increase",
        days="days 0-6",
        unit="",
        definition="",
        control=Arm("a", 500, 1.0),
        treatment=Arm("b", 510, 2.0),
        reason="" if has_data else "nobody has met b",
        raw=estimate if has_data else None,
        relative=None,
        adjusted=None,
        adjusted_relative=None,
        variance_left=None,
        always_valid=estimate if has_data else None,
        always_valid_relative=None,
        shares=None,
        margin=margin,
        maturity=Maturity(1_010, 1_010, 1_010, 1.0, provisional=False),
        standing=standing,
        sentence=f"{name} {how}",
    )


def guardrail(standing: str) -> Comparison:
    margin = Margin(0.05, -0.01, 0.01, 0.9, 0.05, within=False, breached=False)
    return metric("guard", "guardrail", standing, margin=margin)


def verdict(*comparisons: Comparison, quality: Quality = GOOD, plan: Experiment = PLAN, on=None):
    return decide(plan, comparisons, quality, treatment="b", as_of=on)


@pytest.mark.parametrize(
    ("comparisons", "state"),
    [
        ([metric("win", "success", "clear")], "ship"),
        ([metric("win", "success", "clear"), guardrail("within margin")], "ship"),
        ([metric("win", "success", "clear"), guardrail("margin undecided")], "keep running"),
        ([metric("win", "success", "clear"), guardrail("not enough data")], "keep running"),
        ([metric("win", "success", "clear"), guardrail("beyond margin")], "iterate"),
        ([metric("win", "success", "open"), guardrail("beyond margin")], "do not ship"),
        ([metric("win", "success", "open"), guardrail("within margin")], "keep running"),
        ([metric("win", "success", "harm")], "do not ship"),
        (
            [metric("win", "success", "clear"), metric("hurt", "deterioration", "harm")],
            "iterate",
        ),
        ([metric("win", "success", "clear"), metric("x", "secondary", "harm")], "ship"),
        ([metric("win", "success", "not enough data")], "not enough data"),
        ([metric("x", "secondary", "clear")], "not enough data"),
        ([], "not enough data"),
    ],
)
def test_the_state_follows_from_the_roles(comparisons, state):
    assert verdict(*comparisons).state == state


def test_a_gain_must_clear_the_error_rate_that_all_successes_share():
    won = metric("win", "success", "clear")
    always = dataclasses.replace(won.always_valid, p=0.03)
    won = dataclasses.replace(won, always_valid=always)
    assert verdict(won).state == "ship"
    shared = verdict(won, metric("second", "success", "open"))
    assert shared.state == "keep running"
    assert "not yet at the shared error rate of 0.025" in shared.reasons[0]


def test_every_treatment_takes_its_share_of_the_error_rate():
    won = metric("win", "success", "clear")
    won = dataclasses.replace(won, always_valid=dataclasses.replace(won.always_valid, p=0.03))
    three = Experiment(id="e", control="a", variants={"a": 0.5, "b": 0.25, "c": 0.25})
    assert verdict(won, plan=three).state == "keep running"


def test_a_clear_gain_in_the_wrong_direction_is_harm():
    down = dataclasses.replace(metric("win", "success", "clear"), direction="decrease")
    assert not down.is_good
    assert verdict(dataclasses.replace(down, standing="worse")).state == "do not ship"


def test_a_sample_ratio_mismatch_makes_all_else_invalid():
    broken = Quality(sample_ratio(PLAN, [{"a": 900, "b": 1_100}]), GOOD.multiple)
    assert broken.sample_ratio.alarm
    found = verdict(metric("win", "success", "clear"), quality=broken)
    assert found.state == "invalid"
    assert "not have the sizes that were planned" in found.sentence
    assert found.listeners_prefer == ""


def test_a_sample_ratio_just_above_the_threshold_is_no_alarm():
    found = sample_ratio(PLAN, [{"a": 44_700, "b": 45_489}])
    assert found.p == pytest.approx(0.008607987810836262, rel=1e-12)
    assert not found.alarm


def test_many_units_in_several_variants_make_it_invalid():
    mixed = Quality(GOOD.sample_ratio, multiple_exposure(150, single=1_000))
    assert mixed.multiple.share == pytest.approx(150 / 1_150)
    assert verdict(metric("win", "success", "clear"), quality=mixed).state == "invalid"


def test_nobody_exposed_has_no_sample_ratio():
    assert sample_ratio(PLAN, []) is None
    assert multiple_exposure(0, single=0).share is None


def test_the_planned_end_without_a_gain_says_do_not_ship():
    ended = PLAN.model_copy(update={"end": dt.date(2026, 1, 10)})
    before = verdict(metric("win", "success", "open"), plan=ended, on=dt.date(2026, 1, 10))
    after = verdict(metric("win", "success", "open"), plan=ended, on=dt.date(2026, 1, 11))
    assert (before.state, after.state) == ("keep running", "do not ship")
    assert "planned end" in after.reasons[0]


def test_the_sentence_tells_the_harm_before_the_gain():
    found = verdict(metric("win", "success", "clear"), metric("hurt", "deterioration", "harm"))
    assert found.sentence == "b: hurt harm. Iterate: keep what gained, mend what was harmed."
    assert found.listeners_prefer == "a"


def test_the_sentence_says_which_guardrail_is_breached():
    found = verdict(metric("win", "success", "clear"), guardrail("beyond margin"))
    assert "Breached: guard." in found.sentence


def test_success_metrics_stand_in_the_planned_order():
    plan = PLAN.model_copy(
        update={"metrics": PLAN.metrics.model_copy(update={"success": ("metrics/other",)})}
    )
    found = verdict(
        metric("other", "success", "open"), metric("win", "success", "clear"), plan=plan
    )
    assert [one.title for one in found.success] == ["win", "other"]


def test_harm_in_an_open_window_after_a_ship_asks_to_iterate():
    shipped = Settled(dt.date(2026, 1, 5), "ship", ("win: better",))
    won = metric("win", "success", "clear")
    hurt = metric("hurt", "deterioration", "harm")
    told = {"treatment": "b", "as_of": None, "settled": shipped}
    closed = decide(PLAN, [won, hurt], GOOD, **told)
    assert closed.state == "ship"
    assert any(reason.startswith("since then: hurt: worse") for reason in closed.reasons)
    opened = decide(PLAN, [won, dataclasses.replace(hurt, waits=False)], GOOD, **told)
    assert opened.state == "iterate"
    assert any("hurt: worse since" in reason for reason in opened.reasons)
