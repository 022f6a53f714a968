"""`listenback schema`: the contracts, in the forms that other tools read."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from listenback.console import err
from listenback.lazy import CONTEXT_SETTINGS
from streams.by_rename import or_config_error, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings=CONTEXT_SETTINGS,
    help="""Write the contracts in the forms that other tools read.

    They are made from the models that the worker itself uses, so they cannot
    say anything else.

    Examples:
      listenback schema export asyncapi > asyncapi.yaml
      listenback schema export jsonschema --out schemas/
    """,
)


class Form(StrEnum):
    """Whose form."""

    ASYNCAPI = "asyncapi"
    ODCS = "odcs"
    JSONSCHEMA = "jsonschema"
    CONFIDENCE = "confidence"


FormArgument = Annotated[
    Form,
    typer.Argument(
        help="asyncapi: the topics; odcs: the tables; jsonschema: each event; confidence: metrics."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="A file; for jsonschema a folder, one file an event."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of YAML.")]
ConfigDir = Annotated[
    Path | None, typer.Option("--config", help="Where the metrics are (confidence only).")
]


@app.callback()
def schema() -> None:
    """Have one verb below, with its name."""


@app.command()
def export(
    form: FormArgument, *, out: Out = None, as_json: AsJson = False, config: ConfigDir = None
) -> None:
    """Write one of them to stdout or into a file.

    Examples:
      listenback schema export odcs --out warehouse.odcs.yaml
      listenback schema export jsonschema | jq .listen
      listenback schema export confidence --config config > metrics.yaml
    """
    document = _document(form, config)
    if form is Form.JSONSCHEMA and out is not None:
        for name, one in document.items():
            _write(out / f"{name}.json", _json(one))
        return
    text = _json(document) if as_json or form is Form.JSONSCHEMA else _yaml(document)
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text)


def _document(form: Form, config: Path | None) -> dict[str, Any]:
    """The document; what it leaves out is said on stderr."""
    if form is Form.CONFIDENCE:
        from analytics.catalog.confidence import export_confidence  # noqa: PLC0415 - only this form needs it
        from listenback.definitions import config_dir  # noqa: PLC0415 - only this form needs it

        exported = export_confidence(config_dir(config))
        for one in exported.dropped:
            err.print(str(one), markup=False)
        return exported.document
    from streams.events.json_schema import json_schemas  # noqa: PLC0415 - only this form needs it
    from streams.schemas.asyncapi import asyncapi  # noqa: PLC0415 - only this form needs it
    from streams.schemas.odcs import odcs  # noqa: PLC0415 - only this form needs it

    makers: dict[Form, Callable[[], dict[str, Any]]] = {
        Form.ASYNCAPI: asyncapi,
        Form.ODCS: odcs,
        Form.JSONSCHEMA: json_schemas,
    }
    return makers[form]()


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml(document: dict[str, Any]) -> str:
    plain = json.loads(json.dumps(document))  # enums and tuples as what they are on the wire
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


def _write(path: Path, text: str) -> None:
    with or_config_error("it cannot be written", where=path, todo="Name another with --out."):
        write_whole({path: text.encode()})
    err.print(str(path), markup=False)
