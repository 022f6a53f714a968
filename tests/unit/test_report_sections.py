"""Sections of the report: disagreement, revisions, artists, who was forgotten."""

from __future__ import annotations

import copy
import dataclasses
import json

import pytest
from support.disputed import disputed
from support.night import night
from support.published import Published, day_us

from analytics.catalog import Catalog
from analytics.changes import DEFINITION, FORGOTTEN, LATE, UNSEEN, VERSION, Before, kept_of
from analytics.changes import with_changes as changed
from analytics.disagreement import with_disagreement
from analytics.forgotten import Forgotten
from analytics.judges.ledger import read_ledger
from analytics.judges.mining import KINDS
from analytics.judges.rated import read_rated
from analytics.nightly import Request, analyse
from analytics.report.write import to_html, to_json, to_markdown
from listenback.commands.report import analysed


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return night(tmp_path_factory.mktemp("night"))


@pytest.fixture
def kept(report):
    """What the next night would be told of this one; to be changed by the test."""
    return copy.deepcopy(kept_of(json.loads(to_json(report))))


@pytest.fixture(scope="module")
def argued(tmp_path_factory):
    """The report of a warehouse in which disagreements are planted, and those."""
    world = disputed(tmp_path_factory.mktemp("disputed") / "warehouse.duckdb")
    con = world.published.open()
    try:
        found = analyse(con, Catalog({}, {}), Request("w.duckdb", now_us=day_us(40)))
        entries = read_ledger(con, alpha=0.05)  # no trials: they take long and say nothing here
        return world, with_disagreement(con, found, entries, read_rated(con))
    finally:
        con.close()


def test_a_judge_that_prefers_the_other_variant_gets_a_card(report):
    (card,) = report.disagreement.variants
    assert (card.judge, card.epoch) == ("keen", "e1")
    assert (card.judge_prefers, card.listeners_prefer) == ("control", "warm")
    assert card.metric == "metrics/skip-rate"
    assert card.units == 1_600
    assert card.difference.high < 0
    assert "prefers <b>control</b>, listeners prefer <b>warm</b>" in to_html(report)


def test_without_an_item_that_may_be_named_the_page_says_why_and_counts(report):
    cards = report.disagreement
    assert cards.items == ()
    assert cards.items_n == cards.below_k == 1_600
    page = to_html(report)
    assert "fewer than 5 distinct listeners" in page
    assert "only whole variants can be held against a judge" in page


def test_no_judge_and_no_listener_are_two_other_reasons(tmp_path):
    con = Published(tmp_path / "w.duckdb").open()
    try:
        empty = analysed(con, Catalog({}, {}), Request("w.duckdb", now_us=day_us(1)))
    finally:
        con.close()
    assert empty.disagreement.why_no_item == "No judge has scored anything yet."
    assert "There is no earlier night" in to_html(empty)


def test_planted_disagreements_stand_on_the_page_by_kind_and_none_without_consent(argued):
    world, report = argued
    cards = report.disagreement.items
    assert [kind for kind in KINDS if any(one.kind == kind for one in cards)] == list(KINDS)
    assert all(one.listeners >= report.disagreement.k for one in cards)
    named = {one.generation_id for one in cards}
    assert not named & world.without_consent
    planted = set().union(*world.planted.values())
    assert len(named & planted) / len(named) >= 0.8
    page = to_html(report)
    assert all(f"<code>{one}</code>" in page for one in named)
    assert "user-key-" not in page + to_json(report)
    assert f"disagree on {report.disagreement.found} items" in to_markdown(report)


def test_the_same_days_asked_again_revise_nothing(report, kept):
    found = changed(report, Before(kept), report.experiments).changes
    assert found.compared >= 2  # of the metrics whose window closes
    assert (found.moved, found.verdicts, found.judges) == ((), (), ())
    assert (found.late, found.forgotten_events, found.definitions) == (0, 0, False)
    assert "Every number that could be asked again is what it was." in to_html(
        dataclasses.replace(report, changes=found)
    )


def test_an_open_window_is_no_revision(kept):
    assert {row[2] for row in kept["estimates"]} == {"metrics/skip-rate", "metrics/returned"}


def moved(report, kept):
    for row in kept["estimates"]:
        row[5]["estimate"] += row[5]["se"]
    return changed(report, Before(kept), report.experiments).changes.moved


def test_the_cause_is_told_from_what_stands_beside_the_number(report, kept):
    assert {one.causes for one in moved(report, copy.deepcopy(kept))} == {(UNSEEN,)}
    late = {**copy.deepcopy(kept), "late": kept["late"] - 5}
    assert {one.causes for one in moved(report, late)} == {(LATE,)}
    version = {**copy.deepcopy(kept), "version": "0.0.1"}
    assert {one.causes for one in moved(report, version)} == {(VERSION,)}
    other = copy.deepcopy(kept)
    next(row for row in other["estimates"] if row[2] == "metrics/skip-rate")[3][0] = "another"
    causes = {one.metric: one.causes for one in moved(report, other)}
    assert causes == {"metrics/skip-rate": (DEFINITION,), "metrics/returned": (UNSEEN,)}


def test_causes_that_the_numbers_cannot_tell_apart_are_named_together(report, kept):
    tonight = dataclasses.replace(report, forgotten=Forgotten(1, 1, 0, 12, None))
    kept["late"] -= 3
    (first, *_) = moved(tonight, kept)
    assert first.causes == (FORGOTTEN, LATE)
    assert first.shift_se == pytest.approx(-1.0)


def test_a_number_that_the_data_no_longer_carries_is_told_before_those_that_moved(report, kept):
    (result,) = report.experiments
    gone = tuple(
        dataclasses.replace(one, raw=None) if one.metric == "metrics/returned" else one
        for one in result.comparisons
    )
    again = (dataclasses.replace(result, comparisons=gone),)
    (only,) = changed(report, Before(kept), again).changes.moved
    assert (only.metric, only.now, only.shift_se) == ("metrics/returned", None, None)


def test_an_epoch_that_is_new_and_one_that_was_revoked_are_told_apart(report, kept):
    certificates = {(one.epoch, one.surface): one for one in report.judges}
    first = next(row for row in kept["judges"] if row[2] == "e1")
    kept["judges"] = [first]
    first[4] = "CERTIFIED"
    tonight = dataclasses.replace(
        report,
        judges=tuple(
            dataclasses.replace(one, state="REVOKED") if one.epoch == "e1" else one
            for one in certificates.values()
        ),
    )
    found = changed(tonight, Before(kept), report.experiments).changes.judges
    assert {(one.epoch, one.cause) for one in found} == {("e1", "revoked"), ("e2", "new epoch")}
    unknown = {**kept, "judges": []}
    found = changed(tonight, Before(unknown), report.experiments).changes.judges
    assert {one.cause for one in found} == {"new judge"}
    without = dataclasses.replace(tonight, judges=())
    (left,) = changed(without, Before(kept), report.experiments).changes.judges
    assert (left.cause, left.now) == ("no longer scored", "")


def test_a_verdict_that_is_another_one_stands_among_the_changes(report, kept):
    kept["verdicts"]["voice"]["warm"] = "keep running"
    (only,) = changed(report, Before(kept), report.experiments).changes.verdicts
    assert (only.experiment, only.before, only.now) == ("voice", "keep running", "ship")


def test_what_is_kept_of_a_report_is_refused_when_it_is_none():
    for document in ({}, {"date": 1}, {"experiments": [{}]}):
        with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
            kept_of(document)


def test_who_was_forgotten_is_counted_by_key_and_named_nowhere(tmp_path):
    published = Published(tmp_path / "w.duckdb")
    asked = [
        ("r1", "a" * 64, None, day_us(3)),
        ("r2", "a" * 64, day_us(1), day_us(5)),
        ("r3", "b" * 64, day_us(2), day_us(4)),
    ]
    rows = [
        dict(zip(("request_id", "key_hash", "before_us", "requested_at_us"), one, strict=True))
        for one in asked
    ]
    published.insert("erasure", [{**one, "is_scrubbed": True} for one in rows])
    published.reach(3)
    con = published.open()
    try:
        found = analysed(con, Catalog({}, {}), Request("w.duckdb", now_us=day_us(9)))
    finally:
        con.close()
    assert found.forgotten == Forgotten(3, 2, 1, 0, "2026-10-06T00:00:00Z")
    page = to_html(found)
    assert "aaaa" not in page
    assert "certificates" in page
    assert "2 listeners forgotten on request." in to_markdown(found)
