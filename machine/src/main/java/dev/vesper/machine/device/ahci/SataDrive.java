package dev.vesper.machine.device.ahci;

import dev.vesper.machine.device.disk.Disk;

/**
 * What hangs on a port: an ATA disk, or an ATAPI CD-ROM drive with its medium.
 *
 * @param disk the sectors, which for a CD-ROM are blocks of 2,048 bytes
 */
public record SataDrive(Disk disk, boolean cdRom) {
  /** {@return an ATA disk} */
  public static SataDrive hard(Disk disk) {
    return new SataDrive(disk, false);
  }
}
