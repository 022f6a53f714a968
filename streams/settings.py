"""Every setting, in one frozen model.

Precedence: flag > environment `LISTENBACK_*` > `.env` > `listenback.toml` > default. Unknown keys
are errors. Secrets come from the environment only (or its file, `.env`).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from streams import settings_sources as sources
from streams.errors import ConfigError
from streams.security import KafkaSecurity, Mechanism, Protocol

DAY_US = 86_400_000_000
DEFAULT = "default"
_ADDRESS = r"[^\s,:]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}"  # host:port or [IPv6]:port


def _split(value: object) -> object:
    """`60,3600` of an environment variable or a flag as a list."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class Settings(BaseModel):
    """What a worker, a simulator or a publisher is told. Units stand last in the names."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    bootstrap: str = Field(
        "localhost:9092",
        pattern=rf"^({_ADDRESS})(,({_ADDRESS}))*$",
        description="Kafka address, host:port[,host:port]",
    )
    group: str = Field("listenback", min_length=1, description="Consumer group of the workers")
    topic_prefix: str = Field(
        "", pattern=r"^[A-Za-z0-9._-]*$", description="Put before every topic name"
    )
    partitions_n: int = Field(4, ge=1, le=10_000, description="Partitions of each input topic")
    session_timeout_s: float = Field(
        10.0, ge=0.5, description="Without a sign of life for so long, a worker loses its shards"
    )
    rebalance_timeout_s: float = Field(
        60.0, ge=0.5, description="How long the group waits for a worker to flush, seconds"
    )
    security_protocol: Protocol = Field("PLAINTEXT", description="How to speak to the brokers")
    sasl_mechanism: Mechanism | None = Field(
        None, description="How to log in, with a SASL_* protocol"
    )
    sasl_username: str | None = Field(None, description="Who logs in")
    sasl_password: SecretStr | None = Field(
        None, description="Password of sasl_username; environment only"
    )
    ssl_cafile: Path | None = Field(
        None, description="Certificates to trust (PEM), with an *SSL protocol; the system's if none"
    )
    ssl_certfile: Path | None = Field(
        None, description="Certificate this client shows (PEM), where brokers ask for one"
    )
    ssl_keyfile: Path | None = Field(
        None, description="Private key of ssl_certfile (PEM), unless that file holds it"
    )

    data_dir: Path = Field(Path("listenback-data"), description="Where workers keep their files")
    worker_id: str = Field("0", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Names the files")
    user_key_secret: SecretStr | None = Field(
        None, description="Key of the HMAC that turns user ids into user keys; environment only"
    )

    certificate_secret: SecretStr | None = Field(
        None, description="Key of the HMAC that signs erasure certificates; environment only"
    )

    window_sizes_s: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_split), Field(min_length=1)
    ] = Field((60, 3_600, 86_400), description="Sizes of the tumbling windows, seconds")
    horizon_days: int = Field(30, ge=1, le=400, description="How late an event may come")
    out_of_orderness_s: int = Field(60, ge=0, description="Distance of the watermark, seconds")
    future_max_s: int = Field(
        3_600, ge=0, description="How far an event may lie after its record's own time, seconds"
    )

    flush_rows_max: int = Field(150_000, ge=1, description="Rows that force a flush")
    flush_age_max_ms: int = Field(1_000, ge=1, description="Age that forces a flush, ms")
    message_bytes_max: int = Field(1_000_000, ge=1, description="Larger messages are refused")
    dead_letter_rows_max: int = Field(
        10_000,
        ge=0,
        description="Dead letters of one error type kept per topic, shard and million offsets; "
        "more are counted",
    )
    dead_letter_bytes_max: int = Field(
        32 << 20,
        ge=0,
        description="Raw bytes of dead letters kept per topic, shard and million offsets; "
        "the bytes of more stay in Kafka alone",
    )
    publish_interval_s: float = Field(5.0, ge=0.0, description="Least time between two snapshots")
    publish_share_max: float = Field(
        0.1, gt=0, le=1, description="Most of the time to publish while a worker is behind"
    )
    publish_share_calm_max: float = Field(
        0.3, gt=0, le=1, description="Most of the time to publish while it keeps up"
    )
    erasure_scrub_interval_s: float = Field(
        3_600.0,
        ge=0.0,
        description="Least time between two rewritings of a worker's file after erasures",
    )
    archive: bool = Field(
        default=True, description="Whether facts behind the horizon move into Parquet parts"
    )
    archive_after_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="How far behind the watermark of its shard a day moves; none: horizon_days",
    )
    archive_rows_min: int = Field(
        1_000, ge=1, description="Fewer rows of a table, shard and day stay where they are"
    )
    publish_keep_n: int = Field(3, ge=1, description="Published snapshots kept")
    duckdb_memory: str = Field(
        "1GB",
        pattern=r"^\d+(\.\d+)? ?([KMGT]i?B|%)$",
        description="Memory limit of the worker's DuckDB",
    )
    duckdb_threads_n: int = Field(2, ge=1, description="Threads of the worker's DuckDB")

    nights_keep_n: int = Field(
        35, ge=1, description="Nights whose warehouse is kept for `--as-of`; each is a whole file"
    )
    webhook_url: SecretStr | None = Field(
        None, description="Where a night's message is posted; environment only"
    )
    serve_token: SecretStr | None = Field(
        None, description="What readers of `serve` must bring; environment only"
    )
    monitor_port: int | None = Field(
        None, ge=1, le=65_535, description="Port of /metrics, /healthz and /readyz; none: no server"
    )
    monitor_host: str = Field("127.0.0.1", min_length=1, description="Address that they listen on")
    log_format: Literal["text", "json"] = Field(
        "text", description="How a worker logs: for people, or one JSON object a line"
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        """What no setting can be wrong about alone."""
        if len(set(self.window_sizes_s)) < len(self.window_sizes_s):
            raise ValueError("window_sizes_s: names one size twice")
        login = (self.sasl_mechanism, self.sasl_username, self.sasl_password)
        if self.security_protocol.startswith("SASL") and None in login:
            raise ValueError(
                f"security_protocol: {self.security_protocol} needs sasl_mechanism, sasl_username "
                "and sasl_password"
            )
        if not self.security_protocol.startswith("SASL") and login != (None, None, None):
            raise ValueError(
                f"security_protocol: {self.security_protocol} sends no login, yet one is set; "
                "SASL_SSL would send it"
            )
        tls = (self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile)
        if not self.security_protocol.endswith("SSL") and tls != (None, None, None):
            raise ValueError(
                f"security_protocol: {self.security_protocol} is not encrypted, yet ssl_* is set; "
                "SSL or SASL_SSL would use it"
            )
        return self

    @property
    def worker_file(self) -> Path:
        """The worker's own DuckDB file: nobody else opens it."""
        return self.data_dir / "workers" / f"worker-{self.worker_id}.duckdb"

    @property
    def published_dir(self) -> Path:
        """Where snapshots appear by rename: readers open these."""
        return self.data_dir / "published"

    @property
    def nights_dir(self) -> Path:
        """One folder a night: the warehouse and the definitions as they were."""
        return self.data_dir / "nights"

    @property
    def warehouse_file(self) -> Path:
        """The one file for readers: `warehouse.duckdb`."""
        return self.published_dir / "warehouse.duckdb"

    @property
    def archive_dir(self) -> Path:
        """Parquet parts with the older facts, which the files above name."""
        return self.published_dir / "archive"

    def archived_when(self) -> dict[str, int]:
        """What makes a day's rows due: after_us behind the watermark, and rows_min."""
        days = self.archive_after_days or self.horizon_days
        return {"after_us": days * DAY_US, "rows_min": self.archive_rows_min}

    def named_warehouses(self) -> list[Path]:
        """What is published or pinned: files that readers are told of."""
        files = [*self.published_dir.glob("*.duckdb*"), *self.nights_dir.glob("*/*.duckdb")]
        return sorted(path for path in files if not path.name.startswith("."))

    def pinned_warehouses(self) -> list[Path]:
        """What the kept nights were made from."""
        return sorted(self.nights_dir.glob("*/*.duckdb"))

    @property
    def config_hash(self) -> str:
        """16 hexadecimal digits that change with any setting but secrets, paths and worker_id."""
        own = self.model_dump(mode="json", exclude={*SECRETS, *PATHS, "worker_id"})
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]

    def topic(self, name: str) -> str:
        """The topic's name on the broker."""
        return self.topic_prefix + name

    def kafka_security(self) -> KafkaSecurity:
        """How every client of this process proves itself to the brokers."""
        return KafkaSecurity(
            protocol=self.security_protocol,
            mechanism=self.sasl_mechanism,
            username=self.sasl_username,
            password=self.sasl_password,
            cafile=self.ssl_cafile,
            certfile=self.ssl_certfile,
            keyfile=self.ssl_keyfile,
        )


SECRETS = frozenset(
    {"sasl_password", "user_key_secret", "webhook_url", "serve_token", "certificate_secret"}
)
PATHS = frozenset({"data_dir", "ssl_cafile", "ssl_certfile", "ssl_keyfile"})


class Loaded(NamedTuple):
    """The settings, and of each where it comes from: a flag, a variable, `file:line`, default."""

    settings: Settings
    origins: dict[str, str]


def load_settings(**flags: Any) -> Settings:  # noqa: ANN401 - whatever typer made of each flag
    """The settings that hold here and now; a flag that is None was not given.

    Raises:
        ConfigError: an unknown name, a bad value, a secret where others can read it.
    """
    return load_with_origins(**flags).settings


def load_with_origins(**flags: Any) -> Loaded:  # noqa: ANN401 - whatever typer made of each flag
    """As `load_settings`, with the origin of each value."""
    known = sources.Known(tuple(Settings.model_fields), SECRETS)
    cwd = Path.cwd()
    project = sources.project_dir(cwd)
    folder = project or cwd
    given = (
        _absolute(sources.from_project_file(folder / sources.PROJECT_FILE, known), folder)
        | _absolute(sources.from_env_file(folder / sources.ENV_FILE, known), folder)
        | sources.from_environment(os.environ, known)
        | sources.from_flags(flags, known)
    )
    if project is not None and "data_dir" not in given:
        default = Settings.model_fields["data_dir"].default
        given["data_dir"] = sources.Given(project / default, DEFAULT)
    origins = {name: given[name].origin if name in given else DEFAULT for name in known.names}
    return Loaded(_checked({name: one.value for name, one in given.items()}, origins), origins)


def _absolute(given: dict[str, sources.Given], folder: Path) -> dict[str, sources.Given]:
    """Paths in a file are meant from the folder of that file, wherever the command runs."""
    return {
        name: one._replace(value=str(folder / one.value))
        if name in PATHS and isinstance(one.value, str)
        else one
        for name, one in given.items()
    }


def _checked(values: dict[str, Any], origins: dict[str, str]) -> Settings:
    """The model, or the first thing wrong with it as one line."""
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    is_form = first["type"] == "string_pattern_mismatch"
    message = "not of this form" if is_form else str(first["msg"]).removeprefix("Value error, ")
    name = str(first["loc"][0]) if first["loc"] else message.partition(":")[0]
    shown = "" if name in SECRETS or not first["loc"] else f"{name} = {values[name]!r}: "
    raise ConfigError(
        f"{shown}{message[0].lower()}{message[1:]}.",
        where=origins[name],
        todo=f"{name}: {Settings.model_fields[name].description}.",
    )
