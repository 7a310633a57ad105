package dev.vesper.machine.observe;

import java.util.List;

/** What is in a board's devices, for whoever looks at a machine from outside. */
public final class DeviceState {
  private DeviceState() {}

  /**
   * One 8259A.
   *
   * @param priority the line of highest priority
   * @param base vector of line 0
   * @param readsIsr a read of the command port gives ISR, not IRR
   * @param elcr lines that are level-triggered
   * @param nested the special fully nested mode
   */
  public record Pic(
      int irr,
      int imr,
      int isr,
      int priority,
      int base,
      boolean readsIsr,
      int elcr,
      boolean nested) {}

  /**
   * An I/O APIC.
   *
   * @param selected the register that the data port leads to
   * @param entries of the redirection table, by input
   * @param lines inputs that are up, as bits
   */
  public record IoApic(int version, int id, int selected, List<Long> entries, int lines) {}

  /**
   * A local APIC.
   *
   * @param base its base register
   * @param registers by offset divided by 16, 64 of them, as a read would give them
   */
  public record LocalApic(long base, List<Integer> registers) {
    /** {@return a register by its offset, a multiple of 16} */
    public int at(int offset) {
      return registers.get(offset >> 4);
    }
  }

  /**
   * A PCI function of bus 0.
   *
   * @param config its configuration space, 256 bytes
   * @param bars what its base address registers map
   */
  public record PciFunction(int device, int function, byte[] config, List<Bar> bars) {
    /** {@return bytes of the configuration space as a number} */
    public int config(int at, int bytes) {
      int v = 0;
      for (int i = bytes - 1; i >= 0; i--) {
        v = v << 8 | config[at + i] & 0xFF;
      }
      return v;
    }
  }

  /**
   * What a base address register maps.
   *
   * @param number of the register
   * @param io ports, not memory
   * @param wide an address of 64 bits
   * @param address -1 while it maps nothing
   * @param size in bytes
   */
  public record Bar(int number, boolean io, boolean wide, long address, long size) {}

  /**
   * Addresses or ports behind which somebody is.
   *
   * @param last the last one
   * @param name of the device in QEMU's words
   */
  public record Range(long first, long last, Kind kind, String name) {}

  /** What answers there. */
  public enum Kind {
    RAM,
    ROM,
    IO
  }
}
