"""The Kafka login in the words of each client."""

from __future__ import annotations

import ssl

import pytest
from pydantic import SecretStr

from streams.errors import ConfigError
from streams.settings import Settings

LOGIN = {
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_username": "reader",
    "sasl_password": SecretStr("hunter2"),
}


def test_plaintext_needs_nothing():
    security = Settings().kafka_security()
    assert security.client_options() == {"security_protocol": "PLAINTEXT"}
    assert security.faust_credentials() is None


def test_a_login_over_tls_checks_names_and_certificates():
    options = Settings(security_protocol="SASL_SSL", **LOGIN).kafka_security().client_options()
    context = options.pop("ssl_context")
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "reader",
        "sasl_plain_password": "hunter2",
    }


def test_both_clients_know_every_option():
    from inspect import signature  # noqa: PLC0415

    from aiokafka import AIOKafkaConsumer  # noqa: PLC0415
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer  # noqa: PLC0415

    names = set(Settings(security_protocol="SASL_SSL", **LOGIN).kafka_security().client_options())
    assert names <= set(signature(AIOKafkaConsumer.__init__).parameters)
    for client in (KafkaAdminClient, KafkaConsumer, KafkaProducer):
        assert names <= set(client.DEFAULT_CONFIG)


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL", "SSL"])
def test_faust_hands_its_driver_what_the_other_clients_get(protocol):
    from faust.transport.drivers.aiokafka import (  # noqa: PLC0415
        credentials_to_aiokafka_auth,
    )

    login = LOGIN if protocol.startswith("SASL") else {}
    security = Settings(security_protocol=protocol, **login).kafka_security()
    driver = dict(credentials_to_aiokafka_auth(security.faust_credentials()))
    ours = security.client_options()
    assert isinstance(driver.pop("ssl_context", None), ssl.SSLContext) == protocol.endswith("SSL")
    ours.pop("ssl_context", None)
    assert driver == ours


@pytest.mark.parametrize("name", ["ssl_cafile", "ssl_certfile", "ssl_keyfile"])
def test_a_tls_file_that_is_not_there_is_named_by_its_setting(name, tmp_path):
    there = tmp_path / "there.pem"
    there.write_text("not a certificate")
    files = {"ssl_cafile": there, "ssl_certfile": there, "ssl_keyfile": there}
    absent = {**files, name: tmp_path / "absent.pem"}
    with pytest.raises(ConfigError, match=f"{name}=.*absent.pem: is not a file"):
        Settings(security_protocol="SSL", **absent).kafka_security().client_options()
    with pytest.raises(ConfigError, match="TLS files do not load"):
        Settings(security_protocol="SSL", **files).kafka_security().client_options()


def test_the_password_is_not_in_the_repr():
    security = Settings(security_protocol="SASL_SSL", **LOGIN).kafka_security()
    assert "hunter2" not in repr(security)
