-- The first tables. Rendered from streams/warehouse/layout.py; a test holds the two together.
CREATE TABLE exposure_recent (
    "shard" INTEGER,
    "offset" BIGINT,
    "record_time_us" BIGINT,
    "event_id" VARCHAR,
    "source" VARCHAR,
    "schema_version" VARCHAR,
    "event_time_us" BIGINT,
    "recorded_time_us" BIGINT,
    "environment" VARCHAR,
    "environment_raw" VARCHAR,
    "exposure_id" VARCHAR,
    "generation_id" VARCHAR,
    "user_key" VARCHAR,
    "unit_type" VARCHAR,
    "unit_type_raw" VARCHAR,
    "unit_id" VARCHAR,
    "experiment_id" VARCHAR,
    "variant_id" VARCHAR,
    "is_holdout" BOOLEAN,
    "assignment_time_us" BIGINT,
    "propensity" DOUBLE,
    "surface" VARCHAR,
    "surface_raw" VARCHAR,
    "position" BIGINT,
    "model_id" VARCHAR,
    "model_version" VARCHAR,
    "prompt_template_version" VARCHAR,
    "gen_latency_ms" BIGINT,
    "artist_ids" VARCHAR[],
    "artist_consent" VARCHAR,
    "artist_consent_raw" VARCHAR,
    "taxonomy" VARCHAR,
    "content_origin" VARCHAR,
    "content_origin_raw" VARCHAR
);
COMMENT ON TABLE exposure_recent IS 'those rows of exposure that are not archived';
COMMENT ON COLUMN exposure_recent."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN exposure_recent."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN exposure_recent."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN exposure_recent."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN exposure_recent."source" IS 'URI reference of the producer';
COMMENT ON COLUMN exposure_recent."schema_version" IS 'MODEL-REVISION-ADDITION; absent means the current one';
COMMENT ON COLUMN exposure_recent."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN exposure_recent."recorded_time_us" IS 'When the producer wrote it down, UTC';
COMMENT ON COLUMN exposure_recent."environment" IS 'Where the producer runs';
COMMENT ON COLUMN exposure_recent."environment_raw" IS 'environment as sent, where this version does not know the value';
COMMENT ON COLUMN exposure_recent."exposure_id" IS 'This exposure; listens and feedback refer to it';
COMMENT ON COLUMN exposure_recent."generation_id" IS 'The AI output that was met; the Kafka key';
COMMENT ON COLUMN exposure_recent."user_key" IS 'HMAC-SHA256 of the user id, 64 hex digits';
COMMENT ON COLUMN exposure_recent."unit_type" IS 'What was randomised';
COMMENT ON COLUMN exposure_recent."unit_type_raw" IS 'unit_type as sent, where this version does not know the value';
COMMENT ON COLUMN exposure_recent."unit_id" IS 'Which one; equals user_key where unit_type is user';
COMMENT ON COLUMN exposure_recent."experiment_id" IS 'Experiment; null: none';
COMMENT ON COLUMN exposure_recent."variant_id" IS 'Variant of the experiment';
COMMENT ON COLUMN exposure_recent."is_holdout" IS 'In the experiment''s holdout';
COMMENT ON COLUMN exposure_recent."assignment_time_us" IS 'When the unit was assigned, UTC';
COMMENT ON COLUMN exposure_recent."propensity" IS 'Probability with which this variant was assigned, (0, 1]';
COMMENT ON COLUMN exposure_recent."surface" IS 'Where in the product';
COMMENT ON COLUMN exposure_recent."surface_raw" IS 'surface as sent, where this version does not know the value';
COMMENT ON COLUMN exposure_recent."position" IS 'Place in the list or queue, from 0';
COMMENT ON COLUMN exposure_recent."model_id" IS 'Model that generated it';
COMMENT ON COLUMN exposure_recent."model_version" IS 'Version of that model';
COMMENT ON COLUMN exposure_recent."prompt_template_version" IS 'Version of the prompt template';
COMMENT ON COLUMN exposure_recent."gen_latency_ms" IS 'How long the generation took, milliseconds';
COMMENT ON COLUMN exposure_recent."artist_ids" IS 'Artists whose work it draws on';
COMMENT ON COLUMN exposure_recent."artist_consent" IS 'Their consent; opted_out is refused unless content_origin is human';
COMMENT ON COLUMN exposure_recent."artist_consent_raw" IS 'artist_consent as sent, where this version does not know the value';
COMMENT ON COLUMN exposure_recent."taxonomy" IS 'Labels such as genre, mood, intent, language; string to string';
COMMENT ON COLUMN exposure_recent."content_origin" IS 'Who made the content';
COMMENT ON COLUMN exposure_recent."content_origin_raw" IS 'content_origin as sent, where this version does not know the value';

CREATE TABLE listen_recent (
    "shard" INTEGER,
    "offset" BIGINT,
    "record_time_us" BIGINT,
    "event_id" VARCHAR,
    "source" VARCHAR,
    "schema_version" VARCHAR,
    "event_time_us" BIGINT,
    "recorded_time_us" BIGINT,
    "environment" VARCHAR,
    "environment_raw" VARCHAR,
    "playback_id" VARCHAR,
    "generation_id" VARCHAR,
    "exposure_id" VARCHAR,
    "user_key" VARCHAR,
    "track_uri" VARCHAR,
    "artist_ids" VARCHAR[],
    "started_at_us" BIGINT,
    "ms_played" BIGINT,
    "ms_content_unique" BIGINT,
    "track_duration_ms" BIGINT,
    "reason_start" VARCHAR,
    "reason_start_raw" VARCHAR,
    "reason_end" VARCHAR,
    "reason_end_raw" VARCHAR,
    "skipped" BOOLEAN,
    "shuffle" BOOLEAN,
    "offline" BOOLEAN,
    "offline_timestamp_us" BIGINT,
    "incognito" BOOLEAN,
    "is_organic" BOOLEAN,
    "n_seek_fwd" BIGINT,
    "n_seek_back" BIGINT,
    "context_type" VARCHAR,
    "context_type_raw" VARCHAR,
    "playback_rate" DOUBLE,
    "muted_ms" BIGINT,
    "platform" VARCHAR,
    "country" VARCHAR
);
COMMENT ON TABLE listen_recent IS 'those rows of listen that are not archived';
COMMENT ON COLUMN listen_recent."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN listen_recent."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN listen_recent."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN listen_recent."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN listen_recent."source" IS 'URI reference of the producer';
COMMENT ON COLUMN listen_recent."schema_version" IS 'MODEL-REVISION-ADDITION; absent means the current one';
COMMENT ON COLUMN listen_recent."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN listen_recent."recorded_time_us" IS 'When the producer wrote it down, UTC';
COMMENT ON COLUMN listen_recent."environment" IS 'Where the producer runs';
COMMENT ON COLUMN listen_recent."environment_raw" IS 'environment as sent, where this version does not know the value';
COMMENT ON COLUMN listen_recent."playback_id" IS 'This play; feedback refers to it';
COMMENT ON COLUMN listen_recent."generation_id" IS 'AI output that was played, the Kafka key; null: chosen by the listener';
COMMENT ON COLUMN listen_recent."exposure_id" IS 'Exposure that led to the play';
COMMENT ON COLUMN listen_recent."user_key" IS 'HMAC-SHA256 of the user id, 64 hex digits';
COMMENT ON COLUMN listen_recent."track_uri" IS 'What was played';
COMMENT ON COLUMN listen_recent."artist_ids" IS 'Artists of the track';
COMMENT ON COLUMN listen_recent."started_at_us" IS 'When the play began, UTC; not after event_time';
COMMENT ON COLUMN listen_recent."ms_played" IS 'Time listened, milliseconds; repeats count again';
COMMENT ON COLUMN listen_recent."ms_content_unique" IS 'Content heard, milliseconds; each second counts once';
COMMENT ON COLUMN listen_recent."track_duration_ms" IS 'Length, milliseconds';
COMMENT ON COLUMN listen_recent."reason_start" IS 'Why the play began';
COMMENT ON COLUMN listen_recent."reason_start_raw" IS 'reason_start as sent, where this version does not know the value';
COMMENT ON COLUMN listen_recent."reason_end" IS 'Why the play ended';
COMMENT ON COLUMN listen_recent."reason_end_raw" IS 'reason_end as sent, where this version does not know the value';
COMMENT ON COLUMN listen_recent."skipped" IS 'The client''s own flag; often missing';
COMMENT ON COLUMN listen_recent."shuffle" IS 'Shuffle was on';
COMMENT ON COLUMN listen_recent."offline" IS 'Played without a connection';
COMMENT ON COLUMN listen_recent."offline_timestamp_us" IS 'When the client went offline, UTC';
COMMENT ON COLUMN listen_recent."incognito" IS 'Private mode: counted, but in no per-user metric';
COMMENT ON COLUMN listen_recent."is_organic" IS 'The listener''s own choice';
COMMENT ON COLUMN listen_recent."n_seek_fwd" IS 'Seeks forward';
COMMENT ON COLUMN listen_recent."n_seek_back" IS 'Seeks back';
COMMENT ON COLUMN listen_recent."context_type" IS 'What it was played from';
COMMENT ON COLUMN listen_recent."context_type_raw" IS 'context_type as sent, where this version does not know the value';
COMMENT ON COLUMN listen_recent."playback_rate" IS 'Speed; 1 is normal';
COMMENT ON COLUMN listen_recent."muted_ms" IS 'Played while muted, milliseconds';
COMMENT ON COLUMN listen_recent."platform" IS 'Client platform';
COMMENT ON COLUMN listen_recent."country" IS 'ISO 3166-1 alpha-2, upper case';

CREATE TABLE feedback_recent (
    "shard" INTEGER,
    "offset" BIGINT,
    "record_time_us" BIGINT,
    "event_id" VARCHAR,
    "source" VARCHAR,
    "schema_version" VARCHAR,
    "event_time_us" BIGINT,
    "recorded_time_us" BIGINT,
    "environment" VARCHAR,
    "environment_raw" VARCHAR,
    "feedback_id" VARCHAR,
    "generation_id" VARCHAR,
    "exposure_id" VARCHAR,
    "playback_id" VARCHAR,
    "user_key" VARCHAR,
    "action" VARCHAR,
    "action_raw" VARCHAR,
    "polarity" BIGINT,
    "value" DOUBLE,
    "value_text" VARCHAR,
    "reason_code" VARCHAR,
    "is_explicit" BOOLEAN,
    "position_ms" BIGINT
);
COMMENT ON TABLE feedback_recent IS 'those rows of feedback that are not archived';
COMMENT ON COLUMN feedback_recent."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN feedback_recent."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN feedback_recent."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN feedback_recent."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN feedback_recent."source" IS 'URI reference of the producer';
COMMENT ON COLUMN feedback_recent."schema_version" IS 'MODEL-REVISION-ADDITION; absent means the current one';
COMMENT ON COLUMN feedback_recent."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN feedback_recent."recorded_time_us" IS 'When the producer wrote it down, UTC';
COMMENT ON COLUMN feedback_recent."environment" IS 'Where the producer runs';
COMMENT ON COLUMN feedback_recent."environment_raw" IS 'environment as sent, where this version does not know the value';
COMMENT ON COLUMN feedback_recent."feedback_id" IS 'This reaction';
COMMENT ON COLUMN feedback_recent."generation_id" IS 'The AI output it is about; the Kafka key';
COMMENT ON COLUMN feedback_recent."exposure_id" IS 'Exposure it follows';
COMMENT ON COLUMN feedback_recent."playback_id" IS 'Play it belongs to';
COMMENT ON COLUMN feedback_recent."user_key" IS 'HMAC-SHA256 of the user id, 64 hex digits';
COMMENT ON COLUMN feedback_recent."action" IS 'What the listener did';
COMMENT ON COLUMN feedback_recent."action_raw" IS 'action as sent, where this version does not know the value';
COMMENT ON COLUMN feedback_recent."polarity" IS '-1, 0 or 1; 0 takes back';
COMMENT ON COLUMN feedback_recent."value" IS 'Rating or survey value';
COMMENT ON COLUMN feedback_recent."value_text" IS 'Comment of at most 500 characters, freed of personal data';
COMMENT ON COLUMN feedback_recent."reason_code" IS 'Reason, from the producer''s taxonomy';
COMMENT ON COLUMN feedback_recent."is_explicit" IS 'Said so, rather than inferred';
COMMENT ON COLUMN feedback_recent."position_ms" IS 'Where in the track, milliseconds';

CREATE TABLE judge_score_recent (
    "shard" INTEGER,
    "offset" BIGINT,
    "record_time_us" BIGINT,
    "event_id" VARCHAR,
    "source" VARCHAR,
    "schema_version" VARCHAR,
    "event_time_us" BIGINT,
    "recorded_time_us" BIGINT,
    "environment" VARCHAR,
    "environment_raw" VARCHAR,
    "score_id" VARCHAR,
    "generation_id" VARCHAR,
    "scope" VARCHAR,
    "scope_raw" VARCHAR,
    "dimension" VARCHAR,
    "score_value" DOUBLE,
    "score_min" DOUBLE,
    "score_max" DOUBLE,
    "higher_is_better" BOOLEAN,
    "score_label" VARCHAR,
    "probability" DOUBLE,
    "explanation" VARCHAR,
    "annotator_kind" VARCHAR,
    "annotator_kind_raw" VARCHAR,
    "judge_id" VARCHAR,
    "judge_provider" VARCHAR,
    "judge_model" VARCHAR,
    "judge_model_resolved" VARCHAR,
    "judge_prompt_version" VARCHAR,
    "rubric_id" VARCHAR,
    "rubric_version" VARCHAR,
    "rubric_hash" VARCHAR,
    "evaluator_epoch" VARCHAR,
    "repeat_idx" BIGINT,
    "is_anchor" BOOLEAN,
    "sampling_prob" DOUBLE,
    "sampling_reason" VARCHAR,
    "sampling_reason_raw" VARCHAR,
    "shadow" BOOLEAN,
    "error_type" VARCHAR,
    "latency_ms" BIGINT,
    "input_tokens" BIGINT,
    "output_tokens" BIGINT,
    "cost_usd" DOUBLE,
    "execution_trace_id" VARCHAR
);
COMMENT ON TABLE judge_score_recent IS 'those rows of judge_score that are not archived';
COMMENT ON COLUMN judge_score_recent."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN judge_score_recent."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN judge_score_recent."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN judge_score_recent."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN judge_score_recent."source" IS 'URI reference of the producer';
COMMENT ON COLUMN judge_score_recent."schema_version" IS 'MODEL-REVISION-ADDITION; absent means the current one';
COMMENT ON COLUMN judge_score_recent."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN judge_score_recent."recorded_time_us" IS 'When the producer wrote it down, UTC';
COMMENT ON COLUMN judge_score_recent."environment" IS 'Where the producer runs';
COMMENT ON COLUMN judge_score_recent."environment_raw" IS 'environment as sent, where this version does not know the value';
COMMENT ON COLUMN judge_score_recent."score_id" IS 'Best `identity.score_id`, so that sending twice is once';
COMMENT ON COLUMN judge_score_recent."generation_id" IS 'What was graded (gen_ai.response.id); the Kafka key';
COMMENT ON COLUMN judge_score_recent."scope" IS 'What the grade is about';
COMMENT ON COLUMN judge_score_recent."scope_raw" IS 'scope as sent, where this version does not know the value';
COMMENT ON COLUMN judge_score_recent."dimension" IS 'Quality that was graded (gen_ai.evaluation.name)';
COMMENT ON COLUMN judge_score_recent."score_value" IS 'Grade, within [score_min, score_max]';
COMMENT ON COLUMN judge_score_recent."score_min" IS 'Lowest grade of the scale';
COMMENT ON COLUMN judge_score_recent."score_max" IS 'Highest grade of the scale';
COMMENT ON COLUMN judge_score_recent."higher_is_better" IS 'Direction of the scale';
COMMENT ON COLUMN judge_score_recent."score_label" IS 'Grade in words';
COMMENT ON COLUMN judge_score_recent."probability" IS 'Judge''s confidence, [0, 1]';
COMMENT ON COLUMN judge_score_recent."explanation" IS 'Judge''s reason';
COMMENT ON COLUMN judge_score_recent."annotator_kind" IS 'Who grades';
COMMENT ON COLUMN judge_score_recent."annotator_kind_raw" IS 'annotator_kind as sent, where this version does not know the value';
COMMENT ON COLUMN judge_score_recent."judge_id" IS 'The judge';
COMMENT ON COLUMN judge_score_recent."judge_provider" IS 'Who runs the model';
COMMENT ON COLUMN judge_score_recent."judge_model" IS 'Model asked for';
COMMENT ON COLUMN judge_score_recent."judge_model_resolved" IS 'Model that answered';
COMMENT ON COLUMN judge_score_recent."judge_prompt_version" IS 'Version or hash of the prompt';
COMMENT ON COLUMN judge_score_recent."rubric_id" IS 'Rubric';
COMMENT ON COLUMN judge_score_recent."rubric_version" IS 'Version of the rubric';
COMMENT ON COLUMN judge_score_recent."rubric_hash" IS 'Hash of the rubric''s text';
COMMENT ON COLUMN judge_score_recent."evaluator_epoch" IS '`identity.evaluator_epoch` of rubric_hash, judge_prompt_version, judge_provider and judge_model_resolved; derived from them where absent';
COMMENT ON COLUMN judge_score_recent."repeat_idx" IS 'Which repetition, from 0';
COMMENT ON COLUMN judge_score_recent."is_anchor" IS 'Of the frozen reference set';
COMMENT ON COLUMN judge_score_recent."sampling_prob" IS 'Probability with which this generation was judged, [1e-6, 1]';
COMMENT ON COLUMN judge_score_recent."sampling_reason" IS 'Why it was judged';
COMMENT ON COLUMN judge_score_recent."sampling_reason_raw" IS 'sampling_reason as sent, where this version does not know the value';
COMMENT ON COLUMN judge_score_recent."shadow" IS 'Of a judge on trial';
COMMENT ON COLUMN judge_score_recent."error_type" IS 'Why there is no score (error.type)';
COMMENT ON COLUMN judge_score_recent."latency_ms" IS 'How long the judge took, milliseconds';
COMMENT ON COLUMN judge_score_recent."input_tokens" IS 'Tokens read';
COMMENT ON COLUMN judge_score_recent."output_tokens" IS 'Tokens written';
COMMENT ON COLUMN judge_score_recent."cost_usd" IS 'Cost, US dollars';
COMMENT ON COLUMN judge_score_recent."execution_trace_id" IS 'Trace of the judge''s run';

CREATE TABLE human_label_recent (
    "shard" INTEGER,
    "offset" BIGINT,
    "record_time_us" BIGINT,
    "event_id" VARCHAR,
    "source" VARCHAR,
    "schema_version" VARCHAR,
    "event_time_us" BIGINT,
    "recorded_time_us" BIGINT,
    "environment" VARCHAR,
    "environment_raw" VARCHAR,
    "label_id" VARCHAR,
    "generation_id" VARCHAR,
    "other_generation_id" VARCHAR,
    "preference" VARCHAR,
    "preference_raw" VARCHAR,
    "dimension" VARCHAR,
    "score_value" DOUBLE,
    "score_label" VARCHAR,
    "score_min" DOUBLE,
    "score_max" DOUBLE,
    "rater_key" VARCHAR,
    "rater_role" VARCHAR,
    "rater_role_raw" VARCHAR,
    "blinded" BOOLEAN,
    "presented_order" VARCHAR,
    "presented_order_raw" VARCHAR,
    "ms_listened" BIGINT,
    "ms_listened_other" BIGINT,
    "rationale" VARCHAR,
    "queue_id" VARCHAR,
    "guideline_version" VARCHAR,
    "corrects_score_id" VARCHAR,
    "is_anchor" BOOLEAN,
    "adjudicated" BOOLEAN
);
COMMENT ON TABLE human_label_recent IS 'those rows of human_label that are not archived';
COMMENT ON COLUMN human_label_recent."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN human_label_recent."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN human_label_recent."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN human_label_recent."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN human_label_recent."source" IS 'URI reference of the producer';
COMMENT ON COLUMN human_label_recent."schema_version" IS 'MODEL-REVISION-ADDITION; absent means the current one';
COMMENT ON COLUMN human_label_recent."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN human_label_recent."recorded_time_us" IS 'When the producer wrote it down, UTC';
COMMENT ON COLUMN human_label_recent."environment" IS 'Where the producer runs';
COMMENT ON COLUMN human_label_recent."environment_raw" IS 'environment as sent, where this version does not know the value';
COMMENT ON COLUMN human_label_recent."label_id" IS 'This label';
COMMENT ON COLUMN human_label_recent."generation_id" IS 'What was rated, A of a pair; the Kafka key';
COMMENT ON COLUMN human_label_recent."other_generation_id" IS 'B of a pair';
COMMENT ON COLUMN human_label_recent."preference" IS 'Which of the pair';
COMMENT ON COLUMN human_label_recent."preference_raw" IS 'preference as sent, where this version does not know the value';
COMMENT ON COLUMN human_label_recent."dimension" IS 'Quality that was rated';
COMMENT ON COLUMN human_label_recent."score_value" IS 'Rating, within [score_min, score_max]';
COMMENT ON COLUMN human_label_recent."score_label" IS 'Rating in words';
COMMENT ON COLUMN human_label_recent."score_min" IS 'Lowest rating of the scale';
COMMENT ON COLUMN human_label_recent."score_max" IS 'Highest rating of the scale';
COMMENT ON COLUMN human_label_recent."rater_key" IS 'HMAC-SHA256 of the rater''s id, 64 hex digits';
COMMENT ON COLUMN human_label_recent."rater_role" IS 'Who the rater is';
COMMENT ON COLUMN human_label_recent."rater_role_raw" IS 'rater_role as sent, where this version does not know the value';
COMMENT ON COLUMN human_label_recent."blinded" IS 'Did not know what made it';
COMMENT ON COLUMN human_label_recent."presented_order" IS 'Order of the pair';
COMMENT ON COLUMN human_label_recent."presented_order_raw" IS 'presented_order as sent, where this version does not know the value';
COMMENT ON COLUMN human_label_recent."ms_listened" IS 'Listened to it, milliseconds';
COMMENT ON COLUMN human_label_recent."ms_listened_other" IS 'Listened to B, milliseconds';
COMMENT ON COLUMN human_label_recent."rationale" IS 'Rater''s reason';
COMMENT ON COLUMN human_label_recent."queue_id" IS 'Annotation queue';
COMMENT ON COLUMN human_label_recent."guideline_version" IS 'Version of the guideline';
COMMENT ON COLUMN human_label_recent."corrects_score_id" IS 'Judge score that this corrects';
COMMENT ON COLUMN human_label_recent."is_anchor" IS 'Of the frozen reference set';
COMMENT ON COLUMN human_label_recent."adjudicated" IS 'Settled between raters';

CREATE TABLE generation_score (
    "shard" INTEGER,
    "generation_id" VARCHAR,
    "dimension" VARCHAR,
    "evaluator_epoch" VARCHAR,
    "judge_id" VARCHAR,
    "score_value" DOUBLE,
    "score_min" DOUBLE,
    "score_max" DOUBLE,
    "sampling_prob" DOUBLE,
    "event_time_us" BIGINT,
    "repeat_idx" BIGINT,
    "source" VARCHAR,
    "event_id" VARCHAR,
    "scores_n" BIGINT,
    "errors_n" BIGINT,
    "generation_hash" UHUGEINT
);
COMMENT ON TABLE generation_score IS 'latest valid judge score per generation, dimension and evaluator epoch';
COMMENT ON COLUMN generation_score."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN generation_score."generation_id" IS 'one AI output; what joins the streams';
COMMENT ON COLUMN generation_score."dimension" IS 'Quality that was graded (gen_ai.evaluation.name)';
COMMENT ON COLUMN generation_score."evaluator_epoch" IS '`identity.evaluator_epoch` of rubric_hash, judge_prompt_version, judge_provider and judge_model_resolved; derived from them where absent';
COMMENT ON COLUMN generation_score."judge_id" IS 'The judge';
COMMENT ON COLUMN generation_score."score_value" IS 'Grade, within [score_min, score_max]';
COMMENT ON COLUMN generation_score."score_min" IS 'Lowest grade of the scale';
COMMENT ON COLUMN generation_score."score_max" IS 'Highest grade of the scale';
COMMENT ON COLUMN generation_score."sampling_prob" IS 'Probability with which this generation was judged, [1e-6, 1]';
COMMENT ON COLUMN generation_score."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN generation_score."repeat_idx" IS 'Which repetition, from 0';
COMMENT ON COLUMN generation_score."source" IS 'URI reference of the producer';
COMMENT ON COLUMN generation_score."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN generation_score."scores_n" IS 'valid judge scores';
COMMENT ON COLUMN generation_score."errors_n" IS 'judge scores that failed';
COMMENT ON COLUMN generation_score."generation_hash" IS '128-bit hash of shard and generation_id';

CREATE TABLE exposure_first (
    "shard" INTEGER,
    "generation_hash" UHUGEINT,
    "pair_hash" UHUGEINT,
    "experiment_id" VARCHAR,
    "variant_id" VARCHAR,
    "unit_type" VARCHAR,
    "unit_id" VARCHAR,
    "surface" VARCHAR,
    "event_time_us" BIGINT,
    "source" VARCHAR,
    "event_id" VARCHAR
);
COMMENT ON TABLE exposure_first IS 'what a flush joins with: first exposure of a listener to a generation in an experiment';
COMMENT ON COLUMN exposure_first."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN exposure_first."generation_hash" IS '128-bit hash of shard and generation_id';
COMMENT ON COLUMN exposure_first."pair_hash" IS '128-bit hash of shard, generation_id and user_key';
COMMENT ON COLUMN exposure_first."experiment_id" IS 'experiment, '''' for none';
COMMENT ON COLUMN exposure_first."variant_id" IS 'model version under test, '''' for none';
COMMENT ON COLUMN exposure_first."unit_type" IS 'kind of the unit of randomisation';
COMMENT ON COLUMN exposure_first."unit_id" IS 'unit of randomisation';
COMMENT ON COLUMN exposure_first."surface" IS 'where it was shown, '''' for all';
COMMENT ON COLUMN exposure_first."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN exposure_first."source" IS 'URI reference of the producer';
COMMENT ON COLUMN exposure_first."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';

CREATE TABLE orphan (
    "shard" INTEGER,
    "generation_id" VARCHAR,
    "user_key" VARCHAR,
    "event_time_us" BIGINT,
    "record_time_us" BIGINT,
    "incognito" BOOLEAN,
    "starts_n" BIGINT,
    "uncensored_n" BIGINT,
    "ms_played" BIGINT,
    "first_60s_ms" BIGINT,
    "streams_30s_n" BIGINT,
    "skips_n" BIGINT,
    "early_skips_n" BIGINT,
    "skips_under_5s_n" BIGINT,
    "listen_plus_n" BIGINT,
    "completes_n" BIGINT,
    "repeats_n" BIGINT,
    "played_ratios_n" BIGINT,
    "played_ratio_ppm" BIGINT,
    "offline_n" BIGINT,
    "incognito_n" BIGINT,
    "organic_n" BIGINT,
    "organic_ms_played" BIGINT,
    "likes_n" BIGINT,
    "unlikes_n" BIGINT,
    "dislikes_n" BIGINT,
    "undislikes_n" BIGINT,
    "saves_n" BIGINT,
    "unsaves_n" BIGINT,
    "playlist_adds_n" BIGINT,
    "playlist_removes_n" BIGINT,
    "shares_n" BIGINT,
    "artist_follows_n" BIGINT,
    "artist_unfollows_n" BIGINT,
    "artist_page_visits_n" BIGINT,
    "hides_n" BIGINT,
    "reports_n" BIGINT,
    "regenerates_n" BIGINT,
    "refines_n" BIGINT,
    "edits_accepted_n" BIGINT,
    "exports_n" BIGINT,
    "thumbs_up_n" BIGINT,
    "thumbs_down_n" BIGINT,
    "surveys_n" BIGINT,
    "comments_n" BIGINT,
    "other_feedback_n" BIGINT,
    "values_n" BIGINT,
    "value_micro" BIGINT,
    "pair_hash" UHUGEINT
);
COMMENT ON TABLE orphan IS 'plays and feedback that name a generation and wait for their listener''s exposure to it';
COMMENT ON COLUMN orphan."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN orphan."generation_id" IS 'one AI output; what joins the streams';
COMMENT ON COLUMN orphan."user_key" IS 'HMAC-SHA256 of the user id, 64 hex digits';
COMMENT ON COLUMN orphan."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN orphan."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN orphan."incognito" IS 'whether it was private';
COMMENT ON COLUMN orphan."starts_n" IS 'plays started';
COMMENT ON COLUMN orphan."uncensored_n" IS 'plays not cut off by an error or an unexpected exit';
COMMENT ON COLUMN orphan."ms_played" IS 'milliseconds listened';
COMMENT ON COLUMN orphan."first_60s_ms" IS 'milliseconds listened, at most 60 s of each play';
COMMENT ON COLUMN orphan."streams_30s_n" IS 'plays of at least 30 s';
COMMENT ON COLUMN orphan."skips_n" IS 'plays ended by the forward or back button';
COMMENT ON COLUMN orphan."early_skips_n" IS 'skips before 30 s';
COMMENT ON COLUMN orphan."skips_under_5s_n" IS 'skips before 5 s';
COMMENT ON COLUMN orphan."listen_plus_n" IS 'plays of more than half of the track';
COMMENT ON COLUMN orphan."completes_n" IS 'plays that reached the end of the track';
COMMENT ON COLUMN orphan."repeats_n" IS 'plays longer than the track';
COMMENT ON COLUMN orphan."played_ratios_n" IS 'plays whose track duration is known';
COMMENT ON COLUMN orphan."played_ratio_ppm" IS 'sum of min(played ratio, 1), parts per million';
COMMENT ON COLUMN orphan."offline_n" IS 'plays made offline';
COMMENT ON COLUMN orphan."incognito_n" IS 'plays in private mode; never in per-user sums';
COMMENT ON COLUMN orphan."organic_n" IS 'plays the listener chose without a generation';
COMMENT ON COLUMN orphan."organic_ms_played" IS 'milliseconds of organic plays';
COMMENT ON COLUMN orphan."likes_n" IS 'feedback with action like';
COMMENT ON COLUMN orphan."unlikes_n" IS 'feedback with action unlike';
COMMENT ON COLUMN orphan."dislikes_n" IS 'feedback with action dislike';
COMMENT ON COLUMN orphan."undislikes_n" IS 'feedback with action undislike';
COMMENT ON COLUMN orphan."saves_n" IS 'feedback with action save';
COMMENT ON COLUMN orphan."unsaves_n" IS 'feedback with action unsave';
COMMENT ON COLUMN orphan."playlist_adds_n" IS 'feedback with action playlist_add';
COMMENT ON COLUMN orphan."playlist_removes_n" IS 'feedback with action playlist_remove';
COMMENT ON COLUMN orphan."shares_n" IS 'feedback with action share';
COMMENT ON COLUMN orphan."artist_follows_n" IS 'feedback with action follow_artist';
COMMENT ON COLUMN orphan."artist_unfollows_n" IS 'feedback with action unfollow_artist';
COMMENT ON COLUMN orphan."artist_page_visits_n" IS 'feedback with action artist_page_visit';
COMMENT ON COLUMN orphan."hides_n" IS 'feedback with action hide';
COMMENT ON COLUMN orphan."reports_n" IS 'feedback with action report';
COMMENT ON COLUMN orphan."regenerates_n" IS 'feedback with action regenerate';
COMMENT ON COLUMN orphan."refines_n" IS 'feedback with action refine';
COMMENT ON COLUMN orphan."edits_accepted_n" IS 'feedback with action edit_accepted';
COMMENT ON COLUMN orphan."exports_n" IS 'feedback with action export';
COMMENT ON COLUMN orphan."thumbs_up_n" IS 'feedback with action thumbs_up';
COMMENT ON COLUMN orphan."thumbs_down_n" IS 'feedback with action thumbs_down';
COMMENT ON COLUMN orphan."surveys_n" IS 'feedback with action survey';
COMMENT ON COLUMN orphan."comments_n" IS 'feedback with action comment';
COMMENT ON COLUMN orphan."other_feedback_n" IS 'feedback with action other';
COMMENT ON COLUMN orphan."values_n" IS 'feedback that carries a value';
COMMENT ON COLUMN orphan."value_micro" IS 'sum of feedback values, millionths';
COMMENT ON COLUMN orphan."pair_hash" IS '128-bit hash of shard, generation_id and user_key';

CREATE TABLE pair_activity (
    "shard" INTEGER,
    "pair_hash" UHUGEINT,
    "first_us" BIGINT,
    "last_us" BIGINT
);
COMMENT ON TABLE pair_activity IS 'when a listener did something with a generation; finds it when an exposure moves it';
COMMENT ON COLUMN pair_activity."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN pair_activity."pair_hash" IS '128-bit hash of shard, generation_id and user_key';
COMMENT ON COLUMN pair_activity."first_us" IS 'earliest of it, microseconds UTC';
COMMENT ON COLUMN pair_activity."last_us" IS 'latest of it, microseconds UTC';

CREATE TABLE seen_event (
    "shard" INTEGER,
    "event_hash" UHUGEINT
);
COMMENT ON TABLE seen_event IS 'ids of accepted events, for dropping duplicates';
COMMENT ON COLUMN seen_event."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN seen_event."event_hash" IS '128-bit hash of topic, source and event_id';

CREATE TABLE shard_watermark (
    "shard" INTEGER,
    "event_time_us_max" BIGINT
);
COMMENT ON TABLE shard_watermark IS 'how far each shard has come in event time';
COMMENT ON COLUMN shard_watermark."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN shard_watermark."event_time_us_max" IS 'largest event time seen, microseconds UTC';

CREATE TABLE window_sum (
    "shard" INTEGER,
    "basis" VARCHAR,
    "size_s" BIGINT,
    "window_start_us" BIGINT,
    "experiment_id" VARCHAR,
    "variant_id" VARCHAR,
    "surface" VARCHAR,
    "attribution" VARCHAR,
    "exposures_n" BIGINT,
    "opted_in_n" BIGINT,
    "gen_latencies_n" BIGINT,
    "gen_latency_ms" BIGINT,
    "starts_n" BIGINT,
    "uncensored_n" BIGINT,
    "ms_played" BIGINT,
    "first_60s_ms" BIGINT,
    "streams_30s_n" BIGINT,
    "skips_n" BIGINT,
    "early_skips_n" BIGINT,
    "skips_under_5s_n" BIGINT,
    "listen_plus_n" BIGINT,
    "completes_n" BIGINT,
    "repeats_n" BIGINT,
    "played_ratios_n" BIGINT,
    "played_ratio_ppm" BIGINT,
    "offline_n" BIGINT,
    "incognito_n" BIGINT,
    "organic_n" BIGINT,
    "organic_ms_played" BIGINT,
    "likes_n" BIGINT,
    "unlikes_n" BIGINT,
    "dislikes_n" BIGINT,
    "undislikes_n" BIGINT,
    "saves_n" BIGINT,
    "unsaves_n" BIGINT,
    "playlist_adds_n" BIGINT,
    "playlist_removes_n" BIGINT,
    "shares_n" BIGINT,
    "artist_follows_n" BIGINT,
    "artist_unfollows_n" BIGINT,
    "artist_page_visits_n" BIGINT,
    "hides_n" BIGINT,
    "reports_n" BIGINT,
    "regenerates_n" BIGINT,
    "refines_n" BIGINT,
    "edits_accepted_n" BIGINT,
    "exports_n" BIGINT,
    "thumbs_up_n" BIGINT,
    "thumbs_down_n" BIGINT,
    "surveys_n" BIGINT,
    "comments_n" BIGINT,
    "other_feedback_n" BIGINT,
    "values_n" BIGINT,
    "value_micro" BIGINT,
    "revision" BIGINT
);
COMMENT ON TABLE window_sum IS 'sums per shard and tumbling window; read window_aggregate';
COMMENT ON COLUMN window_sum."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN window_sum."basis" IS 'exposure: all that happened to what was exposed in the window; activity: in it';
COMMENT ON COLUMN window_sum."size_s" IS 'size of the window, seconds';
COMMENT ON COLUMN window_sum."window_start_us" IS 'start of the window, microseconds UTC, inclusive';
COMMENT ON COLUMN window_sum."experiment_id" IS 'experiment, '''' for none';
COMMENT ON COLUMN window_sum."variant_id" IS 'model version under test, '''' for none';
COMMENT ON COLUMN window_sum."surface" IS 'where it was shown, '''' for all';
COMMENT ON COLUMN window_sum."attribution" IS 'exposed, orphan (exposure not come), organic, or all (every event once)';
COMMENT ON COLUMN window_sum."exposures_n" IS 'exposures';
COMMENT ON COLUMN window_sum."opted_in_n" IS 'exposures whose artists opted in';
COMMENT ON COLUMN window_sum."gen_latencies_n" IS 'exposures that state their generation latency';
COMMENT ON COLUMN window_sum."gen_latency_ms" IS 'sum of the generation latencies, milliseconds';
COMMENT ON COLUMN window_sum."starts_n" IS 'plays started';
COMMENT ON COLUMN window_sum."uncensored_n" IS 'plays not cut off by an error or an unexpected exit';
COMMENT ON COLUMN window_sum."ms_played" IS 'milliseconds listened';
COMMENT ON COLUMN window_sum."first_60s_ms" IS 'milliseconds listened, at most 60 s of each play';
COMMENT ON COLUMN window_sum."streams_30s_n" IS 'plays of at least 30 s';
COMMENT ON COLUMN window_sum."skips_n" IS 'plays ended by the forward or back button';
COMMENT ON COLUMN window_sum."early_skips_n" IS 'skips before 30 s';
COMMENT ON COLUMN window_sum."skips_under_5s_n" IS 'skips before 5 s';
COMMENT ON COLUMN window_sum."listen_plus_n" IS 'plays of more than half of the track';
COMMENT ON COLUMN window_sum."completes_n" IS 'plays that reached the end of the track';
COMMENT ON COLUMN window_sum."repeats_n" IS 'plays longer than the track';
COMMENT ON COLUMN window_sum."played_ratios_n" IS 'plays whose track duration is known';
COMMENT ON COLUMN window_sum."played_ratio_ppm" IS 'sum of min(played ratio, 1), parts per million';
COMMENT ON COLUMN window_sum."offline_n" IS 'plays made offline';
COMMENT ON COLUMN window_sum."incognito_n" IS 'plays in private mode; never in per-user sums';
COMMENT ON COLUMN window_sum."organic_n" IS 'plays the listener chose without a generation';
COMMENT ON COLUMN window_sum."organic_ms_played" IS 'milliseconds of organic plays';
COMMENT ON COLUMN window_sum."likes_n" IS 'feedback with action like';
COMMENT ON COLUMN window_sum."unlikes_n" IS 'feedback with action unlike';
COMMENT ON COLUMN window_sum."dislikes_n" IS 'feedback with action dislike';
COMMENT ON COLUMN window_sum."undislikes_n" IS 'feedback with action undislike';
COMMENT ON COLUMN window_sum."saves_n" IS 'feedback with action save';
COMMENT ON COLUMN window_sum."unsaves_n" IS 'feedback with action unsave';
COMMENT ON COLUMN window_sum."playlist_adds_n" IS 'feedback with action playlist_add';
COMMENT ON COLUMN window_sum."playlist_removes_n" IS 'feedback with action playlist_remove';
COMMENT ON COLUMN window_sum."shares_n" IS 'feedback with action share';
COMMENT ON COLUMN window_sum."artist_follows_n" IS 'feedback with action follow_artist';
COMMENT ON COLUMN window_sum."artist_unfollows_n" IS 'feedback with action unfollow_artist';
COMMENT ON COLUMN window_sum."artist_page_visits_n" IS 'feedback with action artist_page_visit';
COMMENT ON COLUMN window_sum."hides_n" IS 'feedback with action hide';
COMMENT ON COLUMN window_sum."reports_n" IS 'feedback with action report';
COMMENT ON COLUMN window_sum."regenerates_n" IS 'feedback with action regenerate';
COMMENT ON COLUMN window_sum."refines_n" IS 'feedback with action refine';
COMMENT ON COLUMN window_sum."edits_accepted_n" IS 'feedback with action edit_accepted';
COMMENT ON COLUMN window_sum."exports_n" IS 'feedback with action export';
COMMENT ON COLUMN window_sum."thumbs_up_n" IS 'feedback with action thumbs_up';
COMMENT ON COLUMN window_sum."thumbs_down_n" IS 'feedback with action thumbs_down';
COMMENT ON COLUMN window_sum."surveys_n" IS 'feedback with action survey';
COMMENT ON COLUMN window_sum."comments_n" IS 'feedback with action comment';
COMMENT ON COLUMN window_sum."other_feedback_n" IS 'feedback with action other';
COMMENT ON COLUMN window_sum."values_n" IS 'feedback that carries a value';
COMMENT ON COLUMN window_sum."value_micro" IS 'sum of feedback values, millionths';
COMMENT ON COLUMN window_sum."revision" IS 'events that the log took after the window had closed';

CREATE TABLE window_score_sum (
    "shard" INTEGER,
    "size_s" BIGINT,
    "window_start_us" BIGINT,
    "experiment_id" VARCHAR,
    "variant_id" VARCHAR,
    "surface" VARCHAR,
    "dimension" VARCHAR,
    "evaluator_epoch" VARCHAR,
    "scored_n" BIGINT,
    "errored_n" BIGINT,
    "score_micro" BIGINT,
    "weight_micro" BIGINT,
    "weighted_score_micro" BIGINT
);
COMMENT ON TABLE window_score_sum IS 'judge scores per shard and exposure window; read window_judge_score';
COMMENT ON COLUMN window_score_sum."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN window_score_sum."size_s" IS 'size of the window, seconds';
COMMENT ON COLUMN window_score_sum."window_start_us" IS 'start of the window, microseconds UTC, inclusive';
COMMENT ON COLUMN window_score_sum."experiment_id" IS 'experiment, '''' for none';
COMMENT ON COLUMN window_score_sum."variant_id" IS 'model version under test, '''' for none';
COMMENT ON COLUMN window_score_sum."surface" IS 'where it was shown, '''' for all';
COMMENT ON COLUMN window_score_sum."dimension" IS 'Quality that was graded (gen_ai.evaluation.name)';
COMMENT ON COLUMN window_score_sum."evaluator_epoch" IS '`identity.evaluator_epoch` of rubric_hash, judge_prompt_version, judge_provider and judge_model_resolved; derived from them where absent';
COMMENT ON COLUMN window_score_sum."scored_n" IS 'exposures of generations with a valid latest score';
COMMENT ON COLUMN window_score_sum."errored_n" IS 'exposures of generations whose only scores failed';
COMMENT ON COLUMN window_score_sum."score_micro" IS 'sum of latest scores, millionths';
COMMENT ON COLUMN window_score_sum."weight_micro" IS 'sum of 1 / sampling probability, millionths';
COMMENT ON COLUMN window_score_sum."weighted_score_micro" IS 'sum of score / sampling probability, millionths';

CREATE TABLE unit_day_sum (
    "shard" INTEGER,
    "experiment_id" VARCHAR,
    "variant_id" VARCHAR,
    "unit_type" VARCHAR,
    "unit_id" VARCHAR,
    "day" DATE,
    "exposures_n" BIGINT,
    "opted_in_n" BIGINT,
    "gen_latencies_n" BIGINT,
    "gen_latency_ms" BIGINT,
    "starts_n" BIGINT,
    "uncensored_n" BIGINT,
    "ms_played" BIGINT,
    "first_60s_ms" BIGINT,
    "streams_30s_n" BIGINT,
    "skips_n" BIGINT,
    "early_skips_n" BIGINT,
    "skips_under_5s_n" BIGINT,
    "listen_plus_n" BIGINT,
    "completes_n" BIGINT,
    "repeats_n" BIGINT,
    "played_ratios_n" BIGINT,
    "played_ratio_ppm" BIGINT,
    "offline_n" BIGINT,
    "incognito_n" BIGINT,
    "organic_n" BIGINT,
    "organic_ms_played" BIGINT,
    "likes_n" BIGINT,
    "unlikes_n" BIGINT,
    "dislikes_n" BIGINT,
    "undislikes_n" BIGINT,
    "saves_n" BIGINT,
    "unsaves_n" BIGINT,
    "playlist_adds_n" BIGINT,
    "playlist_removes_n" BIGINT,
    "shares_n" BIGINT,
    "artist_follows_n" BIGINT,
    "artist_unfollows_n" BIGINT,
    "artist_page_visits_n" BIGINT,
    "hides_n" BIGINT,
    "reports_n" BIGINT,
    "regenerates_n" BIGINT,
    "refines_n" BIGINT,
    "edits_accepted_n" BIGINT,
    "exports_n" BIGINT,
    "thumbs_up_n" BIGINT,
    "thumbs_down_n" BIGINT,
    "surveys_n" BIGINT,
    "comments_n" BIGINT,
    "other_feedback_n" BIGINT,
    "values_n" BIGINT,
    "value_micro" BIGINT
);
COMMENT ON TABLE unit_day_sum IS 'sums per shard, unit and day; read unit_day';
COMMENT ON COLUMN unit_day_sum."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN unit_day_sum."experiment_id" IS 'experiment, '''' for none';
COMMENT ON COLUMN unit_day_sum."variant_id" IS 'model version under test, '''' for none';
COMMENT ON COLUMN unit_day_sum."unit_type" IS 'kind of the unit of randomisation';
COMMENT ON COLUMN unit_day_sum."unit_id" IS 'unit of randomisation';
COMMENT ON COLUMN unit_day_sum."day" IS 'UTC day of the events';
COMMENT ON COLUMN unit_day_sum."exposures_n" IS 'exposures';
COMMENT ON COLUMN unit_day_sum."opted_in_n" IS 'exposures whose artists opted in';
COMMENT ON COLUMN unit_day_sum."gen_latencies_n" IS 'exposures that state their generation latency';
COMMENT ON COLUMN unit_day_sum."gen_latency_ms" IS 'sum of the generation latencies, milliseconds';
COMMENT ON COLUMN unit_day_sum."starts_n" IS 'plays started';
COMMENT ON COLUMN unit_day_sum."uncensored_n" IS 'plays not cut off by an error or an unexpected exit';
COMMENT ON COLUMN unit_day_sum."ms_played" IS 'milliseconds listened';
COMMENT ON COLUMN unit_day_sum."first_60s_ms" IS 'milliseconds listened, at most 60 s of each play';
COMMENT ON COLUMN unit_day_sum."streams_30s_n" IS 'plays of at least 30 s';
COMMENT ON COLUMN unit_day_sum."skips_n" IS 'plays ended by the forward or back button';
COMMENT ON COLUMN unit_day_sum."early_skips_n" IS 'skips before 30 s';
COMMENT ON COLUMN unit_day_sum."skips_under_5s_n" IS 'skips before 5 s';
COMMENT ON COLUMN unit_day_sum."listen_plus_n" IS 'plays of more than half of the track';
COMMENT ON COLUMN unit_day_sum."completes_n" IS 'plays that reached the end of the track';
COMMENT ON COLUMN unit_day_sum."repeats_n" IS 'plays longer than the track';
COMMENT ON COLUMN unit_day_sum."played_ratios_n" IS 'plays whose track duration is known';
COMMENT ON COLUMN unit_day_sum."played_ratio_ppm" IS 'sum of min(played ratio, 1), parts per million';
COMMENT ON COLUMN unit_day_sum."offline_n" IS 'plays made offline';
COMMENT ON COLUMN unit_day_sum."incognito_n" IS 'plays in private mode; never in per-user sums';
COMMENT ON COLUMN unit_day_sum."organic_n" IS 'plays the listener chose without a generation';
COMMENT ON COLUMN unit_day_sum."organic_ms_played" IS 'milliseconds of organic plays';
COMMENT ON COLUMN unit_day_sum."likes_n" IS 'feedback with action like';
COMMENT ON COLUMN unit_day_sum."unlikes_n" IS 'feedback with action unlike';
COMMENT ON COLUMN unit_day_sum."dislikes_n" IS 'feedback with action dislike';
COMMENT ON COLUMN unit_day_sum."undislikes_n" IS 'feedback with action undislike';
COMMENT ON COLUMN unit_day_sum."saves_n" IS 'feedback with action save';
COMMENT ON COLUMN unit_day_sum."unsaves_n" IS 'feedback with action unsave';
COMMENT ON COLUMN unit_day_sum."playlist_adds_n" IS 'feedback with action playlist_add';
COMMENT ON COLUMN unit_day_sum."playlist_removes_n" IS 'feedback with action playlist_remove';
COMMENT ON COLUMN unit_day_sum."shares_n" IS 'feedback with action share';
COMMENT ON COLUMN unit_day_sum."artist_follows_n" IS 'feedback with action follow_artist';
COMMENT ON COLUMN unit_day_sum."artist_unfollows_n" IS 'feedback with action unfollow_artist';
COMMENT ON COLUMN unit_day_sum."artist_page_visits_n" IS 'feedback with action artist_page_visit';
COMMENT ON COLUMN unit_day_sum."hides_n" IS 'feedback with action hide';
COMMENT ON COLUMN unit_day_sum."reports_n" IS 'feedback with action report';
COMMENT ON COLUMN unit_day_sum."regenerates_n" IS 'feedback with action regenerate';
COMMENT ON COLUMN unit_day_sum."refines_n" IS 'feedback with action refine';
COMMENT ON COLUMN unit_day_sum."edits_accepted_n" IS 'feedback with action edit_accepted';
COMMENT ON COLUMN unit_day_sum."exports_n" IS 'feedback with action export';
COMMENT ON COLUMN unit_day_sum."thumbs_up_n" IS 'feedback with action thumbs_up';
COMMENT ON COLUMN unit_day_sum."thumbs_down_n" IS 'feedback with action thumbs_down';
COMMENT ON COLUMN unit_day_sum."surveys_n" IS 'feedback with action survey';
COMMENT ON COLUMN unit_day_sum."comments_n" IS 'feedback with action comment';
COMMENT ON COLUMN unit_day_sum."other_feedback_n" IS 'feedback with action other';
COMMENT ON COLUMN unit_day_sum."values_n" IS 'feedback that carries a value';
COMMENT ON COLUMN unit_day_sum."value_micro" IS 'sum of feedback values, millionths';

CREATE TABLE folded_slice (
    "table_name" VARCHAR,
    "shard" INTEGER,
    "folded_n" BIGINT
);
COMMENT ON TABLE folded_slice IS 'rows that the last look at a table of sums and a shard left';
COMMENT ON COLUMN folded_slice."table_name" IS 'the table it speaks of';
COMMENT ON COLUMN folded_slice."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN folded_slice."folded_n" IS 'rows after its last folding, or when it was found not worth one';

CREATE TABLE archive_part (
    "shard" INTEGER,
    "table_name" VARCHAR,
    "day" DATE,
    "first_us" BIGINT,
    "last_us" BIGINT,
    "part_rows_n" BIGINT,
    "bytes_n" BIGINT,
    "file" VARCHAR,
    "rows_number" VARCHAR
);
COMMENT ON TABLE archive_part IS 'Parquet files that hold the older facts of a shard';
COMMENT ON COLUMN archive_part."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN archive_part."table_name" IS 'the table it speaks of';
COMMENT ON COLUMN archive_part."day" IS 'UTC day of the events';
COMMENT ON COLUMN archive_part."first_us" IS 'earliest of it, microseconds UTC';
COMMENT ON COLUMN archive_part."last_us" IS 'latest of it, microseconds UTC';
COMMENT ON COLUMN archive_part."part_rows_n" IS 'rows of the part';
COMMENT ON COLUMN archive_part."bytes_n" IS 'size of the part, bytes';
COMMENT ON COLUMN archive_part."file" IS 'the part''s place below the folder `archive`; its name is the SHA-256 of its bytes';
COMMENT ON COLUMN archive_part."rows_number" IS 'sum of the numbers of its rows, as the content hash adds them up';

CREATE TABLE topic_shard (
    "topic" VARCHAR,
    "shard" INTEGER,
    "next_offset" BIGINT,
    "read_n" BIGINT,
    "accepted_n" BIGINT,
    "duplicate_n" BIGINT,
    "dead_lettered_n" BIGINT,
    "late_n" BIGINT,
    "unknown_enum_n" BIGINT,
    "erased_n" BIGINT,
    "record_time_us_max" BIGINT
);
COMMENT ON TABLE topic_shard IS 'offsets of record and counters per topic and shard; read pipeline_health';
COMMENT ON COLUMN topic_shard."topic" IS 'input topic, without prefix';
COMMENT ON COLUMN topic_shard."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN topic_shard."next_offset" IS 'offset to read next: the offset of record';
COMMENT ON COLUMN topic_shard."read_n" IS 'messages read = accepted + duplicate + dead-lettered';
COMMENT ON COLUMN topic_shard."accepted_n" IS 'events that count';
COMMENT ON COLUMN topic_shard."duplicate_n" IS 'events whose (source, event_id) had been seen';
COMMENT ON COLUMN topic_shard."dead_lettered_n" IS 'messages refused, counted in dead_letter_count';
COMMENT ON COLUMN topic_shard."late_n" IS 'accepted events that the log took later than the out-of-orderness allows';
COMMENT ON COLUMN topic_shard."unknown_enum_n" IS 'accepted events with an enum value this version does not know';
COMMENT ON COLUMN topic_shard."erased_n" IS 'accepted events of erased users: counted, and gone';
COMMENT ON COLUMN topic_shard."record_time_us_max" IS 'newest message handled, by the log''s time, microseconds UTC';

CREATE TABLE dead_letter (
    "dlq_id" VARCHAR,
    "topic" VARCHAR,
    "shard" INTEGER,
    "offset" BIGINT,
    "record_time_us" BIGINT,
    "timestamp_type" VARCHAR,
    "key" BLOB,
    "value" BLOB,
    "headers" VARCHAR,
    "value_bytes_n" BIGINT,
    "is_whole" BOOLEAN,
    "error_class" VARCHAR,
    "error_type" VARCHAR,
    "error_message" VARCHAR,
    "field_path" VARCHAR,
    "redrive_of" VARCHAR,
    "redrive_count" BIGINT,
    "first_failed_at_us" BIGINT,
    "forwarded" BOOLEAN
);
COMMENT ON TABLE dead_letter IS 'refused messages with the reason and their raw bytes';
COMMENT ON COLUMN dead_letter."dlq_id" IS 'id of the dead letter, a function of topic, partition and offset';
COMMENT ON COLUMN dead_letter."topic" IS 'input topic, without prefix';
COMMENT ON COLUMN dead_letter."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN dead_letter."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN dead_letter."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN dead_letter."timestamp_type" IS 'who set the record''s time: create (the producer) or log_append (the broker)';
COMMENT ON COLUMN dead_letter."key" IS 'raw key of the message';
COMMENT ON COLUMN dead_letter."value" IS 'raw value of the message, unchanged';
COMMENT ON COLUMN dead_letter."headers" IS 'record headers in their order, JSON [[name, value in base64 or null], ...]';
COMMENT ON COLUMN dead_letter."value_bytes_n" IS 'bytes of the raw value; null: it had none';
COMMENT ON COLUMN dead_letter."is_whole" IS 'whether key, value and headers stand here; else, in a flood, in the topic alone';
COMMENT ON COLUMN dead_letter."error_class" IS 'decode, schema, semantic, late_beyond_horizon or consent_block';
COMMENT ON COLUMN dead_letter."error_type" IS 'what kind of error within its class';
COMMENT ON COLUMN dead_letter."error_message" IS 'why it was refused; never the payload';
COMMENT ON COLUMN dead_letter."field_path" IS 'the field that broke the contract';
COMMENT ON COLUMN dead_letter."redrive_of" IS 'the dead letter this message was when it was last sent again';
COMMENT ON COLUMN dead_letter."redrive_count" IS 'how often it was sent again';
COMMENT ON COLUMN dead_letter."first_failed_at_us" IS 'when it was first refused, by the log''s time, microseconds UTC';
COMMENT ON COLUMN dead_letter."forwarded" IS 'whether it was sent to its dead letter topic';

CREATE TABLE dead_letter_count (
    "topic" VARCHAR,
    "shard" INTEGER,
    "block_offset" BIGINT,
    "error_class" VARCHAR,
    "error_type" VARCHAR,
    "refused_n" BIGINT,
    "rows_n" BIGINT,
    "whole_n" BIGINT,
    "raw_bytes_n" BIGINT,
    "first_offset" BIGINT,
    "last_offset" BIGINT,
    "record_time_us_max" BIGINT
);
COMMENT ON TABLE dead_letter_count IS 'every refused message, counted by kind and block of offsets; what a flood leaves';
COMMENT ON COLUMN dead_letter_count."topic" IS 'input topic, without prefix';
COMMENT ON COLUMN dead_letter_count."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN dead_letter_count."block_offset" IS 'first offset of the million offsets that share one allowance';
COMMENT ON COLUMN dead_letter_count."error_class" IS 'decode, schema, semantic, late_beyond_horizon or consent_block';
COMMENT ON COLUMN dead_letter_count."error_type" IS 'what kind of error within its class';
COMMENT ON COLUMN dead_letter_count."refused_n" IS 'messages refused';
COMMENT ON COLUMN dead_letter_count."rows_n" IS 'those with a row in dead_letter; dead_letter_rows_max bounds it';
COMMENT ON COLUMN dead_letter_count."whole_n" IS 'those whose bytes stand in that row; dead_letter_bytes_max bounds it';
COMMENT ON COLUMN dead_letter_count."raw_bytes_n" IS 'bytes of key, value and headers of the rows, whether kept or not';
COMMENT ON COLUMN dead_letter_count."first_offset" IS 'offset of the first of them';
COMMENT ON COLUMN dead_letter_count."last_offset" IS 'offset of the last of them';
COMMENT ON COLUMN dead_letter_count."record_time_us_max" IS 'newest message handled, by the log''s time, microseconds UTC';
