"""Scores of other tools, in the formats that they write: what a judge said, and by which judge."""

from __future__ import annotations

import json

import pytest
from support.importing import MAPPINGS, SECRET, imported

from streams.errors import ConfigError
from streams.events.identity import evaluator_epoch, user_key
from streams.events.topics import Topic
from streams.importers import tables
from streams.importers.nested import rows_of

JUDGE = {
    "listenback.judge.id": {"stringValue": "aria"},
    "listenback.judge.provider": {"stringValue": "openai"},
    "listenback.judge.model": {"stringValue": "m-2026-01"},
    "listenback.judge.prompt_version": {"stringValue": "p3"},
    "listenback.rubric.hash": {"stringValue": "r1"},
    "listenback.sampling_prob": {"doubleValue": 0.25},
}
SECOND_NS = 1_767_225_600_000_000_000
METADATA = {
    "judge_id": "aria",
    "judge_provider": "openai",
    "judge_model": "m-2026-01",
    "judge_prompt_version": "p3",
    "rubric_hash": "r1",
    "sampling_prob": 0.25,
}
EPOCH = evaluator_epoch("r1", "p3", "openai", "m-2026-01")


def written(path, *documents):
    if path.suffix == ".json":
        path.write_text(json.dumps(list(documents) if len(documents) > 1 else documents[0]))
    else:
        path.write_text("\n".join(json.dumps(one) for one in documents))
    return path


def otel_record(second: int = 0, *, name: str = "gen_ai.evaluation.result", **attributes):
    given = {
        **JUDGE,
        "gen_ai.evaluation.name": {"stringValue": "musicality"},
        **{key.replace("__", "."): value for key, value in attributes.items()},
    }
    return {
        "timeUnixNano": str(SECOND_NS + second * 1_000_000_000),
        "eventName": name,
        "traceId": "5b8efff798038103d269b633813fc60c",
        "attributes": [{"key": k, "value": v} for k, v in given.items() if v is not None],
    }


def otel_document(*records):
    scope = {"scope": {"name": "evals"}, "logRecords": list(records)}
    return {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [scope]}]}


def otel(folder, *records):
    path = written(folder / "logs.jsonl", otel_document(*records))
    return imported(path, MAPPINGS / "otel-evaluations.yaml")


def test_an_otel_event_is_a_score_of_the_response_by_the_judge_that_it_names(tmp_path):
    record = otel_record(
        gen_ai__evaluation__score__value={"doubleValue": 4.5},
        gen_ai__evaluation__score__label={"stringValue": "good"},
        gen_ai__evaluation__explanation={"stringValue": "in tune"},
        gen_ai__response__id={"stringValue": "resp-1"},
    )
    kept, tally = otel(tmp_path, record, otel_record(name="gen_ai.client.operation.details"))
    (score,) = kept.values(Topic.JUDGE_SCORES)
    assert tally.refused_n == 0
    assert (score["generation_id"], score["dimension"]) == ("resp-1", "musicality")
    assert (score["score_value"], score["score_label"]) == (4.5, "good")
    assert (score["judge_id"], score["explanation"]) == ("aria", "in tune")
    assert score["sampling_prob"] == 0.25
    assert score["event_time"] == "2026-01-01T00:00:00.000000Z"
    parts = [score[n] for n in ("rubric_hash", "judge_prompt_version", "judge_provider")]
    assert evaluator_epoch(*parts, score["judge_model_resolved"]) == EPOCH


def test_an_otel_event_with_an_error_type_is_a_missing_score(tmp_path):
    record = otel_record(
        error__type={"stringValue": "timeout"},
        gen_ai__evaluation__score__value={"doubleValue": 0},
    )
    (score,) = otel(tmp_path, record)[0].values(Topic.JUDGE_SCORES)
    assert score["error_type"] == "timeout"
    assert score.get("score_value") is None
    assert score["generation_id"] == "5b8efff798038103d269b633813fc60c"


def test_an_otel_event_that_does_not_say_which_rubric_is_refused_not_guessed(tmp_path):
    record = otel_record(
        gen_ai__evaluation__score__value={"intValue": "3"}, **{"listenback.rubric.hash": None}
    )
    kept, tally = otel(tmp_path, record)
    assert kept.frames == []
    assert [(one.field, n) for one, n in tally.refused.items()] == [("evaluator_epoch", 1)]


@pytest.mark.parametrize("probability", [0.0, 1.5])
def test_a_sampling_probability_of_nought_or_above_one_is_refused(tmp_path, probability):
    record = otel_record(
        gen_ai__evaluation__score__value={"doubleValue": 3.0},
        **{"listenback.sampling_prob": {"doubleValue": probability}},
    )
    kept, tally = otel(tmp_path, record)
    assert kept.frames == []
    assert [one.field for one in tally.refused] == ["sampling_prob"]


def test_the_same_otel_event_imported_twice_has_one_id(tmp_path):
    records = [otel_record(n, gen_ai__evaluation__score__value={"doubleValue": 1}) for n in (0, 1)]
    first = [one["event_id"] for one in otel(tmp_path, *records)[0].values(Topic.JUDGE_SCORES)]
    again = otel(tmp_path, *reversed(records))[0].values(Topic.JUDGE_SCORES)
    assert len(set(first)) == 2
    assert {one["event_id"] for one in again} == set(first)


def langfuse_score(nth: int, **fields):
    return {
        "id": f"s{nth}",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "name": "musicality",
        "traceId": f"t{nth}",
        "source": "EVAL",
        "dataType": "NUMERIC",
        "value": 0.5,
        "metadata": METADATA,
        **fields,
    }


SCORES = [
    langfuse_score(0, comment="in tune", observationId="o0"),
    langfuse_score(1, dataType="BOOLEAN", value=1, stringValue="True"),
    langfuse_score(2, dataType="CATEGORICAL", value=2, stringValue="great"),
    langfuse_score(3, metadata={**METADATA, "error_type": "parse"}, value=0),
    langfuse_score(4, source="ANNOTATION", authorUserId="ada", metadata={}, value=4),
]


@pytest.mark.parametrize("as_pages", [True, False])
def test_langfuse_scores_of_judges_and_of_people(tmp_path, as_pages):
    if as_pages:
        documents = [{"data": SCORES[:3], "meta": {"page": 1}}, {"data": SCORES[3:]}]
        path = written(tmp_path / "scores.json", *documents)
    else:
        path = written(tmp_path / "scores.jsonl", *SCORES)
    kept, tally = imported(path, MAPPINGS / "langfuse-scores.yaml")
    assert tally.refused_n == 0
    scores = {one["generation_id"]: one for one in kept.values(Topic.JUDGE_SCORES)}
    assert [scores[one].get("score_value") for one in ("o0", "t1", "t2", "t3")] == [
        *(0.5, 1.0, None, None)
    ]
    assert (scores["t1"]["score_min"], scores["t1"]["score_max"]) == (0, 1)
    assert scores["t2"]["score_label"] == "great"
    assert scores["t3"]["error_type"] == "parse"
    assert {one["annotator_kind"] for one in scores.values()} == {"LLM"}
    assert {one["sampling_prob"] for one in scores.values()} == {0.25}
    (label,) = kept.values(Topic.HUMAN_LABELS)
    assert (label["generation_id"], label["score_value"]) == ("t4", 4.0)
    assert label["rater_key"] == user_key(SECRET, "ada")


def assessment(nth: int, **fields):
    return {
        "assessment_id": f"a-{nth}",
        "assessment_name": "musicality",
        "trace_id": "tr-1",
        "source": {"source_type": "LLM_JUDGE", "source_id": "openai:/m-2026-01"},
        "create_time": "2026-01-01T00:00:00Z",
        "feedback": {"value": 0.75},
        "rationale": "in tune",
        "metadata": {"rubric_hash": "r1", "judge_prompt_version": "p3"},
        "valid": True,
        **fields,
    }


ASSESSMENTS = [
    assessment(0),
    assessment(1, feedback={"value": "yes"}),
    assessment(2, feedback={"value": True}),
    assessment(3, feedback={"value": None, "error": {"error_code": "RATE_LIMIT"}}),
    assessment(4, valid=False),
    assessment(5, source={"source_type": "HUMAN", "source_id": "ada"}, feedback={"value": 5}),
    {**assessment(6), "feedback": None, "expectation": {"value": 3}},
    assessment(7, source={"source_type": "CODE", "source_id": "loud"}),
]


def test_mlflow_feedback_of_judges_programs_and_people(tmp_path):
    trace = {"info": {"trace_id": "tr-1", "assessments": ASSESSMENTS}, "data": {"spans": []}}
    kept, tally = imported(
        written(tmp_path / "traces.jsonl", trace), MAPPINGS / "mlflow-assessments.yaml"
    )
    scores = kept.values(Topic.JUDGE_SCORES)
    assert [one.get("score_value") for one in scores] == [0.75, 1.0, 1.0, None]
    assert [one.get("score_label") for one in scores] == [None, "yes", "true", None]
    assert [one.get("error_type") for one in scores] == [None, None, None, "RATE_LIMIT"]
    assert {one["judge_provider"] for one in scores} == {"openai"}
    assert {one["judge_model_resolved"] for one in scores} == {"m-2026-01"}
    (label,) = kept.values(Topic.HUMAN_LABELS)
    assert (label["generation_id"], label["score_value"]) == ("tr-1", 5.0)
    # A program that does not say what it is: its epoch would be a guess.
    assert [(one.field, n) for one, n in tally.refused.items()] == [("evaluator_epoch", 1)]


def test_rows_keep_the_path_of_what_they_lie_in_and_attributes_are_fields_by_key():
    document = otel_document(
        {"traceId": "t", "attributes": [{"key": "a.b", "value": {"intValue": "3"}}]}
    )
    (row,) = rows_of(document, "resourceLogs[].scopeLogs[].logRecords[]")
    assert row["resourceLogs.scopeLogs.scope.name"] == "evals"
    assert (row["attributes.a.b"], row["traceId"]) == ("3", "t")


def test_a_line_that_is_no_object_is_counted_and_the_others_are_read(tmp_path):
    path = tmp_path / "scores.jsonl"
    path.write_text("\n".join([json.dumps(SCORES[0]), "{broken", "[]", json.dumps(SCORES[1])]))
    kept, tally = imported(path, MAPPINGS / "langfuse-scores.yaml")
    assert len(kept.values(Topic.JUDGE_SCORES)) == 2
    assert sum(n for one, n in tally.refused.items() if one.error_type == "json") == 2


def test_a_document_beyond_the_bound_says_to_write_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "DOCUMENT_BYTES_MAX", 100)
    path = written(tmp_path / "scores.json", *SCORES)
    with pytest.raises(ConfigError, match="larger than 100 bytes"):
        imported(path, MAPPINGS / "langfuse-scores.yaml")


def test_a_column_that_is_neither_there_nor_optional_is_an_error(tmp_path):
    mapping = tmp_path / "m.yaml"
    text = (MAPPINGS / "langfuse-scores.yaml").read_text()
    mapping.write_text(text.replace("dimension: name", "dimension: nmae"))
    with pytest.raises(ConfigError, match="no column 'nmae'"):
        imported(written(tmp_path / "scores.json", *SCORES), mapping)
