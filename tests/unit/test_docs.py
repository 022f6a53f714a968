"""The pages that come from the code are current, and what pages name or point at exists.

No network is asked: links to elsewhere are not followed.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from support.mutants import mutants

from listenback import cli
from streams.events.contracts import CONTRACTS
from streams.events.limits import Limits
from streams.events.record_rules import event_rules, value_rules
from streams.settings import SECRETS, Settings

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#{1,6} (.+?)\s*$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
OUTSIDE = re.compile(r"\]\((https?://[^)\s]+)\)")
NAMED = re.compile(r"docs/[\w./-]+\.md")


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE, SITE = script("generate"), script("conf")


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", GENERATE.PAGES)
def test_a_page_that_comes_from_the_code_is_current(page):
    text = (ROOT / "docs" / page).read_text()
    assert text == GENERATE.PAGES[page]() + "\n", "run `make docs`"


def test_the_table_of_mutants_has_a_row_for_each_of_them():
    def without_line(text: str) -> str:  # it moves with every edit above it
        return re.sub(r" in line \d+", "", text)

    page = (ROOT / "docs/testing.md").read_text()
    rows = re.findall(r"^\| ((?:engine|events)\..+?) \| ", page, re.MULTILINE)
    assert [without_line(row) for row in rows] == [without_line(one.name) for one in mutants()]


def test_git_leaves_alone_what_commands_of_the_pages_write_where_they_are_typed():
    shown = "\n".join(page.read_text() for page in pages())
    named = set(re.findall(r"--out ([\w][\w.-]*)/?(?=[\s`])", shown)) - {"DIR", "FILE", "to"}
    named |= set(re.findall(r"^ *listenback .* > ([\w][\w.-]*)$", shown, re.MULTILINE))
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    assert {"demo-data", "plays", "all.csv"} <= named
    assert named <= ignored


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


def linked() -> list[Path]:
    """Pages and notebooks: all that may link."""
    return sorted([*pages(), *(ROOT / "config").rglob("*.md"), *ROOT.glob("notebooks/*.ipynb")])


def words(path: Path) -> str:
    """The Markdown of a page; of a notebook, that of its cells of words."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        cells = [one for one in json.loads(text)["cells"] if one["cell_type"] == "markdown"]
        text = "\n\n".join("".join(one["source"]) for one in cells)
    return FENCED.sub("", text)


def slug(heading: str) -> str:
    """A heading's anchor, as code hosts and the site form it."""
    plain = re.sub(r"[^\w\- ]", "", heading.lower())
    return plain.replace(" ", "-")


def anchors(text: str) -> set[str]:
    seen: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(text):
        name = slug(heading)
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def broken(path: Path, text: str) -> list[str]:
    """The links of a page that lead nowhere, or to a folder, which no site can show."""
    wrong = []
    for target, anchor in LINK.findall(CODE.sub("", text)):
        place = (path.parent / target).resolve() if target else path
        if not place.is_file():
            wrong.append(target)
        elif anchor and anchor not in anchors(words(place)):
            wrong.append(f"{target}#{anchor}")
    return wrong


@pytest.mark.parametrize("path", linked(), ids=name)
def test_every_link_of_a_page_leads_somewhere(path):
    assert broken(path, words(path)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](no-such-page.md)", ["no-such-page.md"]),
        ("[a](concepts.md#no-such-heading)", ["concepts.md#no-such-heading"]),
        ("[a](#no-such-heading)", ["#no-such-heading"]),
        ("[a](decisions)", ["decisions"]),
        ("![a](images/no-such-picture.svg)", ["images/no-such-picture.svg"]),
        ("[a](concepts.md#two-bases) [b](index.md) `[c](nowhere)`", []),
    ],
)
def test_a_link_that_leads_nowhere_is_noticed(text, expected):
    assert broken(ROOT / "docs" / "index.md", text) == expected


def test_equal_headings_get_numbered_anchors_and_code_in_headings_counts():
    assert anchors("# A `b_c`, d?\n\n## Same\n\n## Same\n") == {"a-b_c-d", "same", "same-1"}


def test_pages_show_no_picture_from_elsewhere():
    shown = [one for path in linked() for one in re.findall(r"!\[[^\]]*\]\(http", words(path))]
    assert shown == []


def test_links_to_elsewhere_are_secure():
    links = [url for path in linked() for url in OUTSIDE.findall(words(path))]
    assert [url for url in links if not url.startswith("https://")] == []


def test_a_page_that_code_or_an_alarm_names_exists():
    folders = ("streams", "analytics", "listenback", "ops", "config")
    kinds = {".py", ".yml", ".yaml", ".toml", ".html"}
    texts = [path for one in folders for path in (ROOT / one).rglob("*") if path.suffix in kinds]
    found = {page for path in texts for page in NAMED.findall(path.read_text("utf-8"))}
    assert found
    assert {page for page in found if not (ROOT / page).is_file()} == set()


def test_a_page_has_one_title_and_its_headings_go_down_by_one():
    for path in linked():
        levels = [len(marks) for marks in re.findall(r"^(#{1,6}) ", words(path), re.MULTILINE)]
        assert levels[:1] == [1], path
        assert levels.count(1) == 1, path
        assert all(b <= a + 1 for a, b in pairwise(levels)), path


def test_each_page_has_its_place_in_the_site():
    pages_of = [name for names in SITE.NAVIGATION.values() for name in names]
    top = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    assert top == {name for name in pages_of if "/" not in name}, "docs/conf.py, NAVIGATION"


def error_types() -> set[str]:
    """The names that our own code gives to what it refuses; rules and pydantic have theirs."""
    given = set()
    for path in (ROOT / "streams/events").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"_refuse": 0, "Refusal": 1, "PydanticCustomError": 0}.get(node.func.id, -1)
                named = node.args[place] if 0 <= place < len(node.args) else None
                if isinstance(named, ast.Constant):
                    given.add(named.value)
    return given


def test_every_type_of_refusal_is_explained():
    limits = Limits()
    rules = [rule for one in CONTRACTS.values() for rule in event_rules(one, limits).rules]
    own = {rule.name for one in CONTRACTS.values() for rule in one.rules}
    known = {rule.name for rule in (*rules, *value_rules(limits).rules)} - own
    page = (ROOT / "docs/dead-letters.md").read_text("utf-8")
    assert len(error_types()) >= 8
    assert {name for name in known | error_types() if f"`{name}`" not in page} == set()
    model = (ROOT / "docs/data-model.md").read_text("utf-8")
    assert {name for name in own if f"`{name}`" not in model} == set()
