"""How clients prove themselves to Kafka, in the words of each of the three clients."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from streams.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """A protocol and what it needs; `Settings` has checked that they fit together."""

    protocol: Protocol
    mechanism: Mechanism | None
    username: str | None
    password: SecretStr | None
    cafile: Path | None
    certfile: Path | None
    keyfile: Path | None

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context, or None where the protocol has no TLS.

        Host names and certificates are always checked; `cafile` None means the system's own.

        Raises:
            ConfigError: a certificate file is absent or is not one.
        """
        if not self.protocol.endswith("SSL"):
            return None
        self._require_files()
        try:
            context = ssl.create_default_context(cafile=self.cafile)
            if self.certfile is not None:
                context.load_cert_chain(self.certfile, self.keyfile, password=_no_passphrase)
        except OSError as error:  # SSLError is one
            raise ConfigError(
                f"the TLS files do not load: {error}.",
                where=f"ssl_cafile={self.cafile}, ssl_certfile={self.certfile}, "
                f"ssl_keyfile={self.keyfile}",
                todo="Name PEM files: certificates, and the key that belongs to ssl_certfile.",
            ) from error
        return context

    def _require_files(self) -> None:
        """OpenSSL does not say which file it means."""
        named = {
            "ssl_cafile": self.cafile,
            "ssl_certfile": self.certfile,
            "ssl_keyfile": self.keyfile,
        }
        for name, path in named.items():
            if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
                raise ConfigError(
                    "is not a file that we may read.",
                    where=f"{name}={path}",
                    todo="Name a PEM file that exists and can be read.",
                )

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments that kafka-python's and aiokafka's clients both take."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if (context := self.ssl_context()) is not None:
            options["ssl_context"] = context
        if self.mechanism is not None:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self._revealed(),
            }
        return options

    def faust_credentials(self) -> Any:  # noqa: ANN401 - faust ships no types
        """The value of `broker_credentials` in `faust.App`; None for PLAINTEXT."""
        if self.protocol == "PLAINTEXT":
            return None
        import faust  # noqa: PLC0415 - half a second, for those who have an app

        context = self.ssl_context()
        if self.mechanism is None:
            return faust.SSLCredentials(context)
        return faust.SASLCredentials(
            username=self.username,
            password=self._revealed(),
            mechanism=self.mechanism,
            ssl_context=context,
        )

    def _revealed(self) -> str | None:
        """The password itself, on its way to a client."""
        return None if self.password is None else self.password.get_secret_value()


def _no_passphrase() -> NoReturn:
    """OpenSSL would ask at the terminal, and a worker has none."""
    raise ConfigError(
        "the private key is encrypted.",
        where="ssl_keyfile, or ssl_certfile where that holds the key",
        todo="Name a key without a passphrase, readable by this user alone.",
    )
