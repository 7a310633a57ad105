package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.pci.PciBridge;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.device.virtio.LegacyVirtioPci;
import dev.vesper.machine.device.virtio.VirtioBlock;
import dev.vesper.machine.device.virtio.VirtioConsole;
import dev.vesper.machine.device.virtio.VirtioDevice;
import dev.vesper.machine.device.virtio.VirtioEntropy;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** virtio devices behind PCI, driven through ports as a guest drives them. */
final class VirtioTest {
  private static final int QUEUE = 0x1_0000;
  private static final int USED = QUEUE + 0x1000;

  private final PhysicalMemory memory = new PhysicalMemory(1 << 20, 0);
  private final HostView view = memory.hostView();
  private final PortBus ports = new PortBus();
  private final PciBus pci = new PciBus(ports, new MmioBus(), (address, data) -> {});
  private final Pic8259 pic = new Pic8259();
  private final StringBuilder console = new StringBuilder();
  private final byte[] disk = new byte[64 * 512];
  private boolean readOnly;

  VirtioTest() {
    ports.attach(pci, 0xCF8, 0xCFF);
    pci.add(0, 0, new PciBridge(0x0666_0B5D, 0x0600_0000, false));
    add(1, new VirtioEntropy(1), 0x1000);
    add(2, new VirtioBlock(new MemoryDisk()), 0x2000);
    add(3, new VirtioConsole(b -> console.append((char) b)), 0x3000);
  }

  private final class MemoryDisk implements Disk {
    @Override
    public long sectors() {
      return disk.length / 512;
    }

    @Override
    public boolean readOnly() {
      return readOnly;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) {
      System.arraycopy(disk, (int) sector * 512, to, 0, bytes);
    }

    @Override
    public void write(long sector, byte[] from, int bytes) {
      System.arraycopy(from, 0, disk, (int) sector * 512, bytes);
    }

    @Override
    public void flush() {
      // nothing is kept back
    }
  }

  private void add(int slot, VirtioDevice d, int base) {
    pci.add(slot, new LegacyVirtioPci(d, view, new DeviceWork()), on -> pic.line(4 + slot, on));
    pci.place(slot, base, 4 + slot);
  }

  private int config(int slot, int offset) {
    ports.write(0xCF8, 4, 1 << 31 | slot << 11 | offset);
    return ports.read(0xCFC, 4);
  }

  private void start(int base, int queue) {
    ports.write(base + 0x12, 1, 0);
    ports.write(base + 0x12, 1, 3);
    ports.write(base + 0x0E, 2, queue);
    assertThat(ports.read(base + 0x0C, 2)).isEqualTo(128);
    view.write(QUEUE, new byte[0x2000], 0, 0x2000);
    ports.write(base + 8, 4, QUEUE >> 12);
    ports.write(base + 0x12, 1, 7);
  }

  private void descriptor(int i, long address, int length, int flags, int next) {
    view.write(QUEUE + 16 * i, 8, address);
    view.write(QUEUE + 16 * i + 8, 4, length);
    view.write(QUEUE + 16 * i + 12, 2, flags);
    view.write(QUEUE + 16 * i + 14, 2, next);
  }

  private void offer(int base, int queue, int head) {
    int at = (int) view.read(QUEUE + 2048 + 2, 2);
    view.write(QUEUE + 2048 + 4 + 2 * (at % 128), 2, head);
    view.write(QUEUE + 2048 + 2, 2, at + 1);
    ports.write(base + 0x10, 2, queue);
  }

  private int used() {
    return (int) view.read(USED + 2, 2);
  }

  @Test
  void configurationSpace() {
    assertThat(config(0, 0)).isEqualTo(0x0666_0B5D);
    assertThat(config(1, 0)).isEqualTo(0x1005_1AF4);
    assertThat(config(2, 0)).isEqualTo(0x1001_1AF4);
    assertThat(config(3, 0)).isEqualTo(0x1003_1AF4);
    assertThat(config(2, 0x2C)).isEqualTo(2 << 16 | 0x0B5D);
    assertThat(config(4, 0)).as("nobody").isEqualTo(-1);
    assertThat(config(2, 0x10)).isEqualTo(0x2001);
    assertThat(config(2, 0x3C) & 0xFFFF).isEqualTo(0x106);
    // Size the BAR, move it, and find the device there.
    ports.write(0xCF8, 4, 1 << 31 | 2 << 11 | 0x10);
    ports.write(0xCFC, 4, -1);
    assertThat(ports.read(0xCFC, 4)).isEqualTo(0xFFC1);
    ports.write(0xCFC, 4, 0x4000);
    assertThat(ports.read(0x4014, 4)).as("capacity").isEqualTo(64);
    assertThat(ports.read(0x2014, 4)).isEqualTo(-1);
    ports.write(0xCF8, 4, 1 << 31 | 2 << 11 | 4);
    ports.write(0xCFC, 1, 0);
    assertThat(ports.read(0x4014, 4)).as("I/O decoding off").isEqualTo(-1);
  }

  @Test
  void entropyFillsTheBuffer() {
    start(0x1000, 0);
    descriptor(0, 0x8000, 64, 2, 0);
    offer(0x1000, 0, 0);
    assertThat(used()).isEqualTo(1);
    assertThat(view.read(USED + 8, 4)).as("length").isEqualTo(64);
    assertThat(view.read(0x8000, 8)).isNotZero();
    assertThat(ports.read(0x1013, 1)).as("ISR, cleared by reading").isEqualTo(1);
    assertThat(ports.read(0x1013, 1)).isZero();
  }

  private int block(int type, long sector, int length, boolean write) {
    start(0x2000, 0);
    view.write(0x8000, 4, type);
    view.write(0x8004, 4, 0);
    view.write(0x8008, 8, sector);
    view.write(0xA000, 1, 0x77);
    descriptor(0, 0x8000, 16, 1, 1);
    descriptor(1, 0x9000, length, write ? 1 : 3, 2);
    descriptor(2, 0xA000, 1, 2, 0);
    offer(0x2000, 0, 0);
    return (int) view.read(0xA000, 1);
  }

  @Test
  void blockReadsWritesAndRefuses() {
    view.write(0x9000, "sector five".getBytes(StandardCharsets.US_ASCII), 0, 11);
    assertThat(block(1, 5, 512, true)).isZero();
    assertThat(new String(disk, 5 * 512, 11, StandardCharsets.US_ASCII)).isEqualTo("sector five");
    disk[6 * 512] = 42;
    assertThat(block(0, 6, 512, false)).isZero();
    assertThat(view.read(0x9000, 1)).isEqualTo(42);
    assertThat(view.read(USED + 8, 4)).isEqualTo(513);
    assertThat(block(0, 64, 512, false)).as("behind the end").isEqualTo(1);
    assertThat(block(0, 63, 1024, false)).as("across the end").isEqualTo(1);
    assertThat(block(0, -1, 512, false)).isEqualTo(1);
    assertThat(block(0, 0, 100, false)).as("no whole sector").isEqualTo(1);
    assertThat(block(4, 0, 512, false)).as("flush").isZero();
    assertThat(block(8, 0, 20, false)).as("identification").isZero();
    assertThat(view.read(0x9000, 4)).isEqualTo(0x7073_6576);
    assertThat(block(99, 0, 512, false)).as("unsupported").isEqualTo(2);
    readOnly = true;
    assertThat(block(1, 5, 512, true)).isEqualTo(1);
    assertThat(ports.read(0x2000, 4) & 0x20).as("feature RO").isEqualTo(0x20);
  }

  @Test
  void consoleWritesAndKeepsItsReceiveBuffers() {
    start(0x3000, 1);
    view.write(0x8000, "hello ".getBytes(StandardCharsets.US_ASCII), 0, 6);
    view.write(0x9000, "there".getBytes(StandardCharsets.US_ASCII), 0, 5);
    descriptor(0, 0x8000, 6, 1, 1);
    descriptor(1, 0x9000, 5, 0, 0);
    offer(0x3000, 1, 0);
    assertThat(console.toString()).isEqualTo("hello there");
    start(0x3000, 0);
    descriptor(0, 0x8000, 64, 2, 0);
    offer(0x3000, 0, 0);
    assertThat(used()).isZero();
  }

  /** A device sees what the bus carries: a private buffer is noise to it, and is garbled by it. */
  @Test
  void privateBuffersAreCiphertextToTheDevice() {
    int key = memory.createKey(7);
    byte[] secret = "a private secret".getBytes(StandardCharsets.US_ASCII);
    memory.page(8, key).copyFrom(0, secret, 0, 16);
    start(0x3000, 1);
    descriptor(0, 0x8000, 16, 0, 0);
    offer(0x3000, 1, 0);
    assertThat(console).hasSize(16);
    assertThat(console.toString()).isNotEqualTo("a private secret");
  }

  @Test
  void chainsThatMakeNoSenseStopTheDeviceUntilReset() {
    Object[][] bad = {
      {0x8000L, 64, 3, 0}, // loops
      {0x8000L, 64, 3, 500}, // leaves the table
      {-16L, 64, 2, 0},
      {0xFF000L, 0x10000, 2, 0}
    };
    for (Object[] d : bad) {
      start(0x1000, 0);
      descriptor(0, (long) d[0], (int) d[1], (int) d[2], (int) d[3]);
      offer(0x1000, 0, 0);
      assertThat(used()).isZero();
      assertThat(ports.read(0x1012, 1) & 0x40).as("NEEDS_RESET").isEqualTo(0x40);
      offer(0x1000, 0, 0);
      assertThat(used()).isZero();
    }
    entropyFillsTheBuffer();
  }

  /** Random registers, rings and descriptors: no exception, no access outside memory, no hang. */
  @Test
  void randomProgramsDoNoHarm() {
    Random r = new Random(9);
    byte[] noise = new byte[0x3000];
    for (int i = 0; i < 100_000; i++) {
      int base = 0x1000 * (1 + r.nextInt(3));
      switch (r.nextInt(8)) {
        case 0 -> {
          r.nextBytes(noise);
          view.write(QUEUE, noise, 0, noise.length);
        }
        case 1 -> start(base, r.nextInt(2) == 0 || base != 0x3000 ? 0 : 1);
        case 2, 3 -> {
          descriptor(
              r.nextInt(4),
              r.nextInt(8) == 0 ? r.nextLong() : r.nextInt(1 << 20),
              r.nextInt(8) == 0 ? r.nextInt() : r.nextInt(1 << 12),
              r.nextInt(4),
              r.nextInt(5));
          offer(base, r.nextInt(2), r.nextInt(5));
        }
        case 4 -> ports.write(base + r.nextInt(64), 1 << r.nextInt(3), r.nextInt());
        case 5 -> ports.read(base + r.nextInt(64), 1 << r.nextInt(3));
        case 6 -> {
          ports.write(0xCF8, 4, 1 << 31 | r.nextInt(0x2000) & ~3);
          int at = r.nextInt(4);
          if ((config(r.nextInt(4), 0) & 0xFFFF) != 0x1AF4 || r.nextInt(50) == 0) {
            ports.write(0xCFC + at, 1, 1);
          }
          ports.read(0xCFC + at, 1 << r.nextInt(3));
        }
        default -> ports.write(base + 0x10, 2, r.nextInt(3));
      }
    }
    assertThat(console.length()).isPositive();
  }
}
