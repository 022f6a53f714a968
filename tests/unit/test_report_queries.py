"""The SQL that a report carries gives its numbers, on the file that the report was made from."""

from __future__ import annotations

import json
from importlib import import_module

import pytest
from support.night import METRICS, PLAN, fill
from support.published import Published, config_of, day_us, mean_body, metric_yaml
from support.report_sql import columns_and_rows, held

from analytics.catalog import load_catalog
from analytics.nightly import Request, analyse
from analytics.report.write import to_html, to_json
from listenback.cli import run
from streams.warehouse.connect import open_readable

ODD = """it's "50% $(off)" `now`! \\o/"""
"""An experiment's id may hold whatever a shell reads."""
NOW_US = 1_793_700_000_000_000
MORE = (
    metric_yaml("soon", mean_body("starts"), window="type: semi_open, aggregation_window: 7d"),
    metric_yaml("met", mean_body("exposures")),
    metric_yaml("active", mean_body("active_days"), table="all"),
    metric_yaml(
        "capped",
        mean_body("minutes", "cap: {min: 1, max: 3.5}"),
        window="type: closed, aggregation_window: 2d",
    ),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a warehouse, some of whose days lie in parts, and definitions."""
    folder = tmp_path_factory.mktemp("home")
    published = Published(folder / "warehouse.duckdb")
    fill(published)
    parts = ({"shard": 1, "starts_n": 1}, {"shard": 2, "starts_n": 2, "ms_played": 5})
    ours = {"experiment_id": "", "variant_id": "", "day": 12}
    published.unit_days(
        [{**ours, "unit_id": f"u{unit}", **part} for unit in range(0, 90, 2) for part in parts]
    )
    _elsewhere_first(published)
    published.close()
    config_of(folder / "config", (*METRICS, *MORE), PLAN)
    odd = PLAN.replace("id: voice", f"id: {json.dumps(ODD)}")
    (folder / "config" / "experiments" / "odd.yaml").write_text(odd)
    return folder


def _elsewhere_first(published):
    """Some met their variant first on another surface; some are in an experiment of an odd name."""
    row = {"unit_type": "user", "event_time_us": day_us(0), "user_key": "", "experiment_id": ODD}
    names = [("control", "warm")[unit % 2] for unit in range(400)]
    days = [
        {"experiment_id": ODD, "unit_id": f"u{unit}", "variant_id": name, "exposures_n": 1}
        | {"starts_n": unit % 7 + 1, "early_skips_n": unit % 3}
        for unit, name in enumerate(names)
    ]
    published.unit_days(days)
    odd = [
        {**row, "generation_id": f"o{unit}", "unit_id": f"u{unit}", "variant_id": name}
        | {"surface": ("home", "dj")[unit % 3 == 0]}
        for unit, name in enumerate(names)
    ]
    voice = [{**one, "experiment_id": "voice", "surface": "home"} for one in odd[:300]]
    published.insert("exposure", odd)
    published.insert(
        "exposure", [{**one, "generation_id": f"v{index}"} for index, one in enumerate(voice)]
    )


@pytest.fixture(scope="module")
def catalog(home):
    return load_catalog(home / "config")


@pytest.fixture(scope="module")
def report(home, catalog):
    opened = open_readable(home / "warehouse.duckdb")
    try:
        return analyse(opened, catalog, Request("warehouse.duckdb", now_us=NOW_US))
    finally:
        opened.close()


@pytest.fixture(scope="module")
def asked(home, report):
    """By query its columns and its rows."""
    opened = open_readable(home / "warehouse.duckdb")
    try:
        return columns_and_rows(opened, report)
    finally:
        opened.close()


def test_numbers_come_out_of_their_sql_and_intervals_out_of_its_moments(report, asked, catalog):
    rows = {name: found for name, (_, found) in asked.items()}
    compared = list(held(report, rows, catalog))
    assert {one.id for one in report.experiments} == {"voice", ODD}
    for result in report.experiments:
        assert {one.value for one in result.segments} >= {"dj", "home"}
        assert any(one.margin for one in result.comparisons)
    assert [one for one in compared if one[1] != one[2]] == []
    assert len(compared) > 50


def test_every_metric_has_a_query_and_every_column_that_is_named_is_there(report, asked):
    assert {one.metric for one in report.experiments[0].comparisons} <= asked.keys()
    for query in report.queries:
        columns, _ = asked[query.id]
        assert {name for name in query.gives if name != "over_N_days"} <= set(columns)


def test_the_functions_that_a_query_names_exist(report):
    named = {name for one in report.queries for name in one.functions}
    assert len(named) > 8
    for name in named:
        module, _, function = name.partition(".")
        assert callable(getattr(import_module(f"analytics.stats.{module}"), function))


def test_a_metric_names_what_makes_its_numbers_and_nothing_else(report):
    named = {one.id: one.functions for one in report.queries}
    always = (
        "confidence_sequence.difference_sequence",
        "confidence_sequence.relative_sequence",
        "noninferiority.noninferior_sequence",
    )
    welch, fieller = "means.welch_interval", "relative.fieller_interval"
    score = "proportions.mee_interval"
    wald = ("proportions.pooled_z_test", "proportions.unpooled_interval")
    assert named["metrics/minutes"] == (welch, fieller, "cuped.cuped", *always)
    assert named["metrics/returned"] == (score, *wald, fieller, "cuped.cuped", welch, *always)
    assert named["metrics/skip-rate"] == (
        *("ratios.ratio", welch, fieller, "cuped.cuped_ratio"),
        *always,
    )
    assert named["metrics/met"] == (welch, fieller, *always)
    assert named["judges"] == ("ratios.ratio", "means.mean_interval", welch)
    segment = ("ratios.ratio", welch, "multiplicity.adjusted_p")
    assert named["segments/voice/surface"] == segment


def test_a_report_of_one_experiment_carries_the_segments_of_no_other(home, catalog):
    opened = open_readable(home / "warehouse.duckdb")
    try:
        request = Request("warehouse.duckdb", now_us=NOW_US, experiment=ODD)
        found = analyse(opened, catalog, request)
    finally:
        opened.close()
    ids = [one.id for one in found.queries if one.id.startswith("segments/")]
    assert ids == [f"segments/{ODD}/surface", f"segments/{ODD}/past_listening"]


def test_a_query_holds_nothing_that_a_shell_reads(report):
    assert [one.id for one in report.queries if set(one.sql) & set('"$`!\\')] == []


def test_a_query_can_be_pasted_from_the_json_into_listenback_query(report, home, capsys):
    query = next(one for one in json.loads(to_json(report))["queries"] if one["id"] == "units")
    file = str(home / "warehouse.duckdb")
    assert run(["query", query["sql"], "--warehouse", file, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    (voice,) = (one for one in report.experiments if one.id == "voice")
    of_voice = {r["variant_id"]: r["units"] for r in rows if r["experiment_id"] == "voice"}
    assert of_voice == voice.units


def test_the_page_links_every_metric_of_its_tables_to_the_sql(report):
    page = to_html(report)
    for one in report.experiments[0].comparisons:
        anchor = f"sql-{one.metric.replace('/', '-')}"
        assert f'href="#{anchor}"' in page
        assert page.count(f'id="{anchor}"') == 1
