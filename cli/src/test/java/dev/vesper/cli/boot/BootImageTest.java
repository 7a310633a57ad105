package dev.vesper.cli.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a guest of {@code boot} starts with. */
final class BootImageTest {
  @TempDir Path dir;

  private static String text(byte[] b) {
    return new String(b, StandardCharsets.ISO_8859_1);
  }

  /** {@return the names of an archive, taken apart by its headers alone} */
  private static List<String> names(byte[] archive) throws IOException {
    List<String> names = new java.util.ArrayList<>();
    ByteArrayInputStream in = new ByteArrayInputStream(archive);
    for (; ; ) {
      String header = text(in.readNBytes(110));
      assertThat(header).startsWith("070701");
      int size = Integer.parseInt(header.substring(54, 62), 16);
      int length = Integer.parseInt(header.substring(94, 102), 16);
      String name = text(in.readNBytes(length)).replace("\0", "");
      in.skipNBytes(-(110 + length) & 3);
      in.skipNBytes(size + (-size & 3));
      names.add(name);
      if (name.equals("TRAILER!!!")) {
        assertThat(in.available()).isZero();
        return names;
      }
    }
  }

  @Test
  void modulesAreThoseBesideTheKernelInTheOrderOfTheirNeeds() throws IOException {
    Path kernel = dir.resolve("boot/vmlinuz-6.1.0-test");
    Path modules = dir.resolve("lib/modules/6.1.0-test/kernel");
    for (String m :
        List.of(
            "fs/fuse/virtiofs.ko",
            "fs/fuse/fuse.ko",
            "drivers/virtio/virtio.ko.xz",
            "drivers/virtio/virtio_ring.ko",
            "drivers/net/virtio_net.ko")) {
      Files.createDirectories(modules.resolve(m).getParent());
      Files.writeString(modules.resolve(m), m);
    }
    BootImage.Plan p =
        new BootImage.Plan(new byte[] {1}, List.of("echo", "a b"), true, false, false, "vt100");
    byte[] image = BootImage.of(p, kernel);
    assertThat(names(image))
        .containsSubsequence(
            "bin/busybox",
            "bin/sh",
            "modules/virtio_ring.ko",
            "modules/virtio.ko.xz",
            "modules/fuse.ko",
            "modules/virtiofs.ko",
            "init",
            "TRAILER!!!")
        .doesNotContain("modules/virtio_net.ko");
    assertThat(text(image)).contains("echo 'a b'\0", "TERM=vt100\0");
    assertThat(BootImage.of(p, kernel)).isEqualTo(image);
  }

  @Test
  void withoutBusyboxACommandIsStartedAsItIs() throws IOException {
    Path kernel = dir.resolve("bzImage");
    BootImage.Plan p = new BootImage.Plan(null, List.of("./x", "1"), true, true, false, "dumb");
    assertThat(text(BootImage.of(p, kernel))).contains("./x\0" + "1\0").doesNotContain("busybox");
    BootImage.Plan none = new BootImage.Plan(null, List.of(), false, false, true, "dumb");
    assertThatThrownBy(() -> BootImage.of(none, kernel)).hasMessageContaining("busybox");
  }

  @Test
  void newerKernelsAreTakenByTheirNumbers() throws IOException {
    for (String v : List.of("6.1.0-9", "6.1.0-57", "6.1.0-6")) {
      Path boot = Files.createDirectories(dir.resolve("linux-" + v + "/boot"));
      Files.createFile(boot.resolve("vmlinuz-" + v + "-cloud-amd64"));
    }
    // One that is not whole.
    Files.createFile(
        Files.createDirectories(dir.resolve(".new1/boot")).resolve("vmlinuz-7.0-cloud-amd64"));
    assertThat(new Kernels(dir).newest()).asString().endsWith("vmlinuz-6.1.0-57-cloud-amd64");
    assertThat(new Kernels(dir.resolve("none")).newest()).isNull();
  }
}
