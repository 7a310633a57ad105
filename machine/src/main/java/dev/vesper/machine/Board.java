package dev.vesper.machine;

import dev.vesper.machine.observe.DeviceState;
import dev.vesper.machine.vmm.Hypervisor;
import dev.vesper.machine.vmm.Panel;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The board of a machine that stands still, for whoever sits before it. Looking changes nothing.
 * Buttons and ports are part of what happens to the guest: a run in which they were used is not the
 * one that it would have been.
 */
public final class Board {
  /** With what the reason of a run begins that ends by {@link #reset}. */
  public static final String RESET = Panel.RESET;

  private static final int LAST_PORT = 0xFFFF;

  private final Hypervisor host;
  private final Changes changes;
  private final int processors;

  Board(Hypervisor host, Changes changes, int processors) {
    this.host = host;
    this.changes = changes;
    this.processors = processors;
  }

  /** {@return the 8259A at 20h, or the second one at A0h} */
  public DeviceState.Pic pic(boolean second) {
    return host.panel().pic(second);
  }

  /** {@return the I/O APIC, or null if the board has none} */
  public DeviceState.@Nullable IoApic ioApic() {
    return host.panel().ioApic();
  }

  /**
   * {@return the local APIC of a vCPU, or null if it has none}
   *
   * @throws IndexOutOfBoundsException if there is no such vCPU
   */
  public DeviceState.@Nullable LocalApic localApic(int vcpu) {
    return host.panel().localApic(vcpu);
  }

  /** {@return the functions of PCI bus 0, in the order of their addresses} */
  public List<DeviceState.PciFunction> pci() {
    return host.panel().pci();
  }

  /** {@return who is where in guest physical memory: of several at one place the first answers} */
  public List<DeviceState.Range> memory() {
    return host.panel().memory();
  }

  /** {@return who has which ports} */
  public List<DeviceState.Range> ports() {
    return host.panel().ports();
  }

  private static void require(int port, int bytes) {
    if (port < 0 || port > LAST_PORT || bytes != 1 && bytes != 2 && bytes != 4) {
      throw new IllegalArgumentException(
          "ports are 0 to 0xffff and have 1, 2 or 4 bytes, not " + bytes + " at " + port);
    }
  }

  /**
   * Reads a port, as software does: devices notice.
   *
   * @param bytes 1, 2 or 4
   * @return the value, zero-extended
   * @throws IllegalArgumentException if there is no such port
   */
  public int readPort(int port, int bytes) {
    require(port, bytes);
    return changes.readPort(port, bytes);
  }

  /**
   * Writes a port, as software does.
   *
   * @param bytes 1, 2 or 4
   * @throws IllegalArgumentException if there is no such port
   */
  public void writePort(int port, int bytes, int value) {
    require(port, bytes);
    changes.writePort(port, bytes, value);
  }

  /** {@return whether there is a power button, which is pressed} */
  public boolean pressPowerButton() {
    return changes.pressPowerButton();
  }

  /** All vCPUs get a non-maskable interrupt. */
  public void nmi() {
    for (int i = 0; i < processors; i++) {
      changes.nmi(i);
    }
  }

  /**
   * The machine is reset, or its run ends, as {@link dev.vesper.machine.spec.ResetPolicy} says of
   * resets that the guest asks for.
   */
  public void reset() {
    changes.reset();
  }
}
