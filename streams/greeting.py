"""The first words to a broker: what its port refuses, said once and clearly.

Clients retry what will never succeed and say at the end that nobody answered. One connection of
aiokafka's, made and closed again, tells a refused login from a certificate that nobody trusts.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.errors import TransientError
from streams.unawaited import started

if TYPE_CHECKING:
    from streams.settings import Settings

GREETING_WAIT_MAX_S = 3.0
CLOSE_WAIT_MAX_S = 1.0
CLIENT_ID = "listenback"
OTHER_PORT = "or name another port of that broker: --bootstrap host:port."


def greet(settings: Settings, host: str, port: int) -> None:
    """Say who we are as the settings have it, ask one thing, hang up.

    A broker that only takes long is left to the client that comes after.

    Raises:
        ConfigError: the TLS files do not load. TransientError: the port refuses us; says why.
    """
    asked = partial(asyncio.run, _greeted(settings, host, port))
    try:
        started(asked, name="greeting").result()  # the caller's thread may have a loop that runs
    except (KafkaError, OSError) as error:  # ssl.SSLError is an OSError
        if not isinstance(error, TimeoutError):
            raise _refusal(settings, f"{host}:{port}", error) from error


async def _greeted(settings: Settings, host: str, port: int) -> None:
    connection = AIOKafkaConnection(
        host,
        port,
        client_id=CLIENT_ID,
        request_timeout_ms=int(GREETING_WAIT_MAX_S * 1_000),
        **settings.kafka_security().client_options(),
    )
    try:
        await connection.connect()
        await asyncio.wait_for(connection.send(MetadataRequest([])), GREETING_WAIT_MAX_S)
    finally:
        is_connected = hasattr(connection, "_protocol")
        connection.close()
        if is_connected:  # aiokafka does not wait; the loop must not end before the socket does
            await asyncio.wait([connection._closed_fut], timeout=CLOSE_WAIT_MAX_S)  # noqa: SLF001 - see above


def _refusal(settings: Settings, where: str, error: KafkaError | OSError) -> TransientError:
    what, todo = _said(settings, error)
    return TransientError(f"{what}.", where=where, done="Nothing was sent or read.", todo=todo)


def _said(settings: Settings, error: KafkaError | OSError) -> tuple[str, str]:
    """What went wrong, and what to do about it."""
    reason = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    match reason:
        case SaslAuthenticationFailed() | UnsupportedSaslMechanismError() | IllegalSaslStateError():
            return _said_of_login(settings, reason)
        case ssl.SSLCertVerificationError():
            what = f"its certificate is not trusted: {reason.verify_message.rstrip('.')}"
            trusted = settings.ssl_cafile or "those of the system"
            todo = (
                f"ssl_cafile must hold the authority that signed it (now: {trusted}), and the "
                "certificate must name the host of the address."
            )
        case ssl.SSLError() if "ALERT" in (reason.reason or ""):
            what = f"the broker refuses our side of TLS: {_words(reason)}"
            shown = settings.ssl_certfile or "none"
            todo = (
                "It may ask for a certificate that it trusts: ssl_certfile, ssl_keyfile "
                f"(now: {shown})."
            )
        case KafkaConnectionError():
            protocol = settings.security_protocol
            what = f"the broker hung up on a client that speaks {protocol}"
            todo = (
                f"It expects {_other_protocols(protocol)}, or is no Kafka, or was going down: set "
                f"security_protocol, {OTHER_PORT}"
            )
        case _:
            what = f"no connection came about: {_words(error)}"
            todo = (
                f"If this port speaks no {settings.security_protocol}, set security_protocol, "
                f"{OTHER_PORT}"
            )
    return what, todo


def _said_of_login(settings: Settings, error: Exception) -> tuple[str, str]:
    mechanism = settings.sasl_mechanism
    if isinstance(error, SaslAuthenticationFailed):
        what = f"the broker refuses the login of '{settings.sasl_username}' by {mechanism}"
        return what, "Check sasl_username, sasl_mechanism and LISTENBACK_SASL_PASSWORD."
    if isinstance(error, UnsupportedSaslMechanismError):
        what = f"the broker takes no login by {mechanism} at this port"
        return what, "Set sasl_mechanism to one that it takes."
    bare = "SSL" if settings.security_protocol.endswith("SSL") else "PLAINTEXT"
    what = "the broker asks for no login at this port"
    return what, f"Set security_protocol to {bare} and no sasl_*, {OTHER_PORT}"


def _other_protocols(protocol: str) -> str:
    """What a port may speak that hangs up on this protocol."""
    if protocol == "SSL":
        return "a login (SASL_SSL), most likely"
    return "TLS (SSL, SASL_SSL) or a login (SASL_SSL, SASL_PLAINTEXT), most likely"


def _words(error: Exception) -> str:
    """The reason in the library's words; its name where it has none."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error).partition("(_ssl")[0].strip() or type(error).__name__
