"""Judges on trial in a warehouse: certificates, what they rest on, what a night reads again."""

from __future__ import annotations

import json
from types import SimpleNamespace

import polars as pl
import pytest
from support.judged import DAYS_N, ITEMS_N, judged
from support.published import Published, day_us

from analytics.judges.daysums import DaySums, load, night_sums, save
from analytics.judges.ledger import chosen, read_ledger
from analytics.judges.trial import Asked, try_judges
from analytics.judges.words import told
from listenback.cli import run
from streams.errors import ConfigError
from streams.warehouse.connect import open_readable

CATALOG = SimpleNamespace(experiments={})


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    path = tmp_path_factory.mktemp("judged") / "warehouse.duckdb"
    judged(path).close()
    return path


@pytest.fixture(scope="module")
def trials(warehouse):
    con = open_readable(warehouse)
    found = try_judges(con, CATALOG, Asked(), before=DaySums.empty())
    con.close()
    return {one.entry.instrument.judge: one for one in found.trials}


def test_a_judge_that_hears_well_and_is_fair_may_gate(trials):
    (certificate,) = trials["ear"].certificates
    assert certificate.missing == ()
    assert (certificate.state, certificate.use) == ("CERTIFIED", "use to gate")
    (audit,) = certificate.evidence.audits
    assert (audit.variant, audit.status) == ("b", "PASS")
    assert audit.excess.low < 0 < audit.excess.high
    assert certificate.evidence.anchors.status == "PASS"


def test_a_judge_that_hears_nothing_is_revoked(trials):
    (certificate,) = trials["coin"].certificates
    assert (certificate.state, certificate.use, certificate.weight) == ("REVOKED", "do not use", 0)
    assert certificate.reasons == ("it does not hear what people hear",)


def test_a_judge_that_is_unfair_to_one_variant_is_revoked_and_told_by_how_much(trials):
    (certificate,) = trials["flatterer"].certificates
    assert certificate.state == "REVOKED"
    assert "it gives b" in certificate.reasons[0]
    assert "less than people do" in certificate.reasons[0]
    (audit,) = certificate.evidence.audits
    assert audit.status == "FAIL"
    assert certificate.evidence.heard.rank.above(0.3)  # within a variant it hears well


def test_listeners_keep_what_a_good_judge_scores_high(trials):
    good, noise = (trials[name].certificates[0].evidence for name in ("ear", "coin"))
    assert good.auc.above(0.55)
    assert noise.auc.low < 0.5 < noise.auc.high
    assert good.auc.n == pytest.approx(ITEMS_N * 0.98, rel=0.02)
    assert {one.name for one in good.saved} == {"AUC, saved", "Spearman, saved", "slope, saved"}


def test_the_words_name_state_use_reason_and_every_kind_of_evidence(trials):
    text = "\n".join(told(trials["flatterer"]))
    for part in ("REVOKED", "do not use", "People:", "Listeners:", "Variants:", "Reference items:"):
        assert part.lower() in text.lower()
    assert "NOT fair to b (voice)" in text


def test_the_ledger_counts_scores_errors_lag_and_coverage(warehouse):
    con = open_readable(warehouse)
    entries = {one.instrument.judge: one for one in read_ledger(con, alpha=0.05)}
    con.close()
    ear = entries["ear"]
    assert ear.scores == ITEMS_N + 120
    assert ear.anchors == 120
    assert ear.by_type == {"timeout": ear.errors.n * ear.errors.value}
    assert ear.lag_s == (1.0, 1.0)
    assert ear.coverage.value == pytest.approx(0.98, abs=0.02)


def test_an_unknown_dimension_or_judge_gets_a_hint(warehouse):
    con = open_readable(warehouse)
    entries = read_ledger(con, alpha=0.05)
    con.close()
    with pytest.raises(ConfigError, match="Did you mean 'musicality'"):
        chosen(entries, judge=None, dimension="muscality", epoch=None)
    with pytest.raises(ConfigError, match="Did you mean 'coin'"):
        chosen(entries, judge="coint", dimension=None, epoch=None)
    with pytest.raises(ConfigError, match="begins with 'zz'"):
        chosen(entries, judge=None, dimension=None, epoch="zz")


def test_a_night_reads_only_the_days_that_something_happened_to(tmp_path):
    path = tmp_path / "w.duckdb"
    published = judged(path)
    con = published.open()
    first = night_sums(con, DaySums.empty())
    again = night_sums(con, first)
    con.close()
    assert (first.days_read, again.days_read, again.days_kept) == (DAYS_N, 0, DAYS_N)
    assert again.cells.equals(first.cells)

    after = Published.__new__(Published)
    from streams.warehouse.connect import open_writable  # noqa: PLC0415

    after.path, after._con = path, open_writable(path, memory="500MB", threads_n=1)
    row = after._con.execute(
        "SELECT generation_id, user_key, event_time_us FROM exposure ORDER BY event_id LIMIT 1"
    ).fetchall()[0]
    after.insert(
        "listen",
        [{"generation_id": row[0], "user_key": row[1], "reason_end": "fwdbtn", "ms_played": 100}],
    )
    con = after.open()
    third = night_sums(con, again)
    fresh = night_sums(con, DaySums.empty())
    con.close()
    assert (third.days_read, third.days_kept) == (1, DAYS_N - 1)
    assert third.cells.equals(fresh.cells)
    assert third.cells["plays_n"].sum() == first.cells["plays_n"].sum() + 3  # three judges
    assert row[2] < day_us(DAYS_N)


def test_kept_sums_come_back_and_torn_ones_do_not(tmp_path, warehouse):
    con = open_readable(warehouse)
    sums = night_sums(con, DaySums.empty())
    con.close()
    save(tmp_path / "judges", sums)
    back = load(tmp_path / "judges")
    assert back.cells.equals(sums.cells)
    assert back.fingerprints == sums.fingerprints
    (tmp_path / "judges" / "day_fingerprints.parquet").unlink()
    assert load(tmp_path / "judges").fingerprints == {}


def test_trust_prints_words_and_json_and_can_fail_a_schedule(capsys, warehouse):
    assert run(["trust", "--warehouse", str(warehouse)]) == 0
    said = capsys.readouterr().out
    assert "ear" in said
    assert "CERTIFIED. May gate" in said
    assert "REVOKED. Do not use" in said
    args = ["trust", "--warehouse", str(warehouse), "--judge", "coin", "--json"]
    assert run([*args, "--fail-on-revoked"]) == 4
    (judge,) = json.loads(capsys.readouterr().out)["judges"]
    (certificate,) = judge["certificates"]
    assert certificate["surface"] == "dj"
    assert certificate["instrument"]["epoch"] == "epoch-coin"
    assert certificate["weight"] == 0


def test_trust_keeps_its_sums_in_the_data_dir(capsys, tmp_path, warehouse):
    published = tmp_path / "data" / "published"
    published.mkdir(parents=True)
    (published / "warehouse.duckdb").write_bytes(warehouse.read_bytes())
    args = ["trust", "--data-dir", str(tmp_path / "data"), "--judge", "coin"]
    assert run(args) == 0
    assert f"{DAYS_N} days read, 0 unchanged" in capsys.readouterr().err
    assert run(args) == 0
    assert f"0 days read, {DAYS_N} unchanged" in capsys.readouterr().err


def test_trust_without_scores_says_so(capsys, tmp_path):
    published = Published(tmp_path / "w.duckdb")
    published.reach(1)
    published.close()
    assert run(["trust", "--warehouse", str(tmp_path / "w.duckdb")]) == 0
    assert "No judge has scored anything yet." in capsys.readouterr().out


def test_a_judge_with_errors_alone_was_never_checked(capsys, tmp_path):
    published = Published(tmp_path / "w.duckdb")
    rows = pl.DataFrame({"generation_id": [f"g{i}" for i in range(9)]}).with_columns(
        judge_id=pl.lit("down"),
        dimension=pl.lit("d"),
        evaluator_epoch=pl.lit("e"),
        error_type=pl.lit("timeout"),
        event_time_us=pl.lit(day_us(1)),
    )
    published.insert("judge_score", rows)
    published.reach(2)
    published.close()
    assert run(["trust", "--warehouse", str(tmp_path / "w.duckdb")]) == 0
    said = capsys.readouterr().out
    assert "NEVER_CHECKED. Do not use" in said


@pytest.fixture
def two_epochs(tmp_path):
    """One judge in two epochs that share `shared_n` anchors; the second gives 0.5 points more."""

    def make(shared_n: int):
        published = Published(tmp_path / f"{shared_n}.duckdb")
        for epoch, start, shift in (("aaa", 0, 0.0), ("bbb", 20 - shared_n, 0.5)):
            rows = [
                {
                    "generation_id": f"anchor{start + i}",
                    "judge_id": "j",
                    "dimension": "d",
                    "evaluator_epoch": epoch,
                    "score_value": (start + i) / 4 + shift + (i % 3) / 100,
                    "event_time_us": day_us(1),
                    "is_anchor": True,
                }
                for i in range(20)
            ]
            published.insert("judge_score", rows)
        published.reach(2)
        published.close()
        return str(tmp_path / f"{shared_n}.duckdb")

    return make


def test_epochs_are_refused_without_a_bridge_and_with_one_too_thin(capsys, two_epochs):
    args = ["judges", "epochs", "aaa", "bbb", "--judge", "j", "--warehouse"]
    assert run([*args, two_epochs(15)]) == 5
    assert "two instruments" in capsys.readouterr().err
    assert run([*args, two_epochs(4), "--bridge"]) == 5
    assert "share 4 scored items; a bridge needs 10" in capsys.readouterr().err


def test_a_bridge_tells_the_shift_between_epochs(capsys, two_epochs):
    args = ["judges", "epochs", "aaa", "bbb", "--judge", "j", "--bridge", "--json"]
    assert run([*args, "--warehouse", two_epochs(15)]) == 0
    shift = json.loads(capsys.readouterr().out)["shift"]
    assert shift["n"] == 15
    assert shift["low"] < 0.5 < shift["high"]
    assert shift["high"] - shift["low"] < 0.02


def test_the_list_of_judges_has_a_line_each(capsys, warehouse):
    assert run(["judges", "list", "--warehouse", str(warehouse)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["judge", "coin", "ear", "flatterer"]
    assert run(["judges", "list", "--warehouse", str(warehouse), "--json", "--judge", "ear"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["judges"]
    assert one["by_type"].keys() == {"timeout"}


def test_fused_estimates_leave_revoked_judges_out_and_say_so(capsys, warehouse):
    args = ["judges", "fused", "--warehouse", str(warehouse)]
    assert run([*args, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["experiments"]
    weights = one["difference"]["weights"]
    revoked = {name for name in weights if name.startswith(("coin", "flatterer"))}
    assert {weights[name] for name in revoked} == {0.0}
    assert all(weights[name] != 0 for name in weights if name not in revoked)
    fused, human = one["difference"]["fused"], one["difference"]["human"]
    assert 0 < one["difference"]["label_saving"] < 1
    assert fused["se"] < human["se"]
    assert fused["low"] < 0.9 * 0.85 * 0.5 < fused["high"]
    alone = {view["judge"].split(",")[0]: view["single"] for view in one["judges"]}
    assert alone["flatterer"]["high"] < 0  # the wrong way round
    assert run([*args, "--experiment", "voce"]) == 2
    assert "Did you mean 'voice'?" in capsys.readouterr().err
    assert run(args) == 0
    assert "weight 0: coin" in capsys.readouterr().out


def test_the_report_names_revoked_judges_and_gives_them_weight_0(tmp_path, warehouse):
    out = tmp_path / "out"
    assert run(["report", "--warehouse", str(warehouse), "--out", str(out)]) == 0
    told = json.loads((out / "report.json").read_text())
    states = {one["judge"]: (one["state"], one["weight"]) for one in told["judges"]}
    assert states == {"ear": ("CERTIFIED", 1), "coin": ("REVOKED", 0), "flatterer": ("REVOKED", 0)}
    views = told["experiments"][0]["verdicts"][0]["judges"]
    beside = {view["judge"]: view["beside_listeners"] for view in views}
    assert {view["judge"]: view["state"] for view in views}["flatterer"] == "REVOKED"
    assert beside["flatterer"] == ""
    page = (out / "report.html").read_text()
    assert "revoked: weight 0" in page
    assert "use to gate" in page
    assert "revoked, weight 0, because it gives b" in (out / "report.md").read_text()
