package dev.vesper.machine.sev;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.memory.Page;

/**
 * Moves processor state to and from a save area: the VMSA page of an SEV-ES guest, or the part of a
 * VMCB that has the same layout (spec: sev-es-architecture 9.1).
 */
final class SaveArea {
  static final int DR6 = 0x168;
  static final int RFLAGS = 0x170;
  static final int RIP = 0x178;
  static final int RSP = 0x1D8;
  static final int RAX = 0x1F8;
  static final int SPEC_CTRL = 0x2E0;
  static final int PKRU = 0x2E8;
  static final int XCR0 = 0x3E8;
  static final int K = 0x980;
  static final int ZMM_HIGH = 0x9C0;
  static final int ZMM16 = 0xBC0;
  static final int SEV_FEATURES = 0x3B0;

  /** Save-area slot of each segment of {@link CpuState}: ES CS SS DS FS GS LDTR TR. */
  private static final int[] SEGMENTS = {0x000, 0x010, 0x020, 0x030, 0x040, 0x050, 0x070, 0x090};

  private static final int[] GPR = {
    RAX, 0x308, 0x310, 0x318, RSP, 0x328, 0x330, 0x338, 0x340, 0x348, 0x350, 0x358, 0x360, 0x368,
    0x370, 0x378
  };

  private SaveArea() {}

  private static void put(byte[] d, int at, long v) {
    Page.LONG.set(d, at, v);
  }

  private static long get(byte[] d, int at) {
    return (long) Page.LONG.get(d, at);
  }

  private static void putAll(byte[] d, int at, long[] v) {
    for (int i = 0; i < v.length; i++) {
      put(d, at + 8 * i, v[i]);
    }
  }

  private static void getAll(byte[] d, int at, long[] v) {
    for (int i = 0; i < v.length; i++) {
      v[i] = get(d, at + 8 * i);
    }
  }

  private static void putSegment(byte[] d, int at, int sel, int attr, long limit, long base) {
    Page.SHORT.set(d, at, (short) sel);
    Page.SHORT.set(d, at + 2, (short) attr);
    Page.INT.set(d, at + 4, (int) limit);
    put(d, at + 8, base);
  }

  /** Stores what every exit stores. */
  static void store(Cpu c, byte[] d, int base) {
    for (int s = 0; s < 8; s++) {
      putSegment(d, base + SEGMENTS[s], c.selector[s], c.segAttr[s], c.segLimit[s], c.segBase[s]);
    }
    putSegment(d, base + 0x060, 0, 0, c.gdtLimit, c.gdtBase);
    putSegment(d, base + 0x080, 0, 0, c.idtLimit, c.idtBase);
    d[base + 0x0CB] = (byte) c.cpl;
    put(d, base + 0x0D0, c.efer);
    put(d, base + 0x148, c.cr4);
    put(d, base + 0x150, c.cr3);
    put(d, base + 0x158, c.cr0);
    put(d, base + 0x160, c.dr[7]);
    put(d, base + DR6, c.dr[6]);
    put(d, base + RFLAGS, c.flags());
    put(d, base + RIP, c.rip);
    put(d, base + RSP, c.r[4]);
    put(d, base + RAX, c.r[0]);
    put(d, base + 0x200, c.star);
    put(d, base + 0x208, c.lstar);
    put(d, base + 0x210, c.cstar);
    put(d, base + 0x218, c.sfmask);
    put(d, base + 0x220, c.kernelGsBase);
    put(d, base + 0x228, c.sysenterCs);
    put(d, base + 0x230, c.sysenterEsp);
    put(d, base + 0x238, c.sysenterEip);
    put(d, base + 0x240, c.cr2);
    put(d, base + 0x268, c.pat);
    put(d, base + 0x270, c.debugCtl);
  }

  /** Stores what only a VMSA holds: general registers, XCR0 and the FPU. */
  static void storeProtected(Cpu c, byte[] d) {
    for (int i = 0; i < 16; i++) {
      put(d, GPR[i], c.r[i]);
    }
    Page.INT.set(d, 0x2EC, (int) c.tscAux);
    put(d, 0x140, c.xss);
    put(d, XCR0, c.xcr0);
    Page.INT.set(d, PKRU, c.pkru);
    Page.INT.set(d, SPEC_CTRL, c.specCtrl);
    put(d, 0x400, c.fdp);
    Page.INT.set(d, 0x408, c.mxcsr);
    Page.SHORT.set(d, 0x40C, (short) c.fvalid);
    Page.SHORT.set(d, 0x40E, (short) (c.fsw | c.ftop << 11));
    Page.SHORT.set(d, 0x410, (short) c.fcw);
    Page.SHORT.set(d, 0x412, (short) c.fop);
    Page.SHORT.set(d, 0x414, (short) c.fds);
    Page.SHORT.set(d, 0x416, (short) c.fcs);
    put(d, 0x418, c.fip);
    for (int i = 0; i < 8; i++) {
      int p = c.ftop + i & 7;
      put(d, 0x420 + 8 * i, c.fpMant[p]);
      Page.SHORT.set(d, 0x460 + 2 * i, (short) c.fpExp[p]);
    }
    for (int i = 0; i < 32; i++) {
      put(d, 0x470 + 8 * i, c.xmm[i]);
      put(d, 0x570 + 8 * i, c.ymmh[i]);
    }
    putAll(d, K, c.k);
    putAll(d, ZMM_HIGH, c.zmmh);
    putAll(d, ZMM16, c.zmm16);
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
    java.util.Arrays.fill(c.fpMant, 0);
    java.util.Arrays.fill(c.fpExp, 0);
    java.util.Arrays.fill(c.xmm, 0);
    java.util.Arrays.fill(c.ymmh, 0);
    java.util.Arrays.fill(c.k, 0);
    java.util.Arrays.fill(c.zmmh, 0);
    java.util.Arrays.fill(c.zmm16, 0);
  }

  private static int getShort(byte[] d, int at) {
    return (short) Page.SHORT.get(d, at) & 0xFFFF;
  }

  /** Loads what every VMRUN loads. */
  static void load(Cpu c, byte[] d, int base) {
    boolean flush =
        c.cr3 != get(d, base + 0x150)
            || c.cr0 != get(d, base + 0x158)
            || c.cr4 != get(d, base + 0x148)
            || c.efer != get(d, base + 0x0D0)
            || c.dr[7] != get(d, base + 0x160);
    for (int s = 0; s < 8; s++) {
      int at = base + SEGMENTS[s];
      c.selector[s] = getShort(d, at);
      c.segAttr[s] = getShort(d, at + 2) & 0xFFF;
      c.segLimit[s] = (int) Page.INT.get(d, at + 4) & 0xFFFF_FFFFL;
      c.segBase[s] = get(d, at + 8);
    }
    c.gdtLimit = (int) Page.INT.get(d, base + 0x064) & 0xFFFF;
    c.gdtBase = get(d, base + 0x068);
    c.idtLimit = (int) Page.INT.get(d, base + 0x084) & 0xFFFF;
    c.idtBase = get(d, base + 0x088);
    c.cpl = d[base + 0x0CB] & 3;
    c.efer = get(d, base + 0x0D0);
    c.cr4 = get(d, base + 0x148);
    c.cr3 = get(d, base + 0x150);
    c.cr0 = get(d, base + 0x158);
    c.dr[7] = get(d, base + 0x160);
    c.dr[6] = get(d, base + DR6);
    c.setFlags((int) get(d, base + RFLAGS));
    c.rip = get(d, base + RIP);
    c.r[4] = get(d, base + RSP);
    c.r[0] = get(d, base + RAX);
    c.star = get(d, base + 0x200);
    c.lstar = get(d, base + 0x208);
    c.cstar = get(d, base + 0x210);
    c.sfmask = get(d, base + 0x218);
    c.kernelGsBase = get(d, base + 0x220);
    c.sysenterCs = get(d, base + 0x228);
    c.sysenterEsp = get(d, base + 0x230);
    c.sysenterEip = get(d, base + 0x238);
    c.cr2 = get(d, base + 0x240);
    c.pat = get(d, base + 0x268);
    c.debugCtl = get(d, base + 0x270);
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
    c.tscAux = (int) Page.INT.get(d, 0x2EC) & 0xFFFF_FFFFL;
    c.xss = get(d, 0x140);
    c.xcr0 = get(d, XCR0);
    c.writePkru((int) Page.INT.get(d, PKRU));
    c.specCtrl = (int) Page.INT.get(d, SPEC_CTRL);
    c.fdp = get(d, 0x400);
    c.mxcsr = (int) Page.INT.get(d, 0x408);
    c.fvalid = getShort(d, 0x40C) & 0xFF;
    int sw = getShort(d, 0x40E);
    c.ftop = sw >> 11 & 7;
    c.fsw = sw & 0xC7FF;
    c.fcw = getShort(d, 0x410);
    c.fop = getShort(d, 0x412);
    c.fds = getShort(d, 0x414);
    c.fcs = getShort(d, 0x416);
    c.fip = get(d, 0x418);
    for (int i = 0; i < 8; i++) {
      int p = c.ftop + i & 7;
      c.fpMant[p] = get(d, 0x420 + 8 * i);
      c.fpExp[p] = getShort(d, 0x460 + 2 * i);
    }
    for (int i = 0; i < 32; i++) {
      c.xmm[i] = get(d, 0x470 + 8 * i);
      c.ymmh[i] = get(d, 0x570 + 8 * i);
    }
    getAll(d, K, c.k);
    getAll(d, ZMM_HIGH, c.zmmh);
    getAll(d, ZMM16, c.zmm16);
  }

  /** {@return whether the state is one that VMRUN refuses (spec: sev-es-architecture 9.2)} */
  static boolean illegal(byte[] d, int base) {
    long efer = get(d, base + 0x0D0);
    long cr0 = get(d, base + 0x158);
    long cr4 = get(d, base + 0x148);
    int cs = getShort(d, base + 0x012);
    boolean lme = (efer & CpuState.EFER_LME) != 0;
    boolean pg = (cr0 & CpuState.CR0_PG) != 0;
    return (efer & CpuState.EFER_SVME) == 0
        || (cr0 & CpuState.CR0_CD) == 0 && (cr0 & CpuState.CR0_NW) != 0
        || cr0 >>> 32 != 0
        || get(d, base + DR6) >>> 32 != 0
        || get(d, base + 0x160) >>> 32 != 0
        || lme && pg && ((cr4 & CpuState.CR4_PAE) == 0 || (cr0 & CpuState.CR0_PE) == 0)
        || lme && pg && (cr4 & CpuState.CR4_PAE) != 0 && (cs & 0x600) == 0x600;
  }
}
