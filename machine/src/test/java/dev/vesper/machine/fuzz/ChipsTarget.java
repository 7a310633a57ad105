package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.FwCfg;
import dev.vesper.machine.device.Hpet;
import dev.vesper.machine.device.I8042;
import dev.vesper.machine.device.IoApic;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.ParallelFlash;
import dev.vesper.machine.device.Pit8254;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.display.Vga;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** fw_cfg, timers, keyboard, power management, flash and VGA: accesses, and time that passes. */
public final class ChipsTarget implements FuzzTarget {
  private static final int RAM = 1 << 20;
  private static final int FLASH = 1 << 16;

  private final HostView memory = new PhysicalMemory(RAM, 0).hostView();
  private long time;

  @Override
  public String name() {
    return "chips";
  }

  @Override
  public List<String> covers() {
    String at = "dev.vesper.machine.device.";
    return List.of(
        at + "FwCfg",
        at + "Hpet",
        at + "I8042",
        at + "AcpiPm",
        at + "ParallelFlash",
        at + "Pit",
        at + "IoApic",
        at + "display.");
  }

  @Override
  public int longest() {
    return 512;
  }

  @Override
  public int inputs() {
    return 5000;
  }

  @Override
  public List<byte[]> seeds() {
    return List.of(
        // fw_cfg: a DMA descriptor at 1000h that selects and reads, then the address.
        new Words()
            .u8(0)
            .u32(0x1000)
            .u8(16)
            .u8(0, 0x19, 0, 10, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0x20, 0)
            .u8(1)
            .u16(0x514)
            .u8(2)
            .u32(0)
            .u8(1)
            .u16(0x518)
            .u8(2)
            .u8(0, 0, 0x10, 0)
            .done(),
        new Words().u8(1).u16(0x510).u8(1).u16(0x19).u8(2).u16(0x511).u8(0).done(),
        // The HPET runs; a comparator; time.
        new Words()
            .u8(3, 0)
            .u16(0x10)
            .u8(2)
            .u32(1)
            .u8(3, 0)
            .u16(0x108)
            .u8(2)
            .u32(1000)
            .u8(5)
            .u32(100_000)
            .done(),
        // PIT counter 0, mode 2.
        new Words().u8(1).u16(0x43).u8(0, 0x34).u8(1).u16(0x40).u8(0, 9).u8(5).u32(50_000).done(),
        // Flash: erase a block, write a byte.
        new Words().u8(3, 1).u16(0).u8(0, 0x20).u8(3, 1).u16(0).u8(0, 0xD0).done(),
        // VGA: planes, a mode, the window.
        new Words()
            .u8(1)
            .u16(0x3C4)
            .u8(1)
            .u16(0x0F02)
            .u8(3, 2)
            .u16(0x10)
            .u8(2)
            .u32(-1)
            .u8(6)
            .done(),
        new Words().u8(1).u16(0x1CE).u8(1).u16(4).u8(1).u16(0x1D0).u8(1).u16(0x41).done());
  }

  @Override
  public void take(byte[] input) {
    time = 0;
    FuzzInput in = new FuzzInput(input);
    PortBus ports = new PortBus();
    DeviceWork work = new DeviceWork();
    IoApic apic = new IoApic((address, data) -> {});
    Hpet hpet = new Hpet(() -> time, apic);
    I8042 keyboard = new I8042(apic, () -> {});
    AcpiPm pm = new AcpiPm(ports, () -> time, () -> {}, apic, 9);
    pm.moveTo(0x600);
    Pit8254 pit = new Pit8254(() -> time, apic);
    FwCfg config = new FwCfg(memory, work);
    config.file("etc/name", "content".getBytes(StandardCharsets.US_ASCII));
    ports.attach(config, 0x510, 0x51B);
    ports.attach(pit, 0x40, 0x43);
    ports.attach(keyboard, 0x60, 0x60);
    ports.attach(keyboard, 0x64, 0x64);
    Vga vga = new Vga(memory, ports, (address, length) -> {});
    ParallelFlash flash = new ParallelFlash(memory, 0, FLASH, () -> {});
    MmioDevice[] devices = {hpet, flash, vga.window(), apic};
    long[] lengths = {Hpet.LENGTH, FLASH, 0x1_0000, 0x60};
    while (in.more()) {
      int kind = in.u8() % 7;
      switch (kind) {
        case 0 -> {
          long at = in.i32() & RAM - 1;
          byte[] b = in.bytes(in.u8());
          if (memory.contains(at, b.length)) {
            memory.write(at, b, 0, b.length);
          }
        }
        case 1 -> {
          int port = in.u16();
          int size = 1 << in.u8() % 3;
          ports.write(port, size, (int) in.number(size));
        }
        case 2 -> {
          int port = in.u16();
          ports.read(port, 1 << in.u8() % 3);
        }
        case 3, 4 -> {
          int d = in.u8() % devices.length;
          long at = in.u16() % lengths[d];
          int size = 1 << (in.u8() & 3);
          if (kind == 3) {
            devices[d].write(at, size, in.number(size));
          } else {
            devices[d].read(at, size);
          }
        }
        case 5 -> {
          time += in.i32() & 0x7FFF_FFFFL;
          hpet.advance(time);
          pit.advance(time);
        }
        default -> {
          vga.text();
          vga.png();
          keyboard.key(in.u8(), true);
        }
      }
      Pending.finish(work);
    }
    for (long next : new long[] {hpet.nextEvent(), pit.nextEvent()}) {
      if (next < time) {
        throw new IllegalStateException("an event that is over: " + next + " at " + time);
      }
    }
  }
}
