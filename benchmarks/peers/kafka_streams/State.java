import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** What is known of one generation, or of one listener's plays without a generation. */
final class State {
    /** An exposure: experiment, variant and unit it met, and when. */
    record Shown(String experiment, String variant, String unit, long atUs) { }

    /** A play or reaction: when, and its sums. */
    record Done(long atUs, long[] sums) { }

    /** The latest score of a judge epoch, in millionths. */
    record Score(long atUs, long value) { }

    final List<String> seen = new ArrayList<>();
    final Map<String, List<Shown>> shown = new HashMap<>();
    final Map<String, List<Done>> done = new HashMap<>();
    final Map<String, Score> scores = new HashMap<>();
    int labelsN;

    static Serde<State> serde() {
        return Serdes.serdeFrom((topic, state) -> state == null ? null : state.bytes(),
                (topic, bytes) -> bytes == null ? null : read(bytes));
    }

    private byte[] bytes() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeInt(seen.size());
            for (String id : seen) {
                out.writeUTF(id);
            }
            out.writeInt(shown.size());
            for (Map.Entry<String, List<Shown>> one : shown.entrySet()) {
                out.writeUTF(one.getKey());
                out.writeInt(one.getValue().size());
                for (Shown met : one.getValue()) {
                    out.writeUTF(met.experiment);
                    out.writeUTF(met.variant);
                    out.writeUTF(met.unit);
                    out.writeLong(met.atUs);
                }
            }
            out.writeInt(done.size());
            for (Map.Entry<String, List<Done>> one : done.entrySet()) {
                out.writeUTF(one.getKey());
                out.writeInt(one.getValue().size());
                for (Done act : one.getValue()) {
                    out.writeLong(act.atUs);
                    for (long sum : act.sums) {
                        out.writeLong(sum);
                    }
                }
            }
            out.writeInt(scores.size());
            for (Map.Entry<String, Score> one : scores.entrySet()) {
                out.writeUTF(one.getKey());
                out.writeLong(one.getValue().atUs);
                out.writeLong(one.getValue().value);
            }
            out.writeInt(labelsN);
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return bytes.toByteArray();
    }

    private static State read(byte[] bytes) {
        State state = new State();
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            for (int n = in.readInt(); n > 0; n--) {
                state.seen.add(in.readUTF());
            }
            for (int n = in.readInt(); n > 0; n--) {
                List<Shown> met = state.shown.computeIfAbsent(in.readUTF(), k -> new ArrayList<>());
                for (int m = in.readInt(); m > 0; m--) {
                    met.add(new Shown(in.readUTF(), in.readUTF(), in.readUTF(), in.readLong()));
                }
            }
            for (int n = in.readInt(); n > 0; n--) {
                List<Done> acts = state.done.computeIfAbsent(in.readUTF(), k -> new ArrayList<>());
                for (int m = in.readInt(); m > 0; m--) {
                    acts.add(new Done(in.readLong(), Sums.read(in)));
                }
            }
            for (int n = in.readInt(); n > 0; n--) {
                state.scores.put(in.readUTF(), new Score(in.readLong(), in.readLong()));
            }
            state.labelsN = in.readInt();
        } catch (IOException broken) {
            throw new UncheckedIOException(broken);
        }
        return state;
    }
}
