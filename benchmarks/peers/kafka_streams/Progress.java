import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/** How many records were handled, and when the first and the last, for all threads together. */
final class Progress {
    private final AtomicLong acceptedN = new AtomicLong();
    private final AtomicLong duplicateN = new AtomicLong();
    private final AtomicLong refusedN = new AtomicLong();
    private final AtomicLong firstNs = new AtomicLong();
    private volatile long lastNs;

    void accepted() {
        done(acceptedN);
    }

    void duplicate() {
        done(duplicateN);
    }

    void refused() {
        done(refusedN);
    }

    private void done(AtomicLong count) {
        lastNs = System.nanoTime();
        if (firstNs.get() == 0) {
            firstNs.compareAndSet(0, lastNs);
        }
        count.incrementAndGet();
    }

    long rowsN() {
        return acceptedN.get() + duplicateN.get() + refusedN.get();
    }

    /** Until so many records are handled, or none comes any more. */
    void await(long wantedN, Duration startWaitMax, Duration idleMax) throws InterruptedException {
        long startedNs = System.nanoTime();
        while (rowsN() < wantedN) {
            boolean isFirst = firstNs.get() == 0;
            long quietNs = System.nanoTime() - (isFirst ? startedNs : lastNs);
            if (quietNs > (isFirst ? startWaitMax : idleMax).toNanos()) {
                return;
            }
            Thread.sleep(20);
        }
    }

    double tookS() {
        return (lastNs - firstNs.get()) / 1e9;
    }

    String counts() {
        return String.format("\"accepted_n\": %d, \"duplicate_n\": %d, \"refused_n\": %d",
                acceptedN.get(), duplicateN.get(), refusedN.get());
    }
}
