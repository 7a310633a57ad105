package dev.vesper.machine;

import dev.vesper.machine.observe.Event;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * When a run comes back, if the guest's life does not end before: at the first of what it names.
 * Where it comes back depends on the guest alone, whatever translates its code; only {@link
 * #within} depends on the computer.
 */
public final class Until {
  private static final long NEVER = Long.MAX_VALUE;
  private static final Until END = new Until();

  long instructions = NEVER;
  long virtualTime = NEVER;
  long realNanos = NEVER;
  final List<Long> addresses = new ArrayList<>();
  final List<String> symbols = new ArrayList<>();
  final List<Predicate<Event>> events = new ArrayList<>();
  final List<Predicate<String>> lines = new ArrayList<>();

  private Until() {}

  /** {@return when the guest's life ends} */
  public static Until end() {
    return END;
  }

  /**
   * {@return when all vCPUs together have executed so many instructions since the machine began, at
   * exactly that one}
   */
  public static Until instructions(long count) {
    Until u = new Until();
    u.instructions = notNegative(count, "a count of instructions");
    return u;
  }

  /** {@return when so much virtual time has passed since the machine began} */
  public static Until virtualTime(Duration time) {
    Until u = new Until();
    u.virtualTime = notNegative(time.toNanos(), "virtual time");
    return u;
  }

  /** {@return before a vCPU executes the instruction at a linear address} */
  public static Until address(long linear) {
    Until u = new Until();
    u.addresses.add(linear);
    return u;
  }

  /**
   * {@return before a vCPU executes the instruction that a symbol names}
   *
   * <p>The name may become known while the guest runs, as that of a kernel that moves itself does.
   */
  public static Until symbol(String name) {
    Until u = new Until();
    u.symbols.add(name);
    return u;
  }

  /** {@return when an event of a type has happened} */
  public static Until event(Class<? extends Event> type) {
    return event(type, e -> true);
  }

  /** {@return when an event of a type has happened that a condition takes} */
  public static <E extends Event> Until event(Class<E> type, Predicate<? super E> condition) {
    Until u = new Until();
    u.events.add(e -> type.isInstance(e) && condition.test(type.cast(e)));
    return u;
  }

  /** {@return when a line of the console contains a text, whether the line is complete or not} */
  public static Until console(String text) {
    return console(line -> line.contains(text));
  }

  /**
   * {@return when a condition takes the line that the console is writing} It is asked after each
   * byte, without the line's end.
   */
  public static Until console(Predicate<String> line) {
    Until u = new Until();
    u.lines.add(line);
    return u;
  }

  /** {@return at the first of either} */
  public Until or(Until other) {
    Until u = new Until();
    for (Until x : List.of(this, other)) {
      u.instructions = Math.min(u.instructions, x.instructions);
      u.virtualTime = Math.min(u.virtualTime, x.virtualTime);
      u.realNanos = Math.min(u.realNanos, x.realNanos);
      u.addresses.addAll(x.addresses);
      u.symbols.addAll(x.symbols);
      u.events.addAll(x.events);
      u.lines.addAll(x.lines);
    }
    return u;
  }

  /** {@return the same, or when so much real time has passed since the run began} */
  public Until within(Duration real) {
    Until u = new Until();
    u.realNanos = notNegative(real.toNanos(), "real time");
    return or(u);
  }

  /** {@return whether events are noted in a run to it, as names of places are found by them} */
  public boolean needsEvents() {
    return !events.isEmpty() || !symbols.isEmpty();
  }

  private static long notNegative(long v, String what) {
    if (v < 0) {
      throw new IllegalArgumentException(what + " is not negative, as " + v + " is");
    }
    return v;
  }
}
