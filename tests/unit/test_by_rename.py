"""Files that are there whole or as they were."""

from __future__ import annotations

import pytest
from support.full_disk import fill_the_disk_at

from streams.by_rename import or_config_error, write_whole
from streams.errors import ConfigError


def test_files_and_their_folders_are_made(tmp_path):
    first, second = tmp_path / "new" / "first", tmp_path / "second"
    write_whole({first: b"one", second: b"two"})
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["first", "new", "second"]


def test_where_one_cannot_be_written_all_stay_as_they_were(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"before")
    fill_the_disk_at(monkeypatch, nth=2)
    with pytest.raises(OSError, match="No space"):
        write_whole({first: b"one", second: b"two"})
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
    assert first.read_bytes() == b"before"


def test_a_refusal_says_what_where_why_and_what_to_do(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("a file")
    said = pytest.raises(ConfigError, match="written: a file has the folder's name")
    with said as told, or_config_error("the page cannot be written", where=taken, todo="Move it."):
        write_whole({taken / "page": b""})
    assert (told.value.where, told.value.todo) == (str(taken), "Move it.")


def test_what_is_no_refusal_of_the_file_system_passes_through(tmp_path):
    with (
        pytest.raises(KeyError),
        or_config_error("it cannot be written", where=tmp_path, todo="Try again."),
    ):
        {}["absent"]
