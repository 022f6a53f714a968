"""The contracts as JSON Schema, for producers in any language.

`tests/golden/*.json` hold them, so that a change of a contract shows as a diff. To write them anew:

    python -m streams.events.json_schema tests/golden
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streams.events.contracts import CONTRACTS
from streams.events.dead_letter import DeadLetterEnvelope
from streams.events.erasure import Erasure

if TYPE_CHECKING:
    from streams.events.contract import Contract
    from streams.events.event import Message

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schemas() -> dict[str, dict[str, Any]]:
    """Every message's schema by its name: the five events, the dead letter and the erasure."""
    schemas = {contract.name: event_schema(contract) for contract in CONTRACTS.values()}
    schemas["dead_letter"] = _message_schema(DeadLetterEnvelope)
    schemas["erasure"] = _message_schema(Erasure)
    return schemas


def event_schema(contract: Contract) -> dict[str, Any]:
    """The schema of an event's body, as it is without CloudEvents headers.

    Either id will do, and a derived field or what it is derived from; the rules between fields,
    which the dialect cannot say, are listed as `x-rules`.
    """
    schema = _message_schema(contract.model)
    choices: list[list[list[str]]] = [[["event_id"], [contract.own_id]]]
    choices += [[[one.field], list(one.parts)] for one in contract.model.derivations]
    optional = {"event_id", contract.own_id, *(one.field for one in contract.model.derivations)}
    schema["required"] = [name for name in schema["required"] if name not in optional]
    schema["allOf"] = [{"anyOf": [{"required": names} for names in one]} for one in choices]
    schema["x-rules"] = [
        {
            "name": rule.name,
            "field": rule.field_path,
            "class": rule.error_class,
            "says": rule.reason,
        }
        for rule in contract.rules
    ]
    return schema


def schema_text(schema: dict[str, Any]) -> str:
    """The schema as it stands in a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _message_schema(model: type[Message]) -> dict[str, Any]:
    return {"$schema": DIALECT, **model.model_json_schema()}


def main(folder: Path) -> None:
    """Write every schema into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in json_schemas().items():
        (folder / f"{name}.json").write_text(schema_text(schema), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
