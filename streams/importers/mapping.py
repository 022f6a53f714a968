"""A mapping: how the rows of a table become events, read from YAML.

Keys of a mapping: `name`, `description`, `source`, `delimiter`, `rows` (path of the rows in nested
JSON), `optional` (columns that may be absent), and either `events`, a list of blocks, or the keys
of one block; keys that begin with `x-` hold what YAML aliases (`*`, `<<`) refer
to. Keys of a block: see `mapping_block`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streams.errors import ConfigError, did_you_mean
from streams.events.topics import Topic
from streams.importers.mapping_block import BLOCK_KEYS, Block, BlockReader, check_keys
from streams.importers.yaml_lines import Document, load

if TYPE_CHECKING:
    from pathlib import Path

ROOT_KEYS: Final = (*("name", "description", "source", "delimiter", "rows", "optional", "events"),)
SHARED_PREFIX: Final = "x-"


@dataclass(frozen=True, slots=True)
class TableMapping:
    """The blocks of a mapping; each row of a table passes through every block.

    delimiter: what stands between the columns of a CSV file; None: by the file's name. rows: where
    they lie in nested JSON (see `nested`); None: the file is a table. optional: columns that are
    null where the file has none; a misspelt column is an error otherwise.
    """

    name: str
    path: Path
    delimiter: str | None
    blocks: tuple[Block, ...]
    rows: str | None = None
    optional: tuple[str, ...] = ()


def read_mapping(path: Path, topic: str | None = None) -> TableMapping:
    """Read a mapping file. topic: keep the blocks of this topic, or name that of a sole block.

    Raises:
        ConfigError: says what is wrong, in which line, and what to write instead.
    """
    document = load(path)
    if not isinstance(document.value, dict):
        raise document.wrong(
            "a mapping is a YAML object.", todo=f"Its keys: {', '.join(ROOT_KEYS)}."
        )
    wanted = None if topic is None else topic_named(topic)
    name = str(document.value.get("name", path.stem))
    source = str(document.value.get("source", f"//import/{name}"))
    blocks = tuple(
        BlockReader(document, keys, value, wanted, source).read()
        for keys, value in _parts(document)
    )
    kept = tuple(one for one in blocks if wanted is None or one.contract.topic == wanted)
    if not kept:
        raise document.wrong(
            f"no block is for topic '{topic}'.", "events", todo="Leave --topic out."
        )
    rows, optional = _rows(document), _optional(document)
    return TableMapping(name, path, _delimiter(document), kept, rows, optional)


def topic_named(name: str) -> Topic:
    """The topic of that name, or ConfigError."""
    try:
        return Topic(name)
    except ValueError as error:
        raise ConfigError(
            f"there is no topic '{name}' (there are {', '.join(Topic)}).",
            where="--topic",
            todo=did_you_mean(name, list(Topic)),
        ) from error


def _parts(document: Document) -> list[tuple[tuple[str | int, ...], Any]]:
    """(keys, value) of each block."""
    root: dict[str, Any] = {
        key: value for key, value in document.value.items() if not key.startswith(SHARED_PREFIX)
    }
    if "events" not in root:
        check_keys(document, (), root, (*ROOT_KEYS, *BLOCK_KEYS))
        return [((), {key: value for key, value in root.items() if key in BLOCK_KEYS})]
    check_keys(document, (), root, ROOT_KEYS)
    events = root["events"]
    if not isinstance(events, list) or not events:
        raise document.wrong(
            "events is a list of blocks.", "events", todo="Begin each with `- topic: ...`."
        )
    return [(("events", nth), value) for nth, value in enumerate(events)]


def _delimiter(document: Document) -> str | None:
    delimiter = document.value.get("delimiter")
    if delimiter is not None and not (isinstance(delimiter, str) and len(delimiter) == 1):
        raise document.wrong(
            "a delimiter is one character.", "delimiter", todo="Write it in quotes, like ';'."
        )
    return delimiter


def _rows(document: Document) -> str | None:
    rows = document.value.get("rows")
    if rows is not None and not isinstance(rows, str):
        raise document.wrong(
            "rows is a path of names.", "rows", todo="Like `info.assessments[]`; '' for the whole."
        )
    return rows


def _optional(document: Document) -> tuple[str, ...]:
    optional = document.value.get("optional", [])
    if not isinstance(optional, list):
        raise document.wrong("optional is a list of columns.", "optional")
    return tuple(str(one) for one in optional)
