"""`listenback metrics`: definitions checked, listed, shown, exported."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from support.published import config_of, mean_body, metric_yaml, ratio_body

from analytics.catalog.confidence import export_confidence
from listenback.cli import run
from listenback.definitions import config_dir

WEEK = "type: closed, aggregation_window: 7d"
GOOD = (
    metric_yaml("skips", ratio_body("early_skips", "starts"), window=WEEK, direction="decrease"),
    metric_yaml(
        "returned",
        mean_body("starts", "aggregation_threshold: {direction: gte, value: 1}"),
        window="type: closed, exposure_offset: 1d, aggregation_window: 604800s",
        table="all",
        more="x-role: guardrail\n        x-ni-margin: 0.02",
    ),
)
PLAN = """
id: voice
control: a
variants: {a: 0.5, b: 0.5}
metrics: {primary: metrics/skips, guardrail: [metrics/returned]}
"""
# Confidence's schema v1, `additionalProperties: false` throughout: what may stand where.
ALLOWED = {
    "fact_tables": "name display_name sql table timestamp_column entities measures dimensions owner"
    " description labels",
    "entities": "entity column",
    "measures": "display_name column description type unit",
    "unit": "base_unit currency_code custom_unit base_unit_multiplier",
    "measurements": "name display_name fact_table entity owner measure operation numerator"
    " denominator description filters aggregation_threshold cap quantile_level null_handling labels"
    " metrics",
    "numerator": "measure operation filters cap",
    "denominator": "measure operation filters cap",
    "aggregation_threshold": "direction value",
    "cap": "min max",
    "null_handling": "replace_entity_null_with_zero replace_measure_null_with_zero",
    "metrics": "name display_name owner description preferred_direction default_effect_size"
    " measurement_window filters labels variance_reduction",
    "measurement_window": "type aggregation_window exposure_offset",
    "variance_reduction": "enabled pre_exposure_window",
}


@pytest.fixture
def config(tmp_path):
    return config_of(tmp_path / "config", GOOD, PLAN)


def call(capsys, *args: str) -> tuple[int, str, str]:
    code = run(["metrics", *map(str, args)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_definitions_that_hold_end_with_0_and_print_no_finding(config, capsys):
    code, out, err = call(capsys, "validate", config)
    assert (code, out) == (0, "")
    assert "2 metrics and 1 experiments hold" in err
    assert call(capsys, "validate", config, "--json")[:2] == (0, "[]\n")


def test_every_finding_is_a_line_with_its_place_and_the_exit_code_is_1(tmp_path, capsys):
    wrong = GOOD[0].replace("early_skips", "erly_skips")
    plan = PLAN.replace("metrics/skips", "metrics/skip").replace("b: 0.5", "b: 0.6")
    config = config_of(tmp_path, [wrong, GOOD[1].replace("closed", "closd")], plan)
    code, out, _ = call(capsys, "validate", config)
    lines = out.splitlines()
    assert code == 1
    assert all(re.match(r".+\.yaml:\d+: ", line) for line in lines)
    assert any("not 'closd'. Did you mean 'closed'?" in line for line in lines)
    assert any("sum to 1.1, not to 1" in line for line in lines)
    code, out, _ = call(capsys, "validate", config, "--json")
    found = json.loads(out)
    assert code == 1
    assert len(found) == len(lines)
    assert set(found[0]) == {"file", "line", "field", "message"}
    _, out, _ = call(capsys, "validate", config, "--github")
    assert all(re.match(r"::error file=.+,line=\d+::", line) for line in out.splitlines())


def test_the_line_that_is_named_is_the_one_that_is_wrong(tmp_path, capsys):
    config = config_of(tmp_path, [GOOD[0].replace("early_skips", "erly_skips")])
    _, out, _ = call(capsys, "validate", config, "--json")
    (found,) = json.loads(out)
    line = (config / "metrics/all.yaml").read_text().splitlines()[found["line"] - 1]
    assert "erly_skips" in line
    assert "Did you mean 'early_skips'?" in found["message"]


def test_an_experiment_that_names_an_unknown_metric_is_a_finding(tmp_path, capsys):
    config = config_of(tmp_path, GOOD, PLAN.replace("metrics/skips", "metrics/skisp"))
    code, out, _ = call(capsys, "validate", config)
    assert code == 1
    assert "one.yaml:5: metrics.primary: there is no metric 'metrics/skisp'" in out
    assert "Did you mean 'metrics/skips'?" in out


@pytest.mark.parametrize("make", [False, True])
def test_nothing_to_check_is_an_error_and_not_a_success(tmp_path, capsys, make):
    folder = tmp_path / "empty"
    if make:
        folder.mkdir()
    code, _, err = call(capsys, "validate", folder)
    assert code == 2
    assert str(folder) in err.replace("\n", "")


def test_the_list_has_a_line_a_metric_and_json_has_the_same(config, capsys):
    code, out, _ = call(capsys, "list", "--config", config)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["metric", "skips", "returned"]
    listed = json.loads(call(capsys, "list", "--config", config, "--json")[1])
    assert [one["id"] for one in listed] == ["metrics/skips", "metrics/returned"]


@pytest.mark.parametrize("name", ["skips", "metrics/skips"])
def test_a_metric_is_shown_with_what_it_decides(config, capsys, name):
    code, out, _ = call(capsys, "show", name, "--config", config, "--json")
    shown = json.loads(out)
    assert code == 0
    assert (shown["numerator"], shown["denominator"]) == ("early_skips_n", "starts_n")
    assert shown["days"] == "days 0-6"
    assert shown["used_by"] == {"voice": "primary"}
    _, out, _ = call(capsys, "show", name, "--config", config)
    assert 'used_by         {"voice": "primary"}' in out


def test_an_unknown_metric_is_named_with_the_nearest(config, capsys):
    code, out, err = call(capsys, "show", "skisp", "--config", config)
    assert (code, out) == (2, "")
    assert "Did you mean 'skips'?" in err


def keys_beyond(noun: str, value) -> list[str]:
    """Every key that Confidence's schema would refuse."""
    if isinstance(value, list):
        return [key for one in value for key in keys_beyond(noun, one)]
    if not isinstance(value, dict) or noun not in {*ALLOWED, ""}:
        return []
    allowed = set(ALLOWED[noun].split()) if noun else {"fact_tables", "measurements"}
    below = [key for name, one in value.items() for key in keys_beyond(name, one)]
    return [*(f"{noun}.{name}" for name in value if name not in allowed), *below]


@pytest.mark.parametrize("ours", ["built in", "of the test"])
def test_the_export_has_only_keys_that_confidence_knows(config, capsys, ours):
    where = config if ours == "of the test" else config_dir(None)
    code, out, err = call(capsys, "export", "--config", where)
    document = yaml.safe_load(out)
    assert code == 0
    assert keys_beyond("", document) == []
    assert document == json.loads(call(capsys, "export", "--config", where, "--json")[1])
    for measurement in document["measurements"]:
        assert measurement["null_handling"] == {"replace_entity_null_with_zero": True}
        for metric in measurement["metrics"]:
            window = metric["measurement_window"]
            lasting = {key: text for key, text in window.items() if key != "type"}
            assert all(re.fullmatch(r"\d+s", text) for text in lasting.values())
    for table in document["fact_tables"]:
        assert "table" not in table
        assert table["sql"].startswith("SELECT * FROM unit_day WHERE experiment_id")
    assert "x-role" in err


def test_the_export_names_each_place_that_it_leaves_out(config):
    exported = export_confidence(config)
    assert [one.field.rsplit(".", 1)[-1] for one in exported.dropped] == ["x-role", "x-ni-margin"]
    lines = (config / "metrics/all.yaml").read_text().splitlines()
    assert all("x-" in lines[one.line - 1] for one in exported.dropped)
    window = exported.document["measurements"][0]["metrics"][0]["measurement_window"]
    assert window == {"type": "closed", "aggregation_window": "604800s"}
    tables = {table["name"]: table["sql"] for table in exported.document["fact_tables"]}
    assert tables["factTables/all"].endswith("experiment_id = ''")
    assert tables["factTables/exposed"].endswith("experiment_id <> ''")


def test_what_is_wrong_is_not_exported(tmp_path, capsys):
    config = config_of(tmp_path, [GOOD[0].replace("early_skips", "erly_skips")])
    code, out, err = call(capsys, "export", "--config", config)
    assert (code, out) == (1, "")
    assert "erly_skips" in err
