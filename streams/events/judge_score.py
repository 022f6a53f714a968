"""`judge_score`: an LLM, a program or a person at a desk graded a generation."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from streams.events.event import Derivation, Event
from streams.events.fields import (
    OPEN,
    Amount,
    Count,
    Flag,
    Id,
    Millis,
    Probability,
    SamplingProbability,
    Score,
    Text,
)
from streams.events.identity import evaluator_epoch

Scope = Annotated[Literal["generation", "playlist", "session", "other"], *OPEN]
AnnotatorKind = Annotated[Literal["LLM", "CODE", "HUMAN", "other"], *OPEN]
SamplingReason = Annotated[
    Literal["random", "stratified", "active", "triggered", "backfill", "other"], *OPEN
]
EPOCH_PARTS = ("rubric_hash", "judge_prompt_version", "judge_provider", "judge_model_resolved")
"""What `evaluator_epoch` is derived from where it is absent; all four are needed."""


class JudgeScore(Event):
    """A grade with error: of one generation, one dimension, one evaluator, one repetition.

    Required beside the common fields: generation_id, dimension, judge_id, and evaluator_epoch or
    the EPOCH_PARTS it is derived from. One of score_value, score_label and error_type must be
    there; with error_type, score_value is null: a judge that failed has given no score. Null
    otherwise means unknown; repeat_idx null counts as 0.
    """

    own_id: ClassVar[str] = "score_id"
    derivations: ClassVar[tuple[Derivation, ...]] = (
        Derivation("evaluator_epoch", EPOCH_PARTS, evaluator_epoch),
    )

    score_id: Id = Field(description="Best `identity.score_id`, so that sending twice is once")
    generation_id: Id = Field(description="What was graded (gen_ai.response.id); the Kafka key")
    scope: Scope | None = Field(None, description="What the grade is about")
    dimension: Id = Field(description="Quality that was graded (gen_ai.evaluation.name)")
    score_value: Score | None = Field(None, description="Grade, within [score_min, score_max]")
    score_min: Score | None = Field(None, description="Lowest grade of the scale")
    score_max: Score | None = Field(None, description="Highest grade of the scale")
    higher_is_better: Flag | None = Field(None, description="Direction of the scale")
    score_label: Text | None = Field(None, description="Grade in words")
    probability: Probability | None = Field(None, description="Judge's confidence, [0, 1]")
    explanation: Text | None = Field(None, description="Judge's reason")
    annotator_kind: AnnotatorKind | None = Field(None, description="Who grades")
    judge_id: Id = Field(description="The judge")
    judge_provider: Id | None = Field(None, description="Who runs the model")
    judge_model: Id | None = Field(None, description="Model asked for")
    judge_model_resolved: Id | None = Field(None, description="Model that answered")
    judge_prompt_version: Id | None = Field(None, description="Version or hash of the prompt")
    rubric_id: Id | None = Field(None, description="Rubric")
    rubric_version: Id | None = Field(None, description="Version of the rubric")
    rubric_hash: Id | None = Field(None, description="Hash of the rubric's text")
    evaluator_epoch: Id = Field(
        description="`identity.evaluator_epoch` of rubric_hash, judge_prompt_version, "
        "judge_provider and judge_model_resolved; derived from them where absent"
    )
    repeat_idx: Count | None = Field(None, description="Which repetition, from 0")
    is_anchor: Flag | None = Field(None, description="Of the frozen reference set")
    sampling_prob: SamplingProbability | None = Field(
        None, description="Probability with which this generation was judged, [1e-6, 1]"
    )
    sampling_reason: SamplingReason | None = Field(None, description="Why it was judged")
    shadow: Flag | None = Field(None, description="Of a judge on trial")
    error_type: Id | None = Field(None, description="Why there is no score (error.type)")
    latency_ms: Millis | None = Field(None, description="How long the judge took, milliseconds")
    input_tokens: Count | None = Field(None, description="Tokens read")
    output_tokens: Count | None = Field(None, description="Tokens written")
    cost_usd: Amount | None = Field(None, description="Cost, US dollars")
    execution_trace_id: Id | None = Field(None, description="Trace of the judge's run")
