package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.pci.Ich9Lpc;
import dev.vesper.machine.device.pci.PciBridge;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.device.pci.Piix4Pm;
import dev.vesper.machine.device.pci.PirqRouter;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** fw_cfg, flash, PIIX4 power management and the functions of a PCI device. */
final class FirmwareDevicesTest {
  private final HostView memory = new PhysicalMemory(1 << 20, 0).hostView();
  private long time;

  private static String text(FwCfg f, int key, int n) {
    f.write(0x510, 2, key);
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < n; i++) {
      b.append((char) f.read(0x511, 1));
    }
    return b.toString();
  }

  @Test
  void itemsAndFilesAreReadByPort() {
    FwCfg f = new FwCfg(memory, new DeviceWork());
    f.file("etc/thing", new byte[] {1, 2, 3});
    assertThat(text(f, FwCfg.SIGNATURE, 4)).isEqualTo("QEMU");
    f.write(0x510, 2, FwCfg.ID);
    assertThat(f.read(0x511, 4)).isEqualTo(3);
    // The directory is big-endian: one file of three bytes, its key, its name.
    String d = text(f, 0x19, 68);
    assertThat(d.charAt(3)).isEqualTo((char) 1);
    assertThat(d.charAt(7)).isEqualTo((char) 3);
    assertThat(d.substring(12, 21)).isEqualTo("etc/thing");
    int key = d.charAt(8) << 8 | d.charAt(9);
    assertThat(text(f, key, 5)).isEqualTo("\1\2\3\0\0");
    assertThat(text(f, 0x7777, 2)).isEqualTo("\0\0");
  }

  private void dma(FwCfg f, int control, int length, long address) {
    memory.write(0x100, 4, Integer.reverseBytes(control) & 0xFFFF_FFFFL);
    memory.write(0x104, 4, Integer.reverseBytes(length) & 0xFFFF_FFFFL);
    memory.write(0x108, 8, Long.reverseBytes(address));
    f.write(0x514, 4, 0);
    f.write(0x518, 4, Integer.reverseBytes(0x100));
  }

  @Test
  void dmaReadsSkipsAndRefuses() {
    FwCfg f = new FwCfg(memory, new DeviceWork());
    f.put(0x44, "abcdefgh".getBytes(java.nio.charset.StandardCharsets.US_ASCII));
    dma(f, 0x44 << 16 | 8 | 2, 3, 0x2000);
    assertThat(memory.read(0x2000, 4)).isEqualTo(0x63_6261);
    assertThat(memory.read(0x100, 4)).isZero();
    dma(f, 4, 2, 0);
    dma(f, 2, 4, 0x2000);
    assertThat(memory.read(0x2000, 4)).isEqualTo(0x68_6766);
    dma(f, 2, 4, 0xFFFF_FFF0L);
    assertThat(memory.read(0x100, 4)).isEqualTo(0x0100_0000);
    dma(f, 16, 4, 0x2000);
    assertThat(memory.read(0x100, 4)).isEqualTo(0x0100_0000);
    assertThat(f.read(0x514, 4)).isEqualTo(Integer.reverseBytes(0x5145_4D55));
    assertThat(f.read(0x518, 4)).isEqualTo(Integer.reverseBytes(0x2043_4647));
  }

  @Test
  void aRomKeepsWhatItHas() {
    memory.write(0x8000, 8, 0x1122_3344_5566_7788L);
    Rom rom = new Rom(memory, 0x8000, 0x1000);
    rom.write(0, 4, 0);
    assertThat(rom.read(0, 8)).isEqualTo(0x1122_3344_5566_7788L);
    assertThat(rom.read(2, 2)).isEqualTo(0x5566);
    memory.write(0x9000, 8, -1);
    assertThat(rom.read(0xFFC, 8)).as("beyond its end").isZero();
  }

  @Test
  void flashProgramsErasesAndAnswersCommands() {
    int[] changes = {0};
    ParallelFlash f = new ParallelFlash(memory, 0x8000, 0x4000, () -> changes[0]++);
    memory.write(0x8000 + 0x123, 1, 0xFF);
    f.write(0x123, 1, 0x10);
    assertThat(f.arrayMode()).isFalse();
    f.write(0x123, 1, 0x5A);
    assertThat(f.read(0x123, 1)).as("status").isEqualTo(0x80);
    f.write(0x123, 1, 0xFF);
    assertThat(f.arrayMode()).isTrue();
    assertThat(f.read(0x123, 1)).isEqualTo(0x5A);
    // Programming only clears bits.
    f.write(0x123, 1, 0x40);
    f.write(0x123, 1, 0xF0);
    f.write(0x123, 1, 0xFF);
    assertThat(memory.read(0x8123, 1)).isEqualTo(0x50);
    f.write(0x1FF, 1, 0x20);
    f.write(0x1FF, 1, 0xD0);
    f.write(0, 1, 0xFF);
    assertThat(memory.read(0x8123, 1)).isEqualTo(0xFF);
    assertThat(memory.read(0x8FFF, 1)).isEqualTo(0xFF);
    f.write(0, 1, 0x90);
    assertThat(f.read(0, 1)).isEqualTo(0x89);
    f.write(0, 1, 0xFF);
    assertThat(changes[0]).isEqualTo(8);
  }

  @Test
  void powerManagementAppearsWhereItIsPlaced() {
    PortBus ports = new PortBus();
    boolean[] off = {false};
    PciBus pci = new PciBus(ports, new MmioBus(), (address, data) -> {});
    pci.add(1, 0, new PciBridge(0x7000_8086, 0x0601_0000, true));
    pci.add(
        1, 3, new Piix4Pm(new AcpiPm(ports, () -> time, () -> off[0] = true, (n, on) -> {}, 9)));
    ports.attach(pci, 0xCF8, 0xCFF);
    ports.write(0xCF8, 4, 0x8000_0800);
    assertThat(ports.read(0xCFC, 4)).isEqualTo(0x7000_8086);
    ports.write(0xCF8, 4, 0x8000_080C);
    assertThat(ports.read(0xCFE, 1)).as("multifunction").isEqualTo(0x80);
    ports.write(0xCF8, 4, 0x8000_0B00);
    assertThat(ports.read(0xCFC, 4)).isEqualTo(0x7113_8086);
    ports.write(0xCF8, 4, 0x8000_0900);
    assertThat(ports.read(0xCFC, 4)).isEqualTo(-1);
    ports.write(0xCF8, 4, 0x8000_0B40);
    ports.write(0xCFC, 4, 0xB001);
    assertThat(ports.read(0xB008, 4)).isEqualTo(-1);
    ports.write(0xCF8, 4, 0x8000_0B80);
    ports.write(0xCFC, 1, 1);
    time = 1_000_000_000L;
    assertThat(ports.read(0xB008, 4)).isEqualTo(3_579_545 & 0xFF_FFFF);
    time = 10_000_000_000L;
    assertThat(ports.read(0xB008, 4)).isEqualTo(35_795_450 & 0xFF_FFFF);
    ports.write(0xB004, 2, 0x2000 | 5 << 10);
    assertThat(off[0]).isFalse();
    ports.write(0xB004, 2, 0x2000);
    assertThat(off[0]).isTrue();
  }

  /** SeaBIOS would wait for its SMI for ever: it asks PIIX4's DEVACTB and ICH9's SMI_EN. */
  @Test
  void bothBoardsSayThatSmmIsSetUp() {
    PortBus ports = new PortBus();
    AcpiPm pm = new AcpiPm(ports, () -> time, () -> {}, (n, on) -> {}, 9);
    int apmcEnable = 1 << 25;
    assertThat(new Piix4Pm(pm).readConfig(0x58, 4) & apmcEnable).isEqualTo(apmcEnable);
    pm.moveTo(0x600);
    assertThat(ports.read(0x630, 4)).as("PIIX4 has no SMI_EN").isZero();
    Ich9Lpc lpc = new Ich9Lpc(pm, new PirqRouter((n, on) -> {}, (n, on) -> {}, 16));
    lpc.writeConfig(0x40, 4, 0x601);
    lpc.writeConfig(0x44, 1, 0x80);
    assertThat(ports.read(0x630, 4)).as("APMC_EN alone").isEqualTo(0x20);
    ports.write(0x630, 4, 0x21);
    assertThat(ports.read(0x630, 4)).isEqualTo(0x21);
    assertThat(ports.read(0x634, 4)).as("what is behind it").isZero();
  }

  /** Whatever is written, nothing leaves its place and nothing throws. */
  @Test
  void randomAccessesDoNoHarm() {
    Random r = new Random(7);
    PortBus ports = new PortBus();
    PciBus pci = new PciBus(ports, new MmioBus(), (address, data) -> {});
    ports.attach(pci, 0xCF8, 0xCFF);
    pci.add(0, 0, new PciBridge(0x1237_8086, 0x0600_0002, false));
    pci.add(1, 3, new Piix4Pm(new AcpiPm(ports, () -> time, () -> {}, (n, on) -> {}, 9)));
    FwCfg cfg = new FwCfg(memory, new DeviceWork());
    cfg.file("etc/x", new byte[300]);
    ports.attach(cfg, 0x510, 0x51B);
    ParallelFlash flash = new ParallelFlash(memory, 0x8000, 0x4000, () -> {});
    MmioBus mmio = new MmioBus();
    mmio.attach(flash, 0x8000, 0x4000);
    int[] all = {0xCF8, 0xCFC, 0xCFD, 0xCFE, 0xCFF, 0x510, 0x511, 0x514, 0x518, 0xB004, 0xB008};
    int[] sizes = {1, 2, 4};
    for (int i = 0; i < 100_000; i++) {
      time += r.nextInt(1000);
      int port = all[r.nextInt(all.length)];
      int bytes = sizes[r.nextInt(3)];
      if (r.nextBoolean()) {
        int v = r.nextInt(4) == 0 ? 0x8000_0000 | r.nextInt(0x1000) & ~3 : r.nextInt();
        ports.write(port, bytes, v);
        mmio.write(0x8000 + r.nextInt(0x4000), 1 + r.nextInt(8), r.nextInt(256));
      } else {
        ports.read(port, bytes);
        mmio.read(0x8000 + r.nextInt(0x4000), 1 + r.nextInt(8));
      }
    }
    assertThat(ports.read(0x511, 1)).isBetween(0, 255);
  }
}
