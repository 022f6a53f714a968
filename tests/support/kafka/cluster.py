"""Apache Kafka as child processes: KRaft, each node broker and controller, on loopback ports."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.kafka.doors import DOORS
from support.kafka.jars import fetched_jars, missing_tool
from support.needed import absent

from streams.broker import DIE_WITH_PARENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.kafka.doors import Doors

HOST = "127.0.0.1"
READY_WAIT_MAX_S = 120.0
STOP_WAIT_MAX_S = 30.0
JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
READY = "Kafka Server started"
PROPERTIES = """
process.roles=broker,controller
node.id={node_id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
default.replication.factor={copies}
min.insync.replicas={copies_min}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=2
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={copies_min}
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=1000
controller.quorum.fetch.timeout.ms=2000
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.threads=1
log.retention.check.interval.ms=86400000
log.initial.task.delay.ms=86400000
num.network.threads=2
num.io.threads=4
"""
LOG4J = """
Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout: {pattern: "%d %p %m (%c{1})%n"}
  Loggers:
    Root: {level: WARN, AppenderRef: [{ref: STDOUT}]}
    Logger:
      - {name: kafka.server.KafkaRaftServer, level: INFO}
      - {name: org.apache.kafka.common.utils.AppInfoParser, level: ERROR}
"""


@dataclass
class Node:
    """One node: its ports (door_ports in the order of DOORS), its folder, its running process."""

    node_id: int
    port: int
    controller_port: int
    folder: Path
    door_ports: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> Path:
        return self.folder / "output.txt"


@dataclass
class Kafka:
    """A cluster. `nodes` may be killed, paused and started again, each by its index."""

    folder: Path
    nodes: list[Node] = field(default_factory=list)

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    @property
    def is_alive(self) -> bool:
        return any(node.process is not None for node in self.nodes)

    def start(self, *indexes: int) -> None:
        """Start these nodes, all if none is named, and wait until they serve."""
        wanted = [self.nodes[index] for index in indexes] or self.nodes
        for node in wanted:
            self._launch(node)
        for node in wanted:
            self._await_ready(node)

    def kill(self, index: int = 0) -> None:
        """As a power cut ends it."""
        self._end(self.nodes[index], signal.SIGKILL)

    def signal(self, number: int, index: int = 0) -> None:
        self.nodes[index].process.send_signal(number)

    def stop(self) -> None:
        """End all; what they hold is for nobody, so there is nothing to wait for."""
        for node in self.nodes:
            self._end(node, signal.SIGKILL)

    def _launch(self, node: Node) -> None:
        assert node.process is None
        with node.output.open("wb") as output:
            node.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", DIE_WITH_PARENT, str(os.getpid())),
                    *self._java("kafka.Kafka", node.folder / "server.properties"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _await_ready(self, node: Node) -> None:
        give_up_at = time.monotonic() + READY_WAIT_MAX_S
        while READY not in (said := node.output.read_text("utf-8", "replace")):
            assert node.process.poll() is None, f"node {node.node_id} ended: {said[-3000:]}"
            assert time.monotonic() < give_up_at, f"node {node.node_id} hangs: {said[-3000:]}"
            time.sleep(0.1)

    def _end(self, node: Node, number: int) -> None:
        if node.process is not None:
            node.process.send_signal(number)
            node.process.wait(STOP_WAIT_MAX_S)
            node.process = None

    def _java(self, main: str, *args: object) -> list[str]:
        jars = fetched_jars()
        logging = f"-Dlog4j2.configurationFile={self.folder}/log4j2.yaml"
        return ["/usr/bin/env", "java", *JVM, logging, "-cp", f"{jars}/*", main, *map(str, args)]


@contextlib.contextmanager
def running_kafka(folder: Path, *, nodes_n: int = 1, doors: Doors | None = None) -> Iterator[Kafka]:
    """A cluster for the length of a `with`. Skips where none can run; in CI one must."""
    if missing := missing_tool():
        absent(f"Apache Kafka cannot run here: {missing}")
    cluster = made_cluster(folder, nodes_n=nodes_n, doors=doors)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def made_cluster(folder: Path, *, nodes_n: int = 1, doors: Doors | None = None) -> Kafka:
    """A cluster with formatted storage, not yet started."""
    each_n = 2 + len(DOORS)
    ports = _free_ports(each_n * nodes_n)
    cluster = Kafka(folder)
    (folder / "log4j2.yaml").write_text(LOG4J)
    for index in range(nodes_n):
        own = folder / f"node-{index + 1}"
        own.mkdir()
        port, controller_port, *others = ports[each_n * index : each_n * (index + 1)]
        cluster.nodes.append(Node(index + 1, port, controller_port, own, tuple(others)))
    voters = ",".join(f"{n.node_id}@{HOST}:{n.controller_port}" for n in cluster.nodes)
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "a")
    formats = [_format(cluster, node, voters, cluster_id, doors) for node in cluster.nodes]
    for done in formats:
        said, _ = done.communicate(timeout=READY_WAIT_MAX_S)
        assert done.returncode == 0, said
    return cluster


def _format(
    cluster: Kafka, node: Node, voters: str, cluster_id: str, doors: Doors | None
) -> subprocess.Popen[bytes]:
    properties = node.folder / "server.properties"
    nodes_n = len(cluster.nodes)
    properties.write_text(
        PROPERTIES.format(
            node_id=node.node_id,
            host=HOST,
            port=node.port,
            controller_port=node.controller_port,
            voters=voters,
            folder=node.folder,
            copies=min(3, nodes_n),
            copies_min=2 if nodes_n >= 3 else 1,
        )
        + ("" if doors is None else doors.properties(HOST, node))
    )
    users = () if doors is None else doors.format_args
    options = ("format", "-t", cluster_id, "-c", properties, *users)
    command = cluster._java("kafka.tools.StorageTool", *options)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _free_ports(count: int) -> list[int]:
    """Ports below those the kernel gives to outgoing connections, so that none takes them."""
    found: list[int] = []
    held = []
    candidate = 20_000 + os.getpid() * 64 % 10_000  # two test runs look in two places
    while len(found) < count:
        candidate += 1
        probe = socket.socket()
        try:
            probe.bind((HOST, candidate))
        except OSError:
            probe.close()
            continue
        held.append(probe)
        found.append(candidate)
    for probe in held:
        probe.close()
    return found
