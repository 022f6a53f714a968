"""The notebooks run from top to bottom on a simulated warehouse."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from support.simulated import warehouse

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return warehouse(tmp_path_factory.mktemp("simulated"), events_n=20_000)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_was_stored_with_its_output(notebook, simulated, monkeypatch):
    monkeypatch.setenv("LISTENBACK_DATA_DIR", str(simulated.data_dir))
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            shows = isinstance(tree.body[-1], ast.Expr) and not cell["source"][-1].endswith(
                "close()"
            )
            assert bool(cell["outputs"]) == shows
            exec(compile(tree, notebook.name, "exec"), names)  # a cell is a piece of a program


def test_there_are_notebooks():
    assert NOTEBOOKS
