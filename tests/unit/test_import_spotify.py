"""Spotify's own exports become organic listens, and nothing personal comes along."""

from __future__ import annotations

import json
import zipfile

import polars as pl
import pytest
from support.importing import SECRET, importer

from streams.errors import ConfigError
from streams.events.contracts import LISTEN
from streams.events.decode import Batch, Limits, decode
from streams.events.identity import user_key
from streams.events.topics import Topic
from streams.importers.spotify import import_history

KEY = user_key(SECRET, "ada")
ACCOUNT = [
    {"endTime": "2021-04-22 05:41", "artistName": "A", "trackName": "T", "msPlayed": 6_408},
    {"endTime": "2021-04-22 05:41", "artistName": "A", "trackName": "T", "msPlayed": 0},
    {"endTime": "2021-04-22 05:41", "artistName": "A", "trackName": "T", "msPlayed": 0},
]
EXTENDED = {
    "ts": "2023-07-01T12:00:00Z",
    "username": "ada",
    "platform": "Android OS 11 API 30 (samsung, SM-1)",
    "ms_played": 90_500,
    "conn_country": "SE",
    "ip_addr_decrypted": "192.0.2.7",
    "user_agent_decrypted": "Mozilla",
    "master_metadata_track_name": "T",
    "master_metadata_album_artist_name": "A",
    "spotify_track_uri": "spotify:track:1",
    "episode_name": None,
    "reason_start": "clickrow",
    "reason_end": "unexpected-exit-while-paused",
    "shuffle": True,
    "skipped": None,
    "offline": False,
    "offline_timestamp": 1_688_212_700,
    "incognito_mode": True,
}


def history(path, plays):
    path.write_text(json.dumps(plays), encoding="utf-8")
    return path


def taken(*paths):
    one, kept = importer()
    for path in paths:
        list(import_history(path, KEY, one))
    return kept, one.tally


def accepted(kept) -> list[dict]:
    records = kept.records(Topic.LISTENS)
    batch = Batch(
        Topic.LISTENS,
        0,
        range(records.height),
        records["timestamp_ms"].to_list(),
        records["key"].to_list(),
        records["value"].to_list(),
    )
    return decode(batch, LISTEN, Limits()).accepted.to_dicts()


def test_the_account_form_says_the_stop_to_the_minute_and_no_reason(tmp_path):
    kept, tally = taken(history(tmp_path / "StreamingHistory0.json", ACCOUNT))
    first = accepted(kept)[0]
    assert (tally.rows_n, tally.sent_n, tally.refused_n) == (3, 3, 0)
    assert first["event_time_us"] == 1_619_070_060_000_000
    assert first["event_time_us"] - first["started_at_us"] == 6_408_000
    assert (first["reason_start"], first["reason_end"]) == ("unknown", "unknown")
    assert first["is_organic"] is True
    assert first["generation_id"] is None
    assert (first["artist_ids"], first["track_uri"]) == (["A"], "name:A - T")
    assert kept.records(Topic.LISTENS)["key"].to_list() == [KEY.encode()] * 3


def test_the_extended_form_keeps_what_the_contract_has(tmp_path):
    kept, _ = taken(history(tmp_path / "Streaming_History_Audio_2023.json", [EXTENDED]))
    (play,) = accepted(kept)
    assert play["event_time_us"] - play["started_at_us"] == 90_500_000
    assert play["reason_end"] == "unexpected_exit_while_paused"
    assert play["reason_end_raw"] is None
    assert (play["shuffle"], play["skipped"], play["incognito"]) == (True, None, True)
    assert (play["platform"], play["country"]) == ("android", "SE")
    assert play["track_uri"] == "spotify:track:1"
    assert play["offline_timestamp_us"] is None


@pytest.mark.parametrize("said", [1_688_212_700, 1_688_212_700_000])
def test_the_time_a_client_went_offline_may_be_in_seconds_or_milliseconds(tmp_path, said):
    play = {**EXTENDED, "offline": True, "offline_timestamp": said}
    kept, _ = taken(history(tmp_path / "a.json", [play]))
    assert accepted(kept)[0]["offline_timestamp_us"] == 1_688_212_700_000_000


def test_podcasts_are_listens_too(tmp_path):
    extended = {
        **EXTENDED,
        "spotify_track_uri": None,
        "master_metadata_album_artist_name": None,
        "episode_show_name": "Show",
        "spotify_episode_uri": "spotify:episode:2",
    }
    account = {
        "endTime": ACCOUNT[0]["endTime"],
        "podcastName": "Show",
        "episodeName": "E",
        "msPlayed": 1,
    }
    kept, _ = taken(
        history(tmp_path / "a.json", [extended]), history(tmp_path / "b.json", [account])
    )
    assert [play["track_uri"] for play in accepted(kept)] == ["spotify:episode:2", "name:Show - E"]
    assert [play["artist_ids"] for play in accepted(kept)] == [["Show"], ["Show"]]


def test_an_empty_reason_is_unknown_and_a_new_one_is_kept_as_other(tmp_path):
    plays = [{**EXTENDED, "reason_end": reason} for reason in ("", None, "teleported")]
    kept, _ = taken(history(tmp_path / "a.json", plays))
    assert [(play["reason_end"], play["reason_end_raw"]) for play in accepted(kept)] == [
        ("unknown", None),
        ("unknown", None),
        ("other", "teleported"),
    ]


def test_nothing_personal_is_written(tmp_path):
    kept, _ = taken(history(tmp_path / "a.json", [EXTENDED]))
    written = b"".join(kept.records(Topic.LISTENS)["value"])
    for personal in (b"ada", b"192.0.2.7", b"Mozilla", b"samsung", b"ip_addr", b"username"):
        assert personal not in written


def test_equal_plays_stay_apart_and_the_same_history_again_doubles_nothing(tmp_path):
    first, _ = taken(history(tmp_path / "a.json", ACCOUNT))
    again, _ = taken(history(tmp_path / "another name.json", [*ACCOUNT, EXTENDED | ACCOUNT[0]]))
    ids = [play["event_id"] for play in first.values(Topic.LISTENS)]
    assert len(set(ids)) == 3
    assert [play["event_id"] for play in again.values(Topic.LISTENS)][:3] == ids


def test_the_archive_is_read_without_unpacking(tmp_path):
    with zipfile.ZipFile(tmp_path / "my_spotify_data.zip", "w") as archive:
        archive.writestr("Spotify Account Data/StreamingHistory_music_0.json", json.dumps(ACCOUNT))
        archive.writestr("Spotify Account Data/Playlist1.json", "{}")
        archive.writestr("x/Streaming_History_Audio_2023_1.json", json.dumps([EXTENDED]))
    kept, tally = taken(tmp_path / "my_spotify_data.zip")
    assert tally.sent_n == 4
    alone, _ = taken(history(tmp_path / "a.json", ACCOUNT))
    ids = {play["event_id"] for play in kept.values(Topic.LISTENS)}
    assert {play["event_id"] for play in alone.values(Topic.LISTENS)} < ids


def test_plays_that_say_no_time_or_no_length_are_refused_one_by_one(tmp_path):
    plays = [ACCOUNT[0], {**ACCOUNT[0], "endTime": "soon"}, {**ACCOUNT[0], "msPlayed": None}, {}]
    kept, tally = taken(history(tmp_path / "a.json", plays))
    assert len(kept.values(Topic.LISTENS)) == 1
    assert tally.refused_n == 3


def test_a_history_without_plays_gives_nothing(tmp_path):
    kept, tally = taken(history(tmp_path / "a.json", []))
    assert kept.frames == []
    assert tally.rows_n == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'[{"endTime": "2021-04-22 05:41",\n', "this is no JSON"),
        (b"", "this is no JSON"),
        (b'{"playlists": []}', "a history is a list of plays"),
        (b"[1, 2]", "a history is a list of plays"),
        (b'[{"name": "x"}]', "these are no plays: fields name"),
        (b'["\xff"]', "no UTF-8 text"),
    ],
)
def test_what_is_no_history_is_one_line(tmp_path, content, why):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=why) as caught:
        taken(path)
    assert "a.json" in caught.value.where
    assert "\n" not in str(caught.value)


def test_an_archive_without_a_history_is_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("Playlist1.json", "{}")
    with pytest.raises(ConfigError, match="holds no listening history"):
        taken(tmp_path / "a.zip")


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot read this file"):
        taken(tmp_path / "a.json")


def test_real_tables_written_as_exports_give_every_play(shared, tmp_path):
    table = pl.read_parquet(shared / "data" / "spotify_listening" / "account_history.parquet")
    one = table.filter(user="u03").select(
        endTime="end_time", artistName="artist", trackName="track", msPlayed="ms_played"
    )
    _, tally = taken(history(tmp_path / "StreamingHistory0.json", one.to_dicts()))
    assert (tally.sent_n, tally.refused_n) == (2_109, 0)
