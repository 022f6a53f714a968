"""Listeners of Apache Kafka that ask who one is, with an authority of their own."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.needed import absent

if TYPE_CHECKING:
    from pathlib import Path

    from support.kafka.cluster import Node

DOORS = ("SECURE", "MUTUAL", "LOGIN")
"""SASL_SSL; SSL that asks for a client's certificate; SASL_PLAINTEXT."""
PROTOCOLS = {"SECURE": "SASL_SSL", "MUTUAL": "SSL", "LOGIN": "SASL_PLAINTEXT"}
USER, PASSWORD = "operator", "kept-between-us-4711"
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
LOGIN_MODULE = "org.apache.kafka.common.security"
EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
SHARED = """
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port},{doors}
advertised.listeners=PLAINTEXT://{host}:{port},{doors}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.mutual.ssl.client.auth=required
"""
LOGIN = """
listener.name.{door}.sasl.enabled.mechanisms={mechanisms}
listener.name.{door}.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;
listener.name.{door}.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;
listener.name.{door}.plain.sasl.jaas.config={module}.plain.PlainLoginModule required \\
  user_{user}="{password}";
"""


@dataclass(frozen=True)
class Doors:
    """Certificates in a folder: ca.pem, broker.pem, client.pem; other.pem, which nobody trusts."""

    folder: Path

    @property
    def format_args(self) -> tuple[str, ...]:
        """The users as the cluster is born with them; PLAIN has them in its properties."""
        users = f"[name={USER},password={PASSWORD}]"
        return tuple(word for name in MECHANISMS[:2] for word in ("--add-scram", f"{name}={users}"))

    def properties(self, host: str, node: Node) -> str:
        """What a node's server.properties says more."""
        ports = dict(zip(DOORS, node.door_ports, strict=True))
        shared = SHARED.format(
            host=host,
            port=node.port,
            controller_port=node.controller_port,
            doors=",".join(f"{name}://{host}:{port}" for name, port in ports.items()),
            protocols=",".join(f"{name}:{protocol}" for name, protocol in PROTOCOLS.items()),
            folder=self.folder,
        )
        logins = [
            LOGIN.format(
                door=door.lower(),
                mechanisms=",".join(MECHANISMS),
                module=LOGIN_MODULE,
                user=USER,
                password=PASSWORD,
            )
            for door in ("SECURE", "LOGIN")
        ]
        return shared + "".join(logins)


def made_doors(folder: Path) -> Doors:
    """Keys and certificates for a day: an authority, a broker, a client, and a stranger."""
    if shutil.which("openssl") is None:
        absent("openssl is not installed, which makes the certificates")
    _authority(folder, "ca")
    _authority(folder, "other")
    _signed(folder, "broker", "subjectAltName=IP:127.0.0.1")
    _signed(folder, "client", "subjectAltName=DNS:client")
    return Doors(folder)


def _authority(folder: Path, name: str) -> None:
    openssl(folder, "genpkey", *EC, "-out", f"{name}.key")
    named = ("-subj", f"/CN={name}", "-days", "1", "-key", f"{name}.key")
    openssl(folder, "req", "-x509", "-new", *named, "-out", f"{name}.pem")


def _signed(folder: Path, name: str, extension: str) -> None:
    """name.pem holds key and certificate, name.crt the certificate alone."""
    openssl(folder, "genpkey", *EC, "-out", f"{name}.key")
    openssl(folder, "req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", "csr")
    (folder / "extensions").write_text(extension + "\n")
    by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions")
    openssl(folder, "x509", "-req", "-in", "csr", *by, "-days", "1", "-out", f"{name}.crt")
    whole = (folder / f"{name}.key").read_text() + (folder / f"{name}.crt").read_text()
    (folder / f"{name}.pem").write_text(whole)


def openssl(folder: Path, *args: str | Path) -> None:
    done = subprocess.run(
        ["/usr/bin/env", "openssl", *args], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
