"""Whole logs of every kind of message against what was scripted and against the SQL oracle.

Small and fixed, so that they can be asked of every mutant (tests/mutants).
"""

from __future__ import annotations

import pytest
from support.oracle import differences
from support.simulation.prefix import check_prefix
from support.simulation.scripted import check_erasure, check_sizes, joined

from streams.events.contracts import CONTRACTS
from streams.pipeline import Pipeline
from streams.settings import Settings

pytestmark = [pytest.mark.property, pytest.mark.timeout(900)]

SEEDS = (0, 1, 3)


@pytest.fixture
def worker(tmp_path):
    worker = Pipeline(Settings(data_dir=tmp_path, duckdb_threads_n=1))
    yield worker
    worker.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_scripted_log_is_balanced_as_scripted(worker, seed):
    log = joined(worker, seed)
    check_prefix(worker._con, log, is_whole=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_scripted_log_gives_the_oracle_s_rows(worker, seed):
    joined(worker, seed)
    assert differences(worker._con) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_scripted_log_in_small_flushes_gives_the_oracle_s_rows(worker, seed):
    log = joined(worker, seed, chunk_records=4)
    check_prefix(worker._con, log, is_whole=True)
    assert differences(worker._con) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_erasure_stands_in_the_books_of_what_it_took(worker, seed):
    joined(worker, seed)
    check_erasure(worker)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda contract: contract.topic)
def test_a_message_is_read_up_to_the_limit_and_refused_for_what_it_lacks(contract):
    check_sizes(contract)
