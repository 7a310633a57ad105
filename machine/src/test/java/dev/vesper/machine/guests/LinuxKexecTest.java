package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianPackages;
import dev.vesper.fixtures.GuestLibraries;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Debian's kernel starts another with Debian's kexec-tools.
 *
 * <p>A kernel that checks its image hashes the memory that it will take, zeros included, once when
 * it is loaded and once in the purgatory, which says nothing meanwhile: three thousand million
 * instructions each time.
 */
@Tag("slow")
final class LinuxKexecTest {
  private static final String LINE = "console=ttyS0 quiet cryptomgr.notests=1";

  private static final String FIRST =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t proc proc /proc
      $b mount -t sysfs sys /sys
      echo FIRST $($b grep -c ^processor /proc/cpuinfo)
      /bin/kexec %s -l /kernel --initrd=/initrd --command-line="%s"
      echo LOADED $? $($b cat /sys/kernel/kexec_loaded)
      /bin/kexec -e
      """;

  private static final String SECOND =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t proc proc /proc
      echo SECOND $($b grep -c ^processor /proc/cpuinfo) $($b cat /proc/cmdline)
      $b poweroff -f
      """;

  /** What kexec asks Xen's libraries for, if it runs there. */
  private static final List<String> LIBRARIES =
      List.of(
          "libxenmisc4.17",
          "libxencall1",
          "libxendevicemodel1",
          "libxenevtchn1",
          "libxenforeignmemory1",
          "libxengnttab1",
          "libxentoolcore1",
          "libxentoollog1");

  /** {@return kexec, its libraries, and what it starts} */
  private static Map<String, byte[]> files() throws IOException, InterruptedException {
    Path program = DebianPackages.file(DebianPackages.unpacked("kexec-tools"), "sbin/kexec");
    List<Path> packages = new ArrayList<>();
    for (String name : LIBRARIES) {
      packages.add(DebianPackages.unpacked(name));
    }
    Map<String, byte[]> files = new TreeMap<>();
    files.put("bin/kexec", Files.readAllBytes(program));
    GuestLibraries.add(files, program, packages);
    files.put("kernel", DebianKernel.image());
    files.put("initrd", DebianKernel.initramfs(SECOND));
    return files;
  }

  /**
   * By either system call: {@code kexec_file_load}, whose purgatory is the kernel's, and {@code
   * kexec_load}, for which kexec makes everything ready by itself.
   *
   * <p>Linux 6.1 lets its other processors halt for good. Without encrypted state INIT and SIPI
   * start them again; with it they would have to be in AP reset hold, where it does not put them,
   * so that only the first processor can be had there.
   */
  @ParameterizedTest
  @CsvSource({"OFF, 2, -c --no-checks", "ES, 1, -s"})
  void aKernelStartsAnother(SevMode mode, int processors, String how)
      throws IOException, InterruptedException, BootException {
    TestMachine m =
        TestMachine.of(
            MachineSpec.builder(mode, DebianKernel.image(), b -> {})
                .append(LINE)
                .initrd(DebianKernel.initramfs(FIRST.formatted(how, LINE + " again"), files()))
                .processors(processors)
                .hardware(new Hardware(Hardware.Board.PC, List.of())));
    String reason = m.run(9_000_000_000L).reason();
    assertThat(m.console())
        .contains("FIRST " + processors)
        .contains("LOADED 0 1")
        .contains("SECOND " + processors + " " + LINE + " again");
    assertThat(reason).isEqualTo("guest powered off");
  }
}
