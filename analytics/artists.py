"""What variants do to artists: who is heard, how spread out, and which artist loses.

A stream is a play of at least 30 s that was not private. It is credited once to every artist of it:
those that the listen names, else those of its exposure. Shares and differences are over the units
of randomisation of both arms, also those that streamed nothing; intervals are for a single look.
Nothing here decides.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from analytics.fold import UNIT_TABLE
from analytics.outcomes import estimate_of
from analytics.results import Arm, Estimate, finite
from analytics.sql import one_row
from analytics.stats.means import welch_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.multiplicity import adjusted_p
from analytics.stats.overlap import same_pick
from analytics.stats.ratios import ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from analytics.results import ExperimentResult, Report

ALPHA: Final = 0.05
HEAD_SHARE: Final = 0.1
"""Of the artists, the most streamed over everything in the file; the others are the long tail."""
LISTENERS_MIN: Final = 20
"""Units that must have streamed an artist, in both arms together, before it is told alone."""
TOLD_MAX: Final = 3
"""Artists named per treatment: those whose loss is clearest."""
PICKS: Final = ("streams_n", "squares", "met")
CANNOT: Final = (
    "whether an artist was new to a listener before this file begins",
    "what was played elsewhere or privately",
    "who made, wrote or owns what a listen without an artist played",
    "money: what a stream pays",
)


@dataclass(frozen=True, slots=True)
class ArtistShare:
    """One figure of both arms and its difference; None where the data does not carry it."""

    control: Arm
    treatment: Arm
    difference: Estimate | None


@dataclass(frozen=True, slots=True)
class ArtistEffect:
    """Streams of one artist per unit. listeners: units of both arms that streamed it.

    p_adjusted: over all that were tested for this treatment (Benjamini-Hochberg).
    """

    artist: str
    listeners: int
    difference: Estimate
    relative: float | None
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class ArtistComparison:
    """One treatment. artists: heard in each arm.

    tail: of the credited streams. new: artists streamed for the first time in this file, per unit.
    same: the chance that streams of two units go to the same artist. tested: artists with enough
    listeners; fewer, more: of them clearly less or more streamed; lowest: the clearest losses, not
    necessarily clear.
    """

    experiment: str
    title: str
    control: str
    treatment: str
    artists: tuple[int, int]
    tail: ArtistShare
    new: ArtistShare
    same: ArtistShare
    tested: int
    suppressed: int
    fewer: int
    more: int
    lowest: tuple[ArtistEffect, ...]


@dataclass(frozen=True, slots=True)
class ArtistView:
    """artists: with a stream; head: of them the most streamed. head_share: what they hold.

    exposures: of everything, opted_in: whose artists agreed; blocked: refused because they did not.
    unnamed: attributed streams of which nobody says whose they are. why_none: where it is empty.
    """

    artists: int
    head: int
    head_share: float | None
    streams: int
    unnamed: int
    exposures: int
    opted_in: int
    blocked: int
    listeners_min: int
    comparisons: tuple[ArtistComparison, ...]
    cannot: tuple[str, ...]
    why_none: str


_STREAMS = """
CREATE OR REPLACE TEMP TABLE artist_stream AS
WITH shown AS (
    SELECT shard, generation_id, user_key,
        arg_min(coalesce(artist_ids, []), (event_time_us, source, event_id)) AS artist_ids
    FROM exposure GROUP BY ALL
), stream AS (
    SELECT l.shard, l.generation_id, l.user_key, l.event_time_us, l.source, l.event_id,
        CASE WHEN len(coalesce(l.artist_ids, [])) > 0 THEN list_distinct(l.artist_ids)
            WHEN len(coalesce(s.artist_ids, [])) > 0 THEN list_distinct(s.artist_ids)
            ELSE [NULL] END AS artist_ids
    FROM listen l LEFT JOIN shown s USING (shard, generation_id, user_key)
    WHERE l.ms_played >= 30000 AND NOT coalesce(l.incognito, false) AND l.user_key IS NOT NULL
        AND make_timestamp(l.event_time_us)::DATE <= $as_of
)
SELECT shard, generation_id, user_key, artist, row_number() OVER (
    PARTITION BY user_key, artist ORDER BY event_time_us, source, event_id) = 1 AS is_new
FROM (SELECT * EXCLUDE artist_ids, unnest(artist_ids) AS artist FROM stream)
"""
_TOTALS = """
CREATE OR REPLACE TEMP TABLE artist_total AS
SELECT artist, count(*)::BIGINT AS streams_n,
    row_number() OVER (ORDER BY count(*) DESC, artist) <= ceil($head * count(*) OVER ()) AS is_head
FROM artist_stream WHERE artist IS NOT NULL GROUP BY artist
"""
_CREDITS = f"""
CREATE OR REPLACE TEMP TABLE artist_credit AS
WITH met AS (
    SELECT shard, experiment_id, generation_id, user_key,
        arg_min(unit_type, (event_time_us, source, event_id)) AS unit_type,
        arg_min(unit_id, (event_time_us, source, event_id)) AS unit_id
    FROM exposure WHERE coalesce(experiment_id, '') <> '' GROUP BY ALL
)
SELECT m.experiment_id, u.variant_id, m.unit_type, m.unit_id, s.artist, t.is_head,
    count(*)::BIGINT AS streams_n, count(*) FILTER (s.is_new)::BIGINT AS new_n
FROM artist_stream s JOIN artist_total t USING (artist)
JOIN met m USING (shard, generation_id, user_key)
JOIN {UNIT_TABLE} u ON u.experiment_id = m.experiment_id AND u.unit_type = m.unit_type
    AND u.unit_id = m.unit_id AND NOT u.is_multiple
GROUP BY ALL
"""
_UNITS = f"""
WITH everybody AS (
    SELECT variant_id, artist, sum(streams_n) AS all_n FROM artist_credit
    WHERE experiment_id = $experiment AND unit_type = $unit GROUP BY ALL
), own AS (
    SELECT c.unit_id, sum(c.streams_n)::BIGINT AS streams_n,
        coalesce(sum(c.streams_n) FILTER (NOT c.is_head), 0)::BIGINT AS tail_n,
        sum(c.new_n)::BIGINT AS new_n, sum(c.streams_n * c.streams_n)::BIGINT AS squares,
        sum(c.streams_n * e.all_n)::BIGINT AS met
    FROM artist_credit c JOIN everybody e USING (variant_id, artist)
    WHERE c.experiment_id = $experiment AND c.unit_type = $unit GROUP BY ALL
)
SELECT u.variant_id, {{sums}}
FROM {UNIT_TABLE} u LEFT JOIN own USING (unit_id)
WHERE u.experiment_id = $experiment AND u.unit_type = $unit AND NOT u.is_multiple
ORDER BY u.variant_id, u.unit_id
""".format(
    sums=", ".join(
        f"coalesce({name}, 0) AS {name}"
        for name in ("streams_n", "tail_n", "new_n", "squares", "met")
    )
)
_COUNTS = """
SELECT count(*), count(*) FILTER (is_head),
    coalesce(sum(streams_n) FILTER (is_head), 0)::BIGINT, coalesce(sum(streams_n), 0)::BIGINT
FROM artist_total
"""
_UNNAMED = """
SELECT count(*) FROM artist_stream WHERE artist IS NULL AND generation_id IS NOT NULL
"""
_CONSENT = "SELECT count(*), count(*) FILTER (artist_consent = 'opted_in') FROM exposure"
_ARTISTS = """
SELECT artist, variant_id, count(*)::BIGINT AS listeners, sum(streams_n)::DOUBLE AS total,
    sum(streams_n * streams_n)::DOUBLE AS squares
FROM artist_credit WHERE experiment_id = $experiment AND unit_type = $unit
GROUP BY ALL ORDER BY ALL
"""


def with_artists(con: DuckDBPyConnection, report: Report) -> Report:
    """The report with its artist view. con: the warehouse whose folded units it was made from."""
    if report.as_of is None:
        return report
    for sql, given in (
        (_STREAMS, {"as_of": report.as_of}),
        (_TOTALS, {"head": HEAD_SHARE}),
        (_CREDITS, {}),
    ):
        con.execute(sql, given)
    return dataclasses.replace(report, artists=_view(con, report))


def _view(con: DuckDBPyConnection, report: Report) -> ArtistView:
    artists, head, head_streams, streams = one_row(con, _COUNTS)
    (unnamed,) = one_row(con, _UNNAMED)
    exposures, opted_in = one_row(con, _CONSENT)
    letters = report.trust.dead_letters
    return ArtistView(
        artists=artists,
        head=head,
        head_share=head_streams / streams if streams else None,
        streams=streams,
        unnamed=unnamed,
        exposures=exposures,
        opted_in=opted_in,
        blocked=sum(one.n for one in letters if one.error_class == "consent_block"),
        listeners_min=LISTENERS_MIN,
        comparisons=tuple(_compared(con, report)) if artists else (),
        cannot=CANNOT,
        why_none="" if artists else "Neither listens nor exposures name an artist.",
    )


def _compared(con: DuckDBPyConnection, report: Report) -> Iterator[ArtistComparison]:
    """Every treatment of every experiment that is not invalid."""
    for result in report.experiments:
        valid = [one.treatment for one in result.verdicts if one.state != "invalid"]
        if not valid:
            continue
        given = {"experiment": result.id, "unit": result.unit}
        units = con.sql(_UNITS, params=given).pl()
        own = con.sql(_ARTISTS, params=given).pl()
        arms = {str(key): _Side.of(str(key), part, own) for (key,), part in _parts(units)}
        for treatment in valid:
            if result.control in arms and treatment in arms:
                yield _comparison(result, arms[result.control], arms[treatment])


def _parts(units: pl.DataFrame) -> list[tuple[tuple[object, ...], pl.DataFrame]]:
    return list(units.partition_by("variant_id", as_dict=True).items())


@dataclass(frozen=True, eq=False, slots=True)
class _Side:
    """One arm: its units' moments, and what each artist got.

    own: artist, listeners, total, squares.
    """

    variant: str
    n: int
    tail: Marginal
    new: Marginal
    same: Marginal
    own: pl.DataFrame

    @classmethod
    def of(cls, variant: str, units: pl.DataFrame, own: pl.DataFrame) -> _Side:
        sums = Moments.of(units.select("tail_n", "new_n", "streams_n").to_numpy().astype(float))
        return cls(
            variant,
            units.height,
            ratio(sums, numerator=0, denominator=2),
            sums.at(1),
            same_pick(*(units[name].to_numpy().astype(float) for name in PICKS)),
            own.filter(pl.col("variant_id") == variant).drop("variant_id"),
        )


def _comparison(result: ExperimentResult, control: _Side, treatment: _Side) -> ArtistComparison:
    both = control.own.join(treatment.own, on="artist", how="full", suffix="_t", coalesce=True)
    both = both.fill_null(0).sort("artist")
    enough = both.filter(pl.col("listeners") + pl.col("listeners_t") >= LISTENERS_MIN)
    effects = _effects(enough, control.n, treatment.n)
    clear = [one for one in effects if one.p_adjusted <= ALPHA]
    losses = [one for one in effects if (one.difference.estimate or 0.0) < 0]
    losses.sort(key=lambda one: (one.p_adjusted, one.difference.p or 0.0, one.artist))
    return ArtistComparison(
        experiment=result.id,
        title=result.title,
        control=control.variant,
        treatment=treatment.variant,
        artists=(control.own.height, treatment.own.height),
        tail=_share(control, treatment, "tail"),
        new=_share(control, treatment, "new"),
        same=_share(control, treatment, "same"),
        tested=len(effects),
        suppressed=both.height - enough.height,
        fewer=sum((one.difference.estimate or 0.0) < 0 for one in clear),
        more=sum((one.difference.estimate or 0.0) > 0 for one in clear),
        lowest=tuple(losses[:TOLD_MAX]),
    )


def _share(control: _Side, treatment: _Side, name: str) -> ArtistShare:
    sides: list[Marginal] = [getattr(side, name) for side in (control, treatment)]
    lone = [Marginal(*(np.atleast_1d(part) for part in (one.n, one.mean, one.m2))) for one in sides]
    found = welch_interval(*lone, alpha=ALPHA)
    first, second = (
        Arm(side.variant, int(one.n), finite(one.mean))
        for side, one in zip((control, treatment), sides, strict=True)
    )
    return ArtistShare(first, second, estimate_of(found, 0))


def _effects(rows: pl.DataFrame, control_n: int, treatment_n: int) -> list[ArtistEffect]:
    """Streams per unit of each artist; those that no interval is known of are left out."""
    arms = [
        Marginal.from_sums(
            np.full(rows.height, float(n)), rows[f"total{end}"], rows[f"squares{end}"]
        )
        for n, end in ((control_n, ""), (treatment_n, "_t"))
    ]
    found = welch_interval(*arms, alpha=ALPHA)
    known = np.flatnonzero(np.isfinite(found.p))
    adjusted = adjusted_p(found.p[known], "bh") if len(known) else known
    effects = []
    for place, p in zip(known.tolist(), adjusted.tolist(), strict=True):
        one = estimate_of(found, place)
        assert one is not None, "its p is finite"
        base = float(arms[0].mean[place])
        listeners = rows["listeners"][place] + rows["listeners_t"][place]
        relative = finite((one.estimate or 0.0) / base) if base else None
        effects.append(ArtistEffect(rows["artist"][place], listeners, one, relative, p))
    return effects
