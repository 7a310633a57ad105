package dev.vesper.machine.hostile;

import dev.vesper.machine.host.NestedPaging;
import dev.vesper.machine.host.NestedPaging.Mapping;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Nested pages whose accesses a script waits for: what is denied of each, over what rules have set
 * themselves. Code of a page that is executed already is waited for anew when it was left, of which
 * the host learns by letting nothing else be executed meanwhile.
 */
final class PageArms {
  /** What is waited for. */
  enum Access {
    FETCH,
    WRITE,
    /** Reads and writes of data. */
    DATA
  }

  private static final int PAGE_BITS = 12;

  private final NestedPaging nested;

  /** What rules have set themselves. */
  private final Map<Long, Mapping> own = new HashMap<>();

  private final Map<Access, Set<Long>> wanted = new EnumMap<>(Access.class);

  /** Pages with code that is executed, which are waited for when it was left. */
  private final Set<Long> inside = new HashSet<>();

  /** Pages that one instruction may access. */
  private final Set<Long> passing = new HashSet<>();

  private long enteredAt = -1;

  PageArms(NestedPaging nested) {
    this.nested = nested;
  }

  static long frame(long gpa) {
    return gpa >>> PAGE_BITS;
  }

  /** Says what a rule has set for a page. */
  void set(long gpa, Mapping m) {
    if (m == Mapping.PRESENT) {
      own.remove(frame(gpa));
    } else {
      own.put(frame(gpa), m);
    }
  }

  /** Says what is waited for from now on. */
  void want(Map<Access, Set<Long>> pages) {
    Set<Long> before = all();
    wanted.clear();
    wanted.putAll(pages);
    Set<Long> every = all();
    every.addAll(before);
    every.forEach(this::apply);
    inside.removeIf(
        f -> {
          boolean over = !wanted.getOrDefault(Access.FETCH, Set.of()).contains(f);
          if (over) {
            nested.confine(f << PAGE_BITS, false);
          }
          return over;
        });
  }

  private Set<Long> all() {
    Set<Long> all = new HashSet<>(own.keySet());
    wanted.values().forEach(all::addAll);
    return all;
  }

  private boolean wants(Access a, long frame) {
    return wanted.getOrDefault(a, Set.of()).contains(frame);
  }

  /** {@return whether the host would not have denied an access but for this} */
  boolean waitsFor(long gpa, boolean write, boolean fetch) {
    long f = frame(gpa);
    return fetch
        ? wants(Access.FETCH, f) || wants(Access.DATA, f)
        : wants(Access.DATA, f) || write && wants(Access.WRITE, f);
  }

  /** {@return whether an access is one that is waited for} */
  boolean meets(Access a, long gpa, boolean write, boolean fetch) {
    return wants(a, frame(gpa))
        && switch (a) {
          case FETCH -> fetch;
          case WRITE -> write;
          case DATA -> !fetch;
        };
  }

  private void apply(long f) {
    Mapping base = own.getOrDefault(f, Mapping.PRESENT);
    boolean pass = passing.contains(f);
    boolean data = wants(Access.DATA, f) && !pass;
    boolean write = wants(Access.WRITE, f) && !pass;
    boolean fetch = wants(Access.FETCH, f) && !inside.contains(f);
    nested.set(f << PAGE_BITS, combined(base, data, write, fetch));
  }

  private static Mapping combined(Mapping base, boolean data, boolean write, boolean fetch) {
    if (data || base == Mapping.ABSENT) {
      return Mapping.ABSENT;
    }
    if (base == Mapping.MMIO) {
      return base;
    }
    boolean ro = write || base == Mapping.READ_ONLY || base == Mapping.READ_ONLY_NO_EXECUTE;
    boolean nx = fetch || base == Mapping.NO_EXECUTE || base == Mapping.READ_ONLY_NO_EXECUTE;
    return ro
        ? nx ? Mapping.READ_ONLY_NO_EXECUTE : Mapping.READ_ONLY
        : nx ? Mapping.NO_EXECUTE : Mapping.PRESENT;
  }

  /** The next instruction may access a page; {@link #passed} follows it. */
  void pass(long gpa) {
    passing.add(frame(gpa));
    apply(frame(gpa));
  }

  /** It was executed. */
  void passed(long gpa) {
    passing.remove(frame(gpa));
    apply(frame(gpa));
  }

  /**
   * Code of a page is executed now.
   *
   * @param instructions that the vCPU has executed
   */
  void enter(long gpa, long instructions) {
    inside.add(frame(gpa));
    enteredAt = instructions;
    apply(frame(gpa));
    nested.confine(gpa, true);
  }

  /**
   * A fetch from another page than those whose code is executed was denied.
   *
   * @param instructions that the vCPU has executed
   * @return whether it is for that reason: it may go on
   */
  boolean leave(long gpa, long instructions) {
    if (inside.isEmpty() || inside.contains(frame(gpa))) {
      return false;
    }
    if (instructions == enteredAt) {
      // The first instruction lies in both pages.
      nested.confine(gpa, true);
      straddled.add(frame(gpa));
      return true;
    }
    Set<Long> left = new HashSet<>(inside);
    inside.clear();
    left.forEach(
        f -> {
          nested.confine(f << PAGE_BITS, false);
          apply(f);
        });
    straddled.forEach(f -> nested.confine(f << PAGE_BITS, false));
    straddled.clear();
    return true;
  }

  /** Pages into which the first instruction behind {@link #enter} runs on. */
  private final Set<Long> straddled = new HashSet<>();
}
