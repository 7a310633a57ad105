package dev.vesper.machine.memory;

import dev.vesper.machine.observe.RmpCheck;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * The reverse map table of SEV-SNP (AMD APM volume 2, 15.36.3; spec: snp section 1): who owns each
 * page of memory, and what it takes to touch it. Processors ask when they fill their TLB; each
 * change of an entry has them drop what they hold of the page.
 *
 * <p>The table is keyed by guest physical page, because guest memory has no other address here. An
 * entry names a guest and an address all the same: a host can give a page away, or move it, by
 * RMPUPDATE.
 *
 * <p>A page that goes from one owner to the other does not take its bytes along: hosts keep private
 * memory and shared memory apart, and discard the one when the page becomes the other, as QEMU
 * does. It has zeros then.
 */
public final class Rmp implements HostRmp {
  /** Pages of 4 KiB that an entry of 2 MiB is for. */
  public static final int PAGES = 512;

  /** {@link #check}: the access is good. */
  public static final long ALLOWED = 0;

  /** {@link #check}: the guest has not accepted the page, which is #VC with error code 404. */
  public static final long NOT_VALIDATED = 1;

  /** The greatest ASID that an entry can name. */
  private static final int MAX_ASID = 1023;

  private static final long ASSIGNED = 1;
  private static final long LARGE = 2;
  private static final long IMMUTABLE = 4;
  private static final long VMSA = 1L << 61;
  private static final long VALIDATED = 1L << 62;
  private static final long ADDRESS = 0x0007_FFFF_FFFF_F000L;
  private static final int ASID_AT = 51;

  /** The 512 entries of 2 MiB of memory, laid out as Milan's are. */
  private static final class Entries {
    final long[] word = new long[PAGES];
    final int[] permissions = new int[PAGES];
    int assigned;

    /** The first entry is for all. */
    boolean large() {
      return (word[0] & LARGE) != 0;
    }

    int index(int frame) {
      return large() ? 0 : frame & PAGES - 1;
    }
  }

  private final PhysicalMemory memory;
  private final int key;
  private final int covered;
  private final @Nullable Entries[] entries;
  private final BitSet inUse = new BitSet();

  /** Pages that nested paging maps with the other size than their entries'. */
  private final BitSet oddlyMapped = new BitSet();

  /**
   * @param key the encryption domain of guests
   */
  Rmp(PhysicalMemory memory, int key) {
    this.memory = memory;
    this.key = key;
    covered = memory.totalPages();
    entries = new Entries[covered + PAGES - 1 >>> 9];
  }

  private Entries at(int frame) {
    Entries e = entries[frame >>> 9];
    if (e == null) {
      e = new Entries();
      entries[frame >>> 9] = e;
    }
    return e;
  }

  private long word(int frame) {
    Entries e = entries[frame >>> 9];
    return e == null ? 0 : e.word[e.index(frame)];
  }

  private boolean covers(long address, int bytes) {
    return address >= 0 && (address & bytes - 1) == 0 && address + bytes - 1 >>> 12 < covered;
  }

  /** {@return the first page that an entry of a size is for} */
  private static int first(int frame, boolean large) {
    return large ? frame & -PAGES : frame;
  }

  private static int bytes(boolean large) {
    return large ? PAGES * Page.SIZE : Page.SIZE;
  }

  // ---- who may

  /** {@return whether a page is assigned to nobody; the table's end is the hypervisor's too} */
  public boolean hypervisorOwns(long frame) {
    return frame < 0 || frame >= covered || (word((int) frame) & ASSIGNED) == 0;
  }

  /**
   * {@return the same of what an access reaches through one nested mapping}
   *
   * @param largeMapping the mapping is of 2 MiB: none of its pages may be assigned
   */
  public boolean hypervisorOwns(long frame, boolean largeMapping) {
    return largeMapping ? !assignedNear(frame << 12) : hypervisorOwns(frame);
  }

  /** {@return whether the entry of a page is for 2 MiB} */
  public boolean isLarge(long frame) {
    return frame >= 0 && frame < covered && (word((int) frame) & LARGE) != 0;
  }

  /**
   * Checks an access of a guest to its own page, in the order that the architecture gives as far as
   * it gives one: validation is the last but one, the privilege level the last.
   *
   * @param frame guest physical page number
   * @param largeMapping the nested mapping is of 2 MiB or more
   * @param need permissions that the privilege level must have: of {@link RmpEntry}'s
   * @return {@link #ALLOWED}, {@link #NOT_VALIDATED}, or bits of EXITINFO1 for #NPF
   */
  public long check(long frame, int asid, int level, int need, boolean largeMapping) {
    return check(frame, frame, asid, level, need, largeMapping);
  }

  /**
   * Checks an access to a page that nested paging may have moved.
   *
   * @param guestFrame guest physical page number, which the entry must name
   * @param frame the number of the page of system memory that is reached
   * @return as the other does
   */
  public long check(
      long guestFrame, long frame, int asid, int level, int need, boolean largeMapping) {
    long owner = owner(guestFrame, frame, asid);
    if (owner != ALLOWED) {
      return owner;
    }
    long w = word((int) frame);
    if (((w & LARGE) != 0) != largeMapping || oddlyMapped.get((int) frame)) {
      return VIOLATION;
    }
    if ((w & VALIDATED) == 0) {
      return NOT_VALIDATED;
    }
    return permits((int) frame, level, need) ? ALLOWED : VIOLATION | PRIVILEGE_LEVEL;
  }

  /**
   * {@return whether a page is a guest's own, whose bytes are plain under the guest's key from the
   * start}
   */
  boolean isGuests(int frame) {
    long w = word(frame);
    return (w & (ASSIGNED | IMMUTABLE)) == ASSIGNED && asid(w) != 0;
  }

  /** {@return the encryption domain of guests} */
  int key() {
    return key;
  }

  /**
   * Checks what comes before the size: that the page is there, the guest's, unmoved and mutable.
   */
  private long owner(long frame, int asid) {
    return owner(frame, frame, asid);
  }

  private long owner(long guestFrame, long frame, int asid) {
    if (frame < 0 || frame >= covered) {
      return VIOLATION;
    }
    long w = word((int) frame);
    boolean good =
        (w & ASSIGNED) != 0
            && asid(w) == asid
            && gpa(w, (int) frame) == guestFrame << 12
            && (w & IMMUTABLE) == 0;
    return good ? ALLOWED : VIOLATION;
  }

  /**
   * {@return which check has refused a guest an access, for observers}
   *
   * @param refusal what {@link #check} or an instruction has said
   * @param isPrivate the access is one with the C-bit
   */
  public RmpCheck failed(long frame, int asid, long refusal, boolean isPrivate) {
    if (!isPrivate) {
      return RmpCheck.HYPERVISOR_OWNED;
    }
    if (refusal == NOT_VALIDATED) {
      return RmpCheck.VALIDATED;
    }
    if ((refusal & (SIZE_MISMATCH | PRIVILEGE_LEVEL)) != 0) {
      return (refusal & SIZE_MISMATCH) != 0 ? RmpCheck.LARGE_ENTRY : RmpCheck.PERMISSIONS;
    }
    if (frame < 0 || frame >= covered) {
      return RmpCheck.COVERED;
    }
    long w = word((int) frame);
    if ((w & ASSIGNED) == 0) {
      return RmpCheck.ASSIGNED;
    }
    if (asid(w) != asid) {
      return asid(w) == 0 ? RmpCheck.FIRMWARE : RmpCheck.ASID;
    }
    if (gpa(w, (int) frame) != frame << 12) {
      return RmpCheck.GPA;
    }
    return (w & IMMUTABLE) != 0 ? RmpCheck.IMMUTABLE : RmpCheck.MAPPING_SIZE;
  }

  private static int asid(long w) {
    return (int) (w >>> ASID_AT) & MAX_ASID;
  }

  /** {@return the guest physical address that an entry has for a page} */
  private static long gpa(long w, int frame) {
    long a = w & ADDRESS;
    return (w & LARGE) != 0 ? a | (long) (frame & PAGES - 1) << 12 : a;
  }

  /** {@return whether a privilege level may; without the right to read, there is none to write} */
  private boolean permits(int frame, int level, int need) {
    Entries e = at(frame);
    int p = e.permissions[e.index(frame)] >>> 8 * level & 0xFF;
    boolean illegal = (p & (RmpEntry.READ | RmpEntry.WRITE)) == RmpEntry.WRITE;
    return !illegal && (p & need) == need;
  }

  /**
   * {@return whether VMRUN may take a page for the save area of a guest with SEV-SNP}
   *
   * @param gpa the guest physical address that the area must have
   */
  public boolean isSaveArea(long frame, int asid, long gpa) {
    if (frame < 0 || frame >= covered) {
      return false;
    }
    long w = word((int) frame);
    return (w & ASSIGNED) != 0
        && asid(w) == asid
        && gpa(w, (int) frame) == gpa
        && (w & IMMUTABLE) == 0
        && (w & VMSA) != 0;
  }

  /** Says that a processor uses a page for its VMCB or save area, or no longer. */
  public void use(int frame, boolean on) {
    inUse.set(frame, on);
  }

  // ---- instructions of guests

  /**
   * PVALIDATE behind its checks of operands.
   *
   * @param frame of 4 KiB, or the first of 2 MiB
   * @param large 2 MiB are asked for
   * @param asid of the guest that executes it
   */
  public Answer pvalidate(long frame, boolean large, int asid, boolean validate) {
    long owner = owner(frame, asid);
    if (owner != ALLOWED) {
      return new Answer(owner, RmpResult.SUCCESS, false);
    }
    long w = word((int) frame);
    if ((w & LARGE) != 0 && !large) {
      return new Answer(VIOLATION | SIZE_MISMATCH, RmpResult.SUCCESS, false);
    }
    if (large && (w & LARGE) == 0) {
      return new Answer(ALLOWED, RmpResult.FAIL_SIZEMISMATCH, false);
    }
    if ((w & VALIDATED) != 0 == validate) {
      return new Answer(ALLOWED, RmpResult.SUCCESS, true);
    }
    Entries e = at((int) frame);
    e.word[e.index((int) frame)] = validate ? w | VALIDATED : w & ~VALIDATED;
    changed((int) frame, large);
    return new Answer(ALLOWED, RmpResult.SUCCESS, false);
  }

  /**
   * RMPADJUST behind its checks of operands.
   *
   * @param level privilege level that executes it
   * @param target that whose permissions it changes, a lesser one
   */
  public Answer adjust(
      long frame, boolean large, int asid, int level, int target, int permissions, boolean vmsa) {
    long access = checkOperand(frame, large, asid, level);
    if (access != ALLOWED) {
      return new Answer(access, RmpResult.SUCCESS, false);
    }
    Entries e = at((int) frame);
    int i = e.index((int) frame);
    long w = e.word[i];
    if (large && (w & LARGE) == 0) {
      return new Answer(ALLOWED, RmpResult.FAIL_SIZEMISMATCH, false);
    }
    int own = e.permissions[i] >>> 8 * level & 0xFF;
    if ((permissions & ~own) != 0) {
      return new Answer(ALLOWED, RmpResult.FAIL_PERMISSION, false);
    }
    long flagged = level != 0 ? w : vmsa ? w | VMSA : w & ~VMSA;
    if (flagged != w && usedWithin((int) frame, large ? PAGES : 1)) {
      return new Answer(ALLOWED, RmpResult.FAIL_INUSE, false);
    }
    e.word[i] = flagged;
    e.permissions[i] = e.permissions[i] & ~(0xFF << 8 * target) | permissions << 8 * target;
    changed((int) frame, large);
    return new Answer(ALLOWED, RmpResult.SUCCESS, false);
  }

  /**
   * Checks an operand of RMPADJUST or RMPQUERY as an access that reads it. An entry of 2 MiB that
   * is asked for one page is the size conflict which a host resolves by PSMASH.
   */
  private long checkOperand(long frame, boolean large, int asid, int level) {
    long owner = owner(frame, asid);
    if (owner != ALLOWED) {
      return owner;
    }
    long w = word((int) frame);
    if ((w & LARGE) != 0 && !large) {
      return VIOLATION | SIZE_MISMATCH;
    }
    return check(frame, asid, level, RmpEntry.READ, (w & LARGE) != 0);
  }

  /**
   * {@return what {@link #check} says of the access that RMPQUERY makes} It gives what {@link
   * #read} gives.
   */
  public long checkQuery(long frame, int asid, int level) {
    return checkOperand(frame, isLarge(frame), asid, level);
  }

  /**
   * How an instruction ends.
   *
   * @param access as {@link #check} says it: if not {@link #ALLOWED}, it faults
   * @param result what EAX has otherwise
   * @param unchanged PVALIDATE found what it was to write
   */
  public record Answer(long access, RmpResult result, boolean unchanged) {}

  // ---- instructions of hosts

  @Override
  public RmpResult update(long address, RmpEntry e) {
    int size = bytes(e.large());
    if (!covers(address, size) || (e.assigned() ? !madeByHosts(e, size) : e.immutable())) {
      return RmpResult.FAIL_INPUT;
    }
    int frame = (int) (address >>> 12);
    int pages = size >>> 12;
    if (usedWithin(frame, pages)) {
      return RmpResult.FAIL_INUSE;
    }
    Entries t = at(frame);
    RmpEntry seen = memory.isObserved() ? entry(frame) : RmpEntry.HYPERVISOR;
    boolean was = t.large();
    if (was || !e.large() ? (word(frame) & IMMUTABLE) != 0 : anyImmutable(t)) {
      return RmpResult.FAIL_PERMISSION;
    }
    if (was != e.large() && (was || t.assigned != 0)) {
      return RmpResult.FAIL_OVERLAP;
    }
    oddlyMapped.clear(frame, frame + pages);
    long before = word(frame);
    long after = e.assigned() ? packed(e) : 0;
    if ((before & ~(VALIDATED | VMSA)) == after) {
      return RmpResult.SUCCESS;
    }
    for (int f = frame; f < frame + pages; f++) {
      transfer(f, before, after);
    }
    int i = frame & PAGES - 1;
    t.word[i] = after;
    t.permissions[i] = e.assigned() ? RmpEntry.ALL : 0;
    t.assigned += ((after & ASSIGNED) != 0 ? pages : 0) - ((before & ASSIGNED) != 0 ? pages : 0);
    changed(frame, e.large());
    memory.entryChanged("RMPUPDATE", frame, seen);
    return RmpResult.SUCCESS;
  }

  /** {@return whether a host can make such an assigned entry} The rest are the firmware's. */
  private static boolean madeByHosts(RmpEntry e, int size) {
    boolean firmware = e.asid() == 0 && (!e.immutable() || e.gpa() != 0);
    return (e.gpa() & size - 1) == 0
        && (e.gpa() & ~ADDRESS) == 0
        && e.asid() >= 0
        && e.asid() <= MAX_ASID
        && !firmware;
  }

  private static long packed(RmpEntry e) {
    return ASSIGNED
        | (e.large() ? LARGE : 0)
        | (e.immutable() ? IMMUTABLE : 0)
        | e.gpa()
        | (long) e.asid() << ASID_AT;
  }

  private static boolean anyImmutable(Entries t) {
    for (long w : t.word) {
      if ((w & IMMUTABLE) != 0) {
        return true;
      }
    }
    return false;
  }

  private boolean usedWithin(int frame, int pages) {
    int next = inUse.nextSetBit(frame);
    return next >= 0 && next < frame + pages;
  }

  @Override
  public RmpResult psmash(long address) {
    if (!covers(address, bytes(true))) {
      return RmpResult.FAIL_INPUT;
    }
    int frame = (int) (address >>> 12);
    long w = word(frame);
    if ((w & IMMUTABLE) != 0) {
      return RmpResult.FAIL_PERMISSION;
    }
    if (usedWithin(frame, PAGES)) {
      return RmpResult.FAIL_INUSE;
    }
    if ((w & LARGE) == 0) {
      return RmpResult.FAIL_NOT_LARGE;
    }
    Entries t = at(frame);
    RmpEntry seen = memory.isObserved() ? entry(frame) : RmpEntry.HYPERVISOR;
    oddlyMapped.clear(frame, frame + PAGES);
    Arrays.fill(t.permissions, t.permissions[0]);
    for (int i = 0; i < PAGES; i++) {
      t.word[i] = (w & ~LARGE) + ((long) i << 12);
    }
    changed(frame, true);
    memory.entryChanged("PSMASH", frame, seen);
    return RmpResult.SUCCESS;
  }

  @Override
  public RmpResult inject(long address, RmpFault fault) {
    long frame = address >>> 12;
    if (hypervisorOwns(frame)) {
      return RmpResult.FAIL_INPUT;
    }
    boolean large = isLarge(frame);
    long at = address & -(long) bytes(large);
    RmpEntry e = entry((int) (at >>> 12));
    int other = e.asid() == MAX_ASID ? 1 : e.asid() + 1;
    return switch (fault) {
      case FOREIGN_ASID -> update(at, sized(RmpEntry.guest(e.gpa(), other), large));
      case MOVED -> update(at, sized(RmpEntry.guest(e.gpa() ^ bytes(large), e.asid()), large));
      case IMMUTABLE -> update(at, sized(RmpEntry.guest(e.gpa(), e.asid()), large).forFirmware());
      case MAPPING_SIZE -> {
        int first = (int) (at >>> 12);
        changed(first, large);
        oddlyMapped.set(first, first + (large ? PAGES : 1));
        memory.entryChanged("nested mapping of another size", first, e);
        yield RmpResult.SUCCESS;
      }
      case NO_PERMISSIONS -> {
        setPermissions(at, 0);
        memory.entryChanged("permissions", (int) (at >>> 12), e);
        yield RmpResult.SUCCESS;
      }
    };
  }

  /**
   * Changes the guest physical address that an entry of 4 KiB has, and nothing else, as no
   * instruction does.
   *
   * @return whether the page is a guest's, and its entry is one of 4 KiB
   */
  public boolean misdirect(long address, long gpa) {
    long frame = address >>> 12;
    if (hypervisorOwns(frame) || isLarge(frame) || (gpa & ~ADDRESS) != 0) {
      return false;
    }
    int f = (int) frame;
    RmpEntry seen = entry(f);
    Entries e = at(f);
    e.word[e.index(f)] = word(f) & ~ADDRESS | gpa;
    changed(f, false);
    memory.entryChanged("broken silicon", f, seen);
    return true;
  }

  private static RmpEntry sized(RmpEntry e, boolean large) {
    return large ? e.ofTwoMebibytes() : e;
  }

  @Override
  public RmpEntry read(long address) {
    long frame = address >>> 12;
    return frame < covered ? entry((int) frame) : RmpEntry.HYPERVISOR;
  }

  @Override
  public boolean assignedNear(long address) {
    int i = (int) Math.min(address >>> 21, entries.length);
    Entries t = i < entries.length ? entries[i] : null;
    return t != null && t.assigned != 0;
  }

  private RmpEntry entry(int frame) {
    Entries t = entries[frame >>> 9];
    if (t == null) {
      return RmpEntry.HYPERVISOR;
    }
    int i = t.index(frame);
    long w = t.word[i];
    return new RmpEntry(
        (w & ASSIGNED) != 0,
        (w & LARGE) != 0,
        (w & IMMUTABLE) != 0,
        gpa(w, frame),
        asid(w),
        (w & VMSA) != 0,
        (w & VALIDATED) != 0,
        t.permissions[i]);
  }

  // ---- commands of the firmware

  /**
   * LAUNCH_UPDATE of a page in {@link PageOwnership#PRE_GUEST}, one entry: what the host wrote
   * becomes the guest's plaintext, the page becomes {@link PageOwnership#GUEST_VALID}.
   *
   * @param address of the page in system memory
   * @param permissions of the privilege levels 1 to 3, in bits 15:8, 23:16 and 31:24
   * @param vmsa it is a save area
   */
  public void launch(long address, int permissions, boolean vmsa) {
    int frame = (int) (address >>> 12);
    Entries t = at(frame);
    int i = t.index(frame);
    long w = t.word[i];
    assert entry(frame).state() == PageOwnership.PRE_GUEST : entry(frame);
    boolean large = t.large();
    int first = first(frame, large);
    for (int f = first; f < first + (large ? PAGES : 1); f++) {
      memory.launchInPlace(f, key);
    }
    t.word[i] = w & ~IMMUTABLE | VALIDATED | (vmsa ? VMSA : 0);
    t.permissions[i] = permissions & ~0xFF | RmpEntry.ALL;
    changed(frame, large);
  }

  /**
   * GCTX_CREATE or DECOMMISSION: a page of the firmware's holds a guest's context, or no longer.
   */
  public void setContext(long address, boolean on) {
    int frame = (int) (address >>> 12);
    Entries t = at(frame);
    assert entry(frame).state() == (on ? PageOwnership.FIRMWARE : PageOwnership.CONTEXT);
    t.word[t.index(frame)] ^= VMSA;
  }

  /**
   * PAGE_RECLAIM: gives a page of the firmware back to the host's command. Pages that are mutable
   * already stay what they are.
   */
  public void reclaim(long address) {
    int frame = (int) (address >>> 12);
    Entries t = at(frame);
    int i = t.index(frame);
    boolean guests = asid(t.word[i]) != 0;
    t.word[i] &= ~IMMUTABLE;
    if (!guests) {
      // Reclaim has no address.
      t.word[i] &= ~ADDRESS;
    }
    changed(frame, t.large());
  }

  /**
   * Sets the permissions of all privilege levels, as firmware can: level 0 loses some in no other
   * way.
   */
  public void setPermissions(long address, int permissions) {
    int frame = (int) (address >>> 12);
    Entries t = at(frame);
    t.permissions[t.index(frame)] = permissions;
    changed(frame, t.large());
  }

  // ---- what a change does

  /** Has what processors hold of pages dropped: translations, and code that was decoded. */
  private void changed(int frame, boolean large) {
    int first = first(frame, large);
    for (int f = first; f < first + (large ? PAGES : 1); f++) {
      memory.ownerChanged(f);
    }
  }

  /** Discards the bytes of a page that goes over to a guest, or comes back from it. */
  private void transfer(int frame, long before, long after) {
    boolean was = (before & ASSIGNED) != 0 && asid(before) != 0;
    boolean will = (after & ASSIGNED) != 0 && asid(after) != 0;
    if (was == will) {
      return;
    }
    if (was) {
      memory.discard(frame, Page.SHARED);
    } else if ((after & IMMUTABLE) == 0) {
      memory.discard(frame, key);
    }
  }

  /** Adds all entries to a digest. */
  void digest(MessageDigest digest) {
    ByteBuffer b = ByteBuffer.allocate(16);
    for (int f = 0; f < covered; f++) {
      Entries t = entries[f >>> 9];
      if (t == null) {
        f |= PAGES - 1;
        continue;
      }
      long w = t.word[f & PAGES - 1];
      if (w != 0) {
        digest.update(b.putInt(0, f).putLong(4, w).putInt(12, t.permissions[f & 511]).array());
      }
    }
  }
}
