"""Figures about judges on a terminal, in a pipe, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from analytics import words
from listenback.console import out, print_columns, print_json
from streams.errors import UntrustworthyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.judges.figure import Figure
    from listenback.ratings import Section

DIGITS = 4


def show(sections: Sequence[Section], *, where: str, as_json: bool) -> None:
    """All sections; UntrustworthyError (exit code 4) where no figure has a number."""
    if as_json:
        print_json({"file": where, "sections": [as_dict(section) for section in sections]})
    else:
        for section in sections:
            _print(section)
    figures = [one for section in sections for one in section.figures]
    if figures and all(one.value is None for one in figures):
        reasons = "; ".join(dict.fromkeys(one.reason for one in figures))
        raise UntrustworthyError(
            f"there is no number to give: {reasons}.", where=where, done="Nothing was guessed."
        )


def as_dict(section: Section) -> dict[str, Any]:
    """A section for JSON."""
    figures = [asdict(one) for one in section.figures]
    return {"by": section.by, "counts": section.counts, "figures": figures}


def _print(section: Section) -> None:
    if section.by:
        out.print(", ".join(f"{key} {value}" for key, value in section.by.items()), markup=False)
    told = [f"{key} {_text(value)}" for key, value in section.counts.items()]
    if told:
        out.print("; ".join(told), markup=False)
    rows = [row(one) for one in section.figures]
    if rows:
        print_columns([("figure", "value", "interval", "p", "n", "note"), *rows])


def row(one: Figure) -> tuple[str, ...]:
    """One figure as cells."""
    span = words.NONE
    if one.low is not None and one.high is not None:
        span = f"{number(one.low)} to {number(one.high)}"
    note = one.reason or one.method
    p = words.p_value(one.p)
    return one.name, number(one.value), span, p, f"{one.n:,} {one.unit}", note


def number(value: float | None) -> str:
    """Four digits that carry something."""
    if value is None:
        return words.NONE
    return words.number(value, DIGITS if abs(value) < 100 else 1)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(one) for one in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
