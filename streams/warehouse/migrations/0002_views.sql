-- What readers use. Rendered from streams/warehouse/views.py; a test holds the two together.

CREATE TABLE rules (
    window_sizes_s INTEGER[], out_of_orderness_us BIGINT, horizon_us BIGINT, future_max_us BIGINT,
    message_bytes_max BIGINT, dead_letter_rows_max BIGINT, dead_letter_bytes_max BIGINT
);
COMMENT ON TABLE rules IS 'the settings that shape the rows of this file: one row';
COMMENT ON COLUMN rules.window_sizes_s IS 'sizes of the tumbling windows, seconds';
COMMENT ON COLUMN rules.out_of_orderness_us IS 'distance of the watermark, microseconds';
COMMENT ON COLUMN rules.horizon_us IS 'how late an event may come, microseconds';
COMMENT ON COLUMN rules.future_max_us IS 'how far an event may lie after its record, microseconds';
COMMENT ON COLUMN rules.message_bytes_max IS 'larger messages are dead letters';
COMMENT ON COLUMN rules.dead_letter_rows_max IS 'dead letters of a kind and block with a row';
COMMENT ON COLUMN rules.dead_letter_bytes_max IS 'raw bytes of dead letters kept of a block';
CREATE TABLE log_shape (partitions_n INTEGER);
COMMENT ON TABLE log_shape IS 'the log this file was made from: one row, none before a worker ran';
COMMENT ON COLUMN log_shape.partitions_n IS 'partitions of each topic; keys lie by this number';
CREATE TABLE erasure (
    request_id VARCHAR, key_hash VARCHAR, before_us BIGINT, requested_at_us BIGINT,
    is_scrubbed BOOLEAN
);
COMMENT ON TABLE erasure IS 'users to forget: their rows were removed, what comes is not kept';
COMMENT ON COLUMN erasure.request_id IS 'the request';
COMMENT ON COLUMN erasure.key_hash IS 'SHA-256 of the user key, which itself is forgotten';
COMMENT ON COLUMN erasure.before_us IS 'only events before it, microseconds UTC; null: all';
COMMENT ON COLUMN erasure.requested_at_us IS 'when it was asked, microseconds UTC';
COMMENT ON COLUMN erasure.is_scrubbed IS 'whether this file was written anew since';
CREATE TABLE archive_gone (file VARCHAR);
COMMENT ON TABLE archive_gone IS 'archived parts that were written anew without somebody';
COMMENT ON COLUMN archive_gone.file IS 'the old part; it goes when no published file names it';


CREATE VIEW idle_shard AS
WITH newest AS (
    SELECT shard, max(record_time_us_max) AS newest_us FROM topic_shard GROUP BY shard
)
SELECT shard FROM newest
WHERE newest_us < (SELECT -quantile_disc(-newest_us, 0.5) FROM newest) - 600000000;


CREATE VIEW watermark AS
SELECT coalesce(min(event_time_us_max), 0) - (SELECT out_of_orderness_us FROM rules)
    AS watermark_us
FROM shard_watermark ANTI JOIN idle_shard USING (shard);


CREATE VIEW window_aggregate AS
SELECT basis, size_s,
    make_timestamp(window_start_us) AS window_start,
    make_timestamp(window_start_us + size_s * 1000000) AS window_end,
    experiment_id, variant_id, surface, attribution,
    sum(exposures_n)::BIGINT AS exposures_n,
    sum(opted_in_n)::BIGINT AS opted_in_n,
    sum(gen_latencies_n)::BIGINT AS gen_latencies_n,
    sum(gen_latency_ms)::BIGINT AS gen_latency_ms,
    sum(starts_n)::BIGINT AS starts_n,
    sum(uncensored_n)::BIGINT AS uncensored_n,
    sum(ms_played)::BIGINT AS ms_played,
    sum(first_60s_ms)::BIGINT AS first_60s_ms,
    sum(streams_30s_n)::BIGINT AS streams_30s_n,
    sum(skips_n)::BIGINT AS skips_n,
    sum(early_skips_n)::BIGINT AS early_skips_n,
    sum(skips_under_5s_n)::BIGINT AS skips_under_5s_n,
    sum(listen_plus_n)::BIGINT AS listen_plus_n,
    sum(completes_n)::BIGINT AS completes_n,
    sum(repeats_n)::BIGINT AS repeats_n,
    sum(played_ratios_n)::BIGINT AS played_ratios_n,
    sum(played_ratio_ppm)::BIGINT AS played_ratio_ppm,
    sum(offline_n)::BIGINT AS offline_n,
    sum(incognito_n)::BIGINT AS incognito_n,
    sum(organic_n)::BIGINT AS organic_n,
    sum(organic_ms_played)::BIGINT AS organic_ms_played,
    sum(likes_n)::BIGINT AS likes_n,
    sum(unlikes_n)::BIGINT AS unlikes_n,
    sum(dislikes_n)::BIGINT AS dislikes_n,
    sum(undislikes_n)::BIGINT AS undislikes_n,
    sum(saves_n)::BIGINT AS saves_n,
    sum(unsaves_n)::BIGINT AS unsaves_n,
    sum(playlist_adds_n)::BIGINT AS playlist_adds_n,
    sum(playlist_removes_n)::BIGINT AS playlist_removes_n,
    sum(shares_n)::BIGINT AS shares_n,
    sum(artist_follows_n)::BIGINT AS artist_follows_n,
    sum(artist_unfollows_n)::BIGINT AS artist_unfollows_n,
    sum(artist_page_visits_n)::BIGINT AS artist_page_visits_n,
    sum(hides_n)::BIGINT AS hides_n,
    sum(reports_n)::BIGINT AS reports_n,
    sum(regenerates_n)::BIGINT AS regenerates_n,
    sum(refines_n)::BIGINT AS refines_n,
    sum(edits_accepted_n)::BIGINT AS edits_accepted_n,
    sum(exports_n)::BIGINT AS exports_n,
    sum(thumbs_up_n)::BIGINT AS thumbs_up_n,
    sum(thumbs_down_n)::BIGINT AS thumbs_down_n,
    sum(surveys_n)::BIGINT AS surveys_n,
    sum(comments_n)::BIGINT AS comments_n,
    sum(other_feedback_n)::BIGINT AS other_feedback_n,
    sum(values_n)::BIGINT AS values_n,
    sum(value_micro)::BIGINT AS value_micro,
    sum(revision)::BIGINT AS revision,
    CASE WHEN w.watermark_us - r.horizon_us >= window_start_us + size_s * 1000000
         THEN 'final' ELSE 'provisional' END AS status,
    greatest(0, least(1, (w.watermark_us - r.horizon_us - window_start_us)
         / (size_s * 1000000.0)))::DOUBLE AS maturity
FROM window_sum, watermark w, rules r
GROUP BY ALL
HAVING sum(exposures_n) <> 0 OR sum(opted_in_n) <> 0 OR sum(gen_latencies_n) <> 0 OR sum(gen_latency_ms) <> 0 OR sum(starts_n) <> 0 OR sum(uncensored_n) <> 0 OR sum(ms_played) <> 0 OR sum(first_60s_ms) <> 0 OR sum(streams_30s_n) <> 0 OR sum(skips_n) <> 0 OR sum(early_skips_n) <> 0 OR sum(skips_under_5s_n) <> 0 OR sum(listen_plus_n) <> 0 OR sum(completes_n) <> 0 OR sum(repeats_n) <> 0 OR sum(played_ratios_n) <> 0 OR sum(played_ratio_ppm) <> 0 OR sum(offline_n) <> 0 OR sum(incognito_n) <> 0 OR sum(organic_n) <> 0 OR sum(organic_ms_played) <> 0 OR sum(likes_n) <> 0 OR sum(unlikes_n) <> 0 OR sum(dislikes_n) <> 0 OR sum(undislikes_n) <> 0 OR sum(saves_n) <> 0 OR sum(unsaves_n) <> 0 OR sum(playlist_adds_n) <> 0 OR sum(playlist_removes_n) <> 0 OR sum(shares_n) <> 0 OR sum(artist_follows_n) <> 0 OR sum(artist_unfollows_n) <> 0 OR sum(artist_page_visits_n) <> 0 OR sum(hides_n) <> 0 OR sum(reports_n) <> 0 OR sum(regenerates_n) <> 0 OR sum(refines_n) <> 0 OR sum(edits_accepted_n) <> 0 OR sum(exports_n) <> 0 OR sum(thumbs_up_n) <> 0 OR sum(thumbs_down_n) <> 0 OR sum(surveys_n) <> 0 OR sum(comments_n) <> 0 OR sum(other_feedback_n) <> 0 OR sum(values_n) <> 0 OR sum(value_micro) <> 0 OR sum(revision) <> 0;


CREATE VIEW window_judge_score AS
SELECT size_s,
    make_timestamp(window_start_us) AS window_start,
    make_timestamp(window_start_us + size_s * 1000000) AS window_end,
    experiment_id, variant_id, surface, dimension, evaluator_epoch,
    sum(scored_n)::BIGINT AS scored_n,
    sum(errored_n)::BIGINT AS errored_n,
    sum(score_micro)::BIGINT AS score_micro,
    sum(weight_micro)::BIGINT AS weight_micro,
    sum(weighted_score_micro)::BIGINT AS weighted_score_micro,
    sum(weighted_score_micro) / nullif(sum(weight_micro), 0) AS score_mean,
    CASE WHEN w.watermark_us - r.horizon_us >= window_start_us + size_s * 1000000
         THEN 'final' ELSE 'provisional' END AS status,
    greatest(0, least(1, (w.watermark_us - r.horizon_us - window_start_us)
         / (size_s * 1000000.0)))::DOUBLE AS maturity
FROM window_score_sum, watermark w, rules r
GROUP BY ALL
HAVING sum(scored_n) <> 0 OR sum(errored_n) <> 0 OR sum(score_micro) <> 0 OR sum(weight_micro) <> 0 OR sum(weighted_score_micro) <> 0;


CREATE VIEW unit_day AS
SELECT experiment_id, variant_id, unit_type, unit_id, day,
    sum(exposures_n)::BIGINT AS exposures_n,
    sum(opted_in_n)::BIGINT AS opted_in_n,
    sum(gen_latencies_n)::BIGINT AS gen_latencies_n,
    sum(gen_latency_ms)::BIGINT AS gen_latency_ms,
    sum(starts_n)::BIGINT AS starts_n,
    sum(uncensored_n)::BIGINT AS uncensored_n,
    sum(ms_played)::BIGINT AS ms_played,
    sum(first_60s_ms)::BIGINT AS first_60s_ms,
    sum(streams_30s_n)::BIGINT AS streams_30s_n,
    sum(skips_n)::BIGINT AS skips_n,
    sum(early_skips_n)::BIGINT AS early_skips_n,
    sum(skips_under_5s_n)::BIGINT AS skips_under_5s_n,
    sum(listen_plus_n)::BIGINT AS listen_plus_n,
    sum(completes_n)::BIGINT AS completes_n,
    sum(repeats_n)::BIGINT AS repeats_n,
    sum(played_ratios_n)::BIGINT AS played_ratios_n,
    sum(played_ratio_ppm)::BIGINT AS played_ratio_ppm,
    sum(offline_n)::BIGINT AS offline_n,
    sum(incognito_n)::BIGINT AS incognito_n,
    sum(organic_n)::BIGINT AS organic_n,
    sum(organic_ms_played)::BIGINT AS organic_ms_played,
    sum(likes_n)::BIGINT AS likes_n,
    sum(unlikes_n)::BIGINT AS unlikes_n,
    sum(dislikes_n)::BIGINT AS dislikes_n,
    sum(undislikes_n)::BIGINT AS undislikes_n,
    sum(saves_n)::BIGINT AS saves_n,
    sum(unsaves_n)::BIGINT AS unsaves_n,
    sum(playlist_adds_n)::BIGINT AS playlist_adds_n,
    sum(playlist_removes_n)::BIGINT AS playlist_removes_n,
    sum(shares_n)::BIGINT AS shares_n,
    sum(artist_follows_n)::BIGINT AS artist_follows_n,
    sum(artist_unfollows_n)::BIGINT AS artist_unfollows_n,
    sum(artist_page_visits_n)::BIGINT AS artist_page_visits_n,
    sum(hides_n)::BIGINT AS hides_n,
    sum(reports_n)::BIGINT AS reports_n,
    sum(regenerates_n)::BIGINT AS regenerates_n,
    sum(refines_n)::BIGINT AS refines_n,
    sum(edits_accepted_n)::BIGINT AS edits_accepted_n,
    sum(exports_n)::BIGINT AS exports_n,
    sum(thumbs_up_n)::BIGINT AS thumbs_up_n,
    sum(thumbs_down_n)::BIGINT AS thumbs_down_n,
    sum(surveys_n)::BIGINT AS surveys_n,
    sum(comments_n)::BIGINT AS comments_n,
    sum(other_feedback_n)::BIGINT AS other_feedback_n,
    sum(values_n)::BIGINT AS values_n,
    sum(value_micro)::BIGINT AS value_micro
FROM unit_day_sum
GROUP BY ALL
HAVING sum(exposures_n) <> 0 OR sum(opted_in_n) <> 0 OR sum(gen_latencies_n) <> 0 OR sum(gen_latency_ms) <> 0 OR sum(starts_n) <> 0 OR sum(uncensored_n) <> 0 OR sum(ms_played) <> 0 OR sum(first_60s_ms) <> 0 OR sum(streams_30s_n) <> 0 OR sum(skips_n) <> 0 OR sum(early_skips_n) <> 0 OR sum(skips_under_5s_n) <> 0 OR sum(listen_plus_n) <> 0 OR sum(completes_n) <> 0 OR sum(repeats_n) <> 0 OR sum(played_ratios_n) <> 0 OR sum(played_ratio_ppm) <> 0 OR sum(offline_n) <> 0 OR sum(incognito_n) <> 0 OR sum(organic_n) <> 0 OR sum(organic_ms_played) <> 0 OR sum(likes_n) <> 0 OR sum(unlikes_n) <> 0 OR sum(dislikes_n) <> 0 OR sum(undislikes_n) <> 0 OR sum(saves_n) <> 0 OR sum(unsaves_n) <> 0 OR sum(playlist_adds_n) <> 0 OR sum(playlist_removes_n) <> 0 OR sum(shares_n) <> 0 OR sum(artist_follows_n) <> 0 OR sum(artist_unfollows_n) <> 0 OR sum(artist_page_visits_n) <> 0 OR sum(hides_n) <> 0 OR sum(reports_n) <> 0 OR sum(regenerates_n) <> 0 OR sum(refines_n) <> 0 OR sum(edits_accepted_n) <> 0 OR sum(exports_n) <> 0 OR sum(thumbs_up_n) <> 0 OR sum(thumbs_down_n) <> 0 OR sum(surveys_n) <> 0 OR sum(comments_n) <> 0 OR sum(other_feedback_n) <> 0 OR sum(values_n) <> 0 OR sum(value_micro) <> 0;


CREATE VIEW pipeline_health AS
SELECT t.topic, t.shard, t.next_offset, t.read_n, t.accepted_n, t.duplicate_n, t.dead_lettered_n,
    t.read_n = t.accepted_n + t.duplicate_n + t.dead_lettered_n AS is_balanced,
    coalesce(d.flooded_n, 0) AS flooded_n, t.late_n, t.unknown_enum_n, t.erased_n,
    make_timestamp(t.record_time_us_max) AS newest_record_at,
    w.event_time_us_max - r.out_of_orderness_us AS watermark_us,
    make_timestamp(w.event_time_us_max - r.out_of_orderness_us) AS watermark_at,
    coalesce(o.orphans_n, 0) AS orphans_n,
    coalesce(a.archived_n, 0) AS archived_n,
    coalesce(a.archived_bytes_n, 0) AS archived_bytes_n,
    t.shard IN (SELECT shard FROM idle_shard) AS is_idle
FROM topic_shard t CROSS JOIN rules r
LEFT JOIN shard_watermark w USING (shard)
LEFT JOIN (
    SELECT shard, count(DISTINCT generation_id) AS orphans_n FROM orphan GROUP BY shard
) o USING (shard)
LEFT JOIN (
    SELECT CASE table_name WHEN 'exposure' THEN 'exposures' WHEN 'listen' THEN 'listens' WHEN 'feedback' THEN 'feedback' WHEN 'judge_score' THEN 'judge-scores' WHEN 'human_label' THEN 'human-labels' END AS topic, shard, sum(part_rows_n)::BIGINT AS archived_n,
        sum(bytes_n)::BIGINT AS archived_bytes_n
    FROM archive_part GROUP BY ALL
) a ON a.topic = t.topic AND a.shard = t.shard
LEFT JOIN (
    SELECT topic, shard, sum(refused_n - whole_n)::BIGINT AS flooded_n
    FROM dead_letter_count GROUP BY topic, shard
) d ON d.topic = t.topic AND d.shard = t.shard;


CREATE OR REPLACE VIEW exposure AS
SELECT "shard", "offset", "record_time_us", "event_id", "source", "schema_version", "event_time_us", "recorded_time_us", "environment", "environment_raw", "exposure_id", "generation_id", "user_key", "unit_type", "unit_type_raw", "unit_id", "experiment_id", "variant_id", "is_holdout", "assignment_time_us", "propensity", "surface", "surface_raw", "position", "model_id", "model_version", "prompt_template_version", "gen_latency_ms", "artist_ids", "artist_consent", "artist_consent_raw", "taxonomy", "content_origin", "content_origin_raw" FROM exposure_recent;
COMMENT ON VIEW exposure IS 'accepted events of topic exposures, each once; archived ones among them';
COMMENT ON COLUMN exposure."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN exposure."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN exposure."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN exposure."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN exposure."source" IS 'URI reference of the producer';
COMMENT ON COLUMN exposure."schema_version" IS 'MODEL-REVISION-ADDITION; absent means the current one';
COMMENT ON COLUMN exposure."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN exposure."recorded_time_us" IS 'When the producer wrote it down, UTC';
COMMENT ON COLUMN exposure."environment" IS 'Where the producer runs';
COMMENT ON COLUMN exposure."environment_raw" IS 'environment as sent, where this version does not know the value';
COMMENT ON COLUMN exposure."exposure_id" IS 'This exposure; listens and feedback refer to it';
COMMENT ON COLUMN exposure."generation_id" IS 'The AI output that was met; the Kafka key';
COMMENT ON COLUMN exposure."user_key" IS 'HMAC-SHA256 of the user id, 64 hex digits';
COMMENT ON COLUMN exposure."unit_type" IS 'What was randomised';
COMMENT ON COLUMN exposure."unit_type_raw" IS 'unit_type as sent, where this version does not know the value';
COMMENT ON COLUMN exposure."unit_id" IS 'Which one; equals user_key where unit_type is user';
COMMENT ON COLUMN exposure."experiment_id" IS 'Experiment; null: none';
COMMENT ON COLUMN exposure."variant_id" IS 'Variant of the experiment';
COMMENT ON COLUMN exposure."is_holdout" IS 'In the experiment''s holdout';
COMMENT ON COLUMN exposure."assignment_time_us" IS 'When the unit was assigned, UTC';
COMMENT ON COLUMN exposure."propensity" IS 'Probability with which this variant was assigned, (0, 1]';
COMMENT ON COLUMN exposure."surface" IS 'Where in the product';
COMMENT ON COLUMN exposure."surface_raw" IS 'surface as sent, where this version does not know the value';
COMMENT ON COLUMN exposure."position" IS 'Place in the list or queue, from 0';
COMMENT ON COLUMN exposure."model_id" IS 'Model that generated it';
COMMENT ON COLUMN exposure."model_version" IS 'Version of that model';
COMMENT ON COLUMN exposure."prompt_template_version" IS 'Version of the prompt template';
COMMENT ON COLUMN exposure."gen_latency_ms" IS 'How long the generation took, milliseconds';
COMMENT ON COLUMN exposure."artist_ids" IS 'Artists whose work it draws on';
COMMENT ON COLUMN exposure."artist_consent" IS 'Their consent; opted_out is refused unless content_origin is human';
COMMENT ON COLUMN exposure."artist_consent_raw" IS 'artist_consent as sent, where this version does not know the value';
COMMENT ON COLUMN exposure."taxonomy" IS 'Labels such as genre, mood, intent, language; string to string';
COMMENT ON COLUMN exposure."content_origin" IS 'Who made the content';
COMMENT ON COLUMN exposure."content_origin_raw" IS 'content_origin as sent, where this version does not know the value';

CREATE OR REPLACE VIEW listen AS
SELECT "shard", "offset", "record_time_us", "event_id", "source", "schema_version", "event_time_us", "recorded_time_us", "environment", "environment_raw", "playback_id", "generation_id", "exposure_id", "user_key", "track_uri", "artist_ids", "started_at_us", "ms_played", "ms_content_unique", "track_duration_ms", "reason_start", "reason_start_raw", "reason_end", "reason_end_raw", "skipped", "shuffle", "offline", "offline_timestamp_us", "incognito", "is_organic", "n_seek_fwd", "n_seek_back", "context_type", "context_type_raw", "playback_rate", "muted_ms", "platform", "country" FROM listen_recent;
COMMENT ON VIEW listen IS 'accepted events of topic listens, each once; archived ones among them';
COMMENT ON COLUMN listen."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN listen."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN listen."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN listen."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN listen."source" IS 'URI reference of the producer';
COMMENT ON COLUMN listen."schema_version" IS 'MODEL-REVISION-ADDITION; absent means the current one';
COMMENT ON COLUMN listen."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN listen."recorded_time_us" IS 'When the producer wrote it down, UTC';
COMMENT ON COLUMN listen."environment" IS 'Where the producer runs';
COMMENT ON COLUMN listen."environment_raw" IS 'environment as sent, where this version does not know the value';
COMMENT ON COLUMN listen."playback_id" IS 'This play; feedback refers to it';
COMMENT ON COLUMN listen."generation_id" IS 'AI output that was played, the Kafka key; null: chosen by the listener';
COMMENT ON COLUMN listen."exposure_id" IS 'Exposure that led to the play';
COMMENT ON COLUMN listen."user_key" IS 'HMAC-SHA256 of the user id, 64 hex digits';
COMMENT ON COLUMN listen."track_uri" IS 'What was played';
COMMENT ON COLUMN listen."artist_ids" IS 'Artists of the track';
COMMENT ON COLUMN listen."started_at_us" IS 'When the play began, UTC; not after event_time';
COMMENT ON COLUMN listen."ms_played" IS 'Time listened, milliseconds; repeats count again';
COMMENT ON COLUMN listen."ms_content_unique" IS 'Content heard, milliseconds; each second counts once';
COMMENT ON COLUMN listen."track_duration_ms" IS 'Length, milliseconds';
COMMENT ON COLUMN listen."reason_start" IS 'Why the play began';
COMMENT ON COLUMN listen."reason_start_raw" IS 'reason_start as sent, where this version does not know the value';
COMMENT ON COLUMN listen."reason_end" IS 'Why the play ended';
COMMENT ON COLUMN listen."reason_end_raw" IS 'reason_end as sent, where this version does not know the value';
COMMENT ON COLUMN listen."skipped" IS 'The client''s own flag; often missing';
COMMENT ON COLUMN listen."shuffle" IS 'Shuffle was on';
COMMENT ON COLUMN listen."offline" IS 'Played without a connection';
COMMENT ON COLUMN listen."offline_timestamp_us" IS 'When the client went offline, UTC';
COMMENT ON COLUMN listen."incognito" IS 'Private mode: counted, but in no per-user metric';
COMMENT ON COLUMN listen."is_organic" IS 'The listener''s own choice';
COMMENT ON COLUMN listen."n_seek_fwd" IS 'Seeks forward';
COMMENT ON COLUMN listen."n_seek_back" IS 'Seeks back';
COMMENT ON COLUMN listen."context_type" IS 'What it was played from';
COMMENT ON COLUMN listen."context_type_raw" IS 'context_type as sent, where this version does not know the value';
COMMENT ON COLUMN listen."playback_rate" IS 'Speed; 1 is normal';
COMMENT ON COLUMN listen."muted_ms" IS 'Played while muted, milliseconds';
COMMENT ON COLUMN listen."platform" IS 'Client platform';
COMMENT ON COLUMN listen."country" IS 'ISO 3166-1 alpha-2, upper case';

CREATE OR REPLACE VIEW feedback AS
SELECT "shard", "offset", "record_time_us", "event_id", "source", "schema_version", "event_time_us", "recorded_time_us", "environment", "environment_raw", "feedback_id", "generation_id", "exposure_id", "playback_id", "user_key", "action", "action_raw", "polarity", "value", "value_text", "reason_code", "is_explicit", "position_ms" FROM feedback_recent;
COMMENT ON VIEW feedback IS 'accepted events of topic feedback, each once; archived ones among them';
COMMENT ON COLUMN feedback."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN feedback."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN feedback."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN feedback."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN feedback."source" IS 'URI reference of the producer';
COMMENT ON COLUMN feedback."schema_version" IS 'MODEL-REVISION-ADDITION; absent means the current one';
COMMENT ON COLUMN feedback."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN feedback."recorded_time_us" IS 'When the producer wrote it down, UTC';
COMMENT ON COLUMN feedback."environment" IS 'Where the producer runs';
COMMENT ON COLUMN feedback."environment_raw" IS 'environment as sent, where this version does not know the value';
COMMENT ON COLUMN feedback."feedback_id" IS 'This reaction';
COMMENT ON COLUMN feedback."generation_id" IS 'The AI output it is about; the Kafka key';
COMMENT ON COLUMN feedback."exposure_id" IS 'Exposure it follows';
COMMENT ON COLUMN feedback."playback_id" IS 'Play it belongs to';
COMMENT ON COLUMN feedback."user_key" IS 'HMAC-SHA256 of the user id, 64 hex digits';
COMMENT ON COLUMN feedback."action" IS 'What the listener did';
COMMENT ON COLUMN feedback."action_raw" IS 'action as sent, where this version does not know the value';
COMMENT ON COLUMN feedback."polarity" IS '-1, 0 or 1; 0 takes back';
COMMENT ON COLUMN feedback."value" IS 'Rating or survey value';
COMMENT ON COLUMN feedback."value_text" IS 'Comment of at most 500 characters, freed of personal data';
COMMENT ON COLUMN feedback."reason_code" IS 'Reason, from the producer''s taxonomy';
COMMENT ON COLUMN feedback."is_explicit" IS 'Said so, rather than inferred';
COMMENT ON COLUMN feedback."position_ms" IS 'Where in the track, milliseconds';

CREATE OR REPLACE VIEW judge_score AS
SELECT "shard", "offset", "record_time_us", "event_id", "source", "schema_version", "event_time_us", "recorded_time_us", "environment", "environment_raw", "score_id", "generation_id", "scope", "scope_raw", "dimension", "score_value", "score_min", "score_max", "higher_is_better", "score_label", "probability", "explanation", "annotator_kind", "annotator_kind_raw", "judge_id", "judge_provider", "judge_model", "judge_model_resolved", "judge_prompt_version", "rubric_id", "rubric_version", "rubric_hash", "evaluator_epoch", "repeat_idx", "is_anchor", "sampling_prob", "sampling_reason", "sampling_reason_raw", "shadow", "error_type", "latency_ms", "input_tokens", "output_tokens", "cost_usd", "execution_trace_id" FROM judge_score_recent;
COMMENT ON VIEW judge_score IS 'accepted events of topic judge-scores, each once; archived ones among them';
COMMENT ON COLUMN judge_score."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN judge_score."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN judge_score."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN judge_score."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN judge_score."source" IS 'URI reference of the producer';
COMMENT ON COLUMN judge_score."schema_version" IS 'MODEL-REVISION-ADDITION; absent means the current one';
COMMENT ON COLUMN judge_score."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN judge_score."recorded_time_us" IS 'When the producer wrote it down, UTC';
COMMENT ON COLUMN judge_score."environment" IS 'Where the producer runs';
COMMENT ON COLUMN judge_score."environment_raw" IS 'environment as sent, where this version does not know the value';
COMMENT ON COLUMN judge_score."score_id" IS 'Best `identity.score_id`, so that sending twice is once';
COMMENT ON COLUMN judge_score."generation_id" IS 'What was graded (gen_ai.response.id); the Kafka key';
COMMENT ON COLUMN judge_score."scope" IS 'What the grade is about';
COMMENT ON COLUMN judge_score."scope_raw" IS 'scope as sent, where this version does not know the value';
COMMENT ON COLUMN judge_score."dimension" IS 'Quality that was graded (gen_ai.evaluation.name)';
COMMENT ON COLUMN judge_score."score_value" IS 'Grade, within [score_min, score_max]';
COMMENT ON COLUMN judge_score."score_min" IS 'Lowest grade of the scale';
COMMENT ON COLUMN judge_score."score_max" IS 'Highest grade of the scale';
COMMENT ON COLUMN judge_score."higher_is_better" IS 'Direction of the scale';
COMMENT ON COLUMN judge_score."score_label" IS 'Grade in words';
COMMENT ON COLUMN judge_score."probability" IS 'Judge''s confidence, [0, 1]';
COMMENT ON COLUMN judge_score."explanation" IS 'Judge''s reason';
COMMENT ON COLUMN judge_score."annotator_kind" IS 'Who grades';
COMMENT ON COLUMN judge_score."annotator_kind_raw" IS 'annotator_kind as sent, where this version does not know the value';
COMMENT ON COLUMN judge_score."judge_id" IS 'The judge';
COMMENT ON COLUMN judge_score."judge_provider" IS 'Who runs the model';
COMMENT ON COLUMN judge_score."judge_model" IS 'Model asked for';
COMMENT ON COLUMN judge_score."judge_model_resolved" IS 'Model that answered';
COMMENT ON COLUMN judge_score."judge_prompt_version" IS 'Version or hash of the prompt';
COMMENT ON COLUMN judge_score."rubric_id" IS 'Rubric';
COMMENT ON COLUMN judge_score."rubric_version" IS 'Version of the rubric';
COMMENT ON COLUMN judge_score."rubric_hash" IS 'Hash of the rubric''s text';
COMMENT ON COLUMN judge_score."evaluator_epoch" IS '`identity.evaluator_epoch` of rubric_hash, judge_prompt_version, judge_provider and judge_model_resolved; derived from them where absent';
COMMENT ON COLUMN judge_score."repeat_idx" IS 'Which repetition, from 0';
COMMENT ON COLUMN judge_score."is_anchor" IS 'Of the frozen reference set';
COMMENT ON COLUMN judge_score."sampling_prob" IS 'Probability with which this generation was judged, [1e-6, 1]';
COMMENT ON COLUMN judge_score."sampling_reason" IS 'Why it was judged';
COMMENT ON COLUMN judge_score."sampling_reason_raw" IS 'sampling_reason as sent, where this version does not know the value';
COMMENT ON COLUMN judge_score."shadow" IS 'Of a judge on trial';
COMMENT ON COLUMN judge_score."error_type" IS 'Why there is no score (error.type)';
COMMENT ON COLUMN judge_score."latency_ms" IS 'How long the judge took, milliseconds';
COMMENT ON COLUMN judge_score."input_tokens" IS 'Tokens read';
COMMENT ON COLUMN judge_score."output_tokens" IS 'Tokens written';
COMMENT ON COLUMN judge_score."cost_usd" IS 'Cost, US dollars';
COMMENT ON COLUMN judge_score."execution_trace_id" IS 'Trace of the judge''s run';

CREATE OR REPLACE VIEW human_label AS
SELECT "shard", "offset", "record_time_us", "event_id", "source", "schema_version", "event_time_us", "recorded_time_us", "environment", "environment_raw", "label_id", "generation_id", "other_generation_id", "preference", "preference_raw", "dimension", "score_value", "score_label", "score_min", "score_max", "rater_key", "rater_role", "rater_role_raw", "blinded", "presented_order", "presented_order_raw", "ms_listened", "ms_listened_other", "rationale", "queue_id", "guideline_version", "corrects_score_id", "is_anchor", "adjudicated" FROM human_label_recent;
COMMENT ON VIEW human_label IS 'accepted events of topic human-labels, each once; archived ones among them';
COMMENT ON COLUMN human_label."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN human_label."offset" IS 'offset of the message in its topic and partition';
COMMENT ON COLUMN human_label."record_time_us" IS 'when the log took the message, microseconds UTC';
COMMENT ON COLUMN human_label."event_id" IS 'Unique within the source, best a UUIDv7; the dedupe key';
COMMENT ON COLUMN human_label."source" IS 'URI reference of the producer';
COMMENT ON COLUMN human_label."schema_version" IS 'MODEL-REVISION-ADDITION; absent means the current one';
COMMENT ON COLUMN human_label."event_time_us" IS 'When it happened, UTC';
COMMENT ON COLUMN human_label."recorded_time_us" IS 'When the producer wrote it down, UTC';
COMMENT ON COLUMN human_label."environment" IS 'Where the producer runs';
COMMENT ON COLUMN human_label."environment_raw" IS 'environment as sent, where this version does not know the value';
COMMENT ON COLUMN human_label."label_id" IS 'This label';
COMMENT ON COLUMN human_label."generation_id" IS 'What was rated, A of a pair; the Kafka key';
COMMENT ON COLUMN human_label."other_generation_id" IS 'B of a pair';
COMMENT ON COLUMN human_label."preference" IS 'Which of the pair';
COMMENT ON COLUMN human_label."preference_raw" IS 'preference as sent, where this version does not know the value';
COMMENT ON COLUMN human_label."dimension" IS 'Quality that was rated';
COMMENT ON COLUMN human_label."score_value" IS 'Rating, within [score_min, score_max]';
COMMENT ON COLUMN human_label."score_label" IS 'Rating in words';
COMMENT ON COLUMN human_label."score_min" IS 'Lowest rating of the scale';
COMMENT ON COLUMN human_label."score_max" IS 'Highest rating of the scale';
COMMENT ON COLUMN human_label."rater_key" IS 'HMAC-SHA256 of the rater''s id, 64 hex digits';
COMMENT ON COLUMN human_label."rater_role" IS 'Who the rater is';
COMMENT ON COLUMN human_label."rater_role_raw" IS 'rater_role as sent, where this version does not know the value';
COMMENT ON COLUMN human_label."blinded" IS 'Did not know what made it';
COMMENT ON COLUMN human_label."presented_order" IS 'Order of the pair';
COMMENT ON COLUMN human_label."presented_order_raw" IS 'presented_order as sent, where this version does not know the value';
COMMENT ON COLUMN human_label."ms_listened" IS 'Listened to it, milliseconds';
COMMENT ON COLUMN human_label."ms_listened_other" IS 'Listened to B, milliseconds';
COMMENT ON COLUMN human_label."rationale" IS 'Rater''s reason';
COMMENT ON COLUMN human_label."queue_id" IS 'Annotation queue';
COMMENT ON COLUMN human_label."guideline_version" IS 'Version of the guideline';
COMMENT ON COLUMN human_label."corrects_score_id" IS 'Judge score that this corrects';
COMMENT ON COLUMN human_label."is_anchor" IS 'Of the frozen reference set';
COMMENT ON COLUMN human_label."adjudicated" IS 'Settled between raters';

CREATE VIEW generation AS
SELECT shard, generation_id,
    min(first_exposure_us) AS first_exposure_us,
    any_value(first.source) AS first_exposure_source,
    any_value(first.event_id) AS first_exposure_id,
    any_value(first.surface) AS surface,
    any_value(first.position) AS position,
    any_value(first.model_id) AS model_id,
    any_value(first.model_version) AS model_version,
    any_value(first.prompt_template_version) AS prompt_template_version,
    any_value(first.content_origin) AS content_origin,
    any_value(first.artist_consent) AS artist_consent,
    any_value(first.artist_ids) AS artist_ids,
    any_value(first.taxonomy) AS taxonomy,
    min(first_activity_us) AS first_activity_us,
    max(last_activity_us) AS last_activity_us,
    coalesce(sum(exposures_n), 0)::BIGINT AS exposures_n,
    coalesce(sum(opted_in_n), 0)::BIGINT AS opted_in_n,
    coalesce(sum(gen_latencies_n), 0)::BIGINT AS gen_latencies_n,
    coalesce(sum(gen_latency_ms), 0)::BIGINT AS gen_latency_ms,
    coalesce(sum(starts_n), 0)::BIGINT AS starts_n,
    coalesce(sum(uncensored_n), 0)::BIGINT AS uncensored_n,
    coalesce(sum(ms_played), 0)::BIGINT AS ms_played,
    coalesce(sum(first_60s_ms), 0)::BIGINT AS first_60s_ms,
    coalesce(sum(streams_30s_n), 0)::BIGINT AS streams_30s_n,
    coalesce(sum(skips_n), 0)::BIGINT AS skips_n,
    coalesce(sum(early_skips_n), 0)::BIGINT AS early_skips_n,
    coalesce(sum(skips_under_5s_n), 0)::BIGINT AS skips_under_5s_n,
    coalesce(sum(listen_plus_n), 0)::BIGINT AS listen_plus_n,
    coalesce(sum(completes_n), 0)::BIGINT AS completes_n,
    coalesce(sum(repeats_n), 0)::BIGINT AS repeats_n,
    coalesce(sum(played_ratios_n), 0)::BIGINT AS played_ratios_n,
    coalesce(sum(played_ratio_ppm), 0)::BIGINT AS played_ratio_ppm,
    coalesce(sum(offline_n), 0)::BIGINT AS offline_n,
    coalesce(sum(incognito_n), 0)::BIGINT AS incognito_n,
    coalesce(sum(organic_n), 0)::BIGINT AS organic_n,
    coalesce(sum(organic_ms_played), 0)::BIGINT AS organic_ms_played,
    coalesce(sum(likes_n), 0)::BIGINT AS likes_n,
    coalesce(sum(unlikes_n), 0)::BIGINT AS unlikes_n,
    coalesce(sum(dislikes_n), 0)::BIGINT AS dislikes_n,
    coalesce(sum(undislikes_n), 0)::BIGINT AS undislikes_n,
    coalesce(sum(saves_n), 0)::BIGINT AS saves_n,
    coalesce(sum(unsaves_n), 0)::BIGINT AS unsaves_n,
    coalesce(sum(playlist_adds_n), 0)::BIGINT AS playlist_adds_n,
    coalesce(sum(playlist_removes_n), 0)::BIGINT AS playlist_removes_n,
    coalesce(sum(shares_n), 0)::BIGINT AS shares_n,
    coalesce(sum(artist_follows_n), 0)::BIGINT AS artist_follows_n,
    coalesce(sum(artist_unfollows_n), 0)::BIGINT AS artist_unfollows_n,
    coalesce(sum(artist_page_visits_n), 0)::BIGINT AS artist_page_visits_n,
    coalesce(sum(hides_n), 0)::BIGINT AS hides_n,
    coalesce(sum(reports_n), 0)::BIGINT AS reports_n,
    coalesce(sum(regenerates_n), 0)::BIGINT AS regenerates_n,
    coalesce(sum(refines_n), 0)::BIGINT AS refines_n,
    coalesce(sum(edits_accepted_n), 0)::BIGINT AS edits_accepted_n,
    coalesce(sum(exports_n), 0)::BIGINT AS exports_n,
    coalesce(sum(thumbs_up_n), 0)::BIGINT AS thumbs_up_n,
    coalesce(sum(thumbs_down_n), 0)::BIGINT AS thumbs_down_n,
    coalesce(sum(surveys_n), 0)::BIGINT AS surveys_n,
    coalesce(sum(comments_n), 0)::BIGINT AS comments_n,
    coalesce(sum(other_feedback_n), 0)::BIGINT AS other_feedback_n,
    coalesce(sum(values_n), 0)::BIGINT AS values_n,
    coalesce(sum(value_micro), 0)::BIGINT AS value_micro,
    coalesce(sum(scores_n), 0)::BIGINT AS scores_n,
    coalesce(sum(score_errors_n), 0)::BIGINT AS score_errors_n,
    coalesce(sum(labels_n), 0)::BIGINT AS labels_n
FROM (
    SELECT shard, generation_id, min(event_time_us) AS first_exposure_us, arg_min({'source': source, 'event_id': event_id, 'surface': surface, 'position': position, 'model_id': model_id, 'model_version': model_version, 'prompt_template_version': prompt_template_version, 'content_origin': content_origin, 'artist_consent': artist_consent, 'artist_ids': artist_ids, 'taxonomy': taxonomy}, (event_time_us, source, event_id)) AS first, count(*) AS exposures_n, count(*) FILTER (artist_consent = 'opted_in') AS opted_in_n, count(gen_latency_ms) AS gen_latencies_n, sum(gen_latency_ms) AS gen_latency_ms FROM exposure WHERE true GROUP BY shard, generation_id
    UNION ALL BY NAME
    SELECT shard, generation_id, min(event_time_us) AS first_activity_us, max(event_time_us) AS last_activity_us, count(*) AS starts_n, count(*) FILTER (coalesce(reason_end, 'unknown') NOT IN ('trackerror', 'unexpected_exit', 'unexpected_exit_while_paused')) AS uncensored_n, sum(ms_played) AS ms_played, sum(least(ms_played, 60000)) AS first_60s_ms, count(*) FILTER (ms_played >= 30000) AS streams_30s_n, count(*) FILTER (reason_end IN ('fwdbtn', 'backbtn')) AS skips_n, count(*) FILTER (reason_end IN ('fwdbtn', 'backbtn') AND ms_played < 30000) AS early_skips_n, count(*) FILTER (reason_end IN ('fwdbtn', 'backbtn') AND ms_played < 5000) AS skips_under_5s_n, count(*) FILTER (coalesce(ms_content_unique, ms_played) * 2 > track_duration_ms) AS listen_plus_n, count(*) FILTER (reason_end = 'trackdone') AS completes_n, count(*) FILTER (coalesce(ms_content_unique, ms_played) > track_duration_ms) AS repeats_n, count(track_duration_ms) AS played_ratios_n, sum(least(coalesce(ms_content_unique, ms_played), track_duration_ms) * 1000000 // track_duration_ms) AS played_ratio_ppm, count(*) FILTER (offline) AS offline_n, count(*) FILTER (incognito) AS incognito_n, count(*) FILTER (is_organic) AS organic_n, sum(ms_played) FILTER (is_organic) AS organic_ms_played FROM listen WHERE generation_id IS NOT NULL GROUP BY shard, generation_id
    UNION ALL BY NAME
    SELECT shard, generation_id, min(event_time_us) AS first_activity_us, max(event_time_us) AS last_activity_us, count(*) FILTER (action = 'like') AS likes_n, count(*) FILTER (action = 'unlike') AS unlikes_n, count(*) FILTER (action = 'dislike') AS dislikes_n, count(*) FILTER (action = 'undislike') AS undislikes_n, count(*) FILTER (action = 'save') AS saves_n, count(*) FILTER (action = 'unsave') AS unsaves_n, count(*) FILTER (action = 'playlist_add') AS playlist_adds_n, count(*) FILTER (action = 'playlist_remove') AS playlist_removes_n, count(*) FILTER (action = 'share') AS shares_n, count(*) FILTER (action = 'follow_artist') AS artist_follows_n, count(*) FILTER (action = 'unfollow_artist') AS artist_unfollows_n, count(*) FILTER (action = 'artist_page_visit') AS artist_page_visits_n, count(*) FILTER (action = 'hide') AS hides_n, count(*) FILTER (action = 'report') AS reports_n, count(*) FILTER (action = 'regenerate') AS regenerates_n, count(*) FILTER (action = 'refine') AS refines_n, count(*) FILTER (action = 'edit_accepted') AS edits_accepted_n, count(*) FILTER (action = 'export') AS exports_n, count(*) FILTER (action = 'thumbs_up') AS thumbs_up_n, count(*) FILTER (action = 'thumbs_down') AS thumbs_down_n, count(*) FILTER (action = 'survey') AS surveys_n, count(*) FILTER (action = 'comment') AS comments_n, count(*) FILTER (action = 'other') AS other_feedback_n, count(value) AS values_n, sum(round(value * 1000000)::BIGINT) AS value_micro FROM feedback WHERE generation_id IS NOT NULL GROUP BY shard, generation_id
    UNION ALL BY NAME
    SELECT shard, generation_id, count(*) FILTER (score_value IS NOT NULL AND error_type IS NULL) AS scores_n, count(*) FILTER (error_type IS NOT NULL) AS score_errors_n FROM judge_score WHERE score_value IS NOT NULL OR error_type IS NOT NULL GROUP BY shard, generation_id
    UNION ALL BY NAME
    SELECT shard, generation_id, count(*) AS labels_n FROM human_label WHERE true GROUP BY shard, generation_id
)
GROUP BY shard, generation_id;

COMMENT ON VIEW generation IS 'one row a generation: its first exposure and sums of all that happened to it';
COMMENT ON VIEW idle_shard IS 'shards that get no records while others do: they do not hold the watermark';
COMMENT ON VIEW watermark IS 'how far the slowest shard that is not idle has come in event time, less the out-of-orderness';
COMMENT ON VIEW window_aggregate IS 'sums per tumbling window, over all shards; half-open [start, end), UTC';
COMMENT ON VIEW window_judge_score IS 'judge scores of what was exposed per window, per evaluator epoch';
COMMENT ON VIEW unit_day IS 'sums per experiment, variant, unit and UTC day; experiment '''' is all a user did';
COMMENT ON VIEW pipeline_health IS 'per topic and shard: read = accepted + duplicate + dead-lettered, offsets';
COMMENT ON COLUMN generation."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN generation."generation_id" IS 'one AI output; what joins the streams';
COMMENT ON COLUMN generation."first_exposure_us" IS 'earliest exposure, microseconds UTC; null: orphan';
COMMENT ON COLUMN generation."first_exposure_source" IS 'source of the earliest exposure event';
COMMENT ON COLUMN generation."first_exposure_id" IS 'id of the earliest exposure event';
COMMENT ON COLUMN generation."surface" IS 'surface of the first exposure';
COMMENT ON COLUMN generation."position" IS 'position of the first exposure';
COMMENT ON COLUMN generation."model_id" IS 'model_id of the first exposure';
COMMENT ON COLUMN generation."model_version" IS 'model_version of the first exposure';
COMMENT ON COLUMN generation."prompt_template_version" IS 'prompt_template_version of the first exposure';
COMMENT ON COLUMN generation."content_origin" IS 'content_origin of the first exposure';
COMMENT ON COLUMN generation."artist_consent" IS 'artist_consent of the first exposure';
COMMENT ON COLUMN generation."artist_ids" IS 'artist_ids of the first exposure';
COMMENT ON COLUMN generation."taxonomy" IS 'taxonomy of the first exposure';
COMMENT ON COLUMN generation."first_activity_us" IS 'earliest listen or feedback, microseconds UTC';
COMMENT ON COLUMN generation."last_activity_us" IS 'latest listen or feedback, microseconds UTC';
COMMENT ON COLUMN generation."exposures_n" IS 'exposures';
COMMENT ON COLUMN generation."opted_in_n" IS 'exposures whose artists opted in';
COMMENT ON COLUMN generation."gen_latencies_n" IS 'exposures that state their generation latency';
COMMENT ON COLUMN generation."gen_latency_ms" IS 'sum of the generation latencies, milliseconds';
COMMENT ON COLUMN generation."starts_n" IS 'plays started';
COMMENT ON COLUMN generation."uncensored_n" IS 'plays not cut off by an error or an unexpected exit';
COMMENT ON COLUMN generation."ms_played" IS 'milliseconds listened';
COMMENT ON COLUMN generation."first_60s_ms" IS 'milliseconds listened, at most 60 s of each play';
COMMENT ON COLUMN generation."streams_30s_n" IS 'plays of at least 30 s';
COMMENT ON COLUMN generation."skips_n" IS 'plays ended by the forward or back button';
COMMENT ON COLUMN generation."early_skips_n" IS 'skips before 30 s';
COMMENT ON COLUMN generation."skips_under_5s_n" IS 'skips before 5 s';
COMMENT ON COLUMN generation."listen_plus_n" IS 'plays of more than half of the track';
COMMENT ON COLUMN generation."completes_n" IS 'plays that reached the end of the track';
COMMENT ON COLUMN generation."repeats_n" IS 'plays longer than the track';
COMMENT ON COLUMN generation."played_ratios_n" IS 'plays whose track duration is known';
COMMENT ON COLUMN generation."played_ratio_ppm" IS 'sum of min(played ratio, 1), parts per million';
COMMENT ON COLUMN generation."offline_n" IS 'plays made offline';
COMMENT ON COLUMN generation."incognito_n" IS 'plays in private mode; never in per-user sums';
COMMENT ON COLUMN generation."organic_n" IS 'plays the listener chose without a generation';
COMMENT ON COLUMN generation."organic_ms_played" IS 'milliseconds of organic plays';
COMMENT ON COLUMN generation."likes_n" IS 'feedback with action like';
COMMENT ON COLUMN generation."unlikes_n" IS 'feedback with action unlike';
COMMENT ON COLUMN generation."dislikes_n" IS 'feedback with action dislike';
COMMENT ON COLUMN generation."undislikes_n" IS 'feedback with action undislike';
COMMENT ON COLUMN generation."saves_n" IS 'feedback with action save';
COMMENT ON COLUMN generation."unsaves_n" IS 'feedback with action unsave';
COMMENT ON COLUMN generation."playlist_adds_n" IS 'feedback with action playlist_add';
COMMENT ON COLUMN generation."playlist_removes_n" IS 'feedback with action playlist_remove';
COMMENT ON COLUMN generation."shares_n" IS 'feedback with action share';
COMMENT ON COLUMN generation."artist_follows_n" IS 'feedback with action follow_artist';
COMMENT ON COLUMN generation."artist_unfollows_n" IS 'feedback with action unfollow_artist';
COMMENT ON COLUMN generation."artist_page_visits_n" IS 'feedback with action artist_page_visit';
COMMENT ON COLUMN generation."hides_n" IS 'feedback with action hide';
COMMENT ON COLUMN generation."reports_n" IS 'feedback with action report';
COMMENT ON COLUMN generation."regenerates_n" IS 'feedback with action regenerate';
COMMENT ON COLUMN generation."refines_n" IS 'feedback with action refine';
COMMENT ON COLUMN generation."edits_accepted_n" IS 'feedback with action edit_accepted';
COMMENT ON COLUMN generation."exports_n" IS 'feedback with action export';
COMMENT ON COLUMN generation."thumbs_up_n" IS 'feedback with action thumbs_up';
COMMENT ON COLUMN generation."thumbs_down_n" IS 'feedback with action thumbs_down';
COMMENT ON COLUMN generation."surveys_n" IS 'feedback with action survey';
COMMENT ON COLUMN generation."comments_n" IS 'feedback with action comment';
COMMENT ON COLUMN generation."other_feedback_n" IS 'feedback with action other';
COMMENT ON COLUMN generation."values_n" IS 'feedback that carries a value';
COMMENT ON COLUMN generation."value_micro" IS 'sum of feedback values, millionths';
COMMENT ON COLUMN generation."scores_n" IS 'valid judge scores';
COMMENT ON COLUMN generation."score_errors_n" IS 'judge scores that failed';
COMMENT ON COLUMN generation."labels_n" IS 'human labels';
COMMENT ON COLUMN idle_shard."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN watermark."watermark_us" IS 'largest event time less the out-of-orderness, microseconds UTC';
COMMENT ON COLUMN window_aggregate."basis" IS 'exposure: all that happened to what was exposed in the window; activity: in it';
COMMENT ON COLUMN window_aggregate."size_s" IS 'size of the window, seconds';
COMMENT ON COLUMN window_aggregate."window_start" IS 'start of the window, inclusive, UTC';
COMMENT ON COLUMN window_aggregate."window_end" IS 'end of the window, exclusive, UTC';
COMMENT ON COLUMN window_aggregate."experiment_id" IS 'experiment, '''' for none';
COMMENT ON COLUMN window_aggregate."variant_id" IS 'model version under test, '''' for none';
COMMENT ON COLUMN window_aggregate."surface" IS 'where it was shown, '''' for all';
COMMENT ON COLUMN window_aggregate."attribution" IS 'exposed, orphan (exposure not come), organic, or all (every event once)';
COMMENT ON COLUMN window_aggregate."exposures_n" IS 'exposures';
COMMENT ON COLUMN window_aggregate."opted_in_n" IS 'exposures whose artists opted in';
COMMENT ON COLUMN window_aggregate."gen_latencies_n" IS 'exposures that state their generation latency';
COMMENT ON COLUMN window_aggregate."gen_latency_ms" IS 'sum of the generation latencies, milliseconds';
COMMENT ON COLUMN window_aggregate."starts_n" IS 'plays started';
COMMENT ON COLUMN window_aggregate."uncensored_n" IS 'plays not cut off by an error or an unexpected exit';
COMMENT ON COLUMN window_aggregate."ms_played" IS 'milliseconds listened';
COMMENT ON COLUMN window_aggregate."first_60s_ms" IS 'milliseconds listened, at most 60 s of each play';
COMMENT ON COLUMN window_aggregate."streams_30s_n" IS 'plays of at least 30 s';
COMMENT ON COLUMN window_aggregate."skips_n" IS 'plays ended by the forward or back button';
COMMENT ON COLUMN window_aggregate."early_skips_n" IS 'skips before 30 s';
COMMENT ON COLUMN window_aggregate."skips_under_5s_n" IS 'skips before 5 s';
COMMENT ON COLUMN window_aggregate."listen_plus_n" IS 'plays of more than half of the track';
COMMENT ON COLUMN window_aggregate."completes_n" IS 'plays that reached the end of the track';
COMMENT ON COLUMN window_aggregate."repeats_n" IS 'plays longer than the track';
COMMENT ON COLUMN window_aggregate."played_ratios_n" IS 'plays whose track duration is known';
COMMENT ON COLUMN window_aggregate."played_ratio_ppm" IS 'sum of min(played ratio, 1), parts per million';
COMMENT ON COLUMN window_aggregate."offline_n" IS 'plays made offline';
COMMENT ON COLUMN window_aggregate."incognito_n" IS 'plays in private mode; never in per-user sums';
COMMENT ON COLUMN window_aggregate."organic_n" IS 'plays the listener chose without a generation';
COMMENT ON COLUMN window_aggregate."organic_ms_played" IS 'milliseconds of organic plays';
COMMENT ON COLUMN window_aggregate."likes_n" IS 'feedback with action like';
COMMENT ON COLUMN window_aggregate."unlikes_n" IS 'feedback with action unlike';
COMMENT ON COLUMN window_aggregate."dislikes_n" IS 'feedback with action dislike';
COMMENT ON COLUMN window_aggregate."undislikes_n" IS 'feedback with action undislike';
COMMENT ON COLUMN window_aggregate."saves_n" IS 'feedback with action save';
COMMENT ON COLUMN window_aggregate."unsaves_n" IS 'feedback with action unsave';
COMMENT ON COLUMN window_aggregate."playlist_adds_n" IS 'feedback with action playlist_add';
COMMENT ON COLUMN window_aggregate."playlist_removes_n" IS 'feedback with action playlist_remove';
COMMENT ON COLUMN window_aggregate."shares_n" IS 'feedback with action share';
COMMENT ON COLUMN window_aggregate."artist_follows_n" IS 'feedback with action follow_artist';
COMMENT ON COLUMN window_aggregate."artist_unfollows_n" IS 'feedback with action unfollow_artist';
COMMENT ON COLUMN window_aggregate."artist_page_visits_n" IS 'feedback with action artist_page_visit';
COMMENT ON COLUMN window_aggregate."hides_n" IS 'feedback with action hide';
COMMENT ON COLUMN window_aggregate."reports_n" IS 'feedback with action report';
COMMENT ON COLUMN window_aggregate."regenerates_n" IS 'feedback with action regenerate';
COMMENT ON COLUMN window_aggregate."refines_n" IS 'feedback with action refine';
COMMENT ON COLUMN window_aggregate."edits_accepted_n" IS 'feedback with action edit_accepted';
COMMENT ON COLUMN window_aggregate."exports_n" IS 'feedback with action export';
COMMENT ON COLUMN window_aggregate."thumbs_up_n" IS 'feedback with action thumbs_up';
COMMENT ON COLUMN window_aggregate."thumbs_down_n" IS 'feedback with action thumbs_down';
COMMENT ON COLUMN window_aggregate."surveys_n" IS 'feedback with action survey';
COMMENT ON COLUMN window_aggregate."comments_n" IS 'feedback with action comment';
COMMENT ON COLUMN window_aggregate."other_feedback_n" IS 'feedback with action other';
COMMENT ON COLUMN window_aggregate."values_n" IS 'feedback that carries a value';
COMMENT ON COLUMN window_aggregate."value_micro" IS 'sum of feedback values, millionths';
COMMENT ON COLUMN window_aggregate."revision" IS 'events that the log took after the window had closed';
COMMENT ON COLUMN window_aggregate."status" IS 'final: a horizon behind the watermark; only later plays of what it exposed add';
COMMENT ON COLUMN window_aggregate."maturity" IS 'share of the window that is a horizon older than the watermark, 0 to 1';
COMMENT ON COLUMN window_judge_score."size_s" IS 'size of the window, seconds';
COMMENT ON COLUMN window_judge_score."window_start" IS 'start of the window, inclusive, UTC';
COMMENT ON COLUMN window_judge_score."window_end" IS 'end of the window, exclusive, UTC';
COMMENT ON COLUMN window_judge_score."experiment_id" IS 'experiment, '''' for none';
COMMENT ON COLUMN window_judge_score."variant_id" IS 'model version under test, '''' for none';
COMMENT ON COLUMN window_judge_score."surface" IS 'where it was shown, '''' for all';
COMMENT ON COLUMN window_judge_score."dimension" IS 'Quality that was graded (gen_ai.evaluation.name)';
COMMENT ON COLUMN window_judge_score."evaluator_epoch" IS '`identity.evaluator_epoch` of rubric_hash, judge_prompt_version, judge_provider and judge_model_resolved; derived from them where absent';
COMMENT ON COLUMN window_judge_score."scored_n" IS 'exposures of generations with a valid latest score';
COMMENT ON COLUMN window_judge_score."errored_n" IS 'exposures of generations whose only scores failed';
COMMENT ON COLUMN window_judge_score."score_micro" IS 'sum of latest scores, millionths';
COMMENT ON COLUMN window_judge_score."weight_micro" IS 'sum of 1 / sampling probability, millionths';
COMMENT ON COLUMN window_judge_score."weighted_score_micro" IS 'sum of score / sampling probability, millionths';
COMMENT ON COLUMN window_judge_score."score_mean" IS 'mean latest score, weighted by 1 / sampling probability';
COMMENT ON COLUMN window_judge_score."status" IS 'final: a horizon behind the watermark; only later plays of what it exposed add';
COMMENT ON COLUMN window_judge_score."maturity" IS 'share of the window that is a horizon older than the watermark, 0 to 1';
COMMENT ON COLUMN unit_day."experiment_id" IS 'experiment, '''' for none';
COMMENT ON COLUMN unit_day."variant_id" IS 'model version under test, '''' for none';
COMMENT ON COLUMN unit_day."unit_type" IS 'kind of the unit of randomisation';
COMMENT ON COLUMN unit_day."unit_id" IS 'unit of randomisation';
COMMENT ON COLUMN unit_day."day" IS 'UTC day of the events';
COMMENT ON COLUMN unit_day."exposures_n" IS 'exposures';
COMMENT ON COLUMN unit_day."opted_in_n" IS 'exposures whose artists opted in';
COMMENT ON COLUMN unit_day."gen_latencies_n" IS 'exposures that state their generation latency';
COMMENT ON COLUMN unit_day."gen_latency_ms" IS 'sum of the generation latencies, milliseconds';
COMMENT ON COLUMN unit_day."starts_n" IS 'plays started';
COMMENT ON COLUMN unit_day."uncensored_n" IS 'plays not cut off by an error or an unexpected exit';
COMMENT ON COLUMN unit_day."ms_played" IS 'milliseconds listened';
COMMENT ON COLUMN unit_day."first_60s_ms" IS 'milliseconds listened, at most 60 s of each play';
COMMENT ON COLUMN unit_day."streams_30s_n" IS 'plays of at least 30 s';
COMMENT ON COLUMN unit_day."skips_n" IS 'plays ended by the forward or back button';
COMMENT ON COLUMN unit_day."early_skips_n" IS 'skips before 30 s';
COMMENT ON COLUMN unit_day."skips_under_5s_n" IS 'skips before 5 s';
COMMENT ON COLUMN unit_day."listen_plus_n" IS 'plays of more than half of the track';
COMMENT ON COLUMN unit_day."completes_n" IS 'plays that reached the end of the track';
COMMENT ON COLUMN unit_day."repeats_n" IS 'plays longer than the track';
COMMENT ON COLUMN unit_day."played_ratios_n" IS 'plays whose track duration is known';
COMMENT ON COLUMN unit_day."played_ratio_ppm" IS 'sum of min(played ratio, 1), parts per million';
COMMENT ON COLUMN unit_day."offline_n" IS 'plays made offline';
COMMENT ON COLUMN unit_day."incognito_n" IS 'plays in private mode; never in per-user sums';
COMMENT ON COLUMN unit_day."organic_n" IS 'plays the listener chose without a generation';
COMMENT ON COLUMN unit_day."organic_ms_played" IS 'milliseconds of organic plays';
COMMENT ON COLUMN unit_day."likes_n" IS 'feedback with action like';
COMMENT ON COLUMN unit_day."unlikes_n" IS 'feedback with action unlike';
COMMENT ON COLUMN unit_day."dislikes_n" IS 'feedback with action dislike';
COMMENT ON COLUMN unit_day."undislikes_n" IS 'feedback with action undislike';
COMMENT ON COLUMN unit_day."saves_n" IS 'feedback with action save';
COMMENT ON COLUMN unit_day."unsaves_n" IS 'feedback with action unsave';
COMMENT ON COLUMN unit_day."playlist_adds_n" IS 'feedback with action playlist_add';
COMMENT ON COLUMN unit_day."playlist_removes_n" IS 'feedback with action playlist_remove';
COMMENT ON COLUMN unit_day."shares_n" IS 'feedback with action share';
COMMENT ON COLUMN unit_day."artist_follows_n" IS 'feedback with action follow_artist';
COMMENT ON COLUMN unit_day."artist_unfollows_n" IS 'feedback with action unfollow_artist';
COMMENT ON COLUMN unit_day."artist_page_visits_n" IS 'feedback with action artist_page_visit';
COMMENT ON COLUMN unit_day."hides_n" IS 'feedback with action hide';
COMMENT ON COLUMN unit_day."reports_n" IS 'feedback with action report';
COMMENT ON COLUMN unit_day."regenerates_n" IS 'feedback with action regenerate';
COMMENT ON COLUMN unit_day."refines_n" IS 'feedback with action refine';
COMMENT ON COLUMN unit_day."edits_accepted_n" IS 'feedback with action edit_accepted';
COMMENT ON COLUMN unit_day."exports_n" IS 'feedback with action export';
COMMENT ON COLUMN unit_day."thumbs_up_n" IS 'feedback with action thumbs_up';
COMMENT ON COLUMN unit_day."thumbs_down_n" IS 'feedback with action thumbs_down';
COMMENT ON COLUMN unit_day."surveys_n" IS 'feedback with action survey';
COMMENT ON COLUMN unit_day."comments_n" IS 'feedback with action comment';
COMMENT ON COLUMN unit_day."other_feedback_n" IS 'feedback with action other';
COMMENT ON COLUMN unit_day."values_n" IS 'feedback that carries a value';
COMMENT ON COLUMN unit_day."value_micro" IS 'sum of feedback values, millionths';
COMMENT ON COLUMN pipeline_health."topic" IS 'input topic, without prefix';
COMMENT ON COLUMN pipeline_health."shard" IS 'partition of the input topics this row comes from';
COMMENT ON COLUMN pipeline_health."next_offset" IS 'offset to read next: the offset of record';
COMMENT ON COLUMN pipeline_health."read_n" IS 'messages read = accepted + duplicate + dead-lettered';
COMMENT ON COLUMN pipeline_health."accepted_n" IS 'events that count';
COMMENT ON COLUMN pipeline_health."duplicate_n" IS 'events whose (source, event_id) had been seen';
COMMENT ON COLUMN pipeline_health."dead_lettered_n" IS 'messages refused, counted in dead_letter_count';
COMMENT ON COLUMN pipeline_health."is_balanced" IS 'whether read = accepted + duplicate + dead-lettered';
COMMENT ON COLUMN pipeline_health."flooded_n" IS 'refused messages whose bytes are in the topic alone, beyond the flood''s bounds';
COMMENT ON COLUMN pipeline_health."late_n" IS 'accepted events that the log took later than the out-of-orderness allows';
COMMENT ON COLUMN pipeline_health."unknown_enum_n" IS 'accepted events with an enum value this version does not know';
COMMENT ON COLUMN pipeline_health."erased_n" IS 'accepted events of erased users: counted, and gone';
COMMENT ON COLUMN pipeline_health."newest_record_at" IS 'newest message handled, by the log''s time, UTC';
COMMENT ON COLUMN pipeline_health."watermark_us" IS 'largest event time less the out-of-orderness, microseconds UTC';
COMMENT ON COLUMN pipeline_health."watermark_at" IS 'the watermark as a timestamp, UTC';
COMMENT ON COLUMN pipeline_health."orphans_n" IS 'generations of this shard with plays or feedback that wait for an exposure';
COMMENT ON COLUMN pipeline_health."archived_n" IS 'accepted events that lie in Parquet parts; they count like the others';
COMMENT ON COLUMN pipeline_health."archived_bytes_n" IS 'size of those parts, bytes';
COMMENT ON COLUMN pipeline_health."is_idle" IS 'nothing was written to this shard for so long that the watermark goes on without';
