package dev.vesper.machine.launch;

/**
 * What VMPLs 1 to 3 may do with a page: bit 0 read, 1 write, 2 execute at CPL 3, 3 execute at CPL 0
 * to 2, 4 be a supervisor's shadow stack (spec: snp 1.1). VMPL0 may do everything.
 */
public record VmplPermissions(int vmpl1, int vmpl2, int vmpl3) {
  /** None, as every known launcher has it. */
  public static final VmplPermissions NONE = new VmplPermissions(0, 0, 0);
}
