package dev.vesper.machine.boot;

import dev.vesper.machine.device.acpi.AcpiTables;
import dev.vesper.machine.device.acpi.Board;
import dev.vesper.machine.spec.BootException;

/**
 * The ACPI tables that firmware leaves for a kernel: the RSDP where a BIOS has it, between E0000h
 * and 1 MiB, and the others behind it. They are part of the launch, and so private.
 */
final class AcpiRemains {
  /** Guest physical address of the RSDP. */
  static final long RSDP = 0xE_0000;

  /** End of what a memory map calls ACPI tables. */
  static final long END = 0x10_0000;

  /** Takes bytes that become part of the launch. */
  interface Writer {
    void put(long address, byte[] bytes) throws BootException;
  }

  private AcpiRemains() {}

  /** Writes the tables; {@return the RSDP's address, or 0 if the board has no tables} */
  static long place(BootOptions o, Writer w) throws BootException {
    Board b = o.acpi();
    if (b == null) {
      return 0;
    }
    w.put(RSDP, new AcpiTables(b).linked(RSDP));
    return RSDP;
  }

  /** The same by way of a writer of boot data. */
  static long place(BootOptions o, GuestWriter w) throws BootException {
    return place(o, (at, bytes) -> w.put("ACPI tables", at, bytes));
  }
}
