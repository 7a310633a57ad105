package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianPackages;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Debian's i386: its programs under the 64-bit kernel, and its own kernels. */
@Tag("slow")
final class I386GuestsTest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox mount -t devtmpfs dev /dev
      /bin/busybox --install -s /bin
      export PATH=/bin
      echo MARK-INIT class $(hexdump -s 4 -n 1 -e '1/1 "%d"' /proc/self/exe) on $(uname -m)
      seq 1 5000 | sort -r | sha256sum
      seq 1 5000 | sort -r | sort -n | gzip -9 | gunzip | md5sum
      awk 'BEGIN { for (i = 1; i <= 40; i++) s += i / 7 - 1 / i; printf "%.9f\\n", s }'
      sh -c 'kill -SEGV $$'; echo SIGNAL $?
      echo MARK-DONE
      poweroff -f
      """;

  private static String run(MachineSpec.Builder o)
      throws BootException, IOException, InterruptedException {
    byte[] busybox =
        Files.readAllBytes(
            DebianPackages.file(DebianPackages.unpacked("busybox-static", "i386"), "bin/busybox"));
    TestMachine m =
        TestMachine.of(
            o.append("console=ttyS0 quiet cryptomgr.notests=1")
                .initrd(DebianKernel.initramfs(busybox, INIT, Map.of())));
    String reason = m.run(5_000_000_000L).reason();
    String text = m.console();
    assertThat(reason).as(text).startsWith("guest ");
    assertThat(text)
        // Sums of the same lines made by coreutils.
        .contains("d9534f4d821253d6e61542af4cfa56617c3018b4425f8d9c3d7a147147e015c4")
        .contains("a5a208cd26b07cadade3450fe14d1d93")
        .contains("112.864314104")
        .contains("SIGNAL 139")
        .contains("MARK-DONE");
    return text;
  }

  @ParameterizedTest
  @EnumSource(names = {"ES", "OFF"})
  void busyboxOfI386IsAllOfUserSpaceUnderThe64BitKernel(SevMode mode)
      throws BootException, IOException, InterruptedException {
    assertThat(run(MachineSpec.builder(mode, DebianKernel.image(), b -> {})))
        .contains("MARK-INIT class 1 on x86_64");
  }

  @ParameterizedTest
  @ValueSource(strings = {"linux-image-686", "linux-image-686-pae"})
  void kernelsOfI386Boot(String metapackage)
      throws BootException, IOException, InterruptedException {
    String name = DebianPackages.apt("i386").dependency(metapackage, "linux-image-\\S+");
    byte[] kernel =
        Files.readAllBytes(
            DebianPackages.file(DebianPackages.unpacked(name, "i386"), "boot/vmlinuz-.*"));
    MachineSpec.Builder o =
        MachineSpec.builder(SevMode.OFF, kernel, b -> {})
            .entry32()
            .hardware(new Hardware(Hardware.Board.PC, List.of()));
    assertThat(run(o)).contains("MARK-INIT class 1 on i686");
  }
}
