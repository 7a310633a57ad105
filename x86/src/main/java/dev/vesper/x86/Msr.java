package dev.vesper.x86;

/**
 * Numbers of model-specific registers, in the order of the numbers. Names are those of the AMD
 * manuals (APM volume 2, appendix A); what AMD does not have, but a guest may look at, is named as
 * Linux does (arch/x86/include/asm/msr-index.h, kvm_para.h).
 *
 * <p>Which of them a machine has, and what they hold, is the business of its processor and its
 * hypervisor.
 */
public final class Msr {
  public static final int P5_MC_ADDR = 0x0;
  public static final int P5_MC_TYPE = 0x1;
  public static final int TSC = 0x10;

  /** KVM's first number for its wall clock, before it had a range of its own. */
  public static final int KVM_WALL_CLOCK = 0x11;

  /** KVM's first number for its clock of a vCPU. */
  public static final int KVM_SYSTEM_TIME = 0x12;

  public static final int PLATFORM_ID = 0x17;
  public static final int APIC_BASE = 0x1B;
  public static final int EBL_CR_POWERON = 0x2A;
  public static final int EBC_FREQUENCY_ID = 0x2C;
  public static final int SMI_COUNT = 0x34;
  public static final int FEATURE_CONTROL = 0x3A;
  public static final int TSC_ADJUST = 0x3B;
  public static final int SPEC_CTRL = 0x48;
  public static final int PRED_CMD = 0x49;
  public static final int BIOS_UPDT_TRIG = 0x79;
  public static final int PATCH_LEVEL = 0x8B;
  public static final int P6_PERFCTR0 = 0xC1;
  public static final int P6_PERFCTR1 = 0xC2;
  public static final int FSB_FREQ = 0xCD;
  public static final int PLATFORM_INFO = 0xCE;
  public static final int MPERF = 0xE7;
  public static final int APERF = 0xE8;
  public static final int MTRR_CAP = 0xFE;
  public static final int BBL_CR_CTL3 = 0x11E;
  public static final int MISC_FEATURES_ENABLES = 0x140;
  public static final int SYSENTER_CS = 0x174;
  public static final int SYSENTER_ESP = 0x175;
  public static final int SYSENTER_EIP = 0x176;
  public static final int MCG_CAP = 0x179;
  public static final int MCG_STATUS = 0x17A;
  public static final int MCG_CTL = 0x17B;
  public static final int P6_EVNTSEL0 = 0x186;
  public static final int P6_EVNTSEL1 = 0x187;
  public static final int PERF_STATUS = 0x198;
  public static final int PERF_CTL = 0x199;
  public static final int MISC_ENABLE = 0x1A0;
  public static final int DEBUGCTL = 0x1D9;
  public static final int LAST_BRANCH_FROM_IP = 0x1DB;
  public static final int LAST_BRANCH_TO_IP = 0x1DC;
  public static final int LAST_INT_FROM_IP = 0x1DD;
  public static final int LAST_INT_TO_IP = 0x1DE;
  public static final int POWER_CTL = 0x1FC;

  /** The first variable range: base, and mask at the next number; those of the others follow. */
  public static final int MTRR_PHYS_BASE0 = 0x200;

  public static final int MTRR_FIX_64K_00000 = 0x250;
  public static final int MTRR_FIX_16K_80000 = 0x258;
  public static final int MTRR_FIX_16K_A0000 = 0x259;
  public static final int MTRR_FIX_4K_C0000 = 0x268;
  public static final int MTRR_FIX_4K_C8000 = 0x269;
  public static final int MTRR_FIX_4K_D0000 = 0x26A;
  public static final int MTRR_FIX_4K_D8000 = 0x26B;
  public static final int MTRR_FIX_4K_E0000 = 0x26C;
  public static final int MTRR_FIX_4K_E8000 = 0x26D;
  public static final int MTRR_FIX_4K_F0000 = 0x26E;
  public static final int MTRR_FIX_4K_F8000 = 0x26F;
  public static final int PAT = 0x277;
  public static final int MTRR_DEF_TYPE = 0x2FF;

  /** Control of machine-check bank 0; its STATUS, ADDR and MISC and the other banks follow. */
  public static final int MC0_CTL = 0x400;

  public static final int RAPL_POWER_UNIT = 0x606;
  public static final int PKG_ENERGY_STATUS = 0x611;
  public static final int DRAM_ENERGY_STATUS = 0x619;
  public static final int PP0_ENERGY_STATUS = 0x639;
  public static final int PP1_ENERGY_STATUS = 0x641;
  public static final int TSC_DEADLINE = 0x6E0;
  public static final int PKRS = 0x6E1;

  /** The x2APIC's registers: that at offset r of the APIC's page is {@code X2APIC + r / 16}. */
  public static final int X2APIC = 0x800;

  public static final int XSS = 0xDA0;
  public static final int KVM_WALL_CLOCK_NEW = 0x4B56_4D00;
  public static final int KVM_SYSTEM_TIME_NEW = 0x4B56_4D01;
  public static final int KVM_ASYNC_PF_EN = 0x4B56_4D02;
  public static final int KVM_STEAL_TIME = 0x4B56_4D03;
  public static final int KVM_PV_EOI_EN = 0x4B56_4D04;
  public static final int KVM_POLL_CONTROL = 0x4B56_4D05;
  public static final int KVM_ASYNC_PF_INT = 0x4B56_4D06;
  public static final int KVM_ASYNC_PF_ACK = 0x4B56_4D07;
  public static final int EFER = 0xC000_0080;
  public static final int STAR = 0xC000_0081;
  public static final int LSTAR = 0xC000_0082;
  public static final int CSTAR = 0xC000_0083;
  public static final int SFMASK = 0xC000_0084;
  public static final int FS_BASE = 0xC000_0100;
  public static final int GS_BASE = 0xC000_0101;
  public static final int KERNEL_GS_BASE = 0xC000_0102;
  public static final int TSC_AUX = 0xC000_0103;
  public static final int PERF_CNTR_GLOBAL_STATUS = 0xC000_0300;
  public static final int PERF_CNTR_GLOBAL_CTL = 0xC000_0301;
  public static final int PERF_CNTR_GLOBAL_STATUS_CLR = 0xC000_0302;
  public static final int PERF_CNTR_GLOBAL_STATUS_SET = 0xC000_0303;

  /** Controls of the four counters without the core extension; the counters follow. */
  public static final int PERF_LEGACY_CTL0 = 0xC001_0000;

  public static final int SYSCFG = 0xC001_0010;
  public static final int HWCR = 0xC001_0015;
  public static final int CLK_CTL = 0xC001_001B;
  public static final int NB_CFG = 0xC001_001F;
  public static final int PATCH_LOADER = 0xC001_0020;
  public static final int INT_PENDING = 0xC001_0055;
  public static final int MMIO_CFG_BASE = 0xC001_0058;

  /** Definition of P-state 0. */
  public static final int PSTATE0 = 0xC001_0064;

  public static final int TSEG_BASE = 0xC001_0112;
  public static final int TSEG_MASK = 0xC001_0113;
  public static final int VM_CR = 0xC001_0114;
  public static final int IGNNE = 0xC001_0115;
  public static final int VM_HSAVE_PA = 0xC001_0117;
  public static final int SEV_GHCB = 0xC001_0130;
  public static final int SEV_STATUS = 0xC001_0131;

  /** Megahertz of the time-stamp counter of a guest with Secure TSC. */
  public static final int GUEST_TSC_FREQ = 0xC001_0134;

  /** Guest physical address below which all is private, in guests with vTOM. */
  public static final int VIRTUAL_TOM = 0xC001_0135;

  public static final int OSVW_ID_LENGTH = 0xC001_0140;
  public static final int OSVW_STATUS = 0xC001_0141;

  /** Control of the core extension's first counter; control and counter take turns. */
  public static final int PERF_CTL0 = 0xC001_0200;

  public static final int IC_CFG = 0xC001_1021;
  public static final int DC_CFG = 0xC001_1022;
  public static final int TW_CFG = 0xC001_1023;
  public static final int DE_CFG = 0xC001_1029;
  public static final int BU_CFG2 = 0xC001_102A;
  public static final int EX_CFG = 0xC001_102C;

  private Msr() {}
}
