package dev.vesper.machine.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.CmosRtc;
import dev.vesper.machine.device.acpi.AcpiTables;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.spec.Hardware;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where boards have their RAM, and what they tell firmware of it. */
final class BoardMemoryTest {
  private static final long MIB = 1 << 20;

  /** MiB below and above 4 GiB as QEMU's pc_init1 and pc_q35_init have them. */
  @ParameterizedTest
  @CsvSource({
    "PC, 512, 512, 0",
    "PC, 3072, 3072, 0",
    "PC, 3583, 3583, 0",
    "PC, 3584, 3072, 512",
    "PC, 4096, 3072, 1024",
    "PC, 16384, 3072, 13312",
    "MINIMAL, 16384, 3072, 13312",
    "Q35, 512, 512, 0",
    "Q35, 2815, 2815, 0",
    "Q35, 2816, 2048, 768",
    "Q35, 3072, 2048, 1024",
    "Q35, 3584, 2048, 1536",
    "Q35, 4096, 2048, 2048",
    "Q35, 16384, 2048, 14336",
  })
  void itLiesWhereQemuHasIt(Hardware.Board board, long all, long below, long above) {
    GuestRam r = new KvmProfile().ram(board, all * MIB);
    assertThat(r).isEqualTo(new GuestRam(below * MIB, above * MIB));
    assertThat(r.bytes()).isEqualTo(all * MIB);
    ByteBuffer e820 = ByteBuffer.wrap(PcBoard.e820(r)).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(e820.remaining()).isEqualTo(above == 0 ? 20 : 40);
    assertThat(e820.getLong(8)).isEqualTo(below * MIB);
    if (above > 0) {
      assertThat(e820.getLong(20)).isEqualTo(1L << 32);
      assertThat(e820.getLong(28)).isEqualTo(above * MIB);
      assertThat(e820.getInt(36)).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @CsvSource({"3072, 3072, 0", "3840, 3840, 0", "3841, 3840, 1", "65536, 3840, 61696"})
  void itLiesWhereVmdHasIt(long all, long below, long above) {
    assertThat(Profile.named("openbsd").ram(Hardware.Board.MINIMAL, all * MIB))
        .isEqualTo(new GuestRam(below * MIB, above * MIB));
  }

  /** The registers that SeaBIOS and OVMF read: in KiB, and twice in 64 KiB. */
  @ParameterizedTest
  @CsvSource({
    "16, 0, 3C00, 0, 0",
    "3072, 0, FC00, BF00, 0",
    "3072, 13312, FC00, BF00, 34000",
    "2048, 63488, FC00, 7F00, F8000"
  })
  void theClocksMemorySaysHowMuch(long below, long above, String kib, String low, String high) {
    CmosRtc rtc = new CmosRtc(() -> 0, (n, on) -> {}, 0, new GuestRam(below * MIB, above * MIB));
    int[] b = new int[0x60];
    for (int i = 0x10; i < b.length; i++) {
      rtc.write(0x70, 1, i);
      b[i] = rtc.read(0x71, 1);
    }
    assertThat(b[0x30] | b[0x31] << 8).isEqualTo(Integer.parseInt(kib, 16));
    assertThat(b[0x34] | b[0x35] << 8).isEqualTo(Integer.parseInt(low, 16));
    assertThat(b[0x5B] | b[0x5C] << 8 | b[0x5D] << 16).isEqualTo(Integer.parseInt(high, 16));
  }

  /** {@return whether the DSDT has a window of 64-bit addresses with these ends} */
  private static boolean hasWindow(GuestRam ram, Hardware.Board board, long from, long to) {
    byte[] tables = new AcpiTables(PcBoard.describe(board, 1, ram, true)).tables();
    byte[] ends =
        ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(from).putLong(to).array();
    HexFormat hex = HexFormat.of();
    return hex.formatHex(tables).contains(hex.formatHex(ends));
  }

  @Test
  void theWindowOfDevicesAbove4GibBeginsBehindRam() {
    assertThat(hasWindow(GuestRam.below(3L << 30), Hardware.Board.PC, 1L << 32, 0x1_7FFF_FFFFL))
        .isTrue();
    // What Linux prints with QEMU's tables for -m 16G.
    GuestRam pc = PcBoard.ram(Hardware.Board.PC, 16L << 30);
    assertThat(hasWindow(pc, Hardware.Board.PC, 0x4_4000_0000L, 0x4_BFFF_FFFFL)).isTrue();
    GuestRam q35 = PcBoard.ram(Hardware.Board.Q35, 16L << 30);
    assertThat(hasWindow(q35, Hardware.Board.Q35, 0x4_8000_0000L, 0xC_7FFF_FFFFL)).isTrue();
  }
}
