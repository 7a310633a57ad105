package dev.vesper.machine.guests;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import dev.vesper.machine.device.disk.FileStorage;
import dev.vesper.machine.device.disk.RawDisk;
import dev.vesper.machine.spec.Hardware;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** A disk that is one FAT file system, with what a firmware or a boot loader starts. */
final class BootDisk {
  private static final int BYTES = 64 << 20;

  private final Path folder;
  private final Path image;
  private final Set<String> made = new HashSet<>();
  private int files;

  /**
   * @param folder an empty one for the image and what it is made of
   */
  BootDisk(Path folder) throws IOException, InterruptedException {
    Tools.require("/usr/sbin/mkfs.vfat", "dosfstools");
    Tools.require("/usr/bin/mcopy", "mtools");
    this.folder = folder;
    image = folder.resolve("fat.img");
    try (FileChannel c =
        FileChannel.open(image, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      c.write(ByteBuffer.allocate(1), BYTES - 1);
    }
    Tools.call(folder, "/usr/sbin/mkfs.vfat", "-F", "32", image.toString());
  }

  /** {@return the image, without partitions} */
  Path image() {
    return image;
  }

  /** Adds a file, and the folders that it lies in. */
  BootDisk with(String path, Path file) throws IOException, InterruptedException {
    for (int i = path.indexOf('/'); i > 0; i = path.indexOf('/', i + 1)) {
      if (made.add(path.substring(0, i))) {
        Tools.call(folder, "mmd", "-i", image.toString(), "::/" + path.substring(0, i));
      }
    }
    Tools.call(folder, "mcopy", "-i", image.toString(), file.toString(), "::/" + path);
    return this;
  }

  /** Adds a file. */
  BootDisk with(String path, byte[] data) throws IOException, InterruptedException {
    return with(path, Files.write(folder.resolve("file" + files++), data));
  }

  /** Adds a text. */
  BootDisk with(String path, String text) throws IOException, InterruptedException {
    return with(path, text.getBytes(StandardCharsets.UTF_8));
  }

  /** Adds Debian's cloud kernel as boot/vmlinuz and an initramfs as boot/initrd. */
  BootDisk withLinux(String init) throws IOException, InterruptedException {
    return with("boot/vmlinuz", DebianKernel.image())
        .with("boot/initrd", DebianKernel.initramfs(init));
  }

  /**
   * {@return another image: the file system as the one partition of a disk that a BIOS starts
   * Debian's GRUB from}
   *
   * @param modules names of GRUB's modules besides those that read the disk
   * @param script what GRUB does; its root is the file system
   */
  Path behindGrub(String modules, String script) throws IOException, InterruptedException {
    Tools.require("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin");
    Tools.need("grub-mkimage", "grub-common");
    Files.writeString(
        folder.resolve("early.cfg"),
        "insmod part_msdos\ninsmod fat\nset root=(hd0,msdos1)\n" + script);
    Tools.call(
        folder,
        ("grub-mkimage -O i386-pc -o core.img -p /boot/grub -c early.cfg biosdisk part_msdos fat "
                + modules)
            .split(" "));
    Path disk = folder.resolve("disk.img");
    try (FileChannel c =
        FileChannel.open(disk, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      byte[] boot = Files.readAllBytes(Path.of("/usr/lib/grub/i386-pc/boot.img"));
      // Where a disk has its table, the file has code for floppies.
      Arrays.fill(boot, 446, 510, (byte) 0);
      ByteBuffer table = ByteBuffer.wrap(boot).order(ByteOrder.LITTLE_ENDIAN);
      // One active partition of FAT32 from 1 MiB on.
      table.put(446, (byte) 0x80).put(450, (byte) 0x0C).putInt(454, 2048);
      table.putInt(458, BYTES / 512).putShort(510, (short) 0xAA55);
      c.write(ByteBuffer.wrap(boot), 0);
      c.write(ByteBuffer.wrap(Files.readAllBytes(folder.resolve("core.img"))), 512);
      c.write(ByteBuffer.wrap(Files.readAllBytes(image)), 1 << 20);
    }
    return disk;
  }

  /** {@return QEMU's {@code pc} with an image as its only disk, which keeps what it is} */
  static Hardware pc(Path image, boolean virtio) throws IOException {
    return board(Hardware.Board.PC, image, virtio);
  }

  /** {@return a board with an image as its only disk, which keeps what it is} */
  static Hardware board(Hardware.Board board, Path image, boolean virtio) throws IOException {
    FileChannel c = FileChannel.open(image, StandardOpenOption.READ);
    return new Hardware(
        board, List.of(new Hardware.Drive(new RawDisk(new FileStorage(c), true), virtio)));
  }
}
