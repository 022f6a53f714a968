"""What the report says where data is missing, one-sided or unplanned."""

from __future__ import annotations

import pytest
from support.published import (
    Published,
    config_of,
    day_us,
    mean_body,
    metric_yaml,
    ratio_body,
)

from analytics.catalog import load_catalog
from analytics.nightly import Request, analyse

WEEK = "type: closed, aggregation_window: 7d"
PLAN = """
id: e
control: a
variants: {a: 0.5, b: 0.5}
metrics: {primary: metrics/m}
"""


@pytest.fixture
def result_of(tmp_path):
    """The first experiment's result on these unit days."""

    def of(rows, metrics, plan=PLAN, *, reached: int = 20):
        published = Published(tmp_path / "w.duckdb")
        published.unit_days(rows)
        published.reach(reached)
        con = published.open()
        catalog = load_catalog(config_of(tmp_path / "config", metrics, plan))
        report = analyse(con, catalog, Request("w", now_us=day_us(reached + 1)))
        con.close()
        return report.experiments[0]

    return of


def units(variant: str, n: int, *, day: int = 0, starts=lambda index: index % 5):
    return [
        {"unit_id": f"{variant}{i}", "variant_id": variant, "day": day, "exposures_n": 1}
        | {"starts_n": starts(i)}
        for i in range(n)
    ]


def test_an_empty_arm_is_not_enough_data_and_no_number(result_of):
    result = result_of(units("a", 300), [metric_yaml("m", mean_body("starts"))])
    (verdict,), (one,) = result.verdicts, result.comparisons
    assert one.raw is None
    assert one.standing == "not enough data"
    assert one.reason == "nobody has met b"
    assert one.treatment.value is None
    assert verdict.state == "invalid"  # 300 against 0 is no even split
    assert result.sample_ratio.alarm


def test_no_variance_is_not_enough_data(result_of):
    rows = units("a", 300, starts=lambda _: 4) + units("b", 300, starts=lambda _: 4)
    (one,) = result_of(rows, [metric_yaml("m", mean_body("starts"))]).comparisons
    assert (one.standing, one.reason) == ("not enough data", "every unit has the same value")
    assert one.control.value == 4.0


def test_a_ratio_over_nothing_is_not_enough_data(result_of):
    rows = units("a", 300, starts=lambda _: 0) + units("b", 300)
    metric = metric_yaml("m", ratio_body("plays", "starts"))
    (one,) = result_of(rows, [metric]).comparisons
    assert one.reason == "there is nothing to divide by in one of the variants"


def test_one_unit_an_arm_is_not_enough_data(result_of):
    rows = units("a", 1) + units("b", 1)
    (one,) = result_of(rows, [metric_yaml("m", mean_body("starts"))]).comparisons
    assert one.reason == "one unit says nothing of how units differ"


def test_few_units_have_a_fixed_interval_and_no_verdict(result_of):
    rows = units("a", 100) + units("b", 100, starts=lambda i: 10 + i % 5)
    result = result_of(rows, [metric_yaml("m", mean_body("starts"))])
    (one,) = result.comparisons
    assert one.raw.p < 1e-10
    assert one.always_valid is None
    assert one.standing == "not enough data"
    assert "too few units for a verdict" in one.sentence
    assert result.verdicts[0].state == "not enough data"


def test_units_whose_window_is_open_wait(result_of):
    rows = [*units("a", 250), *units("b", 250), *units("late", 0)]
    late = units("a", 300, day=15) + units("b", 300, day=15)
    rows += [row | {"unit_id": f"late-{row['unit_id']}"} for row in late]
    (one,) = result_of(rows, [metric_yaml("m", mean_body("starts"), window=WEEK)]).comparisons
    assert (one.control.n, one.treatment.n) == (250, 250)
    assert (one.maturity.units, one.maturity.closed) == (1_100, 500)
    assert one.maturity.share == pytest.approx(500 / 1_100)
    assert one.maturity.provisional


def test_nobody_s_window_over_is_said(result_of):
    rows = units("a", 250) + units("b", 250)
    metric = metric_yaml("m", mean_body("starts"), window=WEEK)
    (one,) = result_of(rows, [metric], reached=6).comparisons
    assert one.reason == "days 0-6 are over for no unit of a or b"
    assert one.maturity.closed == 0


def test_units_of_several_variants_are_excluded_and_counted(result_of):
    rows = units("a", 250) + units("b", 250)
    both = [row | {"unit_id": f"x{i}"} for i, row in enumerate(units("a", 20) + units("b", 20))]
    both += [row | {"variant_id": "b" if row["variant_id"] == "a" else "a"} for row in both]
    result = result_of(rows + both, [metric_yaml("m", mean_body("starts"))])
    assert result.multiple.n == 40
    assert result.multiple.share == pytest.approx(40 / 540)
    assert result.units == {"a": 250, "b": 250}
    assert result.comparisons[0].control.n == 250


def test_an_experiment_without_definition_is_reported_with_a_note(result_of):
    rows = [row | {"experiment_id": "new"} for row in units("control", 300) + units("x", 300)]
    metric = metric_yaml("m", mean_body("starts"), more="x-role: success")
    result = result_of(rows, [metric], plan="")
    assert (result.id, result.declared, result.control) == ("new", False, "control")
    assert "no definition: equal allocation" in result.notes[0]
    assert result.verdicts[0].state == "keep running"


def test_one_variant_without_definition_is_nothing_to_compare(result_of):
    result = result_of(units("a", 5), [metric_yaml("m", mean_body("starts"))], plan="")
    assert result.verdicts == ()
    assert "nothing to compare" in result.notes[0]


def test_a_variant_that_the_definition_lacks_is_left_out_and_named(result_of):
    rows = units("a", 250) + units("b", 250) + units("z", 7)
    result = result_of(rows, [metric_yaml("m", mean_body("starts"))])
    assert "7 units met z, which the definition does not name: left out." in result.notes
    assert result.units == {"a": 250, "b": 250}


def test_units_of_another_kind_are_left_out_and_counted(result_of):
    others = [row | {"unit_type": "session"} for row in units("a", 9)]
    rows = units("a", 250) + units("b", 250) + others
    result = result_of(rows, [metric_yaml("m", mean_body("starts"))])
    assert "9 units are no users: left out." in result.notes
    assert result.units["a"] == 250


def test_a_metric_about_users_needs_users(result_of):
    rows = [row | {"unit_type": "session"} for row in units("a", 250) + units("b", 250)]
    metric = metric_yaml("m", mean_body("active_days"), table="all")
    plan = PLAN.replace("control: a", "control: a\nunit: session")
    (one,) = result_of(rows, [metric], plan).comparisons
    assert one.reason == "is about users, and this experiment randomises by session"


def test_unit_ids_that_are_no_users_are_said(result_of):
    metric = metric_yaml("m", mean_body("active_days"), table="all")
    (one,) = result_of(units("a", 250) + units("b", 250), [metric]).comparisons
    assert one.reason == "no unit of this experiment occurs among the users' days"


def test_a_planned_experiment_without_data_has_a_verdict_of_not_enough(result_of):
    rows = [row | {"experiment_id": "other"} for row in units("a", 250) + units("b", 250)]
    plan = PLAN.replace("id: e", "id: planned")
    result = result_of(rows, [metric_yaml("m", mean_body("starts"))], plan)
    assert (result.id, result.verdicts[0].state) in {
        ("planned", "not enough data"),
        ("other", "not enough data"),
    }


def test_offsets_of_a_hundred_million_change_no_digit(result_of, tmp_path):
    def shifted(by: int):
        return units("a", 300, starts=lambda i: by + i % 7) + units(
            "b", 300, starts=lambda i: by + i % 9
        )

    metric = metric_yaml("m", mean_body("starts"), more="variance_reduction: {enabled: false}")
    (near,) = result_of(shifted(0), [metric]).comparisons
    (tmp_path / "w.duckdb").unlink()
    (far,) = result_of(shifted(10**8), [metric]).comparisons
    assert far.raw.se == pytest.approx(near.raw.se, rel=1e-14)
    assert far.raw.p == pytest.approx(near.raw.p, rel=1e-6)


def test_uneven_sizes_say_why_the_outcome_must_not_be_read(result_of):
    result = result_of(units("a", 500) + units("b", 300), [metric_yaml("m", mean_body("starts"))])
    (verdict,) = result.verdicts
    assert verdict.state == "invalid"
    assert "(p <0.0001)" in verdict.sentence
