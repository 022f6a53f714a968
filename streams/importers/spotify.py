"""Spotify's own exports of a person's history: JSON files, or the .zip that holds them.

Two forms. *Account*: `endTime` (UTC, to the minute), `artistName`, `trackName`, `msPlayed`.
*Extended*: `ts` (the stop, UTC) and a dozen fields. Of what the files say about a person (name,
address, device, user agent) nothing is read but the country and the kind of platform.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from streams.errors import ConfigError
from streams.importers.mapping_block import BlockReader
from streams.importers.rows import messages
from streams.importers.sources import ROW
from streams.importers.yaml_lines import Document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.importers.importing import Importer
    from streams.importers.mapping_block import Block

SOURCE: Final = "//import/spotify-history"
USER_KEY: Final = "_user_key"
NTH: Final = "_nth"
MEMBER: Final = re.compile(r"(?i)^(StreamingHistory|Streaming_History|endsong).*\.json$")
ACCOUNT: Final = pl.Schema(
    {
        "endTime": pl.String(),
        "msPlayed": pl.Int64(),
        "artistName": pl.String(),
        "trackName": pl.String(),
        "podcastName": pl.String(),
        "episodeName": pl.String(),
    }
)
EXTENDED: Final = pl.Schema(
    {
        "ts": pl.String(),
        "ms_played": pl.Int64(),
        "master_metadata_track_name": pl.String(),
        "master_metadata_album_artist_name": pl.String(),
        "spotify_track_uri": pl.String(),
        "episode_show_name": pl.String(),
        "spotify_episode_uri": pl.String(),
        "reason_start": pl.String(),
        "reason_end": pl.String(),
        "shuffle": pl.Boolean(),
        "skipped": pl.Boolean(),
        "offline": pl.Boolean(),
        "offline_timestamp": pl.Int64(),
        "incognito_mode": pl.Boolean(),
        "conn_country": pl.String(),
        "platform": pl.String(),
    }
)
_ACCOUNT_BLOCK = {
    "topic": "listens",
    "columns": {"user_key": USER_KEY, "event_time": "endTime", "ms_played": "msPlayed"},
    "expressions": {
        "artist_ids": "COALESCE(artistName, podcastName)",
        "track_uri": "CONCAT('name:', COALESCE(artistName, podcastName), ' - ', "
        "COALESCE(trackName, episodeName))",
        "started_at": "CAST(STRPTIME(endTime, '%Y-%m-%d %H:%M') AS BIGINT) - msPlayed * 1000",
    },
    "constants": {"is_organic": True, "reason_start": "unknown", "reason_end": "unknown"},
    "times": {"event_time": "%Y-%m-%d %H:%M", "started_at": "epoch_us"},
    "event_id": {
        "hash": [
            USER_KEY,
            "endTime",
            "msPlayed",
            "COALESCE(artistName, podcastName)",
            "COALESCE(trackName, episodeName)",
            NTH,
        ]
    },
}
_EXTENDED_BLOCK = {
    "topic": "listens",
    "columns": {
        "user_key": USER_KEY,
        "event_time": "ts",
        "ms_played": "ms_played",
        "shuffle": "shuffle",
        "skipped": "skipped",
        "offline": "offline",
        "incognito": "incognito_mode",
        "country": "conn_country",
    },
    "expressions": {
        "artist_ids": "COALESCE(master_metadata_album_artist_name, episode_show_name)",
        "track_uri": "COALESCE(spotify_track_uri, spotify_episode_uri)",
        "started_at": "CAST(STRPTIME(ts, '%Y-%m-%dT%H:%M:%SZ') AS BIGINT) - ms_played * 1000",
        # Older files say seconds, newer ones milliseconds.
        "offline_timestamp": "CASE WHEN offline AND offline_timestamp > 0 THEN CASE WHEN "
        "offline_timestamp > 100000000000 THEN offline_timestamp "
        "ELSE offline_timestamp * 1000 END END",
        "reason_start": "COALESCE(NULLIF(reason_start, ''), 'unknown')",
        "reason_end": "COALESCE(NULLIF(REPLACE(reason_end, '-', '_'), ''), 'unknown')",
        "platform": "SPLIT_PART(LOWER(platform), ' ', 1)",
    },
    "constants": {"is_organic": True},
    "times": {"started_at": "epoch_us", "offline_timestamp": "epoch_ms"},
    "event_id": {
        "hash": [
            USER_KEY,
            "ts",
            "ms_played",
            "COALESCE(spotify_track_uri, spotify_episode_uri)",
            NTH,
        ]
    },
}
FORMS: Final = {"endTime": (ACCOUNT, _ACCOUNT_BLOCK), "ts": (EXTENDED, _EXTENDED_BLOCK)}
"""The field that tells a form -> its columns and how they become listens."""


def import_history(path: Path, user_key: str, importer: Importer) -> Iterator[int]:
    """Import a .json or .zip file of one person; yields how many plays each file in it had.

    The id of a play comes from what it says and, of equal ones, its number in the file: importing
    the same history again, or an overlapping export, doubles nothing.

    Raises:
        ConfigError: not a file of that kind.
    """
    for name, text in _documents(path):
        plays = _plays(name, text)
        importer.tally.rows_n += len(plays)
        if plays:
            schema, block = _form(name, plays[0])
            rows = pl.DataFrame(plays, schema=schema, strict=False)
            rows = rows.with_columns(
                pl.lit(user_key).alias(USER_KEY),
                pl.int_range(1, pl.len() + 1).alias(ROW),
                pl.int_range(pl.len()).over(schema.names()).alias(NTH),
            )
            made = messages(rows, block, name, None)
            importer.take(made, block.contract, name)
        yield len(plays)


def _documents(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, text) of each history file."""
    try:
        if not zipfile.is_zipfile(path):
            yield path.name, path.read_bytes()
            return
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.namelist() if MEMBER.match(Path(one).name)]
            if not members:
                raise ConfigError(
                    "the archive holds no listening history (Streaming_History*.json).",
                    where=str(path),
                    todo="Ask Spotify for 'Extended streaming history' or 'Account data'.",
                )
            for member in sorted(members):
                yield f"{path.name}/{Path(member).name}", archive.read(member)
    except (OSError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"cannot read this file ({reason}).", where=str(path), todo="Check the path."
        ) from error


def _plays(name: str, text: bytes) -> Sequence[dict[str, Any]]:
    try:
        plays = json.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError("this is no UTF-8 text.", where=name, todo="Fetch it again.") from error
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"this is no JSON: {error.msg}.",
            where=f"{name}:{error.lineno}",
            todo="Fetch it again; a file that was cut off ends like this.",
        ) from error
    if not isinstance(plays, list) or not all(isinstance(one, dict) for one in plays):
        raise ConfigError(
            "a history is a list of plays; this is not.",
            where=name,
            todo="Name the files Streaming_History*.json of the export, or its .zip.",
        )
    return plays


def _form(name: str, play: dict[str, Any]) -> tuple[pl.Schema, Block]:
    for telling, (schema, block) in FORMS.items():
        if telling in play:
            document = Document(Path(name), block, {})
            return schema, BlockReader(document, (), block, None, SOURCE).read()
    raise ConfigError(
        f"these are no plays: fields {', '.join(sorted(play)[:6])}; a play has endTime or ts.",
        where=name,
        todo="Name the files Streaming_History*.json of the export, or its .zip.",
    )
