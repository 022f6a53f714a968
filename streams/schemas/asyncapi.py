"""The topics as an AsyncAPI 3.1 document, made from the contracts.

Source: https://www.asyncapi.com/docs/reference/specification/v3.1.0 and its Kafka bindings 0.5.0.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from streams.events.contracts import CONTRACTS
from streams.events.json_schema import json_schemas
from streams.events.topics import ERASURES, dead_letter_topic

if TYPE_CHECKING:
    from streams.events.contract import Contract

DRAFT: Final = "application/schema+json;version=draft-07"
"""The newest dialect that AsyncAPI tools must read; ours uses nothing that is newer."""
BINDING: Final = "0.5.0"


def asyncapi() -> dict[str, Any]:
    """Channels, operations and messages of every topic that a worker reads or writes."""
    contracts = list(CONTRACTS.values())
    channels = {one.topic.value: _channel(one.topic.value, one.name) for one in contracts}
    channels[ERASURES] = _channel(ERASURES, "erasure")
    for one in contracts:
        name = dead_letter_topic(one.topic.value)
        channels[name] = _channel(name, "dead_letter")
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "listenback",
            "version": version("listenback"),
            "description": "What a listenback worker reads, and where refused messages go.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {_operation_id(name): _operation(name) for name in channels},
        "components": {"messages": _messages()},
    }


def _messages() -> dict[str, Any]:
    schemas = json_schemas()
    by_name = {contract.name: contract for contract in CONTRACTS.values()}
    return {name: _message(name, schema, by_name.get(name)) for name, schema in schemas.items()}


def _message(name: str, schema: dict[str, Any], contract: Contract | None) -> dict[str, Any]:
    payload = {key: value for key, value in schema.items() if key != "$schema"}
    message: dict[str, Any] = {
        "name": name,
        "contentType": "application/json",
        "payload": {"schemaFormat": DRAFT, "schema": payload},
    }
    if contract is not None:
        key = {"type": "string", "description": " or, where null, ".join(contract.key_fields)}
        message["bindings"] = {"kafka": {"key": key, "bindingVersion": BINDING}}
        message["examples"] = [{"name": name, "payload": dict(contract.example)}]
    return message


def _channel(topic: str, message: str) -> dict[str, Any]:
    return {
        "address": topic,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": BINDING}},
    }


def _operation(topic: str) -> dict[str, Any]:
    sends = topic.endswith(dead_letter_topic(""))
    return {
        "action": "send" if sends else "receive",
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": "Refused messages, whole, with the reason." if sends else f"Reads {topic}.",
    }


def _operation_id(topic: str) -> str:
    return f"{'send' if topic.endswith(dead_letter_topic('')) else 'receive'}-{topic}"
