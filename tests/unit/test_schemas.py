"""The contracts as other tools read them: golden files, and agreement with the models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from listenback.cli import run
from streams.events.contracts import CONTRACTS
from streams.events.json_schema import json_schemas
from streams.schemas.asyncapi import asyncapi
from streams.schemas.odcs import odcs
from streams.schemas.tables import READERS, described

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("form", ["asyncapi", "odcs"])
def test_the_document_is_the_golden_one(form, capsys):
    """After a wanted change: `listenback schema export FORM --out tests/golden/FORM.yaml`."""
    assert run(["schema", "export", form]) == 0
    assert capsys.readouterr().out == (GOLDEN / f"{form}.yaml").read_text()


def resolved(document, ref):
    for part in ref.removeprefix("#/").split("/"):
        document = document[part]
    return document


def references(node):
    if isinstance(node, dict):
        if set(node) == {"$ref"}:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_in_asyncapi_leads_somewhere():
    document = asyncapi()
    found = list(references(document))
    assert len(found) >= 2 * len(document["channels"])
    assert all(resolved(document, one) for one in found)


def test_asyncapi_has_every_topic_with_the_models_own_schema():
    document = asyncapi()
    topics = {contract.topic.value for contract in CONTRACTS.values()}
    assert set(document["channels"]) == topics | {f"{one}.dlq" for one in topics} | {"erasures"}
    received = {
        one["channel"]["$ref"].removeprefix("#/channels/")
        for one in document["operations"].values()
        if one["action"] == "receive"
    }
    assert received == topics | {"erasures"}
    for name, schema in json_schemas().items():
        payload = document["components"]["messages"][name]["payload"]["schema"]
        assert payload == {key: value for key, value in schema.items() if key != "$schema"}


def test_odcs_has_every_column_of_every_reader_s_table():
    tables = {one["name"]: one for one in odcs()["schema"]}
    assert tuple(tables) == READERS
    for name, words in described().items():
        if name in tables:
            columns = [column["name"] for column in tables[name]["properties"]]
            assert columns == [column.name for column in words.columns]
            assert all(column["description"] for column in tables[name]["properties"])


def test_json_schemas_go_into_a_folder_one_file_an_event(tmp_path, capsys):
    assert run(["schema", "export", "jsonschema", "--out", str(tmp_path / "schemas")]) == 0
    capsys.readouterr()
    written = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "schemas").iterdir()}
    assert written == json.loads(json.dumps(json_schemas()))


def test_confidence_s_form_names_what_it_leaves_out(capsys):
    assert run(["schema", "export", "confidence"]) == 0
    said = capsys.readouterr()
    assert "x-role" in said.err
    document = yaml.safe_load(said.out)
    assert document["measurements"]
    assert "x-" not in json.dumps(list(document["measurements"][0]))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(["schema", "export", "odcs", "--out", str(tmp_path / "file" / "x.yaml")]) == 2
    assert "Name another with --out" in capsys.readouterr().err.replace("\n", " ")
