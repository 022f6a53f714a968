"""Where judge and listeners disagree, for the report: over whole variants, and item by item.

Over variants: both prefer clearly, and not the same one; what is told are means over everybody who
met them. Item by item: what `listenback mine` finds under its own terms, so nothing of fewer than
`k` distinct listeners and nothing without consent. What a judge wrote is not shown: it may quote a
prompt, and prompts may be personal.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from analytics.judges.curated import Caps, curated
from analytics.judges.mining import KINDS, Said, Terms, disagreements, read_heard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from duckdb import DuckDBPyConnection

    from analytics.judges.ledger import Entry
    from analytics.judges.mining import Heard
    from analytics.judges.rated import Rated
    from analytics.results import Comparison, Estimate, ExperimentResult, JudgeView, Report, Verdict

PER_KIND: Final = 3
"""Items shown of each kind; `listenback mine` writes all."""


@dataclass(frozen=True, slots=True)
class VariantCard:
    """A judge clearly prefers one variant, listeners the other.

    units: that carry the outcome, both variants. difference: of the judge's means, treatment
    against control. effect: on the success metric that listeners decided by, relative.
    """

    experiment: str
    title: str
    control: str
    treatment: str
    judge: str
    dimension: str
    epoch: str
    model: str
    state: str
    judge_prefers: str
    listeners_prefer: str
    difference: Estimate | None
    metric: str
    metric_title: str
    effect: Estimate | None
    units: int


@dataclass(frozen=True, slots=True)
class ItemCard:
    """One item: the judge at one end of its ranks, people at the other. Shares of `listeners`.

    judge_rank: share of its like that the judge ranks below it. usual: of other items of the same
    place, popularity and intent.
    """

    kind: str
    generation_id: str
    judge: str
    dimension: str
    epoch: str
    surface: str
    intent: str
    model: str
    listeners: int
    judge_rank: float
    skipped_share: float
    usual_skipped: float
    liked_share: float
    usual_liked: float
    reason: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Both, and what was looked at: an empty list says why.

    items_n: items with listeners; of them without_consent and below_k may not leave. found: items
    that disagree, of which `items` are the strongest. fdr: share of them that is accident.
    """

    variants: tuple[VariantCard, ...]
    items: tuple[ItemCard, ...]
    found: int
    items_n: int
    without_consent: int
    below_k: int
    k: int
    fdr: float
    why_no_item: str


def with_disagreement(
    con: DuckDBPyConnection, report: Report, entries: Sequence[Entry], rated: Rated
) -> Report:
    """The report with its cards. con: the warehouse that entries and ratings were read from."""
    terms = Terms()
    heard, found = found_items(con, entries, rated, terms)
    made = curated(found, Caps()).items if entries else found
    cards = Disagreement(
        variants=tuple(_variant_cards(report)),
        items=_item_cards(made),
        found=made.height,
        items_n=heard.all_n,
        without_consent=heard.without_consent,
        below_k=heard.below_k,
        k=terms.k,
        fdr=terms.fdr,
        why_no_item="" if made.height else _why_none(heard, terms, entries),
    )
    return dataclasses.replace(report, disagreement=cards)


def found_items(
    con: DuckDBPyConnection, entries: Sequence[Entry], rated: Rated, terms: Terms
) -> tuple[Heard, pl.DataFrame]:
    """Items that may leave, and every disagreement of these instruments on them."""
    heard = read_heard(con, k=terms.k)
    parts = [disagreements(heard.items, _said(rated, one), terms) for one in entries]
    return heard, pl.concat(parts) if parts else pl.DataFrame()


def _said(rated: Rated, one: Entry) -> Said:
    """What the instrument said, and people in its dimension."""
    ratings = rated.ratings.filter(pl.col("dimension") == one.instrument.dimension)
    return Said(one.instrument, rated.of(one.instrument), ratings, one.higher_is_better)


def _why_none(heard: Heard, terms: Terms, entries: Sequence[Entry]) -> str:
    if not entries:
        return "No judge has scored anything yet."
    if not heard.all_n:
        return "Nobody has listened to anything that was generated yet."
    if heard.items.is_empty():
        return (
            f"No item may be named: each of them has fewer than {terms.k} distinct listeners, or"
            " lacks the consent of its artists. Where every output is made for one listener, only"
            " whole variants can be held against a judge."
        )
    return "No item on which a judge and its listeners disagree by more than accident."


def _variant_cards(report: Report) -> Iterator[VariantCard]:
    for result in report.experiments:
        for verdict in result.verdicts:
            if verdict.state == "invalid" or not verdict.listeners_prefer:
                continue
            for view in verdict.judges:
                if view.prefers and view.prefers != verdict.listeners_prefer:
                    yield _variant_card(result, verdict, view)


def _variant_card(result: ExperimentResult, verdict: Verdict, view: JudgeView) -> VariantCard:
    decided = _decided_by(verdict, harm=verdict.listeners_prefer == result.control)
    return VariantCard(
        experiment=result.id,
        title=result.title,
        control=result.control,
        treatment=verdict.treatment,
        judge=view.judge,
        dimension=view.dimension,
        epoch=view.epoch,
        model=view.model,
        state=view.state,
        judge_prefers=view.prefers,
        listeners_prefer=verdict.listeners_prefer,
        difference=view.difference,
        metric=decided.metric if decided else "",
        metric_title=decided.title if decided else "",
        effect=decided.always_valid_relative if decided else None,
        units=decided.control.n + decided.treatment.n if decided else 0,
    )


def _decided_by(verdict: Verdict, *, harm: bool) -> Comparison | None:
    """The first metric that clearly speaks for what listeners prefer."""
    clear = ("worse", "beyond margin") if harm else ("better",)
    every = (*verdict.success, *verdict.deterioration, *verdict.guardrails)
    return next((one for one in every if one.standing in clear), None)


def _item_cards(items: pl.DataFrame) -> tuple[ItemCard, ...]:
    """The strongest few of each kind, in the set's own order."""
    if items.is_empty():
        return ()
    cards = []
    for kind in KINDS:
        rows = items.filter(pl.col("kind") == kind).head(PER_KIND)
        cards += [_item_card(row) for row in rows.iter_rows(named=True)]
    return tuple(cards)


def _item_card(row: dict[str, Any]) -> ItemCard:
    version = " ".join(part for part in (row["model_id"], row["model_version"]) if part)
    return ItemCard(
        kind=row["kind"],
        generation_id=row["generation_id"],
        judge=row["judge_id"],
        dimension=row["dimension"],
        epoch=row["evaluator_epoch"],
        surface=row["surface"],
        intent=row["intent"],
        model=version,
        listeners=row["listeners"],
        judge_rank=row["judge_rank"],
        skipped_share=row["skipped_share"],
        usual_skipped=row["usual_skipped"],
        liked_share=row["liked_share"],
        usual_liked=row["usual_liked"],
        reason=row["reason"],
    )
