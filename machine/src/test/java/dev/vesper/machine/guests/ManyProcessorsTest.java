package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
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

  private static Machine machine(
      SevMode mode, int processors, Hardware.Board board, ByteArrayOutputStream console)
      throws BootException {
    return new Machine(
        MachineSpec.builder(mode, DebianKernel.image(), console::write)
            .append("console=ttyS0 quiet cryptomgr.notests=1")
            .initrd(DebianKernel.initramfs(INIT))
            .processors(processors)
            .hardware(new Hardware(board, List.of()))
            .build());
  }

  private static String run(Machine m, ByteArrayOutputStream console) {
    m.limit(12_000_000_000L, Long.MAX_VALUE);
    assertThat(m.run().reason()).isEqualTo("guest powered off");
    return console.toString(StandardCharsets.ISO_8859_1);
  }

  @Test
  void fourProcessorsUnderEsGiveTheSameRunEachTime() throws BootException {
    ByteArrayOutputStream first = new ByteArrayOutputStream();
    Machine a = machine(SevMode.ES, 4, Hardware.Board.AUTO, first);
    String text = run(a, first);
    assertThat(text).contains("PROCESSORS 4").contains("544de7efc05687c08d41e535e24d295e00c5c399");
    ByteArrayOutputStream second = new ByteArrayOutputStream();
    Machine b = machine(SevMode.ES, 4, Hardware.Board.AUTO, second);
    assertThat(run(b, second)).isEqualTo(text);
    assertThat(b.stateHash()).isEqualTo(a.stateHash());
  }

  @Test
  void sixtyFourProcessorsUnderEs() throws BootException {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    Machine m = machine(SevMode.ES, 64, Hardware.Board.AUTO, console);
    assertThat(run(m, console))
        .contains("PROCESSORS 64")
        .contains("544de7efc05687c08d41e535e24d295e00c5c399");
  }

  @Test
  void q35HasProcessorsToo() throws BootException {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    assertThat(run(machine(SevMode.OFF, 2, Hardware.Board.Q35, console), console))
        .contains("PROCESSORS 2");
  }
}
