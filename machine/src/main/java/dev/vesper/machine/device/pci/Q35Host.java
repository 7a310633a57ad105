package dev.vesper.machine.device.pci;

import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.MmioDevice;

/** The host bridge of an Intel Q35 (D0:F0): where configuration space appears in memory (ECAM). */
public final class Q35Host implements PciConfig {
  /** Device and vendor as configuration word 0. */
  public static final int ID = 0x29C0_8086;

  private static final int CLASS = 0x0600_0000;
  private static final int PCIEXBAR = 0x60;

  private final PciBridge bridge = new PciBridge(ID, CLASS, false);
  private final MmioBus mmio;
  private final MmioDevice ecam;
  private long base;

  /**
   * @param mmio where ECAM appears
   * @param ecam configuration space in memory
   */
  public Q35Host(MmioBus mmio, MmioDevice ecam) {
    this.mmio = mmio;
    this.ecam = ecam;
    bridge.onWrite(at -> place());
  }

  /** {@return where ECAM is, or 0 if it is nowhere} */
  public long base() {
    return base;
  }

  /** {@return how many buses ECAM shows} */
  public int buses() {
    return 256 >> Math.min(2, bridge.readConfig(PCIEXBAR, 1) >> 1 & 3);
  }

  private void place() {
    int low = bridge.readConfig(PCIEXBAR, 4);
    long size = (long) buses() << 20;
    long address = (long) bridge.readConfig(PCIEXBAR + 4, 4) << 32 | low & 0xFFFF_FFFFL & -size;
    long wanted = (low & 1) != 0 && address > 0 && address < 1L << 52 ? address : 0;
    if (wanted != base) {
      if (base != 0) {
        mmio.detach(ecam, base);
      }
      base = wanted;
      if (base != 0) {
        mmio.attach(ecam, base, size);
      }
    }
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
