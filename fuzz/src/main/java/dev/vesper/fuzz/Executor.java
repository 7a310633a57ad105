package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.machine.Checkpoint;
import dev.vesper.machine.EdgeCoverage;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.flow.FlowOptions;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Outcome;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One machine that executes inputs, each from the same moment on. What an execution does is a
 * function of its input alone. For one thread.
 */
final class Executor implements AutoCloseable {
  /** Real time after which the machine must have come back: it is stuck itself. */
  private static final long PATIENCE = 120_000_000_000L;

  /** The same where values are followed: a hundred times as long. */
  private static final long PATIENCE_FOLLOWING = 30 * PATIENCE;

  /** Instructions in which the first question must come. */
  private static final long SEARCH = 20_000_000_000L;

  private static final Noted NOTHING = new Noted(List.of(), List.of(), List.of());

  /** What an execution is wanted for, besides what becomes of the guest. */
  private enum Mode {
    PLAIN,
    /** {@link #noted()}. */
    NOTED,
    /** The oracle of flows. */
    FOLLOWED
  }

  private final Harness harness;
  private final EdgeCoverage coverage = new EdgeCoverage();
  private final GuestConsole console = new GuestConsole();
  private final Patience patience = new Patience();
  private final long place;
  private @Nullable Machine machine;
  private @Nullable LyingHost host;
  private @Nullable Checkpoint start;
  private @Nullable PageWatch pages;
  private Noted noted = NOTHING;
  private Untouched untouched = Untouched.NOTHING;

  /** Names of the guest's code where executions begin; a kernel's own take long to find. */
  private Symbols names = Symbols.NONE;

  /**
   * Makes the machine and takes it to where executions begin.
   *
   * @throws CampaignException if it does not come there
   */
  Executor(Harness harness) throws CampaignException {
    this(harness, -1);
  }

  /**
   * Makes the machine and takes it to where executions begin.
   *
   * @param begins {@link #begins()} of another executor of the harness, or -1
   * @throws CampaignException if it does not come there
   */
  Executor(Harness harness, long begins) throws CampaignException {
    this.harness = harness;
    place = begins < 0 ? place() : begins;
    prepare();
  }

  /**
   * {@return instructions before the place where executions begin} A machine is run there for that:
   * one that has waited for a symbol or a line observes its guest from then on, which takes time.
   */
  private long place() throws CampaignException {
    Until from = harness.from();
    if (from == null) {
      return firstQuestion() - 1;
    }
    try (Machine m = make()) {
      console.onEnd(m::stop);
      requireGoing(m.run(from));
      return m.instructions();
    } catch (IOException e) {
      throw new CampaignException("the guest's devices cannot be closed: " + e.getMessage());
    }
  }

  private void requireGoing(Stop s) throws CampaignException {
    if (s instanceof Stop.Ended || s instanceof Stop.Requested) {
      List<String> said = console.text().lines().toList();
      throw new CampaignException(
          "the guest has ended before executions begin: "
              + (s instanceof Stop.Ended e
                  ? e.outcome().reason()
                  : said.isEmpty() ? s.description() : said.getLast()));
    }
  }

  private void prepare() throws CampaignException {
    Machine m = make();
    LyingHost h = new LyingHost(m);
    console.clear();
    console.onEnd(m::stop);
    requireGoing(m.run(Until.instructions(place)));
    Until until = harness.until();
    // Noting events for nobody takes most of an execution's time.
    start = until != null && until.needsEvents() ? m.checkpoint() : m.checkpointUnobserved();
    names = m.symbols(m.observer().current());
    h.mark();
    m.coverage(coverage);
    if (harness.oracles().looksAtPages()) {
      PageWatch p = new PageWatch(harness.oracles(), new CodePages(m), () -> stack(m));
      m.pageUses(p);
      pages = p;
    }
    machine = m;
    host = h;
  }

  private Machine make() throws CampaignException {
    try {
      Machine m =
          new Machine(
              harness.specs().get().toBuilder()
                  .console(console::put)
                  .virtioConsole(console::put)
                  .build());
      if (harness.translator() != null) {
        m.translator(harness.translator());
      }
      return m;
    } catch (BootException | IllegalArgumentException e) {
      throw new CampaignException(String.valueOf(e.getMessage()));
    }
  }

  /** {@return instructions of the machine behind the first question that may be lied to} */
  private long firstQuestion() throws CampaignException {
    try (Machine m = make()) {
      long[] at = {-1};
      new LyingHost(m)
          .beforeAnswers(
              (site, e) -> {
                if (at[0] < 0 && harness.sites().takes(site)) {
                  at[0] = e.allInstructions();
                  m.stop();
                }
              });
      m.run(Until.instructions(SEARCH));
      if (at[0] < 1) {
        throw new CampaignException(
            "the guest asks its host for nothing that may be changed: see --only and --from");
      }
      return at[0];
    } catch (IOException e) {
      throw new CampaignException("the guest's devices cannot be closed: " + e.getMessage());
    }
  }

  /** {@return instructions that the machine has executed where executions begin} */
  long begins() {
    Checkpoint c = start;
    return c == null ? 0 : c.instructions();
  }

  /** {@return what an input comes to} */
  Execution run(Input input) throws CampaignException {
    return run(input, Mode.PLAIN);
  }

  /**
   * {@return what an input comes to if values are followed through the guest, which takes a hundred
   * times as long and changes nothing else}
   */
  Execution follow(Input input) throws CampaignException {
    return run(input, Mode.FOLLOWED);
  }

  /** Has what asked-for oracles find in a guest that is told no lie be no finding any more. */
  void subtract(Untouched honest) {
    untouched = honest;
  }

  /** {@return what they find there} */
  Untouched untouched() throws CampaignException {
    if (harness.oracles().equals(Oracles.NONE)) {
      return Untouched.NOTHING;
    }
    Untouched before = untouched;
    untouched = Untouched.NOTHING;
    List<Finding> all = new ArrayList<>(run(Input.HONEST).others());
    if (harness.oracles().flow() != null) {
      all.addAll(follow(Input.HONEST).others());
    }
    untouched = before;
    return new Untouched(all);
  }

  /**
   * {@return what an input comes to}
   *
   * @param note whether {@link #noted()} is wanted
   */
  Execution run(Input input, boolean note) throws CampaignException {
    return run(input, note ? Mode.NOTED : Mode.PLAIN);
  }

  private Execution run(Input input, Mode mode) throws CampaignException {
    Machine m = machine;
    LyingHost h = host;
    Checkpoint c = start;
    if (m == null || h == null || c == null) {
      prepare();
      return run(input, mode);
    }
    boolean note = mode == Mode.NOTED;
    try {
      m.endOracle();
      m.restore(c);
      m.branch();
      m.forgetStop();
      console.clear();
      coverage.clear();
      h.begin(input, note);
      Glance glance = note ? new Glance(h) : null;
      m.operands(glance, Glance.INSTRUCTIONS);
      FlowWatch flows = mode == Mode.FOLLOWED ? follow(m) : null;
      PageWatch p = pages;
      if (p != null) {
        p.begin();
      }
      Until end = Until.instructions(c.instructions() + harness.limit());
      patience.begin(m, flows == null ? PATIENCE : PATIENCE_FOLLOWING);
      Stop s = m.run(harness.until() == null ? end : end.or(harness.until()));
      boolean stuck = patience.end();
      noted = glance == null ? NOTHING : new Noted(h.seen(), glance.reads(), glance.comparisons());
      List<Finding> others = new ArrayList<>(p == null ? List.of() : p.found());
      others.addAll(flows == null ? List.of() : flows.found());
      return judged(m, s, m.instructions() - c.instructions(), stuck, untouched.without(others));
    } catch (RuntimeException | StackOverflowError e) {
      patience.end();
      machine = null;
      return new Execution("defect of Vesper", false, 0, coverage.bucketed(), defect(e), List.of());
    }
  }

  /** Has values followed anew: of what was there before nothing is known but that it is private. */
  private FlowWatch follow(Machine m) {
    FlowOptions wanted = harness.oracles().flow();
    FlowWatch w = new FlowWatch(m, names(m));
    var unused =
        m.oracle(wanted == null ? new FlowOptions(true, true, List.of()) : wanted, names(m), w);
    return w;
  }

  private static Finding defect(Throwable e) {
    List<String> stack = new ArrayList<>();
    for (StackTraceElement f : e.getStackTrace()) {
      if (f.getClassName().startsWith("dev.vesper.") && stack.size() < 8) {
        stack.add(
            f.getClassName().substring(f.getClassName().lastIndexOf('.') + 1)
                + "."
                + f.getMethodName());
      }
    }
    return new Finding(Finding.Kind.DEFECT, String.valueOf(e), stack);
  }

  private Execution judged(
      Machine m, Stop s, long instructions, boolean stuck, List<Finding> others) {
    Finding f = console.isEmpty() ? null : placed(m, Signs.of(console.text()));
    LyingHost h = host;
    String breach = h == null ? null : h.breach();
    if (f == null && breach != null) {
      f = new Finding(Finding.Kind.BREACH, breach, List.of());
    }
    boolean limited = false;
    if (s instanceof Stop.Ended e) {
      Outcome o = e.outcome();
      if (f == null && o.is(Outcome.SHUTDOWN)) {
        f = new Finding(Finding.Kind.TRIPLE_FAULT, o.reason(), stack(m));
      } else if (o.is(Outcome.DEFECT)) {
        f = new Finding(Finding.Kind.DEFECT, o.reason(), stack(m));
      }
    } else if (s instanceof Stop.Limit) {
      // A guest that has given up and still says so has not stopped anywhere.
      limited = !Signs.panics(console.text());
    }
    if (stuck) {
      f = new Finding(Finding.Kind.DEFECT, "an execution takes more than two minutes", stack(m));
    }
    return new Execution(s.description(), limited, instructions, coverage.bucketed(), f, others);
  }

  /** {@return the same finding with the function that its line names by an address alone} */
  private @Nullable Finding placed(Machine m, @Nullable Finding f) {
    if (f == null || !f.stack().isEmpty()) {
      return f;
    }
    String name = StackNames.at(names(m), f.title());
    return name.isEmpty() ? f : new Finding(f.kind(), f.title(), List.of(name));
  }

  private Symbols names(Machine m) {
    return names.isEmpty() ? m.symbols(m.observer().current()) : names;
  }

  private List<String> stack(Machine m) {
    return StackNames.of(m.observer().current(), names(m));
  }

  /** {@return the hash of the machine as the last execution has left it} */
  String stateHash() {
    Machine m = machine;
    return m == null ? "" : m.stateHash();
  }

  /** {@return the functions that the guest is in} */
  List<String> stack() {
    Machine m = machine;
    return m == null ? List.of() : stack(m);
  }

  /** {@return what the last execution has shown, if that was asked for} */
  Noted noted() {
    return noted;
  }

  /** {@return the lies that the last execution was told} */
  List<LyingHost.Told> told() {
    LyingHost h = host;
    return h == null ? List.of() : h.told();
  }

  /** {@return questions of the last execution} */
  long asked() {
    LyingHost h = host;
    return h == null ? 0 : h.asked();
  }

  /** {@return what the guest has written in the last execution} */
  String console() {
    return console.text();
  }

  @Override
  public void close() {
    Machine m = machine;
    machine = null;
    patience.close();
    if (m != null) {
      try {
        m.close();
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    }
  }
}
