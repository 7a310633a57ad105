package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.Mapping;
import java.util.List;

/** Commands that walk page tables, without a trace of it in them. */
final class PagingCommands {
  static final List<Command> ALL =
      List.of(
          Command.of(
              "info mem", "", "show the active virtual memory mappings", PagingCommands::memory),
          Command.of(
              "info tlb", "", "show virtual to physical memory mappings", PagingCommands::pages));

  private static final long PG = 1L << 31;

  /** Bits of an entry as QEMU shows them: NX, G, PSE, D, A, PCD, PWT, U, W. */
  private static final String LETTERS = "XGPDACTUW";

  private static final int[] BITS = {63, 8, 7, 6, 5, 4, 3, 2, 1};
  private static final long PAGE = 4096;

  private PagingCommands() {}

  private static boolean isOff(Call c) throws Refusal {
    c.words().end();
    boolean off = (c.vcpu().cr0() & PG) == 0;
    if (off) {
      c.line("PG disabled");
    }
    return off;
  }

  private static void tell(Call c, boolean whole) {
    if (!whole && !c.isFull()) {
      c.line("(the rest is left out: there are more tables than 32768)");
    }
  }

  private static void pages(Call c) throws Refusal {
    if (isOff(c)) {
      return;
    }
    tell(
        c,
        c.vcpu()
            .mappings(
                m -> {
                  c.line("%016x: %016x %s", m.linear(), m.physical(), letters(m));
                  return !c.isFull();
                }));
  }

  private static String letters(Mapping m) {
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < BITS.length; i++) {
      // Bit 7 of an entry for 4 KiB is none of its size.
      boolean on = (m.entry() >>> BITS[i] & 1) != 0 && (BITS[i] != 7 || m.bytes() > PAGE);
      b.append(on ? LETTERS.charAt(i) : '-');
    }
    return b.toString();
  }

  /** Rows of pages with the same rights. */
  private static final class Rows {
    private final Call c;
    private long start;
    private long end;
    private String rights = "";

    Rows(Call c) {
      this.c = c;
    }

    void add(Mapping m) {
      String r = (m.user() ? "u" : "-") + "r" + (m.writable() ? "w" : "-");
      if (!r.equals(rights) || m.linear() != end) {
        flush();
        start = m.linear();
        rights = r;
      }
      end = m.linear() + m.bytes();
    }

    void flush() {
      if (!rights.isEmpty()) {
        c.line("%016x-%016x %016x %s", start, end, end - start, rights);
      }
      rights = "";
    }
  }

  private static void memory(Call c) throws Refusal {
    if (isOff(c)) {
      return;
    }
    Rows rows = new Rows(c);
    boolean whole =
        c.vcpu()
            .mappings(
                m -> {
                  rows.add(m);
                  return !c.isFull();
                });
    rows.flush();
    tell(c, whole);
  }
}
