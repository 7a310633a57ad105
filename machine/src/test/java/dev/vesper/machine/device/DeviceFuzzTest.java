package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.ahci.Ahci;
import dev.vesper.machine.device.ahci.SataDrive;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.display.Vga;
import dev.vesper.machine.device.net.UserNetwork;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.device.pci.PciDevice;
import dev.vesper.machine.device.share.FuseServer;
import dev.vesper.machine.device.virtio.LegacyVirtioPci;
import dev.vesper.machine.device.virtio.VirtioBlock;
import dev.vesper.machine.device.virtio.VirtioConsole;
import dev.vesper.machine.device.virtio.VirtioDevice;
import dev.vesper.machine.device.virtio.VirtioEntropy;
import dev.vesper.machine.device.virtio.VirtioFs;
import dev.vesper.machine.device.virtio.VirtioNet;
import dev.vesper.machine.device.virtio.VirtioPci;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.function.IntFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Programs of random register accesses, rings and descriptors for each device: whatever a guest
 * does, nothing is thrown, nothing goes on for ever, and a disk is asked for sectors that it has.
 */
@Tag("slow")
final class DeviceFuzzTest {
  /** Programs for each device; {@code -Ddevice.fuzz} asks for another number. */
  private static final int PROGRAMS = Integer.getInteger("device.fuzz", 100_000);

  private static final int RAM = 1 << 20;
  private static final int ACCESSES = 40;
  private static final int SECTORS = 64;
  private static final int[] SIZES = {1, 2, 4, 8};
  private static final long MEMORY_BAR = 0xC000_0000L;
  private static final int IO_BAR = 0xC000;

  private final HostView memory = new PhysicalMemory(RAM, 0).hostView();
  private final PortBus ports = new PortBus();
  private final MmioBus mmio = new MmioBus();
  private final DeviceWork work = new DeviceWork();
  @TempDir Path folder;
  private FuseServer share;
  private long time;
  private long bytesMoved;

  @BeforeEach
  void open() throws IOException {
    share = new FuseServer(folder, false);
  }

  @AfterEach
  void close() throws IOException {
    share.close();
  }

  /** Fails the test where it is asked for what it has not. */
  private final class StrictDisk implements Disk {
    private final byte[] data = new byte[SECTORS * SECTOR];

    @Override
    public long sectors() {
      return SECTORS;
    }

    @Override
    public boolean readOnly() {
      return false;
    }

    private void check(long sector, int bytes) {
      assertThat(sector).isBetween(0L, (long) SECTORS);
      assertThat(sector * SECTOR + bytes).isLessThanOrEqualTo(data.length);
      bytesMoved += bytes;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) {
      check(sector, bytes);
      System.arraycopy(data, (int) sector * SECTOR, to, 0, bytes);
    }

    @Override
    public void write(long sector, byte[] from, int bytes) {
      check(sector, bytes);
      System.arraycopy(from, 0, data, (int) sector * SECTOR, bytes);
    }

    @Override
    public void flush() throws IOException {
      if (bytesMoved % 7 == 3) {
        throw new IOException("a disk that fails");
      }
    }
  }

  private static int number(Random r) {
    return switch (r.nextInt(6)) {
      case 0 -> r.nextInt(8);
      case 1 -> 1 << r.nextInt(32);
      case 2 -> -1 - r.nextInt(16);
      case 3 -> r.nextInt(256) * 0x1000;
      case 4 -> r.nextInt(RAM) & -16;
      default -> r.nextInt();
    };
  }

  /** Fills memory with what looks like rings, tables and lists that point into it. */
  private void litter(Random r) {
    for (int i = 0; i < 48; i++) {
      int at = r.nextInt(16) * 0x1000 + r.nextInt(64) * 16;
      memory.write(at, 8, r.nextInt(5) == 0 ? r.nextLong() : r.nextInt(RAM));
      memory.write(at + 8, 4, r.nextInt(4) == 0 ? r.nextInt() : r.nextInt(0x3000));
      memory.write(at + 12, 2, r.nextInt(8));
      memory.write(at + 14, 2, r.nextInt(16));
    }
  }

  private VirtioDevice device(int n, StrictDisk disk) {
    return switch (n % 5) {
      case 0 -> new VirtioBlock(disk);
      case 1 -> new VirtioEntropy(1);
      case 2 -> new VirtioConsole(b -> {});
      case 3 -> new VirtioNet(new byte[6], new UserNetwork());
      default -> new VirtioFs("folder", share);
    };
  }

  /** What devices have put off is done before anything else happens. */
  private void finish() {
    while (work.unfinished()) {
      work.goOn();
    }
    work.refill();
  }

  private void run(IntFunction<PciDevice> make, int registers) {
    for (int p = 0; p < PROGRAMS; p++) {
      Random r = new Random(p);
      PciBus pci = new PciBus(ports, mmio, (address, data) -> {});
      PciDevice d = make.apply(p);
      pci.add(3, d, on -> {});
      pci.assign(IO_BAR, MEMORY_BAR, device -> 11);
      litter(r);
      for (int i = 0; i < ACCESSES; i++) {
        int size = SIZES[r.nextInt(4)];
        int kind = r.nextInt(12);
        if (kind == 0) {
          d.writeConfig(r.nextInt(64) * 4, 4, number(r));
          d.readConfig(r.nextInt(64) * 4, 4);
        } else if (kind < 3) {
          mmio.read(MEMORY_BAR + r.nextInt(registers + 0x100), size);
          ports.read(IO_BAR + r.nextInt(64), Math.min(4, size));
        } else {
          // Whole registers more often than not: that is where things happen.
          long at =
              MEMORY_BAR + (r.nextInt(4) == 0 ? r.nextInt(registers) : r.nextInt(registers) & -4);
          mmio.write(at, size, r.nextInt(4) == 0 ? r.nextLong() : number(r) & 0xFFFF_FFFFL);
          ports.write(IO_BAR + r.nextInt(32), Math.min(4, size), number(r));
        }
        finish();
      }
      // Out of the way for the next one.
      d.writeConfig(4, 2, 0);
    }
  }

  /** A request of a disk or a file system in the first three descriptors. */
  private void sensible(int table, int available, Random r) {
    int[] lengths = {16, 512 * r.nextInt(20), 1};
    int[] flags = {1, 1 | r.nextInt(2) << 1, 2};
    for (int i = 0; i < 3; i++) {
      memory.write(table + 16L * i, 8, 0x2_0000 + 0x4000L * i);
      memory.write(table + 16L * i + 8, 4, r.nextInt(40) == 0 ? r.nextInt() : lengths[i]);
      memory.write(table + 16L * i + 12, 2, flags[i]);
      memory.write(table + 16L * i + 14, 2, i + 1);
    }
    if (r.nextBoolean()) {
      memory.write(0x2_0000, 4, r.nextInt(3));
      memory.write(0x2_0008, 8, r.nextInt(SECTORS + 8));
    } else {
      // FUSE: length, operation, number, inode; the rest is what was there.
      memory.write(0x2_0000, 4, 16 + lengths[1]);
      memory.write(0x2_0004, 4, r.nextInt(52));
      memory.write(0x2_0010, 8, r.nextInt(4));
    }
    memory.write(available + 4L, 2, 0);
    memory.write(available + 2L, 2, 1);
  }

  /** Sets a device up as a driver does, but for rings and descriptors, which are random. */
  private void driven(VirtioPci d, Random r, int queues) {
    long bar = MEMORY_BAR + 0x4000;
    d.writeConfig(0x20, 4, (int) bar);
    d.writeConfig(0x24, 4, 0);
    d.writeConfig(4, 2, 7);
    mmio.write(bar + 0x14, 1, 0);
    mmio.write(bar + 0x14, 1, 3);
    mmio.write(bar + 0x08, 4, 1);
    mmio.write(bar + 0x0C, 4, 1);
    mmio.write(bar + 0x08, 4, 0);
    mmio.write(bar + 0x0C, 4, r.nextInt() & 0x3000_0000);
    mmio.write(bar + 0x14, 1, 11);
    for (int q = 0; q < queues; q++) {
      mmio.write(bar + 0x16, 2, q);
      mmio.write(bar + 0x18, 2, 1 << r.nextInt(9));
      for (int field = 0; field < 3; field++) {
        mmio.write(bar + 0x20 + 8 * field, 8, r.nextInt(16) * 0x1000L);
      }
      mmio.write(bar + 0x1C, 2, 1);
    }
    mmio.write(bar + 0x14, 1, 15);
    if (r.nextBoolean()) {
      // A request that makes sense, but for a number here and there.
      mmio.write(bar + 0x16, 2, r.nextInt(queues));
      sensible((int) mmio.read(bar + 0x20, 4), (int) mmio.read(bar + 0x28, 4), r);
    }
    for (int i = 0; i < 8; i++) {
      memory.write(r.nextInt(16) * 0x1000L + 2, 2, r.nextInt(12));
      mmio.write(bar + 0x3000 + 4L * r.nextInt(queues + 1), 2, 0);
      finish();
    }
    d.writeConfig(4, 2, 0);
  }

  @Test
  void virtioSurvivesAnyProgram() {
    StrictDisk disk = new StrictDisk();
    run(p -> new VirtioPci(device(p, disk), memory, p % 2 == 0, work), 0x8000);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4})
  void virtioSurvivesAnyRing(int kind) {
    StrictDisk disk = new StrictDisk();
    for (int p = 0; p < PROGRAMS; p++) {
      Random r = new Random(p);
      PciBus pci = new PciBus(ports, mmio, (address, data) -> {});
      VirtioDevice v = device(kind, disk);
      VirtioPci d = new VirtioPci(v, memory, false, work);
      pci.add(3, d, on -> {});
      litter(r);
      driven(d, r, v.queues());
    }
    assertThat(kind != 0 || bytesMoved > 0).as("some of the requests make sense").isTrue();
  }

  @Test
  void legacyVirtioSurvivesAnyProgram() {
    StrictDisk disk = new StrictDisk();
    run(p -> new LegacyVirtioPci(device(p, disk), memory, work), 0x100);
  }

  @Test
  void ahciSurvivesAnyProgram() {
    StrictDisk disk = new StrictDisk();
    run(p -> new Ahci(memory, List.of(SataDrive.hard(disk)), work), 0x400);
  }

  /** A port that is set up, with command lists, tables and frames of random bytes. */
  @Test
  void ahciSurvivesAnyCommand() {
    StrictDisk disk = new StrictDisk();
    for (int p = 0; p < PROGRAMS; p++) {
      Random r = new Random(p);
      Ahci a = new Ahci(memory, List.of(SataDrive.hard(disk)), work);
      int list = r.nextInt(16) * 0x1000;
      int table = r.nextInt(16) * 0x1000 + 0x800;
      int[] codes = {0x25, 0x35, 0xC8, 0xCA, 0x60, 0x61, 0xEC, 0xEA, 0x20, 0x30, r.nextInt(256)};
      litter(r);
      a.write(0x100, 4, list);
      a.write(0x108, 4, r.nextInt(16) * 0x1000L);
      a.write(0x118, 4, 0x17);
      for (int i = 0; i < 4; i++) {
        memory.write(list, 4, 5 | r.nextInt(8) << 16);
        memory.write(list + 8, 8, table);
        memory.write(table, 4, 0x8027 | codes[r.nextInt(codes.length)] << 16 | r.nextInt(4) << 24);
        memory.write(table + 4, 4, r.nextInt(2 * SECTORS));
        memory.write(table + 8, 8, (long) r.nextInt(8) << 32);
        for (int e = 0; e < 8; e++) {
          memory.write(table + 0x80 + 16 * e, 8, r.nextInt(6) == 0 ? r.nextLong() : r.nextInt(RAM));
          memory.write(table + 0x8C + 16 * e, 4, r.nextInt(0x4000));
        }
        a.write(0x134, 4, 1);
        a.write(0x138, 4, 1);
        finish();
        if ((a.read(0x110, 4) & 1 << 30) != 0) {
          // The port has stopped at a command that failed.
          a.write(0x118, 4, 0x16);
          a.write(0x110, 4, -1);
          a.write(0x118, 4, 0x17);
        }
        assertThat(a.read(0x138, 4)).as("no command stays").isZero();
      }
    }
    assertThat(bytesMoved).as("some of the commands make sense").isPositive();
  }

  /** Registers of every kind, the window and video memory, with a look at the picture. */
  @Test
  void vgaSurvivesAnyProgram() {
    int[] ports = {0x3C0, 0x3C4, 0x3CE, 0x3D4, 0x3B4, 0x3C8, 0x1CE, 0x1D0};
    for (int p = 0; p < PROGRAMS; p++) {
      Random r = new Random(p);
      PortBus bus = new PortBus();
      Vga v = new Vga(memory, bus, (address, length) -> {});
      MmioDevice window = v.window();
      for (int i = 0; i < ACCESSES; i++) {
        int size = SIZES[r.nextInt(4)];
        int port = r.nextInt(4) == 0 ? 0x3B0 + r.nextInt(0x30) : ports[r.nextInt(ports.length)];
        bus.write(port, Math.min(4, size), r.nextInt(0x40) | r.nextInt(256) << 8);
        bus.write(port + 1, 1, r.nextInt(256));
        bus.read(r.nextBoolean() ? port : 0x1CE + r.nextInt(4), Math.min(4, size));
        window.write(r.nextInt(0x10000), size, r.nextLong());
        window.read(r.nextInt(0x10000), size);
      }
      if (p % 64 == 0) {
        assertThat(v.text()).hasLineCount(25);
      }
      if (p % 1024 == 0) {
        v.png();
      }
    }
  }

  @Test
  void timersAndControllersSurviveAnyProgram() {
    for (int p = 0; p < PROGRAMS; p++) {
      Random r = new Random(p);
      IoApic apic = new IoApic((address, data) -> {});
      Hpet hpet = new Hpet(() -> time, apic);
      I8042 keyboard = new I8042(apic, () -> {});
      AcpiPm pm = new AcpiPm(ports, () -> time, () -> {}, apic, 9);
      pm.moveTo(0x600);
      Pit8254 pit = new Pit8254(() -> time, apic);
      for (int i = 0; i < ACCESSES; i++) {
        time += r.nextInt(4) == 0 ? r.nextInt(100_000_000) : r.nextInt(1000);
        int size = SIZES[r.nextInt(4)];
        int port = Math.min(4, size);
        long v = r.nextInt(3) == 0 ? r.nextLong() : number(r);
        apic.write(r.nextInt(3) * 0x10, size, r.nextInt(64));
        apic.line(r.nextInt(32) - 2, r.nextBoolean());
        apic.endOfInterrupt(r.nextInt(256));
        apic.read(r.nextInt(0x60), size);
        hpet.write(r.nextInt(Hpet.LENGTH), size, v & -1L >>> 64 - 8 * size);
        hpet.read(r.nextInt(Hpet.LENGTH), size);
        hpet.advance(time);
        assertThat(hpet.nextEvent()).isGreaterThan(time - 1);
        keyboard.write(r.nextBoolean() ? 0x60 : 0x64, 1, r.nextInt(256));
        keyboard.key(r.nextInt(0x100), r.nextBoolean());
        keyboard.read(r.nextBoolean() ? 0x60 : 0x64, 1);
        ports.write(0x600 + r.nextInt(64), port, number(r));
        ports.read(0x600 + r.nextInt(64), port);
        pit.write(0x40 + r.nextInt(4), 1, r.nextInt(256));
        pit.read(0x40 + r.nextInt(4), 1);
        pit.advance(time);
      }
      pm.moveTo(0);
    }
  }
}
