package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** QEMU's test device. */
final class PcTestDeviceTest {
  private final List<String> lines = new ArrayList<>();
  private final PortBus ports = new PortBus();
  private final MmioBus mmio = new MmioBus();

  PcTestDeviceTest() {
    new PcTestDevice((n, on) -> lines.add(n + (on ? " up" : " down"))).attach(ports, mmio);
  }

  @Test
  void portsKeepBytesWordsAndDwords() {
    ports.write(0xE0, 4, 0x1234_5678);
    ports.write(0xE1, 1, 0xAB);
    ports.write(0xE2, 2, 0xCDEF);
    assertThat(ports.read(0xE0, 4)).isEqualTo(0xCDEF_AB78);
    assertThat(ports.read(0xE1, 1)).isEqualTo(0xAB);
    assertThat(ports.read(0xE2, 2)).isEqualTo(0xCDEF);
    ports.write(0xE3, 4, -1);
    assertThat(ports.read(0xE0, 4)).as("what reaches beyond is lost").isEqualTo(0xFFEF_AB78);
    ports.write(0xE4, 4, 0x5000);
    assertThat(ports.read(0xE4, 4)).isZero();
  }

  @Test
  void portsDriveInterruptLines() {
    ports.write(0x200E, 1, 1);
    ports.write(0x200E, 1, 0);
    ports.write(0x2017, 1, 1);
    assertThat(lines).containsExactly("14 up", "14 down", "23 up");
    assertThat(ports.read(0x2018, 1)).as("nobody's").isEqualTo(0xFF);
  }

  @Test
  void memoryIsMemory() {
    mmio.write(0xFF00_0010L, 8, 0x1122_3344_5566_7788L);
    assertThat(mmio.read(0xFF00_0012L, 4)).isEqualTo(0x3344_5566L);
    mmio.write(0xFF00_FFFFL, 1, 0x99);
    assertThat(mmio.read(0xFF00_FFFFL, 1)).isEqualTo(0x99);
    assertThat(mmio.read(0xFF00_FFFCL, 8) >>> 24 & 0xFF).isEqualTo(0x99);
  }
}
