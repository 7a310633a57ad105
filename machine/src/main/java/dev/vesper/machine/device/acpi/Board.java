package dev.vesper.machine.device.acpi;

import dev.vesper.machine.host.GuestRam;

/**
 * What tables tell of a board.
 *
 * @param processors whose local APICs are numbered from 0
 * @param ram where RAM lies, which no window for devices covers
 * @param express PCI Express: configuration space in memory, and pins E to H
 * @param ecam where configuration space is in memory, when it is
 * @param buses how many buses it shows
 * @param pmBase first port of ACPI's registers
 * @param firstInput input of the I/O APIC for pin A of device 0
 * @param routes offset of the registers that route interrupts in the ISA bridge
 * @param isaBridge device number of the ISA bridge
 * @param sleeps software may suspend to RAM and to disk
 */
public record Board(
    int processors,
    GuestRam ram,
    boolean express,
    long ecam,
    int buses,
    int pmBase,
    int firstInput,
    int routes,
    int isaBridge,
    boolean sleeps) {
  /** Where what bridges pass on ends: I/O APIC and local APICs are behind it. */
  public static final long WINDOW_END = 0xFEC0_0000L;

  /** Least address of what bridges pass on. */
  public static final long WINDOW_START = 0x8000_0000L;

  private static final long GIB = 1L << 30;

  /** {@return the least address above 4 GiB of what bridges pass on: the first GiB without RAM} */
  public long wideWindowStart() {
    return Math.max(GuestRam.FOUR_GIB, ram.end() + GIB - 1 & -GIB);
  }

  /** {@return bytes above 4 GiB that bridges pass on: as many as QEMU's board of that kind} */
  public long wideWindowBytes() {
    return express ? 1L << 35 : 1L << 31;
  }
}
