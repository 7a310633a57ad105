package dev.vesper.machine.hostile;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HypervisorProgram;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * Has a script take part in a machine's hypervisor. What happens is a function of what the guest
 * does, so that a run with a script is as repeatable as any. A trigger that no rule has is not
 * asked for, and costs nothing.
 */
public final class ScriptRunner {
  private static final long WRITES = 2;
  private static final long FETCHES = 0x10;
  private static final int EVENTINJ = 0x0A8;
  private static final long VALID = 1L << 31;

  private final transient Script script;
  private final HypervisorProgram program;
  private final transient Watcher watcher;
  private final Consumer<Firing> listener;
  private final HostKnowledge knowledge = new HostKnowledge();
  private final CpuidLies cpuid = new CpuidLies();
  private final LawfulHost lawful;
  private final BrokenMachine broken;
  private final PageArms pages;
  private final Verdicts verdicts;
  private final ConsoleLines console = new ConsoleLines();

  /** By rule, the first one's first. */
  private final long[] left;

  private final int[] positions;

  private final Map<Integer, Integer> events = new HashMap<>();
  private final Map<Integer, Integer> requests = new HashMap<>();
  private final Map<Place, Long> resolved = new HashMap<>();
  private final boolean hears;
  private int entries;
  private String state = Script.START;

  /** A page is to be waited for whose address is not known yet. */
  private boolean unresolved;

  /**
   * Makes it, before the launch.
   *
   * @param program where the script takes part
   * @param watcher serves triggers that no host sees, and notes
   * @param silicon serves rules that break the machine's own
   * @param listener is told of each firing
   */
  public ScriptRunner(
      Script script,
      HypervisorProgram program,
      Watcher watcher,
      Silicon silicon,
      Consumer<Firing> listener) {
    this.script = script;
    this.program = program;
    this.watcher = watcher;
    this.listener = listener;
    lawful = new LawfulHost(program, knowledge, cpuid, new TscLies(program));
    broken = new BrokenMachine(silicon, program, knowledge);
    pages = new PageArms(program.nested());
    verdicts = new Verdicts(script);
    left = script.rules().stream().mapToLong(Rule::times).toArray();
    positions = new int[left.length];
    hears = hasTrigger(Trigger.ConsoleText.class) || verdicts.wantsConsole();
    ask();
    update();
  }

  /**
   * Rules whose time has come. The hypervisor keeps it until then, and a snapshot with it: what a
   * script has asked for is a record, not code.
   *
   * @param rules by their numbers
   */
  private record Due(ScriptRunner runner, List<Integer> rules)
      implements Consumer<Exit.Appointment> {
    @Override
    public void accept(Exit.Appointment exit) {
      runner.consider(rules.stream().map(n -> runner.script.rules().get(n - 1)).toList(), exit);
    }
  }

  /** An instruction that was let through has been executed. */
  private record Passed(PageArms pages, long gpa) implements Consumer<Exit.Appointment> {
    @Override
    public void accept(Exit.Appointment exit) {
      pages.passed(gpa);
    }
  }

  private Due due(List<Rule> rules) {
    List<Integer> numbers = new ArrayList<>();
    rules.forEach(r -> numbers.add(r.number()));
    return new Due(this, numbers);
  }

  /** Asks the hypervisor to be told of what there are rules for, and of nothing else. */
  private void ask() {
    boolean lies = hasAction(LawfulAction.CpuidAnswer.class);
    if (lies || hasTrigger(Trigger.Vmgexit.class)) {
      program.onEvents(this::event);
    }
    if (lies || hasTrigger(Trigger.Msr.class) || verdicts.wantsTermination()) {
      program.onMsrs(this::request);
    }
    boolean fetches = hasTrigger(Trigger.Fetch.class) || hasTrigger(Trigger.FetchSequence.class);
    if (fetches || hasTrigger(Trigger.Write.class) || hasTrigger(Trigger.Read.class)) {
      program.onExit(ExitCode.NPF, this::fault);
    }
    if (hasTrigger(Trigger.Entry.class) || script.rules().stream().anyMatch(ScriptRunner::named)) {
      program.onEntry(this::entering);
    }
    for (Rule r : script.rules()) {
      switch (r.trigger()) {
        case Trigger.AfterInstruction i -> program.at(i.count(), due(List.of(r)));
        case Trigger.AtTime t -> program.atTime(t.nanos(), due(List.of(r)));
        default -> {
          // It comes by what was asked for above, or from the machine.
        }
      }
    }
  }

  private boolean hasTrigger(Class<? extends Trigger> type) {
    return script.rules().stream().anyMatch(r -> type.isInstance(r.trigger()));
  }

  private boolean hasAction(Class<? extends Action> type) {
    return script.rules().stream().flatMap(r -> r.actions().stream()).anyMatch(type::isInstance);
  }

  /** {@return whether a rule waits for a page that has to be looked up first} */
  private static boolean named(Rule r) {
    return r.trigger().aided() && !(r.trigger() instanceof Trigger.AtRip);
  }

  // ---- rules

  private boolean counts(Rule r) {
    return left[r.number() - 1] > 0 && (r.state().isEmpty() || r.state().equals(state));
  }

  private List<Rule> rules(Predicate<Rule> which) {
    // By a loop: some triggers come at each exit.
    List<Rule> some = new ArrayList<>();
    for (Rule r : script.rules()) {
      if (counts(r) && which.test(r)) {
        some.add(r);
      }
    }
    return some;
  }

  /** Has rules fire that count and whose conditions hold, at something that is no request. */
  private void consider(List<Rule> rules, Exit exit) {
    Moment m = Moment.of(exit);
    fire(rules.stream().filter(r -> counts(r) && knowledge.holds(r.condition(), m)).toList(), m);
  }

  private void fire(List<Rule> rules, Moment m) {
    if (rules.isEmpty()) {
      return;
    }
    String next = state;
    for (Rule r : rules) {
      if (left[r.number() - 1] != Rule.ALWAYS) {
        left[r.number() - 1]--;
      }
      List<String> done = new ArrayList<>();
      for (Action a : r.actions()) {
        if (a instanceof LawfulAction.Goto g) {
          next = g.state();
        }
        done.add(perform(a, m));
      }
      Exit e = m.exit();
      Firing f =
          new Firing(
              r.number(),
              r.line(),
              r.silicon(),
              r.aided(),
              e.vcpu(),
              e.allInstructions(),
              e.time(),
              r.trigger().words(),
              String.join("; ", done));
      verdicts.fired(f);
      listener.accept(f);
    }
    state = next;
    update();
  }

  private String perform(Action a, Moment m) {
    return switch (a) {
      case LawfulAction l -> {
        if (l instanceof LawfulAction.Permit p) {
          long gpa = gpa(p.page(), m.exit().vcpu());
          if (gpa >= 0) {
            pages.set(gpa, p.mapping());
          }
        }
        yield lawful.perform(l, m, p -> gpa(p, m.exit().vcpu()));
      }
      case SiliconAction s -> broken.perform(s, m, p -> gpa(p, m.exit().vcpu()));
      case Action.Note n -> {
        long v =
            switch (n.value()) {
              case HostValue h -> knowledge.value(h, m);
              case Value.Register r -> watcher.register(m.exit().vcpu(), r.name());
              case Value.Plaintext p -> plaintext(p, m.exit().vcpu());
            };
        verdicts.noted(n.name(), v);
        yield "noted " + n.name() + " = " + LawfulHost.hex(v);
      }
    };
  }

  private long plaintext(Value.Plaintext p, int vcpu) {
    byte[] b =
        p.where() instanceof Place.Gpa g
            ? watcher.physicalMemory(g.address(), p.bytes())
            : watcher.memory(vcpu, linear(p.where()), p.bytes());
    long v = 0;
    for (int i = b == null ? 0 : b.length; b != null && i > 0; i--) {
      v = v << 8 | b[i - 1] & 0xFF;
    }
    return v;
  }

  // ---- places

  private long linear(Place p) {
    return switch (p) {
      case Place.Gpa g -> g.address();
      case Place.Linear l -> l.address();
      case Place.Symbol s -> {
        long a = watcher.address(s.name());
        yield a == -1 ? -1 : a + s.offset();
      }
    };
  }

  /** {@return the guest physical address of a place, or -1 as long as it is not known} */
  private long gpa(Place p, int vcpu) {
    if (p instanceof Place.Gpa g) {
      return g.address();
    }
    Long known = resolved.get(p);
    if (known != null) {
      return known;
    }
    long la = linear(p);
    long gpa = la == -1 ? -1 : watcher.physical(vcpu, la);
    if (gpa != -1) {
      resolved.put(p, gpa);
    }
    return gpa;
  }

  /** Waits for what the rules that count now wait for. */
  private void update() {
    Map<PageArms.Access, Set<Long>> wanted = new EnumMap<>(PageArms.Access.class);
    unresolved = false;
    for (Rule r : script.rules()) {
      if (!counts(r)) {
        continue;
      }
      switch (r.trigger()) {
        case Trigger.Fetch f -> want(wanted, PageArms.Access.FETCH, f.page());
        case Trigger.FetchSequence s ->
            want(wanted, PageArms.Access.FETCH, s.pages().get(positions[r.number() - 1]));
        case Trigger.Write w -> want(wanted, PageArms.Access.WRITE, w.page());
        case Trigger.Read d -> want(wanted, PageArms.Access.DATA, d.page());
        default -> {
          // It waits for no page.
        }
      }
    }
    pages.want(wanted);
    stop();
  }

  /** Waits for the instructions that the rules that count now wait for. */
  private void stop() {
    Set<Place> stops = new HashSet<>();
    for (Rule r : script.rules()) {
      if (counts(r) && r.trigger() instanceof Trigger.AtRip a) {
        stops.add(a.where());
      }
    }
    watcher.stopAt(stops);
  }

  /**
   * The machine is another one now. Pages that are waited for are its state; where it stops is not.
   */
  public void restored() {
    stop();
  }

  private void want(Map<PageArms.Access, Set<Long>> wanted, PageArms.Access a, Place p) {
    long gpa = gpa(p, 0);
    if (gpa == -1) {
      unresolved = true;
    } else {
      wanted.computeIfAbsent(a, x -> new HashSet<>()).add(PageArms.frame(gpa));
    }
  }

  // ---- what happens

  private void event(Exit.Event exit, Runnable next) {
    int n = events.merge(exit.code(), 1, Integer::sum);
    Moment m = Moment.of(exit);
    List<Rule> rules =
        rules(
            r ->
                r.trigger() instanceof Trigger.Vmgexit v
                    && v.code() == exit.code()
                    && n >= v.nth()
                    && knowledge.holds(r.condition(), m));
    if (rules.stream().noneMatch(ScriptRunner::leavesUnanswered)) {
      next.run();
      if (exit.code() == ExitCode.CPUID) {
        cpuid.answered(exit);
      }
    }
    fire(rules, m);
  }

  private void request(Exit.Msr exit, Runnable next) {
    int info = MsrRequest.info(exit.request());
    int n = requests.merge(info, 1, Integer::sum);
    Moment m = Moment.of(exit);
    verdicts.requested(exit.request());
    List<Rule> rules =
        rules(
            r ->
                r.trigger() instanceof Trigger.Msr t
                    && t.info() == info
                    && n >= t.nth()
                    && knowledge.holds(r.condition(), m));
    if (rules.stream().noneMatch(ScriptRunner::leavesUnanswered)) {
      next.run();
      cpuid.answered(exit);
    }
    fire(rules, m);
  }

  private static boolean leavesUnanswered(Rule r) {
    return r.actions().stream().anyMatch(LawfulAction.Unanswered.class::isInstance);
  }

  private void fault(Exit.Automatic exit, Runnable next) {
    long gpa = exit.info2();
    boolean write = (exit.info1() & WRITES) != 0;
    boolean fetch = (exit.info1() & FETCHES) != 0;
    long now = exit.instructions();
    boolean left = fetch && pages.leave(gpa, now);
    if (!isDenied(gpa, write, fetch) || !pages.waitsFor(gpa, write, fetch)) {
      if (!left) {
        next.run();
      }
      return;
    }
    List<Rule> met = rules(r -> meets(r, gpa, write, fetch));
    consider(met, exit);
    if ((exit.vmcb().get(EVENTINJ) & VALID) != 0) {
      // The guest goes elsewhere first.
      return;
    }
    if (fetch && pages.meets(PageArms.Access.FETCH, gpa, false, true)) {
      pages.enter(gpa, now);
    } else if (pages.waitsFor(gpa, write, fetch)) {
      pages.pass(gpa);
      program.after(exit.vcpu(), 1, new Passed(pages, gpa));
    }
  }

  /** {@return whether nested paging, as scripts have it, denies an access} */
  private boolean isDenied(long gpa, boolean write, boolean fetch) {
    return switch (program.nested().get(gpa)) {
      case PRESENT, MMIO -> false;
      case NO_EXECUTE -> fetch;
      case READ_ONLY -> write;
      case READ_ONLY_NO_EXECUTE -> write || fetch;
      case ABSENT -> true;
    };
  }

  private boolean meets(Rule r, long gpa, boolean write, boolean fetch) {
    return switch (r.trigger()) {
      case Trigger.Fetch f -> fetch && same(f.page(), gpa);
      case Trigger.Write w -> write && same(w.page(), gpa);
      case Trigger.Read d -> !fetch && same(d.page(), gpa);
      case Trigger.FetchSequence s -> {
        int i = r.number() - 1;
        boolean next = fetch && same(s.pages().get(positions[i]), gpa);
        if (next) {
          positions[i] = (positions[i] + 1) % s.pages().size();
          update();
        }
        yield next && positions[i] == 0;
      }
      default -> false;
    };
  }

  private boolean same(Place p, long gpa) {
    long is = gpa(p, 0);
    return is != -1 && PageArms.frame(is) == PageArms.frame(gpa);
  }

  private void entering(Exit.Appointment exit) {
    entries++;
    if (unresolved) {
      update();
    }
    consider(rules(r -> r.trigger() instanceof Trigger.Entry e && entries >= e.nth()), exit);
  }

  /**
   * A vCPU is about to execute an instruction that was waited for.
   *
   * @param linear its address
   * @return whether it was the script that waited: the vCPU is to exit there
   */
  public boolean reached(int vcpu, long linear) {
    List<Rule> rules =
        rules(r -> r.trigger() instanceof Trigger.AtRip a && linear(a.where()) == linear);
    if (!rules.isEmpty()) {
      program.next(vcpu, due(rules));
    }
    return !rules.isEmpty();
  }

  /** The console has said a byte. */
  public void console(int b) {
    if (!hears) {
      return;
    }
    String line = console.put(b);
    verdicts.said(line);
    List<Rule> rules =
        rules(
            r ->
                r.trigger() instanceof Trigger.ConsoleText t
                    && console.isNew(r.number(), line.contains(t.text())));
    if (!rules.isEmpty()) {
      program.next(-1, due(rules));
    }
  }

  /** The launch has come to a step. */
  public void launch(Trigger.Step step, Exit.Appointment host) {
    consider(rules(r -> r.trigger() instanceof Trigger.LaunchStep l && l.step() == step), host);
  }

  /** {@return whether there are rules for steps of the launch} */
  public boolean launches() {
    return hasTrigger(Trigger.LaunchStep.class);
  }

  /**
   * {@return what has become of the script}
   *
   * @param status that the run has ended with
   */
  public ScriptReport report(int status) {
    return verdicts.report(status);
  }
}
