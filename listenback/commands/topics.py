"""`listenback topics`: create the topics, list them, check them."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listenback.console import counted, err, out, print_columns, print_json
from listenback.lazy import CONTEXT_SETTINGS
from listenback.options import setting
from streams import topics
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings=CONTEXT_SETTINGS,
    help="""Create the topics, list them, check them.

    Five input topics (equal partition counts: partition p of all five is one
    shard), erasures, and a topic of dead letters for each input topic.

    Examples:
      listenback topics create --partitions 12 --replication 3
      listenback topics list
      listenback topics check
    """,
)

Bootstrap = Annotated[str | None, setting("bootstrap", "-b")]
Prefix = Annotated[str | None, setting("topic_prefix")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead.")]


@app.command()
def create(
    *,
    bootstrap: Bootstrap = None,
    topic_prefix: Prefix = None,
    partitions_n: Annotated[int | None, setting("partitions_n", "--partitions", "-p")] = None,
    replication_n: Annotated[
        int, typer.Option("--replication", min=1, help="Copies of each partition.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are not there yet.

    Those that are there stay as they are; new ones get as many partitions.

    Examples:
      listenback topics create
      listenback topics create --partitions 12 --replication 3
    """
    settings = load_settings(
        bootstrap=bootstrap, topic_prefix=topic_prefix, partitions_n=partitions_n
    )
    created = topics.create_topics(settings, replication_n=replication_n)
    partitions = topics.check_topics(settings)
    if as_json:
        print_json({"created": list(created), "partitions_n": partitions})
        return
    said = f"created {', '.join(created)}" if created else "all topics were there"
    out.print(f"{said}; {counted(partitions, 'partition')}", markup=False)


@app.command("list")
def list_topics(
    *,
    bootstrap: Bootstrap = None,
    topic_prefix: Prefix = None,
    group: Annotated[str | None, setting("group")] = None,
    as_json: AsJson = False,
) -> None:
    """List the topics: partitions, records, and how far the workers are.

    The lag is what Kafka was told, some seconds ago; the offsets of record
    are in the warehouse (`listenback query "FROM pipeline_health"`).

    Examples:
      listenback topics list
      listenback topics list --json --group listenback
    """
    settings = load_settings(bootstrap=bootstrap, topic_prefix=topic_prefix, group=group)
    by_topic = [
        (name, list(states))
        for name, states in groupby(topics.partition_states(settings), lambda s: s.topic)
    ]
    if as_json:
        print_json([_described(settings, name, states) for name, states in by_topic])
        return
    if not by_topic:
        err.print("no topics yet; listenback topics create", markup=False)
    rows = [("topic", "partitions", "records", "lag")]
    for name, states in by_topic:
        records_n = sum(state.end_offset - state.begin_offset for state in states)
        rows.append((name, str(len(states)), f"{records_n:,}", _lag(settings, name, states)))
    print_columns(rows)


@app.command()
def check(
    *, bootstrap: Bootstrap = None, topic_prefix: Prefix = None, as_json: AsJson = False
) -> None:
    """Check that all topics are there and share their partition count.

    Ends with 0, with 2 if a topic is missing, with 5 if counts differ.

    Examples:
      listenback topics check
      listenback topics check --json
    """
    settings = load_settings(bootstrap=bootstrap, topic_prefix=topic_prefix)
    partitions = topics.check_topics(settings)
    names = topics.all_names(settings)
    if as_json:
        print_json({"topics": list(names), "partitions_n": partitions})
        return
    out.print(f"{len(names)} topics, {counted(partitions, 'partition')}", markup=False)


def _lag(settings: Settings, name: str, states: Sequence[topics.PartitionState]) -> str:
    """The lag where workers read; other topics have none."""
    if name not in topics.joined_names(settings):
        return "-"
    return f"{sum(state.lag_n for state in states):,}"


def _described(
    settings: Settings, name: str, states: Sequence[topics.PartitionState]
) -> dict[str, Any]:
    is_read = name in topics.joined_names(settings)
    partitions = [asdict(state) | {"lag_n": state.lag_n if is_read else None} for state in states]
    return {
        "topic": name,
        "partitions_n": len(states),
        "records_n": sum(state.end_offset - state.begin_offset for state in states),
        "lag_n": sum(state.lag_n for state in states) if is_read else None,
        "partitions": [
            {key: value for key, value in one.items() if key != "topic"} for one in partitions
        ],
    }
