"""Segments: which value a unit falls under, the same in any order of rows."""

from __future__ import annotations

import itertools

import duckdb

from analytics.segments import VALUES


def test_of_two_surfaces_met_at_one_moment_the_first_by_name_is_the_unit_s():
    rows = ["('voice', 'user', 'u', 'shelf', 1)", "('voice', 'user', 'u', 'car', 1)"]
    rows += ["('voice', 'user', 'u', NULL, 0)", "('voice', 'user', 'u', 'album', 2)"]
    found = set()
    for order in itertools.permutations(rows):
        with duckdb.connect() as con:
            con.execute(
                "CREATE TABLE exposure (experiment_id TEXT, unit_type TEXT, unit_id TEXT,"
                " surface TEXT, event_time_us BIGINT)"
            )
            con.execute(f"INSERT INTO exposure VALUES {', '.join(order)}")
            found.update(con.execute(VALUES["surface"], {"experiment": "voice"}).fetchall())
    assert found == {("voice", "user", "u", "car")}
