"""Where commands send records, and how a person sees that they do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from listenback import console
from streams.event_writer import JsonlWriter
from streams.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.event_writer import EventWriter


class Destination(NamedTuple):
    """A writer and what to call it in a sentence."""

    name: str
    writer: EventWriter


def destination(
    out: Path | None, bootstrap: str | None, topic_prefix: str | None, *, creates_topics: bool
) -> Destination:
    """A directory where `out` is given, else Kafka as the settings have it.

    creates_topics: make the topics that are not there; otherwise that is an error.
    """
    if out is not None:
        return Destination(str(out), JsonlWriter(out))
    # aiokafka and kafka-python take most of a second to load; files do not need them.
    from streams.kafka_writer import KafkaWriter  # noqa: PLC0415 - see the line above
    from streams.topics import FOR_EVER, create_topics  # noqa: PLC0415 - see the line above

    settings = load_settings(bootstrap=bootstrap, topic_prefix=topic_prefix)
    if creates_topics:
        create_topics(settings, retention_ms=FOR_EVER)  # what is sent here lies in the past
    return Destination(settings.bootstrap, KafkaWriter(settings))


@contextmanager
def progress(doing: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr for people; nothing where nobody looks. Yields how to advance it.

    total: None where the end is not known.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console.err, transient=True, disable=not console.is_interactive()
    ) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda rows_n: bar.advance(task, rows_n)
