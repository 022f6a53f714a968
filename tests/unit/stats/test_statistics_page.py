"""The page on statistics names functions and tests that exist, and its example runs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/statistics.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and line.count("|") == 7 and not line.startswith("| ---")
][1:]


def test_the_table_is_read_whole():
    assert len(ROWS) > 50
    assert {row[2] for row in ROWS} == {"yes"}


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r[0])
def test_a_feature_s_function_and_test_exist(row):
    _, _, _, function, source, test = row
    assert source
    assert (ROOT / "tests" / test.strip("`")).is_file()
    names = re.findall(r"`([^`]+)`", function)
    folder = next((name for name in names if name.startswith("analytics/")), None)
    if folder:
        assert (ROOT / folder).exists()
        text = (ROOT / folder).read_text("utf-8") if folder.endswith(".py") else ""
        assert all(f"def {name}(" in text for name in names if name != folder)
        return
    for name in names:
        module, attribute = name.rsplit(".", 1)
        assert hasattr(importlib.import_module(f"analytics.stats.{module}"), attribute), name


def test_every_other_function_the_page_names_exists():
    modules = {path.stem for path in (ROOT / "analytics/stats").glob("*.py")}
    named = re.findall(r"`(\w+)\.(\w+)`", PAGE)
    found = [(module, name) for module, name in named if module in modules and name != "py"]
    assert found
    for module, name in found:
        assert hasattr(importlib.import_module(f"analytics.stats.{module}"), name), (module, name)


def test_the_examples_run():
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert examples
    for code in examples:
        exec(compile(code, "docs/statistics.md", "exec"), {})
