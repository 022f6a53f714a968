"""Each alarm has a page, each page an alarm, and what a page names exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from listenback.cli import app
from streams.schemas.tables import described
from streams.settings import Settings
from streams.settings_sources import PREFIX

ROOT = Path(__file__).parents[2]
RULES = {
    rule["alert"]: rule
    for group in yaml.safe_load((ROOT / "ops/prometheus/alarms.yml").read_text())["groups"]
    for rule in group["rules"]
}
PAGES = {path.stem: path for path in (ROOT / "docs/runbook").glob("*.md")}
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
SECTIONS = ["What it means", "How to see it", "What to do", "How to know that it is over"]
COMMAND = re.compile(r"(?:^|`)listenback ([^`\n]+?)(?:`|$)", re.MULTILINE)
WORD = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")


def text(alarm: str) -> str:
    return PAGES[alarm].read_text("utf-8")


def known_words() -> set[str]:
    """Settings, tables and their columns."""
    tables = described()
    columns = {column.name for one in tables.values() for column in one.columns}
    return set(Settings.model_fields) | set(tables) | columns


def parameters(words: list[str]) -> dict[str, object]:
    """What the command line means; nothing runs."""
    command = get_command(app)
    ctx = command.make_context("listenback", list(words))
    while isinstance(command, TyperGroup):
        name, command, rest = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        ctx = command.make_context(name, rest, parent=ctx)
    return ctx.params


def test_alarms_and_pages_match_one_to_one():
    assert RULES
    assert set(RULES) == set(PAGES)


@pytest.mark.parametrize("alarm", RULES)
def test_an_alarm_names_its_page_and_says_what_it_is(alarm):
    notes = RULES[alarm]["annotations"]
    assert (ROOT / notes["runbook_url"]) == PAGES[alarm]
    assert notes["summary"]


@pytest.mark.parametrize("alarm", PAGES)
def test_a_page_has_the_four_parts_in_order(alarm):
    assert text(alarm).startswith(f"# {alarm}\n")
    assert re.findall(r"^## (.+)$", text(alarm), re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("alarm", PAGES)
def test_a_page_names_the_metrics_that_ring_it_and_says_by_which_it_is_over(alarm):
    asked = set(re.findall(r"(?:listenback_\w+|\bup\b)", RULES[alarm]["expr"]))
    assert asked
    assert {name for name in asked if name not in text(alarm)} == set()
    over = text(alarm).partition(f"## {SECTIONS[-1]}\n")[2]
    assert asked & set(re.findall(r"listenback_\w+|\bup\b", over))


@pytest.mark.parametrize("alarm", PAGES)
def test_the_commands_on_a_page_can_be_given(alarm):
    given = COMMAND.findall(text(alarm))
    assert given
    for line in given:
        assert isinstance(parameters(shlex.split(line)), dict), line
    services = re.findall(r"docker compose (?:logs|exec|kill)[^\n`]* ([\w-]+)[`\n]", text(alarm))
    assert set(services) <= set(SERVICES)


@pytest.mark.parametrize("alarm", PAGES)
def test_the_settings_and_columns_on_a_page_exist(alarm):
    metrics = {name for rule in RULES.values() for name in re.findall(r"\w+", rule["expr"])}
    named = set(WORD.findall(text(alarm)))
    assert named - known_words() - metrics == set()
    variables = re.findall(rf"{PREFIX}(\w+)", text(alarm))
    assert {name.lower() for name in variables} <= set(Settings.model_fields)


def test_the_runbook_leads_to_every_page():
    runbook = (ROOT / "docs/runbook.md").read_text("utf-8")
    assert [alarm for alarm in PAGES if f"(runbook/{alarm}.md)" not in runbook] == []


def test_a_command_that_does_not_exist_would_be_noticed():
    with pytest.raises(Exception, match="No such"):
        parameters(["worker", "--no-such-option"])
    with pytest.raises(Exception, match="No such"):
        parameters(["wrokers"])
