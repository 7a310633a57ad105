package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;

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

  /**
   * {@return the table} Only guests with SEV-SNP have the instructions, and their kernels alone.
   */
  private static Rmp table(Cpu c) {
    Rmp rmp = c.memory.rmp();
    if (rmp == null || !c.snpActive()) {
      c.ud();
    }
    SystemOps.ring0(c);
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

  /** {@return the guest physical address of the operand, or -1 where it makes none} */
  private static long operand(MemOp o, Cpu c, boolean large) {
    int seg = o.insn.segOverride >= 0 ? o.insn.segOverride : CpuState.DS;
    long gpa = c.operandAddress(SystemOps.implicit(o, c, seg, 1, false));
    return !c.operandIsPrivate() || large && (gpa & LARGE_MASK) != 0 ? -1 : gpa;
  }

  private static void pvalidate(MemOp o, Cpu c) {
    Rmp rmp = table(c);
    if (c.vmpl() != 0) {
      c.gp(0);
    }
    int size = (int) c.r[1];
    // Linux 6.12 leaves what it likes in the other bits of EDX: its compiler fills in a bool's
    // byte.
    boolean validate = (c.r[2] & 1) != 0;
    if ((size & ~1) != 0) {
      done(c, RmpResult.FAIL_INPUT, false);
      return;
    }
    long gpa = operand(o, c, size == 1);
    if (gpa < 0) {
      done(c, RmpResult.FAIL_INPUT, false);
      return;
    }
    Rmp.Answer a = rmp.pvalidate(gpa >>> 12, size == 1, c.asid(), validate);
    if (a.access() != Rmp.ALLOWED) {
      c.operandFault(a.access(), gpa);
    }
    done(c, a.result(), a.unchanged());
  }

  private static void rmpadjust(MemOp o, Cpu c) {
    Rmp rmp = table(c);
    long size = c.r[1];
    long what = c.r[2];
    int target = (int) what & TARGET;
    int permissions = ((int) what & PERMISSIONS) >>> 8;
    boolean meant =
        (size & ~1L) == 0
            && (what & ~(TARGET | PERMISSIONS | VMSA)) == 0
            && (permissions & ~RmpEntry.ALL) == 0
            && target < RmpEntry.LEVELS;
    if (!meant || target <= c.vmpl()) {
      done(c, meant ? RmpResult.FAIL_PERMISSION : RmpResult.FAIL_INPUT, false);
      return;
    }
    long gpa = operand(o, c, size == 1);
    if (gpa < 0) {
      done(c, RmpResult.FAIL_INPUT, false);
      return;
    }
    boolean vmsa = (what & VMSA) != 0;
    Rmp.Answer a = rmp.adjust(gpa >>> 12, size == 1, c.asid(), c.vmpl(), target, permissions, vmsa);
    if (a.access() != Rmp.ALLOWED) {
      fault(c, a.access(), gpa);
    }
    done(c, a.result(), false);
  }

  private static void rmpquery(MemOp o, Cpu c) {
    Rmp rmp = table(c);
    int target = (int) c.r[2] & TARGET;
    if (target >= RmpEntry.LEVELS || target <= c.vmpl()) {
      done(c, RmpResult.FAIL_PERMISSION, false);
      return;
    }
    long gpa = operand(o, c, false);
    if (gpa < 0) {
      done(c, RmpResult.FAIL_PERMISSION, false);
      return;
    }
    long access = rmp.checkQuery(gpa >>> 12, c.asid(), c.vmpl());
    if (access != Rmp.ALLOWED) {
      fault(c, access, gpa);
    }
    RmpEntry e = rmp.read(gpa & -4096L);
    c.r[1] = e.large() ? 1 : 0;
    c.r[2] = target | (long) e.permissions(target) << 8 | (e.vmsa() ? VMSA : 0);
    done(c, RmpResult.SUCCESS, false);
  }

  /** A load would have faulted so. */
  private static void fault(Cpu c, long access, long gpa) {
    if (access == Rmp.NOT_VALIDATED) {
      c.cr2 = c.r[0];
    }
    c.operandFault(access, gpa);
  }
}
