"""The options that every command on a file of ratings shares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from streams.errors import ConfigError

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV, CSV.gz, Parquet or JSON lines with a header.")
]
Where = Annotated[
    Optional[list[str]],
    typer.Option("--where", metavar="COLUMN=VALUE", help="Only such rows; may be repeated."),
]
By = Annotated[
    Optional[list[str]],
    typer.Option("--by", metavar="COLUMN", help="Answer for each value apart; may be repeated."),
]
Alpha = Annotated[float, typer.Option("--alpha", help="Error rate; 0.05 gives 95 % intervals.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, all digits.")]
Epoch = Annotated[
    Optional[str],
    typer.Option("--epoch", metavar="COLUMN", help="Evaluator epoch; several at once are refused."),
]
ErrorColumn = Annotated[
    Optional[str],
    typer.Option("--error", metavar="COLUMN", help="Error type; such a row has no score."),
]
SamplingProb = Annotated[
    Optional[str],
    typer.Option(
        "--sampling-prob", metavar="COLUMN", help="Probability of being scored, above 0, at most 1."
    ),
]
Cluster = Annotated[
    Optional[str],
    typer.Option("--cluster", metavar="COLUMN", help="Rows that are alike: users, songs, prompts."),
]
Scale = Annotated[
    Optional[str],
    typer.Option("--scale", metavar="LOW,HIGH", help="Declared range; a value outside is refused."),
]


def scale_of(text: str | None) -> tuple[float, float] | None:
    """`1,5` as two numbers, or ConfigError."""
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"'{text}' is no range.", where="--scale", todo="Write 1,5.") from None
    if not low < high:
        raise ConfigError(f"the range {text} is empty.", where="--scale", todo="Write LOW,HIGH.")
    return low, high
