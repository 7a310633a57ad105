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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Debian's kernel suspends to RAM, and an alarm wakes it. */
@Tag("slow")
final class LinuxSuspendTest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox mount -t sysfs sys /sys
      echo SLEEP $(/bin/busybox cat /sys/power/mem_sleep)
      echo BEFORE $(/bin/busybox cat /sys/class/rtc/rtc0/time)
      echo +5 > /sys/class/rtc/rtc0/wakealarm
      echo mem > /sys/power/state
      echo RESUMED $? $(/bin/busybox cat /sys/class/rtc/rtc0/time)
      echo CPUS $(/bin/busybox grep -c ^processor /proc/cpuinfo)
      /bin/busybox poweroff -f
      """;

  @ParameterizedTest
  @CsvSource({"PC, 1, false", "Q35, 2, false", "PC, 1, true"})
  void theKernelSleepsAndWakes(Hardware.Board board, int processors, boolean seaBios)
      throws IOException, BootException {
    MachineSpec.Builder o =
        MachineSpec.builder(SevMode.OFF, DebianKernel.image(), b -> {})
            .append("console=ttyS0 no_console_suspend cryptomgr.notests=1 quiet")
            .initrd(DebianKernel.initramfs(INIT))
            .processors(processors)
            .hardware(new Hardware(board, List.of()));
    if (seaBios) {
      String bios = "/usr/share/seabios/bios-256k.bin";
      Tools.require(bios, "seabios");
      o.firmware(MachineSpec.Firmware.of(Files.readAllBytes(Path.of(bios))));
    }
    TestMachine m = TestMachine.of(o);
    m.run(4_000_000_000L);
    assertThat(m.console())
        .contains("SLEEP s2idle [deep]")
        .containsPattern("RESUMED 0 00:00:[01][0-9]")
        .contains("CPUS " + processors);
    assertThat(m.machine().virtualTime()).as("it has slept").isGreaterThan(5_000_000_000L);
  }
}
