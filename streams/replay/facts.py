"""A rebuild without a log: the facts of the published warehouse and its archive, joined anew.

For when Kafka no longer holds the log's beginning. What facts do not tell is copied from the live
file as it stands: offsets and counters, dead letters, ids for dropping duplicates, watermarks, and
whom to forget. What is derived from facts is not copied but made: sums, scores, firsts, orphans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.engine.flood import Bounds
from streams.engine.rules import Rules
from streams.erasing import join_facts
from streams.pipeline import SECOND_US
from streams.replay.rebuild import Rebuilt, content_at, publish_again, shadow_settings
from streams.warehouse import archiving, ruling
from streams.warehouse.connect import literal, open_readable, open_writable, transaction
from streams.warehouse.migrate import check_current, migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from streams.settings import Settings

COPIED = (
    *("topic_shard", "dead_letter", "dead_letter_count", "shard_watermark", "seen_event"),
    *("log_shape", "erasure"),
)
"""What events leave behind beside their facts, and what is known of the log and of people."""


def rebuild(settings: Settings, live: Path, advance: Callable[[int], None]) -> Rebuilt:
    """Join the facts of a published file, and of the parts that it names, in the shadow folder.

    Args:
        settings: the live ones; their rules are the rebuilt file's.
        live: the published warehouse.
        advance: told of every so many facts.

    Raises:
        IntegrityError: the file is of another schema, or archived parts are not there.
    """
    shadow = shadow_settings(settings)
    rules = Rules(
        settings.window_sizes_s,
        settings.out_of_orderness_s * SECOND_US,
        Bounds(settings.dead_letter_rows_max, settings.dead_letter_bytes_max),
    )
    source = open_readable(live)
    con = open_writable(
        shadow.worker_file, memory=settings.duckdb_memory, threads_n=settings.duckdb_threads_n
    )
    try:
        check_current(source, str(live))
        migrate(con, str(shadow.worker_file))
        ruling.agree(con, shadow)
        facts_n = join_facts(source, con, rules, advance)
        _copy(con, live)
        _archive(con, settings)
        con.execute("CHECKPOINT")
    finally:
        con.close()
        source.close()
    publish_again(shadow)
    return Rebuilt(shadow.warehouse_file, content_at(shadow.warehouse_file), facts_n)


def _copy(con: DuckDBPyConnection, live: Path) -> None:
    con.execute(f"ATTACH '{literal(live)}' AS other (READ_ONLY)")
    try:
        with transaction(con):
            for table in COPIED:
                con.execute(f"DELETE FROM {table}")
                con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM other.{table}")
    finally:
        con.execute("DETACH other")


def _archive(con: DuckDBPyConnection, settings: Settings) -> None:
    """Let old facts lie in parts again."""
    while settings.archive and (pieces := archiving.due(con, **settings.archived_when())):
        archiving.move(con, pieces)
