"""The tables of a warehouse file as data: columns, types, keys and comments.

The SQL of the first migration is rendered from here; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from streams.engine import columns, flood
from streams.events.contracts import CONTRACTS
from streams.events.measures import MEASURES
from streams.events.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SQL_TYPES: dict[pl.DataType, str] = {
    pl.Int32(): "INTEGER",
    pl.Int64(): "BIGINT",
    pl.Float64(): "DOUBLE",
    pl.String(): "VARCHAR",
    pl.Boolean(): "BOOLEAN",
    pl.Date(): "DATE",
    pl.Binary(): "BLOB",
    pl.List(pl.String): "VARCHAR[]",
}

HASH = "UHUGEINT"

FACT_TABLES: dict[Topic, str] = {
    Topic.EXPOSURES: "exposure",
    Topic.LISTENS: "listen",
    Topic.FEEDBACK: "feedback",
    Topic.JUDGE_SCORES: "judge_score",
    Topic.HUMAN_LABELS: "human_label",
}
"""Views of all accepted events of a topic, archived ones among them."""
RECENT = "_recent"
"""Ends the name of the table that holds those of a view's rows that are not archived."""

MEANINGS: dict[str, str] = {measure.name: measure.meaning for measure in MEASURES} | {
    "shard": "partition of the input topics this row comes from",
    "offset": "offset of the message in its topic and partition",
    "record_time_us": "when the log took the message, microseconds UTC",
    "generation_id": "one AI output; what joins the streams",
    "experiment_id": "experiment, '' for none",
    "variant_id": "model version under test, '' for none",
    "unit_type": "kind of the unit of randomisation",
    "unit_id": "unit of randomisation",
    "surface": "where it was shown, '' for all",
    "day": "UTC day of the events",
    "basis": "exposure: all that happened to what was exposed in the window; activity: in it",
    "size_s": "size of the window, seconds",
    "window_start_us": "start of the window, microseconds UTC, inclusive",
    "attribution": "exposed, orphan (exposure not come), organic, or all (every event once)",
    "revision": "events that the log took after the window had closed",
    "table_name": "the table it speaks of",
    "folded_n": "rows after its last folding, or when it was found not worth one",
    "generation_hash": "128-bit hash of shard and generation_id",
    "pair_hash": "128-bit hash of shard, generation_id and user_key",
    "first_us": "earliest of it, microseconds UTC",
    "last_us": "latest of it, microseconds UTC",
    "incognito": "whether it was private",
    "scores_n": "valid judge scores",
    "errors_n": "judge scores that failed",
    "scored_n": "exposures of generations with a valid latest score",
    "errored_n": "exposures of generations whose only scores failed",
    "score_micro": "sum of latest scores, millionths",
    "weight_micro": "sum of 1 / sampling probability, millionths",
    "weighted_score_micro": "sum of score / sampling probability, millionths",
    "event_time_us_max": "largest event time seen, microseconds UTC",
    "topic": "input topic, without prefix",
    "next_offset": "offset to read next: the offset of record",
    "read_n": "messages read = accepted + duplicate + dead-lettered",
    "accepted_n": "events that count",
    "duplicate_n": "events whose (source, event_id) had been seen",
    "dead_lettered_n": "messages refused, counted in dead_letter_count",
    "late_n": "accepted events that the log took later than the out-of-orderness allows",
    "unknown_enum_n": "accepted events with an enum value this version does not know",
    "erased_n": "accepted events of erased users: counted, and gone",
    "record_time_us_max": "newest message handled, by the log's time, microseconds UTC",
    "event_hash": "128-bit hash of topic, source and event_id",
    "dlq_id": "id of the dead letter, a function of topic, partition and offset",
    "key": "raw key of the message",
    "value": "raw value of the message, unchanged",
    "error_class": "decode, schema, semantic, late_beyond_horizon or consent_block",
    "error_type": "what kind of error within its class",
    "error_message": "why it was refused; never the payload",
    "field_path": "the field that broke the contract",
    "forwarded": "whether it was sent to its dead letter topic",
    "timestamp_type": "who set the record's time: create (the producer) or log_append (the broker)",
    "headers": "record headers in their order, JSON [[name, value in base64 or null], ...]",
    "value_bytes_n": "bytes of the raw value; null: it had none",
    "is_whole": "whether key, value and headers stand here; else, in a flood, in the topic alone",
    "redrive_of": "the dead letter this message was when it was last sent again",
    "redrive_count": "how often it was sent again",
    "first_failed_at_us": "when it was first refused, by the log's time, microseconds UTC",
    "block_offset": "first offset of the million offsets that share one allowance",
    "refused_n": "messages refused",
    "rows_n": "those with a row in dead_letter; dead_letter_rows_max bounds it",
    "whole_n": "those whose bytes stand in that row; dead_letter_bytes_max bounds it",
    "raw_bytes_n": "bytes of key, value and headers of the rows, whether kept or not",
    "first_offset": "offset of the first of them",
    "last_offset": "offset of the last of them",
    "file": "the part's place below the folder `archive`; its name is the SHA-256 of its bytes",
    "part_rows_n": "rows of the part",
    "bytes_n": "size of the part, bytes",
    "rows_number": "sum of the numbers of its rows, as the content hash adds them up",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its key (uniqueness is the writer's invariant; no constraint, no index)."""

    name: str
    comment: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    counted: tuple[str, ...] = ()

    @property
    def shown_as(self) -> str:
        """What readers call it: of facts the view that adds what is archived."""
        return self.name.removesuffix(RECENT)

    @property
    def ddl(self) -> str:
        """CREATE TABLE and the comments."""
        body = ",\n".join(f'    "{name}" {kind}' for name, kind in self.columns.items())
        lines = [
            f"CREATE TABLE {self.name} (\n{body}\n);",
            f"COMMENT ON TABLE {self.name} IS '{_quoted(self.comment)}';",
        ]
        lines += [
            f"COMMENT ON COLUMN {self.name}.\"{name}\" IS '{_quoted(self.meaning(name))}';"
            for name in self.columns
        ]
        return "\n".join(lines)

    def meaning(self, column: str) -> str:
        """The column's comment: the contract's words for facts, ours for the rest."""
        own = {table: topic for topic, table in FACT_TABLES.items()}.get(self.shown_as)
        order = [own] if own else []
        described = [_descriptions(topic) for topic in (*order, *FACT_TABLES)]
        if own and column in described[0]:
            return described[0][column]
        if column in MEANINGS:
            return MEANINGS[column]
        return next(words[column] for words in described if column in words)


@cache
def _descriptions(topic: Topic) -> dict[str, str]:
    """Column -> what the contract says of it; `<field>_raw` keeps what the enum did not know."""
    columns = CONTRACTS[topic].columns
    return {column.name: column.description for column in columns} | {
        column.raw_name: f"{column.wire} as sent, where this version does not know the value"
        for column in CONTRACTS[topic].enum_columns
    }


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _sql(schema: Mapping[str, pl.DataType]) -> dict[str, str]:
    return {name: SQL_TYPES[dtype] for name, dtype in schema.items()}


def _facts() -> Iterable[Table]:
    source = {"shard": "INTEGER", "offset": "BIGINT", "record_time_us": "BIGINT"}
    for topic, name in FACT_TABLES.items():
        yield Table(
            name + RECENT,
            f"those rows of {name} that are not archived",
            source | _sql(CONTRACTS[topic].schema),
            ("shard", "source", "event_id"),
        )


def _sums() -> Iterable[Table]:
    yield Table(
        "window_sum",
        "sums per shard and tumbling window; read window_aggregate",
        _sql(columns.WINDOW),
        columns.WINDOW_KEY,
        columns.WINDOW_COUNTED,
    )
    yield Table(
        "window_score_sum",
        "judge scores per shard and exposure window; read window_judge_score",
        _sql(columns.WINDOW_SCORE),
        columns.WINDOW_SCORE_KEY,
        columns.WINDOW_SCORE_COUNTED,
    )
    yield Table(
        "unit_day_sum",
        "sums per shard, unit and day; read unit_day",
        _sql(columns.UNIT_DAY),
        columns.UNIT_DAY_KEY,
        tuple(measure.name for measure in MEASURES),
    )


def _state() -> Iterable[Table]:
    yield Table(
        "generation_score",
        "latest valid judge score per generation, dimension and evaluator epoch",
        _sql(columns.SCORE) | {"generation_hash": HASH},
        columns.SCORE_KEY,
    )
    yield Table(
        "exposure_first",
        "what a flush joins with: first exposure of a listener to a generation in an experiment",
        {"shard": "INTEGER", "generation_hash": HASH, "pair_hash": HASH}
        | _sql({name: columns.FIRST[name] for name in columns.FIRST.names()[3:]}),
        ("pair_hash", "experiment_id"),
    )
    yield Table(
        "orphan",
        "plays and feedback that name a generation and wait for their listener's exposure to it",
        _sql(columns.ACTIVITY) | {"pair_hash": HASH},
        (),
    )
    yield Table(
        "pair_activity",
        "when a listener did something with a generation; finds it when an exposure moves it",
        {"shard": "INTEGER", "pair_hash": HASH, "first_us": "BIGINT", "last_us": "BIGINT"},
        (),
    )
    yield Table(
        "seen_event",
        "ids of accepted events, for dropping duplicates",
        {"shard": "INTEGER", "event_hash": HASH},
        ("shard", "event_hash"),
    )
    yield Table(
        "shard_watermark",
        "how far each shard has come in event time",
        {"shard": "INTEGER", "event_time_us_max": "BIGINT"},
        ("shard",),
    )


def _folding() -> Iterable[Table]:
    yield Table(
        "folded_slice",
        "rows that the last look at a table of sums and a shard left",
        {"table_name": "VARCHAR", "shard": "INTEGER", "folded_n": "BIGINT"},
        ("table_name", "shard"),
    )


def _archive() -> Iterable[Table]:
    texts = {"file": "VARCHAR", "rows_number": "VARCHAR"}
    yield Table(
        "archive_part",
        "Parquet files that hold the older facts of a shard",
        {"shard": "INTEGER", "table_name": "VARCHAR", "day": "DATE"}
        | dict.fromkeys(("first_us", "last_us", "part_rows_n", "bytes_n"), "BIGINT")
        | texts,
        ("shard", "table_name", "file"),
    )


def _books() -> Iterable[Table]:
    counts = (
        *("read_n", "accepted_n", "duplicate_n", "dead_lettered_n", "late_n"),
        *("unknown_enum_n", "erased_n"),
    )
    yield Table(
        "topic_shard",
        "offsets of record and counters per topic and shard; read pipeline_health",
        {"topic": "VARCHAR", "shard": "INTEGER", "next_offset": "BIGINT"}
        | dict.fromkeys((*counts, "record_time_us_max"), "BIGINT"),
        ("topic", "shard"),
    )
    texts = ("error_class", "error_type", "error_message", "field_path")
    yield Table(
        "dead_letter",
        "refused messages with the reason and their raw bytes",
        {"dlq_id": "VARCHAR", "topic": "VARCHAR", "shard": "INTEGER", "offset": "BIGINT"}
        | {"record_time_us": "BIGINT", "timestamp_type": "VARCHAR"}
        | {"key": "BLOB", "value": "BLOB", "headers": "VARCHAR"}
        | {"value_bytes_n": "BIGINT", "is_whole": "BOOLEAN"}
        | dict.fromkeys(texts, "VARCHAR")
        | {"redrive_of": "VARCHAR", "redrive_count": "BIGINT", "first_failed_at_us": "BIGINT"}
        | {"forwarded": "BOOLEAN"},
        ("dlq_id",),
    )
    yield Table(
        "dead_letter_count",
        "every refused message, counted by kind and block of offsets; what a flood leaves",
        _sql(flood.COUNTS),
        flood.KEY,
    )


TABLES: dict[str, Table] = {
    table.shown_as: table
    for table in (*_facts(), *_state(), *_sums(), *_folding(), *_archive(), *_books())
}
"""Every sharded table: what publish merges and restore copies; facts by the names of the views."""


def main() -> None:
    """Print the first migration: the tables."""
    print("\n\n".join(table.ddl for table in TABLES.values()))  # noqa: T201 - its one output


if __name__ == "__main__":
    main()
