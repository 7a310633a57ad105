package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.NONE;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.R15;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RSP;

import dev.vesper.machine.cpu.Block;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NativeState;
import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Emission of one block: its frame, the way to guest memory, jumps, and the exits. Guest flags stay
 * in the computer's flags from the first instruction of a run to its last, so that they are exact
 * at every exit: nothing here may change a flag.
 *
 * <p>The code is good at any address, and as any number, but for its last bytes: what all ways out
 * of it lead to, which {@link #place(byte[], int, int, long, long, long)} completes.
 */
final class BlockEmitter {
  final HostAssembler a = new HostAssembler();
  private final InstructionEmitter instructions;
  private final EdgeEmitter edges = new EdgeEmitter(a);

  /** Whether edges are counted. */
  private boolean covers;

  private int kind;
  private int bits;

  /** The operation that is being emitted, by its index. */
  private int index;

  /** The offset in its page of what follows it. */
  private int next;

  private int here;

  /** 32-bit jumps to the exit of the operation that is being emitted. */
  private final List<Integer> misses = new ArrayList<>();

  /** What is emitted behind the block, out of the way of what is executed mostly. */
  private final List<Runnable> later = new ArrayList<>();

  /** 32-bit jumps to the common way out. */
  private final List<Integer> leaving = new ArrayList<>();

  /** Calls of what loads vector registers. */
  private final List<Integer> loading = new ArrayList<>();

  /** Whether vector registers are known to be loaded for instructions without and with VEX. */
  private boolean sseLoaded;

  private boolean avxLoaded;

  // Results beside the code itself.
  private int[] resume = {};

  private long sse;
  private long avx;
  private final int[] jumps = new int[2];
  private final int[] targets = new int[2];
  private int jumpCount;

  BlockEmitter(HostFeatures host, dev.vesper.machine.cpu.CpuFeatures guest, boolean tries) {
    instructions = new InstructionEmitter(this, host, guest, tries);
  }

  /** Has code count edges from now on, or no longer. */
  void cover(boolean on) {
    covers = on;
  }

  boolean covers() {
    return covers;
  }

  int kind() {
    return kind;
  }

  int bits() {
    return bits;
  }

  /** {@return which operation of the block is being emitted} */
  int index() {
    return index;
  }

  /** {@return how many there are} */
  int length() {
    return resume.length;
  }

  /** {@return the offset in the page of the instruction that is being emitted} */
  int here() {
    return here;
  }

  /** {@return the offset in the page of the instruction behind the one that is being emitted} */
  int next() {
    return next;
  }

  /** {@return what is to be known of the code beside its bytes; it shares nothing with this} */
  CodeStore.Translation translation() {
    return new CodeStore.Translation(
        resume, sse, avx, Arrays.copyOf(jumps, jumpCount), targets.clone(), !loading.isEmpty());
  }

  /** Writes a block's code into the assembler, from its position 0 on. */
  void emit(Block block, int aKind) {
    a.reset();
    kind = aKind;
    bits = block.mode >> 1 == 2 ? 64 : 32;
    misses.clear();
    later.clear();
    leaving.clear();
    loading.clear();
    sseLoaded = false;
    avxLoaded = false;
    sse = 0;
    avx = 0;
    jumpCount = 0;
    int length = block.length();
    resume = new int[length];
    budget(length);
    next = block.start;
    for (index = 0; index < length; index++) {
      Insn in = block.insn(index);
      here = next;
      next += in.length;
      resume[index] = a.position();
      if (sseLoaded) {
        sse |= 1L << index;
      }
      if (avxLoaded) {
        avx |= 1L << index;
      }
      int mark = a.position();
      int laterMark = later.size();
      int jumpMark = jumpCount;
      misses.clear();
      if (block.valid(index) && instructions.emit(in)) {
        bindMisses();
      } else {
        a.rewind(mark);
        while (later.size() > laterMark) {
          later.removeLast();
        }
        leaving.removeIf(j -> j >= mark);
        jumpCount = jumpMark;
        leave(index);
        // Vector registers are the interpreter's then; it may also forbid them.
        sseLoaded = false;
        avxLoaded = false;
      }
    }
    if (!block.transfers) {
      jumpTo(next);
    }
    for (int i = 0; i < later.size(); i++) {
      later.get(i).run();
    }
    end();
  }

  // ---- frame and exits

  /** Bytes of {@code LEA RCX, [RCX + number << 8]; JMP leave}, which code ends with. */
  private static final int WAY_OUT = 7 + 5;

  /** Bytes of {@code JMP loadVectors}, which comes before that if vector registers are loaded. */
  private static final int WAY_TO_VECTORS = 5;

  /** Less than this no code has. */
  static final int SHORTEST = WAY_OUT;

  /** ECX: why the code is left, without its number. */
  private void end() {
    if (!loading.isEmpty()) {
      for (int from : loading) {
        a.bind32(from, a.position());
      }
      a.jmp();
    }
    for (int from : leaving) {
      a.bind32(from, a.position());
    }
    wayOut(a);
  }

  /** Writes what code ends with. */
  static void wayOut(HostAssembler a) {
    int at = a.position();
    a.memory(RCX, Integer.MAX_VALUE).lea(RCX);
    a.jmp();
    assert a.position() - at == WAY_OUT : "a way out of another length";
  }

  /**
   * Completes code for where it will be, whatever it was completed for before.
   *
   * @param code the code, as it was emitted
   * @param number what its exits name it by
   * @param at the address of its beginning
   * @param leave address of {@link Stubs#leave}
   * @param loadVectors address of {@link Stubs#loadVectors}, or 0 if the code does not load them
   */
  static void place(byte[] code, int length, int number, long at, long leave, long loadVectors) {
    put32(code, length - 4, (int) (leave - (at + length)));
    put32(code, length - 9, number << 8);
    if (loadVectors != 0) {
      int end = length - WAY_OUT;
      assert code[end - WAY_TO_VECTORS] == (byte) 0xE9 : "no way to the vectors";
      put32(code, end - 4, (int) (loadVectors - (at + end)));
    }
  }

  private static void put32(byte[] code, int at, int v) {
    code[at] = (byte) v;
    code[at + 1] = (byte) (v >> 8);
    code[at + 2] = (byte) (v >> 16);
    code[at + 3] = (byte) (v >> 24);
  }

  private void budget(int n) {
    a.memory(R15, -n).lea(R15);
    a.rorx(RCX, R15, 32);
    int enough = a.jecxz();
    int out = a.jmp();
    a.bind8(enough);
    later.add(
        () -> {
          a.bind32(out, a.position());
          leave(NativeState.OUT_OF_BUDGET);
        });
  }

  /** Leaves native code. */
  private void leave(int why) {
    a.constant(RCX, why);
    leaving.add(a.jmp());
  }

  /** Leaves the instruction to the interpreter, from here. */
  void miss() {
    misses.add(a.jmp());
  }

  /** Leaves it to the interpreter on a condition of the computer's flags. */
  void missIf(int condition) {
    misses.add(a.jcc(condition));
  }

  private void bindMisses() {
    if (misses.isEmpty()) {
      return;
    }
    int[] from = new int[misses.size()];
    for (int m = 0; m < from.length; m++) {
      from[m] = misses.get(m);
    }
    int i = index;
    later.add(
        () -> {
          for (int f : from) {
            a.bind32(f, a.position());
          }
          leave(i);
        });
    misses.clear();
  }

  /** Goes on only if RCX is zero; otherwise the interpreter executes the instruction. */
  void missUnlessZero() {
    int zero = a.jrcxz();
    miss();
    a.bind8(zero);
  }

  // ---- vector registers

  /** Has vector registers loaded, or leaves the instruction to the interpreter. */
  void needVectors(boolean avx) {
    if (avx ? avxLoaded : sseLoaded) {
      return;
    }
    a.state(avx ? NativeState.AVX : NativeState.SSE).load(RCX);
    int loaded = a.jrcxz();
    int slow = a.jmp();
    a.bind8(loaded);
    int back = a.position();
    int i = index;
    later.add(
        () -> {
          a.bind32(slow, a.position());
          a.memory(RCX, -NativeState.LOADABLE).lea(RCX);
          int loadable = a.jrcxz();
          leave(i);
          a.bind8(loadable);
          a.b(0xE8);
          a.d(0);
          loading.add(a.position() - 4);
          a.bind32(a.jmp(), back);
        });
    if (avx) {
      avxLoaded = true;
    }
    sseLoaded = true;
  }

  // ---- guest registers

  static int host(int guest) {
    return Stubs.HOST[guest];
  }

  static boolean inMemory(int guest) {
    return Stubs.HOST[guest] < 0;
  }

  static int slot(int guest) {
    return NativeState.R11 + 8 * (guest - 11);
  }

  /**
   * {@return the host register of a guest register, which is loaded into a spare one if need be}
   */
  int registerOr(int guest, int spare) {
    if (!inMemory(guest)) {
      return host(guest);
    }
    a.state(slot(guest)).load(spare);
    return spare;
  }

  /** Copies a 64-bit guest register. */
  void get(int to, int guest) {
    if (inMemory(guest)) {
      a.state(slot(guest)).load(to);
    } else {
      a.move(to, host(guest));
    }
  }

  /** Sets a guest register, all 64 bits. */
  void set(int guest, int from) {
    if (inMemory(guest)) {
      a.state(slot(guest)).store(from);
    } else {
      a.move(host(guest), from);
    }
  }

  // ---- flags that the computer and guests' processors make different things of

  /** Keeps flags, and the count of a shift, for {@link #applyRule}. */
  void keepFlags(boolean count) {
    if (count) {
      a.state(NativeState.KEPT_COUNT).store(host(1));
    }
    a.state(NativeState.KEPT_RAX).store(HostAssembler.RAX);
    a.flagsToAx();
    a.state(NativeState.KEPT_FLAGS).store(HostAssembler.RAX);
    a.state(NativeState.KEPT_RAX).load(HostAssembler.RAX);
  }

  /**
   * Makes flags what a rule says.
   *
   * @param countMask what counts in CL: if nothing does, flags have not changed; 0 without CL
   */
  void applyRule(FlagRule rule, int countMask) {
    a.state(NativeState.KEPT_RAX).store(HostAssembler.RAX);
    a.flagsToAx();
    int none = -1;
    if (countMask != 0) {
      a.state(NativeState.KEPT_COUNT).load32(RCX);
      arithmetic(4, RCX, countMask);
      none = a.jecxz();
    }
    arithmetic(4, HostAssembler.RAX, rule.taken());
    if (rule.kept() != 0) {
      a.state(NativeState.KEPT_FLAGS).load32(RCX);
      arithmetic(4, RCX, rule.kept());
      // OR EAX, ECX
      a.register(RCX).legacy(0, false, false, HostAssembler.MAP_1, 0x0B, HostAssembler.RAX, false);
    }
    if (rule.set() != 0) {
      arithmetic(1, HostAssembler.RAX, rule.set());
    }
    if (none >= 0) {
      a.bind8(none);
    }
    a.flagsFromAx();
    a.state(NativeState.KEPT_RAX).load(HostAssembler.RAX);
  }

  /** AND (4) or OR (1) of a 32-bit register and a constant. */
  private void arithmetic(int digit, int reg, int constant) {
    a.register(reg).legacy(0, false, false, HostAssembler.MAP_1, 0x81, digit, false);
    a.d(constant);
  }

  // ---- guest memory

  /**
   * Puts an operand's effective address into R13, without a segment.
   *
   * @return false if that is left to the interpreter
   */
  boolean effectiveAddress(Insn in) {
    if (in.asize == 2 || in.disp != (int) in.disp && !(bits == 32 && in.base == Insn.NO_REG)) {
      return false;
    }
    int disp = (int) in.disp;
    boolean wide = in.asize == 8;
    if (in.base == Insn.RIP) {
      long d = in.disp + next;
      if (d != (int) d) {
        return false;
      }
      a.state(NativeState.PAGE).load(R13);
      a.memory(R13, (int) d);
    } else if (in.base == Insn.NO_REG && in.index == Insn.NO_REG) {
      a.constant(R13, wide ? disp : disp & 0xFFFF_FFFFL);
      return true;
    } else {
      int b = in.base == Insn.NO_REG ? NONE : registerOr(in.base, R13);
      int i = in.index == Insn.NO_REG ? NONE : registerOr(in.index, R14);
      a.memory(b, i, in.scale, disp);
    }
    a.lea(R13, wide);
    return true;
  }

  /** {@return whether the segment of an operand is one that native code can use} */
  boolean segmented(int segment) {
    if (segment != CpuState.FS && segment != CpuState.GS) {
      return bits == 64 || segment != CpuState.CS;
    }
    boolean fs = segment == CpuState.FS;
    if (bits == 32) {
      a.state(fs ? NativeState.FS_CHECK : NativeState.GS_CHECK).load(RCX);
      missUnlessZero();
    }
    a.state(fs ? NativeState.FS_BASE : NativeState.GS_BASE).load(R14);
    a.memory(R13, R14, 0, 0);
    a.lea(R13, bits == 64);
    return true;
  }

  /** Puts the linear address of a memory operand into R13. */
  boolean linearAddress(Insn in) {
    return effectiveAddress(in) && segmented(in.segment());
  }

  /** Leaves the instruction to the interpreter if the address in R13 is not aligned. */
  void checkAlignment(int bytes) {
    a.constant(R14, 64 - Integer.numberOfTrailingZeros(bytes));
    a.shlx(RCX, R13, R14);
    missUnlessZero();
  }

  /**
   * Looks for the page of the linear address in R13, which {@code [R13 + R14]} is the memory of
   * afterwards. Uses RCX. What the TLB does not have for this access, and what crosses into another
   * page, is left to the interpreter.
   */
  void lookUp(int bytes, boolean write) {
    a.shrx(R14, R13, RSP);
    a.movzx16(R14, R14);
    a.table(write ? NativeState.writeTags(kind) : NativeState.readTags(kind), R14).load(RCX);
    a.memory(RCX, R13, 0, bytes - 1).lea(RCX);
    a.shrx(RCX, RCX, RSP);
    missUnlessZero();
    a.table(NativeState.hostTable(kind), R14).load(R14);
  }

  /** Names the memory that {@link #lookUp} has found. */
  HostAssembler found() {
    return a.memory(R13, R14, 0, 0);
  }

  // ---- jumps

  /**
   * Looks in the jump cache for the RIP in R13, whose entry R14 counts in units of eight bytes
   * afterwards. What it does not have is left to the interpreter, the whole instruction.
   */
  void lookUpJump() {
    jumpEntry();
    missUnlessZero();
  }

  private void jumpEntry() {
    a.rorx(R14, R13, 16);
    a.memory(R14, R13, 0, 0).lea(R14);
    a.movzx16(R14, R14);
    a.memory(R14, R14, 0, 0).lea(R14);
    a.table(NativeState.jumpCache(kind), R14).load(RCX);
    a.memory(RCX, R13, 0, 0).lea(RCX);
  }

  /** Goes to the RIP in R13 by the entry in R14, which is where an instruction transfers to. */
  void jump() {
    if (!covers) {
      jumpOn();
      return;
    }
    enterPage();
    a.table(NativeState.jumpCache(kind) + 8, R14).load(R14);
    a.state(NativeState.TEMPORARY_2).store(R14);
    edges.emit();
    a.state(NativeState.TEMPORARY_2).legacy(0, false, false, HostAssembler.MAP_1, 0xFF, 4, false);
  }

  /** Counts the edge to a place, if edges are counted. */
  void cover(int target) {
    if (covers) {
      place(R13, target);
      edges.emit();
    }
  }

  /** Counts the edge to the address in R13, if edges are counted. */
  void coverFound() {
    if (covers) {
      edges.emit();
    }
  }

  /** Counts the edge to one place on a condition, and else to another, if edges are counted. */
  void coverEither(int condition, int target, int otherwise) {
    if (covers) {
      place(R14, target);
      place(R13, otherwise);
      a.moveIf(condition, R13, R14);
      edges.emit();
    }
  }

  /** Goes to the RIP in R13 by the entry in R14, without being a transfer. */
  private void jumpOn() {
    enterPage();
    a.table(NativeState.jumpCache(kind) + 8, R14)
        .legacy(0, false, false, HostAssembler.MAP_1, 0xFF, 4, false);
  }

  /** The code in execution is in the page of R13 from now on. */
  void enterPage() {
    a.shrx(RCX, R13, RSP);
    a.shlx(RCX, RCX, RSP);
    a.state(NativeState.PAGE).store(RCX);
  }

  /**
   * {@return whether jumps to a place, relative to the page in execution, are direct} It is in that
   * page, and so is the whole instruction there: one that runs on into the next page is good as
   * long as both are what they are, which the jump cache follows.
   */
  static boolean isDirect(long target) {
    return target >= 0 && target <= Page.SIZE - Decoder.MAX_LENGTH;
  }

  /** Puts the RIP of a place into a register. */
  void place(int to, long target) {
    a.state(NativeState.PAGE).load(to);
    a.memory(to, (int) target);
    a.lea(to, bits == 64);
  }

  /**
   * Ends the block by going to a place, given relative to the page in execution: one of the page,
   * or what follows it.
   */
  void jumpTo(int target) {
    if (isDirect(target)) {
      link(a.jmp(), target);
      return;
    }
    place(R13, target);
    jumpEntry();
    int hit = a.jrcxz();
    a.state(NativeState.RIP).store(R13);
    leave(NativeState.MISSED_JUMP);
    a.bind8(hit);
    jumpOn();
  }

  /** Has a jump go to a place in the page for good as soon as there is native code. */
  void link(int where, int target) {
    int which = jumpCount++;
    jumps[which] = where;
    targets[which] = target;
    later.add(
        () -> {
          a.bind32(where, a.position());
          leave(NativeState.FIRST_JUMP + which);
        });
  }

  /** Emits something behind the block, where misses are those of the present instruction. */
  void outOfLine(Runnable emission) {
    int i = index;
    int own = next;
    later.add(
        () -> {
          index = i;
          next = own;
          emission.run();
          bindMisses();
        });
  }
}
