"""Every setting of the streaming half, in one frozen model.

Precedence: flag > environment `LISTENBACK_*` > `.env` > `listenback.toml` > default. Unknown keys
are errors. Secrets come from the environment only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

DAY_US = 86_400_000_000


class Settings(BaseSettings):
    """What a worker, a simulator or a publisher is told. Units stand last in the names."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="LISTENBACK_",
        env_file=".env",
        toml_file="listenback.toml",
        frozen=True,
        extra="forbid",
    )

    bootstrap: str = Field("localhost:9092", description="Kafka address, host:port[,host:port]")
    group: str = Field("listenback", description="Consumer group of the workers")
    topic_prefix: str = Field("", description="Put before every topic name")
    partitions_n: int = Field(4, ge=1, le=10_000, description="Partitions of each input topic")
    data_dir: Path = Field(Path("listenback-data"), description="Where workers keep their files")
    worker_id: str = Field("0", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Names the files")
    user_key_secret: SecretStr | None = Field(
        None, description="Key of the HMAC that turns user ids into user keys; environment only"
    )

    window_sizes_s: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (60, 3_600, 86_400), description="Sizes of the tumbling windows, seconds"
    )
    horizon_days: int = Field(30, ge=1, le=400, description="How late an event may come")
    out_of_orderness_s: int = Field(60, ge=0, description="Distance of the watermark, seconds")
    future_max_s: int = Field(
        3_600, ge=0, description="How far an event may lie after its record's own time, seconds"
    )

    flush_rows_max: int = Field(200_000, ge=1, description="Rows that force a flush")
    flush_age_max_ms: int = Field(1_000, ge=1, description="Age that forces a flush, ms")
    message_bytes_max: int = Field(1_000_000, ge=1, description="Larger messages are refused")
    publish_interval_s: float = Field(5.0, ge=0.0, description="Least time between two snapshots")
    publish_share_max: float = Field(0.1, gt=0, le=1, description="Most of the time to publish")
    publish_keep_n: int = Field(3, ge=1, description="Published snapshots kept")
    duckdb_memory: str = Field("1GB", description="Memory limit of the worker's DuckDB")
    duckdb_threads_n: int = Field(2, ge=1, description="Threads of the worker's DuckDB")

    @property
    def worker_file(self) -> Path:
        """The worker's own DuckDB file: nobody else opens it."""
        return self.data_dir / "workers" / f"worker-{self.worker_id}.duckdb"

    @property
    def published_dir(self) -> Path:
        """Where snapshots appear by rename: readers open these."""
        return self.data_dir / "published"

    @property
    def warehouse_file(self) -> Path:
        """The one file for readers: `warehouse.duckdb`."""
        return self.published_dir / "warehouse.duckdb"

    def topic(self, name: str) -> str:
        """The topic's name on the broker."""
        return self.topic_prefix + name
