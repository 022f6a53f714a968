"""Forgetting a user leaves what the log without that user would have left, whenever it is asked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frames import arrived
from support.oracle import differences
from support.shard_logs import (
    OPTIMIZED,
    RULES,
    START_US,
    USERS,
    as_log,
    cut,
    interleaved,
    logs,
    plan,
)

from streams import erasing
from streams.flush import commit
from streams.warehouse import archive, archiving
from streams.warehouse.connect import open_writable, transaction
from streams.warehouse.content import content_of
from streams.warehouse.erasures import Request
from streams.warehouse.layout import FACT_TABLES
from streams.warehouse.migrate import migrate
from streams.warehouse.restore import drop_shards

pytestmark = [pytest.mark.property, pytest.mark.timeout(3_000)]

BOOKS = ("topic_shard", "shard_watermark")
MOMENTS = st.one_of(st.none(), st.integers(0, 3 * 86_400).map(lambda s: START_US + s * 1_000_000))


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    path = tmp_path_factory.mktemp("erasure") / "law.duckdb"
    con = open_writable(path, memory="500MB", threads_n=1)
    migrate(con, str(path))
    con.execute("INSERT INTO rules VALUES ([60, 3600, 86400], 60000000, 2592000000000, 0, 0, 0, 0)")
    yield con
    con.close()


def content(con, chunks, requests, at, moves_n=0, *, facts_max=erasing.FACTS_MAX):
    """The file after the chunks, each one flush; the requests come before chunk `at`.

    moves_n: how many pieces are archived after each flush, if so many are due.
    facts_max: how many facts are joined at once when somebody is erased.
    """
    with transaction(con):
        shown = archive.files_by_view(con)
        drop_shards(con, (0, 1))
        con.execute("DELETE FROM erasure")
        archive.show(con, shown)
    for number, chunk in enumerate([*chunks, []]):
        if number == min(at, len(chunks)):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(erasing, "FACTS_MAX", facts_max)
                erasing.erase(con, requests, RULES)
        commit(con, arrived(chunk), RULES)
        for _ in range(moves_n):
            pieces = archiving.due(con, after_us=1, rows_min=1)
            if pieces is not None:
                archiving.move(con, pieces[:1])
    assert con.sql("FROM pipeline_health WHERE NOT is_balanced").fetchall() == []
    return content_of(con)


def names(con, user):
    """Tables with a row that names the user."""
    tables = [row[0] for row in con.sql("SELECT table_name FROM duckdb_tables()").fetchall()]
    sql = "SELECT count(*) FROM {} t WHERE contains(to_json(t)::VARCHAR, ?)"
    return [t for t in tables if con.execute(sql.format(t), [user]).fetchall() != [(0,)]]


SCENARIOS = {
    "drawn": logs,
    "repeats": st.lists(st.integers(0, 100), max_size=4),
    "order": st.lists(st.integers(0, 100), max_size=30),
    "sizes": st.lists(st.integers(0, 8), max_size=6),
    "whom": st.lists(st.tuples(st.sampled_from(USERS), MOMENTS), min_size=1, max_size=3),
    "at": st.integers(0, 7),
    "moves_n": st.sampled_from((0, 0, 2)),
    "facts_max": st.sampled_from((1, 3, erasing.FACTS_MAX)),
}
FAST_EXAMPLES_N = 5
"""Each is seven logs."""
ALL_EXAMPLES_N = max(30, settings().max_examples // 5)


def hold_it_to_the_rest(con, drawn, repeats, order, sizes, whom, at, moves_n, facts_max):  # noqa: PLR0917
    log = as_log(drawn, repeats=repeats)
    requests = [Request(f"r{n}", user, n, before) for n, (user, before) in enumerate(whom)]
    first = content(con, [log], requests, 0)  # asked before anything came
    assert differences(con) == {}
    chunks = cut(interleaved(log, order), sizes)
    assert content(con, chunks, requests, at, moves_n, facts_max=facts_max) == first
    assert differences(con) == {}  # the oracle reads archived parts, too
    assert erasing.erase(con, requests, RULES).rows_n == {}  # twice is the same as once
    gone_n = con.sql("SELECT coalesce(sum(erased_n), 0)::BIGINT FROM topic_shard").fetchall()[0][0]
    for user, before in whom:
        if before is None:
            assert names(con, user) == []
    rest = without(log, whom)
    assert gone_n == ids_n(log) - ids_n(rest)
    assert content(con, [rest], [], 0).without(BOOKS) == first.without(BOOKS)


@settings(max_examples=FAST_EXAMPLES_N)
@given(**SCENARIOS)
def test_it_is_the_log_without_the_user_whenever_it_is_asked(con, **drawn):
    hold_it_to_the_rest(con, **drawn)


@pytest.mark.faults
@settings(max_examples=ALL_EXAMPLES_N)
@given(**SCENARIOS, is_optimized=OPTIMIZED)
def test_so_it_is_in_many_more_examples(con, is_optimized, **drawn):
    with plan(con, is_optimized=is_optimized):
        hold_it_to_the_rest(con, **drawn)


PERSONS = {
    "exposures": ("user_key", "unit_id"),
    "listens": ("user_key",),
    "feedback": ("user_key",),
    "judge-scores": (),
    "human-labels": ("rater_key",),
}


def without(log, whom):
    """The log without the events of these users, said in plain Python."""
    return [
        (topic, event)
        for topic, event in log
        if not any(
            user in [event.get(name) for name in PERSONS[topic.value]]
            and (before is None or event["event_time_us"] < before)
            for user, before in whom
        )
    ]


def ids_n(log):
    """How many events there are, each once."""
    return len({(topic, event["shard"], event["event_id"]) for topic, event in log})


@settings(max_examples=20)
@given(drawn=logs, whom=st.lists(st.tuples(st.sampled_from(USERS), MOMENTS), max_size=3))
def test_who_has_facts_is_who_stands_in_a_list_of_all_users(con, drawn, whom):
    requests = [Request(f"r{n}", user, n, before) for n, (user, before) in enumerate(whom)]
    content(con, [as_log(drawn, repeats=[])], [], 0)
    people = [
        user
        for topic, columns in PERSONS.items()
        for name in columns
        for (user,) in con.sql(f"SELECT {name} FROM {FACT_TABLES[topic]}").fetchall()
    ]
    moments = {user: [at for one, at in whom if one == user] for user in set(people)}
    expected = {u: None if None in at else max(at) for u, at in moments.items() if at}
    found = erasing.erasures.facts_keys(con, erasing.erasures.known_of(requests))
    assert dict(found.rows()) == expected
