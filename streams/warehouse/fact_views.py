"""The views of facts: what the file holds, and what was moved from it into Parquet parts.

A view names its parts one by one, so that a part that is not there is an error and never a smaller
number. They are looked for below the folder that the variable `listenback_archive` names, else
below the one where they were written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.warehouse.connect import ARCHIVE_VARIABLE, literal
from streams.warehouse.layout import FACT_TABLES, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PLAIN = "hive_partitioning = false"
"""Shard and day stand in the path, too, for people; the columns are those of the rows."""
COMMENTS = {
    name: f"accepted events of topic {topic}, each once; archived ones among them"
    for topic, name in FACT_TABLES.items()
}


def ddl(name: str, folder: Path | None = None, files: Sequence[str] = ()) -> str:
    """CREATE VIEW and the comments; `files` lie below `folder`."""
    columns = TABLES[name].columns
    parts = [f"SELECT {_names(columns)} FROM {TABLES[name].name}"]
    if files:
        parts.append(f"SELECT {_names(columns)} FROM {_parts(folder, files)}")
    comments = [f"COMMENT ON VIEW {name} IS '{COMMENTS[name]}';"] + [
        f"COMMENT ON COLUMN {name}.\"{column}\" IS '{literal(TABLES[name].meaning(column))}';"
        for column in columns
    ]
    body = "\nUNION ALL BY NAME\n".join(parts)
    return "\n".join([f"\nCREATE OR REPLACE VIEW {name} AS\n{body};", *comments])


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _parts(folder: Path | None, files: Sequence[str]) -> str:
    """SQL: the rows of these parts; the folder is asked for when the view is read."""
    listed = ", ".join(f"'{literal(file)}'" for file in files)
    place = f"coalesce(getvariable('{ARCHIVE_VARIABLE}'), '{literal(folder)}')"
    return f"read_parquet(list_transform([{listed}], lambda f: {place} || '/' || f), {PLAIN})"
