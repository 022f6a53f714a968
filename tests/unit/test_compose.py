"""docker-compose.yml, the Dockerfile and what they start, checked without an engine."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess

import pytest
import yaml
from support.dockerfile import ROOT, instructions
from support.sinks import FolderSink
from typer.core import TyperGroup
from typer.main import get_command

from listenback.cli import app
from streams.feed import Feed
from streams.folder_metrics import Folder
from streams.monitor import WorkerCollector
from streams.settings import Settings
from streams.settings_sources import PREFIX, Known, from_environment

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("listenback:")}
SERVICE_KEYS = {
    *("image", "build", "command", "entrypoint", "environment", "depends_on", "volumes", "ports"),
    *("healthcheck", "restart", "init", "read_only", "tmpfs", "cap_drop", "security_opt"),
    *("logging", "profiles", "stop_grace_period"),
}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def parsed(args: list[str]) -> dict[str, object]:
    """What a command line means to the app: its last command's parameters, nothing run."""
    command = get_command(app)
    ctx = command.make_context("listenback", list(args))
    while isinstance(command, TyperGroup):
        name, command, rest = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        ctx = command.make_context(name, rest, parent=ctx)
    return ctx.params


def environment(service: dict) -> dict[str, str]:
    """The variables of a service when nobody sets the ones it passes on."""
    default = re.compile(r"\$\{\w+:-([^}]*)\}")
    given = service.get("environment", {})
    return {name: default.sub(r"\1", str(value)) for name, value in given.items()}


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_exists_with_options_that_exist(name):
    assert parsed([str(word) for word in OURS[name]["command"]]) is not None


@pytest.mark.parametrize("name", [name for name, one in OURS.items() if "healthcheck" in one])
def test_a_health_check_is_a_command_that_exists(name):
    kind, program, *args = OURS[name]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "listenback")
    assert parsed(args) is not None


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_given_settings_that_exist_with_values_that_hold(name):
    variables = environment(OURS[name])
    known = Known(tuple(Settings.model_fields), ())
    given = from_environment(variables, known)
    settings = Settings(**{setting: one.value for setting, one in given.items()})
    assert settings.bootstrap in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert all(variable.startswith(PREFIX) for variable in variables)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_only_what_compose_knows(name):
    service = SERVICES[name]
    assert set(service) <= SERVICE_KEYS
    for needed, how in service.get("depends_on", {}).items():
        assert how["condition"] in CONDITIONS
        assert "healthcheck" in SERVICES[needed] or how["condition"] != "service_healthy"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / source).exists()


def test_every_part_runs_and_each_worker_keeps_its_own_files():
    started = {tuple(one["command"])[:1] for one in OURS.values()}
    assert started >= {("topics",), ("worker",), ("publish",), ("schedule",)}
    ids = [one["environment"]["LISTENBACK_WORKER_ID"] for one in workers()]
    assert len(ids) == len(set(ids)) == 2
    assert {one["image"] for one in OURS.values()} == {OURS["topics"]["image"]}


def workers() -> list[dict]:
    return [one for one in OURS.values() if one["command"][0] == "worker"]


def test_a_service_that_stays_is_started_again_and_a_job_is_not():
    jobs = {name for name, one in SERVICES.items() if one["restart"] == "no"}
    assert jobs == {"topics", "query"}


def test_our_services_run_with_as_little_power_as_they_need():
    for one in OURS.values():
        assert one["read_only"]
        assert one["cap_drop"] == ["ALL"]
    users = [one.words for one in instructions() if one.name == "USER"]
    assert users == [("listenback",)]


def test_foreign_images_are_pinned():
    foreign = [one["image"] for one in SERVICES.values() if one not in OURS.values()]
    bases = [one.words[0] for one in instructions() if one.name == "FROM"]
    for image in (*foreign, *bases):
        assert re.search(r":v?\d+(\.\d+)+", image), image


def test_the_log_outlives_the_horizon():
    hours = int(SERVICES["kafka"]["environment"]["KAFKA_LOG_RETENTION_HOURS"])
    assert hours > 24 * Settings().horizon_days


def test_what_the_image_copies_is_there_and_reaches_the_build():
    ignore = (ROOT / ".dockerignore").read_text().split()
    kept = [pattern.removeprefix("!") for pattern in ignore if pattern.startswith("!")]
    copies = [one.words for one in instructions() if one.name == "COPY"]
    sources = [word for words in copies if not words[0].startswith("--from") for word in words[:-1]]
    assert len(sources) >= 8
    for source in sources:
        assert (ROOT / source).exists()
        assert any(fnmatch.fnmatch(source, f"{one}*") for one in kept), source


def exported() -> set[str]:
    """Names of the samples that a worker's /metrics can have."""
    feed = Feed(Settings(), FolderSink(ROOT, "x"), partitions_n=2)
    own = WorkerCollector(Settings(), feed, None)
    families = [*own.collect(), *Folder(Settings()).collect()]
    feed.shut()
    endings = {"counter": ("_total",), "summary": ("_sum", "_count"), "info": ("_info",)}
    return {
        family.name + ending for family in families for ending in endings.get(family.type, ("",))
    }


def expressions() -> list[str]:
    dashboard = json.loads((ROOT / "ops/grafana/dashboards/listenback.json").read_text())
    rules = yaml.safe_load((ROOT / "ops/prometheus/alarms.yml").read_text())["groups"]
    drawn = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*drawn, *(rule["expr"] for group in rules for rule in group["rules"])]


def test_dashboards_and_alarms_ask_for_metrics_that_workers_have():
    asked = {name for text in expressions() for name in re.findall(r"listenback_\w+", text)}
    assert asked
    assert asked <= exported()


def test_prometheus_scrapes_every_worker_where_it_answers():
    config = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    targets = {target for one in job["static_configs"] for target in one["targets"]}
    answering = {
        f"{name}:{one['environment']['LISTENBACK_MONITOR_PORT']}"
        for name, one in OURS.items()
        if one["command"][0] == "worker"
    }
    assert targets == answering
    for name in config["rule_files"]:
        assert (ROOT / "ops/prometheus" / name).is_file()


def test_grafana_is_given_its_dashboard_and_its_source():
    grafana = SERVICES["grafana"]
    provided = yaml.safe_load(
        (ROOT / "ops/grafana/provisioning/dashboards/listenback.yml").read_text()
    )
    source = yaml.safe_load(
        (ROOT / "ops/grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"][0]
    mounted = {volume.split(":")[1] for volume in grafana["volumes"]}
    assert provided["providers"][0]["options"]["path"] in mounted
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "ops/grafana/dashboards" / home.rpartition("/")[2]).is_file()
    assert source["url"] == "http://prometheus:9090"
    panels = json.loads((ROOT / "ops/grafana/dashboards/listenback.json").read_text())["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}


@pytest.mark.parametrize(("script", "shell"), [(".ci/run", "bash")])
def test_a_script_can_be_started_and_parses(script, shell):
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert re.match(rf"#!\S*[/ ]{shell}\n|#!/usr/bin/env {shell}\n", path.read_text())
    subprocess.run([shell, "-n", str(path)], check=True)
