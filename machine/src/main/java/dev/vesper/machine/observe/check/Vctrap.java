package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Operand;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Reg;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The reference {@code vctrap}: what a #VC handler must ask for, and what it must leave behind, as
 * a pure function of the trap frame, the instruction and the answers.
 */
final class Vctrap {
  private static final int RAX = 0;
  private static final int RCX = 1;
  private static final int RDX = 2;
  private static final int RBX = 3;
  private static final int RSI = 6;
  private static final int RDI = 7;
  private static final int DF = 0x400;
  private static final long LOW = 0xFFFF_FFFFL;

  /**
   * Bits of an IOIO SW_EXITINFO1 that every guest sets alike: port, direction, REP, string, size.
   */
  static final long IOIO_MEANING = 0xFFFF_007DL;

  /** DR7 bits that are neither fixed nor reserved: handlers set those as the processor would. */
  static final long DR7_FREE = 0xFFFF_23FFL;

  /** IN1, STR, REP of an IOIO SW_EXITINFO1. */
  private static final int IN = 1;

  private static final int STRING = 4;
  private static final int REP = 8;

  private Vctrap() {}

  // ---- the request

  /**
   * What to ask for.
   *
   * @param code exit code that the instruction stands for, 0 for an instruction that has none
   * @param info1 SW_EXITINFO1, as far as {@link #IOIO_MEANING} for IOIO
   * @param exports the registers to export, in the order of the fields
   */
  record Request(int code, long info1, List<Export> exports) {}

  /**
   * A register to export.
   *
   * @param value masked to what the instruction uses
   * @param mask which bits of the field count
   */
  record Export(GhcbField field, long value, long mask) {}

  /** {@return the exit code that an instruction stands for, 0 for none} */
  static int exitCode(Insn in, TrapFrame f) {
    return switch (in.mnemonic()) {
      case "cpuid" -> ExitCode.CPUID;
      case "in", "out", "ins", "outs" -> ExitCode.IOIO;
      case "rdmsr", "wrmsr" -> ExitCode.MSR;
      case "rdtsc" -> ExitCode.RDTSC;
      case "rdtscp" -> ExitCode.RDTSCP;
      case "rdpmc" -> ExitCode.RDPMC;
      case "wbinvd", "wbnoinvd" -> ExitCode.WBINVD;
      case "invd" -> ExitCode.INVD;
      case "monitor" -> ExitCode.MONITOR;
      case "mwait" -> ExitCode.MWAIT;
      case "vmmcall" -> ExitCode.VMMCALL;
      case "mov" ->
          debugRegister(in) >= 0
              ? isWriteToDebug(in) ? ExitCode.DR7_WRITE : ExitCode.DR7_READ
              : f.event().operand() != null ? ExitCode.NPF : 0;
      default -> f.event().operand() != null || f.event().source() != null ? ExitCode.NPF : 0;
    };
  }

  private static int debugRegister(Insn in) {
    for (OperandSpec o : in.form().operands) {
      if (o.kind() == OperandKind.DEBUG) {
        return in.reg;
      }
    }
    return -1;
  }

  private static boolean isWriteToDebug(Insn in) {
    return in.form().operands.get(0).kind() == OperandKind.DEBUG;
  }

  /** {@return the size of an operand in bytes} */
  static int bytes(Insn in, int operand) {
    return in.form().operands.get(operand).width(in);
  }

  /** {@return the size of a port or MMIO access in bytes} */
  static int accessBytes(Insn in) {
    return switch (in.mnemonic()) {
      case "in", "ins", "movs" -> bytes(in, 0);
      case "out", "outs" -> bytes(in, 1);
      default -> {
        int i = memoryOperand(in);
        yield i < 0 ? 0 : bytes(in, i);
      }
    };
  }

  private static int memoryOperand(Insn in) {
    List<OperandSpec> l = in.form().operands;
    for (int i = 0; i < l.size(); i++) {
      OperandKind k = l.get(i).kind();
      if (k == OperandKind.OFFSET || (k == OperandKind.RM || k == OperandKind.MEMORY) && in.mem) {
        return i;
      }
    }
    return -1;
  }

  private static boolean isString(Insn in) {
    return in.mnemonic().equals("ins") || in.mnemonic().equals("outs");
  }

  /** {@return the port of an I/O instruction} */
  private static int port(TrapFrame f, Insn in) {
    for (OperandSpec o : in.form().operands) {
      if (o.kind() == OperandKind.IMMEDIATE) {
        return (int) in.imm & 0xFF;
      }
    }
    return (int) f.r(RDX) & 0xFFFF;
  }

  /** {@return what must be asked for} */
  static Request request(TrapFrame f, Insn in) {
    List<Export> v = new ArrayList<>(3);
    int code = exitCode(in, f);
    long info1 = 0;
    switch (code) {
      case ExitCode.CPUID -> {
        put(v, GhcbField.RAX, f.r(RAX), LOW);
        put(v, GhcbField.RCX, f.r(RCX), LOW);
      }
      case ExitCode.MSR -> {
        boolean write = in.mnemonic().equals("wrmsr");
        if (write) {
          info1 = 1;
          put(v, GhcbField.RAX, f.r(RAX), LOW);
        }
        put(v, GhcbField.RCX, f.r(RCX), LOW);
        if (write) {
          put(v, GhcbField.RDX, f.r(RDX), LOW);
        }
      }
      case ExitCode.RDPMC -> put(v, GhcbField.RCX, f.r(RCX), LOW);
      case ExitCode.VMMCALL -> {
        put(v, GhcbField.CPL, f.at().cpl(), 0xFF);
        put(v, GhcbField.RAX, f.r(RAX), f.at().bits() == 64 ? -1L : LOW);
      }
      case ExitCode.DR7_WRITE -> put(v, GhcbField.RAX, f.r(in.rm), DR7_FREE);
      case ExitCode.IOIO -> {
        int size = accessBytes(in);
        boolean string = isString(in);
        boolean input = in.mnemonic().startsWith("in");
        info1 =
            (long) port(f, in) << 16
                | (long) size << 4
                | (input ? IN : 0)
                | (string ? STRING : 0)
                | (string && (in.rep || in.repne) ? REP : 0);
        if (!string && !input) {
          put(v, GhcbField.RAX, f.r(RAX), LOW >>> 32 - 8 * size);
        }
      }
      default -> {
        // nothing but the exit code
      }
    }
    return new Request(code, info1, v);
  }

  private static void put(List<Export> v, GhcbField f, long value, long mask) {
    v.add(new Export(f, value & mask, mask));
  }

  // ---- the outcome

  /** What must be there when the handler returns. */
  static final class Outcome {
    /** Expected general registers. */
    final long[] r;

    /** Bit n: register n is a result of the instruction. */
    int results;

    /** Bit n: nothing can be said about register n. */
    int unknown;

    /** Addresses at which the interrupted code may go on. */
    final List<Long> rip = new ArrayList<>();

    /** Expected memory at the destination of INS. */
    byte[] memory = {};

    /** The handler has made an exchange of the instruction's kind. */
    boolean served;

    /** The hypervisor asked for an exception or refused: the instruction has no result. */
    boolean refused;

    Outcome(long[] r) {
      this.r = r;
    }

    private void result(int reg, long value) {
      r[reg] = value;
      results |= 1 << reg;
    }
  }

  /**
   * {@return what must be there when the handler returns}
   *
   * @param s the service of it, with its exchanges
   * @param dr7 the value that was written to DR7 last
   */
  static Outcome outcome(VcpuState.Service s, Insn in, long dr7) {
    TrapFrame f = s.frame;
    Outcome o = new Outcome(f.event().registers().toArray());
    long next = f.at().rip() + in.length;
    long ripMask = f.at().bits() == 64 ? -1L : f.at().bits() == 32 ? LOW : 0xFFFFL;
    next &= ripMask;
    List<GhcbExchange> own = new ArrayList<>();
    int code = exitCode(in, f);
    for (GhcbExchange e : s.exchanges) {
      boolean mmio = e.exit() == ExitCode.MMIO_READ || e.exit() == ExitCode.MMIO_WRITE;
      if (e.exit() == code || code == ExitCode.NPF && mmio) {
        own.add(e);
        o.served = true;
        o.refused |= e.status() != 0;
      }
    }
    o.rip.add(next);
    if (o.refused) {
      return o;
    }
    switch (code) {
      case ExitCode.CPUID -> cpuid(f, s.byMsr, own, o);
      case ExitCode.MSR -> {
        if (in.mnemonic().equals("rdmsr")) {
          pair(own, o);
        }
      }
      case ExitCode.RDTSC, ExitCode.RDPMC -> pair(own, o);
      case ExitCode.RDTSCP -> {
        pair(own, o);
        low(own, o, RCX, GhcbField.RCX);
      }
      case ExitCode.VMMCALL -> {
        if (own.isEmpty()) {
          o.unknown |= 1;
        } else {
          o.result(RAX, own.getLast().answer().get(GhcbField.RAX));
        }
        // What else a hypercall returns is a matter between guest and hypervisor.
        o.unknown |= 1 << RCX | 1 << RDX | 1 << RBX | 1 << RSI | 1 << RDI | 1 << 8;
      }
      case ExitCode.DR7_READ -> o.result(in.rm, dr7);
      case ExitCode.IOIO -> {
        if (isString(in)) {
          string(f, in, own, o);
        } else if (in.mnemonic().equals("in")) {
          if (own.isEmpty()) {
            o.unknown |= 1;
          } else {
            o.result(RAX, merge(f.r(RAX), own.getLast().answer().get(GhcbField.RAX), bytes(in, 0)));
          }
        }
      }
      case ExitCode.NPF -> mmio(f, in, own, o);
      default -> {
        // no results
      }
    }
    return o;
  }

  /** {@return a register after a result of 1, 2, 4 or 8 bytes is written to its low end} */
  static long merge(long old, long v, int bytes) {
    return switch (bytes) {
      case 1 -> old & ~0xFFL | v & 0xFF;
      case 2 -> old & ~0xFFFFL | v & 0xFFFF;
      case 4 -> v & LOW;
      default -> v;
    };
  }

  private static void low(List<GhcbExchange> own, Outcome o, int reg, GhcbField field) {
    if (own.isEmpty()) {
      o.unknown |= 1 << reg;
    } else {
      o.result(reg, own.getLast().answer().get(field) & LOW);
    }
  }

  private static void pair(List<GhcbExchange> own, Outcome o) {
    low(own, o, RAX, GhcbField.RAX);
    low(own, o, RDX, GhcbField.RDX);
  }

  private static void cpuid(TrapFrame f, List<MsrExchange> all, List<GhcbExchange> own, Outcome o) {
    int[] reg = {RAX, RBX, RCX, RDX};
    GhcbField[] field = {GhcbField.RAX, GhcbField.RBX, GhcbField.RCX, GhcbField.RDX};
    for (int i = 0; i < 4; i++) {
      o.unknown |= 1 << reg[i];
      for (MsrExchange e : all) {
        if (MsrRequest.info(e.request()) == MsrRequest.CPUID_REQ
            && e.request() >>> 32 == (f.r(RAX) & LOW)
            && (int) (e.request() >>> 30 & 3) == i
            && MsrRequest.info(e.response()) == MsrRequest.CPUID_RESP) {
          o.result(reg[i], e.response() >>> 32);
          o.unknown &= ~(1 << reg[i]);
        }
      }
      if (!own.isEmpty()) {
        o.unknown &= ~(1 << reg[i]);
        low(own, o, reg[i], field[i]);
      }
    }
  }

  private static void string(TrapFrame f, Insn in, List<GhcbExchange> own, Outcome o) {
    int size = accessBytes(in);
    boolean rep = in.rep || in.repne;
    boolean input = in.mnemonic().equals("ins");
    long moved = 0;
    java.io.ByteArrayOutputStream data = new java.io.ByteArrayOutputStream();
    for (GhcbExchange e : own) {
      moved += e.request().get(GhcbField.SW_EXITINFO2);
      data.writeBytes(e.answer().buffer().toArray());
    }
    int reg = input ? RDI : RSI;
    long step = (f.event().rflags() & DF) != 0 ? -size : size;
    if (moved != 0) {
      o.result(reg, address(f.r(reg), f.r(reg) + step * moved, in.asize));
    }
    if (rep) {
      long left = (f.r(RCX) & in.addressMask()) - moved;
      if (moved != 0) {
        o.result(RCX, address(f.r(RCX), left, in.asize));
      }
      if (left != 0) {
        // The instruction goes on: it traps again, or the handler finishes it by itself.
        o.rip.clear();
        o.rip.add(f.at().rip());
      }
    }
    o.memory = input ? data.toByteArray() : new byte[0];
  }

  /** {@return an address register of the address size after it has moved} */
  private static long address(long old, long v, int asize) {
    return asize == 8 ? v : asize == 4 ? v & LOW : old & ~0xFFFFL | v & 0xFFFF;
  }

  private static void mmio(TrapFrame f, Insn in, List<GhcbExchange> own, Outcome o) {
    switch (in.mnemonic()) {
      case "mov" -> load(f, in, own, o, bytes(in, 0), false);
      case "movzx" -> load(f, in, own, o, bytes(in, 1), false);
      case "movsx", "movsxd" -> load(f, in, own, o, bytes(in, 1), true);
      case "movs", "stos" -> {
        // Source and destination are two accesses; the handler may finish them one by one.
        o.unknown |= 1 << RSI | 1 << RDI | 1 << RCX;
        o.rip.add(f.at().rip());
      }
      default -> {
        // Read-modify-write of a device: nothing is predicted but where it goes on.
        o.unknown = 0xFFFF;
        o.rip.add(f.at().rip());
      }
    }
  }

  private static void load(
      TrapFrame f, Insn in, List<GhcbExchange> own, Outcome o, int from, boolean signed) {
    OperandSpec first = in.form().operands.get(0);
    if ((first.kind() == OperandKind.RM || first.kind() == OperandKind.MEMORY) && in.mem
        || first.kind() == OperandKind.OFFSET) {
      return;
    }
    int to =
        first.kind() == OperandKind.FIXED && first.reg().kind() != Reg.Kind.NONE ? RAX : in.reg;
    int width = bytes(in, 0);
    boolean high = width == 1 && in.rex == 0 && to >= 4;
    int reg = high ? to - 4 : to;
    byte[] data = own.isEmpty() ? new byte[0] : own.getLast().answer().buffer().toArray();
    if (data.length < from || first.kind() == OperandKind.SEGMENT) {
      o.unknown |= 1 << reg;
      return;
    }
    long v = 0;
    for (int i = from - 1; i >= 0; i--) {
      v = v << 8 | data[i] & 0xFF;
    }
    if (signed) {
      int shift = 64 - 8 * from;
      v = v << shift >> shift;
    }
    o.result(reg, high ? f.r(reg) & ~0xFF00L | (v & 0xFF) << 8 : merge(f.r(reg), v, width));
  }

  /** {@return where the MMIO of an exchange must be, or null if that cannot be said} */
  static @Nullable Operand mmioOperand(TrapFrame f, boolean write) {
    Operand o = f.event().operand();
    return o != null ? o : (write ? f.event().dest() : f.event().source());
  }

  /** {@return the bytes that a store to MMIO carries, or null if that cannot be said} */
  static byte @Nullable [] stored(TrapFrame f, Insn in) {
    if (!in.mnemonic().equals("mov")) {
      return null;
    }
    OperandSpec second = in.form().operands.get(1);
    int n = accessBytes(in);
    long v;
    if (second.kind() == OperandKind.IMMEDIATE) {
      v = in.imm;
    } else if (second.kind() == OperandKind.FIXED) {
      v = f.r(RAX);
    } else if (second.kind() == OperandKind.REG) {
      boolean high = n == 1 && in.rex == 0 && in.reg >= 4;
      v = high ? f.r(in.reg - 4) >>> 8 : f.r(in.reg);
    } else {
      return null;
    }
    byte[] b = new byte[n];
    for (int i = 0; i < n; i++) {
      b[i] = (byte) (v >>> 8 * i);
    }
    return b;
  }
}
