"""`listenback config`: what the settings are, and where each comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from listenback.console import print_columns, print_json
from listenback.lazy import CONTEXT_SETTINGS
from listenback.options import shown_default
from streams.settings import SECRETS, Loaded, Settings, load_with_origins

MASK = "********"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings=CONTEXT_SETTINGS,
    help="""Show the settings and their origin.

    A flag wins over LISTENBACK_* in the environment, that over .env, that
    over the nearest listenback.toml upward from here, that over the default.
    Unknown names are errors. Secrets are read from the environment only.

    Examples:
      listenback config show
      listenback config show --origin --json
    """,
)


@app.command()
def show(
    *,
    origin: Annotated[
        bool, typer.Option("--origin", help="Print where each value comes from, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Print each setting as it holds here and now; secrets are masked.

    Examples:
      listenback config show --origin
      LISTENBACK_GROUP=nightly listenback config show --json
    """
    loaded = load_with_origins()
    values = shown_values(loaded)
    if as_json and origin:
        print_json(
            {
                name: {"value": value, "origin": loaded.origins[name]}
                for name, value in values.items()
            }
        )
    elif as_json:
        print_json(values)
    else:
        columns = [(name, _text(value), loaded.origins[name]) for name, value in values.items()]
        print_columns(columns if origin else [row[:2] for row in columns])


@app.command("list")
def list_settings(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False
) -> None:
    """Print every setting that exists, its default and its meaning.

    Reads no file and no variable, so it answers when these are broken, too.

    Examples:
      listenback config list
      listenback config list --json
    """
    rows = {
        name: (shown_default(name), str(field.description))
        for name, field in Settings.model_fields.items()
    }
    if as_json:
        print_json(
            {name: {"default": default, "meaning": text} for name, (default, text) in rows.items()}
        )
        return
    print_columns([(name, default or "-", text) for name, (default, text) in rows.items()])


def shown_values(loaded: Loaded) -> dict[str, object]:
    """Each value as JSON can say it; of a secret only that it is set."""
    values: dict[str, object] = loaded.settings.model_dump(mode="json")
    hidden = {name: MASK for name in SECRETS if values[name] is not None}
    return values | hidden


def _text(value: object) -> str:
    """A value as a person would write it in a file."""
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return "-" if value is None else str(value) or '""'
