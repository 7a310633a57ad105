package dev.vesper.machine.launch;

/**
 * The security versions of what a platform's trust rests on, a byte each; {@link SnpProduct} knows
 * where they lie in a word.
 *
 * @param fmc first mutable code; 0 before Turin
 * @param bootLoader of the secure processor
 * @param tee of its operating system
 * @param snp of its SNP firmware
 * @param microcode lowest patch level of all cores
 */
public record TcbVersion(int fmc, int bootLoader, int tee, int snp, int microcode) {
  /** Makes a version. */
  public TcbVersion {
    if (((fmc | bootLoader | tee | snp | microcode) & ~0xFF) != 0) {
      throw new IllegalArgumentException("components of a TCB version are bytes");
    }
  }

  /** {@return whether no component is newer than in another version} */
  public boolean notAbove(TcbVersion o) {
    return fmc <= o.fmc
        && bootLoader <= o.bootLoader
        && tee <= o.tee
        && snp <= o.snp
        && microcode <= o.microcode;
  }

  @Override
  public String toString() {
    return "boot loader "
        + bootLoader
        + ", TEE "
        + tee
        + ", SNP "
        + snp
        + ", microcode "
        + microcode
        + (fmc == 0 ? "" : ", FMC " + fmc);
  }
}
