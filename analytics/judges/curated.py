"""From disagreements to a set to learn from: diverse, worded, paired, in files with a hash.

The strongest come first; an artist and a context (surface, labels, prompt template) may fill only
so many places. No file names a listener, a rater or a moment; the counts of people are at least k.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from analytics.judges.mining import AGAINST_PEOPLE, HIGH_SKIPPED, LOW_LIKED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from analytics.judges.mining import Heard, Terms

SCHEMA: Final = "listenback.curated/1"
CONTEXT: Final = ("surface", "taxonomy", "prompt_template_version")
BUCKETS: Final = ((0.4, "easy"), (0.2, "medium"), (0.0, "hard"))
"""Least margin of each bucket: what stands far apart is easy to learn."""
ITEM: Final = (
    *("item_id", "kind", "generation_id", "judge_id", "dimension", "evaluator_epoch", "score"),
    *("score_min", "score_max", "judge_rank", "surface", "place", "intent", "popularity"),
    *("taxonomy", "model_id", "model_version", "prompt_template_version", "artist_ids"),
    *("listeners", "skipped_share", "usual_skipped", "liked_share", "usual_liked"),
    *("margin", "bucket", "reason"),
)
SHARES: Final = ("judge_rank", "skipped_share", "usual_skipped", "liked_share", "usual_liked")
DIGITS: Final = 4

LIMITS: Final = """
## What it is not

- No random sample: it holds what judges got wrong, and must not be used to measure how often.
- Skips and saves are behaviour, not verdicts; a stratum does not hold everything that moves them.
- Items are named by `generation_id`; prompts and audio are with whoever generated them.
- No file names a listener, a rater or a moment. Erasing a listener means mining again.
"""
"""The end of every dataset card."""


@dataclass(frozen=True, slots=True)
class Caps:
    """How many items of one artist, and of one context, a kind may hold."""

    per_artist: int = 10
    per_context: int = 50


@dataclass(frozen=True, eq=False, slots=True)
class Curated:
    """items: ITEM. sft: what to learn from. preference: chosen over rejected, same context."""

    items: pl.DataFrame
    sft: pl.DataFrame
    preference: pl.DataFrame


def curated(found: pl.DataFrame, caps: Caps) -> Curated:
    """The set. found: rows of `mining.disagreements`, of any instruments."""
    shares = {f"{name}_share": pl.col(name) / pl.col("listeners") for name in ("skipped", "liked")}
    ordered = found.with_columns(**shares).sort(
        *("kind", pl.col("margin").round(9), "generation_id", "judge_id", "dimension"),
        "evaluator_epoch",
        descending=[False, True, *[False] * 4],
    )
    kept = ordered.filter(pl.Series(_within(ordered, caps), dtype=pl.Boolean))
    named = kept.with_columns(
        pl.col(*SHARES, "margin").round(DIGITS),
        item_id=_hashed("kind", "generation_id", "judge_id", "dimension", "evaluator_epoch"),
        bucket=_bucket(pl.col("margin")),
        reason=pl.Series([_reason(row) for row in kept.iter_rows(named=True)], dtype=pl.String),
    )
    items = named.select(ITEM)
    return Curated(items, _sft(items), _preference(items))


def _within(ordered: pl.DataFrame, caps: Caps) -> list[bool]:
    """Which rows fit under the caps, strongest first."""
    artists: Counter[tuple[str, str]] = Counter()
    contexts: Counter[tuple[str, ...]] = Counter()
    kept = []
    names = ("kind", "artist_ids", *CONTEXT)
    for kind, makers, *context in ordered.select(names).iter_rows():
        by = [(kind, one) for one in makers or ()]
        where = (kind, *context)
        fits = contexts[where] < caps.per_context
        fits = fits and all(artists[one] < caps.per_artist for one in by)
        if fits:
            artists.update(by)
            contexts[where] += 1
        kept.append(fits)
    return kept


def _reason(row: Mapping[str, Any]) -> str:
    """Why the item is in the set, in words."""
    rank = row["judge_rank"]
    said = f"the judge ranks it above {rank:.0%} of its like"
    like = f"place {row['place']}, {row['surface'] or 'no surface'}"
    like += f", {row['intent']}" if row["intent"] else ""
    if row["kind"] == AGAINST_PEOPLE:
        return f"{said}; the people who rated it rank it above {row['people_rank']:.0%}"
    name, done = (
        ("skipped", "skipped it within 30 s")
        if row["kind"] == HIGH_SKIPPED
        else ("liked", "saved it or played it again")
    )
    return (
        f"{said}; {row[name]} of {row['listeners']} listeners {done},"
        f" where {row[f'usual_{name}']:.0%} is usual ({like})"
    )


def _hashed(*columns: str) -> pl.Expr:
    """A name of the row that any run gives it."""
    return pl.concat_str(columns, separator="\x1f").map_elements(
        lambda text: hashlib.sha256(text.encode()).hexdigest()[:32], return_dtype=pl.String
    )


def _bucket(margin: pl.Expr) -> pl.Expr:
    easy, medium, hard = BUCKETS
    return (
        pl.when(margin >= easy[0])
        .then(pl.lit(easy[1]))
        .when(margin >= medium[0])
        .then(pl.lit(medium[1]))
        .otherwise(pl.lit(hard[1]))
    )


def _sft(items: pl.DataFrame) -> pl.DataFrame:
    """What listeners kept against a judge: an item once, with its strongest margin."""
    liked = items.filter(pl.col("kind") == LOW_LIKED).sort("margin", "item_id", descending=True)
    once = liked.unique("generation_id", keep="first", maintain_order=True)
    return once.select(*CONTEXT, "generation_id", "margin", "bucket", "reason").sort(
        "generation_id"
    )


def _preference(items: pl.DataFrame) -> pl.DataFrame:
    """Pairs of one context: what listeners kept over what they skipped, each item in one pair.

    margin: half the distance of (liked - usual) - (skipped - usual) of the two.
    """
    worth = (pl.col("liked_share") - pl.col("usual_liked")) - (
        pl.col("skipped_share") - pl.col("usual_skipped")
    )
    sides = []
    for kind, name, is_best_first in (
        (LOW_LIKED, "chosen", True),
        (HIGH_SKIPPED, "rejected", False),
    ):
        one = items.filter(pl.col("kind") == kind).with_columns(worth=worth)
        one = one.unique("generation_id", keep="first", maintain_order=True).sort(
            "worth", "generation_id", descending=[is_best_first, False]
        )
        nth = pl.int_range(pl.len()).over(CONTEXT)
        sides.append(
            one.select(
                *CONTEXT,
                nth.alias("nth"),
                pl.col("generation_id").alias(name),
                pl.col("worth").alias(f"{name}_worth"),
                pl.col("reason").alias(f"{name}_reason"),
            )
        )
    pairs = sides[0].join(sides[1], on=[*CONTEXT, "nth"])
    half = ((pl.col("chosen_worth") - pl.col("rejected_worth")) / 2).round(DIGITS)
    both = pairs.with_columns(margin=half).filter(pl.col("chosen") != pl.col("rejected"))
    return (
        both.with_columns(bucket=_bucket(pl.col("margin")))
        .select(
            *CONTEXT, "chosen", "rejected", "margin", "bucket", "chosen_reason", "rejected_reason"
        )
        .sort("chosen", "rejected")
    )


def write_curated(
    folder: Path, made: Curated, heard: Heard, terms: Terms, caps: Caps
) -> dict[str, Any]:
    """Write the files and give the manifest, which is written last.

    The content hash is over the rows and the terms, not over times or versions: the same warehouse
    gives the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    total = hashlib.sha256()
    files: dict[str, Any] = {}
    for name, frame in (("items", made.items), ("sft", made.sft), ("preference", made.preference)):
        lines = frame.write_ndjson().encode()
        total.update(f"{name} {len(lines)}\n".encode() + lines)
        (folder / f"{name}.jsonl").write_bytes(lines)
        frame.write_parquet(folder / f"{name}.parquet")
        files[name] = {"rows": frame.height, "sha256": hashlib.sha256(lines).hexdigest()}
    rules = {**asdict(terms), **asdict(caps)}
    total.update(json.dumps(rules, sort_keys=True).encode())
    kinds = made.items.group_by("kind").len().sort("kind")
    manifest = {
        "schema": SCHEMA,
        "content_hash": total.hexdigest(),
        "terms": rules,
        "items_seen": heard.all_n,
        "left_out": {"without_consent": heard.without_consent, "below_k": heard.below_k},
        "kinds": dict(kinds.iter_rows()),
        "files": files,
    }
    (folder / "README.md").write_text(card(manifest), encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def card(manifest: Mapping[str, Any]) -> str:
    """The dataset card."""
    terms, out = manifest["terms"], manifest["left_out"]
    kinds = "\n".join(f"| {kind} | {n:,} |" for kind, n in manifest["kinds"].items())
    files = "\n".join(
        f"| `{name}.jsonl`, `{name}.parquet` | {one['rows']:,} | `{one['sha256'][:16]}` |"
        for name, one in manifest["files"].items()
    )
    return f"""# Where a judge and listeners disagree

Items that an LLM judge ranked among the top or bottom {terms["top"]:.0%} and that people treated
the other way, found by `listenback mine`. Content hash `{manifest["content_hash"]}`.

| kind | items |
| --- | --- |
{kinds}

| files | rows | SHA-256 of the JSON lines |
| --- | --- | --- |
{files}

## How it was made

- Of {manifest["items_seen"]:,} items with listeners, {out["without_consent"]:,} were left out for
  lack of consent (anything but *opted in* or *not applicable*, or nothing said) and
  {out["below_k"]:,} for having fewer than {terms["k"]} distinct listeners.
- What is usual is the share among other items of the same surface, place in the list, intent and
  quarter of popularity. About {terms["fdr"]:.0%} of the items told by behaviour may be there by
  accident (Benjamini-Hochberg); for those told by raters no such share is known.
- At most {terms["per_artist"]} items of an artist and {terms["per_context"]} of a context (surface,
  labels, prompt template), of each kind.
- `sft`: what listeners saved or played again though the judge ranked it low. `preference`: that
  over what they skipped though the judge ranked it high, in the same context. `bucket`: easy from
  a margin of {BUCKETS[0][0]}, medium from {BUCKETS[1][0]}, else hard.
{LIMITS}"""
