"""From rows of a world to the fields of its messages, a column at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from streams.events.topics import Topic
from streams.simulate.behaviour import ENDINGS
from streams.simulate.ids import rfc3339
from streams.simulate.judging import ERRORS, SCORE_MAX, SCORE_MIN
from streams.simulate.labelling import PREFERENCES, RATING_MAX, RATING_MIN
from streams.simulate.names import DIMENSION, RUBRIC_HASH, RUBRIC_ID, RUBRIC_VERSION, score_ids
from streams.simulate.plan import NO_TEST
from streams.simulate.population import COUNTRIES, PLATFORMS
from streams.simulate.reactions import ACTIONS, NEGATIVE, TAKING_BACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.simulate.names import Names

    Ints = NDArray[np.int64]

ARTISTS_N = 400
GENRES = ("house", "ambient", "indie", "hip-hop", "latin", "jazz")
INTENTS = ("workout", "focus", "party", "sleep")
SCHEMA_VERSION = "1-0-0"
SOMETIMES: Mapping[Topic, frozenset[str]] = {
    Topic.EXPOSURES: frozenset({"experiment_id", "variant_id", "propensity", "assignment_time"}),
    Topic.LISTENS: frozenset(
        {
            "generation_id",
            "exposure_id",
            "offline_timestamp",
            "ms_content_unique",
            "skipped",
            "track_uri",
        }
    ),
    Topic.FEEDBACK: frozenset({"playback_id", "value", "value_text", "position_ms"}),
    Topic.JUDGE_SCORES: frozenset({"score_value", "error_type"}),
    Topic.HUMAN_LABELS: frozenset({"other_generation_id", "preference", "score_value"}),
}
"""The fields of each topic that not every message has."""
PLAYER = "//app/player"
JUDGES = "//judges/runner"
ANNOTATION = "//annotation/desk"


def _picked(values: Sequence[object], index: Ints) -> pl.Series:
    """The value at each index; null where it is negative."""
    column = pl.Series(values)[np.maximum(index, 0)]
    absent = pl.Series(index < 0)
    return column.set(absent, None) if absent.any() else column


def _from(source: str) -> dict[str, pl.Expr]:
    return {"source": pl.lit(source), "schema_version": pl.lit(SCHEMA_VERSION)}


def _numbered(prefix: str, column: str | pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit(prefix), column)


def exposures(names: Names, row: Ints) -> pl.DataFrame:
    """Fields of exposure messages."""
    shown, experiments = names.world.exposures, names.world.plan.experiments
    shelf = names.world.plan.shelf
    surfaces = [*(one.surface for one in experiments), shelf.surface if shelf else ""]
    generation = shown.generation[row]
    user_key = names.users[shown.user[row]]
    flat = [variant for one in experiments for variant in one.variants]
    start = np.cumsum([0, *(len(one.variants) for one in experiments)])[:-1]
    experiment = shown.experiment[row]
    outside = experiment == NO_TEST
    arm = np.where(outside, NO_TEST, start[experiment] + shown.arm[row])
    frame = pl.DataFrame(
        {
            "exposure_id": names.exposure(row),
            "event_time": rfc3339(shown.time_ms[row]),
            "generation_id": names.generation(generation),
            "user_key": user_key,
            "unit_id": user_key,
            "experiment_id": _picked([one.name for one in experiments], experiment),
            "variant_id": _picked([variant.name for variant in flat], arm),
            "propensity": _picked([variant.allocation for variant in flat], arm),
            "assignment_time": rfc3339(shown.assigned_ms[row]).set(pl.Series(outside), None),
            "surface": _picked(surfaces, np.where(outside, len(experiments), experiment)),
            "position": shown.position[row],
            "gen_latency_ms": 250 + (generation * 37) % 900,
            "artist": generation % ARTISTS_N,
            "genre": _picked(GENRES, generation % len(GENRES)),
            "intent": _picked(INTENTS, generation % len(INTENTS)),
        }
    )
    return frame.with_columns(
        model_id=_numbered("model-", pl.col("variant_id").fill_null("public")),
        artist_ids=pl.concat_list(_numbered("artist-", "artist")),
        artist_consent=pl.lit("opted_in"),
        taxonomy=pl.struct("genre", "intent"),
        unit_type=pl.lit("user"),
        content_origin=pl.lit("ai_generated"),
        **_from(PLAYER),
    ).drop("artist", "genre", "intent")


def _reason_end(ending: Ints, row: Ints) -> pl.Series:
    """How each play ended, in words; one skip in seven went back, half the errors were exits."""
    reasons = ("fwdbtn", "backbtn", "trackdone", "endplay", "trackerror", "unexpected_exit")
    skip = np.where(row % 7 == 0, 1, 0)
    error = np.where(row % 2 == 0, 4, 5)
    by_ending = {"early_skip": skip, "late_skip": skip, "endplay": 3, "error": error}
    code = np.choose(ending, [by_ending.get(one, 2) for one in ENDINGS])
    return _picked(reasons, code)


def listens(names: Names, row: Ints, offline: NDArray[np.bool_]) -> pl.DataFrame:
    """Fields of listen messages. offline: which of these rows were played without connection."""
    plays, people = names.world.listens, names.world.population
    ending = plays.ending[row]
    ms_played, duration_ms = plays.ms_played[row], plays.duration_ms[row]
    home = plays.user[row] % people.users_n
    generation = plays.generation[row]
    organic = generation == -1
    looped = ending == ENDINGS.index("repeat")
    started = rfc3339(plays.started_ms[row])
    frame = pl.DataFrame(
        {
            "playback_id": names.playback(row),
            "event_time": rfc3339(plays.stopped_ms[row]),
            "generation_id": names.generation(generation).set(pl.Series(organic), None),
            "exposure_id": names.exposure(plays.exposure[row]),
            "user_key": names.users[plays.user[row]],
            "track": np.maximum(plays.track[row], 0),
            "started_at": started,
            "offline_timestamp": started.set(pl.Series(~offline), None),
            "ms_played": ms_played,
            "ms_content_unique": pl.Series(np.minimum(ms_played, duration_ms)).set(
                pl.Series(looped), None
            ),
            "track_duration_ms": duration_ms,
            "reason_end": _reason_end(ending, row),
            "skipped": pl.Series(ending < 2).set(pl.Series(row % 20 == 0), None),
            "incognito": plays.incognito[row],
            "is_organic": organic,
            "platform": _picked(PLATFORMS, people.platform[home]),
            "country": _picked(COUNTRIES, people.country[home]),
        }
    )
    uri = pl.when("is_organic").then(_numbered("listenback:track:", "track"))
    return frame.with_columns(
        track_uri=uri,
        offline=pl.lit(value=True).and_(pl.Series(offline)),
        reason_start=pl.when("is_organic").then(pl.lit("clickrow")).otherwise(pl.lit("trackdone")),
        **_from(PLAYER),
    ).drop("track")


def feedback(names: Names, row: Ints) -> pl.DataFrame:
    """Fields of feedback messages."""
    reactions, shown = names.world.feedback, names.world.exposures
    exposure = reactions.exposure[row]
    action = reactions.action[row]
    sign = [-1 if one in NEGATIVE else 0 if one in TAKING_BACK else 1 for one in ACTIONS]
    position_ms = reactions.position_ms[row]
    frame = pl.DataFrame(
        {
            "feedback_id": names.feedback(row),
            "event_time": rfc3339(reactions.time_ms[row]),
            "generation_id": names.generation(shown.generation[exposure]),
            "exposure_id": names.exposure(exposure),
            "playback_id": names.playback(reactions.listen[row]),
            "user_key": names.users[shown.user[exposure]],
            "action": _picked(ACTIONS, action),
            "polarity": _picked(sign, action),
            "value": reactions.value[row],
            "position_ms": pl.Series(position_ms).set(pl.Series(position_ms < 0), None),
        }
    )
    said = pl.when(pl.col("action") == "comment").then(pl.lit("not what I asked for"))
    return frame.with_columns(
        value=pl.col("value").fill_nan(None),
        value_text=said,
        is_explicit=pl.col("action") != "artist_page_visit",
        **_from(PLAYER),
    )


def judge_scores(names: Names, row: Ints) -> pl.DataFrame:
    """Fields of judge score messages."""
    scores, judges = names.world.scores, names.world.plan.judges
    start = np.cumsum([0, *(len(one.epochs) for one in judges)])[:-1]
    stretch = start[scores.judge[row]] + scores.epoch[row]
    epochs = [epoch for one in judges for epoch in one.epochs]
    is_anchor = scores.generation[row] >= len(names.world.generations)
    why = np.where(is_anchor, 2, scores.sampling_prob[row] >= 1)
    frame = pl.DataFrame(
        {
            "event_time": rfc3339(scores.time_ms[row]),
            "generation_id": names.generation(scores.generation[row]),
            "score_value": pl.Series(scores.value[row]).fill_nan(None),
            "error_type": _picked(ERRORS, scores.error[row]),
            "judge_id": _picked([one.judge_id for one in judges], scores.judge[row]),
            "judge_provider": _picked([one.provider for one in judges], scores.judge[row]),
            "judge_model_resolved": _picked([epoch.model for epoch in epochs], stretch),
            "judge_prompt_version": _picked([epoch.prompt_version for epoch in epochs], stretch),
            "evaluator_epoch": names.epochs()[stretch],
            "repeat_idx": scores.repeat[row],
            "is_anchor": is_anchor,
            "sampling_prob": scores.sampling_prob[row].round(6),
            "sampling_reason": _picked(("stratified", "triggered", "backfill"), why),
            "latency_ms": scores.latency_ms[row],
            "input_tokens": scores.tokens[row],
        }
    )
    return frame.with_columns(
        score_id=score_ids(frame),
        dimension=pl.lit(DIMENSION),
        score_min=pl.lit(SCORE_MIN),
        score_max=pl.lit(SCORE_MAX),
        rubric_id=pl.lit(RUBRIC_ID),
        rubric_version=pl.lit(RUBRIC_VERSION),
        rubric_hash=pl.lit(RUBRIC_HASH),
        annotator_kind=pl.lit("LLM"),
        **_from(JUDGES),
    )


def human_labels(names: Names, row: Ints) -> pl.DataFrame:
    """Fields of human label messages."""
    labels = names.world.labels
    other = labels.other[row]
    frame = pl.DataFrame(
        {
            "label_id": names.label(row),
            "event_time": rfc3339(labels.time_ms[row]),
            "generation_id": names.generation(labels.generation[row]),
            "other_generation_id": names.generation(other).set(pl.Series(other < 0), None),
            "preference": _picked(PREFERENCES, labels.preference[row]),
            "score_value": pl.Series(labels.value[row]).fill_nan(None),
            "rater_key": names.raters[labels.rater[row]],
            "ms_listened": labels.ms_listened[row],
            "is_anchor": labels.generation[row] >= len(names.world.generations),
        }
    )
    return frame.with_columns(
        dimension=pl.lit(DIMENSION),
        score_min=pl.lit(RATING_MIN),
        score_max=pl.lit(RATING_MAX),
        rater_role=pl.lit("expert"),
        blinded=pl.lit(value=True),
        **_from(ANNOTATION),
    )


def fields(topic: Topic, names: Names, row: Ints, offline: NDArray[np.bool_]) -> pl.DataFrame:
    """The message fields of these rows of a topic; offline concerns listens only."""
    if topic is Topic.LISTENS:
        return listens(names, row, offline)
    makers: dict[Topic, Callable[[Names, Ints], pl.DataFrame]] = {
        Topic.EXPOSURES: exposures,
        Topic.FEEDBACK: feedback,
        Topic.JUDGE_SCORES: judge_scores,
        Topic.HUMAN_LABELS: human_labels,
    }
    return makers[topic](names, row)


def keys(topic: Topic, frame: pl.DataFrame) -> pl.Series:
    """The Kafka key of each message: the generation, or the listener of an organic play."""
    key = pl.col("generation_id")
    key = pl.coalesce(key, "user_key") if topic is Topic.LISTENS else key
    return frame.select(key.cast(pl.Binary).alias("key"))["key"]
