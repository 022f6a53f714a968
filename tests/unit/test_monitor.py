"""When a worker counts as alive and as ready."""

from __future__ import annotations

import pytest
from faust.types import TP

from streams.monitor import STUCK_MS_MAX, Vitals

LAG = {TP("listens", 0): 3}


@pytest.mark.parametrize(
    ("vitals", "is_alive", "is_ready"),
    [
        (Vitals(None, is_assigned=True, turned_ago_ms=0.0, lag=LAG), True, True),
        (Vitals(None, is_assigned=False, turned_ago_ms=0.0, lag={}), True, False),
        (Vitals(None, is_assigned=True, turned_ago_ms=STUCK_MS_MAX - 1, lag=LAG), True, True),
        (Vitals(None, is_assigned=True, turned_ago_ms=STUCK_MS_MAX, lag=LAG), False, False),
        (Vitals(OSError("disk"), is_assigned=True, turned_ago_ms=0.0, lag=LAG), False, False),
    ],
)
def test_a_failure_or_a_stuck_sink_is_no_life_and_no_shards_is_not_ready(
    vitals, is_alive, is_ready
):
    assert (vitals.is_alive, vitals.is_ready) == (is_alive, is_ready)
