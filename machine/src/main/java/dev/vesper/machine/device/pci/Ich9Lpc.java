package dev.vesper.machine.device.pci;

import dev.vesper.machine.device.AcpiPm;

/**
 * The LPC bridge of an Intel ICH9 (D31:F0): where ACPI's ports are, and how interrupt pins E to H
 * reach the 8259 pair.
 */
public final class Ich9Lpc implements PciConfig {
  private static final int ID = 0x2918_8086;
  private static final int CLASS = 0x0601_0002;
  private static final int PMBASE = 0x40;

  /** Bit 0 of PMBASE: what it maps are ports. */
  private static final int PORTS = 1;

  /** Bits of PMBASE that are an address. */
  private static final int ADDRESS = 0xFF80;

  private static final int ACPI_CNTL = 0x44;
  private static final int ACPI_ENABLE = 0x80;

  /** PIRQ[n]_ROUT of lines E to H, to which devices of the root complex are wired here. */
  private static final int ROUTES = 0x68;

  private final PciBridge bridge;

  /**
   * @param pm the registers behind PMBASE
   */
  public Ich9Lpc(AcpiPm pm, PirqRouter router) {
    bridge = new PciBridge(ID, CLASS, true, router, ROUTES);
    bridge.register(PMBASE, 4, PORTS, ADDRESS);
    bridge.onWrite(
        at -> {
          boolean on = (bridge.readConfig(ACPI_CNTL, 1) & ACPI_ENABLE) != 0;
          pm.moveTo(on ? bridge.readConfig(PMBASE, 4) & ADDRESS : 0);
        });
    pm.addSmiControl();
  }

  @Override
  public int readConfig(int at, int bytes) {
    return bridge.readConfig(at, bytes);
  }

  @Override
  public void writeConfig(int at, int bytes, int value) {
    bridge.writeConfig(at, bytes, value);
  }
}
