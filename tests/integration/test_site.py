"""The site of docs/ builds with warnings as errors, holds every page, and needs no network."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.needed import absent

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a fresh build."""
    if importlib.util.find_spec("sphinx") is None:
        absent("the group `docs` of pyproject.toml is not installed: `make install`")
    folder = tmp_path_factory.mktemp("site")
    options = ("-W", "--keep-going", "-q", "-b", "html", "-c", "docs")
    places = ("-d", str(folder / "doctrees"), ".", str(folder / "html"))
    command = [sys.executable, "-m", "sphinx", *options, *places]
    done = subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


class Loaded(HTMLParser):
    """What a browser fetches to show a page, and what it could follow."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: set[str] = set()
        self.followed: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in {"script", "img", "iframe", "source"} and given.get("src"):
            self.fetched.add(given["src"])
        if tag == "link" and given.get("href"):
            self.fetched.add(given["href"])
        if tag == "a" and given.get("href"):
            self.followed.add(given["href"])


def html_pages(site: Path) -> list[Path]:
    return [path for path in site.rglob("*.html") if "_static" not in path.parts]


def test_each_page_is_in_the_site(site):
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    names = {path.relative_to(ROOT).with_suffix(".html") for path in pages}
    built = {path.relative_to(site) for path in html_pages(site)}
    assert len(names) > 25
    assert names - built == set()


def test_the_side_bar_leads_to_what_a_reader_looks_for(site):
    links = Loaded((site / "docs/index.html").read_text("utf-8")).followed
    wanted = (
        *("quickstart", "concepts", "guarantees", "tables", "metrics", "statistics", "judges"),
        *("operating", "runbook", "performance", "decisions/README", "../CONTRIBUTING"),
    )
    assert [name for name in wanted if f"{name}.html" not in links] == []


def test_a_page_fetches_nothing_from_elsewhere_and_only_what_is_there(site):
    for page in html_pages(site):
        for target in Loaded(page.read_text("utf-8")).fetched:
            assert "//" not in target, (page, target)
            place = re.split(r"[?#]", target)[0]
            assert (page.parent / place).resolve().exists(), (page, target)
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"@import|url\(['\"]?(?:https?:)?//", styles) == []


def test_a_link_of_the_site_leads_to_a_file(site):
    for page in html_pages(site):
        for target in Loaded(page.read_text("utf-8")).followed:
            if "://" not in target and not target.startswith(("#", "mailto:")):
                assert (page.parent / target.partition("#")[0]).resolve().is_file(), (page, target)


def test_a_notebook_is_a_page_with_its_output_and_its_picture(site):
    text = (site / "notebooks/experiment_to_verdict.html").read_text("utf-8")
    assert "load_catalog" in text
    assert "maturity" in text
    assert "<svg" in text


def test_the_first_page_is_found_from_the_top(site):
    assert "docs/index.html" in (site / "index.html").read_text("utf-8")
