package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.FwCfg;
import dev.vesper.machine.device.Hpet;
import dev.vesper.machine.device.I8042;
import dev.vesper.machine.device.IoApic;
import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.ParallelFlash;
import dev.vesper.machine.device.Pit8254;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.display.Vga;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * fw_cfg, timers, interrupt controllers, keyboard, power management, flash and VGA: accesses, and
 * time that passes.
 */
public final class ChipsTarget implements FuzzTarget {
  private static final int RAM = 1 << 20;
  private static final int FLASH = 1 << 16;
  private static final long VIDEO = 16 << 20;

  /** A picture is large: no input needs more of them. */
  private static final int MOST_PICTURES = 2;

  /** What happens; in seeds and in inputs. */
  private static final int MEMORY = 0;

  private static final int OUT = 1;
  private static final int IN = 2;
  private static final int WRITE = 3;
  private static final int READ = 4;
  private static final int TIME = 5;
  private static final int LOOK = 6;
  private static final int KEY = 7;
  private static final int LINE = 8;
  private static final int LOCAL_WRITE = 9;
  private static final int LOCAL_MSR = 10;
  private static final int LOCAL_INTERRUPT = 11;
  private static final int BUTTON = 12;
  private static final int KINDS = 13;

  /** Devices with registers in memory. */
  private static final int HPET = 0;

  private static final int FLASH_ROM = 1;
  private static final int WINDOW = 2;
  private static final int IO_APIC = 3;

  private static final int POWER = 0x600;

  private final HostView memory = new PhysicalMemory(2 * VIDEO, 0).hostView();
  private final byte[] zeros = new byte[RAM];
  private long time;

  @Override
  public String name() {
    return "chips";
  }

  @Override
  public List<String> covers() {
    return Stream.of(
            "AcpiPm",
            "ApicTimer",
            "FwCfg",
            "Hpet",
            "I8042",
            "IoApic",
            "LocalApic",
            "ParallelFlash",
            "Pit",
            "display.")
        .map("dev.vesper.machine.device."::concat)
        .toList();
  }

  @Override
  public int longest() {
    return 4096;
  }

  @Override
  public int inputs() {
    return 3000;
  }

  /** What a guest does, in the form that inputs have. */
  private static final class Guest {
    private final Words words = new Words();

    Guest out(int port, int... bytes) {
      for (int b : bytes) {
        words.u8(OUT).u16(port).u8(0, b);
      }
      return this;
    }

    Guest outWord(int port, int v) {
      words.u8(OUT).u16(port).u8(1).u16(v);
      return this;
    }

    Guest in(int port, int times) {
      for (int i = 0; i < times; i++) {
        words.u8(IN).u16(port).u8(0);
      }
      return this;
    }

    /** Index and data. */
    Guest indexed(int port, int... pairs) {
      for (int i = 0; i < pairs.length; i += 2) {
        outWord(port, pairs[i] | pairs[i + 1] << 8);
      }
      return this;
    }

    Guest write(int device, int at, int v) {
      words.u8(WRITE, device).u16(at).u8(2).u32(v);
      return this;
    }

    Guest writeByte(int device, int at, int v) {
      words.u8(WRITE, device).u16(at).u8(0, v);
      return this;
    }

    Guest read(int device, int at) {
      words.u8(READ, device).u16(at).u8(2);
      return this;
    }

    Guest pass(int nanos) {
      words.u8(TIME).u32(nanos);
      return this;
    }

    Guest does(int kind, int... bytes) {
      words.u8(kind);
      for (int b : bytes) {
        words.u8(b);
      }
      return this;
    }

    Guest local(int at, int v) {
      words.u8(LOCAL_WRITE).u16(at).u32(v);
      return this;
    }

    byte[] done() {
      return words.done();
    }
  }

  @Override
  public List<byte[]> seeds() {
    List<byte[]> all = new ArrayList<>();
    fwCfg(all);
    timers(all);
    keyboard(all);
    interrupts(all);
    screens(all);
    Guest flash = new Guest();
    for (int command :
        new int[] {0x20, 0xD0, 0x20, 0, 0x40, 0x12, 0x10, 0, 0x50, 0x70, 0x90, 0xFF}) {
      flash.writeByte(FLASH_ROM, 0x1001, command).read(FLASH_ROM, 0).read(FLASH_ROM, 1);
    }
    all.add(flash.done());
    Guest power = new Guest();
    for (int at = 0; at < AcpiPm.LENGTH; at++) {
      power.out(POWER + at, 0xFF).in(POWER + at, 1);
    }
    power.does(BUTTON, 0).pass(2_000_000_000).pass(2_000_000_000).pass(2_000_000_000);
    for (int type = 0; type < 8; type++) {
      power.out(POWER + 5, 0x20 | type << 2);
    }
    all.add(power.does(BUTTON, 1).does(BUTTON, 2).does(BUTTON, 3).done());
    return all;
  }

  /** A DMA descriptor at 1000h that does something, then its address; and a file byte by byte. */
  private static void fwCfg(List<byte[]> all) {
    for (int control : new int[] {2, 4, 8 | 2, 8 | 16, 8 | 4, 1}) {
      byte[] address =
          new Words()
              .u8(OUT)
              .u16(0x514)
              .u8(2)
              .u32(0)
              .u8(OUT)
              .u16(0x518)
              .u8(2, 0, 0, 0x10, 0)
              .done();
      all.add(
          new Words()
              .u8(MEMORY)
              .u32(0x1000)
              .u8(16, 0, 0x20, 0, control, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0x20, 0)
              .bytes(address)
              .bytes(new Guest().in(0x514, 8).done())
              .done());
    }
    Guest g = new Guest();
    for (int key : new int[] {0, 1, 2, 3, 5, 0x19, 0x20, 0x21, 0x8000}) {
      g.outWord(0x510, key).in(0x511, 6).out(0x511, 7);
    }
    all.add(g.in(0x510, 1).done());
  }

  private static void timers(List<byte[]> all) {
    for (int counter = 0; counter < 3; counter++) {
      for (int decimal = 0; decimal < 2; decimal++) {
        Guest g = new Guest().out(0x61, 1);
        for (int mode = 0; mode < 8; mode++) {
          for (int access = 1; access < 4; access++) {
            g.out(0x43, counter << 6 | access << 4 | mode << 1 | decimal);
            g.out(0x40 + counter, 0x21, 0).pass(30_000).in(0x40 + counter, 2);
            g.out(0x43, counter << 6).in(0x40 + counter, 2).out(0x43, 0xC0 | 2 << counter);
            g.out(0x61, 0).pass(1000).out(0x61, 1).pass(1000).in(0x61, 1).in(0x40 + counter, 3);
          }
          all.add(g.done());
          g = new Guest().out(0x61, 1);
        }
      }
    }
    for (int configuration : new int[] {0x4, 0xC, 0x104, 0x10C, 0x6, 0x4004, 0x200 | 0xC}) {
      Guest g = new Guest().write(HPET, 0x10, 1);
      for (int timer = 0; timer < 3; timer++) {
        int at = 0x100 + 0x20 * timer;
        g.write(HPET, at, configuration | 0x40).write(HPET, at + 8, 5000).write(HPET, at + 8, 1000);
        g.write(HPET, at + 12, 0).read(HPET, at).read(HPET, at + 8).read(HPET, at + 16);
      }
      g.pass(100_000).read(HPET, 0x20).write(HPET, 0x20, 7).pass(1_000_000).read(HPET, 0xF0);
      all.add(
          g.write(HPET, 0x10, 3).pass(1_000_000).write(HPET, 0x10, 0).write(HPET, 0xF0, 1).done());
    }
  }

  private static void keyboard(List<byte[]> all) {
    Guest controller = new Guest();
    for (int c = 0; c < 0x100; c += c < 0xA0 ? 0x10 : 1) {
      controller.out(0x64, c).out(0x60, 0x47).in(0x60, 3).in(0x64, 1);
    }
    all.add(controller.done());
    int[] commands = {
      0xFF, 0xF2, 0xE9, 0xEB, 0xE8, 3, 0xF3, 40, 0xF4, 0xF5, 0xE6, 0xED, 2, 0xF0, 0
    };
    Guest keys = new Guest().out(0x64, 0x60).out(0x60, 0x43);
    Guest mouse = new Guest().out(0x64, 0x60).out(0x60, 0x43);
    for (int c : commands) {
      keys.out(0x60, c).in(0x60, 3);
      mouse.out(0x64, 0xD4).out(0x60, c).in(0x60, 4);
    }
    all.add(keys.out(0x60, 0xEE, 0xF6).does(KEY, 0x48, 0xE0, 1).does(KEY, 30, 0, 0).done());
    all.add(mouse.out(0x64, 0xD3).out(0x60, 1).in(0x64, 1).done());
  }

  private static void interrupts(List<byte[]> all) {
    Guest g = new Guest();
    for (int entry = 0; entry < 4; entry++) {
      int[] low = {0x31, 0x8031, 0xA731, 0x1_0031};
      g.write(IO_APIC, 0, 0x10 + 2 * entry).write(IO_APIC, 0x10, low[entry]).read(IO_APIC, 0x10);
      g.write(IO_APIC, 0, 0x11 + 2 * entry).write(IO_APIC, 0x10, 0x0100_0000).read(IO_APIC, 0x10);
      g.does(LINE, entry, 1).does(LINE, entry, 1).does(LINE, 0x80, 0x31).does(LINE, entry, 0);
    }
    for (int register : new int[] {0, 1, 2, 3, 0x50}) {
      g.write(IO_APIC, 0, register).write(IO_APIC, 0x10, -1).read(IO_APIC, 0x10);
    }
    all.add(g.write(IO_APIC, 0x40, 0x31).read(IO_APIC, 0x20).done());
    Guest local = new Guest().local(0xF0, 0x1FF);
    for (int r = 0; r < 0x40; r++) {
      local.local(r << 4, 0x000A_0041).local(r << 4 | 0x400, 0);
    }
    for (int divide = 0; divide < 16; divide++) {
      local.local(0x3E0, divide).local(0x380, 1000).pass(100_000).local(0x790, 0);
    }
    for (int shorthand = 0; shorthand < 4; shorthand++) {
      for (int mode = 0; mode < 8; mode++) {
        local.local(0x300, shorthand << 18 | mode << 8 | 0x41);
      }
    }
    for (int kind = 0; kind < 16; kind++) {
      local.does(LOCAL_INTERRUPT, kind, 0x41).local(0xB0, 0);
    }
    all.add(local.done());
    for (int mode = 0; mode < 3; mode++) {
      Guest timer = new Guest().local(0xF0, 0x1FF).local(0x320, mode << 17 | 0x40);
      for (int kind = 0; kind < 16; kind++) {
        timer.does(LOCAL_INTERRUPT, kind, 0x99).local(0x380, 5000).pass(50_000);
      }
      all.add(timer.done());
    }
    Words x2 = new Words().bytes(new Guest().local(0xF0, 0x1FF).done());
    x2.u8(LOCAL_MSR).u16(0).u64(0xFEE0_0C00L);
    for (int r = 0; r < 0x40; r++) {
      x2.u8(LOCAL_MSR).u16(0x800 + r).u64(0x41).u8(LOCAL_MSR).u16(0x8000).u64(0x800 + r);
    }
    all.add(x2.u8(LOCAL_MSR).u16(0).u64(0xFEE0_0000L).done());
  }

  /** Text, and graphics of each kind. */
  private static void screens(List<byte[]> all) {
    int[][] graphics = {
      // Sequencer 4, graphics 5 and 6: planes, odd and even, chain 4, CGA with 2 bits and 1.
      {6, 0, 5}, {6, 8, 5}, {2, 0x10, 0xE}, {0xE, 0x40, 5}, {6, 0x20, 0xD}, {6, 0, 0xD}, {6, 0, 4}
    };
    for (int[] m : graphics) {
      Guest g = new Guest().out(0x3C2, 0x67).in(0x3DA, 1);
      g.indexed(0x3C4, 1, 1, 2, 15, 3, 5, 4, m[0]);
      for (int i = 0; i < 21; i++) {
        g.out(0x3C0, i, i == 16 ? 0x8C : i == 18 ? 15 : i);
      }
      g.out(0x3C0, 0x20).out(0x3C7, 1).out(0x3C8, 1).out(0x3C9, 63, 31, 1).in(0x3C9, 3);
      g.indexed(0x3D4, 0x11, 0, 1, 9, 0x12, 19, 7, 0, 9, 0x8F, 0x13, 5, 0xA, 0, 0xB, 15, 0xE, 0);
      for (int write = 0; write < 4; write++) {
        g.indexed(0x3CE, 0, 3, 1, 5, 2, 1, 3, write << 3 | write, 4, 1, 5, m[1] | write, 6, m[2]);
        g.indexed(0x3CE, 7, 15, 8, 0xF0).read(WINDOW, 16).write(WINDOW, 16, 0x5AA5_FF00);
      }
      for (int port = 0x3B0; port < 0x3E0; port++) {
        g.in(port, 1);
      }
      all.add(g.does(LOOK).done());
    }
    // A font in plane 2, and text.
    Guest text = new Guest().indexed(0x3C4, 2, 4, 4, 6).indexed(0x3CE, 5, 0, 6, 4);
    text.write(WINDOW, 0, -1).write(WINDOW, 32 * 'A', -1).indexed(0x3CE, 6, 14);
    text.indexed(0x3D4, 1, 9, 0x12, 31, 7, 0, 9, 15, 0x13, 5, 0xB, 15);
    all.add(
        new Words()
            .bytes(text.done())
            .u8(MEMORY)
            .u32(0xB_8000)
            .u8(4, 'A', 0x1F, 0xC4, 0x2F)
            .u8(LOOK)
            .done());
    for (int depth : new int[] {8, 15, 16, 24, 32, 4}) {
      Guest g = new Guest();
      int[] registers = {
        0, 0xB0C5, 1, 16, 2, 8, 3, depth, 4, 0xC1, 5, 1, 6, 32, 8, 1, 9, 1, 4, 0xC3, 7, 9
      };
      for (int i = 0; i < registers.length; i += 2) {
        g.outWord(0x1CE, registers[i]).outWord(0x1D0, registers[i + 1]);
        g.does(IN, 0xD0, 1, 1);
      }
      g.write(WINDOW, 0, 0x1234_5678).read(WINDOW, 0).does(IN, 0xCE, 1, 1);
      all.add(g.does(LOOK).done());
    }
  }

  private static void localInterrupt(LocalApic local, int kind, int vector) {
    switch (kind) {
      case 0 -> local.request(vector, false);
      case 1 -> local.request(vector, true);
      case 2 -> local.externalRises();
      case 3 -> local.performanceCounter();
      case 4 -> local.acceptsExternal();
      case 5 -> local.setTaskPriority(vector & 15);
      case 6 -> local.addressedBy(vector, false, false);
      case 7 -> local.addressedBy(vector, true, false);
      case 8 -> local.addressedBy(vector << 8 | vector, true, true);
      case 9 -> local.numbered(vector);
      case 10 -> local.offerDeadlines((vector & 1) != 0);
      case 11 -> local.init();
      case 12 -> local.covers((long) vector << 24);
      default -> {
        if (local.requesting()) {
          local.acknowledge();
        }
      }
    }
  }

  /** MSR 0 stands for the base register, 1 for the deadline; 8000h reads. */
  private void localMsr(LocalApic local, int msr, long v) {
    switch (msr) {
      case 0 -> local.setBase(v, ~0xFFFF_FFFF_FD00L);
      case 1 -> local.setDeadline(Math.max(v, 0), time);
      case 0x8000 -> local.readMsr((int) v, time);
      default -> local.writeMsr(msr, v, time);
    }
  }

  @Override
  public void take(byte[] input) {
    time = 0;
    memory.write(0, zeros, 0, zeros.length);
    FuzzInput in = new FuzzInput(input);
    PortBus ports = new PortBus();
    DeviceWork work = new DeviceWork();
    IoApic apic = new IoApic((address, data) -> {});
    LocalApic local = new LocalApic(1, true, (from, command, destination) -> {});
    Hpet hpet = new Hpet(() -> time, apic);
    I8042 keyboard = new I8042(apic, () -> {});
    AcpiPm pm = new AcpiPm(ports, () -> time, () -> {}, apic, 9);
    pm.moveTo(POWER);
    Pit8254 pit = new Pit8254(() -> time, apic);
    FwCfg config = new FwCfg(memory, work);
    config.file("etc/name", "content".getBytes(StandardCharsets.US_ASCII));
    ports.attach(config, 0x510, 0x51B);
    ports.attach(pit, 0x40, 0x43);
    ports.attach(pit, 0x61, 0x61);
    ports.attach(keyboard, 0x60, 0x60);
    ports.attach(keyboard, 0x64, 0x64);
    Vga vga = new Vga(memory, ports, (address, length) -> {});
    vga.writeConfig(0x10, 4, (int) VIDEO);
    vga.writeConfig(4, 2, 3);
    ParallelFlash flash = new ParallelFlash(memory, 0, FLASH, () -> {});
    MmioDevice[] devices = {hpet, flash, vga.window(), apic};
    long[] lengths = {Hpet.LENGTH, FLASH, 0x1_0000, 0x60};
    int pictures = 0;
    while (in.more()) {
      int kind = in.u8() % KINDS;
      switch (kind) {
        case MEMORY -> {
          int at = in.i32() & RAM - 1;
          byte[] b = in.bytes(Math.min(in.u8(), RAM - at));
          memory.write(at, b, 0, b.length);
        }
        case OUT -> {
          int port = in.u16();
          int size = 1 << in.u8() % 3;
          ports.write(port, size, (int) in.number(size));
        }
        case IN -> {
          int port = in.u16();
          ports.read(port, 1 << in.u8() % 3);
        }
        case WRITE, READ -> {
          int d = in.u8() % devices.length;
          long at = in.u16() % lengths[d];
          int size = 1 << (in.u8() & 3);
          if (kind == WRITE) {
            devices[d].write(at, size, in.number(size));
          } else {
            devices[d].read(at, size);
          }
        }
        case TIME -> {
          time += in.i32() & 0x7FFF_FFFFL;
          hpet.advance(time);
          pit.advance(time);
          pm.advance(time);
          local.advance(time);
        }
        case LOOK -> {
          vga.text();
          if (pictures++ < MOST_PICTURES) {
            vga.png();
          }
        }
        case KEY -> keyboard.key(in.u16(), in.u8() != 0);
        case LINE -> {
          int n = in.u8();
          int v = in.u8();
          if (n < 0x80) {
            apic.line(n, (v & 1) != 0);
          } else {
            apic.endOfInterrupt(v);
          }
        }
        case LOCAL_WRITE -> {
          int at = in.u16();
          int v = in.i32();
          if ((at & 0x400) != 0) {
            local.read(at & 0x3F0, time);
          } else {
            local.write(at & 0x3F0, v, time);
          }
        }
        case LOCAL_MSR -> localMsr(local, in.u16(), in.number(8));
        case LOCAL_INTERRUPT -> localInterrupt(local, in.u8() % 14, in.u8());
        default -> {
          switch (in.u8() % 4) {
            case 0 -> pm.pressPowerButton();
            case 1 -> pm.alarm();
            case 2 -> pm.sleepsBy(() -> {});
            default -> pm.addSmiControl();
          }
          pm.wakes();
        }
      }
      Pending.finish(work);
    }
    for (long next :
        new long[] {hpet.nextEvent(), pit.nextEvent(), pm.nextEvent(), local.nextEvent()}) {
      if (next < time) {
        throw new IllegalStateException("an event that is over: " + next + " at " + time);
      }
    }
  }
}
