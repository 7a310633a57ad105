package dev.vesper.machine.cpu.interp;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Signal;
import dev.vesper.machine.memory.ExternalBus;
import dev.vesper.x86.OperandKind;
import org.jspecify.annotations.Nullable;

/** IN, OUT, INS and OUTS: permission checks, then #VMEXIT(IOIO) or #VC. */
final class PortOps {

  private PortOps() {}

  static void register(Families f) {
    f.leave("in", PortOps::in);
    f.leave("out", PortOps::out);
    f.transfer("ins", (o, c) -> string(o, c, true));
    f.transfer("outs", (o, c) -> string(o, c, false));
  }

  private static void checkPermission(Cpu c, int port, int bytes) {
    if (!c.protectedMode() || !c.v86() && c.cpl <= (c.eflags >> 12 & 3)) {
      return;
    }
    // The I/O permission map of a 32- or 64-bit TSS.
    if ((c.segAttr[CpuState.TR] & 8) == 0 || c.segLimit[CpuState.TR] < 0x67) {
      c.gp(0);
    }
    long base = c.segBase[CpuState.TR];
    int map = (int) c.sysRead(base + 0x66, 2);
    int at = map + (port >> 3);
    if (at + 1 > c.segLimit[CpuState.TR]) {
      c.gp(0);
    }
    int bits = (int) c.sysRead(base + at, 2);
    if ((bits >> (port & 7) & (1 << bytes) - 1) != 0) {
      c.gp(0);
    }
  }

  /** EXITINFO1 of IOIO (AMD APM volume 2, 15.10.2). */
  private static long info(MemOp o, int port, int bytes, boolean in, boolean string) {
    int segment =
        !string ? 0 : in ? CpuState.ES : o.insn.segOverride >= 0 ? o.insn.segOverride : CpuState.DS;
    return (long) port << 16
        | segment << 10
        | (o.insn.asize == 2 ? 0x80 : o.insn.asize == 4 ? 0x100 : 0x200)
        | bytes << 4
        | (string && (o.insn.rep || o.insn.repne) ? 8 : 0)
        | (string ? 4 : 0)
        | (in ? 1 : 0);
  }

  private static int port(MemOp o, Cpu c, int operand) {
    boolean dx = o.insn.form().operands.get(operand).kind() == OperandKind.FIXED;
    return (int) (dx ? c.r[2] & 0xFFFF : o.insn.imm & 0xFF);
  }

  private static boolean exits(Cpu c, int port, int bytes) {
    return c.intercepts.wantsPort(port, bytes);
  }

  private static @Nullable Signal in(MemOp o, Cpu c) {
    int n = o.insn.form().operands.get(0).bytes(o.insn);
    if (n == 0) {
      n = 1;
    }
    int p = port(o, c, 1);
    checkPermission(c, p, n);
    if (exits(c, p, n)) {
      return c.leaving(ExitCode.IOIO, info(o, p, n, true, false), o.nextRip(c));
    }
    c.breakpoints.port(p, n);
    ExternalBus bus = c.bus;
    c.setReg(0, n, bus == null ? -1 : bus.readPort(p, n));
    return null;
  }

  private static @Nullable Signal out(MemOp o, Cpu c) {
    int n = o.insn.form().operands.get(1).bytes(o.insn);
    if (n == 0) {
      n = 1;
    }
    int p = port(o, c, 0);
    checkPermission(c, p, n);
    if (exits(c, p, n)) {
      return c.leaving(ExitCode.IOIO, info(o, p, n, false, false), o.nextRip(c));
    }
    c.breakpoints.port(p, n);
    ExternalBus bus = c.bus;
    if (bus != null) {
      bus.writePort(p, n, (int) c.reg(0, n));
    }
    return null;
  }

  private static void string(MemOp o, Cpu c, boolean in) {
    int n = StringOps.elementSize(o);
    int p = (int) c.r[2] & 0xFFFF;
    checkPermission(c, p, n);
    boolean rep = o.insn.rep || o.insn.repne;
    long count = rep ? c.r[1] & o.mask() : 1;
    if (count == 0) {
      // No I/O happens, so nothing is intercepted.
      c.rip = o.nextRip(c);
      return;
    }
    if (exits(c, p, n)) {
      c.exit(ExitCode.IOIO, info(o, p, n, in, true), o.nextRip(c));
    }
    ExternalBus bus = c.bus;
    int step = (c.eflags & CpuState.DF) != 0 ? -n : n;
    c.breakpoints.port(p, n);
    for (int i = 0; i < (c.stepping() ? 1 : 4096 / n) && count > 0; i++) {
      if (in) {
        long la = StringOps.destination(o, c, n, true);
        c.probeWrite(la, n);
        c.wr(la, n, bus == null ? -1 : bus.readPort(p, n));
        StringOps.advance(o, c, 7, step);
      } else {
        int v = (int) c.rd(StringOps.source(o, c, n), n);
        if (bus != null) {
          bus.writePort(p, n, v);
        }
        StringOps.advance(o, c, 6, step);
      }
      count--;
      if (rep) {
        c.setReg(1, o.insn.asize, count);
      }
    }
    c.rip = count == 0 ? o.nextRip(c) : o.thisRip(c);
  }
}
