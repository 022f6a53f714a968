"""The notebooks run from top to bottom on a simulated warehouse, stored with their own output."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from pathlib import Path

import pytest
from support.simulated import warehouse

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLACE = re.compile(r"(?<![\w.])/(?:tmp|usr|var|opt|home|root|work)/| at 0x[0-9a-f]{6}")


def runner():
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "docs/notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RUNNER = runner()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return warehouse(tmp_path_factory.mktemp("simulated"), events_n=60_000)


def stored(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))


def kinds(outputs: list[dict]) -> list[set[str]]:
    return [set(one["data"]) for one in outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_in_each_cell_what_is_stored_there(path, simulated, monkeypatch):
    monkeypatch.setenv("LISTENBACK_DATA_DIR", str(simulated.data_dir))
    shown = [
        kinds(RUNNER.outputs(value, 1)) == kinds(cell["outputs"])
        for cell, value in RUNNER.run(stored(path), path.name)
    ]
    assert len(shown) > 5
    assert all(shown), shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_s_output_comes_from_the_sources_beside_it(path):
    notebook = stored(path)
    assert notebook["metadata"][RUNNER.HASH] == RUNNER.sources_hash(notebook), "`make notebooks`"
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]


def test_another_source_is_another_hash_and_another_output_is_not():
    notebook = stored(NOTEBOOKS[0])
    other = copy.deepcopy(notebook)
    (cell, *_) = (one for one in other["cells"] if one["cell_type"] == "code")
    cell["outputs"] = []
    assert RUNNER.sources_hash(other) == RUNNER.sources_hash(notebook)
    cell["source"] = [*cell["source"], "\n1"]
    assert RUNNER.sources_hash(other) != RUNNER.sources_hash(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_no_place_of_the_machine_it_ran_on(path):
    assert PLACE.findall(path.read_text("utf-8")) == []


def test_there_is_a_notebook_for_each_that_the_readme_names():
    named = re.findall(r"\]\((\w+\.ipynb)\)", (ROOT / "notebooks/README.md").read_text("utf-8"))
    assert sorted(named) == [path.name for path in NOTEBOOKS]
    assert len(named) == 3
