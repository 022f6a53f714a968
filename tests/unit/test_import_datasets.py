"""The mappings that are shipped turn public data into the events whose answers are known."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

import pytest
from support.importing import MAPPINGS, imported

from streams.events.topics import Topic

FILES = {
    "open-bandit": "open_bandit/open_bandit_men.parquet",
    "music-arena": "music_arena_votes/votes.csv.gz",
    "cookie-cats": "cookie_cats/cookie_cats.csv.gz",
    "spotify-account-table": "spotify_listening/account_history.parquet",
    "spotify-extended-table": "spotify_listening/extended_history.parquet",
}


@pytest.fixture(scope="module")
def data(shared):
    """(what was written, what is known) of a data set; nothing of it may be refused."""

    def read(name: str):
        path = shared / "data" / FILES[name]
        kept, tally = imported(path, MAPPINGS / f"{name}.yaml")
        assert tally.refused_n == 0
        return kept, json.loads((path.parent / "expected.json").read_text())

    return read


def test_open_bandit_has_every_impression_and_click(data):
    kept, known = data("open-bandit")
    shown = {one["generation_id"]: one for one in kept.values(Topic.EXPOSURES)}
    assert len(shown) == 20_000
    assert Counter(one["variant_id"] for one in shown.values()) == known["rows"]
    clicks = kept.values(Topic.FEEDBACK)
    policy = Counter(shown[one["generation_id"]]["variant_id"] for one in clicks)
    assert policy == known["clicks"]
    assert all(one["user_key"] == shown[one["generation_id"]]["user_key"] for one in clicks)
    by_position = Counter(
        (shown[one["generation_id"]]["variant_id"], shown[one["generation_id"]]["position"] + 1)
        for one in clicks
    )
    assert all(
        by_position[name, int(position)] == clicked
        for name, positions in known["clicks_by_position"].items()
        for position, (clicked, _) in positions.items()
    )


def test_music_arena_has_two_sides_two_scores_and_a_vote_a_battle(data):
    kept, known = data("music-arena")
    shown = {one["generation_id"]: one["variant_id"] for one in kept.values(Topic.EXPOSURES)}
    scores = {one["generation_id"]: one["score_value"] for one in kept.values(Topic.JUDGE_SCORES)}
    votes = kept.values(Topic.HUMAN_LABELS)
    assert len(shown) == len(scores) == 2 * known["rows"]
    assert Counter(one["preference"] for one in votes) == known["preference_counts"]
    agree = sum(
        (scores[one["generation_id"]] > scores[one["other_generation_id"]])
        == (one["preference"] == "A")
        for one in votes
    )
    assert agree == known["decisive"]["agree"]
    assert set(shown) == {
        one[name] for one in votes for name in ("generation_id", "other_generation_id")
    }


def test_cookie_cats_has_every_player_their_returns_and_their_rounds(data):
    kept, known = data("cookie-cats")
    variant = {one["user_key"]: one["variant_id"] for one in kept.values(Topic.EXPOSURES)}
    assert Counter(variant.values()) == known["users"]
    back = Counter(
        (one["event_time"], variant[one["user_key"]]) for one in kept.values(Topic.LISTENS)
    )
    for metric, day in (("retention_1", "2017-06-02"), ("retention_7", "2017-06-08")):
        for arm, name in (("control", "gate_30"), ("treatment", "gate_40")):
            assert back[f"{day}T12:00:00Z", name] == known[metric][arm][0]
    rounds = defaultdict(list)
    for one in kept.values(Topic.FEEDBACK):
        rounds[variant[one["user_key"]]].append(one["value"])
    means = [sum(rounds[name]) / len(rounds[name]) for name in ("gate_30", "gate_40")]
    assert means == pytest.approx(known["sum_gamerounds_means"])
    assert [max(rounds[name]) for name in ("gate_30", "gate_40")] == known["sum_gamerounds_max"]


def test_the_account_table_has_every_play_of_every_listener(data):
    kept, known = data("spotify-account-table")
    plays = kept.values(Topic.LISTENS)
    by_user = defaultdict(list)
    for one in plays:
        by_user[one["user_key"]].append(one["ms_played"])
    found = sorted((len(ms), sum(ms), sum(one < 30_000 for one in ms)) for ms in by_user.values())
    assert found == sorted(
        (one["plays"], one["sum_ms_played"], one["plays_under_30s"])
        for one in known["account_history"].values()
    )
    assert len({one["event_id"] for one in plays}) == len(plays)


def test_the_extended_table_keeps_reasons_and_flags(data):
    kept, known = data("spotify-extended-table")
    plays = kept.values(Topic.LISTENS)
    told = known["extended_history"]["u05"]
    assert len(plays) == told["rows"]
    assert sum(one["ms_played"] for one in plays) == told["sum_ms_played"]
    assert Counter(one["reason_end"] for one in plays) == {
        name.replace("-", "_"): n for name, n in told["reason_end"].items()
    }
    assert Counter(str(one["skipped"]) for one in plays) == told["skipped"]
