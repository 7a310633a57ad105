package dev.vesper.machine.sev;

import static dev.vesper.machine.sev.VmsaField.ATTRIBUTES;
import static dev.vesper.machine.sev.VmsaField.BASE;
import static dev.vesper.machine.sev.VmsaField.CPL;
import static dev.vesper.machine.sev.VmsaField.CR0;
import static dev.vesper.machine.sev.VmsaField.CR2;
import static dev.vesper.machine.sev.VmsaField.CR3;
import static dev.vesper.machine.sev.VmsaField.CR4;
import static dev.vesper.machine.sev.VmsaField.CS;
import static dev.vesper.machine.sev.VmsaField.CSTAR;
import static dev.vesper.machine.sev.VmsaField.DBGCTL;
import static dev.vesper.machine.sev.VmsaField.DR0;
import static dev.vesper.machine.sev.VmsaField.DR1;
import static dev.vesper.machine.sev.VmsaField.DR2;
import static dev.vesper.machine.sev.VmsaField.DR3;
import static dev.vesper.machine.sev.VmsaField.DR6;
import static dev.vesper.machine.sev.VmsaField.DR7;
import static dev.vesper.machine.sev.VmsaField.DS;
import static dev.vesper.machine.sev.VmsaField.EFER;
import static dev.vesper.machine.sev.VmsaField.ES;
import static dev.vesper.machine.sev.VmsaField.EVENTINJ;
import static dev.vesper.machine.sev.VmsaField.FPREG_K;
import static dev.vesper.machine.sev.VmsaField.FPREG_X87;
import static dev.vesper.machine.sev.VmsaField.FPREG_XMM;
import static dev.vesper.machine.sev.VmsaField.FPREG_YMM;
import static dev.vesper.machine.sev.VmsaField.FPREG_ZMM16;
import static dev.vesper.machine.sev.VmsaField.FPREG_ZMM_HIGH;
import static dev.vesper.machine.sev.VmsaField.FS;
import static dev.vesper.machine.sev.VmsaField.GDTR;
import static dev.vesper.machine.sev.VmsaField.GS;
import static dev.vesper.machine.sev.VmsaField.GUEST_EXITCODE;
import static dev.vesper.machine.sev.VmsaField.GUEST_EXITINFO1;
import static dev.vesper.machine.sev.VmsaField.GUEST_EXITINFO2;
import static dev.vesper.machine.sev.VmsaField.GUEST_EXITINTINFO;
import static dev.vesper.machine.sev.VmsaField.GUEST_NRIP;
import static dev.vesper.machine.sev.VmsaField.GUEST_TSC_OFFSET;
import static dev.vesper.machine.sev.VmsaField.GUEST_TSC_SCALE;
import static dev.vesper.machine.sev.VmsaField.G_PAT;
import static dev.vesper.machine.sev.VmsaField.IDTR;
import static dev.vesper.machine.sev.VmsaField.KERNEL_GS_BASE;
import static dev.vesper.machine.sev.VmsaField.LDTR;
import static dev.vesper.machine.sev.VmsaField.LIMIT;
import static dev.vesper.machine.sev.VmsaField.LSTAR;
import static dev.vesper.machine.sev.VmsaField.MXCSR;
import static dev.vesper.machine.sev.VmsaField.PKRU;
import static dev.vesper.machine.sev.VmsaField.R10;
import static dev.vesper.machine.sev.VmsaField.R11;
import static dev.vesper.machine.sev.VmsaField.R12;
import static dev.vesper.machine.sev.VmsaField.R13;
import static dev.vesper.machine.sev.VmsaField.R14;
import static dev.vesper.machine.sev.VmsaField.R15;
import static dev.vesper.machine.sev.VmsaField.R8;
import static dev.vesper.machine.sev.VmsaField.R9;
import static dev.vesper.machine.sev.VmsaField.RAX;
import static dev.vesper.machine.sev.VmsaField.RBP;
import static dev.vesper.machine.sev.VmsaField.RBX;
import static dev.vesper.machine.sev.VmsaField.RCX;
import static dev.vesper.machine.sev.VmsaField.RDI;
import static dev.vesper.machine.sev.VmsaField.RDX;
import static dev.vesper.machine.sev.VmsaField.RFLAGS;
import static dev.vesper.machine.sev.VmsaField.RIP;
import static dev.vesper.machine.sev.VmsaField.RSI;
import static dev.vesper.machine.sev.VmsaField.RSP;
import static dev.vesper.machine.sev.VmsaField.SELECTOR;
import static dev.vesper.machine.sev.VmsaField.SEV_FEATURES;
import static dev.vesper.machine.sev.VmsaField.SFMASK;
import static dev.vesper.machine.sev.VmsaField.SPEC_CTRL;
import static dev.vesper.machine.sev.VmsaField.SS;
import static dev.vesper.machine.sev.VmsaField.STAR;
import static dev.vesper.machine.sev.VmsaField.SYSENTER_CS;
import static dev.vesper.machine.sev.VmsaField.SYSENTER_EIP;
import static dev.vesper.machine.sev.VmsaField.SYSENTER_ESP;
import static dev.vesper.machine.sev.VmsaField.TR;
import static dev.vesper.machine.sev.VmsaField.TSC_AUX;
import static dev.vesper.machine.sev.VmsaField.VINTR_CTRL;
import static dev.vesper.machine.sev.VmsaField.VIRTUAL_TOM;
import static dev.vesper.machine.sev.VmsaField.VMPL;
import static dev.vesper.machine.sev.VmsaField.X87_CS;
import static dev.vesper.machine.sev.VmsaField.X87_DP;
import static dev.vesper.machine.sev.VmsaField.X87_DS;
import static dev.vesper.machine.sev.VmsaField.X87_FCW;
import static dev.vesper.machine.sev.VmsaField.X87_FOP;
import static dev.vesper.machine.sev.VmsaField.X87_FSW;
import static dev.vesper.machine.sev.VmsaField.X87_FTW;
import static dev.vesper.machine.sev.VmsaField.X87_RIP;
import static dev.vesper.machine.sev.VmsaField.XCR0;
import static dev.vesper.machine.sev.VmsaField.XSS;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.QueuedEvents;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.memory.Page;
import java.util.Arrays;

/**
 * Moves processor state to and from a save area: the VMSA page of an SEV-ES guest, or the part of a
 * VMCB that has the same layout (spec: sev-es-architecture 9.1).
 */
final class SaveArea {
  /** The segments in the order of {@link CpuState}. */
  private static final VmsaField[] SEGMENTS = {ES, CS, SS, DS, FS, GS, LDTR, TR};

  /** Bytes that {@link #store} writes within, which are those that a VMCB has. */
  static final int PLAIN_SIZE = DBGCTL.offset + DBGCTL.bytes;

  private static final VmsaField[] GPR = {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15
  };

  private static final VmsaField[] DEBUG = {DR0, DR1, DR2, DR3};

  private static final long EVENT_VALID = 1L << 31;

  private SaveArea() {}

  private static void put(byte[] d, VmsaField f, long v) {
    assert f.bytes == 8 : f;
    Page.LONG.set(d, f.offset, v);
  }

  private static void putInt(byte[] d, VmsaField f, int v) {
    assert f.bytes == 4 : f;
    Page.INT.set(d, f.offset, v);
  }

  private static void putShort(byte[] d, VmsaField f, int v) {
    assert f.bytes == 2 : f;
    Page.SHORT.set(d, f.offset, (short) v);
  }

  private static void putAll(byte[] d, VmsaField f, long[] v) {
    assert f.bytes == 8 * v.length : f;
    for (int i = 0; i < v.length; i++) {
      Page.LONG.set(d, f.offset + 8 * i, v[i]);
    }
  }

  private static void putSegment(byte[] d, int at, int sel, int attr, long limit, long base) {
    Page.SHORT.set(d, at + SELECTOR, (short) sel);
    Page.SHORT.set(d, at + ATTRIBUTES, (short) attr);
    Page.INT.set(d, at + LIMIT, (int) limit);
    Page.LONG.set(d, at + BASE, base);
  }

  private static long get(byte[] d, VmsaField f) {
    assert f.bytes == 8 : f;
    return (long) Page.LONG.get(d, f.offset);
  }

  private static int getInt(byte[] d, VmsaField f) {
    assert f.bytes == 4 : f;
    return (int) Page.INT.get(d, f.offset);
  }

  private static int getShort(byte[] d, VmsaField f) {
    assert f.bytes == 2 : f;
    return getShort(d, f.offset);
  }

  private static int getShort(byte[] d, int at) {
    return (short) Page.SHORT.get(d, at) & 0xFFFF;
  }

  private static void getAll(byte[] d, VmsaField f, long[] v) {
    assert f.bytes == 8 * v.length : f;
    for (int i = 0; i < v.length; i++) {
      v[i] = (long) Page.LONG.get(d, f.offset + 8 * i);
    }
  }

  /** Stores what every exit stores. */
  static void store(Cpu c, byte[] d) {
    for (int s = 0; s < 8; s++) {
      putSegment(d, SEGMENTS[s].offset, c.selector[s], c.segAttr[s], c.segLimit[s], c.segBase[s]);
    }
    putSegment(d, GDTR.offset, 0, 0, c.gdtLimit, c.gdtBase);
    putSegment(d, IDTR.offset, 0, 0, c.idtLimit, c.idtBase);
    d[CPL.offset] = (byte) c.cpl;
    put(d, EFER, c.efer);
    put(d, CR4, c.cr4);
    put(d, CR3, c.cr3);
    put(d, CR0, c.cr0);
    put(d, DR7, c.dr[7]);
    put(d, DR6, c.dr[6]);
    put(d, RFLAGS, c.flags());
    put(d, RIP, c.rip);
    put(d, RSP, c.r[4]);
    put(d, RAX, c.r[0]);
    put(d, STAR, c.star);
    put(d, LSTAR, c.lstar);
    put(d, CSTAR, c.cstar);
    put(d, SFMASK, c.sfmask);
    put(d, KERNEL_GS_BASE, c.kernelGsBase);
    put(d, SYSENTER_CS, c.sysenterCs);
    put(d, SYSENTER_ESP, c.sysenterEsp);
    put(d, SYSENTER_EIP, c.sysenterEip);
    put(d, CR2, c.cr2);
    put(d, G_PAT, c.pat);
    put(d, DBGCTL, c.debugCtl);
  }

  /** Puts a general register, 0 RAX .. 15 R15. */
  static void putGeneral(byte[] d, int gpr, long value) {
    put(d, GPR[gpr], value);
  }

  /** Stores what only a VMSA holds: general registers, XCR0 and the FPU. */
  static void storeProtected(Cpu c, byte[] d) {
    for (int i = 0; i < 16; i++) {
      put(d, GPR[i], c.r[i]);
    }
    putInt(d, TSC_AUX, (int) c.tscAux);
    put(d, XSS, c.xss);
    put(d, XCR0, c.xcr0);
    putInt(d, PKRU, c.pkru);
    putInt(d, SPEC_CTRL, c.specCtrl);
    put(d, X87_DP, c.fdp);
    putInt(d, MXCSR, c.mxcsr);
    putShort(d, X87_FTW, c.fvalid);
    putShort(d, X87_FSW, c.fsw | c.ftop << 11);
    putShort(d, X87_FCW, c.fcw);
    putShort(d, X87_FOP, c.fop);
    putShort(d, X87_DS, c.fds);
    putShort(d, X87_CS, c.fcs);
    put(d, X87_RIP, c.fip);
    for (int i = 0; i < 8; i++) {
      int p = c.ftop + i & 7;
      Page.LONG.set(d, FPREG_X87.offset + 8 * i, c.fpMant[p]);
      Page.SHORT.set(d, FPREG_X87.offset + 64 + 2 * i, (short) c.fpExp[p]);
    }
    putAll(d, FPREG_XMM, c.xmm);
    putAll(d, FPREG_YMM, c.ymmh);
    putAll(d, FPREG_K, c.k);
    putAll(d, FPREG_ZMM_HIGH, c.zmmh);
    putAll(d, FPREG_ZMM16, c.zmm16);
  }

  /**
   * Puts the FPU into its reset state, as an automatic exit leaves it for the host (spec:
   * sev-es-architecture section 9, swap type C).
   */
  static void resetFpu(Cpu c) {
    c.fcw = 0x40;
    c.fsw = 0;
    c.ftop = 0;
    c.fvalid = 0;
    c.fop = 0;
    c.fip = 0;
    c.fdp = 0;
    c.fcs = 0;
    c.fds = 0;
    c.mxcsr = 0x1F80;
    Arrays.fill(c.fpMant, 0);
    Arrays.fill(c.fpExp, 0);
    Arrays.fill(c.xmm, 0);
    Arrays.fill(c.ymmh, 0);
    Arrays.fill(c.k, 0);
    Arrays.fill(c.zmmh, 0);
    Arrays.fill(c.zmm16, 0);
  }

  /** Loads what every VMRUN loads. */
  static void load(Cpu c, byte[] d) {
    boolean flush =
        c.cr3 != get(d, CR3)
            || c.cr0 != get(d, CR0)
            || c.cr4 != get(d, CR4)
            || c.efer != get(d, EFER)
            || c.dr[7] != get(d, DR7);
    for (int s = 0; s < 8; s++) {
      int at = SEGMENTS[s].offset;
      c.selector[s] = getShort(d, at + SELECTOR);
      c.segAttr[s] = getShort(d, at + ATTRIBUTES) & 0xFFF;
      c.segLimit[s] = (int) Page.INT.get(d, at + LIMIT) & 0xFFFF_FFFFL;
      c.segBase[s] = (long) Page.LONG.get(d, at + BASE);
    }
    c.gdtLimit = (int) Page.INT.get(d, GDTR.offset + LIMIT) & 0xFFFF;
    c.gdtBase = (long) Page.LONG.get(d, GDTR.offset + BASE);
    c.idtLimit = (int) Page.INT.get(d, IDTR.offset + LIMIT) & 0xFFFF;
    c.idtBase = (long) Page.LONG.get(d, IDTR.offset + BASE);
    c.cpl = d[CPL.offset] & 3;
    c.efer = get(d, EFER);
    c.cr4 = get(d, CR4);
    c.cr3 = get(d, CR3);
    c.cr0 = get(d, CR0);
    c.dr[7] = get(d, DR7);
    c.dr[6] = get(d, DR6);
    c.setFlags((int) get(d, RFLAGS));
    c.rip = get(d, RIP);
    c.r[4] = get(d, RSP);
    c.r[0] = get(d, RAX);
    c.star = get(d, STAR);
    c.lstar = get(d, LSTAR);
    c.cstar = get(d, CSTAR);
    c.sfmask = get(d, SFMASK);
    c.kernelGsBase = get(d, KERNEL_GS_BASE);
    c.sysenterCs = get(d, SYSENTER_CS);
    c.sysenterEsp = get(d, SYSENTER_ESP);
    c.sysenterEip = get(d, SYSENTER_EIP);
    c.cr2 = get(d, CR2);
    c.pat = get(d, G_PAT);
    c.debugCtl = get(d, DBGCTL);
    if (flush) {
      c.flushTlb(true);
    } else {
      c.modeChanged();
    }
  }

  /** Loads what only a VMSA holds. */
  static void loadProtected(Cpu c, byte[] d) {
    for (int i = 0; i < 16; i++) {
      c.r[i] = get(d, GPR[i]);
    }
    c.tscAux = getInt(d, TSC_AUX) & 0xFFFF_FFFFL;
    c.xss = get(d, XSS);
    c.xcr0 = get(d, XCR0);
    c.writePkru(getInt(d, PKRU));
    c.specCtrl = getInt(d, SPEC_CTRL);
    c.fdp = get(d, X87_DP);
    c.mxcsr = getInt(d, MXCSR);
    c.fvalid = getShort(d, X87_FTW) & 0xFF;
    int sw = getShort(d, X87_FSW);
    c.ftop = sw >> 11 & 7;
    c.fsw = sw & 0xC7FF;
    c.fcw = getShort(d, X87_FCW);
    c.fop = getShort(d, X87_FOP);
    c.fds = getShort(d, X87_DS);
    c.fcs = getShort(d, X87_CS);
    c.fip = get(d, X87_RIP);
    for (int i = 0; i < 8; i++) {
      int p = c.ftop + i & 7;
      c.fpMant[p] = (long) Page.LONG.get(d, FPREG_X87.offset + 8 * i);
      c.fpExp[p] = getShort(d, FPREG_X87.offset + 64 + 2 * i);
    }
    getAll(d, FPREG_XMM, c.xmm);
    getAll(d, FPREG_YMM, c.ymmh);
    getAll(d, FPREG_K, c.k);
    getAll(d, FPREG_ZMM_HIGH, c.zmmh);
    getAll(d, FPREG_ZMM16, c.zmm16);
  }

  /** Stores the debug registers that DebugSwap has the processor swap. */
  static void storeDebug(Cpu c, byte[] d) {
    for (int i = 0; i < DEBUG.length; i++) {
      put(d, DEBUG[i], c.dr[i]);
    }
  }

  /** Loads them. */
  static void loadDebug(Cpu c, byte[] d) {
    for (int i = 0; i < DEBUG.length; i++) {
      c.dr[i] = get(d, DEBUG[i]);
    }
    c.modeChanged();
  }

  /** Stores what an exit of an SEV-SNP guest tells a higher privilege level. */
  static void storeExit(Cpu c, byte[] d) {
    put(d, GUEST_EXITINFO1, c.guestExitInfo1);
    put(d, GUEST_EXITINFO2, c.guestExitInfo2);
    put(d, GUEST_EXITINTINFO, c.exitIntInfo);
    put(d, GUEST_NRIP, c.exitNextRip);
    put(d, GUEST_EXITCODE, c.guestExitCode);
  }

  /** {@return what a more privileged level says of interrupts, if AlternateInjection is on} */
  static long interruptControl(byte[] d) {
    return get(d, VINTR_CTRL);
  }

  /** {@return the event that a more privileged level injects, if AlternateInjection is on} */
  static long event(byte[] d) {
    return get(d, EVENTINJ);
  }

  /**
   * Stores what an exit leaves of queued events. An event that the exit has interrupted is injected
   * again with the next VMRUN, as nobody else could; with an exit that a more privileged level is
   * to answer, the area is busy until that has seen to the event.
   */
  static void storeQueue(Cpu c, QueuedEvents q, byte[] d) {
    long control = q.store(get(d, VINTR_CTRL), c.cr8, c.interruptShadow, c.nmiBlocked);
    boolean lost = (c.exitIntInfo & EVENT_VALID) != 0;
    boolean reflected = c.exitCode == ExitCode.EXCP0 + Cpu.VC;
    put(d, VINTR_CTRL, lost && reflected ? control | QueuedEvents.BUSY : control);
    put(d, EVENTINJ, lost && !reflected ? c.exitIntInfo : 0);
  }

  /** {@return the features that the guest runs with} */
  static long features(byte[] d) {
    return get(d, SEV_FEATURES);
  }

  /** {@return the privilege level that the guest runs at} */
  static int level(byte[] d) {
    return d[VMPL.offset] & 0xFF;
  }

  /** {@return how the guest's time is counted, if the feature is on} */
  static SecureTsc secureTsc(byte[] d) {
    return new SecureTsc(get(d, GUEST_TSC_SCALE), get(d, GUEST_TSC_OFFSET));
  }

  /** {@return the virtual top of memory} */
  static long virtualTop(byte[] d) {
    return get(d, VIRTUAL_TOM);
  }

  /** Stores the virtual top of memory, which the guest may have changed. */
  static void storeVirtualTop(byte[] d, long v) {
    put(d, VIRTUAL_TOM, v);
  }

  /** {@return whether the state is one that VMRUN refuses (spec: sev-es-architecture 9.2)} */
  static boolean illegal(byte[] d) {
    long efer = get(d, EFER);
    long cr0 = get(d, CR0);
    long cr4 = get(d, CR4);
    int cs = getShort(d, CS.offset + ATTRIBUTES);
    boolean lme = (efer & CpuState.EFER_LME) != 0;
    boolean pg = (cr0 & CpuState.CR0_PG) != 0;
    return (efer & CpuState.EFER_SVME) == 0
        || (cr0 & CpuState.CR0_CD) == 0 && (cr0 & CpuState.CR0_NW) != 0
        || cr0 >>> 32 != 0
        || get(d, DR6) >>> 32 != 0
        || get(d, DR7) >>> 32 != 0
        || lme && pg && ((cr4 & CpuState.CR4_PAE) == 0 || (cr0 & CpuState.CR0_PE) == 0)
        || lme && pg && (cr4 & CpuState.CR4_PAE) != 0 && (cs & 0x600) == 0x600;
  }
}
