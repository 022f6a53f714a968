import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Map;

/** One event, as far as the work needs it. Absent fields are null. */
final class Event {
    static final Map<String, String> OWN_ID = Map.of(
            "exposures", "exposure_id",
            "listens", "playback_id",
            "feedback", "feedback_id",
            "judge-scores", "score_id",
            "human-labels", "label_id");
    private static final JsonFactory JSON = new JsonFactory();

    final String topic;
    String id;
    long atUs;
    String userKey;
    String generationId;
    String experimentId = "";
    String variantId = "";
    String unitId = "";
    String reasonEnd;
    String epoch = "";
    long msPlayed;
    long polarity;
    Double score;

    private String eventTime;
    private boolean isTyped = true;

    private Event(String topic) {
        this.topic = topic;
    }

    /** The event, or null where it breaks the contract (looked at as far as the work needs). */
    static Event parsed(String topic, byte[] value) {
        if (value == null) {
            return null;
        }
        Event event = new Event(topic);
        String ownId = OWN_ID.get(topic);
        try (JsonParser json = JSON.createParser(value)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                return null;
            }
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String name = json.currentName();
                json.nextToken();
                event.take(name, json, ownId);
                json.skipChildren();
            }
            if (json.nextToken() != null || event.eventTime == null) {
                return null;
            }
            event.atUs = micros(Instant.parse(event.eventTime));
        } catch (IOException | DateTimeException broken) {
            return null;
        }
        boolean isByUser = !topic.equals("judge-scores") && !topic.equals("human-labels");
        String needed = isByUser ? event.userKey : event.generationId;
        return event.id != null && needed != null && event.isTyped ? event : null;
    }

    private void take(String name, JsonParser json, String ownId) throws IOException {
        if (name.equals(ownId)) {
            id = json.getValueAsString();
            return;
        }
        switch (name) {
            case "event_time" -> eventTime = json.getValueAsString();
            case "user_key" -> userKey = json.getValueAsString();
            case "generation_id" -> generationId = json.getValueAsString();
            case "experiment_id" -> experimentId = json.getValueAsString("");
            case "variant_id" -> variantId = json.getValueAsString("");
            case "unit_id" -> unitId = json.getValueAsString("");
            case "reason_end" -> reasonEnd = json.getValueAsString();
            case "evaluator_epoch" -> epoch = json.getValueAsString("");
            case "polarity" -> polarity = json.getValueAsLong();
            case "score_value" -> score =
                    json.currentToken().isNumeric() ? json.getDoubleValue() : null;
            case "ms_played" -> {
                isTyped = json.currentToken() == JsonToken.VALUE_NUMBER_INT;
                msPlayed = isTyped ? json.getLongValue() : 0;
            }
            default -> { }
        }
    }

    private static long micros(Instant at) {
        return at.getEpochSecond() * 1_000_000 + at.getNano() / 1_000;
    }
}
