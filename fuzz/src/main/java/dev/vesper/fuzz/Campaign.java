package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.Progress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Executes inputs until it is told to end. Threads, each with a machine of its own, share what was
 * reached and found; with one thread everything is a function of the guest, the store's contents
 * and the seed.
 */
public final class Campaign {
  /**
   * How it is done.
   *
   * @param member the name of this process among a campaign's
   * @param workers threads, at least 1
   * @param seed decides which inputs are made
   * @param executions after which it ends
   * @param seconds of real time after which it ends
   * @param shared whether others work on the same store, so that entries are claimed and taken over
   */
  public record Options(
      String member, int workers, long seed, long executions, double seconds, boolean shared) {}

  /** Executions before the first look at what others have found, and the most between two. */
  private static final long FIRST_EXCHANGE = 250;

  private static final long EXCHANGE = 5_000;

  private static final int LAST = 8;

  private final Harness harness;
  private final CampaignStore store;
  private final Options options;
  private final Corpus corpus = new Corpus();
  private final AtomicLong executions = new AtomicLong();
  private final AtomicLong again = new AtomicLong();
  private final AtomicLong unstable = new AtomicLong();
  private final AtomicLong toFollow = new AtomicLong();
  private final AtomicLong followed = new AtomicLong();
  private final Set<String> tried = ConcurrentHashMap.newKeySet();
  private final Set<String> imported = new HashSet<>();
  private final Set<String> found = ConcurrentHashMap.newKeySet();
  private final Deque<String> last = new ArrayDeque<>();
  private final long started = System.currentTimeMillis() / 1000;
  private final long startNanos = System.nanoTime();
  private volatile long newNanos = startNanos;
  private volatile long crashNanos;
  private volatile long newExecution;
  private volatile long begins;
  private volatile boolean ending;
  private volatile boolean honestIsLimited;
  private volatile Untouched untouched = Untouched.NOTHING;
  private long rateNanos = startNanos;
  private long rateExecutions;
  private double rate;
  private long nextExchange = FIRST_EXCHANGE;
  private volatile @Nullable Throwable failure;

  /** Makes a campaign that has not begun. */
  public Campaign(Harness harness, CampaignStore store, Options options) {
    this.harness = harness;
    this.store = store;
    this.options = options;
    found.addAll(store.names(CampaignStore.Kind.CRASH));
    found.addAll(store.names(CampaignStore.Kind.HANG));
  }

  /**
   * Runs it to its end.
   *
   * @throws CampaignException if the guest cannot be run, or the store has what is no input
   */
  public void run() throws CampaignException {
    try (Executor x = new Executor(harness)) {
      begins = x.begins();
      begin(x);
      List<Thread> others = new ArrayList<>();
      for (int i = 1; i < options.workers(); i++) {
        int number = i;
        others.add(Thread.ofPlatform().name("vesper-fuzz-" + number).start(() -> another(number)));
      }
      try {
        new Worker(this, x, options.seed(), true).work();
      } finally {
        ending = true;
        others.forEach(Campaign::join);
      }
      save();
    }
    switch (failure) {
      case null -> {}
      case CampaignException e -> throw e;
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new IllegalStateException(failure);
    }
  }

  private static void join(Thread t) {
    boolean interrupted = false;
    while (t.isAlive()) {
      try {
        t.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void another(int number) {
    try (Executor x = new Executor(harness, begins)) {
      x.subtract(untouched);
      new Worker(this, x, options.seed() + 0x9E37_79B9_7F4A_7C15L * number, false).work();
    } catch (CampaignException | RuntimeException | Error e) {
      failure = e;
      ending = true;
    }
  }

  /** The first entries: what an honest host's guest does, and what is in the store. */
  private void begin(Executor x) throws CampaignException {
    Execution honest = x.run(Input.HONEST);
    executions.incrementAndGet();
    if (honest.finding() != null) {
      throw new CampaignException(
          "the guest fails with an honest host too: " + honest.finding().title());
    }
    honestIsLimited = honest.limited();
    corpus.add(entry(Input.HONEST, honest, 0), honest.edges());
    untouched = x.untouched();
    x.subtract(untouched);
    imported.add(Input.HONEST.name());
    exchange(x);
  }

  static Entry entry(Input input, Execution e, int depth) {
    int hash = Arrays.hashCode(e.edges());
    return new Entry(input, input.name(), depth, e.instructions(), hash);
  }

  /** Takes over inputs of the store that are not known yet. */
  private void exchange(Executor x) throws CampaignException {
    for (String name : store.names(CampaignStore.Kind.QUEUE)) {
      if (ending || !imported.add(name)) {
        continue;
      }
      byte[] bytes = store.entry(CampaignStore.Kind.QUEUE, name);
      if (bytes == null) {
        continue;
      }
      Input input;
      try {
        input = InputReader.read(bytes);
      } catch (CampaignException e) {
        throw new CampaignException("queue entry " + name + ": " + e.getMessage() + "; remove it");
      }
      Execution e = x.run(input);
      executions.incrementAndGet();
      if (e.finding() == null) {
        corpus.add(entry(input, e, 1), e.edges());
      }
    }
  }

  /** Writes what only this process knows. */
  private void save() {
    store.merge(corpus.reached());
    store.report(progress());
  }

  /**
   * {@return whether one more input is to be executed, which is counted then}
   *
   * @param x the executor of whoever asks
   * @param first whether it is the thread that speaks with others
   */
  boolean takes(Executor x, boolean first) throws CampaignException {
    if (ending) {
      return false;
    }
    long n = executions.incrementAndGet();
    if (n > options.executions()) {
      executions.decrementAndGet();
      ending = true;
      return false;
    }
    if ((n & 63) == 0 && System.nanoTime() - startNanos > options.seconds() * 1e9) {
      ending = true;
    }
    if (first && n >= nextExchange) {
      // Most is found at the beginning.
      nextExchange = n + Math.min(n, EXCHANGE);
      if (options.shared()) {
        exchange(x);
        corpus.join(store.merge(corpus.reached()));
        store.report(progress());
      }
    }
    return true;
  }

  /** Ends it soon, with everything saved; from any thread. */
  public void stop() {
    ending = true;
  }

  Corpus corpus() {
    return corpus;
  }

  Harness harness() {
    return harness;
  }

  /** {@return whether the limit of instructions is the guest's fault} */
  boolean isHang(Execution e) {
    return e.limited() && !honestIsLimited;
  }

  /** {@return whether an answer or an address was not tried yet; it counts as tried then} */
  boolean isUntried(String what) {
    return tried.add(what);
  }

  /** {@return the entry to work on} */
  Entry next(Mutator random) {
    if (options.shared()) {
      Entry e = store.claim(options.member()).map(corpus::named).orElse(null);
      if (e != null) {
        return e;
      }
    }
    return corpus.next(random);
  }

  /** An input has reached something new. */
  void reached(Entry e, byte[] edges) {
    if (corpus.add(e, edges)) {
      store.add(CampaignStore.Kind.QUEUE, e.name, e.input.encode());
      newNanos = System.nanoTime();
      newExecution = executions.get();
    }
  }

  /** {@return whether a finding is new; it counts as found then} */
  boolean isNew(Finding f) {
    boolean isNew = found.add(f.name());
    if (!isNew) {
      again.incrementAndGet();
    }
    return isNew;
  }

  /** Values are to be followed in an execution that has reached something new. */
  void isToBeFollowed() {
    toFollow.incrementAndGet();
  }

  /** That was done with one of them. */
  void wasFollowed() {
    followed.incrementAndGet();
  }

  /** A finding did not repeat. */
  void wasUnstable() {
    unstable.incrementAndGet();
  }

  /** Keeps a finding. */
  void keep(FindingFile f) {
    CampaignStore.Kind kind =
        f.finding().kind() == Finding.Kind.HANG
            ? CampaignStore.Kind.HANG
            : CampaignStore.Kind.CRASH;
    store.add(kind, f.finding().name(), f.encode());
    crashNanos = System.nanoTime();
    synchronized (last) {
      last.addFirst(f.finding().kind().word() + ": " + f.finding().title());
      if (last.size() > LAST) {
        last.removeLast();
      }
    }
  }

  /** {@return how far it is} */
  public synchronized Status status() {
    long now = System.nanoTime();
    long n = executions.get();
    if (now - rateNanos > 2_000_000_000L) {
      rate = (n - rateExecutions) * 1e9 / (now - rateNanos);
      rateNanos = now;
      rateExecutions = n;
    } else if (rateNanos == startNanos) {
      rate = n * 1e9 / Math.max(1, now - startNanos);
    }
    List<String> titles;
    synchronized (last) {
      titles = List.copyOf(last);
    }
    return new Status(
        (now - startNanos) / 1e9,
        n,
        rate,
        corpus.edges(),
        corpus.size(),
        corpus.favored(),
        corpus.pending(),
        corpus.depth(),
        corpus.cycles(),
        store.names(CampaignStore.Kind.CRASH).size(),
        store.names(CampaignStore.Kind.HANG).size(),
        again.get(),
        unstable.get(),
        followed.get(),
        toFollow.get() - followed.get(),
        (now - newNanos) / 1e9,
        crashNanos == 0 ? -1 : (now - crashNanos) / 1e9,
        begins,
        titles);
  }

  /** {@return the same for other members} */
  public Progress progress() {
    Status s = status();
    return new Progress(
        options.member(),
        started,
        System.currentTimeMillis() / 1000,
        s.executions(),
        s.perSecond(),
        s.edges(),
        s.queue(),
        s.crashes(),
        s.hangs(),
        s.cycles(),
        newExecution);
  }
}
