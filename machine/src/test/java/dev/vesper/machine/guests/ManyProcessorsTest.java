package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The unmodified kernel of Debian 12 on several processors. */
@Tag("slow")
final class ManyProcessorsTest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t proc proc /proc
      $b mount -t sysfs sys /sys
      $b mount -t devtmpfs dev /dev
      echo PROCESSORS $($b nproc)
      for i in 1 2 3 4; do
        ( $b seq $i 997 200000 | $b sha256sum > /tmp/$i; $b cut -d' ' -f39 /proc/self/stat > /tmp/cpu$i ) &
      done
      wait
      $b cat /tmp/1 /tmp/2 /tmp/3 /tmp/4 | $b sha256sum
      echo USED $($b cat /tmp/cpu? | $b sort -u | $b wc -l)
      $b grep -E "LOC|CAL|RES" /proc/interrupts
      $b poweroff -f
      """;

  private static TestMachine run(SevMode mode, int processors, Hardware.Board board)
      throws BootException {
    TestMachine m =
        TestMachine.of(
            MachineSpec.builder(mode, DebianKernel.image(), b -> {})
                .append("console=ttyS0 quiet cryptomgr.notests=1")
                .initrd(DebianKernel.initramfs(INIT))
                .processors(processors)
                .hardware(new Hardware(board, List.of())));
    assertThat(m.run(12_000_000_000L).reason()).isEqualTo("guest powered off");
    return m;
  }

  @Test
  void fourProcessorsUnderEsGiveTheSameRunEachTime() throws BootException {
    TestMachine a = run(SevMode.ES, 4, Hardware.Board.AUTO);
    assertThat(a.console())
        .contains("PROCESSORS 4")
        .contains("544de7efc05687c08d41e535e24d295e00c5c399");
    TestMachine b = run(SevMode.ES, 4, Hardware.Board.AUTO);
    assertThat(b.console()).isEqualTo(a.console());
    assertThat(b.machine().stateHash()).isEqualTo(a.machine().stateHash());
  }

  @Test
  void sixtyFourProcessorsUnderEs() throws BootException {
    assertThat(run(SevMode.ES, 64, Hardware.Board.AUTO).console())
        .contains("PROCESSORS 64")
        .contains("544de7efc05687c08d41e535e24d295e00c5c399");
  }

  @Test
  void q35HasProcessorsToo() throws BootException {
    assertThat(run(SevMode.OFF, 2, Hardware.Board.Q35).console()).contains("PROCESSORS 2");
  }
}
