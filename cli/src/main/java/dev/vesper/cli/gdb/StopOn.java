package dev.vesper.cli.gdb;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.spec.SevMode;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Events at which a run stands still, as a client asks for them: {@code stop-on} and {@code
 * stop-off}.
 */
final class StopOn {
  /** What can be asked for, for the help. */
  static final String HELP =
      """
      stop-on vc [CODE]           stand still at each #VC, or those of an exit code (0x72, cpuid)
      stop-on vmgexit [CODE]      at each exchange by a GHCB
      stop-on exchange N          at the N-th exchange, as exchange-log counts them
      stop-on inject              when the host injects an event
      stop-on page-state [GPA]    when a page becomes private, shared, validated, or another's
      stop-on shared-write [GPA]  when the guest writes to a shared page, or to that one
      stop-on termination         when the guest asks for its end by the MSR protocol
      stop-on triple-fault        when the processor shuts down
      stop-on breach [RULE]       when --check finds a breach
      stop-off [WHAT]             at nothing any more, or not at that
      """;

  private static final String FORMS =
      "stop-on takes vc [CODE], vmgexit [CODE], exchange N, inject, page-state [GPA],"
          + " shared-write [GPA], termination, triple-fault, breach [RULE] or none\n";

  /** More than anybody waits for, so that a stranger's take no memory without end. */
  private static final int MOST = 64;

  private static final String EXCHANGE = "exchange ";
  private static final String SHARED_WRITE = "shared-write";

  private static final int PAGE_BITS = 12;

  /** Pages of 4 KiB in one of 2 MiB. */
  private static final int LARGE = 512;

  /** By the words that ask for them. */
  private final Map<String, Predicate<Event>> asked = new LinkedHashMap<>();

  private final Machine machine;
  private final Runnable counts;
  private final SharedWrites sharedWrites;
  private @Nullable Checker checker;
  private String why = "";

  /** What a breach was that has just been found. */
  private @Nullable String breach;

  /** Words that ask for nothing that there is. */
  private static final class Malformed extends Exception {
    private static final long serialVersionUID = 1;

    Malformed(String why) {
      super(why);
    }
  }

  private record Asked(String words, Predicate<Event> what) {}

  /**
   * @param counts has exchanges be counted from now on
   */
  StopOn(Machine machine, Runnable counts) {
    this.machine = machine;
    this.counts = counts;
    sharedWrites = new SharedWrites(machine);
  }

  /** Says whose findings breaches are; null if nobody looks. */
  void judgedBy(@Nullable Checker c) {
    checker = c;
  }

  /** Takes over what was asked for of a machine before; numbers of exchanges are another's. */
  void takeOver(StopOn before) {
    checker = before.checker;
    for (String words : before.asked.keySet()) {
      if (!words.startsWith(EXCHANGE)) {
        add(words);
      }
    }
  }

  void clear() {
    asked.clear();
    sharedWrites.clear();
  }

  /** {@return what a write has come to that was waited for, in one line, or null} */
  @Nullable String sharedWrite(Stop.Watchpoint w, VcpuView v) {
    return sharedWrites.why(w, v);
  }

  /** {@return when one of them happens} */
  Until until() {
    return asked.isEmpty() ? Until.end() : Until.event(Event.class, this::happened);
  }

  private boolean happened(Event e) {
    boolean any = false;
    // Each is asked: a breach is new once.
    for (Map.Entry<String, Predicate<Event>> a : asked.entrySet()) {
      if (a.getValue().test(e)) {
        any = true;
        why = breach != null ? breach : words(e);
        breach = null;
      }
    }
    return any;
  }

  /** {@return what the run has stopped at, for people in one line} */
  String why() {
    return Visible.of(why);
  }

  private static String words(Event e) {
    String what =
        switch (e) {
          case Event.VcRaised v -> " " + code(v.exit());
          case Event.GhcbExchange x -> " " + code(x.exit());
          case Event.Injected i -> " vector " + Event.hex(i.vector());
          case Event.AutomaticExit x -> " " + code(x.exit());
          case Event.PageStateChanged p ->
              " " + Event.hex(p.gpa()) + " " + p.from() + " to " + p.to();
          case Event.Pvalidate p -> " " + Event.hex(p.gpa());
          case Event.Rmpadjust p -> " " + Event.hex(p.gpa());
          case Event.RmpChanged p -> " " + Event.hex(p.gpa()) + " " + p.what();
          case Event.MsrExchange x -> " " + MsrRequest.explain(x.request());
          default -> "";
        };
    return e.getClass().getSimpleName() + what + " at " + e.at().place();
  }

  private static String code(int exit) {
    return "0x" + Integer.toHexString(exit) + " " + ExitCode.name(exit);
  }

  /** {@return what is stopped at now, or why not: a line for the client} */
  String add(String line) {
    String words = line.strip();
    if (words.equals("none")) {
      clear();
    } else if (!words.isEmpty()) {
      try {
        Asked a = parse(words.split("\\s+"));
        if (asked.size() == MOST && !asked.containsKey(a.words)) {
          return "there are %d already: begin again with stop-off\n".formatted(MOST);
        }
        if (a.words.startsWith(SHARED_WRITE)) {
          sharedWrites.add(a.words, gpaOf(a.words));
        }
        asked.put(a.words, a.what);
      } catch (Malformed e) {
        return String.valueOf(e.getMessage());
      }
    }
    return said();
  }

  /** {@return the same when one of them, or with no words all, are taken away} */
  String off(String line) {
    String words = line.strip();
    if (words.isEmpty()) {
      clear();
      return said();
    }
    try {
      Asked a = parse(words.split("\\s+"));
      sharedWrites.remove(a.words);
      return asked.remove(a.words) == null
          ? "the guest is not stopped at " + Visible.of(a.words) + "\n"
          : said();
    } catch (Malformed e) {
      return String.valueOf(e.getMessage());
    }
  }

  private String said() {
    return asked.isEmpty()
        ? "the guest is not stopped at events\n"
        : "the guest is stopped at " + String.join(", ", asked.keySet()) + "\n";
  }

  private Asked parse(String[] w) throws Malformed {
    String argument = w.length > 1 ? w[1] : "";
    boolean takesOne =
        Set.of("vc", "vmgexit", "exchange", "page-state", "shared-write", "breach").contains(w[0]);
    if (w.length > (takesOne ? 2 : 1)) {
      throw new Malformed(FORMS);
    }
    return switch (w[0]) {
      case "vc" -> vc(argument);
      case "vmgexit" -> exchange(argument);
      case "exchange" -> numbered(argument);
      case "inject" -> new Asked(w[0], e -> e instanceof Event.Injected);
      case "page-state" -> pageState(argument);
      case SHARED_WRITE -> sharedWrite(argument);
      case "termination" ->
          new Asked(
              w[0],
              e ->
                  e instanceof Event.MsrExchange x
                      && MsrRequest.info(x.request()) == MsrRequest.TERM_REQ);
      case "triple-fault" ->
          new Asked(w[0], e -> e instanceof Event.AutomaticExit x && x.exit() == ExitCode.SHUTDOWN);
      case "breach" -> breach(argument);
      default -> vc(w[0]);
    };
  }

  private static Asked vc(String argument) throws Malformed {
    if (argument.isEmpty()) {
      return new Asked("vc", e -> e instanceof Event.VcRaised);
    }
    int code = exitCode(argument);
    return new Asked(
        "vc 0x" + Integer.toHexString(code),
        e -> e instanceof Event.VcRaised v && v.exit() == code);
  }

  private static Asked exchange(String argument) throws Malformed {
    if (argument.isEmpty()) {
      return new Asked("vmgexit", e -> e instanceof Event.GhcbExchange);
    }
    int code = exitCode(argument);
    return new Asked(
        "vmgexit 0x" + Integer.toHexString(code),
        e -> e instanceof Event.GhcbExchange x && x.exit() == code);
  }

  private Asked numbered(String argument) throws Malformed {
    if (!argument.matches("[0-9]{1,18}")) {
      throw new Malformed(FORMS);
    }
    long n = Long.parseLong(argument);
    counts.run();
    return new Asked(
        EXCHANGE + n, e -> e instanceof Event.GhcbExchange && machine.tally().exchanges() == n);
  }

  private static Asked pageState(String argument) throws Malformed {
    if (argument.isEmpty()) {
      return new Asked("page-state", e -> pages(e) > 0);
    }
    long frame = number(argument) >>> PAGE_BITS;
    return new Asked(
        "page-state 0x" + Long.toHexString(frame << PAGE_BITS),
        e -> Long.compareUnsigned(frame - (gpa(e) >>> PAGE_BITS), pages(e)) < 0);
  }

  private Asked sharedWrite(String argument) throws Malformed {
    if (machine.spec().mode() == SevMode.OFF) {
      throw new Malformed("all memory is shared: the guest runs without SEV\n");
    }
    // The machine waits for the access itself: no event says so.
    return argument.isEmpty()
        ? new Asked(SHARED_WRITE, e -> false)
        : new Asked(
            SHARED_WRITE + " 0x" + Long.toHexString(number(argument) >>> PAGE_BITS << PAGE_BITS),
            e -> false);
  }

  /** {@return the address of a page as the words have it that have asked for it, or -1} */
  private static long gpaOf(String words) throws Malformed {
    return words.equals(SHARED_WRITE) ? -1 : number(words.substring(SHARED_WRITE.length() + 1));
  }

  /** {@return how many pages of 4 KiB an event changes the state of} */
  private static long pages(Event e) {
    return switch (e) {
      case Event.PageStateChanged p -> 1;
      case Event.Pvalidate p -> p.gpa() == Event.NO_ADDRESS ? 0 : p.count() * size(p.large());
      case Event.Rmpadjust p -> p.gpa() == Event.NO_ADDRESS ? 0 : size(p.large());
      case Event.RmpChanged p -> p.pages();
      default -> 0;
    };
  }

  private static long size(boolean large) {
    return large ? LARGE : 1;
  }

  private static long gpa(Event e) {
    return switch (e) {
      case Event.PageStateChanged p -> p.gpa();
      case Event.Pvalidate p -> p.gpa();
      case Event.Rmpadjust p -> p.gpa();
      case Event.RmpChanged p -> p.gpa();
      default -> 0;
    };
  }

  private Asked breach(String argument) throws Malformed {
    Checker c = checker;
    if (c == null) {
      throw new Malformed("nobody looks for breaches: run the guest with --check\n");
    }
    Rule r = Rule.of(argument);
    if (r == null && !argument.isEmpty()) {
      throw new Malformed(
          "there is no rule '" + Visible.of(argument) + "'; 'vesper check --rules' lists them\n");
    }
    BreachStop s = new BreachStop(c, r == null ? Set.of() : Set.of(r));
    s.of(machine);
    return new Asked("breach" + (r == null ? "" : " " + r.id()), e -> isNew(s));
  }

  private boolean isNew(BreachStop s) {
    boolean is = s.isNew();
    breach = is ? s.found() : breach;
    return is;
  }

  private static int exitCode(String s) throws Malformed {
    String name = s.toUpperCase(Locale.ROOT);
    int named = ExitCode.of(name).orElse(ExitCode.of("SVM_VMEXIT_" + name).orElse(-1));
    return named >= 0 ? named : (int) number(s);
  }

  private static long number(String s) throws Malformed {
    try {
      return Packets.number(s.replaceFirst("^0[xX]", ""));
    } catch (NumberFormatException e) {
      throw new Malformed(FORMS);
    }
  }
}
