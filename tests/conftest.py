"""What all tests share: helpers on the path, where the shared data lies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

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
