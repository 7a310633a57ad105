package dev.vesper.junit;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.TextWriter;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.observe.html.HtmlReport;
import dev.vesper.machine.spec.Outcome;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * What a machine has said and done so far. It stands where the console of its description is, so
 * that who has the machine has it too.
 */
final class Recording implements IntConsumer, EventSink {
  private static final int LAST_LINES = 20;
  private static final int LAST_EVENTS = 12;
  private static final int LONGEST = 400;

  /** A guest that prints for ever must not fill the memory: the older half is forgotten. */
  private static final int MOST_CONSOLE = 64 << 20;

  private final String title;
  private final IntConsumer next;
  private final Set<String> allowed;
  private final Set<String> baseline;
  private final ByteArrayOutputStream console = new ByteArrayOutputStream();
  private final ByteArrayOutputStream virtioConsole = new ByteArrayOutputStream();
  private final Checker checker = new Checker();
  private final HtmlReport report;
  private final Deque<Event> last = new ArrayDeque<>();
  private final Map<Integer, Long> exchanges = new TreeMap<>();
  private final Map<Class<? extends Event>, List<Event>> kept = new LinkedHashMap<>();
  private @Nullable Machine machine;
  private @Nullable Outcome ended;
  private @Nullable Path page;

  /**
   * @param title of the guest, for people
   * @param next who takes the console too
   * @param allowed ids of rules whose findings are known
   * @param baseline fingerprints of findings that are known
   * @param keep types of events to keep
   */
  Recording(
      String title,
      IntConsumer next,
      Set<String> allowed,
      Set<String> baseline,
      Set<Class<? extends Event>> keep) {
    this.title = title;
    this.next = next;
    this.allowed = allowed;
    this.baseline = baseline;
    report = HtmlReport.kept(title, checker, this::verdict);
    keep.forEach(k -> kept.put(k, new ArrayList<>()));
  }

  /**
   * {@return the recording of a machine}
   *
   * @throws IllegalArgumentException if it has none
   */
  static Recording of(Machine m) {
    if (m.spec().ports().console() instanceof Recording r) {
      return r;
    }
    throw new IllegalArgumentException(
        "nobody has recorded what this machine does: take one from a parameter of a @SevGuest test"
            + " or from SevGuestExtension.machine()");
  }

  /** Begins with a machine that has not run. */
  void begin(Machine m, boolean protocol) {
    machine = m;
    m.trace(this, protocol);
  }

  /** Says where the page goes if the test fails. */
  void page(Path file) {
    page = file;
  }

  private static void write(ByteArrayOutputStream to, int b) {
    if (to.size() >= MOST_CONSOLE) {
      byte[] all = to.toByteArray();
      to.reset();
      to.write(all, all.length / 2, all.length - all.length / 2);
    }
    to.write(b);
  }

  @Override
  public void accept(int b) {
    write(console, b);
    next.accept(b);
  }

  /** Takes what a virtio console writes. */
  void virtioConsole(int b) {
    write(virtioConsole, b);
  }

  @Override
  public void accept(Event e) {
    checker.accept(e);
    report.accept(e);
    ended = e instanceof Event.Ended x ? new Outcome(x.status(), x.reason()) : null;
    if (e instanceof Event.GhcbExchange x) {
      exchanges.merge(x.exit(), 1L, Long::sum);
    }
    if (!(e instanceof Event.ConsoleLine) && !(e instanceof Event.Place)) {
      last.add(e);
      if (last.size() > LAST_EVENTS) {
        last.remove();
      }
    }
    kept.forEach(
        (type, list) -> {
          if (type.isInstance(e)) {
            list.add(e);
          }
        });
  }

  // ---- what is asked

  String title() {
    return title;
  }

  String console() {
    return console.toString(StandardCharsets.UTF_8);
  }

  /** {@return the same with line feeds alone} */
  String plainConsole() {
    return console().replace("\r", "");
  }

  String virtioConsole() {
    return virtioConsole.toString(StandardCharsets.UTF_8);
  }

  /** {@return the lines of the console; one without an end only if the guest's life is over} */
  List<String> lines() {
    List<String> all = new ArrayList<>(console().lines().toList());
    String text = console();
    if (ended == null && !text.isEmpty() && !text.endsWith("\n")) {
      all.removeLast();
    }
    return all;
  }

  /** {@return how often each SW_EXITCODE was requested} */
  Map<Integer, Long> exchanges() {
    return exchanges;
  }

  Verdict verdict() {
    return Verdict.of(checker, allowed, baseline);
  }

  /** {@return the kept events of a type, or null if they were not kept} */
  @Nullable List<Event> events(Class<? extends Event> type) {
    for (Map.Entry<Class<? extends Event>, List<Event>> k : kept.entrySet()) {
      if (k.getKey().isAssignableFrom(type)) {
        return k.getValue().stream().filter(type::isInstance).toList();
      }
    }
    return null;
  }

  /** {@return whether the guest has come to a symbol's code} */
  boolean reached(String symbol) {
    // Before anything has happened the machine is not traced yet.
    return machine != null && machine.instructions() > 0 && machine.reached(symbol);
  }

  /** {@return whether it is known where a symbol is} */
  boolean knows(String symbol) {
    return machine != null && machine.symbols().address(symbol) != -1;
  }

  // ---- what is told

  /** {@return where the guest is or how it ended, in words} */
  String state() {
    Outcome o = ended;
    if (o != null) {
      return "it ended with status " + o.status() + ": " + Visible.of(o.reason());
    }
    Machine m = machine;
    if (m == null || m.instructions() == 0) {
      return "it has not run";
    }
    VcpuView cpu = m.observer().current();
    return "it stands at "
        + Visible.of(At.place(cpu.rip(), m.symbols().at(cpu.rip()), m.symbols().source(cpu.rip())))
        + " behind "
        + m.instructions()
        + " instructions";
  }

  /** {@return what has happened, in some lines: console, last events, and where all of it is} */
  String describe() {
    StringBuilder b = new StringBuilder("guest ").append(title).append(": ").append(state());
    List<String> text = console().lines().toList();
    b.append(text.isEmpty() ? "\nits console has said nothing" : "\nits console, last lines:");
    for (String line : text.subList(Math.max(0, text.size() - LAST_LINES), text.size())) {
      b.append("\n  ").append(shortened(line));
    }
    b.append(last.isEmpty() ? "\nthere were no events" : "\nlast events:");
    for (Event e : last) {
      b.append("\n  ").append(shortened(words(e)));
    }
    Path file = page;
    if (file != null) {
      b.append("\ntrace: ").append(file);
    }
    return b.toString();
  }

  private static String shortened(String line) {
    String plain = line.length() > LONGEST ? line.substring(0, LONGEST) + "…" : line;
    return Visible.of(plain);
  }

  private static String words(Event e) {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    try (PrintStream p = new PrintStream(b, false, StandardCharsets.UTF_8)) {
      new TextWriter(p).accept(e);
    }
    return b.toString(StandardCharsets.UTF_8).strip();
  }

  /** {@return whether a text has what {@link #describe} says} */
  boolean isIn(@Nullable String text) {
    Path file = page;
    return text != null && file != null && text.contains(file.toString());
  }

  /**
   * Writes the page.
   *
   * @throws IOException if that cannot be
   */
  void keep() throws IOException {
    Path file = page;
    if (file != null) {
      Path folder = file.getParent();
      if (folder != null) {
        Files.createDirectories(folder);
      }
      try (Writer w = Files.newBufferedWriter(file)) {
        report.write(w);
      }
    }
  }
}
