"""`listenback judges fused`: two variants by labels, with every help that is fair."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Optional

import typer

from analytics.judges.certificate import RULES
from analytics.judges.daysums import DaySums, load
from analytics.judges.trial import Asked, try_judges
from analytics.judges.verdict import Fused, fused_differences
from analytics.read import check_warehouse
from listenback.console import out, print_columns, print_json
from listenback.definitions import definitions
from listenback.figures import row
from listenback.options import setting
from streams.errors import ConfigError, did_you_mean
from streams.settings import load_settings
from streams.warehouse.reading import open_warehouse

WarehouseFile = Annotated[
    Optional[Path], typer.Option("--warehouse", help="A published file (default: the data dir's).")
]
ConfigDir = Annotated[
    Optional[Path], typer.Option("--config", help="Holds experiments/, which name the controls.")
]
OneExperiment = Annotated[
    Optional[str], typer.Option("--experiment", "-e", help="Only this experiment.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object with every figure.")]


def fused(
    *,
    experiment: OneExperiment = None,
    warehouse: WarehouseFile = None,
    config: ConfigDir = None,
    as_json: AsJson = False,
    data_dir: Annotated[Optional[Path], setting("data_dir")] = None,
) -> None:
    """Variants by human labels, judges and usage in one estimate.

    Per variant beside its control: labels alone, fused, and what each judge
    alone would have said. The fused estimate stays right whatever a judge
    says; a revoked one has weight 0. Prints the share of labels saved.

    Examples:
      listenback judges fused
      listenback judges fused --experiment dj-voice --json
    """
    settings = load_settings(data_dir=data_dir)
    file = warehouse or settings.warehouse_file
    con = open_warehouse(file)
    try:
        check_warehouse(con, str(file))
        before = DaySums.empty() if warehouse else load(settings.data_dir / "judges")
        found = try_judges(con, definitions(config), Asked(), before=before)
    finally:
        con.close()
    views = fused_differences(found.rated, found.trials, found.controls, alpha=RULES.alpha)
    known = sorted({one.experiment for one in views})
    if experiment is not None and experiment not in known:
        raise ConfigError(
            f"no experiment '{experiment}' has labels beside a control.",
            where="--experiment",
            todo=did_you_mean(experiment, known),
        )
    chosen = [one for one in views if experiment in {None, one.experiment}]
    if as_json:
        print_json({"experiments": [asdict(one) for one in chosen]})
        return
    if not chosen:
        out.print("No experiment has human labels yet.", markup=False)
    for one in chosen:
        _say(one)


def _say(one: Fused) -> None:
    """The estimates as a table, then who helped and who may not."""
    difference = one.difference
    title = f"{one.experiment}: {one.variant} - {one.control}, {one.dimension}"
    out.print(f"{title}, points of the people's scale", markup=False)
    named = (
        ("labels alone", difference.human),
        ("fused", difference.fused),
        ("labels alone, every look", difference.human_always),
        ("fused, every look", difference.fused_always),
        *((f"{alone.judge} alone, its own points", alone.single) for alone in one.judges),
    )
    lines = [row(replace(figure, name=name)) for name, figure in named]
    print_columns([("estimate", "value", "interval", "p", "n", "note"), *lines])
    out.print(_help(one), markup=False)


def _help(one: Fused) -> str:
    saving = one.difference.label_saving
    said = [] if saving is None else [f"labels saved, measured: {saving:.0%}"]
    out_of = [f"{alone.judge} ({alone.why})" for alone in one.judges if not alone.may]
    if out_of:
        said.append(f"weight 0: {'; '.join(out_of)}")
    return ". ".join(said) + ".\n"
