package dev.vesper.machine.sev;

/**
 * Every field of a VMSA, in the order of the page, by the names of AMD APM volume 2, table B-4
 * (spec: sev-es-architecture 9.1). The save area of a plain VMCB has the same layout up to CR2 and
 * the debug registers (table B-2). What no field covers is reserved.
 */
public enum VmsaField {
  ES(0x000, 16),
  CS(0x010, 16),
  SS(0x020, 16),
  DS(0x030, 16),
  FS(0x040, 16),
  GS(0x050, 16),
  GDTR(0x060, 16),
  LDTR(0x070, 16),
  IDTR(0x080, 16),
  TR(0x090, 16),
  PL0_SSP(0x0A0, 8),
  PL1_SSP(0x0A8, 8),
  PL2_SSP(0x0B0, 8),
  PL3_SSP(0x0B8, 8),
  U_CET(0x0C0, 8),
  VMPL(0x0CA, 1),
  CPL(0x0CB, 1),
  EFER(0x0D0, 8),
  PERF_CTL0(0x0E0, 8),
  PERF_CTR0(0x0E8, 8),
  PERF_CTL1(0x0F0, 8),
  PERF_CTR1(0x0F8, 8),
  PERF_CTL2(0x100, 8),
  PERF_CTR2(0x108, 8),
  PERF_CTL3(0x110, 8),
  PERF_CTR3(0x118, 8),
  PERF_CTL4(0x120, 8),
  PERF_CTR4(0x128, 8),
  PERF_CTL5(0x130, 8),
  PERF_CTR5(0x138, 8),
  XSS(0x140, 8),
  CR4(0x148, 8),
  CR3(0x150, 8),
  CR0(0x158, 8),
  DR7(0x160, 8),
  DR6(0x168, 8),
  RFLAGS(0x170, 8),
  RIP(0x178, 8),
  DR0(0x180, 8),
  DR1(0x188, 8),
  DR2(0x190, 8),
  DR3(0x198, 8),
  DR0_ADDR_MASK(0x1A0, 8),
  DR1_ADDR_MASK(0x1A8, 8),
  DR2_ADDR_MASK(0x1B0, 8),
  DR3_ADDR_MASK(0x1B8, 8),
  INSTR_RETIRED_CTR(0x1C0, 8),
  PERF_CTR_GLOBAL_STS(0x1C8, 8),
  PERF_CTR_GLOBAL_CTL(0x1D0, 4),
  RSP(0x1D8, 8),
  S_CET(0x1E0, 8),
  SSP(0x1E8, 8),
  ISST_ADDR(0x1F0, 8),
  RAX(0x1F8, 8),
  STAR(0x200, 8),
  LSTAR(0x208, 8),
  CSTAR(0x210, 8),
  SFMASK(0x218, 8),
  KERNEL_GS_BASE(0x220, 8),
  SYSENTER_CS(0x228, 8),
  SYSENTER_ESP(0x230, 8),
  SYSENTER_EIP(0x238, 8),
  CR2(0x240, 8),
  G_PAT(0x268, 8),
  DBGCTL(0x270, 8),
  BR_FROM(0x278, 8),
  BR_TO(0x280, 8),
  LASTEXCP_FROM(0x288, 8),
  LASTEXCP_TO(0x290, 8),
  DBGEXTNCFG(0x298, 8),
  SPEC_CTRL(0x2E0, 4),
  PKRU(0x2E8, 4),
  TSC_AUX(0x2EC, 4),
  GUEST_TSC_SCALE(0x2F0, 8),
  GUEST_TSC_OFFSET(0x2F8, 8),
  REG_PROT_NONCE(0x300, 8),
  RCX(0x308, 8),
  RDX(0x310, 8),
  RBX(0x318, 8),
  SECURE_AVIC_CTL(0x320, 8),
  RBP(0x328, 8),
  RSI(0x330, 8),
  RDI(0x338, 8),
  R8(0x340, 8),
  R9(0x348, 8),
  R10(0x350, 8),
  R11(0x358, 8),
  R12(0x360, 8),
  R13(0x368, 8),
  R14(0x370, 8),
  R15(0x378, 8),
  GUEST_EXITINFO1(0x390, 8),
  GUEST_EXITINFO2(0x398, 8),
  GUEST_EXITINTINFO(0x3A0, 8),
  GUEST_NRIP(0x3A8, 8),
  SEV_FEATURES(0x3B0, 8),
  VINTR_CTRL(0x3B8, 8),
  GUEST_EXITCODE(0x3C0, 8),
  VIRTUAL_TOM(0x3C8, 8),
  TLB_ID(0x3D0, 8),
  PCPU_ID(0x3D8, 8),
  EVENTINJ(0x3E0, 8),
  XCR0(0x3E8, 8),
  X87_DP(0x400, 8),
  MXCSR(0x408, 4),
  X87_FTW(0x40C, 2),
  X87_FSW(0x40E, 2),
  X87_FCW(0x410, 2),
  X87_FOP(0x412, 2),
  X87_DS(0x414, 2),
  X87_CS(0x416, 2),
  X87_RIP(0x418, 8),
  /**
   * The x87 registers from the top of the stack down: eight significands of 8 bytes, then eight
   * signs with exponents of 2.
   */
  FPREG_X87(0x420, 80),
  /** The low 16 bytes of the first sixteen vector registers. */
  FPREG_XMM(0x470, 256),
  /** The 16 bytes above those. */
  FPREG_YMM(0x570, 256),
  LBR_STACK(0x670, 256),
  LBR_SELECT(0x770, 8),
  /** The eight opmasks. */
  FPREG_K(0x980, 64),
  /** The upper 32 bytes of the first sixteen vector registers. */
  FPREG_ZMM_HIGH(0x9C0, 512),
  /** The other sixteen vector registers, whole. */
  FPREG_ZMM16(0xBC0, 1024);

  /** Where the parts of a segment or table register are in its 16 bytes. */
  static final int SELECTOR = 0;

  static final int ATTRIBUTES = 2;
  static final int LIMIT = 4;
  static final int BASE = 8;

  /** Byte offset in the page. */
  public final int offset;

  /** Size in bytes. */
  public final int bytes;

  VmsaField(int offset, int bytes) {
    this.offset = offset;
    this.bytes = bytes;
  }

  /** {@return whether this is a segment or table register: selector, attributes, limit, base} */
  boolean segment() {
    return bytes == 16;
  }
}
