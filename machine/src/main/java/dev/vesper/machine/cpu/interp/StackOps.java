package dev.vesper.machine.cpu.interp;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;

/** The stack: immediates, memory, segments, flags, frames. */
final class StackOps {
  private StackOps() {}

  static void register(Families f) {
    f.add("push", StackOps::push);
    f.add("pop", StackOps::pop);
    f.add("pusha", StackOps::pusha);
    f.add("popa", StackOps::popa);
    f.add("pushf", StackOps::pushf);
    f.add("popf", StackOps::popf);
    f.add("enter", StackOps::enter);
    f.add("leave", StackOps::leave);
  }

  private static void push(MemOp o, Cpu c) {
    int n = o.insn.osize;
    OperandSpec s = o.insn.form().operands.get(0);
    switch (s.kind()) {
      case IMMEDIATE -> c.push(n, o.insn.imm);
      case FIXED -> c.push(n, c.selector[s.reg().index()]);
      default -> c.push(n, o.readRm(c, n));
    }
  }

  private static void pop(MemOp o, Cpu c) {
    int n = o.insn.osize;
    OperandSpec s = o.insn.form().operands.get(0);
    if (s.kind() == OperandKind.FIXED) {
      int sel = (int) c.peekStack(0, n) & 0xFFFF;
      int seg = s.reg().index();
      long sp = c.r[4] + n & c.stackMask();
      long mask = c.stackMask();
      c.loadSegment(seg, sel);
      c.r[4] = mask == -1L ? sp : mask == 0xFFFF_FFFFL ? sp : c.r[4] & ~mask | sp;
      c.loadedStackSegment(seg);
      return;
    }
    // The address is computed after RSP moved.
    long old = c.r[4];
    long v = c.pop(n);
    long moved = c.r[4];
    long la = 0;
    if (o.mem) {
      try {
        la = o.la(c, n, true);
      } finally {
        c.r[4] = old;
      }
      c.wr(la, n, v);
      c.r[4] = moved;
    } else {
      c.setReg(o.rm, n, v);
    }
  }

  private static void pusha(MemOp o, Cpu c) {
    int n = o.insn.osize;
    long[] values = new long[8];
    for (int i = 0; i < 8; i++) {
      values[i] = c.reg(i, n);
    }
    c.pokeAll(n, values);
    c.setSp(c.r[4] - 8L * n);
  }

  private static void popa(MemOp o, Cpu c) {
    int n = o.insn.osize;
    long[] v = new long[8];
    for (int i = 7; i >= 0; i--) {
      v[i] = c.peekStack((7L - i) * n, n);
    }
    for (int i = 0; i < 8; i++) {
      if (i != 4) {
        c.setReg(i, n, v[i]);
      }
    }
    c.setSp(c.r[4] + 8L * n);
  }

  private static void pushf(MemOp o, Cpu c) {
    c.intercept(ExitCode.PUSHF);
    int f = c.virtualInterruptFlag(o.insn.osize) ? c.virtualFlags() : c.flags();
    c.push(o.insn.osize, f & ~(CpuState.RF | CpuState.VM));
  }

  private static void popf(MemOp o, Cpu c) {
    c.intercept(ExitCode.POPF);
    int n = o.insn.osize;
    if (c.virtualInterruptFlag(n)) {
      c.loadVirtualFlags((int) c.peekStack(0, n));
      c.setSp(c.r[4] + n);
      return;
    }
    int f = (int) c.pop(n);
    int m = c.writableFlags(n);
    c.setFlags(c.flags() & ~m & ~CpuState.RF | f & m);
    c.modeChanged();
  }

  private static void enter(MemOp o, Cpu c) {
    int n = o.insn.osize;
    int size = (int) o.insn.imm & 0xFFFF;
    int level = o.insn.imm2 & 31;
    long mask = c.stackMask();
    long sp = c.r[4];
    long frame = sp - n & mask;
    c.pokeStack(-n, n, c.reg(5, n));
    long at = -n;
    long bp = c.r[5];
    for (int i = 1; i < level; i++) {
      bp = bp - n & mask;
      // The display of the outer frames is read through SS:rBP.
      long v = c.peekStack(bp - sp, n);
      at -= n;
      c.pokeStack(at, n, v);
    }
    if (level > 0) {
      at -= n;
      c.pokeStack(at, n, frame);
    }
    at -= size;
    // The last byte of the new frame must be writable.
    long newSp = sp + at & mask;
    c.probeStack(at, n, true);
    if (n == 8) {
      c.r[5] = frame;
    } else if (mask == 0xFFFFL || n == 2) {
      c.setReg16(5, frame);
    } else {
      c.r[5] = frame & 0xFFFF_FFFFL;
    }
    c.setSp(newSp);
  }

  private static void leave(MemOp o, Cpu c) {
    int n = o.insn.osize;
    long mask = c.stackMask();
    long bp = c.r[5] & mask;
    long v = c.peekStack(bp - c.r[4], n);
    c.setSp(bp + n);
    c.setReg(5, n, v);
  }
}
