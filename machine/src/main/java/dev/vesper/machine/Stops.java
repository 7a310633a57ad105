package dev.vesper.machine;

import dev.vesper.machine.assembly.Assembly;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.PausePoints;
import dev.vesper.machine.cpu.WatchedAccess;
import dev.vesper.machine.hostile.Place;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Symbols;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** Where and when a machine's runs stop: what was asked for, and whether it has happened. */
final class Stops {
  private static final int LONGEST_LINE = 4096;
  private static final int PAGE_BITS = 12;

  private final Assembly parts;
  private final Supplier<Symbols> symbols;
  private final List<Long> breakpoints = new ArrayList<>();
  private final List<PausePoints.Watch> watches = new ArrayList<>();
  private final List<PausePoints.SharedPages> sharedPages = new ArrayList<>();
  private final StringBuilder line = new StringBuilder();
  private Until until = Until.end();
  private Set<Place> script = Set.of();
  private boolean applied;
  private long[] code = {};
  private List<PausePoints.Watch> data = List.of();
  private List<PausePoints.SharedPages> pages = List.of();

  /** The names that symbols were looked up in. */
  private Symbols names = Symbols.NONE;

  private @Nullable Stop reached;

  Stops(Assembly parts, Supplier<Symbols> symbols) {
    this.parts = parts;
    this.symbols = symbols;
  }

  Registration add(long linear) {
    Long a = linear;
    breakpoints.add(a);
    return once(() -> breakpoints.remove(a));
  }

  Registration add(long linear, long bytes, Access access) {
    if (bytes < 1) {
      throw new IllegalArgumentException("a watchpoint has at least 1 byte, not " + bytes);
    }
    PausePoints.Watch w =
        new PausePoints.Watch(linear, bytes, access != Access.WRITE, access != Access.READ);
    watches.add(w);
    return once(() -> watches.remove(w));
  }

  Registration addShared(long gpa, long bytes) {
    if (bytes < 1) {
      throw new IllegalArgumentException("there is at least 1 byte to watch, not " + bytes);
    }
    long first = gpa >>> PAGE_BITS;
    PausePoints.SharedPages p =
        new PausePoints.SharedPages(first, (gpa + bytes - 1 >>> PAGE_BITS) - first + 1);
    sharedPages.add(p);
    return once(() -> sharedPages.remove(p));
  }

  /** Equal points may be asked for twice: closing one again must not take the other's away. */
  private static Registration once(Runnable takeBack) {
    AtomicBoolean closed = new AtomicBoolean();
    return () -> {
      if (!closed.getAndSet(true)) {
        takeBack.run();
      }
    };
  }

  /**
   * {@return the address at which the guest runs what a symbol names, or -1}
   *
   * @param name as the image has it
   */
  long address(String name) {
    return symbols.get().running(name);
  }

  /** Says where a script waits for vCPUs, instead of where it did before. */
  void script(Set<Place> places) {
    if (!places.equals(script)) {
      script = Set.copyOf(places);
      if (applied) {
        apply();
      }
    }
  }

  private boolean scriptHasNames() {
    return script.stream().anyMatch(Place.Symbol.class::isInstance);
  }

  /** {@return addresses of where a script waits, as far as they are known} */
  private LongStream scriptAddresses() {
    return script.stream()
        .mapToLong(
            p ->
                switch (p) {
                  case Place.Gpa g -> -1;
                  case Place.Linear l -> l.address();
                  case Place.Symbol s -> {
                    long at = names.running(s.name());
                    yield at == -1 ? -1 : at + s.offset();
                  }
                })
        .filter(a -> a != -1);
  }

  /** A run begins. */
  void begin(Until u) {
    until = u;
    reached = null;
  }

  /** {@return whether there are breakpoints or watchpoints} */
  boolean any() {
    return !breakpoints.isEmpty() || !watches.isEmpty() || !sharedPages.isEmpty();
  }

  /** The machine is at another moment. */
  void restored() {
    line.setLength(0);
  }

  /** {@return whether events must be observed} */
  boolean needEvents() {
    return until.needsEvents() || scriptHasNames();
  }

  /** Hands the points to the processors, if they have changed. */
  void apply() {
    names = symbols.get();
    applied = true;
    LongStream own =
        LongStream.concat(
            LongStream.concat(
                breakpoints.stream().mapToLong(a -> a), until.addresses.stream().mapToLong(a -> a)),
            until.symbols.stream().mapToLong(names::running).filter(a -> a != -1));
    long[] wanted = LongStream.concat(own, scriptAddresses()).sorted().distinct().toArray();
    boolean newCode = !Arrays.equals(wanted, code);
    if (!newCode && data.equals(watches) && pages.equals(sharedPages)) {
      return;
    }
    code = wanted;
    data = List.copyOf(watches);
    pages = List.copyOf(sharedPages);
    parts.pausePoints.set(code, data, pages);
    if (newCode) {
      parts.memory.dropAllCode();
    }
    parts.cpus.forEach(Cpu::pausePointsChanged);
  }

  /** {@return whether the run has come to new names, rather than to what was asked for} */
  boolean waitsForNames() {
    return reached == null && !until.symbols.isEmpty();
  }

  /** {@return whether the last instruction of a vCPU has made an access that somebody waits for} */
  boolean hasAccess(VcpuView v) {
    return cpu(v).watchedAccess() != null;
  }

  /** Takes an event. */
  void happened(Event e) {
    if ((!until.symbols.isEmpty() || scriptHasNames()) && symbols.get() != names) {
      parts.host.loop().pauseSoon();
    }
    for (Predicate<Event> p : until.events) {
      if (reached == null && p.test(e)) {
        reach(new Stop.Happened(e));
      }
    }
  }

  /** Takes a byte of the console. */
  void console(int b) {
    if (b == '\n') {
      line.setLength(0);
    } else if (b != '\r' && line.length() < LONGEST_LINE) {
      line.append((char) (b & 0xFF));
    }
    if (until.lines.isEmpty() || reached != null) {
      return;
    }
    String text = line.toString();
    if (until.lines.stream().anyMatch(p -> p.test(text))) {
      reach(new Stop.Printed(text));
    }
  }

  private void reach(Stop s) {
    reached = s;
    parts.host.loop().pauseSoon();
  }

  /** {@return the stop at an event or at what the console has said} */
  Stop event() {
    Stop s = reached;
    if (s == null) {
      throw new AssertionError("a run has come back for no event");
    }
    return s;
  }

  Stop breakpoint(VcpuView v) {
    long la = cpu(v).codeAddress();
    return new Stop.Breakpoint(v.id(), la, symbols.get().at(la));
  }

  Stop watchpoint(VcpuView v) {
    WatchedAccess a = cpu(v).watchedAccess();
    if (a == null) {
      throw new AssertionError("a run has come back for no access");
    }
    return new Stop.Watchpoint(v.id(), a.address(), a.bytes(), a.write(), a.rip());
  }

  private Cpu cpu(VcpuView v) {
    return parts.cpus.get(v.id());
  }
}
