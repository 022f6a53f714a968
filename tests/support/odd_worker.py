"""The command line with a machine under it that misbehaves, as variables say."""

from __future__ import annotations

import itertools
import logging
import os
import time

from listenback import cli
from streams import clock
from streams.pipeline import Pipeline

HANGS_S = float(os.environ.get("ODD_FLUSH_HANGS_S", "0"))
JUMPS_S = float(os.environ.get("ODD_CLOCK_JUMPS_S", "0"))
log = logging.getLogger(__name__)


def hanging(commit):
    """A disk that does not answer for a while."""

    def hang(self, *sealed):
        log.warning("the flush hangs")
        time.sleep(HANGS_S)
        return commit(self, *sealed)

    return hang


def jumping(now, steps):
    """A wall clock that is set forward and back again at every look."""
    return lambda: now() + next(steps)


if HANGS_S:
    Pipeline._commit = hanging(Pipeline._commit)
if JUMPS_S:
    clock.now_us = jumping(
        clock.now_us, itertools.cycle([0, int(JUMPS_S * 1e6), -int(JUMPS_S * 1e6)])
    )
    time.time = jumping(time.time, itertools.cycle([0.0, -JUMPS_S, JUMPS_S]))
cli.main()
