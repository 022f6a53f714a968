import json

import pytest
from support.log import batch, message

from listenback.cli import run
from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.settings import Settings


def published(folder, *events, cut=False):
    """The warehouse of a worker that read these listens."""
    settings = Settings(data_dir=folder)
    pipeline = Pipeline(settings)
    pipeline.assign(frozenset({0}))
    for offset, name in enumerate(events):
        pipeline.add(batch(Topic.LISTENS, [message(Topic.LISTENS, name)], first_offset=offset))
        if cut:
            pipeline.flush()
    pipeline.flush()
    pipeline.publish()
    pipeline.close()
    return str(settings.warehouse_file)


@pytest.fixture
def one(tmp_path):
    return published(tmp_path / "one", "l1", "l2")


def test_it_prints_a_line_a_table_and_the_hash_last(one, capsys):
    assert run(["hash", one, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert run(["hash", one]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["table", "rows", "hash"]
    assert [line.split()[0] for line in lines[1:-1]] == [part["table"] for part in told["parts"]]
    assert lines[-1] == told["hash"]
    assert run(["hash", one, "--shards"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["table", "shard", "rows", "hash"]


def test_the_same_log_otherwise_cut_is_the_same_content(one, tmp_path, capsys):
    other = published(tmp_path / "other", "l1", "l2", cut=True)
    assert run(["hash", one, "--against", other]) == 0
    assert capsys.readouterr().err == ""


def test_other_content_ends_with_5_and_names_the_tables(one, tmp_path, capsys):
    other = published(tmp_path / "other", "l1", "l3")
    assert run(["hash", one, "--against", other]) == 5
    said = capsys.readouterr().err
    assert "not the same content" in said
    assert "listen of shards 0" in said
    assert "topic_shard" not in said.partition("Compare")[0]


def test_a_file_that_is_not_there_is_said(tmp_path, capsys):
    assert run(["hash", str(tmp_path / "none.duckdb")]) == 2
    assert "no warehouse" in capsys.readouterr().err
