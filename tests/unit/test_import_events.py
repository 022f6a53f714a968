"""Rows become events: every value as the contract has it, every refusal counted with its reason."""

from __future__ import annotations

import gzip
import json

import polars as pl
import pytest
from support.importing import SECRET, imported

from streams.errors import ConfigError
from streams.events.identity import user_key
from streams.events.topics import Topic
from streams.importers import rows as rows_module
from streams.importers import tables
from streams.importers.importing import Reason

MAPPING = """\
name: plays
topic: listens
columns: {event_time: stopped, ms_played: ms}
hash_user: listener
"""
ROWS = [
    {"stopped": "2026-03-01T10:00:00Z", "ms": 1_000, "listener": "ada"},
    {"stopped": "2026-03-01T11:00:00+01:00", "ms": 2_000, "listener": "bob"},
    {"stopped": "2026-03-01T12:00:00.5Z", "ms": 3_000, "listener": "ada"},
]


@pytest.fixture
def mapping(tmp_path):
    def write(text: str = MAPPING):
        path = tmp_path / "plays.yaml"
        path.write_text(text)
        return path

    return write


def csv(path, text: str):
    path.write_text(text)
    return path


def table(folder, ending: str, rows=ROWS):
    path = folder / f"plays.{ending}"
    lines = "\n".join(json.dumps(row) for row in rows) + "\n"
    frame = pl.DataFrame(rows)
    if ending == "parquet":
        frame.write_parquet(path)
    elif ending == "csv":
        frame.write_csv(path)
    elif ending == "tsv":
        frame.write_csv(path, separator="\t")
    elif ending == "csv.gz":
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    elif ending == "jsonl.gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines)
    return path


@pytest.mark.parametrize(
    "ending", ["csv", "csv.gz", "tsv", "jsonl", "jsonl.gz", "ndjson", "parquet"]
)
def test_the_kind_of_file_makes_no_difference(tmp_path, mapping, ending):
    kept, tally = imported(table(tmp_path, ending), mapping())
    values = kept.values(Topic.LISTENS)
    assert [value["ms_played"] for value in values] == [1_000, 2_000, 3_000]
    assert [value["event_time"] for value in values] == [row["stopped"] for row in ROWS]
    assert [value["user_key"] for value in values] == [
        user_key(SECRET, row["listener"]) for row in ROWS
    ]
    assert tally.told() == {
        "rows_n": 3,
        "sent_n": 3,
        "refused_n": 0,
        "sent": {"listens": 3},
        "refused": [],
    }


def test_records_have_the_key_of_the_contract_and_the_time_of_the_event(tmp_path, mapping):
    kept, _ = imported(table(tmp_path, "csv"), mapping())
    records = kept.records(Topic.LISTENS)
    assert records["timestamp_ms"].to_list() == [1772359200000, 1772359200000, 1772366400500]
    assert records["key"][0] == user_key(SECRET, "ada").encode()


def test_with_a_record_time_of_now_what_is_older_than_the_horizon_is_refused(tmp_path, mapping):
    kept, tally = imported(
        table(tmp_path, "csv"), mapping(), record_time_ms=1_772_359_200_000 + 31 * 86_400_000
    )
    assert kept.frames == []
    assert tally.refused == {
        Reason(Topic.LISTENS, "late_beyond_horizon", "late_beyond_horizon", "event_time"): 3
    }


def test_the_same_file_gives_the_same_ids_and_another_name_gives_others(tmp_path, mapping):
    first = imported(table(tmp_path, "csv"), mapping())[0].values(Topic.LISTENS)
    again = imported(table(tmp_path, "csv"), mapping())[0].values(Topic.LISTENS)
    other = tmp_path / "other.csv"
    other.write_bytes((tmp_path / "plays.csv").read_bytes())
    others = imported(other, mapping())[0].values(Topic.LISTENS)
    ids = {value["event_id"] for value in first}
    assert len(ids) == 3
    assert first == again
    assert ids.isdisjoint(value["event_id"] for value in others)


def test_ids_may_be_hashed_from_columns_wherever_they_come_from(tmp_path, mapping):
    path = mapping(MAPPING + "event_id: {hash: [stopped, 'LOWER(listener)']}\n")
    first = imported(table(tmp_path, "csv"), path)[0].values(Topic.LISTENS)
    other = table(tmp_path, "jsonl", list(reversed(ROWS)))
    second = imported(other, path)[0].values(Topic.LISTENS)
    assert [value["event_id"] for value in first] == [
        value["event_id"] for value in reversed(second)
    ]


def test_hashed_parts_do_not_run_together(tmp_path, mapping):
    path = mapping(MAPPING + "event_id: {hash: [a, b]}\n")
    rows = [{**ROWS[0], "a": "x", "b": "yz"}, {**ROWS[0], "a": "xy", "b": "z"}]
    values = imported(table(tmp_path, "jsonl", rows), path)[0].values(Topic.LISTENS)
    assert values[0]["event_id"] != values[1]["event_id"]


def test_a_row_may_become_several_events(tmp_path, mapping):
    path = mapping(
        """\
x-id: &id {generation_id: "CONCAT('g-', _row)"}
events:
  - topic: exposures
    columns: {event_time: stopped, unit_id: listener}
    constants: {unit_type: session, experiment_id: e, variant_id: a}
    expressions: *id
    hash_user: listener
  - topic: feedback
    filter: ms >= 2000
    columns: {event_time: stopped}
    constants: {action: save}
    expressions: *id
    hash_user: listener
"""
    )
    kept, tally = imported(table(tmp_path, "jsonl"), path)
    assert tally.sent == {Topic.EXPOSURES: 3, Topic.FEEDBACK: 2}
    assert [value["generation_id"] for value in kept.values(Topic.FEEDBACK)] == ["g-2", "g-3"]
    assert len({value["event_id"] for value in kept.values(Topic.EXPOSURES)}) == 3


@pytest.mark.parametrize(
    ("times", "value", "expected"),
    [
        ("'%d.%m.%Y %H:%M'", "01.03.2026 10:00", "2026-03-01T10:00:00.000000Z"),
        ("'%Y-%m-%d %H:%M:%S%z'", "2026-03-01 10:00:00+0200", "2026-03-01T08:00:00.000000Z"),
        ("epoch_s", "1772359200", "2026-03-01T10:00:00.000000Z"),
        ("epoch_s", "1772359200.25", "2026-03-01T10:00:00.250000Z"),
        ("epoch_ms", 1_772_359_200_001, "2026-03-01T10:00:00.001000Z"),
        ("epoch_us", 1_772_359_200_000_001, "2026-03-01T10:00:00.000001Z"),
    ],
)
def test_times_are_read_as_the_mapping_says(tmp_path, mapping, times, value, expected):
    path = mapping(MAPPING + f"times: {{event_time: {times}}}\n")
    kept, _ = imported(table(tmp_path, "jsonl", [{**ROWS[0], "stopped": value}]), path)
    assert kept.values(Topic.LISTENS)[0]["event_time"] == expected


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Stockholm"])
def test_timestamps_of_parquet_files_need_no_format(tmp_path, mapping, zone):
    frame = pl.DataFrame(ROWS[:1]).with_columns(
        stopped=pl.datetime(2026, 7, 1, 10, time_zone=zone).dt.cast_time_unit("us")
    )
    frame.write_parquet(tmp_path / "plays.parquet")
    kept, _ = imported(tmp_path / "plays.parquet", mapping())
    hour = "08" if zone == "Europe/Stockholm" else "10"
    assert kept.values(Topic.LISTENS)[0]["event_time"] == f"2026-07-01T{hour}:00:00.000000Z"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("skipped", "TRUE", True),
        ("skipped", "no", False),
        ("skipped", 1, True),
        ("shuffle", "", None),
        ("n_seek_fwd", "7", 7),
        ("n_seek_fwd", 7.0, 7),
        ("playback_rate", "1.5", 1.5),
        ("playback_rate", "NaN", None),
        ("artist_ids", "x", ["x"]),
        ("artist_ids", ["x", "y"], ["x", "y"]),
        ("platform", 12, "12"),
    ],
)
def test_values_become_what_the_contract_has(tmp_path, mapping, field, value, expected):
    path = mapping(MAPPING.replace("ms_played: ms", f"ms_played: ms, {field}: extra"))
    rows = [{**ROWS[0], "extra": value}]
    kept, tally = imported(table(tmp_path, "jsonl", rows), path)
    assert tally.refused_n == 0
    assert kept.values(Topic.LISTENS)[0].get(field) == expected


@pytest.mark.parametrize(
    ("field", "value", "error_type"),
    [
        ("skipped", "perhaps", "no_flag"),
        ("n_seek_fwd", "seven", "no_whole"),
        ("n_seek_fwd", 7.5, "no_whole"),
        ("playback_rate", "fast", "no_real"),
        ("offline_timestamp", 1_772_359_200, "no_instant"),
        ("platform", {"a": "b"}, "no_text"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_first_row(
    tmp_path, mapping, field, value, error_type
):
    path = mapping(MAPPING.replace("ms_played: ms", f"ms_played: ms, {field}: extra"))
    rows = [{**ROWS[0], "extra": None}, {**ROWS[1], "extra": value}, {**ROWS[2], "extra": value}]
    kept, tally = imported(table(tmp_path, "jsonl", rows), path)
    assert len(kept.values(Topic.LISTENS)) == 1
    (told,) = tally.told()["refused"]
    assert (told["error_type"], told["field"], told["n"]) == (error_type, field, 2)
    assert (told["first_file"], told["first_row"]) == ("plays.jsonl", 2)


def test_what_the_contract_refuses_is_counted_by_reason(tmp_path, mapping):
    rows = [{**ROWS[0], "ms": -5}, ROWS[1], {**ROWS[2], "stopped": "noon"}, {**ROWS[2], "ms": None}]
    kept, tally = imported(table(tmp_path, "jsonl", rows), mapping())
    assert len(kept.values(Topic.LISTENS)) == 1
    assert {(reason.error_type, tally.first[reason][1]) for reason in tally.refused} == {
        ("greater_than_equal", 1),
        ("timestamp", 3),
        ("missing", 4),
    }


def test_rows_on_which_an_expression_fails_are_refused_and_the_rest_imported(tmp_path, mapping):
    path = mapping(
        MAPPING.replace("ms_played: ms", "") + "expressions: {ms_played: CAST(ms AS BIGINT)}\n"
    )
    text = "stopped,ms,listener\n" + "".join(
        f"2026-03-01T10:00:00Z,{'secret' if n % 7 == 3 else n},ada\n" for n in range(40)
    )
    kept, tally = imported(csv(tmp_path / "plays.csv", text), path)
    assert [one["ms_played"] for one in kept.values(Topic.LISTENS)] == [
        n for n in range(40) if n % 7 != 3
    ]
    (told,) = tally.told()["refused"]
    assert (told["n"], told["field"], told["first_row"]) == (6, "ms_played", 4)
    assert "secret" not in told["why"]


def test_an_expression_that_fails_too_often_ends_the_import(tmp_path, mapping, monkeypatch):
    monkeypatch.setattr(rows_module, "FAILURES_MAX", 3)
    path = mapping(
        MAPPING.replace("ms_played: ms", "") + "expressions: {ms_played: CAST(ms AS BIGINT)}\n"
    )
    text = "stopped,ms,listener\n" + "2026-03-01T10:00:00Z,x,ada\n" * 9
    with pytest.raises(ConfigError, match="fails for more than 3 rows, first for row 1"):
        imported(csv(tmp_path / "plays.csv", text), path)


def test_an_expression_that_fits_no_row_is_a_mistake_of_the_mapping(tmp_path, mapping):
    path = mapping(MAPPING + "filter: ms > 3\n")
    with pytest.raises(ConfigError, match="makes a number") as caught:
        imported(table(tmp_path, "csv"), path)
    assert caught.value.where.endswith("plays.yaml:5")


def test_a_column_that_is_not_there_is_named_with_a_hint(tmp_path, mapping):
    path = mapping(MAPPING.replace("stopped", "stoped"))
    with pytest.raises(ConfigError, match="Did you mean 'stopped'") as caught:
        imported(table(tmp_path, "csv"), path)
    assert "plays.csv has no column 'stoped'" in caught.value.what
    assert caught.value.where.endswith("plays.yaml:3")


def test_how_the_file_is_cut_changes_nothing(tmp_path, mapping, monkeypatch):
    rows = [{**ROWS[n % 3], "ms": n} for n in range(500)]
    rows[50]["title"] = "one of the few"
    path = mapping(MAPPING.replace("ms_played: ms", "ms_played: ms, track_uri: title"))
    rows[0]["title"] = None
    whole = imported(table(tmp_path, "jsonl", rows), path)[0].records(Topic.LISTENS)
    monkeypatch.setattr(tables, "ROWS_MAX", 7)
    assert imported(tmp_path / "plays.jsonl", path)[0].records(Topic.LISTENS).equals(whole)
    csv_whole = imported(table(tmp_path, "csv", rows), path)[0].records(Topic.LISTENS)
    monkeypatch.setattr(tables, "CSV_BLOCK_BYTES", 300)
    kept, _ = imported(tmp_path / "plays.csv", path)
    assert len(kept.frames) > 10
    assert kept.records(Topic.LISTENS).equals(csv_whole)


def test_torn_lines_of_a_csv_are_refused_and_rows_keep_their_numbers(
    tmp_path, mapping, monkeypatch
):
    monkeypatch.setattr(tables, "CSV_BLOCK_BYTES", 200)
    torn = {4, 17, 18, 30}
    text = "stopped,ms,listener\n" + "".join(
        "torn\n" if n in torn else f"2026-03-01T10:00:00Z,{n},ada\n" for n in range(1, 31)
    )
    path = mapping(MAPPING.replace("ms_played: ms", "ms_played: ms, track_uri: _row"))
    kept, tally = imported(csv(tmp_path / "plays.csv", text), path)
    values = kept.values(Topic.LISTENS)
    assert [int(value["track_uri"]) for value in values] == [
        n for n in range(1, 31) if n not in torn
    ]
    assert all(int(value["track_uri"]) == value["ms_played"] for value in values)
    (told,) = tally.told()["refused"]
    assert (told["error_type"], told["n"], told["first_row"]) == ("cells", 4, 4)
    assert tally.rows_n == 30


def test_broken_lines_of_json_are_refused_and_the_rest_imported(tmp_path, mapping):
    path = tmp_path / "plays.jsonl"
    lines = [json.dumps(ROWS[0]), "{broken", "", "[1]", json.dumps(ROWS[1])]
    path.write_text("\n".join(lines))
    kept, tally = imported(path, mapping())
    assert [value["ms_played"] for value in kept.values(Topic.LISTENS)] == [1_000, 2_000]
    (told,) = tally.told()["refused"]
    assert (told["error_type"], told["n"], told["first_row"]) == ("json", 2, 2)
    assert tally.rows_n == 4


def test_a_file_of_broken_lines_is_refused_line_by_line(tmp_path, mapping):
    path = tmp_path / "plays.jsonl"
    path.write_text("{\n}\n")
    kept, tally = imported(path, mapping())
    assert kept.frames == []
    assert (tally.rows_n, tally.refused_n) == (2, 2)


def test_json_may_leave_out_what_is_null_later_in_the_file(tmp_path, mapping, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_MAX", 1)
    path = mapping(MAPPING.replace("ms_played: ms", "ms_played: ms, platform: device"))
    rows = [{**ROWS[0], "device": "ios"}, ROWS[1]]
    kept, tally = imported(table(tmp_path, "jsonl", rows), path)
    assert [value.get("platform") for value in kept.values(Topic.LISTENS)] == ["ios", None]
    assert tally.refused_n == 0


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("plays.csv", b"", "the file is empty"),
        ("plays.csv", b"a,a\n1,2\n", "names 'a' twice"),
        ("plays.csv", b"stopped,ms,listener\n\xff,1,2\n", "no UTF-8 text"),
        ("plays.csv.gz", b"not gzip at all", "cannot"),
        ("plays.jsonl.gz", b"not gzip at all", "compression is broken"),
        (
            "plays.jsonl.gz",
            gzip.compress(b'{"a": 1}\n' * 99, mtime=0)[:-9],
            "compression is broken",
        ),
        ("plays.parquet", b"PAR1 not really", "cannot be read"),
        ("plays.xlsx", b"", "no kind of table that is known"),
        ("plays", b"", "no kind of table that is known"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_one_line(tmp_path, mapping, name, content, why):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=why) as caught:
        imported(tmp_path / name, mapping())
    assert name in caught.value.where
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["plays.csv", "plays.jsonl", "plays.parquet"])
def test_a_missing_file_is_one_line(tmp_path, mapping, name):
    with pytest.raises(ConfigError, match="cannot read this file"):
        imported(tmp_path / name, mapping())


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_without_rows_gives_nothing(tmp_path, mapping, ending):
    path = tmp_path / f"plays.{ending}"
    frame = pl.DataFrame(ROWS).clear()
    frame.write_csv(path) if ending == "csv" else frame.write_parquet(path)
    kept, tally = imported(path, mapping())
    assert kept.frames == []
    assert (tally.rows_n, tally.refused_n) == (0, 0)


def test_text_that_looks_like_a_null_survives(tmp_path, mapping):
    text = r'say "x":null, or \"y\":null,'
    path = mapping(MAPPING.replace("ms_played: ms", "ms_played: ms, track_uri: title"))
    kept, _ = imported(table(tmp_path, "jsonl", [{**ROWS[0], "title": text}]), path)
    assert kept.values(Topic.LISTENS)[0]["track_uri"] == text
