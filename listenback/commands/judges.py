"""`listenback judges`: which judges there are, and what plain files of ratings say of any judge."""

from __future__ import annotations

import typer

from listenback.commands import judge_arms, judge_outcomes, judge_pairs, judge_ratings
from listenback.lazy import CONTEXT_SETTINGS

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings=CONTEXT_SETTINGS,
    help="""Measure judges on plain files of ratings, or list those in the warehouse.

    Every number has an interval, its n and its method; what the data cannot
    carry is said in words, and where nothing can be said the exit code is 4.
    docs/judges.md explains each figure.

    Examples:
      listenback judges agreement l.csv --item item --rater rater --value stars
      listenback judges outcome tracks.parquet --score score --outcome listens
      listenback judges pairwise v.csv --preference p --score-a a --score-b b
    """,
)
app.command("agreement")(judge_ratings.agreement)
app.command("outcome")(judge_outcomes.outcome)
app.command("bias")(judge_outcomes.bias)
app.command("pairwise")(judge_pairs.pairwise)
app.command("orders")(judge_pairs.orders)
app.command("compare")(judge_arms.compare)
app.command("ppi")(judge_arms.ppi)
