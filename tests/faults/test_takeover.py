"""A shard that moves is restored from the most advanced copy and not read again from its start."""

from __future__ import annotations

import json
import re

import duckdb
from support.audit import audit
from support.fleet import READING
from support.traffic import Traffic

from streams.events.topics import JOINED_TOPICS
from streams.topics import partition_states

RESTORED = re.compile(r"shard (\d+): (\d+) messages from (\S+)")


def send(fleet, events_n, seed):
    with Traffic(fleet.settings, events_n=events_n, seed=seed, pause_s=0.0) as traffic:
        pass
    return traffic.sent_n


def progress(file):
    """Messages read per shard, as a file says."""
    with duckdb.connect(str(file), read_only=True) as con:
        rows = con.execute("SELECT shard, sum(read_n)::BIGINT FROM topic_shard GROUP BY shard")
        return dict(rows.fetchall())


def restored(worker):
    return {
        int(shard): (int(count), file) for shard, count, file in RESTORED.findall(worker.said())
    }


def log_n(fleet):
    names = {fleet.settings.topic(topic) for topic in JOINED_TOPICS}
    return sum(one.end_offset for one in partition_states(fleet.settings) if one.topic in names)


def told(worker):
    return json.loads(worker.said()[worker.said().index("{") :])


def test_a_new_worker_goes_on_where_the_copies_of_the_gone_one_end(kafka, fleet_on):
    fleet = fleet_on(kafka)
    first_n = send(fleet, 10_000, seed=1)
    fleet.finish("gone")
    second_n = send(fleet, 3_000, seed=2)
    heir = fleet.start("heir", "--until-idle", "2", "--json")
    assert heir.ended() == 0, heir.said()
    published = progress(fleet.settings.published_dir / "worker-gone.duckdb")
    assert restored(heir) == {n: (count, "worker-gone.duckdb") for n, count in published.items()}
    assert (sum(published.values()), told(heir)["read_n"]) == (first_n, second_n)
    fleet.finish("heir")
    assert audit(fleet.settings, fleet.settings.warehouse_file).is_clean


def test_shards_of_a_killed_worker_go_on_at_its_last_snapshot(kafka, fleet_on):
    fleet = fleet_on(kafka, flush_rows_max=500)
    with Traffic(fleet.settings, events_n=20_000, seed=3, pause_s=0.05):
        stays, dies = fleet.start("stays"), fleet.start("dies")
        fleet.until(lambda: READING in stays.said() and READING in dies.said())
        copy = fleet.settings.published_dir / "worker-dies.duckdb"
        fleet.until(lambda: copy.exists() and sum(progress(copy).values()) > 1_000)
        dies.kill()
        at_death = progress(copy)
        fleet.until(lambda: set(at_death) <= set(restored(stays)))
    found = restored(stays)
    assert {n: found[n] for n in at_death} == {
        n: (count, "worker-dies.duckdb") for n, count in at_death.items()
    }
    stays.kill()
    last = fleet.start("stays", "--until-idle", "2", "--json")
    assert last.ended() == 0, last.said()
    assert told(last)["read_n"] < log_n(fleet) / 2 or restored(last) == {}
    fleet.finish("stays")
    assert audit(fleet.settings, fleet.settings.warehouse_file).is_clean


def test_a_worker_that_lost_its_disk_finds_its_shards_in_its_own_snapshot(kafka, fleet_on):
    fleet = fleet_on(kafka)
    first_n = send(fleet, 5_000, seed=4)
    fleet.finish("a")
    for file in fleet.settings.worker_file.parent.glob("*"):
        file.unlink()
    again = fleet.start("a", "--until-idle", "2", "--json")
    assert again.ended() == 0, again.said()
    assert (told(again)["read_n"], sum(n for n, _ in restored(again).values())) == (0, first_n)
