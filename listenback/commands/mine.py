"""`listenback mine`: where judges and listeners disagree, as a set to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from analytics.disagreement import found_items
from analytics.judges.curated import Caps, curated, write_curated
from analytics.judges.ledger import chosen, read_ledger
from analytics.judges.mining import Terms
from analytics.judges.rated import read_rated
from analytics.read import check_warehouse
from listenback.console import out, print_json
from listenback.options import setting
from streams.errors import ConfigError
from streams.settings import load_settings
from streams.warehouse.reading import open_warehouse

if TYPE_CHECKING:
    import polars as pl
    from duckdb import DuckDBPyConnection

    from analytics.judges.curated import Curated
    from analytics.judges.ledger import Entry
    from analytics.judges.mining import Heard

NOTHING = 4
DEFAULT, CAPS = Terms(), Caps()

OutDir = Annotated[Path, typer.Option("--out", "-o", help="Folder for the set; made if absent.")]
WarehouseFile = Annotated[
    Optional[Path], typer.Option("--warehouse", help="A published file (default: the data dir's).")
]
JudgeName = Annotated[Optional[str], typer.Option("--judge", help="Only this judge.")]
Dimension = Annotated[Optional[str], typer.Option("--dimension", help="Only this dimension.")]
EpochStart = Annotated[
    Optional[str], typer.Option("--epoch", help="Only epochs that begin with these digits.")
]
K = Annotated[int, typer.Option("--k", help="Distinct listeners that an item needs to leave.")]
Top = Annotated[
    float, typer.Option("--top", help="Share of a judge's ranks that is high, and low.")
]
Fdr = Annotated[float, typer.Option("--fdr", help="Share of accidents accepted among the items.")]
PerArtist = Annotated[int, typer.Option("--per-artist", help="Items of one artist, of each kind.")]
PerContext = Annotated[
    int, typer.Option("--per-context", help="Items of one surface, labels and prompt template.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The manifest as one JSON object.")]


def mine(
    *,
    out_dir: OutDir,
    judge: JudgeName = None,
    dimension: Dimension = None,
    epoch: EpochStart = None,
    k: K = DEFAULT.k,
    top: Top = DEFAULT.top,
    fdr: Fdr = DEFAULT.fdr,
    per_artist: PerArtist = CAPS.per_artist,
    per_context: PerContext = CAPS.per_context,
    warehouse: WarehouseFile = None,
    as_json: AsJson = False,
    data_dir: Annotated[Optional[Path], setting("data_dir")] = None,
) -> None:
    """Find where judges and listeners disagree, and write a set to learn from.

    Ranked high and skipped, ranked low and saved or played again, against the
    people who rated: each with its reason, held against items of the same
    place, popularity and intent. Writes Parquet and JSON lines (items, sft,
    preference), a dataset card and a manifest with a content hash. Items
    without consent or with fewer than k listeners never leave; no file names
    a person. Exit code 4 where nothing was found.

    Examples:
      listenback mine --out curated
      listenback mine --out curated --judge aria --k 20 --json
    """
    terms, caps = _checked(Terms(k, top, fdr), Caps(per_artist, per_context))
    _check_folder(out_dir)
    file = warehouse or load_settings(data_dir=data_dir).warehouse_file
    con = open_warehouse(file)
    try:
        check_warehouse(con, str(file))
        heard, found = _found(con, terms, (judge, dimension, epoch))
    finally:
        con.close()
    made = curated(found, caps)
    manifest = write_curated(out_dir, made, heard, terms, caps)
    if as_json:
        print_json(manifest)
    else:
        _say(manifest, made, out_dir)
    raise typer.Exit(0 if made.items.height else NOTHING)


def _checked(terms: Terms, caps: Caps) -> tuple[Terms, Caps]:
    """The same; ConfigError for a value that means nothing."""
    least = {"--k": terms.k, "--per-artist": caps.per_artist, "--per-context": caps.per_context}
    for name, value in least.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}; it is at least 1.", where=name)
    if not 0 < terms.top <= 0.5:
        raise ConfigError(f"--top is {terms.top}, not above 0 and at most 0.5.", where="--top")
    if not 0 < terms.fdr < 1:
        raise ConfigError(f"--fdr is {terms.fdr}, not between 0 and 1.", where="--fdr")
    return terms, caps


def _check_folder(folder: Path) -> None:
    """ConfigError where the folder holds something else than an earlier set."""
    if folder.is_file() or (
        folder.is_dir() and any(folder.iterdir()) and not (folder / "manifest.json").is_file()
    ):
        raise ConfigError(
            f"'{folder}' holds something else.",
            where="--out",
            done="Nothing was written.",
            todo="Name a new folder, or that of an earlier set, which is then replaced.",
        )


def _found(
    con: DuckDBPyConnection, terms: Terms, asked: tuple[str | None, str | None, str | None]
) -> tuple[Heard, pl.DataFrame]:
    """Items that may leave, and every disagreement on them."""
    judge, dimension, epoch = asked
    entries: tuple[Entry, ...] = chosen(
        read_ledger(con, alpha=0.05), judge=judge, dimension=dimension, epoch=epoch
    )
    if not entries:
        raise ConfigError(
            "no judge that fits has scored anything yet.",
            where="mine",
            todo="`listenback judges list` shows which there are.",
        )
    return found_items(con, entries, read_rated(con), terms)


def _say(manifest: dict[str, Any], made: Curated, folder: Path) -> None:
    """What was found, in words."""
    gone = manifest["left_out"]
    lines = [f"{n:,} items: {kind.replace('_', ' ')}" for kind, n in manifest["kinds"].items()]
    if not lines:
        left = manifest["items_seen"] - sum(gone.values())
        lines = ["No disagreement that is more than accident." if left else "No item may leave."]
    lines.append(
        f"{made.sft.height:,} to learn from, {made.preference.height:,} pairs, in {folder}"
    )
    lines.append(
        f"Of {manifest['items_seen']:,} items with listeners {gone['without_consent']:,} lack"
        f" consent and {gone['below_k']:,} have fewer than {manifest['terms']['k']} listeners:"
        " left out."
    )
    lines.append(f"Content hash {manifest['content_hash']}")
    out.print("\n".join(lines), markup=False)
