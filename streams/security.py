"""How clients prove themselves to Kafka, in the words of each of the three clients."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

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
        try:
            context = ssl.create_default_context(cafile=self.cafile)
            if self.certfile is not None:
                context.load_cert_chain(self.certfile, self.keyfile)
        except OSError as error:  # SSLError is one
            raise ConfigError(
                f"the TLS files do not load: {error}.",
                where=f"ssl_cafile={self.cafile}, ssl_certfile={self.certfile}",
                todo="Name PEM files that exist and can be read.",
            ) from error
        return context

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
