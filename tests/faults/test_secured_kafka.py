"""Every client of ours at listeners that ask who we are, and what it says when they refuse us."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from support.kafka.cluster import running_kafka
from support.kafka.doors import DOORS, PASSWORD, USER, made_doors, openssl
from support.traffic import Traffic

from streams.errors import ConfigError, TransientError
from streams.producer import Message, Producer
from streams.settings import Settings
from streams.topics import check_topics

WRONG = "guessed-0815"
BAD_N = 3


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """Addresses and certificates: one node with every door, and its folder of certificates."""
    certificates = tmp_path_factory.mktemp("certificates")
    doors = made_doors(certificates)
    with running_kafka(tmp_path_factory.mktemp("secured"), doors=doors) as cluster:
        (node,) = cluster.nodes
        ports = dict(zip(DOORS, node.door_ports, strict=True))
        yield SimpleNamespace(plain_port=node.port, ports=ports, certificates=certificates)


@pytest.fixture
def ways(secured):
    """How to come in, by name: settings as flags and variables know them."""
    trusted = {"ssl_cafile": str(secured.certificates / "ca.pem")}
    login = {"sasl_username": USER, "sasl_password": PASSWORD}
    secure, mutual, bare = (f"127.0.0.1:{secured.ports[door]}" for door in DOORS)
    tls = {"bootstrap": secure, "security_protocol": "SASL_SSL", **trusted, **login}
    own = {"ssl_certfile": str(secured.certificates / "client.pem")}
    plaintext = {"bootstrap": f"127.0.0.1:{secured.plain_port}"}
    return {
        "scram": tls | {"sasl_mechanism": "SCRAM-SHA-512"},
        "scram 256": tls | {"sasl_mechanism": "SCRAM-SHA-256"},
        "plain": tls | {"sasl_mechanism": "PLAIN"},
        "certificate": {"bootstrap": mutual, "security_protocol": "SSL", **trusted, **own},
        "no TLS": login
        | {"bootstrap": bare, "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"},
        "plaintext": plaintext,
    }


def variables(settings):
    return {f"LISTENBACK_{name.upper()}": value for name, value in settings.items()}


def settled(fleet, *args):
    """What a command of ours answers as JSON; it must go well and tell nobody the password."""
    done = fleet.run("--verbose", *args, "--json")
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return json.loads(done.stdout), done.stderr


def sent_and_read(fleet):
    """A worker reads what producers sent at its listener, and passes on what it refuses."""
    with Traffic(fleet.settings, events_n=1_000, seed=8, pause_s=0.0) as traffic:
        pass
    with Producer(fleet.settings) as producer:
        producer.send([Message("listens", b"k", b'{"ms_played":-%d}' % n) for n in range(BAD_N)])
    read, said = settled(fleet, "worker", "--worker-id", "a", "--until-idle", "1")
    assert "cannot be read just now" not in said  # by the reader of erasures
    assert read["read_n"] == traffic.sent_n + BAD_N
    assert read["forwarded_n"] == read["dead_lettered_n"] >= BAD_N


def test_every_client_works_where_a_login_is_asked_for(ways, fleet_on):
    fleet = fleet_on(SimpleNamespace(), **ways["scram"])
    fleet.variables |= variables(ways["scram"]) | {"LISTENBACK_DEAD_LETTER_BYTES_MAX": "0"}
    sent_and_read(fleet)
    assert settled(fleet, "replay", "--from", "kafka")[0]["differing"] == []
    sent_again, _ = settled(fleet, "dlq", "redrive", "--yes")
    assert sent_again["sent_n"] == sent_again["from_topic_n"] >= BAD_N


def test_a_worker_works_where_a_certificate_is_asked_for(ways, fleet_on):
    fleet = fleet_on(SimpleNamespace(), **ways["certificate"])
    fleet.variables |= variables(ways["certificate"])
    sent_and_read(fleet)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(ways, secured):
    locked = secured.certificates / "locked.key"
    protection = ("-aes128", "-passout", "pass:x")
    openssl(secured.certificates, "ec", "-in", "client.key", *protection, "-out", locked)
    given = ways["certificate"] | {"ssl_keyfile": str(locked)}
    given["ssl_certfile"] = str(secured.certificates / "client.crt")
    with pytest.raises(ConfigError, match="private key is encrypted"):
        check_topics(Settings(**given))


@pytest.mark.parametrize("way", ["scram", "scram 256", "plain", "certificate", "no TLS"])
def test_every_way_to_prove_oneself_lets_us_in(way, ways):
    with pytest.raises(ConfigError, match="topics are missing"):
        check_topics(Settings(**ways[way], topic_prefix="nobody-made-these-"))


REFUSED = {
    "a wrong password": ("scram", {"sasl_password": WRONG}, "refuses the login of 'operator'"),
    "a wrong password in PLAIN": ("plain", {"sasl_password": WRONG}, "LISTENBACK_SASL_PASSWORD"),
    "an unknown user": ("scram", {"sasl_username": "nobody"}, "refuses the login of 'nobody'"),
    "an authority that is not ours": ("scram", {"ssl_cafile": "other.pem"}, "ssl_cafile must hold"),
    "another host's certificate": ("scram", {"bootstrap": "localhost"}, "Hostname mismatch"),
    "no certificate of ours": ("certificate", {"ssl_certfile": None}, "ssl_certfile, ssl_keyfile"),
    "plaintext at a TLS port": ("plaintext", {"bootstrap": "SECURE"}, "speaks PLAINTEXT.*TLS"),
    "plaintext at a login port": ("plaintext", {"bootstrap": "LOGIN"}, "SASL_PLAINTEXT"),
    "TLS at a plaintext port": ("scram", {"bootstrap": "plain"}, "speaks no SASL_SSL"),
    "TLS without a login": ("certificate", {"bootstrap": "SECURE"}, "a login .SASL_SSL."),
    "a login that nobody asks for": ("no TLS", {"bootstrap": "plain"}, "PLAINTEXT and no sasl_"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_port_that_refuses_us_is_named_with_what_to_do(case, ways, secured):
    way, changes, match = REFUSED[case]
    given = ways[way] | changes
    if (name := changes.get("ssl_cafile")) is not None:
        given["ssl_cafile"] = secured.certificates / name
    if (place := changes.get("bootstrap")) is not None:
        ports = {"plain": secured.plain_port, "localhost": secured.ports["SECURE"], **secured.ports}
        host = "localhost" if place == "localhost" else "127.0.0.1"
        given["bootstrap"] = f"{host}:{ports[place]}"
    with pytest.raises(TransientError, match=match) as caught:
        check_topics(Settings(**given))
    assert given["bootstrap"] in str(caught.value)
    assert caught.value.exit_code == 3
    assert caught.value.todo
    assert not {WRONG, PASSWORD} & set(str(caught.value).split())


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("worker", "--until-idle", "1"), 3),
        (("dlq", "list", "--from", "kafka"), 3),
        (("doctor",), 1),
    ],
)
def test_a_wrong_password_ends_a_command_with_its_code_and_is_not_repeated(
    command, code, ways, fleet_on
):
    fleet = fleet_on(SimpleNamespace(), **ways["scram"])
    fleet.variables |= variables(ways["scram"] | {"sasl_password": WRONG})
    done = fleet.run("--verbose", *command)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "refuses the login of 'operator'" in said
    assert "Traceback" not in said
    assert WRONG not in said
