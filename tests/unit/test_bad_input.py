"""Data and definitions that carry no answer: a named error or "not enough data", never a number."""

from __future__ import annotations

import json

import pytest
from support.published import Published, config_of, mean_body, metric_yaml

from listenback.cli import run

WEEK = "type: closed, aggregation_window: 7d"
PLAN = """
id: e
control: a
variants: {a: 0.5, b: 0.5}
metrics: {primary: metrics/m}
"""


def units(variant: str, n: int, **more):
    return [
        {"unit_id": f"{variant}{i}", "variant_id": variant, "day": i % 3, "exposures_n": 1}
        | {"starts_n": i % 5}
        | more
        for i in range(n)
    ]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run a command in a folder with these unit days and definitions."""
    monkeypatch.chdir(tmp_path)

    def of(rows, *args: str, plan: str = PLAN, window: str = "", reached: int = 20):
        if rows is not None:
            published = Published(tmp_path / "warehouse.duckdb")
            published.unit_days(rows)
            published.reach(reached)
            published.close()
        body = metric_yaml("m", mean_body("starts"), **({"window": window} if window else {}))
        config_of(tmp_path / "config", [body], plan)
        code = run(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return of


REPORT = ("report", "--warehouse", "warehouse.duckdb", "--json")
COMPARE = ("compare", "a", "b", "-e", "e", "--warehouse", "warehouse.duckdb", "--json")
NUMBERS = ("raw", "relative", "adjusted", "always_valid", "always_valid_relative")


FEW = {
    "a variant nobody has met": (units("a", 300), {}, "nobody has met b"),
    "no exposure at all": (units("x", 300), {}, "nobody has met a or b"),
    "one unit a variant": (units("a", 1) + units("b", 1), {}, "one unit says nothing"),
    "a window longer than the data": (
        units("a", 300) + units("b", 300),
        {"window": WEEK, "reached": 5},
        "days 0-6 are over for no unit",
    ),
    "units of another kind only": (
        units("a", 300, unit_type="session") + units("b", 300, unit_type="session"),
        {},
        "nobody has met",
    ),
}


@pytest.mark.parametrize("case", FEW)
@pytest.mark.parametrize("command", [REPORT, COMPARE], ids=["report", "compare"])
def test_what_carries_no_number_gives_none(call, case, command):
    rows, options, says = FEW[case]
    code, out, _ = call(rows, *command, **options)
    document = json.loads(out)
    found = document["experiments"][0] if command is REPORT else document
    one = found["comparisons"][0]
    assert code == 0
    assert one["standing"] == "not enough data"
    assert says in one["reason"]
    assert [one[name] for name in NUMBERS] == [None] * len(NUMBERS)
    if command is REPORT:
        assert found["verdicts"][0]["state"] in {"not enough data", "invalid"}


def test_few_units_get_a_single_look_and_no_verdict(call):
    code, out, _ = call(units("a", 50) + units("b", 50), *REPORT)
    (found,) = json.loads(out)["experiments"]
    assert (code, found["verdicts"][0]["state"]) == (0, "not enough data")
    assert found["comparisons"][0]["always_valid"] is None


@pytest.mark.parametrize(("others", "state"), [(40, "keep running"), (90, "invalid")])
def test_mixed_units_are_left_out_and_when_many_void_the_verdict(call, others, state):
    rows = units("a", 300) + units("b", 300) + units("a", others, unit_type="session")
    code, out, _ = call(rows, *REPORT, "--fail-on", "warn")
    (found,) = json.loads(out)["experiments"]
    assert found["units"] == {"a": 300, "b": 300}
    assert f"{others} units are no users: left out." in found["notes"]
    assert found["verdicts"][0]["state"] == state
    if state == "invalid":
        assert code == 4
        assert "90 of 690 units are no users" in found["verdicts"][0]["sentence"]


def test_compare_leaves_mixed_units_out_and_says_so(call):
    rows = units("a", 300) + units("b", 300) + units("a", 40, unit_type="session")
    code, out, err = call(rows, *COMPARE[:-1])
    assert code == 0
    assert "a 2 (n 300)" in out
    assert "40 units are no users: left out." in err


def test_a_plan_is_not_made_from_a_control_nobody_has_met(call):
    asked = ("plan", "-e", "e", "--from-warehouse", "--warehouse", "warehouse.duckdb")
    code, out, err = call(units("b", 300), *asked, "--users", "900")
    assert (code, out) == (4, "")
    assert "m cannot be planned from 0 units of a of e" in err


WRONG = {
    "an unknown metric": ("metrics/m}", "metrics/mm}", "Did you mean 'metrics/m'?"),
    "an allocation over 1": ("b: 0.5", "b: 0.6", "sum to 1.1, not to 1"),
    "a control that is no variant": ("control: a", "control: c", "'c'"),
}
COMMANDS = {"report": REPORT, "compare": COMPARE, "plan": ("plan", "-e", "e")}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("command", [*COMMANDS, "metrics validate"])
def test_wrong_definitions_are_named_with_their_place_by_every_command(call, case, command):
    good, wrong, says = WRONG[case]
    asked = COMMANDS.get(command, tuple(command.split()))
    code, out, err = call(units("a", 9) + units("b", 9), *asked, plan=PLAN.replace(good, wrong))
    assert code == 1
    assert "config/experiments/one.yaml:" in out + err
    assert says in out + err
    assert (out == "") == (command != "metrics validate")
