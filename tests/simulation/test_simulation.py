"""The whole engine in one process, by seed: crashes between any two steps change nothing.

A seed that fails: LISTENBACK_SIMULATION_SEEDS=137 python -m pytest tests/simulation
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from support.oracle import differences
from support.simulation import script
from support.simulation.behind import copies_that_pause
from support.simulation.cheap import cheap_files
from support.simulation.crash import SEAMS
from support.simulation.member import workers_n
from support.simulation.prefix import check_prefix
from support.simulation.world import World

from streams import pipeline
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse.content import content_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.simulation.script import Log

    from streams.warehouse.content import Content

pytestmark = [
    pytest.mark.simulation,
    pytest.mark.timeout(1_800),
    # A killed process closes no file; the next collection of garbage does, and warns of it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SEEDS_N = int(os.environ.get("LISTENBACK_SIMULATION_SEEDS_N", "1000"))
BLOCK_SEEDS = 20
FAST_SEEDS_N = 8
SEEDS_PER_LOG = 20
REACHING_SEEDS_N = 100
"""In so many seeds each seam has its turn four times, and three tries each time."""
TRUE_EVERY = 41
"""One in so many seeds decodes, and opens files, as a process does; the others do so cheaply. No
divisor of what else comes in turn, so that each seam has its share of them."""
TURNS_SEEDS_N = 3_000
"""In so many seeds each seam has its turn in each kind of world, if it has one at all."""
NAMED = [int(n) for n in os.environ.get("LISTENBACK_SIMULATION_SEEDS", "").split(",") if n]
BLOCKS = [
    pytest.param(
        range(start, start + BLOCK_SEEDS),
        id=f"seeds-{start}-to-{start + BLOCK_SEEDS - 1}",
        marks=pytest.mark.faults,
    )
    for start in range(REACHING_SEEDS_N, SEEDS_N, BLOCK_SEEDS)
]
RAM = Path("/dev/shm")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where files cost no disk, if there is such a place: kill -9 loses no page cache."""
    is_ram = RAM.is_dir() and os.access(RAM, os.W_OK)
    with tempfile.TemporaryDirectory(dir=RAM if is_ram else None) as name:
        yield Path(name)


@cache
def template(folder: Path, dead_letter_rows_max: int) -> Path:
    """A worker's file that has just been made; the bounds are among its rules."""
    home = folder / f"template-{dead_letter_rows_max}"
    place = Settings(data_dir=home, dead_letter_rows_max=dead_letter_rows_max)
    Pipeline(place).close()
    return place.worker_file


def bounds(log_seed: int) -> dict[str, Any]:
    """Some logs are a flood to their workers: few dead letters are kept, all are counted."""
    return {"dead_letter_rows_max": 2 if log_seed % 3 == 0 else 10_000}


@cache
def clean(log_seed: int, folder: Path) -> tuple[Log, Content, script.Decoder]:
    """A log, and the content that one worker makes of it in one flush, equal to the oracle's."""
    log = script.scripted(random.Random(f"log {log_seed}"))
    place = Settings(data_dir=folder / f"clean-{log_seed}", **bounds(log_seed))
    place.worker_file.parent.mkdir(parents=True)
    shutil.copyfile(template(folder, **bounds(log_seed)), place.worker_file)
    one = Pipeline(place)
    one.assign(frozenset(script.SHARDS))
    for where, records in log.items():
        one.add(script.batch(records, where))
    one.flush()
    check_prefix(one._con, log, is_whole=True)
    assert differences(one._con) == {}
    content = content_of(one._con)
    one.close()
    return log, content, script.Decoder(log)


def is_true(seed: int) -> bool:
    """Whether a seed decodes and opens files as a process does."""
    return seed % TRUE_EVERY == 0


def crashes_n(seed: int) -> int:
    """One crash; in one run of four a second one, in what the first left."""
    return 1 + (seed // 3 % 4 == 0)


def seams_of(seed: int) -> list[str]:
    """Which crashes a seed gets: in turn, so that each seam has its share of any range."""
    names, before_n = list(SEAMS), sum(map(crashes_n, range(seed)))
    return [names[(before_n + n) % len(names)] for n in range(crashes_n(seed))]


def run(seed: int, folder: Path) -> World:
    log, expected, decoder = clean(seed // SEEDS_PER_LOG, folder)
    home = folder / f"seed-{seed}"
    limits = bounds(seed // SEEDS_PER_LOG)
    world = World(seed, log, home, template(folder, **limits), **limits)
    try:
        with copies_that_pause(), contextlib.ExitStack() as cheaper:
            if not is_true(seed):
                cheaper.enter_context(mock.patch.object(pipeline, "decode_all", decoder))
                cheaper.enter_context(cheap_files(folder))
            found = world.run(seams_of(seed))
        assert found.differences(expected) == ()
        assert found.hash == expected.hash
    except BaseException as error:
        error.add_note(f"rerun: LISTENBACK_SIMULATION_SEEDS={seed} pytest tests/simulation")
        raise
    finally:
        world.close()
        shutil.rmtree(home)
    return world


def crashed_in(seed: int, folder: Path) -> Counter[str]:
    """Run a seed; how often each seam was crashed in, and what else is to happen beside them."""
    world = run(seed, folder)
    others = {"zombie": world.zombies_n, "torn": world.remains.torn_n, "beside": world.beside_n}
    return world.crashed + Counter(others)


if NAMED:

    @pytest.mark.parametrize("seed", NAMED)
    def test_a_named_seed(seed, folder):
        print(dict(crashed_in(seed, folder)))  # noqa: T201 - pytest -s shows it

else:

    @pytest.mark.parametrize(
        "kind", [lambda seed: workers_n(seed) == 2, lambda seed: workers_n(seed) == 3, is_true]
    )
    def test_each_seam_has_its_share_of_each_kind_of_world(kind):
        """Where their number shares a divisor with the turns, some meet no third worker, ever."""
        seeds = [seed for seed in range(TURNS_SEEDS_N) if kind(seed)]
        of_kind = Counter(seam for seed in seeds for seam in seams_of(seed))
        share_n = of_kind.total() / len(SEAMS)
        assert all(of_kind[seam] > share_n / 2 for seam in SEAMS)

    @pytest.mark.parametrize("seed", range(FAST_SEEDS_N))
    def test_a_crash_changes_nothing(seed, folder):
        run(seed, folder)

    @pytest.mark.faults
    def test_each_seam_is_crashed_in_and_changes_nothing(folder):
        """What was not crashed in is not tested: the first seeds, whose crashes are counted."""
        found = sum((crashed_in(seed, folder) for seed in range(REACHING_SEEDS_N)), Counter())
        assert {*SEAMS, "zombie", "torn", "beside"} <= set(found)

    @pytest.mark.parametrize("seeds", BLOCKS)
    def test_crashes_between_any_two_steps_lose_double_and_change_nothing(seeds, folder):
        found = sum((crashed_in(seed, folder) for seed in seeds), Counter())
        assert sum(found[seam] for seam in SEAMS) >= len(seeds)
