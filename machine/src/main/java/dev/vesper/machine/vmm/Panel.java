package dev.vesper.machine.vmm;

import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.CmosRtc;
import dev.vesper.machine.device.DebugConsole;
import dev.vesper.machine.device.FwCfg;
import dev.vesper.machine.device.Hpet;
import dev.vesper.machine.device.I8042;
import dev.vesper.machine.device.IoApic;
import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.device.ParallelFlash;
import dev.vesper.machine.device.Pic8259;
import dev.vesper.machine.device.Pit8254;
import dev.vesper.machine.device.ResetPorts;
import dev.vesper.machine.device.Rom;
import dev.vesper.machine.device.SerialPort;
import dev.vesper.machine.device.display.Vga;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.observe.DeviceState;
import dev.vesper.machine.observe.DeviceState.Kind;
import dev.vesper.machine.observe.DeviceState.Range;
import dev.vesper.machine.spec.Outcome;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What somebody sees and does who sits before a machine that stands still. To look changes nothing:
 * registers are shown as they are, not read as software reads them. Buttons and ports do.
 */
public final class Panel {
  private static final long LOCAL_APIC_LAST = LocalApic.BASE + 0xFFF;

  /** With what the reason of a run begins that ends by the reset button. */
  public static final String RESET = "the machine was reset from outside";

  private final Hypervisor host;

  Panel(Hypervisor host) {
    this.host = host;
  }

  // ---- to look

  /** {@return the 8259A at 20h, or the second one at A0h} */
  public DeviceState.Pic pic(boolean second) {
    return host.platform.pic.look(second);
  }

  /** {@return the I/O APIC, or null if the board has none} */
  public DeviceState.@Nullable IoApic ioApic() {
    IoApic a = host.platform.ioApic;
    return a == null ? null : a.look();
  }

  /** {@return the local APIC of a vCPU, or null if it has none} */
  public DeviceState.@Nullable LocalApic localApic(int vcpu) {
    LocalApic a = host.vcpus.get(vcpu).apic;
    return a == null ? null : a.look();
  }

  /** {@return the functions of PCI bus 0} */
  public List<DeviceState.PciFunction> pci() {
    PciBus b = host.platform.pci;
    return b == null ? List.of() : b.look();
  }

  /** {@return who is where in memory: of several at one place the first answers} */
  public List<Range> memory() {
    List<Range> all = new ArrayList<>();
    if (host.localApics) {
      all.add(new Range(LocalApic.BASE, LOCAL_APIC_LAST, Kind.IO, "apic"));
    }
    host.platform.mmio.look(
        (d, base, length) ->
            all.add(
                new Range(
                    base, base + length - 1, d instanceof Rom ? Kind.ROM : Kind.IO, name(d))));
    GuestRam ram = host.memory.ram();
    all.add(new Range(0, ram.below4G() - 1, Kind.RAM, "ram"));
    if (ram.above4G() > 0) {
      long last = GuestRam.FOUR_GIB + ram.above4G() - 1;
      all.add(new Range(GuestRam.FOUR_GIB, last, Kind.RAM, "ram"));
    }
    return all;
  }

  /** {@return who has which ports} */
  public List<Range> ports() {
    List<Range> all = new ArrayList<>();
    host.platform.ports.look((d, first, last) -> all.add(new Range(first, last, Kind.IO, name(d))));
    return all;
  }

  /** {@return a device's name, as QEMU calls its like} */
  private static String name(Object device) {
    return switch (device) {
      case IoApic a -> "ioapic";
      case Hpet h -> "hpet";
      case Rom r -> "pc.bios";
      case ParallelFlash f -> "system.flash";
      case Pic8259 p -> "pic";
      case Pit8254 p -> "pit";
      case CmosRtc r -> "rtc";
      case SerialPort s -> "serial";
      case I8042 k -> "i8042";
      case FwCfg f -> "fwcfg";
      case AcpiPm p -> "acpi-pm";
      case PciBus b -> "pci-conf";
      case DebugConsole d -> "isa-debugcon";
      case ResetPorts r -> "reset";
      case Vga v -> "vga";
      default -> "pci";
    };
  }

  // ---- to do

  /**
   * A port is read as software reads it, with what devices do then.
   *
   * @param bytes 1, 2 or 4
   */
  public int readPort(int port, int bytes) {
    host.loop().takeBack();
    return host.platform.ports.read(port, bytes);
  }

  /**
   * A port is written.
   *
   * @param bytes 1, 2 or 4
   */
  public void writePort(int port, int bytes, int value) {
    host.loop().takeBack();
    host.platform.ports.write(port, bytes, value);
  }

  /** {@return whether there is a power button, which is pressed} */
  public boolean pressPowerButton() {
    AcpiPm pm = host.platform.power();
    if (pm == null) {
      return false;
    }
    host.loop().takeBack();
    pm.pressPowerButton();
    return true;
  }

  /** A vCPU gets a non-maskable interrupt. */
  public void nmi(int vcpu) {
    host.loop().takeBack();
    host.vcpus.get(vcpu).nonMaskable();
  }

  /** The reset button is pressed: what comes of it is what comes of a reset of the guest's own. */
  public void reset() {
    host.loop().takeBack();
    if (host.outcome() == null) {
      host.resets.asked(new Outcome(Outcome.POWER_OFF, RESET));
    }
  }
}
