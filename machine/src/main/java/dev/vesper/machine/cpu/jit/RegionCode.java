package dev.vesper.machine.cpu.jit;

import static dev.vesper.machine.cpu.jit.Emitter.ADDRESS;
import static dev.vesper.machine.cpu.jit.Emitter.T1;

import dev.vesper.machine.cpu.Block;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.EdgeMap;
import dev.vesper.machine.cpu.Op;
import dev.vesper.x86.Insn;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.util.ArrayList;
import java.util.List;

/** Emission of a region: its blocks one after the other, and the jumps between them. */
final class RegionCode {
  /** Misses of one operation from which on it is left to its own method. */
  private static final int OFTEN = 500;

  private final Shape shape;
  private final CpuFeatures features;

  /** Whether edges are counted. */
  private final boolean covers;

  private final CodeBuilder code;
  private final Emitter e;
  private final FlagCode flags;
  private final IntegerCode integer;
  private final ShiftCode shifts;
  private final StackCode stack;
  private final Label[] labels;
  private final int need;

  /** Edges into each block, and the flags where the only one comes from. */
  private final int[] incoming;

  private final FlagState[] inherited;

  /** Blocks that follow a call. */
  private final List<Integer> returnSites = new ArrayList<>();

  private int current;

  RegionCode(Shape shape, CpuFeatures features, boolean covers, CodeBuilder code) {
    this.shape = shape;
    this.features = features;
    this.covers = covers;
    this.code = code;
    Block head = shape.blocks.get(0);
    e = new Emitter(code, head.mode, head.ops()[0]);
    e.flat = (head.mode & 1) != 0;
    flags = new FlagCode(e);
    integer = new IntegerCode(e, flags);
    shifts = new ShiftCode(e, flags);
    stack = new StackCode(e);
    int n = shape.blocks.size();
    labels = new Label[n];
    inherited = new FlagState[n];
    incoming = new int[n];
    incoming[0] = 2;
    int sum = 0;
    for (int i = 0; i < n; i++) {
      labels[i] = code.newLabel();
      inherited[i] = new FlagState();
      sum += shape.blocks.get(i).length();
      countEdges(i);
    }
    need = sum;
  }

  private void countEdges(int i) {
    Block b = shape.blocks.get(i);
    Op last = b.ops()[b.length() - 1];
    int next = Emitter.pageOf(shape.place(i)) + last.next;
    if (!b.transfers) {
      edgeTo(next, 1);
      return;
    }
    int target = Shape.target(Emitter.pageOf(shape.place(i)), last);
    switch (Kinds.transfer(last.insn)) {
      case CONDITIONAL -> {
        edgeTo(next, 1);
        edgeTo(target, 1);
      }
      case JUMP -> edgeTo(target, 1);
      case CALL -> {
        edgeTo(target, 1);
        returnTo(next);
      }
      case JUMP_INDIRECT -> targetsOf(b, i);
      case CALL_INDIRECT -> {
        targetsOf(b, i);
        returnTo(next);
      }
      case STRING -> edgeTo(next, 2);
      default -> {
        // leaves the region
      }
    }
  }

  private void returnTo(int place) {
    int n = shape.number(place);
    if (n >= 0 && !returnSites.contains(n)) {
      returnSites.add(n);
      incoming[n] += 2;
    }
  }

  private void targetsOf(Block b, int i) {
    for (int t : b.targets()) {
      edgeTo(Emitter.pageOf(shape.place(i)) + t, 2);
    }
  }

  private void edgeTo(int place, int by) {
    int n = shape.number(place);
    if (n >= 0) {
      incoming[n] += by;
    }
  }

  /** {@return whether the region moves a 32-bit stack pointer} */
  boolean stack32() {
    return e.stack32;
  }

  void emit() {
    e.begin(need);
    for (int i = 0; i < labels.length; i++) {
      block(i);
    }
    e.end(labels[0]);
  }

  private void block(int i) {
    Block b = shape.blocks.get(i);
    current = i;
    e.bind(labels[i]);
    if (incoming[i] == 1) {
      e.flags.copy(inherited[i]);
    } else {
      e.flags.unknown();
    }
    e.startBlock(i, b.length(), Emitter.pageOf(shape.place(i)));
    int last = b.length() - 1;
    for (int k = 0; k < last; k++) {
      Op o = b.ops()[k];
      e.startOp(k, o);
      if (!emitted(o)) {
        e.call();
      }
    }
    Op o = b.ops()[last];
    e.startOp(last, o);
    int next = Emitter.pageOf(shape.place(i)) + o.next;
    if (b.transfers) {
      transfer(o, next);
    } else if (emitted(o)) {
      edge(next);
    } else {
      e.call();
      if (!o.valid || o.insn.form().endsBlock) {
        leave(i, next);
      } else {
        Label dropped = code.newLabel();
        e.checkEpoch(dropped);
        e.later(
            () -> {
              e.bind(dropped);
              leave(i, next);
            });
        edge(next);
      }
    }
  }

  private boolean available(Op o) {
    Insn in = o.insn;
    if (!o.valid || o.misses >= OFTEN) {
      return false;
    }
    String f = in.form().feature;
    return f == null || features.has(f);
  }

  private boolean emitted(Op o) {
    Insn in = o.insn;
    return available(o)
        && !in.vex
        && !in.evex
        && (integer.emit(in) || shifts.emit(in) || stack.emit(in));
  }

  // ---- transfers of control

  private void transfer(Op o, int next) {
    Insn in = o.insn;
    int target = Shape.target(Emitter.pageOf(shape.place(current)), o);
    boolean possible = available(o) && !in.vex && !in.evex;
    Kinds.Transfer kind = possible ? Kinds.transfer(in) : Kinds.Transfer.OTHER;
    switch (kind) {
      case CONDITIONAL -> conditional(in, next, target);
      case JUMP -> {
        check(target);
        transferTo(target);
      }
      case CALL -> {
        if (!e.plainStack()) {
          byItself();
          return;
        }
        check(target);
        stack.pushReturn();
        transferTo(target);
      }
      case CALL_INDIRECT, JUMP_INDIRECT -> indirect(in, kind == Kinds.Transfer.CALL_INDIRECT);
      case RETURN -> ret(in);
      case STRING -> string(next);
      default -> byItself();
    }
  }

  /** Executes a transfer by its own method and leaves the region. */
  private void byItself() {
    e.call();
    if (covers && EdgeMap.transfers(e.in)) {
      e.coverRip();
    }
    e.leaveForRip();
  }

  /**
   * {@return whether a target cannot be out of reach} One in the same page is as canonical as this
   * code; a legacy segment may end inside the page.
   */
  private boolean near(int target) {
    return Emitter.pageOf(target) == Emitter.pageOf(shape.place(current))
        && (e.wide || shape.number(target) >= 0);
  }

  private void check(int target) {
    if (near(target)) {
      return;
    }
    e.ripOfPlace(target);
    code.lstore(T1);
    e.checkTarget(T1);
  }

  private void conditional(Insn in, int next, int target) {
    int cc = in.form().condition;
    if (cc < 0) {
      byItself();
      return;
    }
    e.sync();
    // What is laid out next comes last.
    boolean targetLast = shape.number(target) == current + 1;
    Label other = code.newLabel();
    if (targetLast) {
      flags.jumpIf(cc ^ 1, other);
      later(other, next, true);
      check(target);
      transferTo(target);
    } else {
      flags.jumpIf(cc, other);
      later(other, target, near(target));
      transferTo(next);
    }
  }

  /** Goes on where the last instruction transfers control to, which nothing prevents any more. */
  private void transferTo(int place) {
    cover(place);
    edge(place);
  }

  private void cover(int place) {
    if (covers) {
      e.coverPlace(place);
    }
  }

  private void coverVariable(int variable) {
    if (covers) {
      e.coverVariable(variable);
    }
  }

  /** Emits the less usual edge of a branch. */
  private void later(Label label, int place, boolean near) {
    int from = current;
    FlagState s = new FlagState();
    s.copy(e.flags);
    Label unreachable = near ? label : e.giveUp();
    int n = shape.number(place);
    if (n >= 0 && incoming[n] == 1) {
      inherited[n].copy(s);
    }
    e.later(
        () -> {
          e.bind(label);
          if (!near) {
            e.ripOfPlace(place);
            code.lstore(T1);
            e.checkTarget(T1, unreachable);
          }
          cover(place);
          jump(from, place);
        });
  }

  private void indirect(Insn in, boolean call) {
    if (in.mem && !e.plainMemory() || call && !e.plainStack()) {
      byItself();
      return;
    }
    if (in.mem) {
      e.operand(e.width, false);
      e.load(ADDRESS, e.width);
      e.zeroExtend(e.width);
    } else {
      e.getUnsigned(in.rm, e.width);
    }
    code.lstore(Emitter.T2);
    e.checkTarget(Emitter.T2);
    if (call) {
      stack.pushReturn();
    }
    e.sync();
    coverVariable(Emitter.T2);
    for (int t : shape.blocks.get(current).targets()) {
      goIf(Emitter.T2, Emitter.pageOf(shape.place(current)) + t);
    }
    e.leaveForVariable(Emitter.T2);
  }

  /** Goes to a place of the region if a variable holds its address. */
  private void goIf(int variable, int place) {
    if (shape.number(place) < 0) {
      return;
    }
    int from = current;
    Label there = code.newLabel();
    e.ripOfPlace(place);
    code.lload(variable).lcmp().ifeq(there);
    e.later(
        () -> {
          e.bind(there);
          jump(from, place);
        });
  }

  private void ret(Insn in) {
    if (!e.plainStack()) {
      byItself();
      return;
    }
    stack.peekReturn();
    stack.dropReturn(in.imm);
    e.sync();
    coverVariable(T1);
    for (int site : returnSites) {
      goIf(T1, shape.place(site));
    }
    e.leaveForVariable(T1);
  }

  /** A string instruction, which may come back to itself. */
  private void string(int next) {
    e.call();
    e.ripTo(T1);
    int from = current;
    Label done = code.newLabel();
    e.ripOfPlace(next);
    code.lload(T1).lcmp().ifeq(done);
    e.later(
        () -> {
          e.bind(done);
          Label dropped = code.newLabel();
          e.checkEpoch(dropped);
          jump(from, next);
          e.bind(dropped);
          e.leaveForVariable(T1);
        });
    e.leaveForVariable(T1);
  }

  /** Goes on at a place: flags are put into their variable unless the block there knows them. */
  private void edge(int place) {
    int n = shape.number(place);
    if (n >= 0 && incoming[n] == 1) {
      inherited[n].copy(e.flags);
    }
    e.sync();
    if (n == current + 1 && Emitter.pageOf(place) == Emitter.pageOf(shape.place(current))) {
      return;
    }
    jump(current, place);
  }

  /** Leaves the region from a block. */
  private void leave(int from, int place) {
    e.leaveFor(place - Emitter.pageOf(shape.place(from)));
  }

  /** Goes from a block to a place, in the region or out of it; the flags are in their variable. */
  private void jump(int from, int place) {
    int n = shape.number(place);
    if (n < 0) {
      leave(from, place);
      return;
    }
    if (n <= from) {
      Label low = code.newLabel();
      e.checkBudget(need, low);
      e.later(
          () -> {
            e.bind(low);
            leave(from, place);
          });
    }
    if (Emitter.pageOf(place) != Emitter.pageOf(shape.place(from))) {
      Label refused = code.newLabel();
      e.enterPage(n, refused);
      e.later(
          () -> {
            e.bind(refused);
            e.resultOfPage(n);
            leave(from, place);
          });
    }
    code.goto_(labels[n]);
  }
}
