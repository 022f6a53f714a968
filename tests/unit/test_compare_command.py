"""`listenback compare`: two variants of an experiment, or of any table."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import polars as pl
import pytest
from support.night import METRICS, PLAN, fill, night
from support.published import Published, config_of, day_us

from analytics.stats.means import welch_interval
from analytics.stats.moments import Marginal
from listenback.cli import run


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    published = Published(folder / "warehouse.duckdb")
    fill(published)
    for epoch, variant in (("e7", "control"), ("e8", "warm")):
        wanted = [f"g{index}" for index in range(200) if (index % 2 == 1) == (variant == "warm")]
        scored = {"judge_id": "torn", "dimension": "warmth", "evaluator_epoch": epoch}
        rows = pl.DataFrame({"generation_id": wanted}).with_columns(
            **{name: pl.lit(text) for name, text in scored.items()},
            score_value=pl.int_range(pl.len()) % 5 * 1.0,
            sampling_prob=pl.lit(1.0),
            errors_n=pl.lit(0),
            event_time_us=pl.lit(day_us(2)),
        )
        published.insert("generation_score", rows)
    published.close()
    config_of(folder / "config", METRICS, PLAN)
    return folder


@pytest.fixture
def compare(home, monkeypatch, capsys):
    monkeypatch.chdir(home)

    def call(*args: str) -> tuple[int, str, str]:
        code = run(["compare", *args])
        said = capsys.readouterr()
        return code, said.out, " ".join(said.err.split())

    return call


VOICE = ("--experiment", "voice", "--warehouse", "warehouse.duckdb")


def test_the_numbers_are_those_of_the_report(compare, tmp_path):
    (reported,) = night(tmp_path).experiments
    code, out, _ = compare("control", "warm", *VOICE, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["schema"] == "listenback.compare/1"
    assert len(found["comparisons"]) == len(METRICS)
    for ours, theirs in zip(found["comparisons"], reported.comparisons, strict=True):
        assert ours["metric"] == theirs.metric
        assert ours["standing"] == theirs.standing
        if theirs.always_valid:
            assert ours["always_valid"]["low"] == theirs.always_valid.low
            assert ours["raw"]["p"] == theirs.raw.p


def test_the_other_way_round_the_difference_changes_its_sign(compare):
    one = json.loads(compare("control", "warm", *VOICE, "--json", "-m", "skip-rate")[1])
    other = json.loads(compare("warm", "control", *VOICE, "--json", "-m", "skip-rate")[1])
    (ours,), (theirs,) = one["comparisons"], other["comparisons"]
    assert ours["raw"]["estimate"] == pytest.approx(-theirs["raw"]["estimate"], rel=1e-12)
    assert ours["raw"]["p"] == pytest.approx(theirs["raw"]["p"], rel=1e-9)
    assert theirs["standing"] == "worse"


def test_every_number_stands_beside_n_interval_method_and_maturity(compare):
    code, out, _ = compare("control", "warm", *VOICE)
    assert code == 0
    assert "control 0.2949 (n 800), warm 0.2014 (n 800); 100% mature, provisional" in out
    assert "95 % asymptotic confidence sequence" in out
    assert "95 % Welch t" in out
    assert "as planned, SRM p 1.00" in out
    assert "saves  saves (from day 0 on; secondary): not enough data: there is nothing" in out


def test_an_earlier_day_has_less_data_and_says_so(compare):
    code, out, _ = compare("control", "warm", *VOICE, "--as-of", "2026-10-03", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["as_of"] == "2026-10-03"
    skips = found["comparisons"][0]
    assert skips["reason"] == "days 0-6 are over for no unit of control or warm"
    assert (skips["raw"], skips["standing"]) == (None, "not enough data")


def test_scores_of_different_epochs_are_never_compared(compare):
    code, out, err = compare("control", "warm", *VOICE, "--scores")
    assert (code, out) == (5, "")
    assert "torn (warmth) epochs are of different instruments: e7 beside e8" in err
    code, _, err = compare("control", "warm", *VOICE, "--epoch", "e1", "--epoch", "e2")
    assert code == 5
    assert "e1 beside e2" in err


def test_scores_of_one_epoch_stand_in_one_row(compare):
    code, out, _ = compare("control", "warm", *VOICE, "--epoch", "e2", "--json")
    (view,) = json.loads(out)["judges"]
    assert code == 0
    assert (view["judge"], view["epoch"], view["prefers"]) == ("keen", "e2", "warm")
    assert view["difference"]["low"] > 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("control", "wram", *VOICE), "Did you mean 'warm'?"),
        (("control", "control", *VOICE), "cannot be compared with itself"),
        (("control", "warm", *VOICE, "-m", "skip-rte"), "Did you mean 'skip-rate'?"),
        (("control", "warm", *VOICE, "--as-of", "yesterday"), "'yesterday' is no day"),
        (("control", "warm", *VOICE[2:], "-e", "voise"), "Did you mean 'voice'?"),
        (("control", "warm"), "give either --experiment or --file"),
        (("control", "warm", *VOICE, "--file", "x.csv"), "give either --experiment or --file"),
    ],
)
def test_a_wrong_question_is_an_error_with_a_hint(compare, args, says):
    code, out, err = compare(*args)
    assert (code, out) == (2, "")
    assert says in err


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Several rows a user; user 0 is in both arms."""
    rng = np.random.default_rng(3)
    user = rng.integers(0, 900, 4_000)
    frame = pl.DataFrame(
        {"user": user, "arm": np.where(user % 2, "b", "a"), "minutes": rng.gamma(2, 3, 4_000)}
    )
    frame = pl.concat(
        [frame, pl.DataFrame({"user": [0, 0], "arm": ["a", "b"], "minutes": [1.0, 1.0]})]
    )
    frame = frame.with_columns(plays=pl.lit(1))
    folder = tmp_path_factory.mktemp("rows")
    frame.write_parquet(folder / "rows.parquet")
    frame.write_csv(folder / "rows.csv")
    with duckdb.connect(str(folder / "rows.duckdb")) as con:
        con.register("frame", frame)
        con.execute("CREATE TABLE days AS FROM frame")
    return folder, frame


def oracle(frame: pl.DataFrame) -> tuple[Marginal, Marginal]:
    """Sums per user by a dictionary, users of both arms left out."""
    sums: dict[int, float] = {}
    arms: dict[int, set[str]] = {}
    for user, arm, minutes, _ in frame.rows():
        sums[user] = sums.get(user, 0.0) + minutes
        arms.setdefault(user, set()).add(arm)
    return tuple(
        Marginal.of([sums[user] for user, met in arms.items() if met == {arm}]) for arm in "ab"
    )


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.duckdb"])
def test_any_table_is_folded_to_units_first(compare, rows, name):
    folder, frame = rows
    table = ("--table", "days") if name.endswith("duckdb") else ()
    named = ("--variant", "arm", "--value", "minutes", "--unit", "user")
    code, out, _ = compare("a", "b", "--file", str(folder / name), *named, *table, "--json")
    found = json.loads(out)
    expected = welch_interval(*oracle(frame), alpha=0.05)
    assert code == 0
    assert found["units_in_both"] == 1
    assert found["arms"]["a"]["n"] == int(oracle(frame)[0].n)
    assert found["one_look"]["low"] == pytest.approx(float(expected.low), rel=1e-12)
    assert found["one_look"]["p"] == pytest.approx(float(expected.p), rel=1e-9)


def test_a_ratio_of_columns_is_compared_by_the_delta_method(compare, rows):
    folder, _ = rows
    named = ("--variant", "arm", "--value", "minutes", "--unit", "user", "--denominator", "plays")
    code, out, _ = compare("a", "b", "--file", str(folder / "rows.csv"), *named)
    assert code == 0
    assert "minutes (ratio): b against a" in out
    assert "1 units in both left out" in out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("a", "b", "--value", "minute"), "Did you mean 'minutes'?"),
        (("a", "c", "--value", "minutes"), "no unit has arm = 'c' (there are a, b)"),
    ],
)
def test_a_column_or_variant_that_is_not_there_is_named(compare, rows, args, says):
    file = ("--file", str(rows[0] / "rows.parquet"), "--variant", "arm")
    code, out, err = compare(*args, *file)
    assert (code, out) == (2, "")
    assert says in err


def test_nulls_are_an_error_and_not_zeros(compare, tmp_path):
    frame = pl.DataFrame({"variant": ["a", "b", "b"], "value": [1.0, None, 2.0]})
    frame.write_parquet(tmp_path / "x.parquet")
    code, _, err = compare("a", "b", "--file", str(tmp_path / "x.parquet"))
    assert code == 2
    assert "rows that lack one of variant, value" in err
    assert "below 1e+145: 1." in err


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e308])
def test_values_that_cannot_be_added_are_an_error_and_no_number(compare, tmp_path, value):
    frame = pl.DataFrame({"variant": ["a", "b"] * 50, "value": [value] + [1.0] * 99})
    frame.write_parquet(tmp_path / "x.parquet")
    code, out, err = compare("a", "b", "--file", str(tmp_path / "x.parquet"))
    assert (code, out) == (2, "")
    assert "hold no finite number below 1e+145" in err


def test_two_rows_are_not_enough_and_say_so(compare, tmp_path):
    pl.DataFrame({"variant": ["a", "b"], "value": [1.5, 2.0]}).write_parquet(tmp_path / "x.parquet")
    code, out, _ = compare("a", "b", "--file", str(tmp_path / "x.parquet"))
    assert code == 0
    assert "one look    not enough data" in out
    found = json.loads(compare("a", "b", "--file", str(tmp_path / "x.parquet"), "--json")[1])
    assert found["one_look"] is None
