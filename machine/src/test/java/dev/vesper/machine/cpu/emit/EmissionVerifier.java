package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.R15;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RSP;

import dev.vesper.machine.cpu.NativeBlock;
import dev.vesper.machine.cpu.NativeState;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.Operation;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Proves of the native code of a block that it cannot harm the process, whatever the guest's
 * registers and memory hold: decodes the bytes again, follows every way through them, and demands
 * of each instruction that
 *
 * <ul>
 *   <li>it is one that the processor has, and that no program may need privileges for;
 *   <li>a memory operand is a field of the state block, an entry of the block's own TLB or jump
 *       cache by an index that cannot be outside, a counter of edges by an index of sixteen bits,
 *       or guest RAM that the TLB was found to have, for this access and all of its bytes;
 *   <li>it neither traps nor needs an alignment that was not tested;
 *   <li>a branch leads to an instruction of the block, to the way out with a reason that there is,
 *       or to where the jump cache was found to lead; the way out is the block's last two
 *       instructions, which name it;
 *   <li>the stack pointer stays, and so does the budget but for the block's own.
 * </ul>
 *
 * <p>Code is entered at its beginning and at each operation, where nothing is known of registers.
 */
final class EmissionVerifier {
  /** Something that must not be in code. */
  static final class Violation extends AssertionError {
    private static final long serialVersionUID = 1;

    Violation(String message) {
      super(message);
    }
  }

  private static final int ABOVE_OR_EQUAL = 3;
  private static final int NOT_EQUAL = 5;
  private static final int BELOW_OR_EQUAL = 6;

  private final NativeBlock block;
  private final byte[] code;
  private final int length;
  private final int leave;
  private final int loadVectors;

  /** Where the way out of the block begins. */
  private final int wayOut;

  /** Instructions by where they begin. */
  private final @Nullable Insn[] insns;

  /** What is known where ways meet, or null where no way has led so far. */
  private final @Nullable Knowledge[] known;

  private final boolean[] meeting;

  private EmissionVerifier(
      NativeBlock block, byte[] code, int length, long leave, long loadVectors) {
    this.block = block;
    this.code = code;
    this.length = length;
    this.leave = (int) (leave - block.entry());
    this.loadVectors = (int) (loadVectors - block.entry());
    wayOut = length - BlockEmitter.SHORTEST;
    insns = new Insn[length];
    known = new Knowledge[length + 1];
    meeting = new boolean[length + 1];
  }

  /** {@return what verifies all code that is made while it is set} */
  static NativeCode.Inspector inspector(Runnable each) {
    return new NativeCode.Inspector() {
      @Override
      public void emitted(NativeBlock made, byte[] code, int length, long leave, long load) {
        verify(made, code, length, leave, load);
        each.run();
      }

      @Override
      public void linked(NativeBlock from, int jump, NativeBlock to) {
        verifyLink(from, jump, to);
      }
    };
  }

  /**
   * Verifies a block.
   *
   * @throws Violation if there is something that must not be
   */
  static void verify(NativeBlock block, byte[] code, int length, long leave, long loadVectors) {
    new EmissionVerifier(block, code, length, leave, loadVectors).verify();
  }

  /** A direct jump goes to a block of the same page and kind, and where the first one says. */
  static void verifyLink(NativeBlock from, int jump, NativeBlock to) {
    boolean same =
        from.block().page == to.block().page
            && from.block().mode == to.block().mode
            && from.kind() == to.kind()
            && from.block().current()
            && to.block().current();
    if (!same || from.jumps()[jump] == 0 || from.targets()[jump] != to.block().start) {
      throw new Violation("a link from " + from + " to " + to);
    }
  }

  private Violation violation(int at, String what) {
    Insn in = at < length ? insns[at] : null;
    String bytes = in == null ? "" : in.hex() + " " + in.mnemonic();
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < block.resume().length; i++) {
      b.append("\n  guest ").append(block.block().insn(i).hex()).append(' ');
      b.append(block.block().insn(i).mnemonic()).append(" at ").append(block.resume()[i]);
    }
    return new Violation(what + ", at " + at + ": " + bytes + b);
  }

  private void verify() {
    decode();
    flow(new Knowledge(0), 0);
    for (int i = 0; i < block.resume().length; i++) {
      Knowledge k = new Knowledge(block.resume()[i]);
      if ((block.avx() >>> i & 1) != 0) {
        k.facts.add(new Fact.Loaded(true));
      }
      if (((block.sse() | block.avx()) >>> i & 1) != 0) {
        k.facts.add(new Fact.Loaded(false));
      }
      flow(k, block.resume()[i]);
    }
    for (int at : waysBeforeTheirEnds()) {
      Knowledge k = known[at];
      if (k != null) {
        follow(k.copy(), at);
      }
    }
    for (long jump : block.jumps()) {
      long where = jump - block.entry() - 1;
      boolean direct = where >= 0 && where < length;
      Insn in = direct ? insns[(int) where] : null;
      Insn conditional = direct && where > 0 ? insns[(int) where - 1] : null;
      boolean known32 =
          in != null && in.length == 5 && in.operation() == Operation.JMP
              || conditional != null
                  && conditional.length == 6
                  && conditional.operation() == Operation.JCC;
      if (!known32) {
        throw violation((int) where, "what is patched is not the distance of a jump");
      }
    }
  }

  // ---- control flow

  private void decode() {
    for (int at = 0; at < length; ) {
      Insn in = new Insn();
      if (Decoder.decode(code, at, length, 64, in) != Decoder.Outcome.OK) {
        throw violation(at, "no instruction");
      }
      insns[at] = in;
      at += in.length;
    }
    demandWayOut();
    meeting[0] = true;
    for (int r : block.resume()) {
      demandInstruction(r, r);
      meeting[r] = true;
    }
    for (int at = 0; at < length; at++) {
      Insn in = insns[at];
      if (in == null) {
        continue;
      }
      int target = branchTarget(in, at);
      if (target >= 0) {
        demandInstruction(target, at);
        meeting[target] = true;
      }
    }
  }

  /** {@code LEA RCX, [RCX + number << 8]; JMP leave}. */
  private void demandWayOut() {
    Insn lea = wayOut < 0 ? null : insns[wayOut];
    Insn jump = lea == null ? null : insns[wayOut + lea.length];
    boolean good =
        lea != null
            && jump != null
            && lea.operation() == Operation.LEA
            && lea.reg == RCX
            && lea.base == RCX
            && lea.index == Insn.NO_REG
            && lea.osize == 8
            && lea.asize == 8
            && lea.disp == (long) block.number() << 8
            && jump.operation() == Operation.JMP
            && isBranch(jump)
            && length + jump.imm == leave;
    demand(good, Math.max(0, wayOut), "no way out at the end, or one in the name of another");
  }

  private boolean isWayToVectors(Insn in, int at) {
    return in.operation() == Operation.JMP
        && isBranch(in)
        && at + in.length == wayOut
        && wayOut + in.imm == loadVectors;
  }

  private void demandInstruction(int target, int from) {
    if (target < 0 || target >= length || insns[target] == null) {
      throw violation(from, "a way to " + target + ", where no instruction begins");
    }
  }

  /** {@return where in the block a branch leads, or -1 if it is none or leads to a stub} */
  private int branchTarget(Insn in, int at) {
    if (!isBranch(in)
        || in.operation() == Operation.CALL
        || at >= wayOut
        || isWayToVectors(in, at)) {
      return -1;
    }
    long target = at + in.length + in.imm;
    if (in.operation() == Operation.JMP && target == wayOut) {
      return -1;
    }
    if (target < 0 || target >= wayOut) {
      throw violation(at, "a branch out of the block, to " + target);
    }
    return (int) target;
  }

  private static boolean isBranch(Insn in) {
    return switch (in.operation()) {
      case JMP, JCC, JCXZ, CALL -> in.form().operands.get(0).kind() == OperandKind.RELATIVE;
      default -> false;
    };
  }

  private static boolean endsWay(Insn in) {
    return in.operation() == Operation.JMP;
  }

  /** {@return where ways meet, in an order in which all that lead to a place come before it} */
  private List<Integer> waysBeforeTheirEnds() {
    List<Integer> finished = new ArrayList<>();
    byte[] state = new byte[length + 1];
    for (int at = 0; at < length; at++) {
      if (meeting[at]) {
        visit(at, state, finished);
      }
    }
    return finished.reversed();
  }

  private void visit(int start, byte[] state, List<Integer> finished) {
    if (state[start] == 2) {
      return;
    }
    if (state[start] == 1) {
      throw violation(start, "a loop within the block");
    }
    state[start] = 1;
    int at = start;
    for (; ; ) {
      Insn in = insns[at];
      if (in == null) {
        throw violation(at, "a way runs out of the code");
      }
      int target = branchTarget(in, at);
      if (target >= 0) {
        visit(target, state, finished);
      }
      at += in.length;
      if (endsWay(in)) {
        break;
      }
      if (at >= wayOut) {
        throw violation(at, "a way runs out of the code");
      }
      if (meeting[at]) {
        visit(at, state, finished);
        break;
      }
    }
    state[start] = 2;
    finished.add(start);
  }

  private void flow(Knowledge k, int to) {
    Knowledge there = known[to];
    if (there == null) {
      known[to] = k.copy();
    } else {
      there.join(k, to);
    }
  }

  private void follow(Knowledge k, int start) {
    int at = start;
    for (; ; ) {
      Insn in = insns[at];
      if (in == null) {
        throw violation(at, "no instruction");
      }
      step(k, in, at);
      at += in.length;
      if (endsWay(in)) {
        return;
      }
      if (meeting[at]) {
        flow(k, at);
        return;
      }
    }
  }

  // ---- instructions

  private void step(Knowledge k, Insn in, int at) {
    Operation o = in.operation();
    demand(!in.lock && !in.evex, at, "a prefix that is not expected");
    demand(in.segOverride < 0 || in.segOverride == 5 && in.mem, at, "a segment");
    String feature = in.form().feature;
    NativeEntry entry = NativeEntry.get();
    demand(
        feature == null || entry != null && entry.features().has(feature),
        at,
        "the computer lacks " + feature);
    demand(!k.pushed || o == Operation.POP, at, "flags stay on the stack");
    Knowledge.Comparison compared = k.comparison;
    k.comparison = null;
    switch (o) {
      case JMP, JCC, JCXZ, CALL -> branch(k, in, at, compared);
      case LEA -> lea(k, in, at);
      case PUSH, RET, LEAVE, LOOP, LOOPE, LOOPNE, CMPS, SCAS, LODS, HINT ->
          throw violation(at, "an instruction that code has no use for");
      case POP -> {
        boolean register = in.form().operands.get(0).kind() == OperandKind.OPCODE_REGISTER;
        demand(k.pushed && register, at, "something is taken from the stack");
        k.pushed = false;
        write(k, in.rm, new Value.Unknown(at, in.rm), at);
      }
      case MOVS, STOS -> string(k, in, at);
      default -> new HostInstruction(this, k, in, at).execute(compared);
    }
  }

  Violation bad(int at, String what) {
    return violation(at, what);
  }

  void demand(boolean good, int at, String otherwise) {
    if (!good) {
      throw violation(at, otherwise);
    }
  }

  /** {@return the block that is verified} */
  NativeBlock block() {
    return block;
  }

  /** Sets a general register. */
  void write(Knowledge k, int register, Value v, int at) {
    demand(register != RSP, at, "the stack pointer is written");
    demand(register != R15, at, "the budget is written");
    k.set(register, v);
  }

  private void branch(Knowledge k, Insn in, int at, Knowledge.@Nullable Comparison compared) {
    if (!isBranch(in)) {
      demand(in.operation() == Operation.JMP && in.osize == 8, at, "an indirect call");
      indirect(k, in, at);
      return;
    }
    if (in.operation() == Operation.CALL) {
      long target = at + in.length + in.imm;
      Insn there = target > 0 && target < length ? insns[(int) target] : null;
      demand(there != null && isWayToVectors(there, (int) target), at, "a call to something else");
      boolean avx = k.facts.contains(new Fact.Loadable(true));
      demand(avx || k.facts.contains(new Fact.Loadable(false)), at, "vectors may not be loadable");
      k.facts.add(new Fact.Loaded(false));
      if (avx) {
        k.facts.add(new Fact.Loaded(true));
      }
      write(k, RCX, new Value.Unknown(at, RCX), at);
      return;
    }
    int target = branchTarget(in, at);
    if (target < 0) {
      demand(!isWayToVectors(in, at), at, "vectors are loaded as if by a call");
      leaves(k, at);
      return;
    }
    Knowledge there = k.copy();
    if (in.operation() == Operation.JCXZ && in.asize == 8) {
      showsZero(there, k.register(RCX));
    }
    flow(there, target);
    if (in.operation() == Operation.JCC && compared != null) {
      notTaken(k, in.form().condition, compared);
    }
  }

  private static void showsZero(Knowledge k, Value v) {
    switch (v) {
      case Value.Miss m -> k.facts.add(new Fact.Hit(m.write(), m.of(), m.bytes()));
      case Value.JumpMiss m -> k.facts.add(new Fact.JumpHit(m.of()));
      case Value.Misalignment m -> k.facts.add(new Fact.Aligned(m.of(), m.bytes()));
      case Value.VectorState s -> {
        k.facts.add(new Fact.Loaded(s.avx()));
        k.facts.add(new Fact.Loaded(false));
      }
      case Value.Unloadable u -> k.facts.add(new Fact.Loadable(u.avx()));
      default -> {
        // shows nothing of use
      }
    }
  }

  private static void notTaken(Knowledge k, int condition, Knowledge.Comparison c) {
    switch (condition) {
      case ABOVE_OR_EQUAL -> k.facts.add(new Fact.Below(c.one(), c.other(), c.bytes()));
      case NOT_EQUAL -> k.facts.add(new Fact.Equal(c.one(), c.other(), c.bytes()));
      case BELOW_OR_EQUAL -> {
        if (c.one() instanceof Value.Successor s
            && s.bytes() == c.bytes()
            && c.other().equals(new Value.Constant(1))) {
          k.facts.add(new Fact.Divides(s.of(), s.bytes()));
        }
      }
      default -> {
        // shows nothing of use
      }
    }
  }

  /** To the way out: ECX says why. */
  private void leaves(Knowledge k, int at) {
    if (!(k.register(RCX) instanceof Value.Constant c)) {
      throw violation(at, "code is left for no reason");
    }
    demand(c.value() >>> 8 == 0, at, "code is left in the name of another");
    int why = (int) c.value();
    boolean there =
        why < Math.min(NativeState.OPERATIONS, block.resume().length)
            || why == NativeState.OUT_OF_BUDGET
            || why == NativeState.MISSED_JUMP && k.field(NativeState.RIP) != null
            || why >= NativeState.FIRST_JUMP && why - NativeState.FIRST_JUMP < block.jumps().length;
    demand(there, at, "code is left for a reason that does not exist: " + why);
  }

  /** A jump to where the jump cache leads, in whose page execution is from then on. */
  private void indirect(Knowledge k, Insn in, int at) {
    Value target =
        in.mem ? new HostInstruction(this, k, in, at).load(8) : new Value.Unknown(at, RCX);
    if (!(target instanceof Value.JumpCode c)) {
      throw violation(at, "a jump to somewhere");
    }
    demand(k.facts.contains(new Fact.JumpHit(c.of())), at, "the jump cache was not asked");
    Value page = k.field(NativeState.PAGE);
    demand(new Value.PageAddress(c.of()).equals(page), at, "a jump into another page");
  }

  private void lea(Knowledge k, Insn in, int at) {
    Value unknown = new Value.Unknown(at, in.reg);
    if (in.reg == R15) {
      boolean own =
          at == 0
              && in.base == R15
              && in.index == Insn.NO_REG
              && in.osize == 8
              && in.disp == -block.resume().length;
      demand(own, at, "the budget is written");
      return;
    }
    boolean wide = in.osize == 8 && in.asize == 8;
    Value base = in.base >= 0 && in.base < 16 ? k.register(in.base) : null;
    Value index = in.index == Insn.NO_REG || in.scale != 0 ? null : k.register(in.index);
    boolean two = in.index != Insn.NO_REG;
    Value v = unknown;
    if (wide && two && base != null && index != null) {
      v = sum(base, index, in.disp);
      if (v == null) {
        v = sum(index, base, in.disp);
      }
    } else if (!two && base != null) {
      v = wide ? moved(base, in.disp) : null;
      if (v == null && in.disp == 1 && in.asize == 8 && in.osize >= 4) {
        v = new Value.Successor(base, in.osize);
      }
    }
    write(k, in.reg, v == null ? unknown : v, at);
  }

  /** {@return what is known of the sum of two values and a constant, or null} */
  private static @Nullable Value sum(Value a, Value b, long constant) {
    if (a instanceof Value.Tag t && t.of().equals(b) && constant >= 0 && constant < 64) {
      return new Value.TagSum(t.write(), b, (int) constant + 1);
    }
    if (constant != 0) {
      return null;
    }
    if (a instanceof Value.Rotated r && r.of().equals(b)) {
      return new Value.Hash(b);
    }
    if (a instanceof Value.Low16 x && a.equals(b) && x.of() instanceof Value.Hash h) {
      return new Value.JumpIndex(h.of());
    }
    if (a instanceof Value.JumpTag t && t.of().equals(b)) {
      return new Value.JumpMiss(b);
    }
    if (a instanceof Value.Addend d && d.of().equals(b)) {
      return new Value.Found(b);
    }
    return null;
  }

  private static @Nullable Value moved(Value a, long constant) {
    if (constant == 0) {
      return a;
    }
    if (a instanceof Value.Behind b && constant == 1) {
      return new Value.Room(b.of(), 0);
    }
    if (a instanceof Value.VectorState s && constant == -NativeState.LOADABLE) {
      return new Value.Unloadable(s.avx());
    }
    return null;
  }

  /** A repeated one stays within the pages that were found. */
  private void string(Knowledge k, Insn in, int at) {
    boolean moves = in.operation() == Operation.MOVS;
    demand(in.rep && in.asize == 8, at, "a string instruction that is not repeated");
    int bytes = (in.bytes[in.length - 1] & 1) == 0 ? 1 : in.osize;
    int shift = Integer.numberOfTrailingZeros(bytes);
    inPage(k, 7, true, bytes, shift, at);
    if (moves) {
      inPage(k, 6, false, bytes, shift, at);
      write(k, 6, new Value.Unknown(at, 6), at);
    }
    write(k, 7, new Value.Unknown(at, 7), at);
    write(k, RCX, new Value.Unknown(at, RCX), at);
  }

  private void inPage(Knowledge k, int register, boolean write, int bytes, int shift, int at) {
    if (!(k.register(register) instanceof Value.Found f) || !k.hits(write, f.of(), bytes)) {
      throw violation(at, "a string of which no page was found");
    }
    demand(
        k.register(RCX).bounds().contains(new Value.Room(f.of(), shift)),
        at,
        "a string that may run out of its page");
  }
}
