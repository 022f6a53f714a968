"""The pages that come from the code are current, and what pages point at exists."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from listenback import cli
from streams.settings import SECRETS, Settings

ROOT = Path(__file__).parents[2]


def generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = generator()


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", GENERATE.PAGES)
def test_a_page_that_comes_from_the_code_is_current(page):
    text = (ROOT / "docs" / page).read_text()
    assert text == GENERATE.PAGES[page]() + "\n", "run `make docs`"


@pytest.mark.parametrize("page", pages(), ids=name)
def test_a_command_that_a_page_shows_exists(page):
    shown = re.findall(r"(?:^|`)\s*listenback ([a-z][a-z-]+)", code(page), re.MULTILINE)
    assert set(shown) - set(cli.COMMANDS) == set()


def code(page: Path) -> str:
    """What stands in code on a page."""
    text = page.read_text()
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


def test_the_index_leads_to_every_page():
    index = (ROOT / "docs/index.md").read_text()
    top = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "index.md"]
    assert [page for page in top if f"({page})" not in index] == []


def test_the_example_file_names_every_setting_with_its_default_and_changes_nothing():
    text = (ROOT / "listenback.example.toml").read_text()
    given = tomllib.loads(re.sub(r"^# ?(?=\w+ = )", "", text, flags=re.MULTILINE))
    settings = Settings(**given, sasl_password="needed by SASL_SSL")
    assert set(given) == set(Settings.model_fields) - SECRETS
    examples = {name for name, info in Settings.model_fields.items() if info.default is None}
    examples.add("security_protocol")
    assert settings.model_dump(exclude=examples) == Settings().model_dump(exclude=examples)
    assert tomllib.loads(text) == {}
