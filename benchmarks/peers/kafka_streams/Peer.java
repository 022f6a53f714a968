import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * Kafka Streams: five topics, one processor with two stores, read once from the beginning.
 * Arguments: bootstrap, prefix, events to read, file for the result (its state goes beside it).
 */
public final class Peer {
    private static final Duration START_WAIT_MAX = Duration.ofSeconds(120);
    private static final Duration IDLE_MAX = Duration.ofSeconds(20);
    private static final Duration CLOSE_WAIT_MAX = Duration.ofSeconds(60);
    private static final long CACHE_BYTES = 256L << 20;

    private Peer() { }

    public static void main(String[] arguments) throws IOException {
        String bootstrap = arguments[0];
        String prefix = arguments[1] + '-';
        long wantedN = Long.parseLong(arguments[2]);
        Progress progress = new Progress();
        Path out = Path.of(arguments[3]);
        KafkaStreams streams = new KafkaStreams(topology(prefix, progress),
                settings(bootstrap, prefix, out.resolveSibling("state")));
        Thread caller = Thread.currentThread();
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            caller.interrupt();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        try {
            streams.start();
            progress.await(wantedN, START_WAIT_MAX, IDLE_MAX);
            Map<String, long[]> sums = totals(streams);
            long closingNs = System.nanoTime();
            if (!streams.close(CLOSE_WAIT_MAX)) {
                throw new IllegalStateException("did not end within " + CLOSE_WAIT_MAX);
            }
            double commitS = (System.nanoTime() - closingNs) / 1e9;
            Files.writeString(out, result(progress, commitS, sums));
        } catch (IllegalStateException | InvalidStateStoreException | InterruptedException error) {
            System.err.println(progress.counts() + ", state " + streams.state() + ": " + error);
            Runtime.getRuntime().halt(1); // its threads would keep the process alive
        }
    }

    private static Topology topology(String prefix, Progress progress) {
        StreamsBuilder builder = new StreamsBuilder();
        List<String> topics = Event.OWN_ID.keySet().stream().map(name -> prefix + name).toList();
        builder.stream(topics, Consumed.with(Serdes.String(), Serdes.ByteArray()))
                .process(Join.supplier(prefix, progress));
        return builder.build();
    }

    private static Properties settings(String bootstrap, String prefix, Path folder) {
        Properties set = new Properties();
        set.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + "streams-" + System.nanoTime());
        set.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        set.put(StreamsConfig.STATE_DIR_CONFIG, folder.toString());
        set.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Runtime.getRuntime().availableProcessors());
        set.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
        set.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 30_000);
        set.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        set.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        set.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        set.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        set.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), 12_000);
        set.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), 1_500);
        set.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        set.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        return set;
    }

    /** The sums of all windows of a basis and size, and how many there are: to see that it worked. */
    private static Map<String, long[]> totals(KafkaStreams streams) {
        Map<String, long[]> found = new TreeMap<>();
        ReadOnlyKeyValueStore<String, long[]> windows = streams.store(
                StoreQueryParameters.fromNameAndType(
                        Join.WINDOWS, QueryableStoreTypes.keyValueStore()));
        try (KeyValueIterator<String, long[]> all = windows.all()) {
            while (all.hasNext()) {
                KeyValue<String, long[]> one = all.next();
                String[] parts = one.key.split("\\|", 3);
                String name = parts[0].equals("day") ? "day" : parts[0] + '|' + parts[1];
                long[] total = found.computeIfAbsent(name, key -> new long[Sums.N]);
                Sums.added(total, one.value);
            }
        }
        return found;
    }

    private static String result(Progress seen, double commitS, Map<String, long[]> sums) {
        String totals = sums.entrySet().stream()
                .map(one -> '"' + one.getKey() + "\": [" + LongStream.of(one.getValue())
                        .mapToObj(Long::toString).collect(Collectors.joining(", ")) + ']')
                .collect(Collectors.joining(", "));
        return String.format(Locale.ROOT,
                "{\"rows_n\": %d, %s, \"took_s\": %.6f, \"last_commit_s\": %.6f, \"sums\": {%s}}",
                seen.rowsN(), seen.counts(), seen.tookS(), commitS, totals);
    }
}
