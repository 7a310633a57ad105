package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;

/** Near control transfer. Targets are checked before anything changes, as AMD processors do. */
final class Branches {
  private Branches() {}

  /** Sets RIP after the checks of a near transfer. */
  static void go(Cpu c, long target) {
    if (c.mode64()) {
      if (!c.canonical(target)) {
        c.gp(0);
      }
    } else if (target > c.segLimit[CpuState.CS]) {
      c.gp(0);
    }
    c.rip = target;
  }

  abstract static class Branch extends MemOp {
    /** Target relative to the page's RIP. */
    private long displacement;

    /** Bits that the operand size lacks. */
    private byte lost;

    final long target(Cpu c) {
      return c.r[CpuState.PAGE] + displacement & -1L >>> lost;
    }

    @Override
    public final void bound() {
      lost = (byte) (64 - 8 * insn.osize);
      displacement = next + insn.imm;
    }

    @Override
    public boolean setsRip() {
      return true;
    }
  }

  static final class Jmp extends Branch {
    @Override
    public void exec(Cpu c) {
      go(c, target(c));
    }
  }

  static final class JmpRm extends Branch {

    @Override
    public void exec(Cpu c) {
      go(c, readRm(c, insn.osize));
    }
  }

  static final class Call extends Branch {
    @Override
    public void exec(Cpu c) {
      call(c, insn.osize, target(c), nextRip(c));
    }
  }

  static final class CallRm extends Branch {

    @Override
    public void exec(Cpu c) {
      call(c, insn.osize, readRm(c, insn.osize), nextRip(c));
    }
  }

  private static void call(Cpu c, int osize, long target, long ret) {
    if (c.mode64() ? !c.canonical(target) : target > c.segLimit[CpuState.CS]) {
      c.gp(0);
    }
    c.push(osize, ret);
    c.rip = target;
  }

  static final class Ret extends Branch {
    @Override
    public void exec(Cpu c) {
      long t = c.peekStack(0, insn.osize);
      go(c, t);
      c.setSp(c.r[4] + insn.osize + insn.imm);
    }
  }

  /** LOOP, LOOPE and LOOPNE. */
  static final class Loop extends Branch {
    private static final int ALWAYS = 2;

    private final int kind;

    /**
     * @param kind 0 for LOOPNE, 1 for LOOPE, 2 for LOOP
     */
    Loop(int kind) {
      this.kind = kind;
    }

    /** A repeat prefix chooses the condition, as it does for string instructions. */
    private boolean whileZero() {
      return insn.rep || kind == 1 && !insn.repne;
    }

    @Override
    public void exec(Cpu c) {
      int bytes = insn.asize;
      long n = c.reg(1, bytes) - 1 & mask();
      boolean taken = n != 0 && (kind == ALWAYS || c.zf() == whileZero());
      if (taken) {
        go(c, target(c));
      } else {
        c.rip = nextRip(c);
      }
      c.setReg(1, bytes, n);
    }
  }

  static final class Jcxz extends Branch {
    @Override
    public void exec(Cpu c) {
      if (c.reg(1, insn.asize) == 0) {
        go(c, target(c));
      } else {
        c.rip = nextRip(c);
      }
    }
  }
}
