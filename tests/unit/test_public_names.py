"""docs/python.md says what may be imported; notebooks and pages import nothing else of ours."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("streams", "analytics", "listenback")
PAGE = (ROOT / "docs/python.md").read_text("utf-8")
PUBLIC = re.findall(r"^\| `([\w.]+)` \|", PAGE, re.MULTILINE)
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def imported(code: str) -> set[str]:
    """Names of ours that the code imports; a whole module by its own name."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
    return {name for name in found if name.partition(".")[0] in OURS}


def in_notebook(path: Path) -> str:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return "\n".join("".join(one["source"]) for one in cells if one["cell_type"] == "code")


def on_page(path: Path) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_exists_and_says_what_it_is(name):
    module, _, attribute = name.rpartition(".")
    assert not any(part.startswith("_") for part in name.split("."))
    assert inspect.getdoc(getattr(importlib.import_module(module), attribute))


def test_a_public_name_stands_once_on_the_page():
    assert len(PUBLIC) == len(set(PUBLIC)) > 20


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_only_public_names(path):
    assert imported(in_notebook(path)) - set(PUBLIC) == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_imports_only_public_names(path):
    code = re.sub(r"^ +", "", on_page(path), flags=re.MULTILINE)
    lines = [line for line in code.splitlines() if line.startswith(("import ", "from "))]
    assert imported("\n".join(lines)) - set(PUBLIC) == set()


def test_the_notebooks_use_the_library():
    used = set().union(*(imported(in_notebook(path)) for path in NOTEBOOKS))
    assert len(used) > 10
