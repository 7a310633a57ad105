package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.RmpEntry;
import java.util.List;
import java.util.function.BiPredicate;
import org.jspecify.annotations.Nullable;

/**
 * The reverse map table as tables say it, page by page and without any of the machine's code: what
 * random sequences are held against. Pages of 2 MiB are 512 pages that say so.
 */
final class RmpModel {
  static final int PAGES = 1024;
  static final int IN_LARGE = 512;

  /** Guest physical page number of the first page. */
  static final int FIRST = 0x200;

  static final int ASID = SnpWorld.ASID;

  /** A load that may read anything: what it reads was never written so. */
  static final String ANY = "read anything";

  /** One page's entry and its bytes, of which one number stands for all. */
  static final class Entry {
    boolean assigned;
    boolean large;
    boolean immutable;
    long gpa;
    int asid;
    boolean vmsa;
    boolean validated;
    int[] permissions = new int[4];
    long privateValue;
    long sharedValue;

    /** The bytes are what the host wrote, to be launched. */
    boolean asShared;

    /** The private bytes are not what anybody wrote. */
    boolean noise;

    void clear() {
      assigned = false;
      large = false;
      immutable = false;
      gpa = 0;
      asid = 0;
      vmsa = false;
      validated = false;
      permissions = new int[4];
    }
  }

  /** What a guest does with a page. */
  record Access(int page, boolean write, boolean fetch, boolean cBit, boolean user, int level) {
    long gpa() {
      return (long) (FIRST + page) << 12;
    }
  }

  /** A row of the table of checks: what must hold, and how the access ends otherwise. */
  private record Row(BiPredicate<Entry, Access> holds, boolean vc, long more) {}

  /** In order: ownership, validation, level. */
  private static final List<Row> PRIVATE =
      List.of(
          new Row((e, a) -> e.assigned, false, 0),
          new Row((e, a) -> e.asid == ASID, false, 0),
          new Row((e, a) -> e.gpa == a.gpa(), false, 0),
          new Row((e, a) -> !e.immutable, false, 0),
          new Row((e, a) -> e.validated, true, 0),
          new Row((e, a) -> permits(e.permissions[a.level], a), false, 1L << 36));

  private static boolean permits(int p, Access a) {
    boolean read = (p & 1) != 0;
    boolean write = (p & 2) != 0;
    if (write && !read) {
      return false;
    }
    return a.fetch ? (p & (a.user ? 4 : 8)) != 0 : read && (!a.write || write);
  }

  final Entry[] entries = new Entry[PAGES];

  RmpModel() {
    for (int i = 0; i < PAGES; i++) {
      entries[i] = new Entry();
    }
  }

  private static String npf(Access a, long more) {
    long info = 1L << 31 | 1 | 4 | 1L << 32 | more;
    info |= (a.write ? 2 : 0) | (a.fetch ? 16 : 0) | (a.cBit || a.fetch ? 1L << 34 : 0);
    return "#NPF " + Long.toHexString(info) + " at " + Long.toHexString(a.gpa());
  }

  /** {@return how a guest's access ends: what it reads is told where it is not ciphertext} */
  String access(Access a, long value) {
    Entry e = entries[a.page];
    if (a.cBit || a.fetch) {
      for (Row r : PRIVATE) {
        if (!r.holds.test(e, a)) {
          return r.vc ? "#VC 404" : npf(a, r.more);
        }
      }
      if (a.write) {
        e.privateValue = value;
        e.noise = false;
      }
      return a.write || a.fetch ? "done" : e.noise ? ANY : "read " + e.privateValue;
    }
    if (!e.assigned) {
      if (a.write) {
        e.sharedValue = value;
      }
      return a.write ? "done" : "read " + e.sharedValue;
    }
    return a.write ? npf(a, 0) : ANY;
  }

  /** The host writes to a page: only to its own. */
  void hostWrites(int page, long value) {
    if (!entries[page].assigned) {
      entries[page].sharedValue = value;
    }
  }

  private static String eax(int result, boolean carry) {
    return "eax " + result + (carry ? " carry" : "");
  }

  private static int first(int page) {
    return page & -IN_LARGE;
  }

  /** {@return why a page is not the guest's, or null if it is} */
  private @Nullable String notOwned(int page) {
    Access a = new Access(page, false, false, true, false, 0);
    Entry e = entries[page];
    for (Row r : PRIVATE.subList(0, 4)) {
      if (!r.holds.test(e, a)) {
        return npf(a, 0);
      }
    }
    return null;
  }

  String pvalidate(int page, boolean large, boolean on, int level) {
    if (level != 0) {
      return "#GP";
    }
    if (large && page % IN_LARGE != 0) {
      return eax(1, false);
    }
    String owner = notOwned(page);
    if (owner != null) {
      return owner;
    }
    Entry e = entries[page];
    if (e.large != large) {
      return large ? eax(6, false) : sizeFault(page);
    }
    if (e.validated == on) {
      return eax(0, true);
    }
    for (int i = 0; i < (large ? IN_LARGE : 1); i++) {
      entries[page + i].validated = on;
    }
    return eax(0, false);
  }

  private static String sizeFault(int page) {
    return npf(new Access(page, false, false, true, false, 0), 1L << 35);
  }

  String rmpadjust(int page, boolean large, int level, int target, int permissions, boolean vmsa) {
    if (target <= level) {
      return eax(2, false);
    }
    if (large && page % IN_LARGE != 0) {
      return eax(1, false);
    }
    String owner = notOwned(page);
    if (owner != null) {
      return owner;
    }
    Entry e = entries[page];
    if (e.large && !large) {
      return sizeFault(page);
    }
    String read = access(new Access(page, false, false, true, false, level), 0);
    if (!read.startsWith("read")) {
      return read;
    }
    if (large && !e.large) {
      return eax(6, false);
    }
    if ((permissions & ~e.permissions[level]) != 0) {
      return eax(2, false);
    }
    for (int i = 0; i < (large ? IN_LARGE : 1); i++) {
      entries[page + i].permissions[target] = permissions;
      if (level == 0) {
        entries[page + i].vmsa = vmsa;
      }
    }
    return eax(0, false);
  }

  /** RMPUPDATE; {@return its result} */
  int update(int page, boolean large, boolean assign, boolean immutable, long gpa, int asid) {
    int pages = large ? IN_LARGE : 1;
    if (large && page % IN_LARGE != 0 || assign && (gpa & pages * 4096L - 1) != 0) {
      return 1;
    }
    Entry e = entries[page];
    int from = large ? page : e.large ? first(page) : page;
    for (int i = 0; i < (large ? IN_LARGE : 1); i++) {
      if (entries[from + i].immutable) {
        return 2;
      }
    }
    if (large && !e.large) {
      for (int i = 0; i < IN_LARGE; i++) {
        if (entries[page + i].assigned) {
          return 4;
        }
      }
    } else if (!large && e.large) {
      return 4;
    }
    boolean same =
        assign == e.assigned
            && (!assign
                || e.large == large && e.immutable == immutable && e.gpa == gpa && e.asid == asid);
    for (int i = 0; i < pages && !same; i++) {
      Entry n = entries[page + i];
      if (assign && !n.assigned) {
        // Launching takes over what is shared; else it is discarded, and a guest's page begins with
        // zeros.
        n.sharedValue = immutable ? n.sharedValue : 0;
        n.privateValue = 0;
        n.noise = false;
        n.asShared = immutable;
      }
      n.clear();
      if (assign) {
        n.assigned = true;
        n.large = large;
        n.immutable = immutable;
        n.gpa = gpa + i * 4096L;
        n.asid = asid;
        n.permissions[0] = 0x1F;
      }
    }
    return 0;
  }

  /** PSMASH; {@return its result} */
  int psmash(int page) {
    if (page % IN_LARGE != 0) {
      return 1;
    }
    if (entries[page].immutable) {
      return 2;
    }
    if (!entries[page].large) {
      return 7;
    }
    for (int i = 0; i < IN_LARGE; i++) {
      entries[page + i].large = false;
    }
    return 0;
  }

  /** PAGE_RECLAIM. */
  void reclaim(int page) {
    int from = entries[page].large ? first(page) : page;
    for (int i = 0; i < (entries[page].large ? IN_LARGE : 1); i++) {
      Entry n = entries[from + i];
      n.immutable = false;
      if (n.asShared) {
        n.asShared = false;
        n.noise = true;
        n.sharedValue = 0;
      }
    }
  }

  /** LAUNCH_UPDATE of a page that is to be launched. */
  boolean launch(int page) {
    Entry e = entries[page];
    if (!e.assigned || !e.immutable || e.validated || e.asid != ASID) {
      return false;
    }
    int from = e.large ? first(page) : page;
    for (int i = 0; i < (e.large ? IN_LARGE : 1); i++) {
      Entry n = entries[from + i];
      n.immutable = false;
      n.validated = true;
      n.noise = !n.asShared;
      if (n.asShared) {
        n.asShared = false;
        n.privateValue = n.sharedValue;
        n.sharedValue = 0;
      }
    }
    return true;
  }

  /** {@return what RMPREAD gives} */
  RmpEntry entry(int page) {
    Entry e = entries[page];
    int p = 0;
    for (int l = 3; l >= 0; l--) {
      p = p << 8 | e.permissions[l];
    }
    return new RmpEntry(e.assigned, e.large, e.immutable, e.gpa, e.asid, e.vmsa, e.validated, p);
  }
}
