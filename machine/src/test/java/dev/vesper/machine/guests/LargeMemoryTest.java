package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Guests with more memory than fits below 4 GiB, and more than they touch. */
@Tag("slow")
final class LargeMemoryTest {
  private static final String OVMF = "/usr/share/ovmf/OVMF.fd";
  private static final Pattern TOTAL = Pattern.compile("MemTotal: +([0-9]+) kB");
  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t proc proc /proc
      $b grep MemTotal /proc/meminfo
      $b poweroff -f
      """;

  private static MachineSpec.Builder options(SevMode mode, int gibibytes) {
    return MachineSpec.builder(mode, DebianKernel.image(), b -> {})
        .append("console=ttyS0 cryptomgr.notests=1 swiotlb=65536")
        .initrd(DebianKernel.initramfs(INIT))
        .memoryBytes((long) gibibytes << 30);
  }

  /** Runs Linux to its end; {@return what it has said, of which the memory is right} */
  private static TestMachine run(MachineSpec.Builder o, int gibibytes) throws BootException {
    TestMachine m = TestMachine.of(o);
    assertThat(m.run(6_000_000_000L).status()).isZero();
    Matcher total = TOTAL.matcher(m.console());
    assertThat(total.find()).as(m.console()).isTrue();
    // Linux keeps its own image and 64 bytes of each page apart, and 128 MiB to bounce DMA.
    double part = Long.parseLong(total.group(1)) / (double) ((long) gibibytes << 20);
    assertThat(part).isBetween(0.92, 1.0);
    return m;
  }

  /** The ranges are those that Linux prints under QEMU, less what SeaBIOS keeps for itself. */
  @ParameterizedTest
  @CsvSource({"OFF, PC, bfffffff, 43fffffff", "ES, Q35, 7fffffff, 47fffffff"})
  void linuxHas16GibAndTouchesLittle(SevMode mode, Hardware.Board board, String low, String high)
      throws BootException {
    TestMachine m = run(options(mode, 16).hardware(Hardware.NONE.withBoard(board)), 16);
    assertThat(m.console())
        .contains("BIOS-e820: [mem 0x0000000000100000-0x00000000" + low + "] usable")
        .contains("BIOS-e820: [mem 0x0000000100000000-0x0000000" + high + "] usable");
    assertThat(m.machine().touchedBytes()).isLessThan(1L << 30);
  }

  @Test
  void ovmfHandsOnWhatLiesAbove4Gib() throws BootException, IOException {
    Tools.require(OVMF, "ovmf");
    TestMachine m = run(options(SevMode.OFF, 5).firmware(Path.of(OVMF)), 5);
    assertThat(m.console()).contains("[mem 0x0000000100000000-0x000000017fffffff] usable");
  }
}
