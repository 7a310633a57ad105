package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuObserver;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.RmpOperand;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;
import dev.vesper.machine.observe.RmpCheck;

/**
 * Instructions of SEV-SNP (spec: snp 1.4). Where no source at hand gives an order or a value, it is
 * decided here and nowhere else:
 *
 * <ul>
 *   <li>Outside a guest with SEV-SNP all of them are undefined. One reading has PVALIDATE succeed
 *       there without effect; no guest depends on it, and a guest that executes it without having
 *       looked for SEV-SNP is one with a fault to be shown.
 *   <li>#UD comes before #GP(0) for CPL 1 to 3, as with all instructions here, and both before
 *       operands are looked at.
 *   <li>PVALIDATE at a privilege level other than 0 is #GP(0): the level has no say, and must not
 *       be told that it had.
 *   <li>Operands that have no meaning (a size above 1, reserved bits of RMPADJUST's, a level above
 *       3) are FAIL_INPUT before the address is translated: they say nothing of a page. A level
 *       that the caller is not above of is FAIL_PERMISSION there too, which is what guests ask in
 *       order to learn their own level.
 *   <li>The address is translated as that of a load of one byte, so that a page that the guest's
 *       tables do not map is #PF; a comment in OVMF says #GP, but nothing there relies on it.
 *   <li>A page that is mapped without the C-bit is FAIL_INPUT: it is the guest's mistake, which a
 *       host could not mend if it were told by #NPF. So is 2 MiB that begin elsewhere than at a
 *       multiple.
 *   <li>A page that is not the guest's is #NPF, for hosts that assign pages when they are first
 *       used; RMPADJUST and RMPQUERY fault as a load does, with #VC for a page not validated.
 *   <li>RMPQUERY answers about levels that RMPADJUST could change, and no others.
 *   <li>CF is that of PVALIDATE and 0 for the others; the other flags are those of a logical
 *       instruction whose result is EAX, so that ZF says success.
 *   <li>RMPUPDATE, PSMASH and RMPREAD are for hosts, which have them as methods here: in a guest
 *       they are undefined.
 * </ul>
 */
final class SnpOps {
  private static final int TARGET = 0xFF;
  private static final int PERMISSIONS = 0xFF00;
  private static final int VMSA = 0x1_0000;
  private static final int LARGE_MASK = 0x1F_F000;

  private SnpOps() {}

  static void register(Families f) {
    f.add("pvalidate", SnpOps::pvalidate);
    f.add("rmpadjust", SnpOps::rmpadjust);
    f.add("rmpquery", SnpOps::rmpquery);
    f.add("rmpupdate", (o, c) -> c.ud());
    f.add("psmash", (o, c) -> c.ud());
    f.add("rmpread", (o, c) -> c.ud());
  }

  /** {@return the table} Only guests with SEV-SNP have the instructions. */
  private static Rmp table(Cpu c) {
    Rmp rmp = c.memory.rmp();
    if (rmp == null || !c.snpActive()) {
      c.ud();
    }
    if (rmp == null) {
      throw new AssertionError("#UD was not raised");
    }
    return rmp;
  }

  private static void done(Cpu c, RmpResult result, boolean carry) {
    c.r[0] = result.eax;
    c.setLogic(result.eax);
    c.setCf(carry);
  }

  // ---- operands

  /** {@return the operand of an instruction that is refused before it looks for the page} */
  private static RmpOperand nowhere(Cpu c, boolean large) {
    return new RmpOperand(c.r[0], -1, large, RmpEntry.HYPERVISOR);
  }

  private static RmpOperand operand(MemOp o, Cpu c, Rmp rmp, boolean large) {
    int seg = o.insn.segOverride >= 0 ? o.insn.segOverride : CpuState.DS;
    long la = SystemOps.implicit(o, c, seg, 1, false);
    long gpa = c.operandAddress(la);
    RmpEntry e = c.observer == null ? RmpEntry.HYPERVISOR : rmp.read(gpa);
    return new RmpOperand(la, gpa, large, e);
  }

  /** {@return what is wrong with how the operand is mapped, which was just translated} */
  private static RmpCheck mapping(Cpu c, RmpOperand at) {
    if (!c.operandIsPrivate()) {
      return RmpCheck.SHARED_MAPPING;
    }
    return at.large() && (at.gpa() & LARGE_MASK) != 0 ? RmpCheck.ALIGNMENT : RmpCheck.NONE;
  }

  /** {@return why an instruction that does not fault has changed nothing} */
  private static RmpCheck reason(Rmp.Answer a) {
    return switch (a.result()) {
      case SUCCESS -> a.unchanged() ? RmpCheck.UNCHANGED : RmpCheck.NONE;
      case FAIL_INUSE -> RmpCheck.IN_USE;
      case FAIL_PERMISSION -> RmpCheck.GRANTED_PERMISSIONS;
      case FAIL_SIZEMISMATCH -> RmpCheck.SMALL_ENTRY;
      case FAIL_INPUT, FAIL_OVERLAP, FAIL_NOT_LARGE ->
          throw new AssertionError("no guest's instruction: " + a.result());
    };
  }

  // ---- PVALIDATE

  private static void pvalidate(MemOp o, Cpu c) {
    Rmp rmp = table(c);
    int size = (int) c.r[1];
    boolean large = size == 1;
    if (c.cpl != 0 || c.vmpl() != 0) {
      validates(c, nowhere(c, large), -1, false, c.cpl != 0 ? RmpCheck.CPL : RmpCheck.VMPL);
      c.gp(0);
    }
    if ((size & ~1) != 0) {
      validated(c, nowhere(c, large), RmpResult.FAIL_INPUT, false, RmpCheck.OPERAND_SIZE);
      return;
    }
    RmpOperand at = operand(o, c, rmp, large);
    RmpCheck wrong = mapping(c, at);
    if (wrong != RmpCheck.NONE) {
      validated(c, at, RmpResult.FAIL_INPUT, false, wrong);
      return;
    }
    long frame = at.gpa() >>> 12;
    Rmp.Answer a = rmp.pvalidate(frame, large, c.asid(), wanted(c));
    if (a.access() != Rmp.ALLOWED) {
      validates(c, at, -1, false, rmp.failed(frame, c.asid(), a.access(), true));
      c.operandFault(a.access(), at.gpa());
    }
    validated(c, at, a.result(), a.unchanged(), reason(a));
  }

  /**
   * {@return whether the page is to be valid} Linux 6.12 leaves what it likes in the other bits of
   * EDX: its compiler fills in a bool's byte.
   */
  private static boolean wanted(Cpu c) {
    return (c.r[2] & 1) != 0;
  }

  private static void validates(Cpu c, RmpOperand at, int eax, boolean carry, RmpCheck why) {
    CpuObserver o = c.observer;
    if (o != null) {
      o.onPvalidate(c, at, wanted(c), eax, carry, why);
    }
  }

  private static void validated(
      Cpu c, RmpOperand at, RmpResult result, boolean carry, RmpCheck why) {
    validates(c, at, result.eax, carry, why);
    done(c, result, carry);
  }

  // ---- RMPADJUST

  private static void rmpadjust(MemOp o, Cpu c) {
    Rmp rmp = table(c);
    long size = c.r[1];
    long what = c.r[2];
    boolean large = size == 1;
    if (c.cpl != 0) {
      adjusts(c, nowhere(c, large), -1, RmpCheck.CPL);
      c.gp(0);
    }
    RmpCheck meaning = meaning(size, what);
    if (meaning != RmpCheck.NONE) {
      adjusted(c, nowhere(c, large), RmpResult.FAIL_INPUT, meaning);
      return;
    }
    int target = (int) what & TARGET;
    if (target <= c.vmpl()) {
      adjusted(c, nowhere(c, large), RmpResult.FAIL_PERMISSION, RmpCheck.TARGET_VMPL);
      return;
    }
    RmpOperand at = operand(o, c, rmp, large);
    RmpCheck wrong = mapping(c, at);
    if (wrong != RmpCheck.NONE) {
      adjusted(c, at, RmpResult.FAIL_INPUT, wrong);
      return;
    }
    long frame = at.gpa() >>> 12;
    int permissions = ((int) what & PERMISSIONS) >>> 8;
    boolean vmsa = (what & VMSA) != 0;
    Rmp.Answer a = rmp.adjust(frame, large, c.asid(), c.vmpl(), target, permissions, vmsa);
    if (a.access() != Rmp.ALLOWED) {
      adjusts(c, at, -1, rmp.failed(frame, c.asid(), a.access(), true));
      fault(c, a.access(), at.gpa());
    }
    boolean ignored = vmsa && c.vmpl() != 0 && a.result() == RmpResult.SUCCESS;
    adjusted(c, at, a.result(), ignored ? RmpCheck.VMSA_BELOW_VMPL0 : reason(a));
  }

  /** {@return what has no meaning in the operands of RMPADJUST} */
  private static RmpCheck meaning(long size, long what) {
    if ((size & ~1L) != 0) {
      return RmpCheck.OPERAND_SIZE;
    }
    boolean meant =
        (what & ~(TARGET | PERMISSIONS | VMSA)) == 0
            && (((int) what & PERMISSIONS) >>> 8 & ~RmpEntry.ALL) == 0
            && ((int) what & TARGET) < RmpEntry.LEVELS;
    return meant ? RmpCheck.NONE : RmpCheck.RESERVED;
  }

  private static void adjusts(Cpu c, RmpOperand at, int eax, RmpCheck why) {
    CpuObserver o = c.observer;
    if (o != null) {
      o.onRmpadjust(c, at, c.r[2], eax, why);
    }
  }

  private static void adjusted(Cpu c, RmpOperand at, RmpResult result, RmpCheck why) {
    adjusts(c, at, result.eax, why);
    done(c, result, false);
  }

  // ---- RMPQUERY

  private static void rmpquery(MemOp o, Cpu c) {
    Rmp rmp = table(c);
    if (c.cpl != 0) {
      queries(c, nowhere(c, false), -1, RmpCheck.CPL);
      c.gp(0);
    }
    int target = (int) c.r[2] & TARGET;
    if (target >= RmpEntry.LEVELS || target <= c.vmpl()) {
      RmpCheck why = target >= RmpEntry.LEVELS ? RmpCheck.RESERVED : RmpCheck.TARGET_VMPL;
      queried(c, nowhere(c, false), RmpResult.FAIL_PERMISSION, why);
      return;
    }
    RmpOperand at = operand(o, c, rmp, false);
    RmpCheck wrong = mapping(c, at);
    if (wrong != RmpCheck.NONE) {
      queried(c, at, RmpResult.FAIL_PERMISSION, wrong);
      return;
    }
    long frame = at.gpa() >>> 12;
    long access = rmp.checkQuery(frame, c.asid(), c.vmpl());
    if (access != Rmp.ALLOWED) {
      queries(c, at, -1, rmp.failed(frame, c.asid(), access, true));
      fault(c, access, at.gpa());
    }
    queries(c, at, RmpResult.SUCCESS.eax, RmpCheck.NONE);
    RmpEntry e = rmp.read(at.gpa() & -4096L);
    c.r[1] = e.large() ? 1 : 0;
    c.r[2] = target | (long) e.permissions(target) << 8 | (e.vmsa() ? VMSA : 0);
    done(c, RmpResult.SUCCESS, false);
  }

  private static void queries(Cpu c, RmpOperand at, int eax, RmpCheck why) {
    CpuObserver o = c.observer;
    if (o != null) {
      o.onRmpquery(c, at, (int) c.r[2] & TARGET, eax, why);
    }
  }

  private static void queried(Cpu c, RmpOperand at, RmpResult result, RmpCheck why) {
    queries(c, at, result.eax, why);
    done(c, result, false);
  }

  /** A load would have faulted so. */
  private static void fault(Cpu c, long access, long gpa) {
    if (access == Rmp.NOT_VALIDATED) {
      c.cr2 = c.r[0];
    }
    c.operandFault(access, gpa);
  }
}
