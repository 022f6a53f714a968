import java.io.DataInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** The eight sums of a window or a day, and what an event adds to them. */
final class Sums {
    static final int N = 8;
    static final int EXPOSURES = 0;
    static final int FEEDBACK = 2;
    static final int SCORES = 3;
    private static final long STREAM_MS = 30_000;

    private Sums() { }

    static long[] one(int place, long amount) {
        long[] sums = new long[N];
        sums[place] = amount;
        return sums;
    }

    static long[] of(Event event) {
        if (event.topic.equals("feedback")) {
            return one(FEEDBACK, event.polarity);
        }
        long ms = event.msPlayed;
        boolean isSkip = "fwdbtn".equals(event.reasonEnd) || "backbtn".equals(event.reasonEnd);
        return new long[] {
            0, 1, 0, 0, ms, ms >= STREAM_MS ? 1 : 0, isSkip ? 1 : 0, isSkip && ms < STREAM_MS ? 1 : 0
        };
    }

    static long[] negated(long[] sums) {
        long[] made = new long[N];
        for (int place = 0; place < N; place++) {
            made[place] = -sums[place];
        }
        return made;
    }

    static long[] added(long[] stored, long[] sums) {
        if (stored == null) {
            return sums.clone();
        }
        for (int place = 0; place < N; place++) {
            stored[place] += sums[place];
        }
        return stored;
    }

    static long[] read(DataInputStream in) throws IOException {
        long[] sums = new long[N];
        for (int place = 0; place < N; place++) {
            sums[place] = in.readLong();
        }
        return sums;
    }

    static Serde<long[]> serde() {
        return Serdes.serdeFrom((topic, sums) -> {
            if (sums == null) {
                return null;
            }
            ByteBuffer bytes = ByteBuffer.allocate(N * Long.BYTES);
            bytes.asLongBuffer().put(sums);
            return bytes.array();
        }, (topic, bytes) -> {
            if (bytes == null) {
                return null;
            }
            long[] sums = new long[N];
            ByteBuffer.wrap(bytes).asLongBuffer().get(sums);
            return sums;
        });
    }
}
