package dev.vesper.machine.cpu;

import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.cpu.fp.SoftFloat;

/**
 * Registers of one virtual processor.
 *
 * <p>Arithmetic flags are lazy: {@link #fRes} is the last result sign-extended to 64 bits, {@link
 * #fCv} has CF in bit 63 and CF^OF in bit 62, {@link #fAx} has AF in bit 4, a parity delta in bits
 * 15:8 and a sign delta in bit 16.
 */
public abstract class CpuState {
  public static final int ES = 0;
  public static final int CS = 1;
  public static final int SS = 2;
  public static final int DS = 3;
  public static final int FS = 4;
  public static final int GS = 5;

  /** Slots of LDTR and TR in the segment arrays. */
  public static final int LDTR = 6;

  public static final int TR = 7;

  public static final int CF = 1;
  public static final int PF = 4;
  public static final int AF = 0x10;
  public static final int ZF = 0x40;
  public static final int SF = 0x80;
  public static final int TF = 0x100;
  public static final int IF = 0x200;
  public static final int DF = 0x400;
  public static final int OF = 0x800;
  public static final int IOPL = 0x3000;
  public static final int NT = 0x4000;
  public static final int RF = 0x1_0000;
  public static final int VM = 0x2_0000;
  public static final int AC = 0x4_0000;
  public static final int VIF = 0x8_0000;
  public static final int VIP = 0x10_0000;
  public static final int ID = 0x20_0000;
  public static final int ARITH = CF | PF | AF | ZF | SF | OF;

  public static final long CR0_PE = 1;
  public static final long CR0_MP = 2;
  public static final long CR0_EM = 4;
  public static final long CR0_TS = 8;
  public static final long CR0_ET = 0x10;
  public static final long CR0_NE = 0x20;
  public static final long CR0_WP = 0x1_0000;
  public static final long CR0_AM = 0x4_0000;
  public static final long CR0_NW = 0x2000_0000;
  public static final long CR0_CD = 0x4000_0000;
  public static final long CR0_PG = 0x8000_0000L;
  public static final long CR4_VME = 1;
  public static final long CR4_PVI = 2;
  public static final long CR4_TSD = 4;
  public static final long CR4_DE = 8;
  public static final long CR4_PSE = 0x10;
  public static final long CR4_PAE = 0x20;
  public static final long CR4_MCE = 0x40;
  public static final long CR4_PGE = 0x80;
  public static final long CR4_PCE = 0x100;
  public static final long CR4_OSFXSR = 0x200;
  public static final long CR4_OSXMMEXCPT = 0x400;
  public static final long CR4_UMIP = 0x800;
  public static final long CR4_LA57 = 0x1000;
  public static final long CR4_FSGSBASE = 0x1_0000;
  public static final long CR4_PCIDE = 0x2_0000;
  public static final long CR4_OSXSAVE = 0x4_0000;
  public static final long CR4_SMEP = 0x10_0000;
  public static final long CR4_SMAP = 0x20_0000;
  public static final long CR4_PKE = 0x40_0000;
  public static final long CR4_PKS = 0x100_0000;

  public static final long EFER_SCE = 1;
  public static final long EFER_LME = 0x100;
  public static final long EFER_LMA = 0x400;
  public static final long EFER_NXE = 0x800;
  public static final long EFER_SVME = 0x1000;
  public static final long EFER_FFXSR = 0x4000;

  /** Automatic IBRS. */
  public static final long EFER_AIBRSE = 0x20_0000;

  /**
   * General registers 0..15 (RAX RCX RDX RBX RSP RBP RSI RDI R8..R15); 16 is always zero; 17 is RIP
   * of the start of the page that the current block lies in; the others are for {@link
   * NativeState}.
   */
  public final long[] r = new long[NativeState.REGISTER_ENTRIES];

  /** Index in {@link #r} of the constant zero. */
  public static final int ZERO = 16;

  /** Index in {@link #r} of the code page's base. */
  public static final int PAGE = 17;

  public long rip;
  public long fRes;
  public long fCv;
  public long fAx;

  /** RFLAGS without the arithmetic flags. */
  public int eflags = 2;

  public final int[] selector = new int[8];
  public final long[] segBase = new long[8];

  /** Segment limits in bytes, unsigned. */
  public final long[] segLimit = new long[8];

  /** Attributes as the VMCB packs them: type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9, D/B 10, G 11. */
  public final int[] segAttr = new int[8];

  public long gdtBase;
  public int gdtLimit;
  public long idtBase;
  public int idtLimit;

  public long cr0 = CR0_ET;
  public long cr2;
  public long cr3;
  public long cr4;
  public long cr8;
  public long efer;
  public final long[] dr = {0, 0, 0, 0, 0, 0, 0xFFFF_0FF0L, 0x400};
  public int cpl;

  public long star;
  public long lstar;
  public long cstar;
  public long sfmask;
  public long kernelGsBase;
  public long sysenterCs;
  public long sysenterEsp;
  public long sysenterEip;
  public long pat = 0x0007_0406_0007_0406L;
  public long tscAux;
  public long debugCtl;
  public long ghcbMsr;
  public long xcr0 = 1;

  /** Speculation controls: state only. */
  public int specCtrl;

  public long xss;

  /** Protection-key rights: access-disable and write-disable of each of 16 keys. */
  public int pkru;

  /** The same of the keys of supervisor pages. */
  public int pkrs;

  public long sevStatus;

  /** x87 significands by physical register number. */
  public final long[] fpMant = new long[8];

  /** x87 sign (bit 15) and exponent by physical register number. */
  public final int[] fpExp = new int[8];

  /** Work space of floating-point instructions; holds nothing between them. */
  public final SoftFloat soft = new SoftFloat();

  public final Num na = new Num();
  public final Num nb = new Num();
  public final Num nz = new Num();
  public final Num nc = new Num();

  public int fcw = 0x37F;

  /** Status word without TOP. */
  public int fsw;

  public int ftop;

  /** One bit per physical register that is not empty. */
  public int fvalid;

  public int fop;
  public long fip;
  public int fcs;
  public long fdp;
  public int fds;

  /** {@return FSW, with TOP} */
  public final int x87Status() {
    return fsw | ftop << 11;
  }

  /**
   * {@return FTW in full, two bits a physical register: 0 valid, 1 zero, 2 special, 3 empty}
   *
   * @param n work space
   */
  public final int x87Tags(Num n) {
    int t = 0;
    for (int i = 0; i < 8; i++) {
      int tag = 3;
      if ((fvalid >> i & 1) != 0) {
        n.fromExtended(fpMant[i], fpExp[i]);
        tag = n.kind == Num.ZERO ? 1 : n.kind == Num.FINITE && !n.denormal ? 0 : 2;
      }
      t |= tag << 2 * i;
    }
    return t;
  }

  /** XMM registers, low and high quadword in turn. */
  public final long[] xmm = new long[32];

  /** Bits 255:128 of the YMM registers, low and high quadword in turn. */
  public final long[] ymmh = new long[32];

  /** Bits 511:256 of ZMM0 to ZMM15, four quadwords each. */
  public final long[] zmmh = new long[64];

  /** ZMM16 to ZMM31, eight quadwords each. */
  public final long[] zmm16 = new long[128];

  /** Opmask registers. */
  public final long[] k = new long[8];

  public int mxcsr = 0x1F80;

  /** Set for one instruction after STI, MOV SS and POP SS. */
  public boolean interruptShadow;

  /** The shadow is that of a load of SS, which holds debug exceptions back too. */
  public boolean stackSwitchShadow;

  public boolean nmiBlocked;

  public long exitCode;
  public long exitInfo1;
  public long exitInfo2;
  public long exitIntInfo;

  /**
   * What an SEV-SNP guest's save area says of an exit: of a reflected #VC what the host is not
   * told.
   */
  public long guestExitCode;

  public long guestExitInfo1;
  public long guestExitInfo2;

  /** RIP behind the instruction that exited. */
  public long exitNextRip;

  /** Instructions executed since reset; virtual time. */
  public long icount;

  /** Value of {@link #icount} at which the running region has used up its budget. */
  public long regionEnd;

  // ---- arithmetic flags

  public final boolean cf() {
    return fCv < 0;
  }

  public final boolean of() {
    return (fCv ^ fCv << 1) < 0;
  }

  public final boolean zf() {
    return fRes == 0;
  }

  public final boolean sf() {
    return (fRes ^ fAx << 47) < 0;
  }

  public final boolean pf() {
    return (Long.bitCount((fRes ^ fAx >>> 8) & 0xFF) & 1) == 0;
  }

  public final boolean af() {
    return (fAx & AF) != 0;
  }

  /** Sets CF and OF and leaves the other arithmetic flags. */
  public final void setCfOf(boolean c, boolean o) {
    fCv = (c ? 1L << 63 : 0) | (c ^ o ? 1L << 62 : 0);
  }

  /** Sets CF and leaves the other arithmetic flags. */
  public final void setCf(boolean c) {
    setCfOf(c, of());
  }

  /** Sets the flags of a logical result: CF, OF and AF clear. */
  public final void setLogic(long signExtended) {
    fRes = signExtended;
    fCv = 0;
    fAx = 0;
  }

  /** {@return the whole RFLAGS} */
  public final int flags() {
    return eflags
        | (cf() ? CF : 0)
        | (pf() ? PF : 0)
        | (af() ? AF : 0)
        | (zf() ? ZF : 0)
        | (sf() ? SF : 0)
        | (of() ? OF : 0);
  }

  /** Sets the arithmetic flags from RFLAGS' layout. */
  public final void setArith(int f) {
    boolean z = (f & ZF) != 0;
    fRes = z ? 0 : 1;
    long parityDelta = ((f & PF) != 0) == z ? 0 : 1;
    fAx = f & AF | parityDelta << 8 | ((f & SF) != 0 ? 1L << 16 : 0);
    setCfOf((f & CF) != 0, (f & OF) != 0);
  }

  /** Sets the whole RFLAGS. */
  public final void setFlags(int f) {
    setArith(f);
    eflags = f & ~ARITH & 0x3F_7FD7 | 2;
  }

  /**
   * {@return whether a condition holds}
   *
   * @param cc condition code of Jcc, SETcc and CMOVcc, 0..15
   */
  public final boolean cond(int cc) {
    return switch (cc) {
      case 0 -> of();
      case 1 -> !of();
      case 2 -> fCv < 0;
      case 3 -> fCv >= 0;
      case 4 -> fRes == 0;
      case 5 -> fRes != 0;
      case 6 -> fCv < 0 || fRes == 0;
      case 7 -> fCv >= 0 && fRes != 0;
      case 8 -> sf();
      case 9 -> !sf();
      case 10 -> pf();
      case 11 -> !pf();
      case 12 -> (fRes ^ fAx << 47 ^ fCv ^ fCv << 1) < 0;
      case 13 -> (fRes ^ fAx << 47 ^ fCv ^ fCv << 1) >= 0;
      case 14 -> fRes == 0 || (fRes ^ fAx << 47 ^ fCv ^ fCv << 1) < 0;
      default -> fRes != 0 && (fRes ^ fAx << 47 ^ fCv ^ fCv << 1) >= 0;
    };
  }

  // ---- general registers by width

  /** {@return an 8-bit register; 32 + n is the high byte of register n} */
  public final int reg8(int i) {
    return (int) (i < 32 ? r[i] : r[i - 32] >>> 8) & 0xFF;
  }

  public final void setReg8(int i, long v) {
    if (i < 32) {
      r[i] = r[i] & ~0xFFL | v & 0xFF;
    } else {
      r[i - 32] = r[i - 32] & ~0xFF00L | (v & 0xFF) << 8;
    }
  }

  public final void setReg16(int i, long v) {
    r[i] = r[i] & ~0xFFFFL | v & 0xFFFF;
  }

  /** {@return a register zero-extended from its width in bytes} */
  public final long reg(int i, int bytes) {
    return switch (bytes) {
      case 1 -> reg8(i);
      case 2 -> r[i] & 0xFFFF;
      case 4 -> r[i] & 0xFFFF_FFFFL;
      default -> r[i];
    };
  }

  /** Writes a register: 8 and 16 bits merge, 32 bits clear the upper half. */
  public final void setReg(int i, int bytes, long v) {
    switch (bytes) {
      case 1 -> setReg8(i, v);
      case 2 -> setReg16(i, v);
      case 4 -> r[i] = v & 0xFFFF_FFFFL;
      default -> r[i] = v;
    }
  }

  // ---- modes

  public final boolean longMode() {
    return (efer & EFER_LMA) != 0;
  }

  /** {@return whether code runs in 64-bit mode} */
  public final boolean mode64() {
    return (efer & EFER_LMA) != 0 && (segAttr[CS] & 0x200) != 0;
  }

  public final boolean protectedMode() {
    return (cr0 & CR0_PE) != 0;
  }

  public final boolean v86() {
    return (eflags & VM) != 0;
  }

  /** {@return the width of code: 16, 32 or 64} */
  public final int codeBits() {
    return mode64() ? 64 : (segAttr[CS] & 0x400) != 0 ? 32 : 16;
  }

  public final long ripMask() {
    return mode64() ? -1L : 0xFFFF_FFFFL;
  }

  /** Puts registers into the state after RESET (AMD APM volume 2, 14.1.3). */
  public final void resetRegisters() {
    java.util.Arrays.fill(r, 0);
    rip = 0xFFF0;
    setFlags(2);
    for (int s = 0; s < 6; s++) {
      selector[s] = 0;
      segBase[s] = 0;
      segLimit[s] = 0xFFFF;
      segAttr[s] = s == CS ? 0x9B : 0x93;
    }
    selector[CS] = 0xF000;
    segBase[CS] = 0xFFFF_0000L;
    selector[LDTR] = 0;
    segBase[LDTR] = 0;
    segLimit[LDTR] = 0xFFFF;
    segAttr[LDTR] = 0x82;
    selector[TR] = 0;
    segBase[TR] = 0;
    segLimit[TR] = 0xFFFF;
    segAttr[TR] = 0x8B;
    gdtBase = 0;
    gdtLimit = 0xFFFF;
    idtBase = 0;
    idtLimit = 0xFFFF;
    cr0 = CR0_CD | CR0_NW | CR0_ET;
    cr2 = 0;
    cr3 = 0;
    cr4 = 0;
    cr8 = 0;
    efer = 0;
    dr[6] = 0xFFFF_0FF0L;
    dr[7] = 0x400;
    cpl = 0;
    fcw = 0x40;
    fsw = 0;
    ftop = 0;
    fvalid = 0xFF;
    mxcsr = 0x1F80;
    xcr0 = 1;
    xss = 0;
    pkru = 0;
    pkrs = 0;
    specCtrl = 0;
  }
}
