"""The catalogue as Spotify's Confidence reads it: its metrics-as-code schema, version 1.

What that schema has no place for (`x-` fields) is left out, and each such place is named; durations
become seconds; a unit without a row counts as 0, which Confidence must be told. `x-activity` is no
loss: it becomes the condition of the fact table's SQL.

Source: https://confidence.dev/schemas/metrics/v1, which forbids unknown keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.catalog.load import load_catalog
from analytics.catalog.shape import DAY_S
from analytics.catalog.yaml_lines import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.catalog.yaml_lines import Document, KeyPath, Problem

SCHEMA = "https://confidence.dev/schemas/metrics/v1"
DURATIONS = frozenset({"aggregation_window", "exposure_offset", "pre_exposure_window"})
ROWS = {
    "exposed": "SELECT * FROM unit_day WHERE experiment_id <> ''",
    "all": "SELECT * FROM unit_day WHERE experiment_id = ''",
}
"""The rows of `unit_day` that a fact table means, by x-activity."""
ZEROS = {"replace_entity_null_with_zero": True}
"""Every exposed unit counts here, with 0 where it did nothing."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A document of Confidence's schema, and what it does not say: one note a place."""

    document: dict[str, list[dict[str, Any]]]
    dropped: tuple[Problem, ...]


def export_confidence(directory: Path) -> Exported:
    """Every fact table, measurement and metric under `directory`/metrics, as one document.

    Experiments stay out: that schema has none.
    Raises: CatalogError where a definition is wrong; ConfigError without such a directory.
    """
    load_catalog(directory)
    found: dict[str, list[dict[str, Any]]] = {"fact_tables": [], "measurements": []}
    dropped: list[Problem] = []
    for file in sorted((directory / "metrics").glob("*.y*ml")):
        document, _ = read_yaml(file)
        if document is None:  # an empty file
            continue
        for noun, parts in found.items():
            for index, part in enumerate(document.data.get(noun, ())):
                path: KeyPath = (noun, index)
                kept = _kept(part, path, document, dropped)
                parts.append(_table(kept, part) if noun == "fact_tables" else _measurement(kept))
    return Exported({noun: parts for noun, parts in found.items() if parts}, tuple(dropped))


def _kept(value: Any, path: KeyPath, document: Document, dropped: list[Problem]) -> Any:  # noqa: ANN401 - YAML
    """The value without `x-` keys, durations in seconds; what goes is noted."""
    if isinstance(value, list):
        return [_kept(one, (*path, at), document, dropped) for at, one in enumerate(value)]
    if not isinstance(value, dict):
        return f"{int(value[:-1]) * DAY_S}s" if _is_days(value, path) else value
    kept = {}
    for key, below in value.items():
        if not key.startswith("x-"):
            kept[key] = _kept(below, (*path, key), document, dropped)
        elif key != "x-activity":
            dropped.append(document.problem((*path, key), f"{below!r} has no place there"))
    return kept


def _is_days(value: object, path: KeyPath) -> bool:
    return path[-1] in DURATIONS and isinstance(value, str) and value.endswith("d")


def _table(kept: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """A fact table by SQL, because both kinds of rows stand in one table."""
    return {
        ("sql" if key == "table" else key): (
            ROWS[whole.get("x-activity", "exposed")] if key == "table" else value
        )
        for key, value in kept.items()
    }


def _measurement(kept: dict[str, Any]) -> dict[str, Any]:
    """A measurement with its nulls as zeros, its metrics last."""
    metrics = kept.pop("metrics", [])
    return {**kept, "null_handling": dict(ZEROS), **({"metrics": metrics} if metrics else {})}
