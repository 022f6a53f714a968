"""What a flush reads follows what it touches, not what is open."""

import pytest
from support.frames import arrived, frame

from streams.engine import apply, join
from streams.engine.rules import Rules
from streams.events.topics import JOINED_TOPICS, Topic
from streams.flush import commit
from streams.warehouse import state
from streams.warehouse.connect import open_writable
from streams.warehouse.migrate import migrate

RULES = Rules((60,), 60_000_000)
AT_US = 1_700_000_000_000_000


def event(topic, user, offset, **fields):
    common = {"generation_id": "cover", "user_key": user, "source": "s", "shard": 0}
    times = {"event_time_us": AT_US + offset * 1_000_000, "record_time_us": AT_US}
    return topic, {**common, **times, "event_id": f"{topic}{offset}", "offset": offset, **fields}


def shown(user, offset, **fields):
    own = {"experiment_id": "e", "variant_id": "v", "unit_type": "user", "unit_id": user}
    return event(Topic.EXPOSURES, user, offset, **{**own, **fields})


def played(user, offset):
    return event(Topic.LISTENS, user, offset, ms_played=1_000)


def new(*entries):
    of = {topic: [fields for kind, fields in entries if kind is topic] for topic in JOINED_TOPICS}
    return apply.new_of({topic: frame(topic, events) for topic, events in of.items()})


@pytest.fixture
def con(tmp_path):
    con = open_writable(tmp_path / "w.duckdb", memory="500MB", threads_n=1)
    migrate(con, "here")
    con.execute("INSERT INTO rules (window_sizes_s, out_of_orderness_us) VALUES ([60], 60000000)")
    commit(con, arrived([shown(f"u{n}", n) for n in range(500)]), RULES)
    yield con
    con.close()


def test_a_play_of_what_many_were_shown_reads_its_own_pair(con):
    assert state.firsts(con, new(played("u7", 0)))["user_key"].to_list() == ["u7"]


def test_a_score_of_what_many_were_shown_reads_counts_per_window(con):
    score = event(Topic.JUDGE_SCORES, None, 0, dimension="d", evaluator_epoch="e1", score_value=1.0)
    events = new(score)
    meetings = join.meetings(state.firsts(con, events), events.exposures)
    found = state.stored(con, events, meetings, RULES).shown
    assert found["pairs_n"].sum() == 500
    assert found.height == 9  # 500 s, in windows of a minute


def test_facts_are_read_again_only_for_pairs_that_had_activity(con):
    commit(con, arrived([played("u7", 0), played("u8", 1)]), RULES)
    other = [shown(f"u{n}", 600 + n, experiment_id="f") for n in (7, 9)]
    events = new(*other)
    meetings = join.meetings(state.firsts(con, events), events.exposures)
    found = state.stored(con, events, meetings, RULES).earlier
    assert found.select("user_key", "starts_n").rows() == [("u7", 1)]
    assert meetings.met_anew().height == 2


def test_what_waits_is_found_when_its_exposure_comes(con):
    commit(con, arrived([played("new", 0), played("other", 1)]), RULES)
    events = new(shown("new", 600))
    meetings = join.meetings(state.firsts(con, events), events.exposures)
    found = state.stored(con, events, meetings, RULES).earlier
    assert found.select("user_key", "starts_n").rows() == [("new", 1)]
