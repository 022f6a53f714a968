"""The stream engines we are compared with, newest versions, with what each needs to run."""

from __future__ import annotations

from benchmarks.peers.environment import Peer
from benchmarks.peers.java import JavaPeer

PEERS: tuple[Peer | JavaPeer, ...] = (
    Peer("Faust, per event", ("faust-streaming==0.15.3", "orjson==3.13.0"), "faust_tables"),
    Peer("Quix Streams", ("quixstreams==3.28.1", "orjson==3.13.0"), "quix"),
    Peer(
        "Bytewax", ("bytewax==0.21.1", "confluent-kafka==2.12.2", "orjson==3.13.0"), "bytewax_flow"
    ),
    Peer("Pathway", ("pathway==0.33.0",), "pathway_tables"),
    JavaPeer("Kafka Streams", "kafka_streams"),
)
