package dev.vesper.cli;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianSuite;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Debian 11's kernel of June 2024 with an initial RAM disk that reads from a random number
 * generator and a disk, both virtio, by the kernel's own modules; docs/known-bugs.md shows how it
 * is made.
 */
final class OldGuest {
  private static final String PACKAGE = "linux-image-5.10.0-30-cloud-amd64";
  private static final String VERSION = "5.10.218-1";

  /** In the order in which they are loaded. */
  private static final List<String> MODULES =
      List.of("virtio", "virtio_ring", "virtio_pci", "rng-core", "virtio-rng", "virtio_blk");

  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t devtmpfs dev /dev
      for m in %s; do $b insmod /m/$m.ko; done
      exec 3</dev/hwrng 4</dev/vda
      echo ready
      read -r -n 4 x <&3
      read -r -n 1 x <&4
      echo finished
      $b poweroff -f
      """;

  private static final int DISK = 1 << 20;

  private OldGuest() {}

  /** Writes {@code vmlinuz}, {@code initrd.img} and {@code disk.img} into a folder. */
  static void write(Path dir) throws IOException, InterruptedException {
    DebianSuite suite = DebianSuite.of("bullseye");
    Files.write(
        dir.resolve("vmlinuz"), suite.file(PACKAGE, VERSION, "vmlinuz-5.10.0-30-cloud-amd64"));
    Map<String, byte[]> files = new LinkedHashMap<>();
    for (String m : MODULES) {
      files.put("m/" + m + ".ko", suite.file(PACKAGE, VERSION, m + ".ko"));
    }
    Files.write(
        dir.resolve("initrd.img"),
        DebianKernel.initramfs(INIT.formatted(String.join(" ", MODULES)), files));
    Files.write(dir.resolve("disk.img"), new byte[DISK]);
  }

  /**
   * {@return the words of a campaign's command line}
   *
   * @param dir has what {@link #write} makes
   * @param only which answers are changed
   */
  static List<String> words(Path dir, String only) {
    return List.of(
        "-kernel",
        dir.resolve("vmlinuz").toString(),
        "-initrd",
        dir.resolve("initrd.img").toString(),
        "-append",
        "console=ttyS0 panic=-1",
        "-drive",
        "file=" + dir.resolve("disk.img"),
        "--from",
        "console:ready",
        "--until",
        "console:finished",
        "--limit-insns",
        "6M",
        "--only",
        only);
  }
}
