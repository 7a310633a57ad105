package dev.vesper.machine.cpu.emit;

/**
 * What becomes of flags that an instruction leaves undefined, where the computer's processor does
 * something else with them than guests' do. Flags are numbered as LAHF and SETO put them into AX:
 * SF ZF AF PF CF in bits 15:8, OF in bit 0.
 *
 * @param kept flags that stay as they were
 * @param set flags that are set
 * @param cleared flags that are cleared
 */
record FlagRule(int kept, int set, int cleared) {
  /** {@return whether the computer does the same} */
  boolean isNone() {
    return (kept | set | cleared) == 0;
  }

  /** {@return the flags that the computer's result is right about} */
  int taken() {
    return ~(kept | set | cleared) & HostTrial.ALL;
  }
}
