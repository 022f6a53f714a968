"""No careless change of a comparison survives: each is caught by a named test.

`make mutants` prints the table of docs/testing.md.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script, too

from support.mutants import Mutant, mutants
from support.oracle import differences
from support.simulation.prefix import check_prefix
from support.simulation.scripted import check_erasure, check_sizes, joined

from streams.events.contracts import CONTRACTS
from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1_800)]

BALANCED = "test_a_scripted_log_is_balanced_as_scripted"
ORACLE = "test_a_scripted_log_gives_the_oracle_s_rows"
SMALL = "test_a_scripted_log_in_small_flushes_gives_the_oracle_s_rows"
ERASED = "test_an_erasure_stands_in_the_books_of_what_it_took"
SIZES = "test_a_message_is_read_up_to_the_limit_and_refused_for_what_it_lacks"
SEEDS = (0, 1, 3)
DROPS_ZEROS = "rows whose sums are all 0 are dropped again where they are written"
SAME_KEYS = "both sides have the same keys"
EQUIVALENT: dict[str, str] = {
    f"engine.{function}: `pl.col({names}) != 0` -> `pl.col({names}) == 0`": DROPS_ZEROS
    for function, names in (
        ("windows.window_change", "WINDOW_COUNTED"),
        ("units.unit_day_change", "MEASURE_NAMES"),
    )
} | {
    "engine.scores.merged: `how='inner'` -> `how='left'`": SAME_KEYS,
    "engine.windows._of_activity: `moves.sign < 0` -> `moves.sign <= 0`": "a sign is 1 or -1",
    "engine.scores.merged: `nulls_last=True` -> `nulls_last=False`": "no sort key is ever null",
}
"""Mutant -> why it changes nothing."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    ram = Path("/dev/shm")
    is_ram = ram.is_dir() and os.access(ram, os.W_OK)
    with tempfile.TemporaryDirectory(dir=ram if is_ram else None) as name:
        Pipeline(Settings(data_dir=Path(name) / "template")).close()
        yield Path(name)


def caught_by(folder: Path) -> str | None:
    """The first test of tests/property/test_scripted_logs.py that fails now, if one does."""
    try:
        check_sizes(CONTRACTS[Topic.LISTENS])
    except Exception:  # noqa: BLE001 - any failure of the mutant is a test that fails
        return SIZES
    for seed in SEEDS:
        for size in (None, 4):
            if name := _failing(folder, seed, size):
                return name
    return None


def _failing(folder: Path, seed: int, size: int | None) -> str | None:
    home = folder / "mutant"
    place = Settings(data_dir=home).worker_file
    place.parent.mkdir(parents=True)
    shutil.copyfile(Settings(data_dir=folder / "template").worker_file, place)
    worker = Pipeline(Settings(data_dir=home, duckdb_threads_n=1))
    try:
        log = joined(worker, seed, chunk_records=size)
        check_prefix(worker._con, log, is_whole=True)
    except Exception:  # noqa: BLE001 - any failure of the mutant is a test that fails
        return BALANCED if size is None else SMALL
    else:
        if differences(worker._con):
            return ORACLE if size is None else SMALL
        return None if size else _failing_erasure(worker)
    finally:
        worker._lock.close()
        worker._con.close()
        shutil.rmtree(home)


def _failing_erasure(worker: Pipeline) -> str | None:
    try:
        check_erasure(worker)
    except Exception:  # noqa: BLE001 - any failure of the mutant is a test that fails
        return ERASED
    return None


def table(folder: Path) -> Iterator[tuple[str, str | None]]:
    """Each mutant and the test that catches it; two mutants may have one name."""
    for mutant in mutants():
        with mutant.in_place():
            yield mutant.name, caught_by(folder)


def test_no_flipped_comparison_survives(folder):
    assert caught_by(folder) is None, "unchanged code passes"
    survivors = {name for name, test in table(folder) if test is None}
    assert survivors == set(EQUIVALENT)


def test_a_mutant_is_gone_when_it_was_tried(folder):
    one = next(mutants())
    assert isinstance(one, Mutant)
    with one.in_place():
        pass
    assert caught_by(folder) is None


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        Pipeline(Settings(data_dir=Path(name) / "template")).close()
        for mutant, test in table(Path(name)):
            reason = f"equivalent: {EQUIVALENT[mutant]}" if mutant in EQUIVALENT else "SURVIVED"
            print(f"| {mutant} | {test or reason} |", flush=True)  # noqa: T201 - its output


if __name__ == "__main__":
    main()
