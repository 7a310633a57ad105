package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.Machine;
import dev.vesper.machine.device.disk.FileStorage;
import dev.vesper.machine.device.disk.RawDisk;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
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

  @TempDir Path folder;

  private static byte[] file(String path, String packageName) throws IOException {
    Tools.require(path, packageName);
    return Files.readAllBytes(Path.of(path));
  }

  private Hardware disk(Path image, Hardware.Board board, boolean virtio) throws IOException {
    FileChannel c = FileChannel.open(image, StandardOpenOption.READ);
    return new Hardware(
        board, List.of(new Hardware.Drive(new RawDisk(new FileStorage(c), true), virtio)));
  }

  private static String run(MachineSpec o, ByteArrayOutputStream console, long limit)
      throws BootException {
    Machine m = new Machine(o);
    m.limit(limit, Long.MAX_VALUE);
    assertThat(m.run().reason()).isEqualTo("guest powered off");
    return console.toString(StandardCharsets.ISO_8859_1);
  }

  /** A FAT file system with a kernel, an initrd and what boots them. */
  private Path fat(String configuration) throws IOException, InterruptedException {
    Path image = folder.resolve("fat.img");
    Files.write(image, new byte[0]);
    try (FileChannel c = FileChannel.open(image, StandardOpenOption.WRITE)) {
      c.write(ByteBuffer.allocate(1), (48 << 20) - 1);
    }
    Files.write(folder.resolve("vmlinuz"), DebianKernel.image());
    Files.write(folder.resolve("initrd"), DebianKernel.initramfs(INIT));
    Files.writeString(folder.resolve("grub.cfg"), configuration);
    Tools.require("/usr/sbin/mkfs.vfat", "dosfstools");
    Tools.require("/usr/bin/mcopy", "mtools");
    Tools.call(folder, "/usr/sbin/mkfs.vfat", "-F", "32", "fat.img");
    Tools.call(folder, "mmd", "-i", "fat.img", "::/EFI", "::/EFI/BOOT", "::/EFI/debian", "::/boot");
    Tools.call(folder, "mcopy", "-i", "fat.img", "grub.cfg", "::/EFI/debian/grub.cfg");
    Tools.call(folder, "mcopy", "-i", "fat.img", "vmlinuz", "initrd", "::/boot");
    return image;
  }

  @Test
  void signedShimGrubAndKernelBootFromAFatDiskUnderEs()
      throws IOException, InterruptedException, BootException {
    byte[] firmware = file("/usr/share/ovmf/OVMF.fd", "ovmf");
    String shim = "/usr/lib/shim/shimx64.efi.signed";
    String grub = "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed";
    Tools.require(shim, "shim-signed");
    Tools.require(grub, "grub-efi-amd64-signed");
    Path image =
        fat("set timeout=0\nlinux /boot/vmlinuz " + LINE + "\ninitrd /boot/initrd\nboot\n");
    Tools.call(folder, "mcopy", "-i", "fat.img", shim, "::/EFI/BOOT/BOOTX64.EFI");
    Tools.call(folder, "mcopy", "-i", "fat.img", grub, "::/EFI/BOOT/grubx64.efi");
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    MachineSpec o =
        MachineSpec.builder(SevMode.ES, new byte[0], console::write)
            .firmware(MachineSpec.Firmware.of(firmware))
            .hardware(disk(image, Hardware.Board.PC, true))
            .build();
    assertThat(run(o, console, 4_000_000_000L)).contains("BdsDxe: starting").contains("MARK-INIT");
  }

  @Test
  void firmwareStartsAKernelThatItIsHandedUnderEs() throws IOException, BootException {
    byte[] firmware = file("/usr/share/ovmf/OVMF.fd", "ovmf");
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    MachineSpec o =
        MachineSpec.builder(SevMode.ES, DebianKernel.image(), console::write)
            .append(LINE)
            .initrd(DebianKernel.initramfs(INIT))
            .processors(2)
            .firmware(MachineSpec.Firmware.of(firmware))
            .build();
    assertThat(run(o, console, 4_000_000_000L)).contains("MARK-INIT");
  }

  @Test
  void seaBiosStartsGrubFromASataDiskAndThatLinux()
      throws IOException, InterruptedException, BootException {
    byte[] bios = file("/usr/share/seabios/bios-256k.bin", "seabios");
    Tools.require("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin");
    Tools.require("/usr/bin/grub-mkimage", "grub-common");
    Path part = fat("");
    Files.writeString(
        folder.resolve("early.cfg"),
        "insmod part_msdos\ninsmod fat\nset root=(hd0,msdos1)\nlinux /boot/vmlinuz "
            + LINE
            + "\ninitrd /boot/initrd\nboot\n");
    Tools.call(
        folder,
        "grub-mkimage -O i386-pc -o core.img -p /boot/grub -c early.cfg biosdisk part_msdos fat linux"
            .split(" "));
    Path image = folder.resolve("disk.img");
    try (FileChannel c =
        FileChannel.open(image, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      byte[] boot = Files.readAllBytes(Path.of("/usr/lib/grub/i386-pc/boot.img"));
      // Where a disk has its table, the file has code for floppies.
      Arrays.fill(boot, 446, 510, (byte) 0);
      ByteBuffer table = ByteBuffer.wrap(boot).order(ByteOrder.LITTLE_ENDIAN);
      // One active partition of FAT32 from 1 MiB on.
      table.put(446, (byte) 0x80).put(450, (byte) 0x0C).putInt(454, 2048);
      table.putInt(458, (int) (Files.size(part) / 512)).putShort(510, (short) 0xAA55);
      c.write(ByteBuffer.wrap(boot), 0);
      c.write(ByteBuffer.wrap(Files.readAllBytes(folder.resolve("core.img"))), 512);
      c.write(ByteBuffer.wrap(Files.readAllBytes(part)), 1 << 20);
    }
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    MachineSpec o =
        MachineSpec.builder(SevMode.OFF, new byte[0], console::write)
            .firmware(MachineSpec.Firmware.of(bios))
            .hardware(disk(image, Hardware.Board.PC, false))
            .build();
    assertThat(run(o, console, 3_000_000_000L))
        .contains("SeaBIOS")
        .contains("GRUB loading")
        .contains("MARK-INIT");
  }

  @Test
  void systemdBootStartsAUnifiedKernelImageUnderEs()
      throws IOException, InterruptedException, BootException {
    byte[] firmware = file("/usr/share/ovmf/OVMF.fd", "ovmf");
    Path systemd = DebianPackages.unpacked("systemd-boot-efi");
    Path image = fat("");
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
    Files.writeString(folder.resolve("loader.conf"), "timeout 0\n");
    Tools.call(folder, "mmd", "-i", "fat.img", "::/EFI/Linux", "::/loader");
    Tools.call(folder, "mcopy", "-i", "fat.img", "vesper.efi", "::/EFI/Linux");
    Tools.call(folder, "mcopy", "-i", "fat.img", "loader.conf", "::/loader");
    String loader = DebianPackages.file(systemd, "systemd-bootx64\\.efi").toString();
    Tools.call(folder, "mcopy", "-i", "fat.img", loader, "::/EFI/BOOT/BOOTX64.EFI");
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    MachineSpec o =
        MachineSpec.builder(SevMode.ES, new byte[0], console::write)
            .firmware(MachineSpec.Firmware.of(firmware))
            .hardware(disk(image, Hardware.Board.PC, true))
            .build();
    assertThat(run(o, console, 5_000_000_000L)).contains("BdsDxe: starting").contains("MARK-INIT");
  }

  /** SYSLINUX on a FAT file system that is all of the disk, with its menu on the serial port. */
  @Test
  void seaBiosStartsSyslinuxWhoseMenuStartsLinux()
      throws IOException, InterruptedException, BootException {
    byte[] bios = file("/usr/share/seabios/bios-256k.bin", "seabios");
    Path syslinux = DebianPackages.unpacked("syslinux");
    Path modules = DebianPackages.unpacked("syslinux-common");
    Path image = fat("");
    Files.writeString(
        folder.resolve("syslinux.cfg"),
        "SERIAL 0 115200\nUI menu.c32\nTIMEOUT 10\nMENU TITLE Vesper\nLABEL linux\n"
            + "LINUX /boot/vmlinuz\nINITRD /boot/initrd\nAPPEND "
            + LINE
            + "\n");
    Tools.call(folder, "mcopy", "-i", "fat.img", "syslinux.cfg", "::/");
    for (String name : List.of("menu", "libutil")) {
      String module = DebianPackages.file(modules, "bios/" + name + "\\.c32").toString();
      Tools.call(folder, "mcopy", "-i", "fat.img", module, "::/");
    }
    Tools.call(
        folder, DebianPackages.file(syslinux, "bin/syslinux").toString(), "--install", "fat.img");
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    MachineSpec o =
        MachineSpec.builder(SevMode.OFF, new byte[0], console::write)
            .firmware(MachineSpec.Firmware.of(bios))
            .hardware(disk(image, Hardware.Board.PC, false))
            .build();
    assertThat(run(o, console, 10_000_000_000L)).contains("SYSLINUX").contains("MARK-INIT");
  }

  /** The package's image for the Linux boot protocol, on the serial console. */
  @Test
  void memtestFindsNoErrors() throws IOException, BootException {
    byte[] image = file("/boot/memtest86+x64.bin", "memtest86+");
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    MachineSpec o =
        MachineSpec.builder(SevMode.OFF, image, console::write)
            .append("console=ttyS0,115200")
            .memoryBytes(16L << 20)
            .hardware(new Hardware(Hardware.Board.PC, List.of()))
            .build();
    Machine m = new Machine(o);
    // Its first seconds are spent on waiting for a key.
    m.limit(5_500_000_000L, Long.MAX_VALUE);
    m.run();
    String text = console.toString(StandardCharsets.ISO_8859_1);
    assertThat(text)
        .contains("#0  [Address test, walking ones, no cache]")
        .contains("#6  [Moving inversions, 64 bit pattern]")
        .contains("Errors: 0")
        .doesNotContainPattern("Errors: [1-9]");
  }
}
