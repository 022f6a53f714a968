"""The miner finds what is planted, for the reason it is there, and lets nobody be recognised."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from support.disputed import disputed

from analytics.judges.curated import Caps, curated
from analytics.judges.identity import Instrument
from analytics.judges.mining import (
    HIGH_SKIPPED,
    KINDS,
    LOW_LIKED,
    Said,
    Terms,
    disagreements,
    ranks,
    read_heard,
    with_usual,
)
from listenback.cli import run

NAMES = ("items.jsonl", "items.parquet", "sft.jsonl", "sft.parquet")
NAMES = (*NAMES, "preference.jsonl", "preference.parquet", "README.md", "manifest.json")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = disputed(tmp_path_factory.mktemp("disputed") / "warehouse.duckdb")
    made.published.close()
    return made


def mined(world, folder, *options):
    return run(["mine", "--out", str(folder), "--warehouse", str(world.published.path), *options])


@pytest.fixture(scope="module")
def found(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mined") / "set"
    assert mined(world, folder) == 0
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_nine_of_ten_planted_disagreements_are_found_and_four_of_five_found_are_planted(
    world, found, kind
):
    items = pl.read_parquet(found / "items.parquet").filter(pl.col("kind") == kind)
    told = set(items["generation_id"])
    planted = world.planted[kind] - world.without_consent
    assert len(told & planted) / len(planted) >= 0.9
    assert len(told & planted) / len(told) >= 0.8


def test_no_item_without_consent_leaves(world, found):
    left = world.without_consent & set(world.planted[HIGH_SKIPPED])
    assert left  # else this would say nothing
    for name in NAMES:
        if name.endswith(".jsonl"):
            ids = {
                one.get(key)
                for one in map(json.loads, (found / name).read_text().splitlines())
                for key in ("generation_id", "chosen", "rejected")
            }
            assert not ids & world.without_consent
    manifest = json.loads((found / "manifest.json").read_text())
    assert manifest["left_out"]["without_consent"] == len(world.without_consent)


def test_no_file_names_a_listener_or_a_rater(found):
    assert {one.name for one in found.iterdir()} == set(NAMES)
    for name in NAMES:
        text = (found / name).read_bytes()
        assert b"user_key" not in text
        assert b"user-key-" not in text
        assert b"rater-key-" not in text
        if name.endswith(".parquet"):  # compressed pages hide text from a search of bytes
            frame = pl.read_parquet(found / name)
            words = frame.select(pl.col(pl.String)).write_csv()
            assert "user-key-" not in words
            assert "rater-key-" not in words


def test_every_item_has_at_least_k_listeners(world, tmp_path, found):
    assert pl.read_parquet(found / "items.parquet")["listeners"].min() >= 5
    folder = tmp_path / "set"
    assert mined(world, folder, "--k", "30") == 0
    assert pl.read_parquet(folder / "items.parquet")["listeners"].min() >= 30
    assert json.loads((folder / "manifest.json").read_text())["left_out"]["below_k"] > 1_000


def test_the_same_warehouse_gives_the_same_hash_and_other_terms_another(world, found, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    mined(world, again)
    mined(world, other, "--fdr", "0.01")
    hashes = [
        json.loads((one / "manifest.json").read_text())["content_hash"]
        for one in (found, again, other)
    ]
    assert hashes[0] == hashes[1] != hashes[2]
    assert (found / "items.jsonl").read_bytes() == (again / "items.jsonl").read_bytes()


def test_pairs_share_their_context_and_prefer_what_listeners_kept(found):
    pairs = pl.read_parquet(found / "preference.parquet")
    items = pl.read_parquet(found / "items.parquet")
    context = dict(items.select("generation_id", "taxonomy").iter_rows())
    liked = set(items.filter(pl.col("kind") == LOW_LIKED)["generation_id"])
    skipped = set(items.filter(pl.col("kind") == HIGH_SKIPPED)["generation_id"])
    assert pairs.height > 20
    assert set(pairs["chosen"]) <= liked
    assert set(pairs["rejected"]) <= skipped
    assert all(context[a] == context[b] for a, b in pairs.select("chosen", "rejected").iter_rows())
    assert pairs["chosen"].is_unique().all()
    assert pairs["rejected"].is_unique().all()
    by_bucket = dict(pairs.group_by("bucket").agg(pl.col("margin").min()).iter_rows())
    assert by_bucket.get("easy", 1) >= 0.4
    assert by_bucket.get("medium", 1) >= 0.2


def test_each_reason_says_what_people_did_and_what_is_usual(found):
    items = pl.read_parquet(found / "items.parquet")
    skipped = items.filter(pl.col("kind") == HIGH_SKIPPED)["reason"][0]
    assert "skipped it within 30 s" in skipped
    assert "is usual (place " in skipped


def test_a_set_takes_no_more_of_an_artist_than_it_may(world, tmp_path):
    folder = tmp_path / "set"
    mined(world, folder, "--per-artist", "1", "--per-context", "7")
    items = pl.read_parquet(folder / "items.parquet")
    by_artist = items.explode("artist_ids").group_by("kind", "artist_ids").len()
    assert by_artist["len"].max() == 1
    assert items.group_by("kind", "taxonomy").len()["len"].max() == 7


def test_a_folder_with_other_things_in_it_is_left_alone(world, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert mined(world, tmp_path) == 2
    assert "holds something else" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]


def test_nothing_to_tell_is_said_with_exit_code_four(world, tmp_path, capsys):
    assert mined(world, tmp_path / "set", "--k", "100000", "--json") == 4
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["kinds"] == {}
    assert manifest["files"]["items"]["rows"] == 0
    assert mined(world, tmp_path / "set", "--k", "100000") == 4
    assert "No item may leave." in capsys.readouterr().out


def test_what_is_usual_leaves_the_item_itself_out():
    items = pl.DataFrame(
        {
            **{name: ["a"] * 3 for name in ("surface", "place", "intent", "popularity")},
            "listeners": [100, 100, 50],
            "skipped": [100, 20, 10],
            "liked": [0, 5, 5],
        }
    )
    usual = with_usual(items)["usual_skipped"].to_list()
    everywhere = 130 / 250
    slow = [
        (sum(x for j, x in enumerate((100, 20, 10)) if j != i) + 50 * everywhere)
        / (sum(n for j, n in enumerate((100, 100, 50)) if j != i) + 50)
        for i in range(3)
    ]
    assert usual == pytest.approx(slow)


def test_ranks_are_shares_of_the_weight_below_and_equals_share_theirs():
    found = ranks(np.array([3.0, 1.0, 3.0, 2.0]), np.array([1.0, 2.0, 1.0, 4.0]))
    assert found == pytest.approx([7 / 8, 1 / 8, 7 / 8, 4 / 8])


def test_an_empty_find_makes_an_empty_set(world):

    con = world.published.open()
    items = read_heard(con, k=5).items
    con.close()
    scores = pl.DataFrame(
        schema={
            "generation_id": pl.String,
            **dict.fromkeys(("score", "low", "high", "weight"), pl.Float64),
        }
    )
    ratings = pl.DataFrame(
        schema={"generation_id": pl.String, "rater": pl.String, "value": pl.Float64}
    )
    said = Said(Instrument("a", "b", "c"), scores, ratings, higher_is_better=True)
    none = disagreements(items, said, Terms())
    made = curated(none, Caps())
    assert (made.items.height, made.sft.height, made.preference.height) == (0, 0, 0)
