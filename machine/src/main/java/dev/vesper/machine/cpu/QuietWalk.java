package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import dev.vesper.machine.observe.Mapping;
import java.util.function.Predicate;

/**
 * All that a guest's page tables map, for observers: nothing faults, no A or D bit is set and no
 * translation is kept. Tables are a guest's, and may lead to themselves: after so many of them it
 * ends.
 */
public final class QuietWalk {
  /** 128 MiB of tables. */
  private static final int MOST_TABLES = 1 << 15;

  /** Whether what an entry maps is private memory. */
  interface Encryption {
    boolean of(long entry, long gpa);
  }

  private final Mmu mmu;
  private final PageTables format;
  private final Encryption encryption;
  private int tables;
  private boolean wanted = true;

  QuietWalk(Mmu mmu, PageTables format, Encryption encryption) {
    this.mmu = mmu;
    this.format = format;
    this.encryption = encryption;
  }

  /** What the levels above give leave for. */
  private record Rights(boolean writable, boolean user, boolean executable) {
    static final Rights ALL = new Rights(true, true, true);

    Rights and(PageTables format, int level, long e) {
      boolean has = format.hasRights(level);
      return new Rights(
          writable && (!has || (e & PageTables.WRITABLE) != 0),
          user && (!has || (e & PageTables.USER) != 0),
          executable && !(has && format.forbidsFetches(e)));
    }
  }

  /**
   * Tells of each page in the order of linear addresses; nothing is mapped while paging is off.
   *
   * @param to says whether it wants more
   * @return whether that was all
   */
  public boolean each(Predicate<Mapping> to) {
    if ((mmu.cr0 & CpuState.CR0_PG) == 0) {
      return true;
    }
    table(format.root(mmu.cr3), format.levels(), 0, Rights.ALL, to);
    return wanted && tables <= MOST_TABLES;
  }

  private void table(long table, int level, long linear, Rights above, Predicate<Mapping> to) {
    if (++tables > MOST_TABLES || !mmu.nested.readable(table >>> 12)) {
      return;
    }
    byte[] page = mmu.memory.peek(table & -Page.SIZE, Page.SIZE, mmu.key);
    for (int i = 0; i < format.entries(level) && wanted && tables <= MOST_TABLES; i++) {
      long la = linear + i * format.span(level);
      long e = entry(page, (int) format.entryAddress(table, level, la) & Page.SIZE - 1);
      if ((e & PageTables.PRESENT) == 0 || format.malformed(e, level)) {
        continue;
      }
      Rights r = above.and(format, level, e);
      if (format.leaf(e, level)) {
        long gpa = format.address(e, level, la);
        Mapping m =
            new Mapping(
                format.canonical(la),
                gpa,
                format.span(level),
                e,
                r.writable,
                r.user,
                r.executable,
                encryption.of(e, gpa));
        wanted = to.test(m);
      } else {
        table(format.table(e), level - 1, la, r, to);
      }
    }
  }

  private long entry(byte[] page, int at) {
    long v = 0;
    for (int i = format.entryBytes() - 1; i >= 0; i--) {
      v = v << 8 | page[at + i] & 0xFF;
    }
    return v;
  }
}
