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
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Debian's Xen, which GRUB starts, and Debian's kernel as its paravirtual first domain: rings 1 to
 * 3, page tables that a guest asks for, and devices that two kernels share.
 */
@Tag("slow")
final class XenTest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t proc proc /proc
      $b mount -t sysfs sys /sys
      echo DOMAIN $($b cat /sys/hypervisor/type) $($b cat /sys/hypervisor/version/major)
      echo CPUS $($b grep -c ^processor /proc/cpuinfo)
      $b poweroff -f
      """;

  @TempDir Path folder;

  @Test
  void aLinuxIsTheFirstDomainOfXen() throws IOException, InterruptedException, BootException {
    linuxIsTheFirstDomain(Hardware.Board.Q35, 1);
  }

  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true", disabledReason = "some minutes")
  void aLinuxWithTwoProcessorsIs() throws IOException, InterruptedException, BootException {
    linuxIsTheFirstDomain(Hardware.Board.PC, 2);
  }

  /**
   * Xen unpacks the kernel, which takes half of the nine thousand million instructions and prints
   * nothing: the last that is seen before is that it builds the domain.
   */
  private void linuxIsTheFirstDomain(Hardware.Board board, int processors)
      throws IOException, InterruptedException, BootException {
    Path bios = DebianPackages.file(DebianPackages.unpacked("seabios"), "bios-256k.bin");
    Path xen =
        DebianPackages.file(
            DebianPackages.unpacked("xen-hypervisor-4.17-amd64"), "xen-4\\.17-amd64\\.gz");
    Path image =
        new BootDisk(folder)
            .with("boot/xen.gz", xen)
            .with("boot/vmlinuz", DebianPackages.fullKernel())
            .with("boot/initrd", DebianKernel.initramfs(INIT))
            .behindGrub(
                "multiboot2 gzio",
                "multiboot2 /boot/xen.gz com1=115200,8n1 console=com1 dom0_mem=512M noreboot\n"
                    + "module2 /boot/vmlinuz console=hvc0 quiet\nmodule2 /boot/initrd\nboot\n");
    TestMachine m =
        TestMachine.of(
            MachineSpec.builder(SevMode.OFF, new byte[0], b -> {})
                .firmware(MachineSpec.Firmware.of(Files.readAllBytes(bios)))
                .memoryBytes(1L << 30)
                .processors(processors)
                .cpuModel("EPYC-Milan")
                .hardware(BootDisk.board(board, image, false)));
    String reason = m.run(15_000_000_000L).reason();
    assertThat(m.console())
        .contains("(XEN) Brought up " + processors + " CPUs")
        .contains("DOMAIN xen 4")
        .contains("CPUS " + processors)
        .contains("(XEN) Entering ACPI S5 state.");
    assertThat(reason).isEqualTo("guest powered off");
  }
}
