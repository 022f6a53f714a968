"""What all tests share: helpers on the path, where the shared data lies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci",
    max_examples=150,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("nightly", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference cases and real data; tests that need it skip where it is absent."""
    named = os.environ.get("LISTENBACK_SHARED")
    folder = Path(named) if named else TESTS.parents[1] / "shared"
    if not folder.is_dir():
        pytest.skip(f"reference data is not at {folder} (LISTENBACK_SHARED names it)")
    return folder


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let the tests of some files run in one process, unless another `--dist` is asked for."""
    from support.together import Together  # noqa: PLC0415 - found by the path set above

    return Together(config, log) if config.getoption("dist") == "load" else None


WAITING = ("faults", "integration")
"""Folders whose long tests wait for processes and brokers more than they compute."""

LONGEST = ("mutants", "property")
"""Folders whose long tests take minutes each: one begun last would be waited for alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the long simulations, which compute, between the files that wait: both cores have work.

    Between files, as what a file shares is made anew after a test of another file.
    """
    long = [item for item in items if item.get_closest_marker("faults")]
    blocks = [item for item in long if item.get_closest_marker("simulation")]
    files = [item.path for item in long if item.path.parent.name in WAITING]
    ends = {path: n for n, path in enumerate(dict.fromkeys(files), start=1)}
    first = [item for item in long if item.path.parent.name in LONGEST]
    placed = {*blocks, *first}
    others = first + [item for item in items if item not in placed]
    if not others:
        return
    ordered, placed_n = [], 0
    for item, after in zip(others, [*others[1:], None], strict=True):
        ordered.append(item)
        if item.path in ends and (after is None or after.path != item.path):
            wanted_n = max(placed_n, len(blocks) * ends[item.path] // len(ends))
            ordered += blocks[placed_n:wanted_n]
            placed_n = wanted_n
    items[:] = ordered + blocks[placed_n:]
