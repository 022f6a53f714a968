"""The worker's file: how long its log may grow."""

from __future__ import annotations

from streams.warehouse import connect

TRANSACTION_BYTES_MAX = 128 << 10


def test_a_log_at_its_limit_is_taken_into_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(connect, "LOG_BYTES_MAX", 1 << 20)
    path = tmp_path / "worker.duckdb"
    log = path.with_name("worker.duckdb.wal")
    sizes = []
    with connect.open_writable(path, memory="256MB", threads_n=1) as con:
        con.execute("CREATE TABLE kept (text VARCHAR)")
        for _ in range(40):
            con.execute("INSERT INTO kept SELECT repeat(uuid()::VARCHAR, 3) FROM range(500)")
            sizes.append(log.stat().st_size if log.exists() else 0)
    assert connect.LOG_BYTES_MAX / 2 < max(sizes) < connect.LOG_BYTES_MAX + TRANSACTION_BYTES_MAX
    assert sizes != sorted(sizes), "no checkpoint shortened it"
