package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.Outcome;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A run as those have it who talk to it. They ask from threads of their own; what they ask for is
 * done on the thread that runs the machine, at an instruction where the run has come back.
 */
public final class Control implements AutoCloseable {
  private static final long LOOK_MS = 50;

  /** What is asked for together before the guest goes on. */
  private static final int MOST_AT_ONCE = 32;

  /** Who else has the guest stand still, as a debugger does. */
  public interface Holder {
    /** {@return whether the guest stands still} */
    boolean isHeld();

    /** Has it stand still from now on. */
    void hold();

    /** Lets it go on. */
    void release();
  }

  /**
   * What a run is called and where its lines lead.
   *
   * @param consoles places by labels, as options name them
   */
  public record Facts(String name, Map<String, String> consoles) {
    /** Of a run of which nothing is said. */
    public static final Facts NONE = new Facts("", Map.of());

    /** Takes a copy. */
    public Facts {
      consoles = new TreeMap<>(consoles);
    }
  }

  private static final class Own implements Holder {
    private boolean held;

    @Override
    public boolean isHeld() {
      return held;
    }

    @Override
    public void hold() {
      held = true;
    }

    @Override
    public void release() {
      held = false;
    }
  }

  /**
   * Something that is to be done.
   *
   * @param told is told what comes of it before anything else happens
   */
  private record Asked(
      Supplier<String> what, Consumer<String> told, CompletableFuture<String> answer) {}

  private final Facts facts;
  private final WrittenFiles files;
  private final Consumer<Outcome> ends;
  private final BlockingQueue<Asked> asked = new LinkedBlockingQueue<>();
  private final List<Consumer<Happening>> listeners = new CopyOnWriteArrayList<>();
  private final RecentEvents events = new RecentEvents();
  private final TraceSwitch trace = new TraceSwitch();

  /** Told when a command has changed the machine: what keeps its past has to know. */
  private Runnable changed = () -> {};

  /** A command has changed the machine, and nobody has been told. */
  private boolean changing;

  /** What has changed the run, and how often. */
  private final Map<String, Integer> touched = new TreeMap<>();

  private volatile @Nullable Machine machine;
  private Holder holder = new Own();
  private @Nullable Snapshots snapshots;
  private boolean began;

  /** Whether clients have been told that it stands still. */
  private boolean told;

  private volatile @Nullable Outcome over;
  private boolean closed;

  /** The machine is traced from its beginning. */
  private boolean watched;

  /** The machine's events are kept. */
  private boolean keeps;

  /** A reset is none that the guest asks for. */
  private boolean resetting;

  /**
   * @param files where clients may have files written
   * @param ends ends the run
   */
  public Control(Facts facts, WrittenFiles files, Consumer<Outcome> ends) {
    this.facts = facts;
    this.files = files;
    this.ends = ends;
  }

  /** {@return one of a machine alone, as tests and clients without a command line have it} */
  public static Control of(Machine m) {
    Control c = new Control(Facts.NONE, new WrittenFiles(null), m::end);
    c.machine = m;
    c.events.of(m);
    c.began = true;
    c.told = true;
    c.holder.hold();
    return c;
  }

  /** Keeps states of the machine in memory, and in files if any may be written, as commands ask. */
  public void keepStates() {
    snapshots = new KeptStates(this::machine, new SnapshotFiles(files));
  }

  /** Has somebody else say whether the guest stands still. */
  public void heldBy(Holder h) {
    holder = h;
  }

  /** Has somebody told, each time behind it, that a command has changed the machine. */
  public void onChange(Runnable r) {
    changed = r;
  }

  /** Says where states of the machine are kept; if nobody does, there are none. */
  public void snapshots(Snapshots s) {
    snapshots = s;
  }

  /**
   * A machine will run, which is not running yet: those that clients have asked of follow.
   *
   * @param watched its events are kept, which takes time
   */
  public void serves(Machine m, boolean watched) {
    machine = m;
    events.of(m);
    keeps = false;
    if (watched) {
      m.trace(trace, false);
      keepEvents();
      m.on(Event.VcpuStarted.class, this::started);
    }
    this.watched = watched;
    synchronized (this) {
      if (!asked.isEmpty()) {
        m.stop();
      }
    }
  }

  private void started(Event.VcpuStarted e) {
    if (e.how().startsWith("reset: ")) {
      String why = resetting ? "host-qmp-system-reset" : "guest-reset";
      tell("RESET", Map.of("guest", !resetting, "reason", why));
    }
  }

  // ---- from any thread

  /**
   * Has something done on the thread that runs the machine, and waits for it.
   *
   * @return what comes of it, or null if the run is over
   */
  @Nullable String ask(Supplier<String> what) {
    return ask(what, s -> {});
  }

  /**
   * The same.
   *
   * @param told is told what comes of it on the thread that runs the machine, so that events which
   *     follow from it are told later; it must not wait
   */
  @Nullable String ask(Supplier<String> what, Consumer<String> told) {
    Asked a = new Asked(what, told, new CompletableFuture<>());
    synchronized (this) {
      if (closed) {
        return null;
      }
      asked.add(a);
    }
    Machine m = machine;
    if (m != null) {
      m.stop();
    }
    try {
      return a.answer.join();
    } catch (CompletionException | CancellationException e) {
      return null;
    }
  }

  /**
   * Does what a line asks for, on the thread that runs the machine, and waits for it.
   *
   * @return what is to be said: whole lines
   */
  public String run(Session s, String line) {
    String answer = ask(() -> s.run(line));
    return answer == null ? "the run is over\n" : answer;
  }

  /** Tells somebody of what happens, on the thread that runs the machine: it must not wait. */
  void listen(Consumer<Happening> to) {
    listeners.add(to);
  }

  void forget(Consumer<Happening> to) {
    listeners.remove(to);
  }

  // ---- on the thread that runs the machine

  /** Does what was asked for; the run has come back, or the guest stands still. */
  public void serve() {
    look();
    for (int i = 0; i < MOST_AT_ONCE; i++) {
      Asked a = asked.poll();
      if (a == null) {
        break;
      }
      answer(a);
    }
    if (!asked.isEmpty() && !holder.isHeld()) {
      machine().stop();
    }
  }

  private void answer(Asked a) {
    try {
      String s = a.what.get();
      concludeChange();
      // What happened by it is told before.
      look();
      a.told.accept(s);
      a.answer.complete(s);
    } finally {
      // Whatever fails is the run's failure, and nobody must wait for it.
      a.answer.cancel(false);
    }
  }

  /** Tells clients when the guest has begun to stand still or to run. */
  private void look() {
    boolean held = holder.isHeld();
    began |= !held;
    if (held != told) {
      told = held;
      tell(held ? "STOP" : "RESUME", Map.of());
    }
  }

  /** The guest stands still from the beginning, until it is told to go on. */
  public void beginHeld() {
    holder.hold();
    told = true;
  }

  /**
   * Serves clients for as long as the guest stands still.
   *
   * @param limit says how the run ends although it does
   * @return how the run has ended, or null if the guest goes on
   */
  public @Nullable Outcome stand(Supplier<@Nullable Outcome> limit) {
    while (holder.isHeld()) {
      Outcome o = limit.get();
      if (o != null) {
        return o;
      }
      waitAndServe();
    }
    look();
    return null;
  }

  /** Serves clients for a moment, or until something is asked for. */
  public void waitAndServe() {
    look();
    try {
      Asked a = asked.poll(LOOK_MS, TimeUnit.MILLISECONDS);
      if (a != null) {
        answer(a);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The guest's life has ended, and clients may still look at it. */
  public void ended(Outcome o) {
    over = o;
    if (o.is(Outcome.GUEST_TERMINATED)) {
      tell("GUEST_PANICKED", Map.of("action", "poweroff"));
    }
    String why = Shutdown.cause(o);
    tell("SHUTDOWN", Map.of("guest", why.startsWith("guest-"), "reason", why));
  }

  /** Nothing more is served; who waits is told. */
  @Override
  public void close() {
    List<Asked> left = new ArrayList<>();
    synchronized (this) {
      closed = true;
      asked.drainTo(left);
    }
    left.forEach(a -> a.answer.cancel(false));
    trace.close();
  }

  // ---- what commands use

  /** {@return the machine that runs} */
  Machine machine() {
    return Objects.requireNonNull(machine);
  }

  Facts facts() {
    return facts;
  }

  WrittenFiles files() {
    return files;
  }

  /**
   * Has events be kept and counted from now on, which takes time; those of a run with a monitor or
   * a debugger are from its beginning.
   */
  public void keepEvents() {
    if (!keeps) {
      keeps = true;
      machine().on(Event.class, events);
    }
  }

  RecentEvents events() {
    keepEvents();
    return events;
  }

  TraceSwitch trace() throws Refusal {
    if (!watched) {
      throw new Refusal("events can be traced in a run with -monitor or -qmp");
    }
    return trace;
  }

  @Nullable Snapshots kept() {
    return snapshots;
  }

  /** {@return whether the guest runs as soon as nobody looks} */
  boolean isRunning() {
    return over == null && !holder.isHeld();
  }

  /** {@return the state in QEMU's words} */
  String status() {
    if (over != null) {
      return over.is(Outcome.GUEST_TERMINATED) ? "guest-panicked" : "shutdown";
    }
    return !holder.isHeld() ? "running" : began ? "paused" : "prelaunch";
  }

  void hold() {
    holder.hold();
  }

  void release() throws Refusal {
    if (over != null) {
      throw new Refusal("Resetting the Virtual Machine is required: its guest has ended");
    }
    holder.release();
  }

  void end(String why) {
    ends.accept(new Outcome(Outcome.QUIT, Shutdown.BY_COMMAND + why));
  }

  /** Tells clients of QMP. */
  void tell(String name, Map<String, Object> data) {
    Happening h = Happening.now(name, data);
    listeners.forEach(l -> l.accept(h));
  }

  /** Notes that the run is not what it would have been. */
  void touches(String command) {
    touched.merge(command, 1, Integer::sum);
  }

  /**
   * The same before it is done, and that what the machine did before does not lead to what it will
   * be.
   *
   * @throws Refusal if the machine cannot be changed
   */
  void changes(String command) throws Refusal {
    requireChangeable();
    touches(command);
    changing = true;
  }

  /** Tells of a change, if a command has made one; behind each command. */
  public void concludeChange() {
    if (changing) {
      changing = false;
      changed.run();
    }
  }

  /** {@return which commands have changed the run, with how often; empty for none} */
  public Map<String, Integer> touched() {
    return Map.copyOf(touched);
  }

  /** Refuses what changes a machine that cannot be changed where it is. */
  void requireChangeable() throws Refusal {
    String lack = machine().lackOfChanges();
    if (lack != null) {
      throw new Refusal(lack);
    }
  }

  /** Refuses what only a guest can have whose life goes on. */
  void requireLife() throws Refusal {
    if (over != null) {
      throw new Refusal("the guest has ended, and this run with it");
    }
  }

  /** Resets the machine. */
  void reset() throws Refusal {
    requireLife();
    changes("system_reset");
    resetting = true;
    try {
      machine().board().reset();
    } finally {
      resetting = false;
    }
  }
}
