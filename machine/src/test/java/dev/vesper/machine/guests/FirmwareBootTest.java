package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianPackages;
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
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Debian's firmware, boot loaders and kernel, each unmodified, one starting the other. */
@Tag("slow")
final class FirmwareBootTest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      echo MARK-INIT
      /bin/busybox poweroff -f
      """;

  private static final String LINE = "console=ttyS0 quiet cryptomgr.notests=1";

  private static final String SYSLINUX_MENU =
      "SERIAL 0 115200\nUI menu.c32\nTIMEOUT 10\nMENU TITLE Vesper\nLABEL linux\n"
          + "LINUX /boot/vmlinuz\nINITRD /boot/initrd\nAPPEND "
          + LINE
          + "\n";

  @TempDir Path folder;

  private static byte[] file(String path, String packageName) throws IOException {
    Tools.require(path, packageName);
    return Files.readAllBytes(Path.of(path));
  }

  private static byte[] ovmf() throws IOException {
    return file("/usr/share/ovmf/OVMF.fd", "ovmf");
  }

  private BootDisk disk() throws IOException, InterruptedException {
    return new BootDisk(folder).withLinux(INIT);
  }

  /** {@return what is on the console when the firmware's disk has started Linux} */
  private static String started(SevMode mode, byte[] firmware, Path image, long limit)
      throws IOException, BootException {
    String text =
        run(
            MachineSpec.builder(mode, new byte[0], b -> {})
                .firmware(MachineSpec.Firmware.of(firmware))
                .hardware(BootDisk.pc(image, mode == SevMode.ES)),
            limit);
    assertThat(text).contains("MARK-INIT");
    return text;
  }

  private static String run(MachineSpec.Builder o, long limit) throws BootException {
    TestMachine m = TestMachine.of(o);
    String reason = m.run(limit).reason();
    assertThat(reason).as(m.console()).isEqualTo("guest powered off");
    return m.console();
  }

  @Test
  void signedShimGrubAndKernelBootFromAFatDiskUnderEs()
      throws IOException, InterruptedException, BootException {
    String shim = "/usr/lib/shim/shimx64.efi.signed";
    String grub = "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed";
    Tools.require(shim, "shim-signed");
    Tools.require(grub, "grub-efi-amd64-signed");
    Path image =
        disk()
            .with(
                "EFI/debian/grub.cfg",
                "set timeout=0\nlinux /boot/vmlinuz " + LINE + "\ninitrd /boot/initrd\nboot\n")
            .with("EFI/BOOT/BOOTX64.EFI", Path.of(shim))
            .with("EFI/BOOT/grubx64.efi", Path.of(grub))
            .image();
    assertThat(started(SevMode.ES, ovmf(), image, 4_000_000_000L)).contains("BdsDxe: starting");
  }

  @Test
  void firmwareStartsAKernelThatItIsHandedUnderEs() throws IOException, BootException {
    MachineSpec.Builder o =
        MachineSpec.builder(SevMode.ES, DebianKernel.image(), b -> {})
            .append(LINE)
            .initrd(DebianKernel.initramfs(INIT))
            .processors(2)
            .firmware(MachineSpec.Firmware.of(ovmf()));
    assertThat(run(o, 4_000_000_000L)).contains("MARK-INIT");
  }

  @Test
  void seaBiosStartsGrubFromASataDiskAndThatLinux()
      throws IOException, InterruptedException, BootException {
    byte[] bios = file("/usr/share/seabios/bios-256k.bin", "seabios");
    Path image =
        disk().behindGrub("linux", "linux /boot/vmlinuz " + LINE + "\ninitrd /boot/initrd\nboot\n");
    assertThat(started(SevMode.OFF, bios, image, 3_000_000_000L))
        .contains("SeaBIOS")
        .contains("GRUB loading");
  }

  @Test
  void systemdBootStartsAUnifiedKernelImageUnderEs()
      throws IOException, InterruptedException, BootException {
    Path systemd = DebianPackages.unpacked("systemd-boot-efi");
    Files.write(folder.resolve("vmlinuz"), DebianKernel.image());
    Files.write(folder.resolve("initrd"), DebianKernel.initramfs(INIT));
    Files.writeString(
        folder.resolve("os-release"), "ID=vesper\nVERSION_ID=1\nPRETTY_NAME=Vesper\n");
    Files.writeString(folder.resolve("line"), LINE);
    Files.copy(DebianPackages.file(systemd, "linuxx64\\.efi\\.stub"), folder.resolve("stub"));
    Tools.need("objcopy", "binutils");
    // Where the stub's documentation puts them: behind its own sections, in this order.
    Tools.call(
        folder,
        ("objcopy --add-section .osrel=os-release --change-section-vma .osrel=0x20000"
                + " --add-section .cmdline=line --change-section-vma .cmdline=0x30000"
                + " --add-section .linux=vmlinuz --change-section-vma .linux=0x2000000"
                + " --add-section .initrd=initrd --change-section-vma .initrd=0x3000000"
                + " stub vesper.efi")
            .split(" "));
    Path image =
        new BootDisk(folder)
            .with("EFI/Linux/vesper.efi", folder.resolve("vesper.efi"))
            .with("loader/loader.conf", "timeout 0\n")
            .with("EFI/BOOT/BOOTX64.EFI", DebianPackages.file(systemd, "systemd-bootx64\\.efi"))
            .image();
    assertThat(started(SevMode.ES, ovmf(), image, 5_000_000_000L)).contains("BdsDxe: starting");
  }

  /** SYSLINUX on a FAT file system that is all of the disk, with its menu on the serial port. */
  @Test
  void seaBiosStartsSyslinuxWhoseMenuStartsLinux()
      throws IOException, InterruptedException, BootException {
    byte[] bios = file("/usr/share/seabios/bios-256k.bin", "seabios");
    Path syslinux = DebianPackages.unpacked("syslinux");
    Path modules = DebianPackages.unpacked("syslinux-common");
    BootDisk disk = disk().with("syslinux.cfg", SYSLINUX_MENU);
    for (String name : List.of("menu.c32", "libutil.c32")) {
      disk.with(name, DebianPackages.file(modules, "bios/" + Pattern.quote(name)));
    }
    String installer = DebianPackages.file(syslinux, "bin/syslinux").toString();
    Tools.call(folder, installer, "--install", disk.image().toString());
    assertThat(started(SevMode.OFF, bios, disk.image(), 10_000_000_000L)).contains("SYSLINUX");
  }

  /** The same menu of SYSLINUX for EFI, whose files the firmware reads. */
  @Test
  void ovmfStartsSyslinuxWhoseMenuStartsLinuxUnderEs()
      throws IOException, InterruptedException, BootException {
    Path syslinux = DebianPackages.unpacked("syslinux-efi");
    Path modules = DebianPackages.unpacked("syslinux-common");
    BootDisk disk =
        disk()
            .with("EFI/BOOT/BOOTX64.EFI", DebianPackages.file(syslinux, "efi64/syslinux\\.efi"))
            .with("EFI/BOOT/syslinux.cfg", SYSLINUX_MENU);
    for (String name : List.of("ldlinux.e64", "menu.c32", "libutil.c32")) {
      disk.with("EFI/BOOT/" + name, DebianPackages.file(modules, "efi64/" + Pattern.quote(name)));
    }
    assertThat(started(SevMode.ES, ovmf(), disk.image(), 10_000_000_000L))
        .contains("BdsDxe: starting");
  }

  /** rEFInd in its text mode finds the kernel by its EFI stub and starts it with the options. */
  @Test
  void ovmfStartsRefindWhichStartsLinuxByItsStubUnderEs()
      throws IOException, InterruptedException, BootException {
    Path refind = DebianPackages.unpacked("refind");
    Path image =
        disk()
            .with("EFI/BOOT/BOOTX64.EFI", DebianPackages.file(refind, "refind_x64\\.efi"))
            .with(
                "EFI/BOOT/refind.conf",
                "timeout 2\ntextonly true\nscanfor manual\nmenuentry Vesper {\n"
                    + "  loader /boot/vmlinuz\n  initrd /boot/initrd\n  options \""
                    + LINE
                    + "\"\n}\n")
            .image();
    assertThat(started(SevMode.ES, ovmf(), image, 10_000_000_000L)).contains("rEFInd");
  }

  /** The package's image for the Linux boot protocol, on the serial console. */
  @Test
  void memtestFindsNoErrors() throws IOException, BootException {
    byte[] image = file("/boot/memtest86+x64.bin", "memtest86+");
    TestMachine m =
        TestMachine.of(
            MachineSpec.builder(SevMode.OFF, image, b -> {})
                .append("console=ttyS0,115200")
                .memoryBytes(16L << 20)
                .hardware(new Hardware(Hardware.Board.PC, List.of())));
    // Its first seconds are spent on waiting for a key.
    m.run(5_500_000_000L);
    assertThat(m.console())
        .contains("#0  [Address test, walking ones, no cache]")
        .contains("#6  [Moving inversions, 64 bit pattern]")
        .contains("Errors: 0")
        .doesNotContainPattern("Errors: [1-9]");
  }
}
