"""Real data with known answers through the whole path: importer, Kafka, worker, DuckDB, report."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from streams.pipeline import Pipeline
from streams.topics import create_topics
from streams.worker import WorkerOptions, run_worker

pytestmark = [pytest.mark.integration, pytest.mark.release]  # half a minute on either broker

HERE = Path(__file__).parent / "real_input"
ROOT = Path(__file__).parents[2]
LISTENBACK = Path(sys.executable).with_name("listenback")


class WholePath:
    """From files to a published warehouse and a report, as a person would run it."""

    def __init__(self, settings):
        self.settings = settings
        create_topics(settings)

    def listenback(self, *arguments):
        """The command's JSON; its stderr where it fails."""
        environment = {
            **os.environ,
            "LISTENBACK_BOOTSTRAP": self.settings.bootstrap,
            "LISTENBACK_TOPIC_PREFIX": self.settings.topic_prefix,
            "LISTENBACK_USER_KEY_SECRET": "a secret of the tests, long enough to be one",
        }
        command = [str(LISTENBACK), *map(str, arguments), "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def imported(self, file, mapping):
        """Import a table, then join all that is there."""
        told = self.listenback(
            "import", "events", file, "--mapping", ROOT / "config" / "mappings" / mapping
        )
        self.joined()
        return told

    def joined(self):
        sink = Pipeline(self.settings)
        try:
            return run_worker(self.settings, sink, WorkerOptions(until_idle_s=1.0))
        finally:
            sink.close()

    def report(self, config):
        found = self.listenback(
            "report", "--warehouse", self.settings.warehouse_file, "--config", HERE / config
        )
        (experiment,) = found["experiments"]
        return found, experiment, {one["metric"]: one for one in experiment["comparisons"]}

    def query(self, sql):
        with duckdb.connect(str(self.settings.warehouse_file), read_only=True) as con:
            return con.sql(sql).pl()


@pytest.fixture
def path(make_settings):
    return WholePath(make_settings())


def expected(shared, name):
    folder = shared / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder, json.loads((folder / "expected.json").read_text())


def test_open_bandit_has_its_click_rates_and_p(path, shared):
    folder, known = expected(shared, "open_bandit")
    path.imported(folder / "open_bandit_men.parquet", "open-bandit.yaml")
    _, experiment, metrics = path.report("open-bandit")
    rate, answer = metrics["metrics/click-rate"], known["bts_v_random"]
    assert experiment["units"] == {"random": 10_000, "bts": 10_000}
    assert rate["shares"]["control"] == answer["control"]
    assert rate["shares"]["treatment"] == answer["treatment"]
    assert rate["control"]["value"] == pytest.approx(answer["rate_control"], rel=1e-12)
    assert rate["treatment"]["value"] == pytest.approx(answer["rate_treatment"], rel=1e-12)
    assert rate["raw"]["p"] == pytest.approx(answer["p_pooled"], rel=1e-9)
    assert rate["shares"]["ci95_unpooled"] == pytest.approx(answer["ci95_unpooled"], rel=1e-9)
    by_day = path.query(
        "SELECT variant_id || ' ' || strftime(window_start, '%Y-%m-%d') AS day, "
        "sum(other_feedback_n)::BIGINT AS clicks, sum(exposures_n)::BIGINT AS impressions "
        "FROM window_aggregate WHERE basis = 'exposure' AND size_s = 86400 GROUP BY ALL"
    )
    found = {day: [clicks, impressions] for day, clicks, impressions in by_day.rows()}
    assert found == known["clicks_and_impressions_by_utc_day"]


def test_cookie_cats_has_its_differences_and_shows_the_sample_ratio_without_alarm(path, shared):
    folder, known = expected(shared, "cookie_cats")
    path.imported(folder / "cookie_cats.csv.gz", "cookie-cats.yaml")
    _, experiment, metrics = path.report("cookie-cats")
    assert experiment["units"] == known["users"]
    for day in ("1", "7"):
        answer, found = known[f"retention_{day}"], metrics[f"metrics/retention-{day}"]
        assert found["shares"]["control"] == answer["control"]
        assert found["shares"]["treatment"] == answer["treatment"]
        assert found["raw"]["estimate"] == pytest.approx(answer["diff"], rel=1e-9)
        assert found["raw"]["p"] == pytest.approx(answer["p_pooled"], rel=1e-9)
    rounds, welch = metrics["metrics/rounds"]["raw"], known["sum_gamerounds_welch"]
    assert rounds["estimate"] == pytest.approx(welch["diff"], rel=1e-9)
    assert rounds["p"] == pytest.approx(welch["p"], rel=1e-9)
    assert [rounds["low"], rounds["high"]] == pytest.approx(welch["ci95"], rel=1e-9)
    ratio = experiment["sample_ratio"]
    assert ratio["p"] == pytest.approx(known["srm_chi2"]["p"], rel=1e-9)
    assert (ratio["threshold"], ratio["alarm"]) == (0.001, False)


def test_music_arena_judge_agrees_with_429_of_799_votes(path, shared):
    folder, known = expected(shared, "music_arena_votes")
    path.imported(folder / "votes.csv.gz", "music-arena.yaml")
    found = path.listenback("report", "--warehouse", path.settings.warehouse_file)
    (agreement,) = found["agreement"]
    answer = known["decisive"]
    assert (agreement["agreed"], agreement["total"]) == (answer["agree"], answer["n"])
    assert [agreement["low"], agreement["high"]] == pytest.approx(answer["wilson95"], rel=1e-9)


def test_spotify_account_history_gives_the_known_days_and_totals(path, shared):
    folder, known = expected(shared, "spotify_listening")
    told = path.imported(folder / "account_history.parquet", "spotify-account-table.yaml")
    answer = known["account_history"]
    plays = sum(user["plays"] for user in answer.values())
    assert (plays, told["refused"]) == (110_536, [])
    total = path.query(
        "SELECT sum(starts_n)::BIGINT AS plays, sum(ms_played)::BIGINT AS ms FROM window_aggregate "
        "WHERE basis = 'activity' AND size_s = 86400 AND attribution = 'all'"
    )
    assert total.row(0) == (plays, sum(user["sum_ms_played"] for user in answer.values()))
    daily = pl.read_csv(gzip.decompress((folder / "expected_daily.csv.gz").read_bytes()))
    windows = path.query(
        "SELECT strftime(window_start, '%Y-%m-%d') AS day, starts_n, ms_played, "
        "starts_n - streams_30s_n AS under_30s FROM window_aggregate "
        "WHERE basis = 'activity' AND size_s = 86400 AND attribution = 'organic' ORDER BY day"
    )
    by_day = daily.group_by(pl.col("day_of_end").alias("day")).agg(
        pl.col("plays", "sum_ms_played", "plays_under_30s").sum()
    )
    assert windows.rows() == by_day.sort("day").rows()
    per_user = path.query(
        "SELECT day::VARCHAR AS day, starts_n, ms_played, starts_n - streams_30s_n "
        "FROM unit_day WHERE experiment_id = ''"
    )
    users = daily.select("day_of_end", "plays", "sum_ms_played", "plays_under_30s")
    assert sorted(per_user.rows()) == sorted(users.rows())


def test_spotify_extended_history_gives_the_known_totals(path, shared):
    folder, known = expected(shared, "spotify_listening")
    path.imported(folder / "extended_history.parquet", "spotify-extended-table.yaml")
    (answer,) = known["extended_history"].values()
    counted = path.query(
        "SELECT sum(starts_n), sum(ms_played), sum(skips_n), sum(completes_n) "
        "FROM window_aggregate WHERE basis = 'activity' AND size_s = 86400 AND attribution = 'all'"
    )
    ends = answer["reason_end"]
    assert answer["rows"] == 2_831
    assert counted.row(0) == (
        answer["rows"],
        answer["sum_ms_played"],
        ends["fwdbtn"] + ends["backbtn"],
        ends["trackdone"],
    )
