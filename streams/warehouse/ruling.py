"""The rules of a file: the settings that shape its rows, and that a replay must repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.errors import ConfigError, IntegrityError
from streams.settings import DAY_US
from streams.warehouse.connect import first_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

    from streams.settings import Settings

SECOND_US = 1_000_000


def rules_of(settings: Settings) -> dict[str, Any]:
    """The row of the table `rules` that these settings give."""
    return {
        "window_sizes_s": list(settings.window_sizes_s),
        "out_of_orderness_us": settings.out_of_orderness_s * SECOND_US,
        "horizon_us": settings.horizon_days * DAY_US,
        "future_max_us": settings.future_max_s * SECOND_US,
        "message_bytes_max": settings.message_bytes_max,
        "dead_letter_rows_max": settings.dead_letter_rows_max,
        "dead_letter_bytes_max": settings.dead_letter_bytes_max,
    }


def stored_rules(con: DuckDBPyConnection, *, catalog: str = "") -> dict[str, Any] | None:
    """The row as a file has it, an attached one by its name; None where nothing was written yet."""
    rows = con.execute(f"FROM {catalog}.rules" if catalog else "FROM rules")
    names = [column[0] for column in rows.description or ()]
    found = rows.fetchall()
    return dict(zip(names, found[0], strict=True)) if found else None


def agree(con: DuckDBPyConnection, settings: Settings) -> None:
    """Write the rules into a new file, hold those of an old one against the settings.

    Raises:
        ConfigError: the file's rows were made under other rules.
    """
    ours, theirs = rules_of(settings), stored_rules(con)
    if theirs is None:
        con.execute(f"INSERT INTO rules VALUES ({', '.join('?' for _ in ours)})", [*ours.values()])
    elif theirs != ours:
        raise ConfigError(
            f"the file's rows were made under other rules: {said(theirs, ours)}.",
            where=str(settings.worker_file),
            done="Nothing was changed.",
            todo="Put the settings back, or make a new file under the new ones: listenback replay.",
        )


def agree_on_log(con: DuckDBPyConnection, partitions_n: int, where: str) -> None:
    """Write the log's partition count into a new file, hold that of an old one against it.

    Raises:
        IntegrityError: partitions were added since; keys moved, and their joins would break.
    """
    row = first_row(con, "FROM log_shape")
    if row is None:
        con.execute("INSERT INTO log_shape VALUES (?)", [partitions_n])
    elif row[0] != partitions_n:
        raise IntegrityError(
            f"the topics have {partitions_n} partitions, this file was made from {row[0]}: keys "
            "have moved, and what belongs together would no longer meet.",
            where=where,
            done="Nothing was read.",
            todo="Make topics with the new count under another --topic-prefix, send the events "
            "there, and begin anew with another --data-dir.",
        )


def said(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Where two rows of rules differ, in words."""
    return "; ".join(
        f"{name} {theirs.get(name)}, now set: {ours[name]}"
        for name in ours
        if theirs.get(name) != ours[name]
    )
