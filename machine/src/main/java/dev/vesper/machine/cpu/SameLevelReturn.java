package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.RawMemory;

/**
 * What native code needs to know for an IRET of 64-bit code at CPL 0 to itself: the selectors of
 * the last one that the interpreter has executed, where their descriptors lie, and what these were.
 * One that finds all of that again, while the segments are what they were left, changes none of
 * them.
 */
final class SameLevelReturn {
  private static final long ACCESSED = 1L << 40;
  private static final int PRESENT = 0x80;

  private final long block;

  /**
   * The segments CS and SS as they were left, or nothing that they can be. None of it is state: a
   * processor that is taken back keeps what its block has, which is of the same IRET, and all of it
   * is compared with the processor as it is.
   */
  private transient long codeLimit = -1;

  private transient long codeBase;
  private transient long stackBase;
  private transient long stackLimit;
  private transient int codeAttributes;
  private transient int stackAttributes;
  private transient int codeSelector;
  private transient int stackSelector;
  private transient long gdtBase;
  private transient int gdtLimit;

  /**
   * @param block address of the state block of {@link NativeState}
   */
  SameLevelReturn(long block) {
    this.block = block;
  }

  /**
   * Takes over what IRET has just done.
   *
   * @param code the descriptor of CS in the GDT, before it was accessed
   * @param stack that of SS, or 0 for the null selector, as a kernel has it that was entered from a
   *     program: then that of CS is compared twice
   */
  void note(CpuState c, long code, long stack) {
    codeLimit = c.segLimit[CpuState.CS];
    codeBase = c.segBase[CpuState.CS];
    codeAttributes = c.segAttr[CpuState.CS];
    codeSelector = c.selector[CpuState.CS];
    stackBase = c.segBase[CpuState.SS];
    stackLimit = c.segLimit[CpuState.SS];
    stackAttributes = c.segAttr[CpuState.SS];
    stackSelector = c.selector[CpuState.SS];
    gdtBase = c.gdtBase;
    gdtLimit = c.gdtLimit;
    put(NativeState.RETURN_CS, -(long) codeSelector);
    put(NativeState.RETURN_SS, -(long) stackSelector);
    put(NativeState.RETURN_CS_AT, gdtBase + (codeSelector & ~7));
    put(NativeState.RETURN_SS_AT, gdtBase + ((stack == 0 ? codeSelector : stackSelector) & ~7));
    put(NativeState.RETURN_CS_IS, -(code | ACCESSED));
    put(NativeState.RETURN_SS_IS, -((stack == 0 ? code : stack) | ACCESSED));
  }

  private void put(int field, long v) {
    RawMemory.put64(block + field, v);
  }

  /** {@return whether another one with the same selectors and descriptors leaves segments alone} */
  boolean holds(CpuState c) {
    return c.selector[CpuState.CS] == codeSelector
        && c.segLimit[CpuState.CS] == codeLimit
        && c.segAttr[CpuState.CS] == codeAttributes
        && c.segBase[CpuState.CS] == codeBase
        && c.selector[CpuState.SS] == stackSelector
        && c.segLimit[CpuState.SS] == stackLimit
        && c.segAttr[CpuState.SS] == stackAttributes
        && c.segBase[CpuState.SS] == stackBase
        && c.gdtBase == gdtBase
        && c.gdtLimit == gdtLimit
        && settled(c, CpuState.ES)
        && settled(c, CpuState.DS)
        && settled(c, CpuState.FS)
        && settled(c, CpuState.GS);
  }

  /** {@return whether a data segment is one that IRET would leave as it is} */
  private static boolean settled(CpuState c, int s) {
    return c.selector[s] == 0 || (c.selector[s] & ~3) != 0 && (c.segAttr[s] & PRESENT) != 0;
  }
}
