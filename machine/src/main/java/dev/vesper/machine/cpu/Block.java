package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.Operation;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Straight-line code inside one physical page, or one instruction that crosses into a second. */
public final class Block {
  /** Its instructions, or null while they are in {@link #ops} or only in {@link #code}. */
  private Insn @Nullable [] insns;

  private final int length;

  /** How many bits of code it is; {@link Insn#bits} of each instruction. */
  private final int bits;

  private final int span;

  /** The bytes of what is not in {@link #insns}; empty while it is. */
  private byte[] code = {};

  /** The bytes of the last instruction are one; those of all others are. */
  private final boolean lastValid;

  /** Makes operations of the instructions. */
  private final OpFactory factory;

  /**
   * Operations as far as they have been made: those of another block that were the same, or all.
   */
  private @Nullable Op[] made;

  /** All operations, or null before somebody has asked for them. */
  private Op @Nullable [] ops;

  /** The last instruction sets RIP. */
  public final boolean transfers;

  public final Page page;

  /**
   * Offset of the first instruction in its page: a region's head needs no look at its operations.
   */
  public final int start;

  /** The page that the only instruction runs on into, or null. */
  public @Nullable Page second;

  int secondVersion;

  /** How often it was executed by the interpreter. */
  public int count;

  /** The value of {@link #count} when it last became part of a region. */
  int accounted;

  /** The region that begins here. */
  @Nullable Region region;

  /** A region that HotSpot has not compiled yet. */
  @Nullable Region candidate;

  /** Value of {@link #count} at which the translator has a look, or {@link #PAUSES}. */
  int look;

  /** An observer may have the processor pause here: it looks each time, and no region is made. */
  static final int PAUSES = Integer.MIN_VALUE;

  /** How often it became the beginning of a region. */
  int translations;

  /** {@link Mmu#codeMode} that the code was decoded for. */
  public final int mode;

  /** {@link Page#codeVersion} when it was decoded: it is stale under any other. */
  final int version;

  /** How many different targets of an indirect transfer are remembered. */
  static final int TARGETS = 4;

  /** The block ends with a jump or call through a register or memory. */
  final boolean indirect;

  private int[] targets = {};

  /** Native code by kind of TLB, of one {@link NativeTier#generation}. */
  private @Nullable NativeBlock[] natives = {};

  private int nativeGeneration;

  private @Nullable KnownBlock known;

  /**
   * @param insns at least one, one behind the other
   * @param lastValid whether the bytes of the last are an instruction
   * @param factory makes operations when they are needed
   * @param start offset of the first in its page
   * @param former was decoded from other bytes, or null: of instructions that are the same objects
   *     it gives the operations
   */
  Block(
      Insn[] insns,
      boolean lastValid,
      OpFactory factory,
      Page page,
      int start,
      int mode,
      int look,
      @Nullable Block former) {
    this.insns = insns;
    length = insns.length;
    bits = insns[0].bits;
    int bytes = 0;
    for (Insn in : insns) {
      bytes += in.length;
    }
    span = bytes;
    this.lastValid = lastValid;
    this.factory = factory;
    this.page = page;
    this.mode = mode;
    this.look = look;
    this.start = start;
    version = page.codeVersion;
    Insn last = insns[insns.length - 1];
    this.transfers = lastValid && factory.setsRip(last);
    this.indirect = transfers && goesThroughOperand(last);
    made = former == null || former.ops == null ? new Op[0] : former.madeFor(insns);
  }

  /**
   * A block that an earlier run has decoded.
   *
   * @param bits of its code; {@link Insn#bits} of each instruction
   */
  Block(KnownBlock known, int bits, OpFactory factory, Page page, int start, int mode, int look) {
    this.known = known;
    this.bits = bits;
    length = known.length();
    span = known.span();
    code = new byte[span];
    page.copyTo(start, code, 0, span);
    lastValid = true;
    this.factory = factory;
    this.page = page;
    this.mode = mode;
    this.look = look;
    this.start = start;
    version = page.codeVersion;
    transfers = known.transfers();
    indirect = known.indirect();
    made = new Op[0];
  }

  /** {@return what was known of it without decoding, until it was translated, or null} */
  public @Nullable KnownBlock known() {
    return known;
  }

  /** {@return whether it ends with a jump or call through a register or memory} */
  public boolean indirect() {
    return indirect;
  }

  private static boolean goesThroughOperand(Insn in) {
    return (in.operation() == Operation.JMP || in.operation() == Operation.CALL)
        && in.form().operands.get(0).kind() != OperandKind.RELATIVE;
  }

  private @Nullable Op[] madeFor(Insn[] others) {
    Map<Insn, Op> own = new IdentityHashMap<>();
    for (Op o : ops()) {
      own.put(o.insn, o);
    }
    @Nullable Op[] all = new Op[others.length];
    for (int i = 0; i < all.length; i++) {
      all[i] = own.get(others[i]);
    }
    return all;
  }

  /** {@return the number of instructions} */
  public int length() {
    return length;
  }

  /** {@return an instruction, by its index} */
  public Insn insn(int i) {
    return insns()[i];
  }

  private Insn[] insns() {
    Insn[] all = insns;
    if (all == null) {
      all = new Insn[length];
      int offset = 0;
      for (int i = 0; i < length; i++) {
        all[i] = ops == null ? decodeAgain(offset) : ops[i].insn;
        offset += all[i].length;
      }
      insns = all;
    }
    return all;
  }

  private Insn decodeAgain(int offset) {
    Insn in = new Insn();
    Decoder.Outcome o = Decoder.decode(code, offset, code.length, bits, in);
    assert o == Decoder.Outcome.OK : "an instruction that was one is none now";
    return in;
  }

  /**
   * Lets go of the instructions, which are decoded again if somebody asks for them: most that were
   * translated once are never looked at again, and they are ten times as large as their bytes.
   */
  private void forgetInstructions() {
    Insn[] all = insns;
    if (all == null || !lastValid || second != null) {
      return;
    }
    if (ops == null && code.length == 0) {
      code = new byte[span];
      int offset = 0;
      for (Insn in : all) {
        System.arraycopy(in.bytes, 0, code, offset, in.length);
        offset += in.length;
      }
    }
    insns = null;
  }

  /** {@return whether the bytes of an instruction are one} */
  public boolean valid(int i) {
    return lastValid || i < length - 1;
  }

  /** {@return whether an instruction sets RIP} */
  public boolean setsRip(int i) {
    return transfers && i == length - 1;
  }

  /** {@return the operations of all instructions, which are made when they are first asked for} */
  public Op[] ops() {
    Op[] all = ops;
    if (all == null) {
      // Made one after the other they lie side by side in the computer's memory, and the
      // interpreter's speed is that of the caches.
      all = new Op[length];
      int offset = start;
      for (int i = 0; i < all.length; i++) {
        Insn in = insn(i);
        Op before = made.length == 0 ? null : made[i];
        all[i] = before != null ? before.copy() : make(in, i, offset);
        offset += in.length;
      }
      ops = all;
      made = new Op[0];
    }
    return all;
  }

  private Op make(Insn in, int i, int offset) {
    boolean valid = valid(i);
    Op op = factory.create(valid ? in : null, mode, offset);
    op.offset = (short) offset;
    op.next = (short) (offset + in.length);
    op.insn = in;
    op.valid = valid;
    op.bound();
    return op;
  }

  /**
   * {@return the instruction that was decoded at an offset, or null if there was none or its bytes
   * are others now}
   *
   * @param bytes a copy of the page's
   */
  @Nullable Insn unchanged(byte[] bytes, int offset) {
    int at = start;
    for (int i = 0; i < length && at <= offset; i++) {
      Insn in = insn(i);
      int next = at + in.length;
      if (at == offset) {
        return valid(i)
                && next <= Page.SIZE
                && Arrays.equals(in.bytes, 0, in.length, bytes, offset, next)
            ? in
            : null;
      }
      at = next;
    }
    return null;
  }

  /** {@return native code that was made for a kind of TLB, or null} */
  @Nullable NativeBlock nativeCode(int kind, int generation) {
    return natives.length == 0 || nativeGeneration != generation ? null : natives[kind];
  }

  void setNativeCode(NativeBlock code, int generation) {
    if (natives.length == 0 || nativeGeneration != generation) {
      natives = new NativeBlock[NativeState.KINDS];
      nativeGeneration = generation;
    }
    natives[code.kind()] = code;
    known = null;
    forgetInstructions();
  }

  /** {@return whether the bytes that it was decoded from are still there} */
  public boolean current() {
    return version == page.codeVersion;
  }

  /**
   * Remembers where the transfer at the end went.
   *
   * @param distance from the start of this block's page, in bytes
   */
  void wentTo(long distance) {
    if ((int) distance != distance || targets.length == TARGETS) {
      return;
    }
    for (int t : targets) {
      if (t == (int) distance) {
        return;
      }
    }
    targets = Arrays.copyOf(targets, targets.length + 1);
    targets[targets.length - 1] = (int) distance;
  }

  /** {@return where the transfer at the end went, in bytes from the start of the page} */
  public int[] targets() {
    return targets;
  }

  // Where execution went from here the last times: the distance from the page's start, the block.
  private long distance0 = NOWHERE;
  private long distance1 = NOWHERE;
  private @Nullable Block next0;
  private @Nullable Block next1;
  private static final long NOWHERE = Long.MIN_VALUE;

  /** {@return the block that followed at a distance before, or null; it may be stale} */
  @Nullable Block follower(long distance) {
    return distance0 == distance ? next0 : distance1 == distance ? next1 : null;
  }

  /** Remembers what follows at a distance. */
  void follow(long distance, Block next) {
    if (distance0 != distance) {
      distance1 = distance0;
      next1 = next0;
    }
    distance0 = distance;
    next0 = next;
  }

  /** What a block and an instruction of it take in the computer's memory, in bytes. */
  private static final int OWN_BYTES = 120;

  private static final int INSTRUCTION_BYTES = 210;

  /** Interpretations before another region is made where one has gone. */
  private static final int PATIENCE = 256;

  /** {@return how much of the computer's memory it takes} */
  long bytes() {
    long regions = (region == null ? 0 : Region.BYTES) + (candidate == null ? 0 : Region.BYTES);
    return OWN_BYTES + (long) INSTRUCTION_BYTES * length + regions;
  }

  /** Lets go of all other blocks: this one is no longer executed. */
  void isolate() {
    next0 = null;
    next1 = null;
    distance0 = NOWHERE;
    distance1 = NOWHERE;
    region = null;
    candidate = null;
  }

  /** Lets go of blocks that are stale. */
  void forgetStale() {
    if (next0 != null && !next0.current()) {
      next0 = null;
      distance0 = NOWHERE;
    }
    if (next1 != null && !next1.current()) {
      next1 = null;
      distance1 = NOWHERE;
    }
    Region r = region;
    if (r != null && !r.current()) {
      r.account(false);
      region = null;
      look = count + PATIENCE;
    }
    if (candidate != null && !candidate.current()) {
      candidate = null;
    }
  }

  /** {@return whether a region begins here} */
  public boolean isHead() {
    return region != null || candidate != null;
  }

  /** {@return bytes from the first instruction to the end of the last} */
  public int span() {
    return span;
  }
}
