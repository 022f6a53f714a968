"""Forgetting a user in every file of a data directory, and proving it.

The proof has two parts. No file holds the key any more, in any of the forms it may have, byte for
byte. And the sums of every warehouse are those that its remaining facts give when they are joined
anew: what the user added is out of them, and nothing else is.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import mmap
import os
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from streams import erasing
from streams.by_rename import write_whole
from streams.clock import now_us
from streams.engine.rules import Rules
from streams.errors import ConfigError
from streams.warehouse import archive, erasures
from streams.warehouse.connect import archive_of, literal, open_readable, open_writable
from streams.warehouse.content import content_of
from streams.warehouse.layout import TABLES
from streams.warehouse.migrate import check_current, migrate
from streams.warehouse.publish import place
from streams.warehouse.ruling import stored_rules
from streams.warehouse.scrub import scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from duckdb import DuckDBPyConnection

    from streams.settings import Settings
    from streams.warehouse.erasures import Request

CERTIFICATES = "erasures"
"""Folder in data_dir; a certificate holds the hash of the key, never the key."""
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:listenback:erasure")
DERIVED = (
    *(name for name, table in TABLES.items() if table.counted),
    "generation_score",
)
"""What the facts of a file determine."""
OWN_FOLDER = "workers"
"""Files in it may be open for writing."""
ARCHIVE = "archive"
"""Folder beside published files; in it a file is Parquet."""
WORDLESS = frozenset(
    {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT"}
    | {"UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "DATE", "TIMESTAMP"}
    | {"TIMESTAMP WITH TIME ZONE"}
)
"""Types of DuckDB whose values are too short to hold a key; columns of any other are searched."""
MEMORY = "500MB"
"""Of DuckDB while a file is read or written; what needs more goes through a file beside it."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """A file: rows that go by table, and how often the key stands in its bytes."""

    path: Path
    rows_n: Mapping[str, int]
    hits_n: int


def request_of(user_key: str, before_us: int | None, requested_at_us: int) -> erasures.Request:
    """A request; the same user and scope is the same request."""
    if len(user_key) != 64 or set(user_key) - set("0123456789abcdef"):
        raise ConfigError(
            "a user key is 64 lower-case hexadecimal digits.",
            where="--user-key",
            todo="Give the key that stands in the events: HMAC-SHA256 of the user's id.",
        )
    name = f"{erasures.key_hash(user_key)}/{before_us}"
    return erasures.Request(str(uuid.uuid5(NAMESPACE, name)), user_key, requested_at_us, before_us)


def files(settings: Settings) -> list[Path]:
    """Every file of the data directory."""
    return sorted(path for path in settings.data_dir.rglob("*") if path.is_file())


def warehouses(settings: Settings) -> list[Path]:
    """The DuckDB files among them: workers' own, published, earlier snapshots, replays."""
    names = [path for path in files(settings) if ".duckdb" in path.name]
    return [path for path in names if path.suffix == ".duckdb" or path.suffix[1:].isdigit()]


def parts(settings: Settings) -> list[Path]:
    """The archived parts among them, and what a dead process left of one."""
    return [path for path in files(settings) if ARCHIVE in path.parent.parts]


def look(settings: Settings, request: Request, tell: Callable[[Path], None]) -> list[FileReport]:
    """What each file holds of the user. A worker's file in use is left out; see its copies."""
    reports = []
    databases, archived = frozenset(warehouses(settings)), frozenset(parts(settings))
    for path in files(settings):
        tell(path)
        rows_n = _rows_of(path, request) if path in databases else {}
        if path in archived and (naming_n := _part_naming(path, request.user_key)):
            rows_n = {path.parent.parent.name: naming_n}
        hits_n = hits(path, request.user_key)
        if rows_n or hits_n:
            reports.append(FileReport(path, rows_n, hits_n))
    return reports


def _opened(path: Path) -> DuckDBPyConnection:
    """A file to read, with MEMORY. Raises ConfigError."""
    con = open_readable(path)
    con.execute(f"SET memory_limit = '{MEMORY}'")
    return con


def _rows_of(path: Path, request: Request) -> Mapping[str, int]:
    if path.parent.name == OWN_FOLDER:  # its owner may have it open; its bytes are counted
        return {}
    con = _opened(path)
    try:
        check_current(con, str(path))
        return erasing.plan(con, erasures.known_of([request]), _rules(con)).rows_n
    finally:
        con.close()


def erase_files(
    settings: Settings, request: Request, tell: Callable[[Path], None]
) -> list[FileReport]:
    """Forget the user in every warehouse file and write each anew. All files must be free.

    A published file is never changed: its successor takes its name, so readers are not disturbed.
    """
    reports, done = [], dict[int, Path]()
    for path in warehouses(settings):
        tell(path)
        inode = path.stat().st_ino
        if inode in done:  # names of one file stay names of one file
            coming = path.with_name(f".{path.name}.linked")
            os.link(done[inode], coming)
            coming.replace(path)
            continue
        coming = path.with_name(f".{path.name}.erased")
        shutil.copyfile(path, coming)
        log = path.with_name(f"{path.name}.wal")
        if log.exists():
            shutil.copyfile(log, coming.with_name(f"{coming.name}.wal"))
        rows_n = _erased(coming, request)
        scrub(coming, memory=settings.duckdb_memory)
        place(coming, path, keep_n=1)
        log.unlink(missing_ok=True)
        done[inode] = path
        reports.append(FileReport(path, rows_n, hits(path, request.user_key)))
    _remove_unnamed(settings)
    return reports


def _remove_unnamed(settings: Settings) -> None:
    """Remove every part that no warehouse file names: it was written anew, or a crash left it."""
    named = {
        archive_of(path) / file for path in warehouses(settings) for file in archive.files_of(path)
    }
    for path in parts(settings):
        if path.absolute() not in named:
            path.unlink()


def _erased(path: Path, request: Request) -> Mapping[str, int]:
    con = open_writable(path, memory=MEMORY, threads_n=1)
    try:
        migrate(con, str(path))
        rows_n = erasing.erase(con, [request], _rules(con)).rows_n
        con.execute("CHECKPOINT")
        return rows_n
    finally:
        con.close()


def _rules(con: DuckDBPyConnection) -> Rules:
    stored = stored_rules(con)
    if stored is None:
        return Rules((60,), 0)
    return Rules(tuple(stored["window_sizes_s"]), stored["out_of_orderness_us"])


def forms(user_key: str) -> list[bytes]:
    """The bytes that a key may stand as: hexadecimal, as it is, in base64 at any alignment."""
    plain = user_key.encode()
    encoded = [
        base64.b64encode(b"\0" * shift + plain)[4 if shift else 0 : -4] for shift in range(3)
    ]
    return [plain, plain.upper(), bytes.fromhex(user_key), *encoded]


def hits(path: Path, user_key: str) -> int:
    """How often a file holds the key in one of its forms."""
    if not path.stat().st_size:
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return sum(_count(view, form) for form in forms(user_key))


def _count(view: mmap.mmap, form: bytes) -> int:
    count, at = 0, view.find(form)
    while at >= 0:
        count, at = count + 1, view.find(form, at + 1)
    return count


def _untold(_: Path) -> None:
    """Nobody looks on."""


def residue(
    settings: Settings, request: Request, tell: Callable[[Path], None] = _untold
) -> dict[str, int]:
    """Files that still hold the key, and how often. A scope in time leaves the later events.

    The bytes of every file are looked through, and the rows of every warehouse and archived part,
    too: there texts may be compressed.
    """
    databases, archived = frozenset(warehouses(settings)), frozenset(parts(settings))
    found = {}
    for path in files(settings):
        tell(path)
        hits_n = hits(path, request.user_key)
        if path in archived:
            hits_n = max(hits_n, _part_naming(path, request.user_key))
        if path in databases and path.parent.name != OWN_FOLDER:
            hits_n = max(hits_n, _rows_naming(path, request.user_key))
        if hits_n:
            found[str(path.relative_to(settings.data_dir))] = hits_n
    return found


def _rows_naming(path: Path, user_key: str) -> int:
    """Rows of any table of a warehouse that hold the key in a form that text can have."""
    con = _opened(path)
    try:
        names = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        return sum(_rows_with(con, f'"{name}"', user_key) for (name,) in names)
    finally:
        con.close()


def _part_naming(path: Path, user_key: str) -> int:
    """Rows of an archived part that hold the key; of half a part the bytes tell."""
    if path.suffix != ".parquet":
        return 0
    with duckdb.connect(":memory:") as con:
        return _rows_with(con, f"read_parquet('{literal(path)}')", user_key)


def _rows_with(con: DuckDBPyConnection, rows: str, user_key: str) -> int:
    """Rows with a column in which the key stands; what is shorter than it is not searched."""
    texts = [form.decode() for form in forms(user_key) if form.isascii()]
    forms_of = " OR ".join(f"contains({{0}}, ${i})" for i in range(1, len(texts) + 1))
    holds = f"strlen({{0}}) >= {min(map(len, texts))} AND ({forms_of})"
    described = con.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()
    wordy = [
        '"' + name.replace('"', '""') + '"::VARCHAR'
        for name, kind, *_ in described
        if kind.endswith("[]") or kind.partition("(")[0] not in WORDLESS
    ]
    some = " OR ".join(f"({holds.format(column)})" for column in wordy)
    if not some:
        return 0
    ((rows_n,),) = con.execute(f"SELECT count(*) FROM {rows} WHERE {some}", texts).fetchall()
    return int(rows_n)


def proof(
    settings: Settings,
    request: Request,
    reports: list[FileReport],
    tell: Callable[[Path], None] = _untold,
) -> dict[str, Any]:
    """What is left of the user, and which warehouses do not follow from their facts.

    With a scope in time the user's later events stay, so there bytes prove nothing.
    """
    left = {} if request.before_us is not None else residue(settings, request, tell)
    wrong = []
    for one in reports:
        tell(one.path)
        if not is_sum_of_facts(one.path):
            wrong.append(str(one.path.relative_to(settings.data_dir)))
    return {"residue": left, "not_sums_of_facts": wrong, "is_proved": not left and not wrong}


def is_sum_of_facts(path: Path) -> bool:
    """Whether what is derived in a warehouse is what its facts give when joined anew."""
    source = _opened(path)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            _rebuilt(source, Path(folder) / "rebuilt.duckdb") as rebuilt,
        ):
            ours = content_of(rebuilt, tables=DERIVED).parts
        return ours == content_of(source, tables=DERIVED).parts
    finally:
        source.close()


@contextlib.contextmanager
def _rebuilt(source: DuckDBPyConnection, path: Path) -> Iterator[DuckDBPyConnection]:
    con = open_writable(path, memory=MEMORY, threads_n=1)
    try:
        migrate(con, str(path))
        erasing.join_facts(source, con, _rules(source))
        yield con
    finally:
        con.close()


def certificate(
    settings: Settings, request: Request, reports: list[FileReport], proof: Mapping[str, Any]
) -> dict[str, Any]:
    """What was done and how it was checked; signed where there is a secret."""
    body: dict[str, Any] = {
        "request_id": request.request_id,
        "user_key_sha256": request.key_hash,
        "before_us": request.before_us,
        "requested_at_us": request.requested_at_us,
        "done_at_us": now_us(),
        "files": [
            {
                "file": str(report.path.relative_to(settings.data_dir)),
                "rows_removed_or_changed": dict(report.rows_n),
                "sha256": _sha256(report.path),
            }
            for report in reports
        ],
        **proof,
    }
    secret = settings.certificate_secret
    if secret is not None:
        text = json.dumps(body, sort_keys=True).encode()
        digest = hmac.new(secret.get_secret_value().encode(), text, hashlib.sha256)
        body["hmac_sha256"] = digest.hexdigest()
    return body


def write_certificate(settings: Settings, body: Mapping[str, Any]) -> Path:
    """Into its folder, by rename."""
    path = settings.data_dir / CERTIFICATES / f"{body['request_id']}.json"
    write_whole({path: (json.dumps(body, indent=2, sort_keys=True) + "\n").encode()})
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
