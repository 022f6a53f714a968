import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The work of work.py, one record at a time: drop what was seen, join activity with exposures on
 * (generation, listener), keep the latest score per epoch, move windows and days. Both stores belong
 * to the task of a partition, as the topics share their keys: nothing has to be repartitioned.
 */
final class Join implements Processor<String, byte[], Void, Void> {
    static final String STATES = "states";
    static final String WINDOWS = "windows";
    static final long[] SIZES_US = {60_000_000L, 3_600_000_000L, 86_400_000_000L};
    private static final long DAY_US = SIZES_US[2];
    private static final State.Shown NOBODY = new State.Shown("", "", "", 0);

    private final String prefix;
    private final Progress progress;
    private ProcessorContext<Void, Void> context;
    private KeyValueStore<String, State> states;
    private KeyValueStore<String, long[]> windows;

    private Join(String prefix, Progress progress) {
        this.prefix = prefix;
        this.progress = progress;
    }

    static ProcessorSupplier<String, byte[], Void, Void> supplier(String prefix, Progress seen) {
        return new ProcessorSupplier<>() {
            @Override
            public Processor<String, byte[], Void, Void> get() {
                return new Join(prefix, seen);
            }

            @Override
            public Set<StoreBuilder<?>> stores() {
                return Set.of(
                        Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STATES),
                                Serdes.String(), State.serde()).withCachingEnabled(),
                        Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(WINDOWS),
                                Serdes.String(), Sums.serde()).withCachingEnabled());
            }
        };
    }

    @Override
    public void init(ProcessorContext<Void, Void> given) {
        context = given;
        states = context.getStateStore(STATES);
        windows = context.getStateStore(WINDOWS);
    }

    @Override
    public void process(Record<String, byte[]> message) {
        String topic = context.recordMetadata().orElseThrow().topic().substring(prefix.length());
        Event event = Event.parsed(topic, message.value());
        if (event == null) {
            progress.refused();
            return;
        }
        State state = states.get(message.key());
        if (state == null) {
            state = new State();
        } else if (state.seen.contains(event.id)) {
            progress.duplicate();
            return;
        }
        state.seen.add(event.id);
        switch (topic) {
            case "exposures" -> exposed(state, event);
            case "listens", "feedback" -> acted(state, event);
            case "judge-scores" -> scored(state, event);
            default -> state.labelsN++;
        }
        states.put(message.key(), state);
        progress.accepted();
    }

    private void exposed(State state, Event event) {
        State.Shown met = new State.Shown(
                event.experimentId, event.variantId, event.unitId, event.atUs);
        List<State.Shown> known =
                state.shown.computeIfAbsent(event.userKey, user -> new ArrayList<>());
        List<State.Done> done = state.done.getOrDefault(event.userKey, List.of());
        long[] one = Sums.one(Sums.EXPOSURES, 1);
        attributed(met, met.atUs(), one);
        for (State.Done act : done) {
            if (known.isEmpty()) {
                move("orphan", NOBODY, act.atUs(), Sums.negated(act.sums()));
            }
            attributed(met, act.atUs(), act.sums());
        }
        known.add(met);
        for (State.Score score : state.scores.values()) {
            move("scores", met, met.atUs(), Sums.one(Sums.SCORES, score.value()));
        }
    }

    private void acted(State state, Event event) {
        long[] sums = Sums.of(event);
        move("all", NOBODY, event.atUs, sums);
        day(new State.Shown("", "", event.userKey, 0), event.atUs, sums);
        if (event.generationId == null) {
            move("organic", NOBODY, event.atUs, sums);
            return;
        }
        state.done.computeIfAbsent(event.userKey, user -> new ArrayList<>())
                .add(new State.Done(event.atUs, sums));
        List<State.Shown> shown = state.shown.get(event.userKey);
        if (shown == null) {
            move("orphan", NOBODY, event.atUs, sums);
            return;
        }
        for (State.Shown met : shown) {
            attributed(met, event.atUs, sums);
        }
    }

    private void scored(State state, Event event) {
        State.Score before = state.scores.get(event.epoch);
        if (event.score == null || (before != null && before.atUs() > event.atUs)) {
            return;
        }
        long value = (long) Math.rint(event.score * 1_000_000);
        state.scores.put(event.epoch, new State.Score(event.atUs, value));
        long[] change = Sums.one(Sums.SCORES, value - (before == null ? 0 : before.value()));
        for (List<State.Shown> shown : state.shown.values()) {
            for (State.Shown met : shown) {
                move("scores", met, met.atUs(), change);
            }
        }
    }

    private void attributed(State.Shown met, long atUs, long[] sums) {
        move("activity", met, atUs, sums);
        move("exposure", met, met.atUs(), sums);
        day(met, atUs, sums);
    }

    private void move(String basis, State.Shown met, long atUs, long[] sums) {
        for (long size : SIZES_US) {
            long start = Math.floorDiv(atUs, size) * size;
            add(basis + '|' + size + '|' + start + '|' + met.experiment() + '|' + met.variant(),
                    sums);
        }
    }

    private void day(State.Shown met, long atUs, long[] sums) {
        add("day|" + met.experiment() + '|' + met.variant() + '|' + met.unit() + '|'
                + Math.floorDiv(atUs, DAY_US), sums);
    }

    private void add(String place, long[] sums) {
        windows.put(place, Sums.added(windows.get(place), sums));
    }
}
