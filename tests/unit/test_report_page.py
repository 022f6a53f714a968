"""Page, Markdown and JSON: the same numbers, whole files, nothing from outside."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest
from support.night import full_night
from support.published import Published, day_us

from analytics.catalog import Catalog
from analytics.nightly import Request, analyse
from analytics.report.write import to_html, to_json, to_markdown, write_report
from analytics.results import SCHEMA, Estimate, Health, Planted
from streams.errors import ConfigError


class Reader(HTMLParser):
    """What a page holds: numbers in <data>, tags, attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.numbers: list[tuple[float, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._value: float | None = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "data":
            self._value = json.loads(dict(attrs)["value"])

    def handle_data(self, data):
        if self._value is not None:
            self.numbers.append((self._value, data))
            self._value = None


def numbers_in(value: object) -> set[float]:
    if isinstance(value, bool) or value is None:
        return set()
    if isinstance(value, int | float):
        return {float(value)}
    if isinstance(value, dict):
        return set().union(*map(numbers_in, value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*map(numbers_in, value)) if value else set()
    return set()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return full_night(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def page(report):
    return Reader(to_html(report))


def test_every_number_of_the_page_stands_in_the_json(report, page):
    known = numbers_in(json.loads(to_json(report)))
    axis_ends = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0}
    strange = [(value, text) for value, text in page.numbers if abs(value) not in axis_ends]
    assert len(strange) > 100
    assert [pair for pair in strange if pair[0] not in known] == []


def test_the_text_of_a_number_is_its_value(page):
    scales = {"%": 100.0}
    for value, text in page.numbers:
        found = re.fullmatch(r"([<>]?)([+\N{MINUS SIGN}]?[\d,]*\.?\d+)\s*(%| .*)?", text)
        assert found, text
        unit = (found[3] or "").strip()
        if unit not in {"", "%"}:
            continue  # a duration in words
        shown = float(found[2].replace("\N{MINUS SIGN}", "-").replace(",", ""))
        digits = len(found[2].partition(".")[2])
        allowed = [value * scales.get(unit, 1.0), value * 100 if value <= 1 else value]
        if found[1]:
            assert (value * scales.get(unit, 1.0) < shown) == (found[1] == "<")
        else:
            assert any(abs(shown - one) <= 0.5 * 10**-digits + 1e-12 for one in allowed), text


def test_the_estimates_that_decide_are_on_the_page(report, page):
    values = {value for value, _ in page.numbers}
    for one in report.experiments[0].comparisons:
        if one.raw is None:
            continue
        shown = {one.raw.estimate, one.raw.low, one.raw.high, one.raw.p, one.control.value}
        shown |= {one.relative.estimate, one.always_valid.low, one.always_valid.high}
        assert shown <= values, one.metric
    ratio = report.experiments[0].sample_ratio
    assert {ratio.p, ratio.chi2} <= values


def test_the_sentences_are_the_same_in_all_three(report):
    page, message = to_html(report), to_markdown(report)
    for sentence in (report.headline[0], report.experiments[0].verdicts[0].sentence):
        assert sentence in page
        assert sentence in message
        assert sentence in to_json(report)


def test_the_markdown_fits_into_a_chat_message(report):
    message = to_markdown(report)
    assert len(message) < 2_500
    assert "**ship**" in message
    assert "keen" in message


def test_the_json_has_a_versioned_schema_and_no_nan(report):
    document = json.loads(to_json(report), parse_constant=pytest.fail)
    assert document["schema"] == SCHEMA == "listenback.report/1"
    assert document["run"]["catalog"]
    assert {field.name for field in dataclasses.fields(report)} == set(document)


def test_the_same_night_gives_the_same_bytes(report, tmp_path):
    again = full_night(tmp_path)
    assert to_json(again) == to_json(report)
    assert to_html(again) == to_html(report)


def test_the_page_needs_nothing_from_outside(page):
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "img", "iframe"}
        for name, value in attributes.items():
            if name in {"href", "src"}:
                assert value.startswith("#"), value


def test_the_page_can_be_read_without_colour_and_without_a_mouse(page):
    html = [attributes for tag, attributes in page.tags if tag == "html"]
    assert html[0]["lang"] == "en"
    drawn = [
        attributes
        for tag, attributes in page.tags
        if tag == "svg" and attributes.get("class") == "bar"
    ]
    assert drawn
    assert all(one["role"] == "img" and one["aria-label"] for one in drawn)
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = {a["href"][1:] for tag, a in page.tags if tag == "a"}
    assert links <= ids
    scrolls = [a for _, a in page.tags if a.get("class") == "scroll"]
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in scrolls)


def test_what_people_wrote_is_text_and_no_markup(report):
    page = to_html(report)
    assert "A &lt;b&gt;warmer&lt;/b&gt; voice" in page
    assert "<b>warmer</b>" not in page


def test_a_clear_gain_is_said_in_natural_frequencies(report):
    (verdict,) = report.experiments[0].verdicts
    assert verdict.state == "ship"
    said = r"warm: \d+\.\d fewer early skips per 100 starts \(95 % CI \d+\.\d to \d+\.\d\)\."
    assert re.match(said, verdict.sentence)


def test_a_unit_of_several_variants_is_left_out_and_counted(report):
    result = report.experiments[0]
    assert result.multiple.n == 1
    assert result.units == {"control": 800, "warm": 800}


def test_epochs_of_a_judge_stand_apart_and_are_held_against_listeners(report):
    views = {view.epoch: view for view in report.experiments[0].verdicts[0].judges}
    assert {epoch: view.prefers for epoch, view in views.items()} == {"e1": "control", "e2": "warm"}
    assert views["e1"].beside_listeners == "contradicts"
    assert views["e2"].beside_listeners == "agrees"
    assert views["e1"].control.errors > 0


def test_only_units_whose_window_is_over_count(report):
    found = {one.metric: one for one in report.experiments[0].comparisons}
    closed = found["metrics/skip-rate"].maturity
    assert closed.units == closed.closed == 1_600  # first met until day 11, the data is in day 20
    assert closed.settled == 0
    assert closed.provisional


def test_files_appear_by_rename_and_leave_nothing_behind(report, tmp_path):
    written = write_report(report, tmp_path / "new" / "folder")
    assert {path.name for path in written.html.parent.iterdir()} == {
        "report.html",
        "report.md",
        "report.json",
    }
    assert json.loads(written.json.read_text())["schema"] == SCHEMA
    assert write_report(report, written.html.parent) == written


def test_a_folder_that_cannot_be_written_keeps_the_last_report(report, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_report(report, tmp_path / "file" / "below")


def test_an_invalid_experiment_shows_no_effect(report):
    (result,) = report.experiments
    verdict = dataclasses.replace(result.verdicts[0], state="invalid")
    invalid = dataclasses.replace(result, verdicts=(verdict,))
    page = to_html(dataclasses.replace(report, experiments=(invalid,)))
    assert "No effect is shown." in page
    assert page.count('class="row"') == 0
    assert to_html(report).count('class="row"') > 0


def changed(report, *, health=None, **verdict):
    """The report with another health and verdict of its first experiment."""
    first = report.experiments[0]
    told = (dataclasses.replace(first.verdicts[0], **verdict), *first.verdicts[1:])
    first = dataclasses.replace(first, verdicts=told, health=health or first.health)
    return dataclasses.replace(report, experiments=(first, *report.experiments[1:]))


def test_a_verdict_of_an_earlier_night_shows_its_day_and_an_iterate_its_own_colour(report):
    assert "decided on" not in to_html(changed(report, decided_on=None))
    page = to_html(changed(report, decided_on="2026-10-19", state="iterate"))
    assert '<span class="meta">decided on 2026-10-19</span>' in page
    assert '<span class="chip iterate">' in page
    assert ".chip.iterate {" in page


def test_health_is_on_the_page_with_its_p_and_what_fails_by_name(report):
    assert "✓ health checks pass" in to_html(report)
    checks = (
        Health("pre-period bias", "", "bad", 900, 0.00002, 0.001, "they differ"),
        Health("missing days", "", "look", 900, 0.0001, 0.001, "a gap"),
        Health("novelty", "", "not enough data", 90, None, 0.01, ""),
    )
    page = to_html(changed(report, health=checks))
    assert '<span class="t-bad-text">✕ pre-period bias</span>' in page
    assert '<span class="t-look-text">! missing days</span>' in page
    assert "health checks pass" not in page
    details = re.sub(r"<[^>]+>", "", page)
    assert "pre-period bias fails (p &lt;0.0001, alarm at 0.001)" in details
    assert "missing days asks for a look" in details
    assert "novelty not enough data" in details


def test_planted_truth_gets_a_section_only_where_there_is_one(report):
    assert "planted truth" not in to_html(report)
    fixed = Estimate("single look", 0.1, 0.0, 0.2, 0.05, 0.04, 0.95)
    always = Estimate("every look", 0.1, -0.1, 0.3, 0.05, 0.2, 0.95)
    known = Planted(
        "voice", "warm", "metrics/x", "x", fixed, always, 0.25, fixed_holds=False, always_holds=True
    )
    page = to_html(dataclasses.replace(report, planted=(known,)))
    assert "Held against the planted truth" in page
    assert page.count("<td>yes</td>") == page.count("<td>no</td>") == 1


def test_an_empty_warehouse_gives_a_report_that_says_so(tmp_path):
    con = Published(tmp_path / "w.duckdb").open()
    empty = analyse(con, Catalog({}, {}), Request("w.duckdb", now_us=day_us(1)))
    assert empty.headline == ("No experiment has data yet.",)
    assert empty.as_of is None
    assert "There is nothing to decide yet" in to_html(empty)
    assert "No experiment has data yet." in to_markdown(empty)
    assert json.loads(to_json(empty))["experiments"] == []
