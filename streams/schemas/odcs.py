"""The warehouse as an Open Data Contract (ODCS 3.1), made from the comments in the file.

Source: https://bitol-io.github.io/open-data-contract-standard/v3.1.0/
"""

from __future__ import annotations

import uuid
from importlib.metadata import version
from typing import Any, Final

from streams.schemas.tables import READERS, TableWords, described

CONTRACT_ID: Final = str(uuid.uuid5(uuid.NAMESPACE_URL, "urn:listenback:warehouse"))
LOGICAL: Final = {
    "VARCHAR": "string",
    "BLOB": "string",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DOUBLE": "number",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}
WHOLE: Final = ("INT", "HUGEINT", "BIGINT")


def odcs() -> dict[str, Any]:
    """The contract of `warehouse.duckdb`: the tables and views that readers are promised."""
    tables = described()
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": CONTRACT_ID,
        "name": "listenback warehouse",
        "version": version("listenback"),
        "status": "active",
        "description": {
            "purpose": "Judge scores and listening, joined; sums by window and by unit and day.",
            "usage": "Open published/warehouse.duckdb read-only; it is replaced, never written to.",
            "limitations": "Numbers change while late events come; `maturity` and `status` say so.",
        },
        "schema": [_table(tables[name]) for name in READERS],
    }


def _table(table: TableWords) -> dict[str, Any]:
    return {
        "name": table.name,
        "logicalType": "object",
        "physicalType": "table",
        "description": table.comment,
        "properties": [
            _typed(
                {"name": column.name, "description": column.meaning, "physicalType": column.kind},
                column.kind,
            )
            for column in table.columns
        ],
    }


def _typed(said: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind.endswith("[]"):
        return said | {"logicalType": "array", "items": _typed({}, kind.removesuffix("[]"))}
    return said | {"logicalType": _logical(kind)}


def _logical(kind: str) -> str:
    """ODCS' word for a DuckDB type.

    Raises:
        KeyError: the type is new here; say what it is in LOGICAL.
    """
    if any(kind.endswith(word) for word in WHOLE) or kind in {"INTEGER", "UINTEGER"}:
        return "integer"
    return LOGICAL[kind]
