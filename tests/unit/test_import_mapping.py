"""A mapping file is read, or the line that is wrong is named."""

from __future__ import annotations

import re

import pytest
from support.importing import MAPPINGS

from streams.errors import ConfigError
from streams.events.topics import Topic
from streams.importers.mapping import read_mapping

GOOD = """\
name: plays
topic: listens
columns:
  event_time: stopped
  ms_played: ms
hash_user: listener
"""


def written(folder, text: str):
    path = folder / "plays.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_mapping_that_is_shipped_can_be_read(path):
    mapping = read_mapping(path)
    assert mapping.name == path.stem
    assert mapping.blocks


def test_a_sole_block_needs_no_list(tmp_path):
    (block,) = read_mapping(written(tmp_path, GOOD)).blocks
    assert block.contract.topic == Topic.LISTENS
    assert set(block.fields) == {"event_time", "ms_played", "user_key", "source"}
    assert block.users == {"user_key"}


def test_the_topic_may_come_from_the_command_line(tmp_path):
    path = written(tmp_path, GOOD.replace("topic: listens\n", ""))
    assert read_mapping(path, "listens").blocks[0].contract.topic == Topic.LISTENS
    with pytest.raises(ConfigError, match="says no topic"):
        read_mapping(path)


def test_a_topic_keeps_only_its_blocks():
    mapping = read_mapping(MAPPINGS / "music-arena.yaml", "judge-scores")
    assert [block.contract.topic for block in mapping.blocks] == [Topic.JUDGE_SCORES] * 2
    with pytest.raises(ConfigError, match="no block is for topic 'feedback'"):
        read_mapping(MAPPINGS / "music-arena.yaml", "feedback")
    with pytest.raises(ConfigError, match="Did you mean 'judge-scores'"):
        read_mapping(MAPPINGS / "music-arena.yaml", "judge-score")


@pytest.mark.parametrize(
    ("before", "after", "line", "why"),
    [
        ("columns:", "colums:", 3, "Did you mean 'columns'?"),
        ("  ms_played: ms", "  ms_playd: ms", 5, "Did you mean 'ms_played'?"),
        ("topic: listens", "topic: listen", 2, "Did you mean 'listens'?"),
        ("  ms_played: ms\n", "", 1, "needs ms_played"),
        ("hash_user: listener\n", "", 1, "needs user_key"),
        ("hash_user: listener", "hash_user: [listener]", 6, "hash_user is an object"),
        ("columns:", "columns: x\nx-rest:", 3, "columns is an object of fields"),
        ("name: plays", "name: plays\ndelimiter: ';;'", 2, "a delimiter is one character"),
        ("name: plays", "name: plays\nname: again", 1, "'name' stands twice"),
        ("name: plays", "name: [plays", 2, "this is no YAML"),
        ("name: plays", "name: plays\nfilter: a ==", 2, "is no SQL expression"),
        ("name: plays", "name: plays\nfilter: a > AVG(a)", 2, "'AVG' looks at more than one row"),
        ("name: plays", "name: plays\nfilter: (SELECT 1) = a", 2, "'SELECT' looks at more"),
        ("name: plays", "name: plays\nevents: 3", 3, "'topic' is no key here"),
        ("name: plays", "name: plays\nevent_id: {md5: [a]}", 2, "Write `event_id: {hash: ["),
        ("name: plays", "name: plays\nids: {event_time: {hash: [a]}}", 1, "two sources"),
        ("name: plays", "name: plays\ntimes: {ms_played: epoch_s}", 2, "is no time that this"),
        ("name: plays", "name: plays\ntimes: {event_time: epoch}", 2, "Write rfc3339, epoch_s"),
        ("name: plays", "constants: {event_time: x}", 1, "'event_time' has two sources"),
        ("name: plays", "constants: {reason_end: trackdoen}", 1, "Did you mean 'trackdone'?"),
        ("name: plays", "constants: {ip_addr: x}", 1, "has no field 'ip_addr'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, before, after, line, why):
    assert before in GOOD
    with pytest.raises(ConfigError, match=re.escape(why)) as caught:
        read_mapping(written(tmp_path, GOOD.replace(before, after)))
    assert caught.value.where.endswith(f"plays.yaml:{line}")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a mapping is a YAML object"),
        ("- 1", "a mapping is a YAML object"),
        ("events: []", "events is a list of blocks"),
        ("events: [3]", "a block is a YAML object"),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path, text, why):
    with pytest.raises(ConfigError, match=why):
        read_mapping(written(tmp_path, text))


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="No such file") as caught:
        read_mapping(tmp_path / "none.yaml")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "plays.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no UTF-8 text"):
        read_mapping(path)


def test_an_evaluator_epoch_may_be_left_to_its_parts(tmp_path):
    text = (MAPPINGS / "music-arena.yaml").read_text().replace("  rubric_hash: none\n", "")
    with pytest.raises(ConfigError, match="needs evaluator_epoch"):
        read_mapping(written(tmp_path, text))
