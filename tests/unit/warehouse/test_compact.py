import pytest
from support.log import batch, message
from support.oracle import differences

from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse import compact
from streams.warehouse.content import content_of


def listens(pipeline, *event_ids, first_offset):
    made = [message(Topic.LISTENS, event_id) for event_id in event_ids]
    pipeline.add(batch(Topic.LISTENS, made, first_offset=first_offset))
    pipeline.flush()


def exposure(pipeline, event_id="x1", *, first_offset=0, **fields):
    made = message(Topic.EXPOSURES, event_id, **fields)
    pipeline.add(batch(Topic.EXPOSURES, [made], first_offset=first_offset))
    pipeline.flush()


def rows_n(pipeline, table):
    return pipeline._con.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0]


@pytest.fixture
def pipeline(tmp_path):
    made = Pipeline(Settings(data_dir=tmp_path))
    made.assign(frozenset({0}))
    yield made
    made.close()


def test_folding_leaves_one_row_a_key_and_the_same_content(pipeline):
    exposure(pipeline)
    for n in range(4):
        listens(pipeline, f"l{n}", first_offset=n)
    before, appended_n = content_of(pipeline._con), rows_n(pipeline, "unit_day_sum")
    while compact.fold_if_due(pipeline._con, rows_min=1):
        pass
    assert content_of(pipeline._con) == before
    assert differences(pipeline._con) == {}
    keys = "SELECT DISTINCT experiment_id, variant_id, unit_type, unit_id, day FROM unit_day_sum"
    assert rows_n(pipeline, "unit_day_sum") == rows_n(pipeline, f"({keys})") < appended_n


def test_a_window_that_a_late_exposure_emptied_goes_when_folded(pipeline):
    listens(pipeline, "l1", first_offset=0)
    exposure(pipeline)
    orphans = "(FROM window_sum WHERE attribution = 'orphan')"
    assert rows_n(pipeline, orphans) > 0
    compact.fold(pipeline._con, "window_sum", 0)
    assert rows_n(pipeline, orphans) == 0
    assert differences(pipeline._con) == {}


def test_a_slice_is_folded_again_only_when_it_has_doubled(pipeline):
    listens(pipeline, "l0", first_offset=0)
    while compact.fold_if_due(pipeline._con, rows_min=1):
        pass
    listens(pipeline, "l1", first_offset=1)
    assert not compact.fold_if_due(pipeline._con, rows_min=1)
    listens(pipeline, "l2", first_offset=2)
    assert compact.fold_if_due(pipeline._con, rows_min=1)


def test_a_slice_that_folding_would_not_make_smaller_is_left_until_it_has_doubled(pipeline):
    users = [f"{n:064x}" for n in range(12)]
    for n, user in enumerate((*users, users[0])):
        made = message(Topic.LISTENS, f"l{n}", user_key=user)
        pipeline.add(batch(Topic.LISTENS, [made], first_offset=n))
        pipeline.flush()
    before = content_of(pipeline._con)
    while compact.fold_if_due(pipeline._con, rows_min=1):
        pass
    days = "unit_day_sum WHERE experiment_id = ''"
    assert rows_n(pipeline, days) == 13
    assert content_of(pipeline._con) == before
    noted = "SELECT folded_n FROM folded_slice WHERE table_name = 'unit_day_sum'"
    assert pipeline._con.sql(noted).fetchall() == [(rows_n(pipeline, "unit_day_sum"),)]
    for n in range(13, 40):  # the same twelve again
        made = message(Topic.LISTENS, f"l{n}", user_key=users[n % 12])
        pipeline.add(batch(Topic.LISTENS, [made], first_offset=n))
        pipeline.flush()
    while compact.fold_if_due(pipeline._con, rows_min=1):
        pass
    assert rows_n(pipeline, days) == 12
    assert differences(pipeline._con) == {}


def test_publishing_folds_what_is_due(pipeline, monkeypatch):
    monkeypatch.setattr(compact.fold_if_due, "__kwdefaults__", {"rows_min": 1})
    listens(pipeline, "l0", first_offset=0)
    pipeline.publish()
    assert rows_n(pipeline, "folded_slice") == 1


def test_rows_are_right_when_a_restart_and_a_folding_follow_each_flush(tmp_path):
    hour_s = 3_600
    steps = (
        lambda p: listens(p, "l0", first_offset=0),  # an orphan
        lambda p: exposure(p, experiment_id="e1", variant_id="a"),  # its exposure
        lambda p: exposure(p, "x2", first_offset=1, experiment_id="e2", variant_id="b"),
        lambda p: listens(p, "l1", first_offset=1),
        lambda p: exposure(  # an earlier one in the same experiment takes both plays over
            p, "x0", first_offset=2, experiment_id="e1", variant_id="c", late_s=-hour_s
        ),
        lambda p: exposure(p, "x3", first_offset=3, experiment_id="e1", late_s=hour_s),
    )
    for step in steps:
        worker = Pipeline(Settings(data_dir=tmp_path))
        worker.assign(frozenset({0}))
        step(worker)
        assert differences(worker._con) == {}
        for table in compact.FOLDED_TABLES:
            compact.fold(worker._con, table, 0)
        assert differences(worker._con) == {}
        worker.close()
