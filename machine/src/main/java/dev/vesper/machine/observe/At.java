package dev.vesper.machine.observe;

/**
 * When and where something happened.
 *
 * @param time virtual nanoseconds
 * @param instructions executed before it, by its vCPU
 * @param vcpu number of the vCPU
 * @param bits code width: 16, 32 or 64
 * @param cpl privilege level
 * @param vmpl of a guest under SEV-SNP, else 0
 * @param rip address of the instruction that it is about
 * @param symbol name of the place with an offset, or empty
 * @param source file and line, or empty
 * @param instruction disassembly at {@code rip}, or {@code ?}
 * @param accesses what the guest did with its GHCB since the event before
 */
public record At(
    long time,
    long instructions,
    int vcpu,
    int bits,
    int cpl,
    int vmpl,
    long rip,
    String symbol,
    String source,
    String instruction,
    Accesses accesses) {

  /** Makes one of VMPL0, or of a guest that has none. */
  public At(
      long time,
      long instructions,
      int vcpu,
      int bits,
      int cpl,
      long rip,
      String symbol,
      String source,
      String instruction,
      Accesses accesses) {
    this(time, instructions, vcpu, bits, cpl, 0, rip, symbol, source, instruction, accesses);
  }

  /** {@return the place for people: symbol, or the address without one, and source line} */
  public String place() {
    return place(rip, symbol, source);
  }

  /** {@return a place for people} */
  public static String place(long rip, String symbol, String source) {
    return Event.hex(rip)
        + (symbol.isEmpty() ? "" : " <" + symbol + ">")
        + (source.isEmpty() ? "" : " " + source);
  }
}
