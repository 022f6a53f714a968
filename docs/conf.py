"""How Sphinx builds the site: `make site`.

The source folder is the repository, so that every link of a page holds on a code host and on the
site alike; what is no page is offered for download. Notebooks become pages as they are stored.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "listenback"
author = "the listenback authors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown", ".ipynb": "markdown"}
root_doc = "docs/index"
include_patterns = [
    *("CHANGELOG.md", "CONTRIBUTING.md", "README.md"),
    *("docs/**", "notebooks/**", "config/mappings/README.md"),
]
exclude_patterns = [".*", "demo", "build", "dist", "reports", "**/__pycache__"]
myst_heading_anchors = 4
highlight_language = "none"

html_theme = "furo"
html_title = "listenback"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]

NAVIGATION = {
    "Begin": ("quickstart", "concepts", "guarantees"),
    "Send and ask": ("data-model", "tables", "metrics", "python", "/notebooks/README"),
    "Decide": ("report", "statistics", "judges"),
    "Run": (
        *("operating", "runbook", "settings", "commands", "dead-letters", "replay-and-erasure"),
        *("performance", "scale"),
    ),
    "Know": ("testing", "decisions/README", "dependencies", "/CONTRIBUTING", "/CHANGELOG"),
}
"""Captions and pages, in the order of the side bar; a page below another stands in BELOW."""
BELOW = {
    "docs/runbook": "runbook/*",
    "docs/decisions/README": "0*",
    "notebooks/README": "*",
    "docs/index": "/README\n/config/mappings/README",
}
"""Pages that are reached from a page: they need a place in the tree, not a line of their own."""


def toctree(entries: str, caption: str = "", *, options: str = ":glob:\n:hidden:") -> str:
    """A tree of pages, invisible on the page itself."""
    head = f":caption: {caption}\n" if caption else ""
    return f"\n```{{toctree}}\n{head}{options}\n\n{entries}\n```\n"


def notebook_page(text: str) -> str:
    """A stored notebook as Markdown: words, sources, outputs."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output["data"]
            if "image/svg+xml" in data:
                parts.append("".join(data["image/svg+xml"]))
            else:
                parts.append(f"```text\n{''.join(data['text/plain'])}\n```")
    return "\n\n".join(parts) + "\n"


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Called by Sphinx with each page before it is parsed."""
    if Path(app.env.doc2path(name)).suffix == ".ipynb":
        source[0] = notebook_page(source[0])
    if name == root_doc:
        trees = (toctree("\n".join(pages), caption) for caption, pages in NAVIGATION.items())
        source[0] += "".join(trees)
    if name in BELOW:
        source[0] += toctree(BELOW[name])


def lead_in(app: Sphinx, failure: Exception | None) -> None:
    """The pages keep their folders; who opens the top of the site is led to the first page."""
    if failure is None:
        head = f'<meta http-equiv="refresh" content="0; url={root_doc}.html">'
        link = f'<a href="{root_doc}.html">{project}</a>'
        page = f"<!doctype html><title>{project}</title>{head}{link}\n"
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Hook into reading and ending."""
    app.connect("source-read", read)
    app.connect("build-finished", lead_in)
