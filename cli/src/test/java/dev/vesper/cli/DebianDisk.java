package dev.vesper.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A Debian 12 root file system on a disk image, made by debootstrap once and kept outside the
 * project: root's password is {@code vesper}, and a local folder is apt's only source. The programs
 * are those of amd64 or, for the same kernel, of i386.
 */
final class DebianDisk {
  private static final String BOOTSTRAP =
      """
      set -e
      debootstrap --variant=minbase --arch=%s \
        --include=systemd-sysv,udev,dbus,kmod,login,e2fsprogs,util-linux,apt-utils \
        bookworm root http://deb.debian.org/debian
      mkdir -p root/srv/packages
      """;

  private static final String SET_UP =
      """
      set -e
      cd root/srv/packages
      dpkg-scanpackages . > Packages 2>/dev/null || {
        for f in *.deb; do dpkg-deb -f $f; echo Filename: ./$f; echo Size: $(stat -c %s $f)
          echo SHA256: $(sha256sum $f | cut -d' ' -f1); echo; done > Packages; }
      cd ../../..
      echo 'deb [trusted=yes] file:/srv/packages ./' > root/etc/apt/sources.list
      echo '/dev/vda / ext4 defaults 0 1' > root/etc/fstab
      echo vesper > root/etc/hostname
      chroot root sh -c 'echo root:vesper | chpasswd; apt-get update; apt-get clean'
      """;

  private DebianDisk() {}

  static Path image() throws IOException, InterruptedException {
    return image("amd64");
  }

  /**
   * {@return the image}
   *
   * @param architecture what its programs are for, as Debian calls it
   */
  static Path image(String architecture) throws IOException, InterruptedException {
    Path cache = DebianKernel.cache();
    Path image =
        cache.resolve(
            architecture.equals("amd64") ? "debian-12.img" : "debian-12-" + architecture + ".img");
    if (Files.exists(image)) {
      return image;
    }
    Tools.available(
        "root".equals(System.getProperty("user.name")), "only root can run debootstrap");
    Tools.require("/usr/sbin/debootstrap", "debootstrap");
    Tools.require("/usr/sbin/mkfs.ext4", "e2fsprogs");
    Path work = Files.createTempDirectory(cache, "debian");
    try {
      Tools.call(work, "sh", "-c", BOOTSTRAP.formatted(architecture));
      DebianPackages.apt(architecture).download(work.resolve("root/srv/packages"), "hello");
      Tools.call(work, "sh", "-c", SET_UP);
      Path made = work.resolve("disk");
      try (FileChannel c =
          FileChannel.open(made, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
        c.write(ByteBuffer.wrap("\0".getBytes(StandardCharsets.US_ASCII)), (1L << 30) - 1);
      }
      Tools.call(work, "/usr/sbin/mkfs.ext4", "-q", "-d", "root", "disk");
      Files.move(made, image, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Tools.call(cache, "rm", "-rf", work.toString());
    }
    return image;
  }
}
