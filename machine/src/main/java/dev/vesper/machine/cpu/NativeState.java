package dev.vesper.machine.cpu;

/**
 * What native code of one processor works on besides guest memory: its state block, which GS points
 * to while native code runs, and the array {@link CpuState#r}, which registers are taken from and
 * put back to.
 *
 * <p>Layout of the state block, in bytes from its start: fields of eight bytes, then the tables of
 * the processor's TLBs (read tags, write tags, host addresses, {@link Tlb#ENTRIES} of eight bytes
 * each), the first {@link #KINDS} of which are those of data; then a jump cache for each of these.
 */
public final class NativeState {
  private NativeState() {}

  // ---- fields of the state block

  /** Guest R11; the registers up to R15 follow. */
  public static final int R11 = 0;

  /** Linear address of the page of code in execution. */
  public static final int PAGE = 0x40;

  /** Bases of FS and GS. */
  public static final int FS_BASE = 0x48;

  public static final int GS_BASE = 0x50;

  /** Target of a jump that the jump cache does not have. */
  public static final int RIP = 0x58;

  /** State of the vector registers for instructions without VEX: see {@link #LOADED}. */
  public static final int SSE = 0x60;

  /** The same for instructions with VEX. */
  public static final int AVX = 0x68;

  /** The guest's MXCSR and the computer's, four bytes each. */
  public static final int MXCSR = 0x70;

  public static final int HOST_MXCSR = 0x74;

  /** Addresses of {@link CpuState#r}, {@link CpuState#xmm} and {@link CpuState#ymmh}. */
  public static final int REGISTERS = 0x78;

  public static final int XMM = 0x80;
  public static final int YMM = 0x88;

  /** The computer's stack pointer at entry. */
  public static final int STACK = 0x90;

  /** Why native code was left. */
  public static final int EXIT = 0x98;

  /** Where native code is entered. */
  public static final int TARGET = 0xA0;

  /** Room for values within one instruction. */
  public static final int TEMPORARY = 0xA8;

  public static final int TEMPORARY_2 = 0xB0;

  /** Zero if FS, or GS, covers all of memory without checks: for code of 32 bits. */
  public static final int FS_CHECK = 0xB8;

  public static final int GS_CHECK = 0xC0;

  /** RFLAGS without the arithmetic flags. */
  public static final int EFLAGS = 0xC8;

  /** What the time-stamp counter will be when the budget is used up. */
  public static final int TSC = 0xD0;

  /** Zero if programs can read it as they are now. */
  public static final int TSC_CHECK = 0xD8;

  /** Zero if PAUSE has no effect. */
  public static final int PAUSE_CHECK = 0xE0;

  /** Zero if PUSHF pushes RFLAGS as they are. */
  public static final int PUSHF_CHECK = 0xE8;

  /**
   * Zero if string instructions go upwards, and many elements at once; RFLAGS.DF is a bit of it.
   */
  public static final int STRING_CHECK = 0xF0;

  /** Zero if CLI clears RFLAGS.IF. */
  public static final int CLI_CHECK = 0xF8;

  /** Zero if STI sets RFLAGS.IF, and no interrupt waits for that. */
  public static final int STI_CHECK = 0x100;

  /** Zero if RDTSCP can be executed. */
  public static final int TSCP_CHECK = 0x108;

  /** The register TSC_AUX. */
  public static final int TSC_AUX = 0x110;

  /** Zero if there are instructions that read and write the bases of FS and GS. */
  public static final int BASE_CHECK = 0x118;

  /** Selectors of ES to GS, two bytes each. */
  public static final int SELECTORS = 0x120;

  /** What was left of the budget behind the last STI that set RFLAGS.IF, or -1. */
  public static final int SHADOW = 0x130;

  /** What SWAPGS exchanges the base of GS with. */
  public static final int KERNEL_GS_BASE = 0x138;

  /** Zero at CPL 0. */
  public static final int PRIVILEGE_CHECK = 0x140;

  /** Zero if IRET may be native: see {@link SameLevelReturn}. */
  public static final int RETURN_CHECK = 0x148;

  /** What was left of the budget behind the last IRET that set RFLAGS.RF, or -1. */
  public static final int RESUME = 0x150;

  /** Where the next edge comes from, as {@link EdgeMap} has it: bits 15:0 count. */
  public static final int EDGE_FROM = 0x158;

  /** Address of the counters of edges, {@link EdgeMap#SIZE} bytes; 0 while none are counted. */
  public static final int EDGE_MAP = 0x160;

  /** Flags before an instruction, and its count in CL. */
  public static final int KEPT_FLAGS = 0x198;

  public static final int KEPT_COUNT = 0x1A0;

  /** RAX while flags are put together. */
  public static final int KEPT_RAX = 0x1A8;

  /** The negatives of the selectors that IRET may take from its frame. */
  public static final int RETURN_CS = 0x168;

  public static final int RETURN_SS = 0x170;

  /** Linear addresses of their descriptors, and the negatives of these. */
  public static final int RETURN_CS_AT = 0x178;

  public static final int RETURN_SS_AT = 0x180;
  public static final int RETURN_CS_IS = 0x188;
  public static final int RETURN_SS_IS = 0x190;

  /** For each value of a counter of edges what it is when one more has come, a byte each. */
  public static final int NEXT_COUNTS = 0x200;

  // ---- states of the vector registers

  /** The computer's registers hold the guest's. */
  public static final int LOADED = 0;

  /** They are to be loaded first. */
  public static final int LOADABLE = 1;

  /** Such instructions are not for native code now. */
  public static final int FORBIDDEN = 2;

  // ---- entries of CpuState.r besides the registers

  /** Bases of FS and GS, for entering. */
  public static final int IN_FS_BASE = 18;

  public static final int IN_GS_BASE = 19;

  /** Instructions that may be executed; what is left of them. */
  public static final int IN_BUDGET = 20;

  /** SF ZF AF PF CF as LAHF has them in bits 15:8, OF in bit 0. */
  public static final int IN_FLAGS = 21;

  public static final int IN_SSE = 22;
  public static final int IN_AVX = 23;
  public static final int IN_MXCSR = 24;

  /** The target when {@link #MISSED_JUMP} is the reason to leave. */
  public static final int IN_RIP = 25;

  public static final int IN_FS_CHECK = 26;
  public static final int IN_GS_CHECK = 27;

  /** What is copied to the state block as it is: {@link #EFLAGS} to {@link #RESUME}. */
  public static final int IN_EFLAGS = 28;

  public static final int IN_TSC = 29;
  public static final int IN_TSC_CHECK = 30;
  public static final int IN_PAUSE_CHECK = 31;
  public static final int IN_PUSHF_CHECK = 32;
  public static final int IN_STRING_CHECK = 33;
  public static final int IN_CLI_CHECK = 34;
  public static final int IN_STI_CHECK = 35;
  public static final int IN_TSCP_CHECK = 36;
  public static final int IN_TSC_AUX = 37;
  public static final int IN_BASE_CHECK = 38;
  public static final int IN_SELECTORS = 39;
  public static final int IN_SELECTORS_FS = 40;
  public static final int IN_SHADOW = 41;
  public static final int IN_KERNEL_GS_BASE = 42;
  public static final int IN_PRIVILEGE_CHECK = 43;
  public static final int IN_RETURN_CHECK = 44;
  public static final int IN_RESUME = 45;

  /** Entries of {@link CpuState#r} in all. */
  static final int REGISTER_ENTRIES = 46;

  // ---- why native code is left: bits 7:0 of the result, below the number of the code

  /** Less than this: the index of an operation that the interpreter is to execute. */
  public static final int OPERATIONS = 64;

  /** The budget is less than the block needs, which has not begun. */
  public static final int OUT_OF_BUDGET = 64;

  /** The block is done; the first, or second, of its direct jumps has nowhere to go yet. */
  public static final int FIRST_JUMP = 128;

  public static final int SECOND_JUMP = 129;

  /** The block is done; the jump cache does not have the target. */
  public static final int MISSED_JUMP = 130;

  // ---- tables

  private static final int TABLE = Tlb.ENTRIES * Long.BYTES;

  /** Where tables begin. */
  public static final int TABLES = 4096;

  /** TLBs of data, and jump caches: of supervisors, users, supervisors with RFLAGS.AC. */
  public static final int KINDS = 3;

  /** Besides these, the one that is never filled, and those of code. */
  static final int TLBS = 6;

  /** What the processor has instead of a kind while no access may take a short way. */
  static final int NO_KIND = -1;

  /** {@return the offset of the read tags of a TLB of data} */
  public static int readTags(int kind) {
    return TABLES + 3 * kind * TABLE;
  }

  /** {@return the offset of the write tags of a TLB of data} */
  public static int writeTags(int kind) {
    return readTags(kind) + TABLE;
  }

  /** {@return the offset of the host addresses of a TLB of data} */
  public static int hostTable(int kind) {
    return readTags(kind) + 2 * TABLE;
  }

  /**
   * {@return the offset of the jump cache of a kind} An entry has sixteen bytes: the negative of a
   * RIP and where its code is. It is found by {@link JumpCache#index}.
   */
  public static int jumpCache(int kind) {
    return TABLES + 3 * TLBS * TABLE + kind * 2 * TABLE;
  }

  /** Bytes of the whole block. */
  public static final long SIZE = TABLES + (3L * TLBS + 2L * KINDS) * TABLE;
}
