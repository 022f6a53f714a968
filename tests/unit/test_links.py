"""Every link inside the repository leads somewhere, to the very heading; no network is asked."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#{1,6} (.+?)\s*$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
OUTSIDE = re.compile(r"\]\((https?://[^)\s]+)\)")
NAMED = re.compile(r"docs/[\w./-]+\.md")


def pages() -> list[Path]:
    folders = ("docs", "notebooks", "config", "requirements")
    below = [path for one in folders for path in (ROOT / one).rglob("*")]
    return sorted(path for path in (*ROOT.glob("*.md"), *below) if path.suffix in {".md", ".ipynb"})


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


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", pages(), ids=name)
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
    shown = [one for path in pages() for one in re.findall(r"!\[[^\]]*\]\(http", words(path))]
    assert shown == []


def test_links_to_elsewhere_are_secure():
    links = [url for path in pages() for url in OUTSIDE.findall(words(path))]
    assert [url for url in links if not url.startswith("https://")] == []


def test_a_page_that_code_or_an_alarm_names_exists():
    folders = ("streams", "analytics", "listenback", "ops", "config")
    kinds = {".py", ".yml", ".yaml", ".toml", ".html"}
    texts = [path for one in folders for path in (ROOT / one).rglob("*") if path.suffix in kinds]
    found = {page for path in texts for page in NAMED.findall(path.read_text("utf-8"))}
    assert found
    assert {page for page in found if not (ROOT / page).is_file()} == set()
