"""Any bytes at all, through the whole engine: refused with the reason, counted, never fatal."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
from support.messages import key_of, record_time_us
from support.mutations import mutated

from streams.events.batch import Batch
from streams.events.contracts import CONTRACTS
from streams.events.examples import encode_example
from streams.pipeline import Pipeline
from streams.settings import Settings

pytestmark = [pytest.mark.property, pytest.mark.timeout(1_800)]

CHUNK_MESSAGES = 5_000
BYTES_MAX = 20_000
"""Messages beyond it are refused here, so that a fuzz of over-long ones stays small."""
OTHERS = [encode_example(contract) for contract in CONTRACTS.values()]
BOMB = zlib.compress(b"\0" * 4_000_000)
"""4 MB in 4 kB: nobody may unpack it."""
ODD_TIMES_MS = (-1, 0, 1, 1 << 40, 1 << 62, -(1 << 62))
NAMED_CLASSES = ("schema", "semantic", "late_beyond_horizon", "consent_block")


def value_of(contract, rng: random.Random, n: int) -> bytes | None:
    """A message of any kind; most lie near the example, under ids that come again."""
    own = str(contract.example["event_id"]).encode()
    kinds = {
        0: lambda: rng.randbytes(rng.randrange(300)),
        1: lambda: rng.choice((b"[", b'{"a":', b'{"taxonomy":{"a":')) * rng.randrange(1, 3_000),
        2: lambda: gzip.compress(encode_example(contract)),
        3: lambda: rng.choice(OTHERS),
        4: lambda: rng.choice((None, b"", b"null", b"{}", b"[]", b"\xef\xbb\xbf{}")),
    }
    rare = {0: lambda: BOMB, 1: lambda: encode_example(contract) + b" " * BYTES_MAX}
    near = lambda: mutated(contract, rng).replace(own, b"%s-%d" % (own, n % 2_000))  # noqa: E731 - the common one beside the others
    return rare.get(rng.randrange(500), kinds.get(rng.randrange(25), near))()


def fuzz(contract, rng: random.Random, first_offset: int, n: int) -> Batch:
    key = key_of(contract, dict(contract.example))
    time_ms = record_time_us(contract) // 1_000
    keys = [
        key if rng.random() < 0.95 else rng.choice((None, b"", b"\xff", b"x")) for _ in range(n)
    ]
    times = [time_ms if rng.random() < 0.98 else rng.choice(ODD_TIMES_MS) for _ in range(n)]
    offsets = range(first_offset, first_offset + n)
    return Batch(
        contract.topic, 0, offsets, times, keys, [value_of(contract, rng, at) for at in offsets]
    )


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda contract: contract.topic)
@pytest.mark.parametrize(
    "chunks_n", [pytest.param(1, id="5k"), pytest.param(20, id="100k", marks=pytest.mark.faults)]
)
def test_any_message_is_accepted_or_refused_with_its_field_and_counted(
    contract, chunks_n, tmp_path
):
    rng = random.Random(f"fuzz {contract.topic} {chunks_n}")
    worker = Pipeline(
        Settings(data_dir=tmp_path, message_bytes_max=BYTES_MAX, dead_letter_rows_max=200_000)
    )
    worker.assign(frozenset({0}))
    accepted_n = 0
    for chunk in range(chunks_n):
        worker.add(fuzz(contract, rng, chunk * CHUNK_MESSAGES, CHUNK_MESSAGES))
        flushed = worker.flush()
        accepted_n += flushed.accepted_n
        assert flushed.read_n == CHUNK_MESSAGES
        assert flushed.read_n == (
            flushed.accepted_n + flushed.duplicate_n + flushed.dead_lettered_n
        )
    con = worker._con
    balance = "SELECT read_n, is_balanced, accepted_n FROM pipeline_health"
    assert con.sql(balance).fetchall() == [(chunks_n * CHUNK_MESSAGES, True, accepted_n)]
    assert accepted_n > 0, "a fuzz that nothing survives tests the door alone"
    letters = con.sql(
        "SELECT error_class, error_type, count(*) AS n, count(field_path) AS named_n, "
        "count(error_message) AS told_n FROM dead_letter GROUP BY ALL"
    ).fetchall()
    assert all(told_n == n for *_, n, _, told_n in letters), letters
    nameless = [row for row in letters if row[0] in NAMED_CLASSES and row[3] < row[2]]
    assert nameless == [], "each refusal of a field names it"
    types = {row[1] for row in letters}
    assert {"invalid_utf8", "invalid_json", "nested_too_deep", "message_too_large"} <= types
    assert {"key_mismatch", "event_in_future", "late_beyond_horizon"} <= types
    worker.close()
