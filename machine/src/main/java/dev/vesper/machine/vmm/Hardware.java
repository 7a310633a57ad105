package dev.vesper.machine.vmm;

import dev.vesper.machine.device.disk.Disk;
import java.util.List;

/**
 * What a machine is made of besides processors and memory.
 *
 * @param board the chipset
 * @param drives disks, in the order in which the guest finds them
 */
public record Hardware(Board board, List<Drive> drives) {
  /** What QEMU calls a machine. */
  public enum Board {
    /** The least that boots what is launched: {@link #PC} if that needs firmware's work. */
    AUTO,
    /** 8259 pair, 8254, COM1, clock: a kernel that is entered directly needs no more. */
    MINIMAL,
    /** i440FX and PIIX, as QEMU's {@code pc}. */
    PC,
    /** Q35 and ICH9 with PCI Express configuration space, as QEMU's {@code q35}. */
    Q35
  }

  /**
   * A disk and what it hangs on.
   *
   * @param virtio a virtio disk, or one of the AHCI controller
   */
  public record Drive(Disk disk, boolean virtio) {}

  /** The least. */
  public static final Hardware NONE = new Hardware(Board.AUTO, List.of());

  /** {@return whether there is anything that hangs on PCI} */
  public boolean needsPci() {
    return !drives.isEmpty();
  }
}
