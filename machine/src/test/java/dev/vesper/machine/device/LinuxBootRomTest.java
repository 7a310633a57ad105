package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a BIOS and a kernel find of the ROM that loads kernels (Linux, Documentation/x86/boot). */
final class LinuxBootRomTest {
  private static final long RAM = 64 << 20;

  private static byte[] kernel(int version) {
    ByteBuffer b = ByteBuffer.allocate(2048).order(ByteOrder.LITTLE_ENDIAN);
    b.putInt(0x202, 0x5372_6448).putShort(0x206, (short) version).put(0x211, (byte) 1);
    return b.putInt(0x22C, 0x7FFF_FFFF).array();
  }

  private static ByteBuffer little(byte[] b) {
    return ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static int sum(byte[] b, int from, int to) {
    int s = 0;
    for (int i = from; i < to; i++) {
      s += b[i];
    }
    return s & 0xFF;
  }

  private static LinuxBootRom rom(byte[] kernel, int initrd) {
    return Objects.requireNonNull(LinuxBootRom.of(kernel, 1 << 20, 10, initrd, RAM));
  }

  @Test
  void aBiosFindsABootDevice() {
    byte[] rom = rom(kernel(0x20F), 0).rom();
    ByteBuffer b = little(rom);
    assertThat(b.getShort(0)).isEqualTo((short) 0xAA55);
    assertThat((rom[2] & 0xFF) * 512).isEqualTo(rom.length);
    assertThat(sum(rom, 0, rom.length)).isZero();
    int header = b.getShort(0x1A);
    assertThat(b.getInt(header)).as("$PnP").isEqualTo(0x506E_5024);
    assertThat(sum(rom, header, header + 32)).isZero();
    assertThat(b.getShort(header + 0x1A))
        .as("its entry is within")
        .isBetween((short) 0x40, (short) rom.length);
  }

  @ParameterizedTest
  @CsvSource({"0x200", "0x201", "0x202", "0x203", "0x207", "0x20F"})
  void eachProtocolIsToldWhatItKnows(String protocol) {
    int version = Integer.decode(protocol);
    byte[] given = kernel(version);
    ByteBuffer h = little(rom(given, 5000).setup());
    assertThat(h.get(0x210)).as("the loader").isNotZero();
    assertThat(h.get(0x211) & 0x80).as("heap").isEqualTo(version > 0x200 ? 0x80 : 0);
    assertThat(h.getShort(0x224) != 0).isEqualTo(version > 0x200);
    boolean anywhere = version >= 0x202;
    assertThat(h.getInt(0x228)).as("command line").isEqualTo(anywhere ? 0x2_0000 : 0);
    assertThat(h.getShort(0x20)).isEqualTo((short) (anywhere ? 0 : 0xA33F));
    long initrd = h.getInt(0x218) & 0xFFFF_FFFFL;
    assertThat(initrd % 4096).isZero();
    assertThat(initrd).isBetween(2L << 20, RAM - 5000);
    assertThat(h.getInt(0x21C)).isEqualTo(5000);
    assertThat(given).as("the kernel stays as it is").isEqualTo(kernel(version));
  }

  @Test
  void whatIsNoKernelHasNoRom() {
    assertThat(LinuxBootRom.of(new byte[2048], 1, 1, 0, RAM)).isNull();
    assertThat(LinuxBootRom.of(new byte[100], 1, 1, 0, RAM)).isNull();
  }

  @Test
  void whatDoesNotFitIsSaid() {
    assertThatThrownBy(() -> LinuxBootRom.of(kernel(0x20F), 1 << 20, 10, 63 << 20, RAM))
        .hasMessageContaining("-m");
    assertThatThrownBy(() -> LinuxBootRom.of(kernel(0x201), 1 << 20, 0xA000, 0, RAM))
        .hasMessageContaining("do not fit");
  }
}
