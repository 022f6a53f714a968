"""Days folded to units: windows, maturity, who counts."""

from __future__ import annotations

import datetime as dt

import pytest
from support.published import (
    DAY_0,
    Published,
    config_of,
    mean_body,
    metric_yaml,
    ratio_body,
)

from analytics.catalog import load_catalog
from analytics.fold import UNIT_DAYS, UNIT_TABLE, fold_units, plan_fold

WEEK = "type: closed, aggregation_window: 7d"


def a_day(unit: str, day: int, variant: str = "a", **sums: int) -> dict[str, object]:
    return {"unit_id": unit, "day": day, "variant_id": variant, **sums}


def past(unit: str, day: int, **sums: int) -> dict[str, object]:
    return {"unit_id": unit, "day": day, "experiment_id": "", "variant_id": "", **sums}


@pytest.fixture
def fold(tmp_path):
    """Fold rows for one metric; returns by unit (is_multiple, age_class, values...)."""

    def folded(metric: str, rows: list[dict[str, object]], *, as_of: int = 30):
        catalog = load_catalog(config_of(tmp_path / "config", [metric]))
        published = Published(tmp_path / f"w{len(list(tmp_path.iterdir()))}.duckdb")
        published.unit_days(rows)
        con = published.open()
        plan = plan_fold(catalog.metrics.values())
        (columns,) = plan.metrics
        names = ", ".join(columns.names)
        sql = f"SELECT unit_id, is_multiple, age_class, {names} FROM {UNIT_TABLE} ORDER BY unit_id"
        found = []
        for source in ("unit_day", UNIT_DAYS):  # the view, and the rows that add up to it
            fold_units(con, plan, as_of=DAY_0 + dt.timedelta(days=as_of), source=source)
            found.append({row[0]: row[1:] for row in con.execute(sql).fetchall()})
        con.close()
        assert found[0] == found[1]
        return found[0], columns

    return folded


def test_rows_of_one_key_add_up_wherever_they_stand(fold):
    metric = metric_yaml("m", mean_body("starts"), more="variance_reduction: {enabled: false}")
    rows = [a_day("u", 3, exposures_n=1), a_day("u", 3, shard=1, exposures_n=1)]
    rows += [a_day("u", 4, shard=shard, starts_n=n) for shard, n in ((0, 5), (1, 2), (1, -1))]
    rows += [a_day("gone", 3, exposures_n=n) for n in (1, -1)]
    found, _ = fold(metric, rows)
    assert {unit: row[2] for unit, row in found.items()} == {"u": 6}


def test_a_day_that_is_spread_over_rows_is_one_active_day(fold):
    metric = metric_yaml("m", mean_body("active_days"), table="all")
    rows = [a_day("u", 0, exposures_n=1)]
    rows += [past("u", 1, shard=shard, starts_n=n) for shard, n in ((0, 2), (1, 1), (1, 3))]
    rows += [past("u", 2, starts_n=4), past("u", 2, shard=1, ms_played=9)]
    rows += [past("u", 3, shard=shard, starts_n=n) for shard, n in ((0, 1), (0, -1))]
    rows += [past("u", -2, shard=shard, starts_n=1) for shard in (0, 1)]
    found, columns = fold(metric, rows)
    assert found["u"][2:] == (2, 1)
    assert len(columns.covariate) == 1


@pytest.mark.parametrize("measure", ["still_days", "no_starts", "all_days"])
def test_a_day_that_came_to_nothing_passes_no_test_that_0_passes(fold, measure):
    more = "variance_reduction: {enabled: false}"
    metric = metric_yaml("m", mean_body(measure), table="all", more=more)
    rows = [a_day("u", 0, exposures_n=1)]
    rows += [past("u", 1, shard=shard, starts_n=n) for shard, n in ((0, 1), (1, -1))]
    rows += [past("u", 2, shard=shard, starts_n=n, likes_n=1) for shard, n in ((0, 1), (0, -1))]
    rows += [past("u", 3, shard=shard, likes_n=n) for shard, n in ((0, 2), (1, -2))]
    rows += [past("u", 4, likes_n=1)]
    found, _ = fold(metric, rows)
    assert found["u"][2] == 2  # days 2 and 4; days 1 and 3 are as if they never were


def test_a_closed_window_holds_its_days_and_no_other(fold):
    metric = metric_yaml(
        "m", mean_body("starts"), window=WEEK, more="variance_reduction: {enabled: false}"
    )
    rows = [a_day("u", 3, exposures_n=1)]
    rows += [a_day("u", 3 + age, starts_n=10**age) for age in (0, 6, 7)]
    found, _ = fold(metric, rows)
    assert found["u"][2] == 1 + 10**6


def test_an_offset_leaves_out_the_first_day(fold):
    window = "type: closed, exposure_offset: 1d, aggregation_window: 7d"
    metric = metric_yaml(
        "m", mean_body("starts"), window=window, more="variance_reduction: {enabled: false}"
    )
    rows = [a_day("u", 0, exposures_n=1, starts_n=1)]
    rows += [a_day("u", age, starts_n=10**age) for age in (1, 7, 8)]
    found, _ = fold(metric, rows)
    assert found["u"][2] == 10 + 10**7


def test_an_open_window_holds_all_days_so_far_and_none_after(fold):
    metric = metric_yaml("m", mean_body("starts"), more="variance_reduction: {enabled: false}")
    rows = [a_day("u", 0, exposures_n=1)]
    rows += [a_day("u", day, starts_n=10 ** (day // 10)) for day in (10, 20, 30)]
    found, _ = fold(metric, rows, as_of=25)
    assert found["u"][2] == 10 + 100


def test_the_first_exposure_opens_the_window(fold):
    metric = metric_yaml(
        "m", mean_body("starts"), window=WEEK, more="variance_reduction: {enabled: false}"
    )
    rows = [a_day("u", day, exposures_n=1, starts_n=10 ** (day - 4)) for day in (4, 9, 11)]
    found, _ = fold(metric, rows)
    assert found["u"][2] == 1 + 10**5


@pytest.mark.parametrize(("as_of", "closed"), [(6, False), (7, True)])
def test_a_window_is_over_when_its_last_day_is(fold, as_of, closed):
    metric = metric_yaml("m", mean_body("starts"), window=WEEK)
    found, columns = fold(metric, [a_day("u", 0, exposures_n=1)], as_of=as_of)
    assert (found["u"][1] >= columns.closed_class) is closed


@pytest.mark.parametrize(("as_of", "settled"), [(36, False), (37, True)])
def test_a_number_is_settled_when_late_events_can_no_longer_come(fold, as_of, settled):
    metric = metric_yaml("m", mean_body("starts"), window=WEEK, more="x-lateness: 30d")
    found, columns = fold(metric, [a_day("u", 0, exposures_n=1)], as_of=as_of)
    assert (found["u"][1] >= columns.settled_class) is settled


def test_an_exposed_unit_without_activity_counts_with_zero(fold):
    metric = metric_yaml("m", mean_body("starts"), more="variance_reduction: {enabled: false}")
    found, _ = fold(metric, [a_day("quiet", 0, exposures_n=1)])
    assert found["quiet"][2] == 0


def test_activity_without_exposure_makes_no_unit(fold):
    metric = metric_yaml("m", mean_body("starts"))
    found, _ = fold(metric, [a_day("orphan", 0, starts_n=5), a_day("u", 0, exposures_n=1)])
    assert list(found) == ["u"]


def test_a_unit_that_met_two_variants_is_marked(fold):
    metric = metric_yaml("m", mean_body("starts"))
    rows = [a_day("both", 0, "a", exposures_n=1), a_day("both", 1, "b", exposures_n=1)]
    rows += [a_day("one", 0, "a", exposures_n=1), a_day("one", 1, "b", starts_n=1)]
    found, _ = fold(metric, rows)
    assert (found["both"][0], found["one"][0]) == (True, False)


def test_days_of_one_unit_in_several_shards_add_up(fold):
    metric = metric_yaml("m", mean_body("starts"), more="variance_reduction: {enabled: false}")
    rows = [a_day("u", 0, exposures_n=1, starts_n=1, shard=0), a_day("u", 0, starts_n=2, shard=1)]
    found, _ = fold(metric, rows)
    assert found["u"][2] == 3


def test_a_sum_and_a_difference_of_columns_are_folded(fold):
    more = "variance_reduction: {enabled: false}"
    metric = metric_yaml("m", ratio_body("net_saves", "plays"), more=more)
    rows = [a_day("u", 0, exposures_n=1, saves_n=3, streams_30s_n=5)]
    rows.append(a_day("u", 2, unsaves_n=1, streams_30s_n=2))
    found, _ = fold(metric, rows)
    assert found["u"][2:] == (2, 7)


def test_a_threshold_turns_the_sum_into_one_or_zero(fold):
    body = mean_body("minutes", "aggregation_threshold: {direction: gte, value: 2}")
    metric = metric_yaml("m", body, more="variance_reduction: {enabled: false}")
    rows = [a_day("in", 0, exposures_n=1, ms_played=120_000)]
    rows.append(a_day("out", 0, exposures_n=1, ms_played=119_999))
    found, _ = fold(metric, rows)
    assert (found["in"][2], found["out"][2]) == (1, 0)


def test_a_cap_bounds_the_unit_and_not_the_day(fold):
    metric = metric_yaml(
        "m", mean_body("minutes", "cap: {max: 3}"), more="variance_reduction: {enabled: false}"
    )
    rows = [a_day("u", day, exposures_n=1, ms_played=120_000) for day in (0, 1)]
    found, columns = fold(metric, rows)
    assert found["u"][2] / columns.scales[0] == 3.0


def test_all_that_a_user_does_counts_where_the_metric_says_so(fold):
    metric = metric_yaml(
        "m",
        mean_body("active_days"),
        table="all",
        window=WEEK,
        more="variance_reduction: {enabled: false}",
    )
    rows = [a_day("u", 2, exposures_n=1, starts_n=1)]
    rows += [past("u", day, starts_n=4) for day in (1, 2, 5, 8, 9)]
    found, _ = fold(metric, rows)
    assert found["u"][2] == 3  # days 2, 5 and 8; day 1 lies before, day 9 after


def test_the_covariate_is_what_the_user_did_before_the_first_exposure(fold):
    metric = metric_yaml(
        "m", mean_body("starts"), more="variance_reduction: {pre_exposure_window: 3d}"
    )
    rows = [a_day("u", 5, exposures_n=1, starts_n=9)]
    rows += [past("u", day, starts_n=10**day) for day in (1, 2, 4, 5)]
    found, columns = fold(metric, rows)
    assert len(columns.covariate) == 1
    assert found["u"][3] == 10**2 + 10**4


def test_a_rate_per_exposure_is_held_against_the_past_rate_per_start(fold):
    metric = metric_yaml("m", ratio_body("plays", "exposures"))
    rows = [a_day("u", 5, exposures_n=2, streams_30s_n=1)]
    rows.append(past("u", 4, starts_n=8, streams_30s_n=6))
    found, _ = fold(metric, rows)
    assert found["u"][2:] == (1, 2, 6, 8)


def test_what_only_exposures_fill_has_no_covariate(fold):
    metric = metric_yaml("m", mean_body("exposures"))
    _, columns = fold(metric, [a_day("u", 0, exposures_n=1)])
    assert columns.covariate == ()
