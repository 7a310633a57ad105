package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Accesses that are wider than a register, or straddle two, as a chipset splits them. */
final class AccessSplitTest {
  private final List<String> seen = new ArrayList<>();
  private final PortBus ports = new PortBus();
  private final MmioBus mmio = new MmioBus();

  private PortDevice port(String name, int width) {
    return new PortDevice() {
      @Override
      public int width(int port) {
        return Math.min(width, Integer.lowestOneBit(port & 3 | 4));
      }

      @Override
      public int read(int port, int bytes) {
        return (int) (0x44434241L + 0x1010101L * (port & 15)) & -1 >>> 32 - 8 * bytes;
      }

      @Override
      public void write(int port, int bytes, int value) {
        seen.add(String.format("%s %x/%d=%x", name, port, bytes, value));
      }
    };
  }

  private MmioDevice memory(int width) {
    return new MmioDevice() {
      @Override
      public int width(long offset) {
        return width;
      }

      @Override
      public long read(long offset, int bytes) {
        return offset + 1;
      }

      @Override
      public void write(long offset, int bytes, long value) {
        seen.add(String.format("%x/%d=%x", offset, bytes, value));
      }
    };
  }

  @Test
  void byteRegistersGetTheBytesOfAWiderAccessInOrder() {
    ports.attach(port("a", 1), 0x40, 0x43);
    ports.write(0x40, 4, 0x4433_2211);
    assertThat(seen).containsExactly("a 40/1=11", "a 41/1=22", "a 42/1=33", "a 43/1=44");
    assertThat(ports.read(0x42, 2)).isEqualTo(0x4443);
  }

  @Test
  void whatStraddlesGoesToTheNeighbour() {
    ports.attach(port("a", 1), 0x40, 0x43);
    ports.attach(port("b", 1), 0x45, 0x45);
    ports.write(0x43, 4, 0x4433_2211);
    assertThat(seen).containsExactly("a 43/1=11", "b 45/1=33");
    assertThat(ports.read(0x43, 2)).as("nobody is at 44h").isEqualTo(0xFF44);
  }

  @Test
  void wideRegistersTakeAlignedAccessesWhole() {
    ports.attach(port("a", 4), 0x100, 0x107);
    ports.write(0x100, 4, -1);
    ports.write(0x102, 4, 0x4433_2211);
    assertThat(seen).containsExactly("a 100/4=ffffffff", "a 102/2=2211", "a 104/2=4433");
    seen.clear();
    ports.write(0x101, 2, 0x2211);
    assertThat(seen).containsExactly("a 101/1=11", "a 102/1=22");
  }

  @Test
  void theLastPortIsFollowedByTheFirst() {
    ports.attach(port("a", 1), 0xFFFF, 0xFFFF);
    ports.attach(port("b", 1), 0, 0);
    ports.write(0xFFFF, 2, 0x2211);
    assertThat(seen).containsExactly("a ffff/1=11", "b 0/1=22");
  }

  @Test
  void memoryRegistersGetAlignedPiecesNoWiderThanTheyAre() {
    mmio.attach(memory(4), 0x1000, 0x100);
    mmio.write(0x1000, 8, 0x8877_6655_4433_2211L);
    assertThat(seen).containsExactly("0/4=44332211", "4/4=88776655");
    seen.clear();
    mmio.write(0x1003, 7, 0x77_6655_4433_2211L);
    assertThat(seen).containsExactly("3/1=11", "4/4=55443322", "8/2=7766");
    assertThat(mmio.read(0x1004, 8)).isEqualTo(0x9_0000_0005L);
  }

  @Test
  void whatReachesBeyondADeviceFindsNobodyThere() {
    mmio.attach(memory(8), 0x1000, 0x8);
    mmio.write(0x1004, 8, -1);
    assertThat(seen).containsExactly("4/4=ffffffff");
    assertThat(mmio.read(0x1004, 8)).isEqualTo(0xFFFF_FFFF_0000_0005L);
  }
}
