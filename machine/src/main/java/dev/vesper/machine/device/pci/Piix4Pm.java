package dev.vesper.machine.device.pci;

import dev.vesper.machine.device.AcpiPm;

/** The PCI side of the power management function of an Intel PIIX4: where ACPI's ports are. */
public final class Piix4Pm implements PciConfig {
  private static final int ID = 0x7113_8086;
  private static final int CLASS = 0x0680_0003;
  private static final int PMBA = 0x40;
  private static final int PMREGMISC = 0x80;

  /** DEVACTB, with the bit that says that SMM is set up: SeaBIOS then leaves it alone. */
  private static final int SMI_SET_UP = 0x5B;

  private final ConfigSpace config = new ConfigSpace();
  private final AcpiPm pm;

  /**
   * @param pm the registers behind PMBA
   */
  public Piix4Pm(AcpiPm pm) {
    this.pm = pm;
    config.put(0, 4, ID);
    config.put(6, 2, 0x280);
    config.put(8, 4, CLASS);
    config.put(0x3D, 1, 1);
    config.put(PMBA, 4, 1);
    config.put(SMI_SET_UP, 1, 2);
    config.allow(4, 1, 7);
    config.allow(PMBA, 4, 0xFFC0);
    config.allowAll(0x3C, 1);
    config.allowAll(0x50, 0xB0);
  }

  @Override
  public int readConfig(int at, int bytes) {
    return config.get(at, bytes);
  }

  @Override
  public void writeConfig(int at, int bytes, int v) {
    config.write(at, bytes, v);
    boolean on = (config.get(PMREGMISC, 1) & 1) != 0;
    pm.moveTo(on ? config.get(PMBA, 4) & 0xFFC0 : 0);
  }
}
