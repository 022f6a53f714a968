"""Runs the notebooks on the demo and stores them with their output: `make notebooks`.

A notebook is a program from top to bottom. What a cell ends with is its output, as text and, where
the value draws itself, as SVG. The hash of the sources is kept beside them, so that a test can tell
outputs of other sources; the numbers move with the demo and are not compared.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
DATA = ROOT / "demo" / "data"
HASH = "sources_sha256"


def sources_hash(notebook: dict[str, Any]) -> str:
    """Of all cells, whatever their outputs are."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def run(notebook: dict[str, Any], name: str) -> Iterator[tuple[dict[str, Any], object]]:
    """Each cell of code with the value that it ends with, or None; relative paths as in Jupyter."""
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]), name)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        with chdir(FOLDER), _wide():
            exec(compile(tree, name, "exec"), names)  # noqa: S102 - our own notebook, cell by cell
            shown = None
            if isinstance(last, ast.Expr):
                shown = eval(compile(ast.Expression(last.value), name, "eval"), names)  # noqa: S307 - the same
            yield cell, shown


def outputs(value: object, number: int) -> list[dict[str, Any]]:
    """What Jupyter would store of the value."""
    if value is None:
        return []
    data = {"text/plain": str(value).splitlines(keepends=True)}
    draw = getattr(value, "_repr_svg_", None)
    if draw:
        data = {"image/svg+xml": draw().splitlines(keepends=True), "text/plain": ["<picture>"]}
    kind = {"output_type": "execute_result", "execution_count": number, "metadata": {}}
    return [{**kind, "data": data}]


def _wide() -> pl.Config:
    """Frames as a reader wants them: every column, no shape, words not cut."""
    return pl.Config(
        tbl_hide_dataframe_shape=True,
        tbl_rows=40,
        tbl_cols=12,
        tbl_width_chars=110,
        fmt_str_lengths=200,
    )


def main() -> int:
    """Store every notebook with the output of a run on demo/; 2 where there is no demo."""
    if not (DATA / "published" / "warehouse.duckdb").is_file():
        print(f"the notebooks need {DATA}: run `make demo`", file=sys.stderr)
        return 2
    os.environ["LISTENBACK_DATA_DIR"] = str(DATA)
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for number, (cell, value) in enumerate(run(notebook, path.name), start=1):
            cell["execution_count"], cell["outputs"] = number, outputs(value, number)
        notebook["metadata"][HASH] = sources_hash(notebook)
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")
        print(f"ran notebooks/{path.name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
