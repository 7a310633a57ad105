package dev.vesper.machine.trace;

import dev.vesper.machine.observe.Symbols;

/** What looks for a kernel's own names in its memory, an input a call: a fuzzer calls this. */
public final class KallsymsInput {
  private KallsymsInput() {}

  /** Reads a kernel's memory. */
  public static void read(byte[] input) {
    Symbols s = Kallsyms.read(input, 0xFFFF_FFFF_8100_0000L);
    if (s != null) {
      s.at(0xFFFF_FFFF_8100_0000L);
    }
  }

  /** {@return memory with the tables of a kernel} */
  public static byte[] seed() {
    return KallsymsTest.small();
  }
}
