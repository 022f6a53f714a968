"""The shipped catalogue, and what the loader says of definitions that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics.catalog import CatalogError, Days, load_catalog, undeclared
from streams.errors import ConfigError

SHIPPED = Path(__file__).parents[2] / "config"
TABLE = """
fact_tables:
  - name: factTables/days
    display_name: Days
    table: unit_day
    timestamp_column: day
    entities: [{entity: unit, column: unit_id}]
    measures:
      - {display_name: starts, column: starts_n}
      - {display_name: net_saves, column: saves_n - unsaves_n}
      - {display_name: minutes, column: ms_played / 60000}
"""
MEASUREMENT = """
measurements:
  - name: measurements/minutes
    display_name: Minutes
    fact_table: factTables/days
    entity: unit
    measure: minutes
    operation: sum
    metrics:
      - name: metrics/minutes-d7
        display_name: Minutes
        measurement_window: {type: closed, aggregation_window: 604800s}
"""
EXPERIMENT = """
id: one
control: a
variants: {a: 0.5, b: 0.5}
metrics: {primary: metrics/minutes-d7}
"""


@pytest.fixture
def write(tmp_path):
    """Put files into a configuration directory, then load it."""

    def write_and_load(*, metrics: str = "", experiment: str = ""):
        for folder, name, text in (
            ("metrics", "table.yaml", TABLE),
            ("metrics", "metrics.yaml", metrics),
            ("experiments", "one.yaml", experiment),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_text(text)
        return load_catalog(tmp_path)

    return write_and_load


def problems_of(write, **texts) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        write(**texts)
    return [
        str(problem).replace(str(problem.file), problem.file.name)
        for problem in caught.value.problems
    ]


def line_of(text: str, word: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if word in line)


def test_the_shipped_definitions_are_sound():
    catalog = load_catalog(SHIPPED)
    assert {"metrics/early-skip-rate-d7", "metrics/save-rate-d7", "metrics/return-d7"} <= set(
        catalog.metrics
    )
    assert catalog.experiments["dj-voice"].treatments == ("b1", "b2")


def test_every_shipped_metric_can_be_said_in_words():
    assert [m.id for m in load_catalog(SHIPPED).metrics.values() if m.words is None] == []


def test_a_closed_window_of_a_week_waits_for_seven_days(write):
    metric = write(metrics=MEASUREMENT).metrics["metrics/minutes-d7"]
    assert metric.days == Days(0, 7, waits=True)


def test_an_offset_moves_the_window(write):
    moved = MEASUREMENT.replace("604800s}", "7d, exposure_offset: 1d}")
    assert write(metrics=moved).metrics["metrics/minutes-d7"].days == Days(1, 8, waits=True)


def test_a_semi_open_window_ends_and_does_not_wait(write):
    metric = write(metrics=MEASUREMENT.replace("closed", "semi_open"))
    assert metric.metrics["metrics/minutes-d7"].days == Days(0, 7, waits=False)


def test_a_threshold_makes_a_proportion_and_a_denominator_a_ratio(write):
    threshold = "operation: sum\n    aggregation_threshold: {direction: gte, value: 1}"
    proportion = MEASUREMENT.replace("operation: sum", threshold)
    assert write(metrics=proportion).metrics["metrics/minutes-d7"].kind == "proportion"
    parts = (
        "numerator: {measure: net_saves, operation: sum}\n"
        "    denominator: {measure: starts, operation: sum}"
    )
    ratio = MEASUREMENT.replace("measure: minutes\n    operation: sum", parts)
    assert write(metrics=ratio).metrics["metrics/minutes-d7"].kind == "ratio"


def test_the_definition_hash_follows_the_meaning_and_not_the_title(write):
    first = write(metrics=MEASUREMENT).metrics["metrics/minutes-d7"].definition_hash
    named = MEASUREMENT.replace("display_name: Minutes", "display_name: Time")
    assert write(metrics=named).metrics["metrics/minutes-d7"].definition_hash == first
    longer = MEASUREMENT.replace("604800s", "1209600s")
    assert write(metrics=longer).metrics["metrics/minutes-d7"].definition_hash != first


def test_an_unknown_key_is_named_with_its_line_and_a_hint(write):
    text = MEASUREMENT.replace("operation: sum", "operation: sum\n    agregation_threshold: 1")
    place = f"metrics.yaml:{line_of(text, 'agregation')}: measurements[0].agregation_threshold"
    hint = "Did you mean 'aggregation_threshold'?"
    assert problems_of(write, metrics=text) == [f"{place}: is no known key. {hint}"]


def test_several_problems_are_reported_at_once(write):
    text = (
        MEASUREMENT.replace("closed", "closd")
        .replace("operation: sum", "operation: mean")
        .replace("display_name: Minutes\n        m", "m")
    )
    found = problems_of(write, metrics=text, experiment=EXPERIMENT.replace("0.5}", "0.6}"))
    metric = f"metrics.yaml:{line_of(text, 'metrics/minutes')}: measurements[0].metrics[0]"
    window = f"metrics.yaml:{line_of(text, 'closd')}: measurements[0].metrics[0].measurement_window"
    operation = f"metrics.yaml:{line_of(text, 'operation')}: measurements[0].operation"
    kinds = "'closed', 'semi_open' or 'open'"
    assert found == [
        "one.yaml:2: the allocations of the variants sum to 1.1, not to 1",
        f"{operation}: must be 'sum', not 'mean'.",
        f"{metric}.display_name: is missing",
        f"{window}.type: must be {kinds}, not 'closd'. Did you mean 'closed'?",
    ]


def test_a_misspelt_column_gets_a_hint(write, tmp_path):
    write()
    wrong = TABLE.replace("column: starts_n", "column: start_n")
    (tmp_path / "metrics" / "table.yaml").write_text(wrong)
    with pytest.raises(CatalogError, match=r"no column 'start_n'. Did you mean 'starts_n'\?"):
        load_catalog(tmp_path)


def test_a_misspelt_measure_gets_a_hint(write):
    text = MEASUREMENT.replace("measure: minutes", "measure: minute")
    place = f"metrics.yaml:{line_of(text, 'measure: minute')}: measurements[0].measure"
    message = "factTables/days has no measure 'minute'. Did you mean 'minutes'?"
    assert problems_of(write, metrics=text) == [f"{place}: {message}"]


def test_an_unknown_fact_table_and_entity_are_named(write):
    assert (
        "there is no 'factTables/day'"
        in problems_of(write, metrics=MEASUREMENT.replace("factTables/days", "factTables/day"))[0]
    )
    assert (
        "'user' is no entity of factTables/days (unit)"
        in problems_of(write, metrics=MEASUREMENT.replace("entity: unit", "entity: user"))[0]
    )


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("604800s", "36000s", "days are the smallest unit here: write 86400s instead of 36000s"),
        ("604800s", "week", "a duration reads like 604800s or 7d, not 'week'"),
        (
            "type: closed, aggregation_window: 604800s",
            "type: closed",
            "needs an aggregation_window",
        ),
        ("type: closed", "type: open", "an open window has no aggregation_window"),
        ("operation: sum", "operation: sum\n    filters: []", "unit_day has no dimensions"),
        ("operation: sum", "operation: sum\n    cap: {min: 2, max: 1}", "min 2 is not below max 1"),
        ("    measure: minutes\n", "", "either measure and operation, or numerator and denom"),
        (
            "        measurement_w",
            "        x-role: guardrail\n        measurement_w",
            "x-ni-margin",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(write, was, becomes, says):
    found = problems_of(write, metrics=MEASUREMENT.replace(was, becomes))
    assert any(says in problem for problem in found), found


def test_a_name_that_stands_twice_points_to_its_first_place(write):
    again = MEASUREMENT + MEASUREMENT.replace("\nmeasurements:\n", "")
    found = problems_of(write, metrics=again)
    assert len(found) == 1
    assert "the measurement 'measurements/minutes' stands at" in found[0]
    other = again.replace("measurements/minutes", "measurements/again", 1)
    found = problems_of(write, metrics=other)
    assert len(found) == 1
    assert "the metric 'metrics/minutes-d7' stands here a second time" in found[0]


def test_a_key_that_stands_twice_is_refused(write):
    text = MEASUREMENT.replace("entity: unit", "entity: unit\n    entity: unit")
    assert problems_of(write, metrics=text) == [
        "metrics.yaml:7: measurements[0].entity: stands here a second time"
    ]


def test_broken_yaml_names_the_line(write):
    assert problems_of(write, metrics="measurements:\n  - {name: x\n")[0].startswith(
        "metrics.yaml:3: is not valid YAML"
    )


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("b: 0.5}", "b: 0.4}", "the allocations of the variants sum to 0.9, not to 1"),
        ("control: a", "control: c", "the control 'c' is none of the variants (a, b)"),
        ("control: a", "control: 1", "put it in quotes"),
        ("primary: metrics/minutes-d7", "primary: metrics/minutes-d8", "Did you mean"),
        ("primary: metrics/minutes-d7", "guardrail: [metrics/minutes-d7]", "needs a margin here"),
        ("id: one", "id: one\nstart: 2026-02-02\nend: 2026-02-01", "before it starts"),
        ("id: one", "id: one\nhypotesis: x", "Did you mean 'hypothesis'?"),
    ],
)
def test_an_experiment_that_does_not_hold_together_is_refused(write, was, becomes, says):
    found = problems_of(write, metrics=MEASUREMENT, experiment=EXPERIMENT.replace(was, becomes))
    assert len(found) == 1
    assert says in found[0]


def test_a_short_guardrail_and_a_long_one_mean_the_same(write):
    text = EXPERIMENT.replace("primary: metrics/minutes-d7", "guardrail: [{}]")
    long = write(
        metrics=MEASUREMENT,
        experiment=text.replace("{}", "{metric: metrics/minutes-d7, margin: 0.1}"),
    )
    assert long.experiments["one"].metrics.guardrail[0].margin == 0.1
    with_margin = MEASUREMENT + "        x-ni-margin: 0.1\n"
    short = write(metrics=with_margin, experiment=text.replace("{}", "metrics/minutes-d7"))
    assert short.experiments["one"].metrics.guardrail[0].metric == "metrics/minutes-d7"


def test_an_allocation_may_be_a_fraction(write):
    text = EXPERIMENT.replace("{a: 0.5, b: 0.5}", "{a: 2/3, b: 1/3}")
    plan = write(metrics=MEASUREMENT, experiment=text).experiments["one"]
    assert plan.variants == {"a": 2 / 3, "b": 1 / 3}


def test_an_experiment_without_definition_is_assumed_to_split_equally():
    plan = undeclared("x", ["b", "control", "c"], "user")
    assert plan is not None
    assert (plan.control, plan.treatments) == ("control", ("b", "c"))
    assert set(plan.variants.values()) == {1 / 3}
    assert undeclared("x", ["only"], "user") is None


def test_a_directory_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match="no such configuration directory"):
        load_catalog(tmp_path / "nowhere")
