package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.VcReturned;
import dev.vesper.x86.Insn;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/** Compares what a handler leaves behind with what the reference {@link Vctrap} would leave. */
final class OutcomeRules {
  private static final String[] NAMES = {
    "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13",
    "R14", "R15"
  };
  private static final int RSP = 4;

  /** RAX, RCX, RDX and RBX. */
  private static final int CPUID_RESULTS = 0xF;

  /** Arithmetic flags, IF and DF. */
  private static final long FLAGS = 0xED5;

  /** A return within this distance is a wrong length; further away it is a fix-up. */
  private static final long NEAR = 32;

  /** The bit of DR7 that is always set. */
  private static final long DR7_ONE = 0x400;

  private final Findings findings;

  OutcomeRules(Findings findings) {
    this.findings = findings;
  }

  /**
   * Judges a return of a handler.
   *
   * @param ownCpuid the guest takes CPUID from a page, and makes of it what it needs
   */
  void returned(VcReturned back, VcpuState.Service s, VcpuState v, boolean ownCpuid) {
    TrapFrame f = s.frame;
    Insn in = f.insn();
    if (in == null) {
      return;
    }
    Vctrap.Outcome want = Vctrap.outcome(s, in, v.dr7);
    long next = want.rip.get(0);
    GhcbExchange ignored = s.ignored;
    if (ignored != null && back.at().rip() == next) {
      findings.add(
          Rule.ERROR_IGNORED,
          ignored.at(),
          s.id(),
          () ->
              "the answer says: "
                  + ignored.action()
                  + "; the guest goes on behind {"
                  + f.at().instruction()
                  + "} as if it were done");
    }
    if (want.refused || s.injected) {
      return;
    }
    if (ownCpuid && f.event().exit() == ExitCode.CPUID) {
      want.unknown |= CPUID_RESULTS;
    }
    boolean went = want.rip.contains(back.at().rip()) || finishedRepeat(back, want, f, in);
    if (!went) {
      long distance = back.at().rip() - f.at().rip();
      boolean inside = distance > 0 && distance < in.length;
      boolean served = want.served && Math.abs(distance) <= NEAR;
      if (inside || served) {
        findings.add(
            in.mnemonic().equals("rdtscp") ? Rule.RESULT_RDTSCP : Rule.RIP_ADVANCE,
            f.at(),
            s.id(),
            () ->
                "the handler goes on at "
                    + Event.hex(back.at().rip())
                    + " instead of "
                    + Event.hex(next)
                    + " after {"
                    + f.at().instruction()
                    + "} of "
                    + in.length
                    + " bytes");
      } else {
        // A fix-up or an exception: the instruction has no result.
        return;
      }
    }
    registers(back, s, want, in);
    memory(back, s, want);
    if (Vctrap.exitCode(in, f) == ExitCode.DR7_WRITE && went) {
      v.dr7 = dr7(f.r(in.rm));
    }
  }

  /** A repeated instruction that the handler has finished without leaving. */
  private static boolean finishedRepeat(
      VcReturned back, Vctrap.Outcome want, TrapFrame f, Insn in) {
    long next = f.at().rip() + in.length;
    return want.rip.contains(f.at().rip()) && back.at().rip() == next && in.rep;
  }

  /** {@return what DR7 holds after a value is written to it} */
  private static long dr7(long v) {
    return v & Vctrap.DR7_FREE | DR7_ONE;
  }

  private void registers(VcReturned back, VcpuState.Service s, Vctrap.Outcome want, Insn in) {
    TrapFrame f = s.frame;
    long mask = f.at().bits() == 64 ? -1L : 0xFFFF_FFFFL;
    for (int i = 0; i < 16; i++) {
      boolean result = (want.results >> i & 1) != 0;
      if (i == RSP || (want.unknown >> i & 1) != 0) {
        continue;
      }
      long have = back.registers().get(i) & mask;
      long need = want.r[i] & mask;
      if (result && Vctrap.exitCode(in, f) == ExitCode.DR7_READ) {
        have = dr7(have);
        need = dr7(need);
      }
      if (have != need) {
        differs(s, result ? classify(f, in, i, have, need, want) : null, NAMES[i], have, need);
      }
    }
    long flags = (back.rflags() ^ f.event().rflags()) & FLAGS;
    if (flags != 0) {
      findings.add(
          Rule.RESULT_REGISTER,
          f.at(),
          s.id(),
          () ->
              "RFLAGS changes by "
                  + Event.hex(flags)
                  + " over {"
                  + f.at().instruction()
                  + "}: it must not");
    }
  }

  /**
   * Reports a register that is not what it must be.
   *
   * @param result the rule for a result of the instruction, null if the register is none
   */
  private void differs(
      VcpuState.Service s, @Nullable Rule result, String name, long have, long need) {
    TrapFrame f = s.frame;
    findings.add(
        result != null ? result : Rule.RESULT_REGISTER,
        f.at(),
        s.id(),
        () ->
            name
                + " is "
                + Event.hex(have)
                + " after {"
                + f.at().instruction()
                + "}; it must be "
                + Event.hex(need)
                + (result != null ? "" : ": the instruction does not change it"));
  }

  private static Rule classify(
      TrapFrame f, Insn in, int reg, long have, long need, Vctrap.Outcome want) {
    int code = Vctrap.exitCode(in, f);
    boolean lowSame = ((have ^ need) & 0xFFFF_FFFFL) == 0;
    return switch (code) {
      case ExitCode.RDTSCP -> Rule.RESULT_RDTSCP;
      case ExitCode.DR7_READ -> Rule.RESULT_DR7;
      case ExitCode.NPF -> Rule.RESULT_EXTENSION;
      case ExitCode.IOIO -> {
        int size = Vctrap.accessBytes(in);
        boolean in4 = size == 4;
        long low = size >= 4 ? 0xFFFF_FFFFL : (1L << 8 * size) - 1;
        yield !in.mnemonic().equals("in") || ((have ^ need) & low) != 0
            ? Rule.RESULT_REGISTER
            : in4 ? Rule.RESULT_ZERO_EXTEND : Rule.RESULT_MERGE;
      }
      default -> {
        if (lowSame) {
          yield Rule.RESULT_ZERO_EXTEND;
        }
        for (int i = 0; i < 16; i++) {
          if (i != reg && (want.results >> i & 1) != 0 && want.r[i] == have) {
            yield Rule.RESULT_ORDER;
          }
        }
        yield Rule.RESULT_REGISTER;
      }
    };
  }

  private void memory(VcReturned back, VcpuState.Service s, Vctrap.Outcome want) {
    Bytes have = back.memory();
    int n = Math.min(have.length(), want.memory.length);
    if (n > 0 && !have.matches(0, Bytes.of(want.memory), 0, n)) {
      findings.add(
          Rule.RESULT_MEMORY,
          s.frame.at(),
          s.id(),
          () ->
              "memory holds "
                  + have.hex(0, Math.min(n, 16))
                  + " after {"
                  + s.frame.at().instruction()
                  + "}; the answer was "
                  + HexFormat.of().formatHex(want.memory, 0, Math.min(n, 16)));
    }
  }
}
