"""The artist view against sums of a loop, the chance of one artist against all pairs."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import numpy as np
import polars as pl
import pytest
from support.published import Published, config_of, day_us, mean_body, metric_yaml

from analytics.artists import LISTENERS_MIN, with_artists
from analytics.catalog import load_catalog
from analytics.nightly import Request, analyse
from analytics.stats.overlap import same_pick
from streams.errors import ConfigError

METRICS = (metric_yaml("minutes", mean_body("minutes")),)
USERS_N = 300
PLAN = """
id: e
title: Voices
control: control
variants: {control: 0.5, warm: 0.5}
metrics: {primary: metrics/minutes}
"""


def world():
    """Exposures and listens of two arms; `small` is streamed by three, `lost` less in warm."""
    rng = np.random.default_rng(11)
    shown, heard = [], []
    for user in range(USERS_N):
        variant = ("control", "warm")[user % 2]
        for number in range(int(rng.integers(0, 6))):
            chance = 0.5 if variant == "control" else 0.1
            artist = "lost" if rng.random() < chance else f"a{rng.integers(0, 9)}"
            if user < 6 and variant == "control" and number == 0:
                artist = "small"
            generation = f"g{user}-{number}"
            at_us = day_us(1, seconds=user * 60 + number)
            shown.append((generation, variant, f"u{user}", [artist], at_us))
            own = ["guest", "guest"] if rng.random() < 0.1 else None
            ms = int(rng.choice([10_000, 45_000], p=[0.3, 0.7]))
            private = bool(rng.random() < 0.1)
            heard.append((generation, f"u{user}", own, at_us + 30, ms, private))
    return shown, heard


def filled(path, shown, heard):
    published = Published(path)
    units = pl.DataFrame(
        {
            "unit_id": [f"u{user}" for user in range(USERS_N)],
            "variant_id": [("control", "warm")[user % 2] for user in range(USERS_N)],
            "exposures_n": 1,
            "day": 1,
        }
    )
    published.unit_days(units)
    both = [{"unit_id": "u0", "variant_id": "warm", "exposures_n": 1, "day": 1}]
    published.unit_days(both)  # u0 met both variants: in no arm
    names = ("generation_id", "variant_id", "user_key", "artist_ids", "event_time_us")
    rows = [dict(zip(names, one, strict=True)) for one in shown]
    fixed = {"experiment_id": "e", "unit_type": "user", "artist_consent": "opted_in"}
    ids = enumerate(rows)
    published.insert(
        "exposure",
        [{**row, **fixed, "unit_id": row["user_key"], "event_id": f"x{i}"} for i, row in ids],
    )
    names = ("generation_id", "user_key", "artist_ids", "event_time_us", "ms_played", "incognito")
    rows = [dict(zip(names, one, strict=True)) for one in heard]
    published.insert("listen", [{**row, "event_id": f"l{i}"} for i, row in enumerate(rows)])
    refused = {"topic": "exposures", "error_class": "consent_block", "refused_n": 1}
    published.insert("dead_letter_count", [refused])
    published.reach(9)
    return published


@pytest.fixture(scope="module")
def events():
    return world()


@pytest.fixture(scope="module")
def view(events, tmp_path_factory):
    folder = tmp_path_factory.mktemp("artists")
    published = filled(folder / "w.duckdb", *events)
    catalog = load_catalog(config_of(folder / "config", METRICS, PLAN))
    con = published.open()
    try:
        found = analyse(con, catalog, Request("w.duckdb", now_us=day_us(20)))
        return with_artists(con, found).artists
    finally:
        con.close()


@pytest.fixture(scope="module")
def credited(events):
    """By variant and unit how often which artist, and how many artists were new to the user."""
    shown, heard = events
    artists_of = {one[0]: (one[1], one[3]) for one in shown}
    found = {"control": defaultdict(Counter), "warm": defaultdict(Counter)}
    known, new = defaultdict(set), Counter()
    for generation, user, own, _, ms, private in sorted(heard, key=lambda one: one[3]):
        if ms < 30_000 or private:
            continue
        variant, artists = artists_of[generation]
        for artist in set(own or artists):
            if artist not in known[user]:
                new[user] += 1
                known[user].add(artist)
            if user != "u0":
                found[variant][user][artist] += 1
    return found, new


def totals(credited, *, with_u0=()):
    every = Counter(with_u0)
    for units in credited.values():
        for one in units.values():
            every.update(one)
    return every


def test_streams_are_credited_to_the_artists_of_the_listen_else_of_its_exposure(view, credited):
    found, _ = credited
    (one,) = view.comparisons
    assert (one.control, one.treatment) == ("control", "warm")
    for place, variant in enumerate(("control", "warm")):
        assert one.artists[place] == len(totals({variant: found[variant]}))
    assert view.blocked == 1
    assert view.exposures == view.opted_in > 0
    assert view.unnamed == 0


def test_shares_of_the_long_tail_and_new_artists_are_those_of_a_loop(view, credited):
    found, new = credited
    (one,) = view.comparisons
    assert view.head == 2  # a tenth of twelve artists, rounded up
    head = {artist for artist, _ in totals(found).most_common(view.head)}
    for side, variant in ((one.tail.control, "control"), (one.tail.treatment, "warm")):
        every = totals({variant: found[variant]})
        tail = sum(n for artist, n in every.items() if artist not in head)
        assert side.value == pytest.approx(tail / every.total())
    users = {"control": range(2, USERS_N, 2), "warm": range(1, USERS_N, 2)}
    for side, variant in ((one.new.control, "control"), (one.new.treatment, "warm")):
        mean = np.mean([new[f"u{user}"] for user in users[variant]])
        assert (side.n, side.value) == (len(users[variant]), pytest.approx(mean))
    assert one.tail.difference.low > 0  # what `lost` loses goes to the tail


def test_an_artist_that_loses_is_found_and_few_listeners_are_told_of_nobody(view, credited):
    found, _ = credited
    (one,) = view.comparisons
    listeners = Counter()
    for units in found.values():
        for counts in units.values():
            listeners.update(set(counts))
    enough = {artist for artist, n in listeners.items() if n >= LISTENERS_MIN}
    assert (one.tested, one.suppressed) == (len(enough), len(listeners) - len(enough))
    assert one.suppressed >= 1
    assert "small" not in {effect.artist for effect in one.lowest}
    worst = one.lowest[0]
    assert (worst.artist, worst.listeners) == ("lost", listeners["lost"])
    assert worst.difference.high < 0
    assert worst.p_adjusted < 1e-4
    assert one.fewer == 1
    streams = [sum(units[user]["lost"] for user in units) for units in found.values()]
    per_unit = [streams[0] / (USERS_N / 2 - 1), streams[1] / (USERS_N / 2)]
    assert worst.difference.estimate == pytest.approx(per_unit[1] - per_unit[0])


def chance(units):
    """Of all pairs of picks of two different units, the share of the same thing."""
    same = pairs = 0
    for a, b in itertools.permutations(range(len(units)), 2):
        pairs += sum(units[a]) * sum(units[b])
        same += sum(x * y for x, y in zip(units[a], units[b], strict=True))
    return same / pairs


def test_the_chance_of_one_artist_is_that_of_all_pairs_and_its_error_the_jackknife_s():
    units = np.random.default_rng(3).poisson(1.0, (25, 4))
    everybody = units.sum(axis=0)
    found = same_pick(units.sum(axis=1), (units**2).sum(axis=1), units @ everybody)
    assert found.mean == pytest.approx(chance(units.tolist()))
    without = [chance(np.delete(units, place, axis=0).tolist()) for place in range(25)]
    jackknife = np.sqrt(24 / 25 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert np.sqrt(found.se2) == pytest.approx(jackknife)


def test_its_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(8)
    popularity = np.array([0.4, 0.3, 0.2, 0.1])
    truth, inside = float((popularity**2).sum()), 0
    for _ in range(400):
        picks = rng.poisson(2.0, 200)
        units = np.array([rng.multinomial(n, popularity) for n in picks])
        found = same_pick(units.sum(axis=1), (units**2).sum(axis=1), units @ units.sum(axis=0))
        inside += abs(found.mean - truth) <= 1.96 * np.sqrt(found.se2)
    assert 363 <= inside <= 395  # binomial at 95 %, 1e-4 on either side


def test_nobody_and_a_single_listener_carry_no_chance():
    for picks in ([0.0, 0.0], [3.0, 0.0], [3.0]):
        squares = np.square(picks)
        assert np.isnan(same_pick(picks, squares, squares).mean)
    with pytest.raises(ConfigError, match="of one length"):
        same_pick([1.0, 2.0], [1.0], [1.0])


def test_where_nobody_names_an_artist_the_view_says_so(tmp_path):
    con = Published(tmp_path / "w.duckdb")
    con.reach(3)
    opened = con.open()
    try:
        catalog = load_catalog(config_of(tmp_path / "config", METRICS))
        found = analyse(opened, catalog, Request("w.duckdb", now_us=day_us(9)))
        assert with_artists(opened, found).artists.why_none.startswith("Neither")
    finally:
        opened.close()
