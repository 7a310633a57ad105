package dev.vesper.machine.cpu;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.memory.ExternalBus;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.RawMemory;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.observe.Pause;
import dev.vesper.machine.observe.RmpAccess;
import dev.vesper.machine.observe.RmpCheck;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Formatter;
import dev.vesper.x86.Insn;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The processor's run loop: finds blocks, executes them, delivers what they raise, and returns at a
 * #VMEXIT. Everything is a function of the instruction count; no clock of the computer is read.
 */
public final class Cpu extends ControlRegisters {
  private static final int JUMP_CACHE = 1 << 15;
  private static final int MAX_BLOCK = 64;

  /** {@link #codeMode} of 64-bit code. */
  private static final int WIDE = 4;

  /** The same of 32-bit code with flat segments. */
  private static final int FLAT_32 = 3;

  /** Masks of all exceptions in MXCSR. */
  private static final int ALL_MASKED = 0x1F80;

  /** Bits of XCR0: XMM and YMM; these with opmasks and ZMM. */
  private static final long YMM_STATE = 6;

  private static final long AVX_STATE = YMM_STATE | 0xE0;

  /**
   * Blocks that are executed before the inner loop returns. HotSpot counts calls: from a loop that
   * goes on it makes code for the loop's middle first, and for the whole method later.
   */
  private static final int TURNS = 64;

  /** Instructions of a region before it returns, for the same reason. */
  private static final long LONGEST_RUN = 1 << 12;

  /**
   * Instructions of native code before it returns: until then, no other thread of the Java runtime
   * can have memory collected.
   */
  private static final long LONGEST_NATIVE_RUN = 1 << 16;

  private final transient OpFactory factory;
  private final transient @Nullable Block[] cached = new Block[JUMP_CACHE];

  private transient boolean following;

  /** An observer is told of all instructions, before and behind them. */
  private transient boolean followingAll;

  /** It is so for good. */
  private transient boolean followingAlways;

  /** An observer is told of all instructions, for a while. */
  private transient boolean watching;

  /** An observer is told of each block: all are interpreted. */
  private transient boolean followingBlocks;

  /** What has retired, for performance counters, or null while none needs it. */
  private @Nullable RetiredEvents counting;

  /** What has retired while it was counted. */
  private final RetiredEvents retired = new RetiredEvents();

  /** Each instruction is executed by itself: it is followed or counted. */
  private transient boolean eachAlone;

  /** RIP of the instruction that exited last. */
  public long exitRip;

  /**
   * A host asked for #VMEXIT(VINTR) as soon as the guest can take an interrupt, or something is
   * {@link #queued}.
   */
  public boolean interruptWindow;

  /** What a more privileged level queues instead of the host, or null. */
  private @Nullable QueuedEvents queued;

  private final transient HotCode hot = new HotCode(this);

  /** Counts where control goes, or null. Whoever looks on has it: it is no state of the guest's. */
  private transient @Nullable EdgeMap edges;

  /** Makes and runs native code, or null. */
  private transient @Nullable NativeTier natives;

  /** The generation of native code that jump caches lead to. */
  private transient int nativeGeneration;

  /** Native code that wants one of its jumps to lead somewhere, or null, and which jump. */
  private transient @Nullable NativeBlock linkFrom;

  private transient int linkJump;

  /** The mode of code that the jump cache of each kind leads to. */
  private final transient int[] jumpMode = new int[NativeState.KINDS];

  /** Somebody wants the run to pause, in the middle of whatever the guest does. */
  private transient volatile boolean stopped;

  /** Why {@link #run} returned without a #VMEXIT, or null. */
  private @Nullable Pause paused;

  /** Instruction count at which to pause. */
  private transient long pauseAt = Long.MAX_VALUE;

  /** Instruction count at which no pause point is met, because the run goes on from there. */
  private transient long passing = -1;

  private boolean exitAdvances;
  private final transient byte[] fetchBuffer = new byte[32];

  /** A page of code while it is decoded. */
  private final transient byte[] codeBytes = new byte[Page.SIZE];

  public Cpu(
      PhysicalMemory memory, NestedMap nested, CpuFeatures features, OpFactory factory, long seed) {
    super(memory, nested, features, seed);
    this.factory = factory;
    resetRegisters();
    modeChanged();
  }

  /** Has hot code translated that is decoded from now on, or none with null. */
  public void translateWith(@Nullable Translator t) {
    hot.translateWith(t);
  }

  /** Tells the observer about each instruction, or no longer. */
  public void follow(boolean on) {
    following = on;
    decideAlone();
  }

  /** Tells the observer about each instruction whatever {@link #follow} has said, or no longer. */
  public void watch(boolean on) {
    watching = on;
    decideAlone();
  }

  /**
   * Tells the observer about all instructions, before and behind them: each is interpreted by
   * itself, whatever tier there is. Before the first one only.
   */
  public void followAll() {
    followingAlways = true;
    runNatively(null);
    translateWith(null);
    followAll(true);
  }

  /**
   * Tells the observer about all instructions as {@link #followAll()} does, or no longer: code that
   * was translated is there again then.
   */
  public void followAll(boolean on) {
    followingAll = on;
    decideAlone();
  }

  /** Has all blocks interpreted, and tells the observer about each. Before the first one only. */
  public void followBlocks() {
    followingBlocks = true;
    runNatively(null);
    translateWith(null);
  }

  /**
   * Counts from now on where control goes, or no longer.
   *
   * @param map takes the counts, or null
   */
  public void cover(@Nullable EdgeMap map) {
    edges = map;
    edgeFrom(0);
    if (map == null) {
      RawMemory.put64(nativeState() + NativeState.EDGE_MAP, 0);
    } else {
      map.handTo(nativeState());
    }
    tellTier();
  }

  /** {@return whether edges are counted} */
  public boolean covers() {
    return edges != null;
  }

  private void tellTier() {
    NativeTier tier = natives;
    if (tier != null) {
      tier.cover(edges != null);
    }
  }

  /** {@return the place that the next edge comes from, for {@link #edgeFrom(int)}; 0 for none} */
  public int edgeFrom() {
    return (int) RawMemory.get64(nativeState() + NativeState.EDGE_FROM);
  }

  /** Sets what {@link #edgeFrom()} has returned. */
  public void edgeFrom(int place) {
    RawMemory.put64(nativeState() + NativeState.EDGE_FROM, place);
  }

  /** An instruction is done. */
  private void retired(Op op) {
    if (edges != null && op.valid && EdgeMap.transfers(op.insn)) {
      wentTo(rip);
    }
  }

  /** Counts an edge, if any are counted: control was transferred. */
  public void wentTo(long toRip) {
    EdgeMap m = edges;
    if (m != null) {
      m.count(nativeState(), codeLinear(toRip));
    }
  }

  private void executes(Block b) {
    if (followingBlocks && observer != null) {
      observer.onExecute(this, b);
    }
  }

  /** Has blocks executed by native code from now on, or no more with null. */
  public void runNatively(@Nullable NativeTier tier) {
    natives = tier;
    tellTier();
    linkFrom = null;
    forgetJumps(true);
  }

  private void decideAlone() {
    eachAlone = following || followingAll || watching || counting != null || pauseWanted();
  }

  /** Counts what instructions are retired, which takes time, or no longer. */
  public void countRetired(boolean on) {
    if (on && counting == null) {
      retired.forget();
    }
    counting = on ? retired : null;
    decideAlone();
  }

  /** {@return what was counted} */
  public RetiredEvents retired() {
    return retired;
  }

  @Override
  protected void delivered(int type) {
    wentTo(rip);
    if (counting != null) {
      counting.delivered(type == INTERRUPT, cpl == 3);
    }
  }

  /** The host has executed an instruction that the processor skips. */
  public void skipped(boolean cpuid) {
    if (counting != null) {
      counting.emulated(cpl == 3, cpuid);
    }
  }

  @Override
  protected void forgetBranches() {
    if (counting != null) {
      counting.forget();
    }
  }

  // ---- exits

  @Override
  public Signal exit(int code, long info1, long info2) {
    throw leaving(code, info1, info2);
  }

  /** Like {@link #exit}, but an automatic exit happens after the instruction. */
  @Override
  public Signal exitAfter(int code, long info1, long info2) {
    throw leavingAfter(code, info1, info2);
  }

  /** {@return what {@link #exit} throws, for an instruction whose end it is} */
  public Signal leaving(int code, long info1, long info2) {
    if (intercepts.es && !Intercepts.automatic(code, info1)) {
      if (!intercepts.reflectVc) {
        return faulting(VC, code & 0xFFFF_FFFFL);
      }
      guestExitCode = code;
      guestExitInfo1 = info1;
      guestExitInfo2 = info2;
      return leaving(ExitCode.EXCP0 + VC, 0, 0, false);
    }
    return leaving(code, info1, info2, false);
  }

  /** {@return what {@link #exitAfter} throws} */
  public Signal leavingAfter(int code, long info1, long info2) {
    // Only the automatic exits of an SEV-ES guest leave RIP after the instruction.
    return intercepts.es && Intercepts.automatic(code, info1)
        ? leaving(code, info1, info2, true)
        : leaving(code, info1, info2);
  }

  private Signal leaving(int code, long info1, long info2, boolean advances) {
    exitCode = code;
    exitInfo1 = info1;
    exitInfo2 = info2;
    exitAdvances = advances;
    return Signal.EXIT;
  }

  /** Exits if the host intercepts a code of INTR to RDPRU. */
  public void intercept(int code) {
    if (intercepts.wants(code)) {
      exit(code, 0, 0);
    }
  }

  @Override
  protected Cpu self() {
    return this;
  }

  @Override
  protected void vcRaised(int errorCode) {
    CpuObserver o = observer;
    if (o != null) {
      o.onVc(this, errorCode);
    }
  }

  @Override
  protected void nestedFault(
      long gpa, boolean write, boolean fetch, boolean tableWalk, boolean isPrivate) {
    int type = nested.type(gpa >>> 12);
    long info = type == NestedMap.MMIO ? 9 : type > NestedMap.ROM ? 1 : 0;
    exit(ExitCode.NPF, info | access(write, fetch, tableWalk, isPrivate), gpa);
  }

  @Override
  protected void ownerFault(long refusal, long gpa, long la, RmpAccess access, boolean isPrivate) {
    boolean writes = access == RmpAccess.WRITE || access == RmpAccess.WALK_WRITE;
    boolean walks = access == RmpAccess.WALK || access == RmpAccess.WALK_WRITE;
    boolean vc = refusal == Rmp.NOT_VALIDATED;
    long info = vc ? 0 : refusal | 1 | access(writes, access == RmpAccess.FETCH, walks, isPrivate);
    CpuObserver o = observer;
    Rmp rmp = memory.rmp();
    if (o != null && rmp != null) {
      boolean moved = isPrivate && !vc && nested.backing(gpa >>> 12) != gpa >>> 12;
      RmpCheck why = moved ? RmpCheck.GPA : rmp.failed(gpa >>> 12, asid(), refusal, isPrivate);
      o.onRmpViolation(this, access, la, gpa, isPrivate, info, rmp.read(gpa), why);
    }
    exit(vc ? ExitCode.PAGE_NOT_VALIDATED : ExitCode.NPF, info, vc ? 0 : gpa);
  }

  /** {@return bits of EXITINFO1 that say what access a nested page fault has met} */
  private long access(boolean write, boolean fetch, boolean tableWalk, boolean isPrivate) {
    return (write ? 2 : 0)
        | 4
        | (fetch ? 0x10 : 0)
        | (tableWalk ? 1L << 33 : 1L << 32)
        | (isPrivate && snpActive() ? Rmp.ENCRYPTED : 0);
  }

  /** #NPF of an operand that PVALIDATE, RMPADJUST or RMPQUERY names, which they do not touch. */
  public void operandFault(long refusal, long gpa) {
    ownerFault(refusal, gpa, r[0], RmpAccess.OPERAND, true);
  }

  @Override
  protected void taskSwitchIntercepted(int sel, int cause, long error) {
    if (intercepts.wants(ExitCode.TASK_SWITCH)) {
      long info =
          (cause == TASK_IRET ? 1L << 36 : cause == TASK_JMP ? 1L << 38 : 0)
              | (error >= 0 ? 1L << 44 | error : 0)
              | ((eflags & RF) != 0 ? 1L << 48 : 0);
      exit(ExitCode.TASK_SWITCH, sel, info);
    }
  }

  // ---- event injection

  /**
   * Delivers an event that the host injects. An exit on the way leaves the event in {@link
   * #exitIntInfo}.
   *
   * @param event EVENTINJ format: vector 7:0, type 10:8, error code valid 11, valid 31, error 63:32
   */
  public boolean inject(long event) {
    int vector = (int) event & 0xFF;
    int type = (int) (event >>> 8) & 7;
    long error = (event & 0x800) != 0 ? event >>> 32 : -1;
    exitIntInfo = 0;
    try {
      executing = null;
      if (type == EXCEPTION) {
        raise(vector, error, vector != 3 && vector != 4 && vector != DEBUG);
      } else {
        deliverOrFault(vector, type);
      }
      return true;
    } catch (Signal s) {
      exitIntInfo = event;
      exitNextRip = intercepts.snp ? rip : exitNextRip;
      return false;
    }
  }

  private void deliverOrFault(int vector, int type) {
    for (; ; ) {
      try {
        deliver(vector, -1, type, false);
        return;
      } catch (Signal s) {
        if (s == Signal.EXIT) {
          throw s;
        }
        if (s == Signal.FAULT) {
          raise(faultVector, faultError, true);
          return;
        }
      }
    }
  }

  // ---- run loop

  /**
   * Runs until #VMEXIT. At {@code deadline} instructions the physical interrupt arrives:
   * #VMEXIT(INTR).
   *
   * <p>Where an observer wants it, it pauses before: then {@link #paused} says why, nothing that
   * the host sees has happened, and the same call goes on.
   */
  public void run(long deadline) {
    exitIntInfo = 0;
    paused = null;
    long end = Math.min(deadline, pauseAt);
    while (goOn(end)) {
      if (stopped) {
        // What it was to pause for is told of now or never.
        paused = pauseWanted() ? waited() : Pause.STOPPED;
        return;
      }
    }
    if (paused == null && end < deadline && exitCode == ExitCode.INTR) {
      paused = Pause.COUNT;
    }
  }

  /** {@return the linear address of the instruction at RIP} */
  public long codeAddress() {
    return codeLinear(rip);
  }

  /** {@return why {@link #run} has paused, or null after a #VMEXIT} */
  public @Nullable Pause paused() {
    return paused;
  }

  /** Has {@link #run} pause soon, from any thread, and from then on each time. */
  public void stop() {
    stopped = true;
  }

  /** {@return whether {@link #stop} was called: nothing that takes long is to be begun} */
  final boolean stopping() {
    return stopped;
  }

  /** Sets the count of instructions at which to pause. */
  public void pauseAt(long count) {
    pauseAt = count;
  }

  /**
   * Lets a run go on: what it has paused for is over.
   *
   * @param past whether the instruction at RIP is executed although a pause point is there
   */
  public void resume(boolean past) {
    stopped = false;
    if (past) {
      passing = icount;
    }
    pauseNoLonger();
  }

  @Override
  public void pauseSoon() {
    super.pauseSoon();
    decideAlone();
  }

  @Override
  protected void pauseNoLonger() {
    super.pauseNoLonger();
    decideAlone();
  }

  @Override
  public void stateChanged() {
    super.stateChanged();
    linkFrom = null;
    passing = -1;
    decideAlone();
  }

  /** {@return what it is to pause for} */
  private Pause waited() {
    return watchedAccess() != null ? Pause.DATA : Pause.EVENT;
  }

  /** {@return whether it pauses before the instruction at RIP} */
  private boolean pausesHere() {
    if (pauseWanted()) {
      paused = waited();
      return true;
    }
    if (icount != passing && pausePoints.at(codeLinear(rip))) {
      paused = Pause.CODE;
      return true;
    }
    return false;
  }

  /** Says what is queued instead of by the host from now on, or null for nothing. */
  public void queue(@Nullable QueuedEvents events) {
    queued = events;
  }

  /** {@return what is queued, or null} */
  public @Nullable QueuedEvents queued() {
    return queued;
  }

  /** {@return whether something queued waits for the guest to be able to take it} */
  public boolean queueWaits() {
    QueuedEvents q = queued;
    return q != null && q.waits();
  }

  /** Between instructions, with something waiting; false means #VMEXIT. */
  private boolean takeWaiting() {
    QueuedEvents q = queued;
    boolean enabled = (eflags & IF) != 0;
    if (q != null && q.nmiDue() && !nmiBlocked) {
      q.takeNmi();
      interruptWindow = q.waits();
      return inject(EVENT_VALID | NMI << 8 | NMI);
    }
    if (!enabled || q != null && !q.interruptDue(cr8)) {
      return true;
    }
    if (q == null || intercepts.wants(ExitCode.VINTR)) {
      exitCode = ExitCode.VINTR;
      exitInfo1 = 0;
      exitInfo2 = 0;
      return false;
    }
    int vector = q.takeInterrupt();
    interruptWindow = q.waits();
    return inject(EVENT_VALID | INTERRUPT << 8 | vector);
  }

  /** Executes some blocks; false means #VMEXIT or a pause. */
  private boolean goOn(long deadline) {
    Block from = null;
    Block last = null;
    NativeTier tier = natives != null && natives.admits(nativeState()) ? natives : null;
    for (int turn = 0; turn < TURNS; turn++) {
      assert cachesFollowState() : "a change of mode was not told";
      if (stopped) {
        // A block may take as long as the computer does for a hundred others.
        return true;
      }
      if (icount >= deadline) {
        exitCode = ExitCode.INTR;
        exitInfo1 = 0;
        exitInfo2 = 0;
        return false;
      }
      if (interruptWindow && !interruptShadow) {
        last = null;
        from = null;
        if (!takeWaiting()) {
          return false;
        }
      }
      Block b = last == null ? null : follower(last);
      if (b == null) {
        try {
          b = cachedBlock();
        } catch (Signal s) {
          last = null;
          from = null;
          if (!settle(s, rip, rip)) {
            return false;
          }
          continue;
        }
        if (last != null && b.second == null) {
          last.follow(rip - r[PAGE], b);
        }
      }
      last = null;
      if (from != null) {
        from.wentTo(rip - r[PAGE]);
        from = null;
      }
      r[PAGE] = rip - b.start;
      if ((eflags & (TF | RF)) != 0 || interruptShadow || breakpoints.active() || eachAlone) {
        if (pausesHere()) {
          return false;
        }
        executes(b);
        boolean once = (eflags & TF) == 0 && !breakpoints.active() && !eachAlone;
        if (once && tier != null && b.look != Block.PAUSES) {
          // The next time, native code finds what is behind its STI, or its IRET that sets RF.
          nativeCode(tier, b, deadline);
        }
        if (!step(b.ops()[0], b.page)) {
          return false;
        }
        continue;
      }
      executing = b.page;
      if (tier != null && b.look != Block.PAUSES) {
        NativeBlock code = nativeCode(tier, b, deadline);
        if (code != null) {
          if (!runNatively(tier, code, deadline)) {
            return false;
          }
          continue;
        }
      }
      int i = 0;
      Region region = b.region;
      if (region != null && region.covers() != covers()) {
        hot.forget(b);
        region = null;
      }
      if (region == null) {
        if (++b.count >= b.look) {
          if (b.look == Block.PAUSES) {
            if (pausesHere()) {
              return false;
            }
          } else if (tier == null || !runsNatively(b.mode)) {
            hot.look(b);
            continue;
          }
        }
      } else if (deadline - icount >= region.need() && region.fits(this)) {
        int left = runRegion(region, (int) Math.min(deadline - icount, LONGEST_RUN));
        if (left == EXITED) {
          return false;
        }
        if (left < 0) {
          if (left == Region.STALE) {
            hot.forget(b);
          }
          continue;
        }
        hot.missed(b, region, left);
        b = region.block(left >> Region.INDEX_BITS);
        i = left & (1 << Region.INDEX_BITS) - 1;
      }
      executes(b);
      Op[] ops = b.ops();
      int n = ops.length;
      if (n > deadline - icount) {
        n = (int) (deadline - icount);
      }
      try {
        if (observer == null) {
          do {
            ops[i].exec(this);
          } while (++i < n);
        } else {
          running = ops;
          single = false;
          do {
            runningAt = i;
            ops[i].exec(this);
          } while (++i < n);
          single = true;
        }
        icount += n;
        if (!b.transfers || n < ops.length) {
          rip = r[PAGE] + ops[n - 1].next & ripMask();
        } else {
          retired(ops[n - 1]);
          from = b.indirect ? b : null;
        }
        last = b.mode < WIDE ? null : b;
      } catch (Signal s) {
        single = true;
        icount += i;
        Op op = ops[i];
        if (!settle(op, s, b.page)) {
          return false;
        }
      }
    }
    return true;
  }

  /**
   * {@return the block at RIP if it followed another before and is good, or null} In the same page
   * there is no need to ask the TLB: the instruction before was fetched from it.
   */
  private @Nullable Block follower(Block last) {
    long distance = rip - r[PAGE];
    Block b = last.follower(distance);
    return b != null
            && b.current()
            && b.mode == codeMode()
            && ((distance & -Page.SIZE) == 0 || b.page == codePage(rip))
        ? b
        : null;
  }

  @Override
  protected void forgetStaleCode() {
    for (int i = 0; i < JUMP_CACHE; i++) {
      Block b = cached[i];
      if (b != null && !b.current()) {
        cached[i] = null;
      }
    }
    hot.forgetStale();
  }

  private Block cachedBlock() {
    int h = (int) (rip ^ rip >>> 15) & JUMP_CACHE - 1;
    Block b = cached[h];
    long la = codeLinear(rip);
    if (b == null
        || b.start != ((int) la & Page.SIZE - 1)
        || b.mode != codeMode()
        || b.page != codePage(la)
        || !b.current()
        || b.second != null
        || b.mode < WIDE && rip + b.span() - 1 > segLimit[CS]) {
      b = findBlock();
      cached[h] = b;
    }
    return b;
  }

  // ---- native code

  /**
   * {@return native code to execute a block by, or null if it is the interpreter's: by its kind, or
   * because time ends within it}
   */
  private @Nullable NativeBlock nativeCode(NativeTier tier, Block b, long deadline) {
    int kind = nativeKind();
    if (kind == NativeState.NO_KIND || deadline - icount < b.length() || !runsNatively(b.mode)) {
      return null;
    }
    int generation = tier.generation();
    NativeBlock code = b.nativeCode(kind, generation);
    if (code == null) {
      code = tier.translate(b, kind);
      if (code == null) {
        return null;
      }
      b.setNativeCode(code, generation);
    }
    if (nativeGeneration != generation || jumpMode[kind] != b.mode) {
      nativeGeneration = generation;
      jumpMode[kind] = b.mode;
      forgetJumps(true);
    }
    NativeBlock from = linkFrom;
    linkFrom = null;
    if (from != null
        && from.block().page == b.page
        && from.block().mode == b.mode
        && from.block().current()
        && from.kind() == kind
        && from.targets()[linkJump] == b.start) {
      tier.link(from, linkJump, code);
    }
    rememberJump(kind, rip, b.page, b.second, code.entry());
    return code;
  }

  /** {@return whether code of a mode can be native as things are} */
  private boolean runsNatively(int mode) {
    if (mode >= WIDE) {
      return true;
    }
    return mode == FLAT_32
        && segBase[CS] == 0
        && segLimit[CS] == 0xFFFF_FFFFL
        && stackMask() == 0xFFFF_FFFFL
        && (cr0 & CR0_PE) != 0
        && (eflags & VM) == 0;
  }

  /** Says what native code finds besides registers. */
  private void prepare() {
    r[NativeState.IN_FS_BASE] = segBase[FS];
    r[NativeState.IN_GS_BASE] = segBase[GS];
    r[NativeState.IN_FLAGS] =
        (sf() ? 0x8000 : 0)
            | (zf() ? 0x4000 : 0)
            | (fAx & AF) << 8
            | (pf() ? 0x400 : 0)
            | (cf() ? 0x100 : 0)
            | (of() ? 1 : 0);
    r[NativeState.IN_SSE] = sseIsNative() ? NativeState.LOADABLE : NativeState.FORBIDDEN;
    r[NativeState.IN_AVX] = avxIsNative() ? NativeState.LOADABLE : NativeState.FORBIDDEN;
    r[NativeState.IN_MXCSR] = mxcsr;
    r[NativeState.IN_EFLAGS] = eflags & ~RF;
    r[NativeState.IN_TSC_CHECK] =
        timeStampCounter.isShared()
                || secureTsc != null
                || (cr4 & CR4_TSD) != 0 && cpl != 0
                || intercepts.wants(ExitCode.RDTSC)
            ? 1
            : 0;
    r[NativeState.IN_TSCP_CHECK] =
        r[NativeState.IN_TSC_CHECK] | (intercepts.wants(ExitCode.RDTSCP) ? 1 : 0);
    r[NativeState.IN_TSC_AUX] = tscAux;
    r[NativeState.IN_PAUSE_CHECK] = intercepts.wants(ExitCode.PAUSE) ? 1 : 0;
    r[NativeState.IN_PUSHF_CHECK] = intercepts.wants(ExitCode.PUSHF) ? 1 : 0;
    r[NativeState.IN_STRING_CHECK] = eflags & DF | ((eflags & AC) != 0 && cpl == 3 ? 1 : 0);
    r[NativeState.IN_CLI_CHECK] = !protectedMode() || cpl <= (eflags >> 12 & 3) ? 0 : 1;
    r[NativeState.IN_STI_CHECK] = r[NativeState.IN_CLI_CHECK] | (interruptWindow ? 1 : 0);
    r[NativeState.IN_BASE_CHECK] = (cr4 & CR4_FSGSBASE) == 0 ? 1 : 0;
    int[] s = selector;
    r[NativeState.IN_SELECTORS] =
        s[ES] | (long) s[CS] << 16 | (long) s[SS] << 32 | (long) s[DS] << 48;
    r[NativeState.IN_SELECTORS_FS] = s[FS] | (long) s[GS] << 16;
    r[NativeState.IN_SHADOW] = -1;
    r[NativeState.IN_KERNEL_GS_BASE] = kernelGsBase;
    r[NativeState.IN_PRIVILEGE_CHECK] = cpl;
    r[NativeState.IN_RETURN_CHECK] = returnsNatively() ? 0 : 1;
    r[NativeState.IN_RESUME] = -1;
    if (!mode64()) {
      r[NativeState.IN_PUSHF_CHECK] = 1;
      r[NativeState.IN_FS_CHECK] = coversAll(FS) ? 0 : 1;
      r[NativeState.IN_GS_CHECK] = coversAll(GS) ? 0 : 1;
    }
  }

  /** {@return whether IRET may be native if its frame and the GDT have what they had} */
  private boolean returnsNatively() {
    return cpl == 0
        && mode64()
        && observer == null
        && !nmiBlocked
        && !interruptWindow
        && (eflags & NT) == 0
        && !intercepts.wants(ExitCode.IRET)
        && sameLevelReturn.holds(this);
  }

  /**
   * {@return whether vector instructions can be native: they raise no exception, and the computer's
   * MXCSR has all bits that the guest has set}
   */
  private boolean sseIsNative() {
    return (cr0 & (CR0_TS | CR0_EM)) == 0
        && (cr4 & CR4_OSFXSR) != 0
        && (mxcsr & ALL_MASKED) == ALL_MASKED
        && mxcsr >>> 16 == 0;
  }

  /** {@return the same of those with VEX, which clear registers above the width that they have} */
  private boolean avxIsNative() {
    return sseIsNative() && (cr4 & CR4_OSXSAVE) != 0 && (xcr0 & AVX_STATE) == YMM_STATE;
  }

  private boolean coversAll(int segment) {
    return segLimit[segment] == 0xFFFF_FFFFL && (segAttr[segment] & 0x9E) == 0x92;
  }

  /** Takes over what native code leaves besides registers. */
  private void takeOver() {
    int f = (int) r[NativeState.IN_FLAGS];
    setArith(f >>> 8 & (CF | PF | AF | ZF | SF) | (f & 1) << 11);
    mxcsr = (int) r[NativeState.IN_MXCSR];
    eflags = (int) r[NativeState.IN_EFLAGS];
    segBase[FS] = r[NativeState.IN_FS_BASE];
    segBase[GS] = r[NativeState.IN_GS_BASE];
    kernelGsBase = r[NativeState.IN_KERNEL_GS_BASE];
  }

  /** Executes native code and what it leaves to the interpreter; false means #VMEXIT. */
  private boolean runNatively(NativeTier tier, NativeBlock first, long deadline) {
    long budget = Math.min(deadline - icount, LONGEST_NATIVE_RUN);
    long end = icount + budget;
    r[NativeState.IN_BUDGET] = budget;
    NativeBlock code = first;
    long target = code.entry();
    boolean vectors = false;
    first.block().count++;
    for (; ; ) {
      prepare();
      r[NativeState.IN_TSC] = end + idleTime + tscOffset;
      int left = tier.enter(this, nativeState(), target, vectors);
      takeOver();
      code = tier.block(left >>> 8);
      Block b = code.block();
      int why = left & 0xFF;
      long done = end - r[NativeState.IN_BUDGET];
      long enabled = end - r[NativeState.IN_SHADOW];
      long resumed = end - r[NativeState.IN_RESUME];
      if (why > NativeState.OUT_OF_BUDGET) {
        icount = done;
        interruptShadow = enabled == done;
        if (why == NativeState.MISSED_JUMP) {
          rip = r[NativeState.IN_RIP];
        } else {
          linkFrom = code;
          linkJump = why - NativeState.FIRST_JUMP;
          rip = r[PAGE] + code.targets()[linkJump] & ripMask();
        }
        return true;
      }
      icount = done - b.length();
      // The next instruction is the one behind an STI, which no interrupt precedes.
      boolean next = why == 0 || why == NativeState.OUT_OF_BUDGET;
      boolean shadow = next && enabled == icount;
      // The one behind an IRET is executed with RFLAGS.RF as that has set it.
      boolean resumes = next && resumed == icount;
      if (why == NativeState.OUT_OF_BUDGET || shadow || resumes) {
        interruptShadow = shadow;
        eflags |= resumes ? RF : 0;
        rip = r[PAGE] + b.start & ripMask();
        return true;
      }
      Op[] ops = b.ops();
      executing = b.page;
      running = ops;
      single = false;
      int i = why;
      int epoch = codeEpoch;
      Signal ending = null;
      try {
        do {
          runningAt = i;
          Op op = ops[i];
          if (!op.leaves) {
            op.exec(this);
          } else {
            ending = op.attempt(this);
            if (ending != null) {
              break;
            }
          }
          i++;
        } while (i < ops.length
            && (epoch != codeEpoch
                || eachAlone
                || nativeKind() != code.kind()
                || !b.current()
                || (code.sse() >>> i & 1) != 0 && !sseIsNative()
                || (code.avx() >>> i & 1) != 0 && !avxIsNative()));
      } catch (Signal s) {
        ending = s;
      }
      single = true;
      if (ending != null) {
        icount += i;
        return settle(ops[i], ending, b.page);
      }
      if (i == ops.length) {
        icount += i;
        if (!b.transfers) {
          rip = r[PAGE] + ops[i - 1].next & ripMask();
        } else {
          retired(ops[i - 1]);
        }
        return true;
      }
      target = code.entry() + code.resume()[i];
      vectors = ((code.sse() | code.avx()) >>> i & 1) != 0;
    }
  }

  private static final int EXITED = -3;

  /** Enters a region; the result is the region's own, or {@link #EXITED}. */
  private int runRegion(Region region, int budget) {
    region.entries++;
    single = false;
    try {
      return region.run(this, budget);
    } catch (Signal s) {
      single = true;
      icount += runningAt;
      Page p = executing;
      if (p == null) {
        throw new AssertionError("a region without a page");
      }
      return settle(running[runningAt], s, p) ? Region.DISPATCH : EXITED;
    } finally {
      single = true;
    }
  }

  /** {@return whether a near transfer may go to an address} */
  public boolean reachable(long target) {
    return mode64() ? canonical(target) : target <= segLimit[CS];
  }

  /** {@return the current block at an address, or null if none has been executed there} */
  public @Nullable Block blockAt(long address) {
    Page p = codePage(codeLinear(address));
    if (p == null || !(p.code instanceof CodePage code)) {
      return null;
    }
    Block b = code.get(((int) codeLinear(address) & 0xFFF) << 3 | codeMode());
    return b == null || !b.current() || b.second != null || b.look == Block.PAUSES ? null : b;
  }

  private static final long DR6_BS = 0x4000;
  private static final int DB_INTERCEPT = ExitCode.EXCP0 + 1;
  private static final long EVENT_VALID = 1L << 31;

  /** Executes exactly one instruction with TF, RF, breakpoints and the shadows observed. */
  private boolean step(Op op, Page page) {
    int resume = eflags & RF;
    if (resume == 0 && breakpoints.active()) {
      int hit = breakpoints.atInstruction((mode64() ? rip : rip + segBase[CS]) & linearMask());
      if (hit != 0) {
        // It counts as an instruction: a breakpoint in the handler of #DB would go on for ever.
        icount++;
        return debugException(hit, false);
      }
    }
    long start = rip;
    if ((following || followingAll || watching) && observer != null) {
      observer.onInstruction(this, op.insn);
    }
    boolean shadow = interruptShadow;
    boolean held = stackSwitchShadow;
    breakpoints.met = held ? breakpoints.met : 0;
    int met = breakpoints.met;
    eflags &= ~RF;
    interruptShadow = false;
    stackSwitchShadow = false;
    boolean user = cpl == 3;
    singleStep = (eflags & TF) != 0;
    Signal s = executed(op, page, start);
    if (s == Signal.STEPPED) {
      singleStep = true;
    } else if (s != null) {
      if (s == Signal.EXIT && !exitAdvances) {
        eflags |= resume;
        interruptShadow = shadow;
        stackSwitchShadow = held;
        breakpoints.met = met;
      }
      return settle(op, s, start);
    }
    icount++;
    long next = start + (op.next - op.offset) & ripMask();
    if (!op.setsRip()) {
      rip = next;
    }
    retired(op);
    if (counting != null) {
      counting.retired(op.insn, user, start, next, rip);
    }
    if (followingAll && observer != null) {
      observer.onExecuted(this, op.insn);
    }
    boolean between = rip == start && repeats(op);
    if (between) {
      // The instruction goes on: its breakpoint must not be met again.
      eflags |= resume;
    }
    if (stackSwitchShadow) {
      // What is due waits for the next instruction; a single step has that one's trap instead.
      return true;
    }
    if (singleStep && (debugCtl & DEBUGCTL_BTF) != 0) {
      // Single steps go from branch to branch.
      singleStep = rip != next && !between;
    }
    return !singleStep && breakpoints.met == 0 || debugException(breakpoints.met, singleStep);
  }

  private static boolean repeats(Op op) {
    return op.valid && (op.insn.rep || op.insn.repne) && op.insn.form().repeatable();
  }

  /**
   * Delivers #DB.
   *
   * @param hits DR6 bits of the breakpoints that were met
   * @param stepped it is a single-step trap too
   */
  private boolean debugException(int hits, boolean stepped) {
    if (hits != 0) {
      dr[6] = dr[6] & ~DR6_BREAKPOINTS | hits;
    }
    dr[6] |= stepped ? DR6_BS : 0;
    debugCtl &= ~DEBUGCTL_BTF;
    executing = null;
    try {
      raise(DEBUG, -1, false);
      return true;
    } catch (Signal s) {
      if (exitCode != DB_INTERCEPT) {
        // The instruction will not raise it again: the host must.
        exitIntInfo = EVENT_VALID | EXCEPTION << 8 | DEBUG;
      }
      return false;
    }
  }

  /** Executes one operation; the result is null, or the signal that it ended with. */
  private @Nullable Signal executed(Op op, Page page, long start) {
    for (; ; ) {
      try {
        executing = page;
        op.exec(this);
        completing = false;
        return null;
      } catch (Signal s) {
        if (!again(s, start)) {
          completing = false;
          return s;
        }
      }
    }
  }

  /**
   * {@return whether an operation that ended with a signal is to be executed anew, from its start}
   * Its decoded code may be gone; the operation itself is still good, and its access goes through
   * then.
   */
  private boolean again(Signal s, long start) {
    completing |= s == Signal.WATCHED;
    boolean anew = s == Signal.WATCHED || s == Signal.SELF_MODIFYING;
    if (anew) {
      rip = start;
    }
    return anew;
  }

  /** Deals with a signal of one operation; false means #VMEXIT. */
  private boolean settle(Op op, Signal signal, Page page) {
    long start = r[PAGE] + op.offset & ripMask();
    Signal s = signal;
    if (again(s, start)) {
      s = executed(op, page, start);
      if (s == null) {
        icount++;
        long next = start + (op.next - op.offset) & ripMask();
        if (!op.setsRip()) {
          rip = next;
        }
        retired(op);
        if (counting != null) {
          counting.retired(op.insn, cpl == 3, start, next, rip);
        }
        return true;
      }
    }
    if (s == Signal.STEPPED) {
      icount++;
      retired(op);
      if (counting != null) {
        counting.retired(op.insn, false, start, start + (op.next - op.offset) & ripMask(), rip);
      }
      return debugException(0, true);
    }
    return settle(op, s, start);
  }

  private boolean settle(Op op, Signal s, long start) {
    if (s == Signal.FAULT && faultNonCanonical && op.stackOperand()) {
      faultVector = 12;
    }
    return settle(s, start, start + (op.next - op.offset) & ripMask());
  }

  private boolean settle(Signal s, long start, long after) {
    if (s == Signal.EXIT) {
      exitNextRip = after;
      exitRip = start;
      rip = exitAdvances ? after : start;
      icount += exitAdvances ? 1 : 0;
      return false;
    }
    // A fault behind a task switch is one of the new task, whose RIP is there already.
    rip = switched ? rip : start;
    switched = false;
    icount++;
    executing = null;
    try {
      raise(faultVector, faultError, faultVector != DEBUG);
      return true;
    } catch (Signal e) {
      return false;
    }
  }

  // ---- blocks

  private Block findBlock() {
    long la = codeLinear(rip);
    if (!mode64() && rip > segLimit[CS]) {
      gp(0);
    }
    Page p = fetchPage(la);
    int offset = (int) la & 0xFFF;
    int mode = codeMode();
    int key = offset << 3 | mode;
    if (memory.codeBudget().exceeded()) {
      CodeSweep.run(memory);
    }
    CodePage code = codeOf(p);
    Block b = code.get(key);
    Block former = b;
    if (b != null
        && (!b.current()
            || b.second != null
                && (fetchPage((la & -4096L) + 4096 & linearMask()) != b.second
                    || b.second.codeVersion != b.secondVersion))) {
      b = null;
    }
    if (b == null) {
      b = build(p, la, offset, mode, former);
      code.put(key, b);
      memory.codeBudget().add(b.bytes() - (former == null ? 0 : former.bytes()));
    }
    if (!mode64() && rip + b.span() - 1 > segLimit[CS]) {
      return limited(b);
    }
    return b;
  }

  private static CodePage codeOf(Page p) {
    CodePage code = (CodePage) p.code;
    if (code == null) {
      code = new CodePage(p);
      p.code = code;
    }
    return code;
  }

  /** A block cut short at the limit of its segment. */
  private Block limited(Block b) {
    int fit = 0;
    long end = rip;
    while (fit < b.length() && end + b.insn(fit).length - 1 <= segLimit[CS]) {
      end += b.insn(fit++).length;
    }
    if (fit == 0) {
      gp(0);
    }
    Insn[] insns = new Insn[fit];
    for (int i = 0; i < fit; i++) {
      insns[i] = b.insn(i);
    }
    return new Block(
        insns, b.valid(fit - 1), factory, b.page, b.start, b.mode, firstLook(b.start), null);
  }

  /**
   * Decodes a block.
   *
   * @param former what was decoded there before other bytes of the page changed, or null: code that
   *     keeps changing itself has most of its instructions left as they were
   */
  private Block build(Page p, long la, int start, int mode, @Nullable Block former) {
    Block known = knownBlock(p, start, mode);
    if (known != null) {
      return known;
    }
    List<Insn> insns = new ArrayList<>();
    boolean valid = true;
    int bits = codeBits();
    int offset = start;
    int looked = 0;
    p.copyTo(start, codeBytes, start, Page.SIZE - start);
    // Of instructions that are executed one by one, those behind the first are decoded for nothing.
    int most = followingAlways ? 1 : MAX_BLOCK;
    while (insns.size() < most
        && offset < Page.SIZE
        && (insns.isEmpty() || !pausePoints.beginsBlock(offset))) {
      Insn in = former == null ? null : former.unchanged(codeBytes, offset);
      Decoder.Outcome o = Decoder.Outcome.OK;
      if (in == null) {
        in = new Insn();
        o = Decoder.decode(codeBytes, offset, Page.SIZE, bits, in);
      }
      if (o == Decoder.Outcome.TRUNCATED) {
        if (insns.isEmpty()) {
          return crossing(p, la, offset, mode, bits);
        }
        break;
      }
      if (o == Decoder.Outcome.TOO_LONG) {
        if (insns.isEmpty()) {
          gp(0);
        }
        break;
      }
      if (o == Decoder.Outcome.OK && in.form().readsTime && !insns.isEmpty()) {
        // The time is that of the instruction, wherever else a block might begin.
        break;
      }
      insns.add(in);
      offset += in.length;
      if (o != Decoder.Outcome.OK) {
        // A byte that was only looked at may be what makes it undefined.
        looked = offset - in.length + Decoder.MAX_LENGTH;
        valid = false;
        break;
      }
      if (in.form().endsBlock || factory.setsRip(in)) {
        break;
      }
    }
    if (observer != null) {
      observer.onBlock(this, rip, offset - start);
    }
    mark(p, start, Math.min(Math.max(offset, looked), Page.SIZE));
    Insn[] all = insns.toArray(new Insn[0]);
    return new Block(all, valid, factory, p, start, mode, firstLook(start), former);
  }

  /** {@return the block at an offset, which an earlier run has decoded, or null} */
  private @Nullable Block knownBlock(Page p, int start, int mode) {
    int kind = nativeKind();
    if (natives == null
        || kind == NativeState.NO_KIND
        || pausePoints.hasCode()
        || !runsNatively(mode)) {
      return null;
    }
    KnownBlock k = natives.known(p, start, mode, kind);
    if (k == null) {
      return null;
    }
    if (observer != null) {
      observer.onBlock(this, rip, k.span());
    }
    mark(p, start, start + k.span());
    return new Block(k, codeBits(), factory, p, start, mode, firstLook(start));
  }

  private int firstLook(int offset) {
    return pausePoints.beginsBlock(offset) ? Block.PAUSES : hot.threshold();
  }

  private void mark(Page p, int from, int to) {
    if (p.codeLines == 0) {
      memory.decoding(p);
    }
    p.markCode(from, to);
  }

  private Block crossing(Page p, long la, int offset, int mode, int bits) {
    int first = Page.SIZE - offset;
    p.copyTo(offset, fetchBuffer, 0, first);
    Page q = fetchPage((la & -4096L) + 4096 & linearMask());
    q.copyTo(0, fetchBuffer, first, fetchBuffer.length - first - 1);
    // Fetching the second page may have converted the first; the bytes are already copied.
    Insn in = new Insn();
    Decoder.Outcome o = Decoder.decode(fetchBuffer, 0, 16, bits, in);
    if (o == Decoder.Outcome.TOO_LONG || o == Decoder.Outcome.TRUNCATED) {
      gp(0);
    }
    if (observer != null) {
      observer.onBlock(this, rip, in.length);
    }
    mark(p, offset, Page.SIZE);
    int end = (o == Decoder.Outcome.OK ? in.length : Decoder.MAX_LENGTH) - first;
    if (end > 0) {
      mark(q, 0, end);
    }
    boolean valid = o == Decoder.Outcome.OK;
    Block b = new Block(new Insn[] {in}, valid, factory, p, offset, mode, firstLook(offset), null);
    b.second = q;
    b.secondVersion = q.codeVersion;
    return b;
  }

  // ---- for the host's emulation of plain guests

  /**
   * Executes the instruction at RIP once with unbacked memory and ports answered by a bus.
   *
   * @return false if the instruction itself exited
   */
  public boolean emulateOne(ExternalBus external) {
    bus = external;
    exitIntInfo = 0;
    completing = true;
    int v3 = intercepts.vector3;
    int dr = intercepts.dr;
    // Ports go to the bus; a task switch, IRET or MOV of a debug register that was intercepted is
    // to be
    // done now.
    intercepts.dr = 0;
    intercepts.vector3 &=
        ~(ExitCode.interceptBit(ExitCode.IRET)
            | ExitCode.interceptBit(ExitCode.IOIO)
            | ExitCode.interceptBit(ExitCode.TASK_SWITCH));
    try {
      Block b = findBlock();
      r[PAGE] = rip - b.start;
      return step(b.ops()[0], b.page);
    } catch (Signal s) {
      return settle(s, rip, rip);
    } finally {
      bus = null;
      intercepts.vector3 = v3;
      intercepts.dr = dr;
    }
  }

  // ---- names

  /** {@return the instruction at RIP as text, or what can be said without it} */
  public String disassemble(Formatter.Syntax syntax) {
    long at = instructionRip();
    Insn in = insnAt(at);
    return in == null ? "?" : new Formatter(syntax).format(in, at);
  }

  /**
   * {@return the instruction at an address of the current code segment, or null if its bytes cannot
   * be read}
   */
  public @Nullable Insn insnAt(long address) {
    byte[] b = new byte[Decoder.MAX_LENGTH];
    return decode(b, fetchQuietly(address, b));
  }

  /** {@return the instruction that bytes are in the current code segment, or null if none} */
  public @Nullable Insn decode(byte[] b, int got) {
    Insn in = new Insn();
    Decoder.Outcome o = Decoder.decode(b, 0, got, codeBits(), in);
    return o == Decoder.Outcome.OK || o == Decoder.Outcome.UNDEFINED ? in : null;
  }

  /**
   * Reads code at an address of the current code segment without touching anything.
   *
   * @param b takes up to 15 bytes
   * @return how many there are
   */
  public int fetchQuietly(long address, byte[] b) {
    long la = (mode64() ? address : address + segBase[CS]) & linearMask();
    int got = 0;
    long frame = -1;
    while (got < Decoder.MAX_LENGTH) {
      long a = la + got & linearMask();
      int at = (int) a & 0xFFF;
      if (frame == -1 || at == 0) {
        long gpa = translateQuietly(a);
        if (gpa < 0 || !nested.readable(gpa >>> 12)) {
          break;
        }
        frame = nested.backing(gpa >>> 12);
      }
      long eight = memory.peekLong((int) frame, key, at & ~7);
      do {
        b[got++] = (byte) (eight >>> 8 * (at++ & 7));
      } while (got < Decoder.MAX_LENGTH && (at & 7) != 0);
    }
    return got;
  }
}
