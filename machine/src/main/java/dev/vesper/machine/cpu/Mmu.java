package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.ExternalBus;
import dev.vesper.machine.memory.LazyMemory;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.RawMemory;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.observe.PageUses;
import dev.vesper.machine.observe.RmpAccess;
import dev.vesper.machine.state.OwnState;
import dev.vesper.machine.state.StateFollower;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Memory as the processor sees it: page walks (AMD APM volume 2, chapter 5), the C-bit, the TLB and
 * the access paths of instructions.
 */
public abstract class Mmu extends CpuState implements OwnState, StateFollower {
  /** Privileges of an access: the processor's own, an instruction's at CPL 0 to 2, at CPL 3. */
  private static final int IMPLICIT = 0;

  private static final int SUPERVISOR = 1;
  private static final int USER = 2;

  static final int READ = 0;
  static final int WRITE = 1;
  static final int EXEC = 2;
  private static final long PAGE_MASK = -4096L;

  /** Vector of the exception that {@link Signal#FAULT} carries. */
  public int faultVector;

  /** Its error code, or -1 for none. */
  public long faultError;

  /**
   * The exception is #GP for a non-canonical address: the instruction decides whether it is #SS.
   */
  public boolean faultNonCanonical;

  public final PhysicalMemory memory;
  public NestedMap nested;

  /** Domain of private accesses: the guest's key, or {@link Page#SHARED} without SEV. */
  public int key;

  /** The C-bit as a mask, 0 without SEV. */
  public long cBit;

  /** Bits of physical addresses that the processor has. */
  private int physicalBits = 48;

  /** The guest runs with SEV-SNP: the reverse map table decides about its own pages. */
  private boolean snpActive;

  /** The guest's ASID, which entries of the reverse map table name. */
  private int asid;

  /** The privilege level that the guest runs at, 0 to 3. */
  private int vmpl;

  /** The guest physical address below which all is private, or {@link #NO_VTOM}. */
  private long virtualTop = NO_VTOM;

  /** {@link #configureSnp}: the C-bit of page tables decides. */
  public static final long NO_VTOM = -1;

  /** Bits of the virtual top of memory that must be zero: it is a multiple of 2 MiB. */
  public static final long VTOM_RESERVED = -1L << 52 | (1 << 21) - 1;

  private final PageTables tables = new PageTables();

  public @Nullable ExternalBus bus;

  /**
   * Frames that only instruction fetches may read while paging is on: a machine option that shows
   * what execute-only text breaks.
   */
  public BitSet executeOnly = new BitSet();

  /** Told about accesses to watched pages and about code. */
  public transient @Nullable CpuObserver observer;

  /** Told of pages that are used as what they are not, and of what is executed. */
  public transient @Nullable PageUses uses;

  /** The operations in execution while there is an observer, and which of them runs. */
  protected transient Op[] running = {};

  protected transient int runningAt;

  /** RIP is that of the instruction in execution: there is no need of {@link #running}. */
  protected transient boolean single = true;

  /** What native code works on: see {@link NativeState}. */
  private final transient MemorySegment nativeState = LazyMemory.map(NativeState.SIZE);

  private final transient Tlb supervisor = tlb(nativeState, 0);
  private final transient Tlb user = tlb(nativeState, 1);

  /** Of supervisor accesses that SMAP lets through to user pages because RFLAGS.AC is set. */
  private final transient Tlb unguarded = tlb(nativeState, 2);

  /**
   * Never filled: used while alignment checking is on, so that every access takes the slow path.
   */
  private final transient Tlb empty = tlb(nativeState, 3);

  /** What DR7 enables; brought up to date by {@link #modeChanged}. */
  public final Breakpoints breakpoints = new Breakpoints();

  /** Where observers have the processor pause; shared by all processors. */
  public transient PausePoints pausePoints = new PausePoints();

  /** An observer wants the processor to pause before the next instruction. */
  private transient boolean pauseWanted;

  /** The instruction in execution is to be completed although an observer waits for its access. */
  protected transient boolean completing;

  /** The instruction that last accessed a watched page: its count, and what it accessed there. */
  private transient long seenAt = -1;

  private transient int seenTimes;
  private transient long[] seenAccesses = new long[16];

  /** How many of them were seen before the instruction was abandoned. */
  private transient int known;

  /** What was accessed that an observer waits for, or null. */
  private transient @Nullable WatchedAccess watchedAccess;

  private final transient Tlb supervisorCode = tlb(nativeState, 4);
  private final transient Tlb userCode = tlb(nativeState, 5);

  /** By kind of TLB of data. */
  private final transient JumpCache[] jumpCaches = new JumpCache[NativeState.KINDS];

  /** The kind of the TLB that loads and stores look into, or {@link NativeState#NO_KIND}. */
  private transient int nativeKind;

  // Tables of the TLB that loads and stores look into: see Tlb.Tables.
  private transient long tr = supervisor.tables.read();
  private transient long tw = supervisor.tables.write();
  private transient long th = supervisor.tables.host();

  /** Tags and pages of instruction fetches at the current privilege. */
  private transient long tx = supervisorCode.tables.read();

  private transient @Nullable Page[] px = supervisorCode.page;

  /** Width of code, whether segments are flat: what decoded code depends on. */
  private transient int codeMode;

  /** What is added to RIP to make it linear. */
  private transient long codeBase;

  private transient long codeMask = 0xFFFF_FFFFL;

  /**
   * Goes up when decoded code is dropped or a page changes hands: translated code that has called
   * out must look again whether it is still good.
   */
  public transient int codeEpoch;

  /** The processor is broken: nothing flushes its TLBs. */
  private boolean keepsTranslations;

  // Result of the last walk.
  private long walkAddress;
  private boolean walkPrivate;
  private boolean walkWrite;
  private boolean walkUser;
  private boolean walkGlobal;
  private boolean walkNoExec;
  private boolean walkDirty;
  private int walkKey;

  /** Left shift that drops the bits above the widest linear address. */
  private int canonicalShift = 16;

  /** The same for what holds addresses: the processor's width, whatever the paging mode uses. */
  private int widestShift = 16;

  protected Mmu(PhysicalMemory memory, NestedMap nested) {
    this.memory = memory;
    this.nested = nested;
    tables.configure(0, physicalBits);
    for (int k = 0; k < NativeState.KINDS; k++) {
      jumpCaches[k] = new JumpCache(nativeState.address() + NativeState.jumpCache(k));
    }
    memory.onDomainChange(this::frameChanged);
    memory.onCode(
        new PhysicalMemory.CodeListener() {
          @Override
          public void codeDropped() {
            codeEpoch++;
            forgetJumps(true);
          }

          @Override
          public void codeEvicted() {
            forgetStaleCode();
          }

          @Override
          public void storesAreTold(int frame) {
            supervisor.protectFrame(frame);
            user.protectFrame(frame);
            unguarded.protectFrame(frame);
          }

          @Override
          public void codeDecoded(int frame) {
            storesAreTold(frame);
          }
        });
  }

  /** Sets the guest's key and C-bit position, or none. */
  public final void configureEncryption(int guestKey, long cBitMask) {
    key = guestKey;
    cBit = cBitMask;
    configurePhysicalBits(physicalBits);
  }

  /**
   * Says what guest runs, as VMRUN takes it from the save area.
   *
   * @param active SEV-SNP is
   * @param guestAsid its ASID
   * @param level privilege level, 0 to 3
   * @param top address below which all is private, or {@link #NO_VTOM}
   */
  public final void configureSnp(boolean active, int guestAsid, int level, long top) {
    if (active == snpActive && guestAsid == asid && level == vmpl && top == virtualTop) {
      return;
    }
    snpActive = active;
    asid = guestAsid;
    vmpl = level;
    virtualTop = top;
    configureTables();
  }

  /** {@return whether the guest runs with SEV-SNP} */
  public final boolean snpActive() {
    return snpActive;
  }

  /** {@return the guest's ASID} */
  public final int asid() {
    return asid;
  }

  /** {@return the privilege level that the guest runs at} */
  public final int vmpl() {
    return vmpl;
  }

  /** {@return the virtual top of memory, or {@link #NO_VTOM}} */
  public final long virtualTop() {
    return virtualTop;
  }

  /** Sets the virtual top of memory of a guest that has one. */
  protected final void setVirtualTop(long top) {
    virtualTop = top;
    flushTlb(true);
  }

  private void configureTables() {
    if (virtualTop == NO_VTOM) {
      tables.configure(cBit, physicalBits);
    } else {
      // The C-bit is an address bit like those that there are not.
      tables.configure(0, Math.min(physicalBits, Long.numberOfTrailingZeros(cBit)));
    }
    flushTlb(true);
  }

  /** Sets the width of physical addresses: page table entries have no address bits above it. */
  public final void configurePhysicalBits(int bits) {
    physicalBits = bits;
    configureTables();
  }

  /** {@return the bits of CR3 that must be zero in long mode} */
  protected final long reservedInCr3() {
    return tables.beyond() | -1L << 52;
  }

  private static Tlb tlb(MemorySegment memory, int which) {
    return new Tlb(Tlb.Tables.of(memory, NativeState.TABLES, which));
  }

  /** {@return the address of what native code works on} */
  final long nativeState() {
    return nativeState.address();
  }

  /**
   * {@return the kind of the TLB that loads and stores look into, or {@link NativeState#NO_KIND}
   * where each access must be looked at}
   */
  final int nativeKind() {
    return nativeKind;
  }

  /** Empties what native code finds its way by. */
  final void forgetJumps(boolean all) {
    for (JumpCache j : jumpCaches) {
      j.flush(all);
    }
  }

  /**
   * Lets native code find the code of an address, if the TLB has its pages for instructions.
   *
   * @param second the page that the instruction there runs on into, or null
   */
  final void rememberJump(int kind, long la, Page page, @Nullable Page second, long code) {
    if (jumpCaches[kind].has(la, code) || codePage(la) != page) {
      return;
    }
    Tlb t = codeTlb();
    boolean global = t.isGlobal(Tlb.index(la));
    if (second != null) {
      long behind = (la & PAGE_MASK) + Page.SIZE;
      if (codePage(behind) != second) {
        return;
      }
      global &= t.isGlobal(Tlb.index(behind));
    }
    jumpCaches[kind].fill(la, code, global, second != null);
  }

  private void frameChanged(int frame) {
    if (supervisorCode.has(frame) || userCode.has(frame)) {
      forgetJumps(true);
    }
    supervisor.flushFrame(frame);
    user.flushFrame(frame);
    unguarded.flushFrame(frame);
    supervisorCode.flushFrame(frame);
    userCode.flushFrame(frame);
    codeEpoch++;
  }

  /** Decoded code was let go: nothing may keep it. */
  protected abstract void forgetStaleCode();

  // ---- modes and generations

  private Tlb supervisorTlb() {
    return (eflags & AC) != 0 && (cr4 & CR4_SMAP) != 0 ? unguarded : supervisor;
  }

  private int privilege() {
    return cpl == 3 ? USER : SUPERVISOR;
  }

  /** {@return whether a repeated instruction must stop after each iteration} */
  public final boolean stepping() {
    return (eflags & TF) != 0 || breakpoints.active();
  }

  /**
   * Must follow every change of CPL, CS, EFER, CR0, CR4, DR7, segment flatness or RFLAGS.AC: what
   * is kept here follows from them. {@link #cachesFollowState} tells whether somebody forgot.
   */
  public final void modeChanged() {
    if ((dr[7] & 0xFF) != 0 || breakpoints.active()) {
      breakpoints.set(dr, (cr4 & CR4_DE) != 0);
    }
    Tlb t = dataTlb();
    nativeKind = kind(t);
    canonicalShift = unusedAddressBits();
    tr = t.tables.read();
    tw = t.tables.write();
    th = t.tables.host();
    Tlb code = codeTlb();
    tx = code.tables.read();
    px = code.page;
    boolean wide = mode64();
    codeMode = currentCodeMode();
    codeBase = wide ? 0 : segBase[CS];
    codeMask = linearMask();
  }

  /** {@return whether what {@link #modeChanged} keeps is what it would make of the registers} */
  protected final boolean cachesFollowState() {
    Tlb t = dataTlb();
    Tlb code = codeTlb();
    return breakpoints.follow(dr, (cr4 & CR4_DE) != 0)
        && canonicalShift == unusedAddressBits()
        && nativeKind == kind(t)
        && tr == t.tables.read()
        && tw == t.tables.write()
        && th == t.tables.host()
        && tx == code.tables.read()
        && px == code.page
        && codeMode == currentCodeMode()
        && codeBase == (mode64() ? 0 : segBase[CS])
        && codeMask == linearMask();
  }

  /** {@return the TLB that the fast paths of loads and stores look into} */
  private Tlb dataTlb() {
    boolean u = cpl == 3;
    boolean aligned = u && (eflags & AC) != 0 && (cr0 & CR0_AM) != 0;
    return aligned || breakpoints.watchesData() ? empty : u ? user : supervisorTlb();
  }

  private int kind(Tlb t) {
    return t == supervisor ? 0 : t == user ? 1 : t == unguarded ? 2 : NativeState.NO_KIND;
  }

  private Tlb codeTlb() {
    return cpl == 3 ? userCode : supervisorCode;
  }

  private int unusedAddressBits() {
    return (cr4 & CR4_LA57) != 0 && longMode() ? 7 : 16;
  }

  private int currentCodeMode() {
    boolean wide = mode64();
    int bits = wide ? 2 : (segAttr[CS] & 0x400) != 0 ? 1 : 0;
    return bits << 1 | (wide || flat() ? 1 : 0);
  }

  /** {@return whether DS, ES and SS cover all of memory without checks} */
  private boolean flat() {
    for (int s = ES; s <= DS; s++) {
      if (s != CS
          && (segBase[s] != 0 || segLimit[s] != 0xFFFF_FFFFL || (segAttr[s] & 0x9E) != 0x92)) {
        return false;
      }
    }
    return true;
  }

  /** {@return what decoded code depends on: its width in bits 2:1, flat segments in bit 0} */
  public final int codeMode() {
    return codeMode;
  }

  /** {@return the linear address of an instruction} */
  protected final long codeLinear(long address) {
    return address + codeBase & codeMask;
  }

  /** {@return the page that the TLB has for instructions at a linear address, or null} */
  protected final @Nullable Page codePage(long la) {
    return RawMemory.get64(tx + Tlb.offset(la)) == Tlb.tag(la & PAGE_MASK)
        ? px[Tlb.index(la)]
        : null;
  }

  /**
   * {@return whether the TLB has a page for instructions at a linear address}
   *
   * @param la start of a page
   */
  public final boolean fetchesFrom(long la, Page page) {
    return px[Tlb.index(la)] == page && RawMemory.get64(tx + Tlb.offset(la)) == Tlb.tag(la);
  }

  /** {@return the address of the tags that loads hit, as in {@link Tlb.Tables}} */
  public final long readTags() {
    return tr;
  }

  /** {@return the address of the tags that stores hit} */
  public final long writeTags() {
    return tw;
  }

  /** {@return the address of the table of where pages lie that loads and stores hit} */
  public final long hostTable() {
    return th;
  }

  /**
   * Flushes the TLB.
   *
   * @param all global entries too
   */
  public final void flushTlb(boolean all) {
    if (keepsTranslations) {
      modeChanged();
      return;
    }
    supervisor.flush(all);
    user.flush(all);
    unguarded.flush(all);
    supervisorCode.flush(all);
    userCode.flush(all);
    forgetJumps(all);
    modeChanged();
  }

  /** Has it ignore what is to flush its TLBs, as no good processor does; or no longer. */
  public final void keepTranslations(boolean on) {
    keepsTranslations = on;
    if (!on) {
      flushTlb(true);
    }
  }

  /** Flushes one page, as INVLPG does. */
  public final void flushTlbPage(long la) {
    if (keepsTranslations) {
      return;
    }
    supervisor.flushPage(la);
    user.flushPage(la);
    unguarded.flushPage(la);
    supervisorCode.flushPage(la);
    userCode.flushPage(la);
    forgetJumpsTo(la & PAGE_MASK);
  }

  // ---- state that is kept

  private List<Tlb> tlbs() {
    return List.of(supervisor, user, unguarded, supervisorCode, userCode);
  }

  /**
   * {@return what the TLBs hold, as an array of entries for each} A guest that has changed its
   * tables sees what they held before until it invalidates that.
   */
  @Override
  public Object ownState() {
    return tlbs().stream().map(Tlb::entries).toArray(long[][]::new);
  }

  @Override
  public void ownState(Object state) {
    long[][] kept = (long[][]) state;
    List<Tlb> all = tlbs();
    if (kept.length != all.size()) {
      throw new IllegalArgumentException("a processor has " + all.size() + " TLBs");
    }
    for (int i = 0; i < kept.length; i++) {
      Tlb t = all.get(i);
      boolean data = t != supervisorCode && t != userCode;
      boolean changed =
          t.refill(
              kept[i],
              memory::existing,
              p -> data && isWatched(p),
              la -> data && pausePoints.watchesPage(la));
      if (changed && !data) {
        // What jump caches lead to is in the TLBs of code.
        forgetJumps(true);
      }
    }
  }

  @Override
  public void stateChanged() {
    executing = null;
    running = new Op[0];
    runningAt = 0;
    single = true;
    completing = false;
    seenAt = -1;
    watchedAccess = null;
    codeEpoch++;
    modeChanged();
  }

  private void forgetJumpsTo(long page) {
    for (JumpCache j : jumpCaches) {
      j.flushPage(page);
    }
  }

  // ---- faults

  /** Raises an exception with an error code, or -1 for none. */
  public final Signal fault(int vector, long error) {
    throw faulting(vector, error);
  }

  /** {@return what {@link #fault} throws, for who need not throw it} */
  final Signal faulting(int vector, long error) {
    faultVector = vector;
    faultError = error;
    faultNonCanonical = false;
    return Signal.FAULT;
  }

  public final Signal gp(int error) {
    return fault(13, error);
  }

  public final Signal ud() {
    return fault(6, -1);
  }

  private Signal nonCanonical() {
    faultVector = 13;
    faultError = 0;
    faultNonCanonical = true;
    throw Signal.FAULT;
  }

  private Signal pageFault(long la, int code) {
    cr2 = la;
    return fault(14, code);
  }

  /** {@return whether an address has copies of its top bit above the 48 or 57 that are used} */
  public final boolean canonical(long la) {
    return la << canonicalShift >> canonicalShift == la;
  }

  /** Says that the processor has five-level paging, and so 57-bit linear addresses. */
  protected final void configureFiveLevels(boolean there) {
    widestShift = there ? 7 : 16;
  }

  /**
   * {@return whether segment bases, table bases, address MSRs and operands of TLB invalidations may
   * have a value} Where the processor has five-level paging these take 57 bits, used or not.
   */
  public final boolean canonicalBase(long v) {
    return v << widestShift >> widestShift == v;
  }

  /** {@return a canonical address with the low 48 or 57 bits of another} */
  public final long madeCanonical(long la) {
    return la << canonicalShift >> canonicalShift;
  }

  /** Mask of linear addresses of instructions in the current mode. */
  public final long linearMask() {
    return mode64() ? -1L : 0xFFFF_FFFFL;
  }

  /**
   * Mask of the linear addresses that the processor forms itself, for descriptor tables, task state
   * and stacks of other levels: compatibility mode does not cut these.
   */
  private long implicitMask() {
    return longMode() ? -1L : 0xFFFF_FFFFL;
  }

  // ---- page walk

  private Page walkPage(long gpa, long la, boolean begun) {
    if (!nested.readable(gpa >>> 12)) {
      nestedFault(gpa, false, false, true, true);
    }
    if (uses != null) {
      turning(PageUses.Use.WALK, la, gpa, true, begun);
    }
    checkOwner(gpa, la, READ, true, true, SUPERVISOR);
    return memory.page((int) nested.backing(gpa >>> 12), key);
  }

  private long entry(long gpa, int bytes, long la, boolean begun) {
    Page p = walkPage(gpa, la, begun);
    int o = (int) gpa & 0xFFF;
    return bytes == 8 ? p.get64(o) : p.get32(o) & 0xFFFF_FFFFL;
  }

  private void setBits(long gpa, int bits, long la) {
    if (!NestedMap.allowsWrites(nested.type(gpa >>> 12))) {
      nestedFault(gpa, true, false, true, true);
    }
    checkOwner(gpa, la, WRITE, true, true, SUPERVISOR);
    Page p = memory.page((int) nested.backing(gpa >>> 12), key);
    int o = (int) gpa & 0xFFF;
    p.put8(o, p.get8(o) | bits);
    if (p.isCode(o, 1)) {
      memory.dropCode(p);
    }
  }

  private static int errorCode(int present, int access, int privilege) {
    return present | (access == WRITE ? 2 : 0) | (privilege == USER ? 4 : 0);
  }

  private int fetchBit(int access) {
    boolean reported = (efer & EFER_NXE) != 0 && (cr4 & CR4_PAE) != 0 || (cr4 & CR4_SMEP) != 0;
    return access == EXEC && reported ? 0x10 : 0;
  }

  /** Walks the guest's tables, sets A and D bits, leaves the result in the walk fields. */
  private void walk(long la, int access, int privilege) {
    walkGlobal = false;
    walkNoExec = false;
    walkWrite = true;
    walkUser = true;
    walkDirty = true;
    walkKey = 0;
    if ((cr0 & CR0_PG) == 0) {
      walkAddress = la & 0xFFFF_F000L;
      walkPrivate = virtualTop == NO_VTOM || isBelowTop(walkAddress);
      return;
    }
    PageTables format = tables;
    format.mode(cr4, efer);
    int level = format.levels();
    long table = format.root(cr3);
    boolean begun = access != EXEC && privilege != IMPLICIT;
    for (; ; ) {
      long address = format.entryAddress(table, level, la);
      long e = entry(address, format.entryBytes(), la, begun);
      if ((e & PageTables.PRESENT) == 0) {
        pageFault(la, errorCode(0, access, privilege) | fetchBit(access));
      }
      if (format.malformed(e, level)) {
        pageFault(la, errorCode(1, access, privilege) | 8 | fetchBit(access));
      }
      boolean rights = format.hasRights(level);
      if (rights) {
        walkWrite &= (e & PageTables.WRITABLE) != 0;
        walkUser &= (e & PageTables.USER) != 0;
      }
      walkNoExec |= format.forbidsFetches(e);
      boolean leaf = format.leaf(e, level);
      if (leaf) {
        walkKey = PageTables.key(e);
        checkAccess(la, access, privilege);
      }
      int set = PageTables.ACCESSED | (leaf && access == WRITE ? PageTables.DIRTY : 0);
      if (rights && (e & set) != set) {
        setBits(address, set, la);
        e |= set;
      }
      if (leaf) {
        walkDirty = (e & PageTables.DIRTY) != 0;
        walkGlobal = (e & PageTables.GLOBAL) != 0 && (cr4 & CR4_PGE) != 0;
        walkAddress = format.address(e, level, la) & PAGE_MASK;
        walkPrivate = virtualTop == NO_VTOM ? format.isPrivate(e) : isBelowTop(walkAddress);
        return;
      }
      table = format.table(e);
      level--;
    }
  }

  private boolean isBelowTop(long gpa) {
    return Long.compareUnsigned(gpa, virtualTop) < 0;
  }

  // ---- the reverse map table

  /**
   * Checks what the reverse map table says of an access that paging and nested paging allow (AMD
   * APM volume 2, table 15-39; spec: snp 1.3). Walks are what the guest does privately, whatever
   * the page tables say.
   *
   * @param isPrivate the access is one with the C-bit
   * @param tableWalk the processor reads the guest's page tables, or sets A and D there
   */
  private void checkOwner(
      long gpa, long la, int access, boolean isPrivate, boolean tableWalk, int privilege) {
    long refusal = refusal(gpa >>> 12, access, isPrivate, tableWalk, privilege);
    if (refusal != Rmp.ALLOWED) {
      if (refusal == Rmp.NOT_VALIDATED) {
        cr2 = la;
      }
      RmpAccess how =
          switch (access) {
            case WRITE -> tableWalk ? RmpAccess.WALK_WRITE : RmpAccess.WRITE;
            case EXEC -> RmpAccess.FETCH;
            default -> tableWalk ? RmpAccess.WALK : RmpAccess.READ;
          };
      ownerFault(refusal, gpa, la, how, isPrivate);
    }
  }

  /** {@return {@link Rmp#ALLOWED}, or why an access is refused, as {@link Rmp#check} says it} */
  private long refusal(
      long frame, int access, boolean isPrivate, boolean tableWalk, int privilege) {
    Rmp rmp = memory.rmp();
    if (rmp == null) {
      return Rmp.ALLOWED;
    }
    boolean large = nested.large(frame);
    long backing = nested.backing(frame);
    if (snpActive && isPrivate) {
      int need =
          switch (access) {
            case WRITE -> RmpEntry.READ | RmpEntry.WRITE;
            case EXEC -> privilege == USER ? RmpEntry.EXECUTE_USER : RmpEntry.EXECUTE_SUPERVISOR;
            default -> RmpEntry.READ;
          };
      return rmp.check(frame, backing, asid, vmpl, need, large);
    }
    // A guest without SEV-SNP has its page tables in memory of the hypervisor's.
    boolean checked = access == WRITE || tableWalk;
    return checked && !rmp.hypervisorOwns(backing, large) ? Rmp.VIOLATION : Rmp.ALLOWED;
  }

  /**
   * {@return the guest physical address that an instruction of SEV-SNP is about} It is translated
   * as a load of one byte is, which reads nothing.
   */
  public final long operandAddress(long linear) {
    long la = linear & linearMask();
    checkLinear(la, 1, privilege(), linearMask());
    walk(la, READ, privilege());
    long gpa = walkAddress | la & 0xFFF;
    if (!nested.readable(gpa >>> 12)) {
      nestedFault(gpa, false, false, false, walkPrivate);
    }
    if (nested.backing(gpa >>> 12) != gpa >>> 12) {
      // The entry of the page that is reached names another one.
      ownerFault(Rmp.VIOLATION, gpa, la, RmpAccess.OPERAND, walkPrivate);
    }
    return gpa;
  }

  /** {@return whether the last {@link #operandAddress} is mapped with the C-bit} */
  public final boolean operandIsPrivate() {
    return walkPrivate;
  }

  /** {@return whether the rights of a key forbid an access to the page of the last walk} */
  private boolean keyForbids(int access, int privilege) {
    long enabled = walkUser ? CR4_PKE : CR4_PKS;
    if (access == EXEC || (cr4 & enabled) == 0 || !longMode() || !walkUser && privilege == USER) {
      return false;
    }
    int rights = (walkUser ? pkru : pkrs) >>> 2 * walkKey;
    boolean protectedWrite = privilege == USER || (cr0 & CR0_WP) != 0;
    return (rights & 1) != 0 || (rights & 2) != 0 && access == WRITE && protectedWrite;
  }

  private void checkAccess(long la, int access, int privilege) {
    boolean asUser = privilege == USER;
    boolean guarded =
        (cr4 & CR4_SMAP) != 0 && (privilege == IMPLICIT || (eflags & AC) == 0) && access != EXEC;
    boolean byKey = keyForbids(access, privilege);
    boolean bad =
        byKey
            || asUser && !walkUser
            || access == WRITE && !walkWrite && (asUser || (cr0 & CR0_WP) != 0)
            || access == EXEC && (walkNoExec || !asUser && walkUser && (cr4 & CR4_SMEP) != 0)
            || !asUser && walkUser && guarded;
    if (bad) {
      pageFault(la, errorCode(1, access, privilege) | fetchBit(access) | (byKey ? 0x20 : 0));
    }
  }

  // ---- look-up: TLB miss to page

  private static boolean allows(int type, int access) {
    return switch (access) {
      case WRITE -> NestedMap.allowsWrites(type);
      case EXEC -> NestedMap.allowsFetches(type);
      default -> NestedMap.allowsReads(type);
    };
  }

  /** {@return the page of a linear address, or null when the access goes to {@link #bus}} */
  private @Nullable Page lookup(long la, int access, int privilege) {
    Tlb t;
    if (access == EXEC) {
      t = privilege == USER ? userCode : supervisorCode;
    } else {
      t = privilege == USER ? user : privilege == SUPERVISOR ? supervisorTlb() : supervisor;
    }
    int i = Tlb.index(la);
    long page = la & PAGE_MASK;
    if (Tlb.unwatched(access == WRITE ? t.write(i) : t.read(i)) == Tlb.tag(page)) {
      return t.page[i];
    }
    if (access == WRITE && t.allowsToldWrites(i) && Tlb.unwatched(t.read(i)) == Tlb.tag(page)) {
      return told(t, i);
    }
    walk(la, access, privilege);
    boolean isPrivate = walkPrivate || access == EXEC;
    int type = nested.type(walkAddress >>> 12);
    if (type != NestedMap.RAM && !allows(type, access)) {
      if (bus != null && access != EXEC) {
        return null;
      }
      nestedFault(walkAddress | la & 0xFFF, access == WRITE, access == EXEC, false, isPrivate);
    }
    if (access != EXEC && (cr0 & CR0_PG) != 0 && executeOnly.get((int) (walkAddress >>> 12))) {
      if (observer != null) {
        observer.onExecuteOnly(self(), la);
      }
      // As a protection key without access rights would have it.
      pageFault(la, errorCode(1, access, privilege) | 0x20);
    }
    if (uses != null) {
      tellUse(la, access, isPrivate, privilege);
    }
    checkOwner(walkAddress | la & 0xFFF, la, access, isPrivate, false, privilege);
    int frame = (int) nested.backing(walkAddress >>> 12);
    Page p = memory.page(frame, isPrivate ? key : Page.SHARED);
    if (pauseWanted && access != EXEC && startsAgain(privilege)) {
      // An observer has seen the page change hands.
      throw Signal.WATCHED;
    }
    boolean sees = access != EXEC && (isWatched(p) || pausePoints.watchesPage(page));
    boolean writable =
        access != EXEC
            && (walkWrite || privilege != USER && (cr0 & CR0_WP) == 0)
            && NestedMap.allowsWrites(type)
            && !keyForbids(WRITE, privilege)
            && walkDirty
            && refusal(walkAddress >>> 12, WRITE, isPrivate, false, privilege) == Rmp.ALLOWED;
    if (access == EXEC && t.page[i] != null) {
      forgetJumpsTo(t.linearAt(i));
    }
    t.fill(i, page, p, walkGlobal, sees);
    if (access == WRITE) {
      p.changes();
    }
    if (writable) {
      t.allowWritesTo(i, p);
    }
    return p;
  }

  /** Tells who asks for it of an access whose translation is about to be filled. */
  private void tellUse(long la, int access, boolean isPrivate, int privilege) {
    PageUses u = uses;
    long gpa = walkAddress | la & 0xFFF;
    if (u != null && access == EXEC && privilege != USER) {
      u.fetches(la, gpa, walkPrivate);
    }
    PageUses.Use use =
        switch (access) {
          case WRITE -> PageUses.Use.WRITE;
          case EXEC -> PageUses.Use.FETCH;
          default -> PageUses.Use.READ;
        };
    turning(use, la, gpa, isPrivate, access != EXEC && privilege != IMPLICIT);
  }

  /**
   * Tells who asks for it of a page that is about to be used as what it is not.
   *
   * @param begun an instruction is in execution, which makes the access
   */
  private void turning(PageUses.Use use, long la, long gpa, boolean isPrivate, boolean begun) {
    PageUses u = uses;
    int frame = (int) nested.backing(gpa >>> 12);
    if (u == null
        || memory.existing(frame) == null
        || memory.domain(frame) == (isPrivate ? key : Page.SHARED) && !u.awaits(gpa)) {
      return;
    }
    if (begun && startsAgain(SUPERVISOR)) {
      // Alone, the instruction is known by its address.
      throw Signal.WATCHED;
    }
    u.turns(use, la, gpa, isPrivate);
  }

  /** {@return the page of an entry that is about to be written to, and whose changes are told} */
  private static @Nullable Page told(Tlb t, int i) {
    Page p = t.page[i];
    if (p != null) {
      p.changes();
      t.allowWritesTo(i, p);
    }
    return p;
  }

  /** {@return the page that instructions at a linear address are fetched from} */
  public final Page fetchPage(long la) {
    if (longMode() && !canonical(la)) {
      gp(0);
    }
    Page p = lookup(la, EXEC, privilege());
    if (p == null) {
      throw new AssertionError("instruction fetch from the bus");
    }
    return p;
  }

  /**
   * Reports a nested page fault.
   *
   * @param isPrivate the access was one with the C-bit
   */
  protected abstract void nestedFault(
      long gpa, boolean write, boolean fetch, boolean tableWalk, boolean isPrivate);

  /**
   * Reports that the reverse map table refuses an access.
   *
   * @param refusal {@link Rmp#NOT_VALIDATED}, or bits of EXITINFO1 that say why
   * @param la linear address
   * @param isPrivate the access was one with the C-bit
   */
  protected abstract void ownerFault(
      long refusal, long gpa, long la, RmpAccess access, boolean isPrivate);

  /** The page that the executing block was decoded from, for self-modification checks. */
  protected transient @Nullable Page executing;

  /** {@return the processor itself, for observers} */
  protected abstract Cpu self();

  /** {@return the address of the instruction in execution, for observers} */
  public final long instructionRip() {
    return single ? rip : r[PAGE] + running[runningAt].offset & ripMask();
  }

  /** Tells the observer about an access to a watched page. */
  private void seen(Page p, long la, int bytes, boolean write, long value) {
    CpuObserver o = observer;
    if (o != null && !alreadySeen(la, write)) {
      o.onWatched(self(), p, la, (int) la & 0xFFF, bytes, write, value);
    }
  }

  /** Starts or ends watching a page on this processor. */
  public final void watchFrame(int frame, boolean on) {
    supervisor.watchFrame(frame, on);
    user.watchFrame(frame, on);
    unguarded.watchFrame(frame, on);
    if (!on && pausePoints.watchesData()) {
      pausePointsChanged();
    }
  }

  /** {@return a linear address under which this processor has a frame at hand, or -1} */
  public final long linearOf(int frame) {
    long la = supervisor.linear(frame);
    return la != -1 ? la : user.linear(frame);
  }

  private void storing(Page p, int offset, int bytes) {
    if (p.isCode(offset, bytes)) {
      memory.dropCode(p);
      if (p == executing || executing == null) {
        throw Signal.SELF_MODIFYING;
      }
    }
  }

  // ---- slow paths

  private void checkLinear(long la, int bytes, int privilege, long mask) {
    if (mask == -1L) {
      if (!canonical(la) || !canonical(la + bytes - 1)) {
        if (privilege == IMPLICIT) {
          gp(0);
        }
        nonCanonical();
      }
    } else if (privilege != IMPLICIT && la + bytes - 1 > 0xFFFF_FFFFL) {
      // Flat segments need no check but this one: an operand may not wrap at the segment's end.
      nonCanonical();
    }
    if (privilege == USER && (eflags & AC) != 0 && (cr0 & CR0_AM) != 0 && (la & bytes - 1) != 0) {
      fault(17, 0);
    }
  }

  private static long get(Page p, int o, int bytes) {
    return switch (bytes) {
      case 1 -> p.get8(o);
      case 2 -> p.get16(o);
      case 4 -> p.get32(o) & 0xFFFF_FFFFL;
      default -> p.get64(o);
    };
  }

  private static void put(Page p, int o, int bytes, long v) {
    switch (bytes) {
      case 1 -> p.put8(o, (int) v);
      case 2 -> p.put16(o, (int) v);
      case 4 -> p.put32(o, (int) v);
      default -> p.put64(o, v);
    }
  }

  private ExternalBus bus() {
    ExternalBus b = bus;
    if (b == null) {
      throw new AssertionError("no bus");
    }
    return b;
  }

  private void watch(long la, int bytes, boolean write, int privilege) {
    if (pausePoints.watchesData() && pausePoints.watches(la, bytes, write)) {
      await(la, bytes, write, privilege);
    }
    if (breakpoints.watchesData() && privilege != IMPLICIT) {
      breakpoints.access(la, bytes, write);
    }
  }

  /** The same of a write to one page or two. */
  private void watchWrite(long la, int bytes, int privilege, @Nullable Page p, @Nullable Page q) {
    watch(la, bytes, true, privilege);
    if (pausePoints.watchesShared(p) || pausePoints.watchesShared(q)) {
      await(la, bytes, true, privilege);
    }
  }

  /** An observer waits for this access: the processor pauses behind the instruction. */
  private void await(long la, int bytes, boolean write, int privilege) {
    if (startsAgain(privilege)) {
      throw Signal.WATCHED;
    }
    if (watchedAccess == null) {
      watchedAccess = new WatchedAccess(la, bytes, write, instructionRip());
    }
    pauseSoon();
  }

  /**
   * {@return whether an access is one of an instruction that can be executed anew from its start}
   */
  private boolean startsAgain(int privilege) {
    if (completing || executing == null || privilege == IMPLICIT) {
      return false;
    }
    known = seenAt == instructionCount() ? seenTimes : 0;
    return true;
  }

  /** {@return instructions executed before the one in execution, for observers} */
  public final long instructionCount() {
    return single ? icount : icount + runningAt;
  }

  /** {@return whether the observer was told of an access before its instruction was abandoned} */
  private boolean alreadySeen(long la, boolean write) {
    long access = la << 1 | (write ? 1 : 0);
    long now = instructionCount();
    if (now != seenAt) {
      seenAt = now;
      seenTimes = 0;
      known = 0;
    }
    if (completing) {
      for (int i = 0; i < known; i++) {
        if (seenAccesses[i] == access) {
          return true;
        }
      }
    }
    if (seenTimes == seenAccesses.length) {
      seenAccesses = Arrays.copyOf(seenAccesses, 2 * seenTimes);
    }
    seenAccesses[seenTimes++] = access;
    return false;
  }

  /** Has the processor pause before the next instruction. For observers, from its own thread. */
  public void pauseSoon() {
    pauseWanted = true;
  }

  /** {@return whether it is to pause} */
  protected final boolean pauseWanted() {
    return pauseWanted;
  }

  /** Forgets that it was to pause. */
  protected void pauseNoLonger() {
    pauseWanted = false;
    watchedAccess = null;
  }

  /** {@return what was accessed that an observer waits for, or null} */
  public final @Nullable WatchedAccess watchedAccess() {
    return watchedAccess;
  }

  /** Brings the tags of all pages up to date with {@link #pausePoints}. */
  public final void pausePointsChanged() {
    for (Tlb t : List.of(supervisor, user, unguarded)) {
      t.watch(this::isWatched, pausePoints::watchesPage);
    }
  }

  private boolean isWatched(Page p) {
    return p.watched || pausePoints.watchesShared(p);
  }

  private long readSlow(long linear, int bytes, boolean forWrite, int privilege, long mask) {
    long la = linear & mask;
    checkLinear(la, bytes, privilege, mask);
    int access = forWrite ? WRITE : READ;
    int o = (int) la & 0xFFF;
    if (o + bytes <= Page.SIZE) {
      Page p = lookup(la, access, privilege);
      watch(la, bytes, false, privilege);
      if (p == null) {
        return bus().readMemory(walkAddress | o, bytes);
      }
      long v = get(p, o, bytes);
      if (p.watched && !forWrite) {
        seen(p, la, bytes, false, v);
      }
      return v;
    }
    // Both pages must be there before anything is read.
    lookup(la, access, privilege);
    lookup(la + bytes - 1 & mask & PAGE_MASK, access, privilege);
    watch(la, bytes, false, privilege);
    long v = 0;
    for (int i = 0; i < bytes; i++) {
      long a = la + i & mask;
      Page p = lookup(a, access, privilege);
      long b = p == null ? bus().readMemory(walkAddress | a & 0xFFF, 1) : p.get8((int) a & 0xFFF);
      v |= (b & 0xFF) << 8 * i;
      if (p != null && p.watched && !forWrite) {
        seen(p, a, 1, false, b);
      }
    }
    return v;
  }

  private void writeSlow(long linear, int bytes, long v, int privilege, long mask) {
    long la = linear & mask;
    checkLinear(la, bytes, privilege, mask);
    int o = (int) la & 0xFFF;
    if (o + bytes <= Page.SIZE) {
      Page p = lookup(la, WRITE, privilege);
      watchWrite(la, bytes, privilege, p, null);
      if (p == null) {
        bus().writeMemory(walkAddress | o, bytes, v);
      } else {
        if (p.watched) {
          seen(p, la, bytes, true, v);
        }
        storing(p, o, bytes);
        put(p, o, bytes, v);
      }
      return;
    }
    int first = Page.SIZE - o;
    Page p1 = lookup(la, WRITE, privilege);
    Page p2 = lookup(la + first & mask, WRITE, privilege);
    watchWrite(la, bytes, privilege, p1, p2);
    if (p1 != null) {
      storing(p1, o, first);
    }
    if (p2 != null) {
      storing(p2, 0, bytes - first);
    }
    for (int i = 0; i < bytes; i++) {
      long a = la + i & mask;
      Page p = lookup(a, WRITE, privilege);
      if (p == null) {
        bus().writeMemory(walkAddress | a & 0xFFF, 1, v >>> 8 * i & 0xFF);
      } else {
        if (p.watched) {
          seen(p, a, 1, true, v >>> 8 * i & 0xFF);
        }
        p.put8((int) a & 0xFFF, (int) (v >> 8 * i));
      }
    }
  }

  // ---- accesses of instructions

  // A hit is one comparison, in the second of the forms that Tlb tells of: in Java it takes one
  // operation less than the first.

  public final int rd8(long la) {
    long at = Tlb.offset(la);
    if ((la + RawMemory.get64(tr + at) & PAGE_MASK) == 0) {
      return RawMemory.get8(RawMemory.get64(th + at) + la);
    }
    return (int) readSlow(la, 1, false, privilege(), linearMask());
  }

  public final int rd16(long la) {
    long at = Tlb.offset(la);
    if ((la + RawMemory.get64(tr + at) + 1 & PAGE_MASK) == 0) {
      return RawMemory.get16(RawMemory.get64(th + at) + la);
    }
    return (int) readSlow(la, 2, false, privilege(), linearMask());
  }

  public final int rd32(long la) {
    long at = Tlb.offset(la);
    if ((la + RawMemory.get64(tr + at) + 3 & PAGE_MASK) == 0) {
      return RawMemory.get32(RawMemory.get64(th + at) + la);
    }
    return (int) readSlow(la, 4, false, privilege(), linearMask());
  }

  public final long rd64(long la) {
    long at = Tlb.offset(la);
    if ((la + RawMemory.get64(tr + at) + 7 & PAGE_MASK) == 0) {
      return RawMemory.get64(RawMemory.get64(th + at) + la);
    }
    return readSlow(la, 8, false, privilege(), linearMask());
  }

  /** Reads 1, 2, 4 or 8 bytes, zero-extended. */
  public final long rd(long la, int bytes) {
    return switch (bytes) {
      case 1 -> rd8(la);
      case 2 -> rd16(la);
      case 4 -> rd32(la) & 0xFFFF_FFFFL;
      default -> rd64(la);
    };
  }

  /** Reads what will be written back: faults as a write does. */
  public final long rdw(long la, int bytes) {
    long at = Tlb.offset(la);
    if ((la + RawMemory.get64(tw + at) + bytes - 1 & PAGE_MASK) == 0) {
      long address = RawMemory.get64(th + at) + la;
      return switch (bytes) {
        case 1 -> RawMemory.get8(address);
        case 2 -> RawMemory.get16(address);
        case 4 -> RawMemory.get32(address) & 0xFFFF_FFFFL;
        default -> RawMemory.get64(address);
      };
    }
    return readSlow(la, bytes, true, privilege(), linearMask());
  }

  public final void wr8(long la, int v) {
    long at = Tlb.offset(la);
    if ((la + RawMemory.get64(tw + at) & PAGE_MASK) == 0) {
      RawMemory.put8(RawMemory.get64(th + at) + la, v);
      return;
    }
    writeSlow(la, 1, v, privilege(), linearMask());
  }

  public final void wr16(long la, int v) {
    long at = Tlb.offset(la);
    if ((la + RawMemory.get64(tw + at) + 1 & PAGE_MASK) == 0) {
      RawMemory.put16(RawMemory.get64(th + at) + la, v);
      return;
    }
    writeSlow(la, 2, v, privilege(), linearMask());
  }

  public final void wr32(long la, int v) {
    long at = Tlb.offset(la);
    if ((la + RawMemory.get64(tw + at) + 3 & PAGE_MASK) == 0) {
      RawMemory.put32(RawMemory.get64(th + at) + la, v);
      return;
    }
    writeSlow(la, 4, v, privilege(), linearMask());
  }

  public final void wr64(long la, long v) {
    long at = Tlb.offset(la);
    if ((la + RawMemory.get64(tw + at) + 7 & PAGE_MASK) == 0) {
      RawMemory.put64(RawMemory.get64(th + at) + la, v);
      return;
    }
    writeSlow(la, 8, v, privilege(), linearMask());
  }

  /** Writes 1, 2, 4 or 8 bytes. */
  public final void wr(long la, int bytes, long v) {
    switch (bytes) {
      case 1 -> wr8(la, (int) v);
      case 2 -> wr16(la, (int) v);
      case 4 -> wr32(la, (int) v);
      default -> wr64(la, v);
    }
  }

  /** Raises the fault that a store to these bytes would raise, in either page. */
  public final void probeWrite(long la, int bytes) {
    long a = la & linearMask();
    int u = privilege();
    checkRange(a, bytes);
    lookup(a, WRITE, u);
    long end = a + bytes - 1 & linearMask();
    if ((end & PAGE_MASK) != (a & PAGE_MASK)) {
      lookup(end & PAGE_MASK, WRITE, u);
    }
  }

  /** Raises the fault that a load of these bytes would raise, in either page. */
  public final void probeRead(long la, int bytes) {
    long a = la & linearMask();
    int u = privilege();
    checkRange(a, bytes);
    lookup(a, READ, u);
    long end = a + bytes - 1 & linearMask();
    if ((end & PAGE_MASK) != (a & PAGE_MASK)) {
      lookup(end & PAGE_MASK, READ, u);
    }
  }

  private void checkRange(long a, int bytes) {
    long last = a + bytes - 1;
    if (mode64() ? !canonical(a) || !canonical(last) : last > 0xFFFF_FFFFL) {
      nonCanonical();
    }
  }

  /**
   * {@return the page for a block operation, or null where single accesses must be used}
   *
   * @param la start; the caller stays inside the page
   * @param write whether bytes will be stored
   */
  public final @Nullable Page blockPage(long la, boolean write) {
    if ((eflags & AC) != 0 && cpl == 3 || breakpoints.watchesData()) {
      return null;
    }
    long a = la & linearMask();
    if (mode64() && !canonical(a)) {
      nonCanonical();
    }
    Page p = lookup(a, write ? WRITE : READ, privilege());
    return p == null
            || p.watched
            || write && p.codeLines != 0
            || pausePoints.watchesData()
                && (pausePoints.watchesPage(a & PAGE_MASK) || pausePoints.watchesShared(p))
        ? null
        : p;
  }

  // ---- accesses of the processor itself

  /** Reads as the supervisor, for descriptor tables and task state. */
  public final long sysRead(long la, int bytes) {
    return readSlow(la, bytes, false, IMPLICIT, implicitMask());
  }

  /** Raises the fault that {@link #sysWrite} of a byte would raise. */
  protected final void probeSystemWrite(long la) {
    long a = la & implicitMask();
    checkLinear(a, 1, IMPLICIT, implicitMask());
    lookup(a, WRITE, IMPLICIT);
  }

  /** Writes as the supervisor. */
  public final void sysWrite(long la, int bytes, long v) {
    writeSlow(la, bytes, v, IMPLICIT, implicitMask());
  }

  /**
   * The rights of an access to the stack of a level. RFLAGS.AC of user code does not open user
   * pages to the levels that it enters.
   */
  private int stackRights(int level) {
    return level == 3 ? USER : cpl == 3 ? IMPLICIT : SUPERVISOR;
  }

  /** Raises the fault that {@link #writeFrame} would raise. */
  protected final void probeFrame(long la, int bytes, int level) {
    long m = implicitMask();
    lookup(la & m, WRITE, stackRights(level));
    long end = la + bytes - 1 & m;
    if ((end & PAGE_MASK) != (la & m & PAGE_MASK)) {
      lookup(end & PAGE_MASK, WRITE, stackRights(level));
    }
  }

  /** Writes to the stack of a privilege level that is entered, with that level's rights. */
  protected final void writeFrame(long la, int bytes, long v, int level) {
    writeSlow(la, bytes, v, stackRights(level), implicitMask());
  }

  // ---- for observers: look without touching anything

  /**
   * {@return the page of data at a linear address that this processor has accessed and still has at
   * hand, or null} What is at hand is what the last access found, whatever page tables say by now.
   */
  public final @Nullable Page pageAtHand(long la) {
    Tlb t = cpl == 3 ? user : supervisorTlb();
    int i = Tlb.index(la);
    return Tlb.unwatched(t.read(i)) == Tlb.tag(la & PAGE_MASK) ? t.page[i] : null;
  }

  private transient boolean quietPrivate;
  private transient boolean quietUser;

  /** {@return whether the last address that was looked up quietly is mapped with the C-bit} */
  public final boolean quietPrivate() {
    return quietPrivate;
  }

  /** {@return whether user code may touch the last address that was looked up quietly} */
  public final boolean quietUser() {
    return quietUser;
  }

  /** Tells of what the page tables map, without touching anything. */
  public final QuietWalk walkQuietly() {
    tables.mode(cr4, efer);
    return new QuietWalk(
        this, tables, (e, gpa) -> virtualTop == NO_VTOM ? tables.isPrivate(e) : isBelowTop(gpa));
  }

  /**
   * {@return the guest physical address of a linear one, or -1}
   *
   * @param la looked up without faults and without setting A or D bits
   */
  public final long translateQuietly(long la) {
    quietPrivate = true;
    quietUser = false;
    if ((cr0 & CR0_PG) == 0) {
      return la & 0xFFFF_FFFFL;
    }
    quietUser = true;
    PageTables format = tables;
    format.mode(cr4, efer);
    long table = format.root(cr3);
    for (int level = format.levels(); ; level--) {
      long at = format.entryAddress(table, level, la);
      if (!nested.readable(at >>> 12)) {
        return -1;
      }
      long e = memory.peekLong((int) nested.backing(at >>> 12), key, (int) at & 0xFF8);
      if (format.entryBytes() == 4) {
        e = e >>> 8 * ((int) at & 4) & 0xFFFF_FFFFL;
      }
      if ((e & PageTables.PRESENT) == 0 || format.malformed(e, level)) {
        return -1;
      }
      quietUser &= !format.hasRights(level) || (e & PageTables.USER) != 0;
      if (format.leaf(e, level)) {
        long address = format.address(e, level, la);
        quietPrivate = virtualTop == NO_VTOM ? format.isPrivate(e) : isBelowTop(address);
        return address;
      }
      table = format.table(e);
    }
  }
}
