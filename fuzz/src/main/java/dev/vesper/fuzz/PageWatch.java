package dev.vesper.fuzz;

import dev.vesper.machine.observe.PageUses;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/**
 * The oracles that look at how pages are used, in one execution: a C-bit that is lost or comes from
 * nowhere, and a kernel that executes what was no code.
 */
final class PageWatch implements PageUses {
  /**
   * Looks at a stack of one execution: a guest that goes on for ever like that is known by less.
   */
  private static final int MOST = 4096;

  private static final long IN_PAGE = 4095;

  private final Oracles wanted;
  private final CodePages code;
  private final Supplier<List<String>> stack;
  private final Map<String, Finding> found = new LinkedHashMap<>();
  private final Set<Long> garbled = new HashSet<>();
  private final Set<Long> given = new HashSet<>();
  private final Set<Long> foreign = new HashSet<>();
  private int looked;

  /**
   * @param code what was code where executions begin
   * @param stack the functions that the guest is in
   */
  PageWatch(Oracles wanted, CodePages code, Supplier<List<String>> stack) {
    this.wanted = wanted;
    this.code = code;
    this.stack = stack;
  }

  /** An execution begins. */
  void begin() {
    found.clear();
    garbled.clear();
    given.clear();
    foreign.clear();
    looked = 0;
  }

  /** {@return what was found since {@link #begin}, in the order in which it came} */
  List<Finding> found() {
    return List.copyOf(found.values());
  }

  @Override
  public void turns(Use use, long linear, long gpa, boolean toPrivate) {
    long page = gpa & ~IN_PAGE;
    given.remove(page);
    if (!toPrivate) {
      garbled.remove(page);
    } else if (garbled.contains(page)) {
      // Any host can write to what is private under SEV-ES: that is no mistake of the guest's.
      return;
    }
    // What is given another use is filled first, from its first byte on; what comes into private
    // memory by whatever store is the guest's own.
    boolean fills = use == Use.WRITE && (toPrivate || (gpa & IN_PAGE) == 0);
    if (!wanted.cBit() || fills) {
      return;
    }
    String at = "0x" + Long.toHexString(gpa);
    found(
        Finding.Kind.CBIT,
        switch (use) {
          case FETCH -> "fetch: code is executed in a page that is shared, " + at;
          case WALK -> "walk: page tables are read in a page that is shared, " + at;
          case READ ->
              toPrivate
                  ? "read: a page that is shared is read as a private one, " + at
                  : "read: a page that is private is read as a shared one, " + at;
          case WRITE -> "write: a page that is private is written to as a shared one, " + at;
        });
  }

  @Override
  public void fetches(long linear, long gpa, boolean encrypted) {
    if (wanted.cBit() && !encrypted) {
      found(
          Finding.Kind.CBIT,
          "fetch: code is executed by a mapping without the C-bit, 0x" + Long.toHexString(linear));
    }
    if (wanted.rip() && !code.has(gpa) && foreign.add(linear & ~IN_PAGE)) {
      found(
          Finding.Kind.RIP,
          "jump: the kernel executes what was no code, 0x" + Long.toHexString(linear));
    }
  }

  @Override
  public void given(long gpa) {
    given.add(gpa);
  }

  @Override
  public boolean awaits(long gpa) {
    return !given.isEmpty() && given.contains(gpa & ~IN_PAGE);
  }

  @Override
  public void garbled(long gpa) {
    garbled.add(gpa);
  }

  private void found(Finding.Kind kind, String title) {
    if (looked++ < MOST) {
      Finding f = new Finding(kind, title, stack.get());
      found.putIfAbsent(f.signature() + "\n" + Finding.withoutNumbers(title), f);
    }
  }
}
