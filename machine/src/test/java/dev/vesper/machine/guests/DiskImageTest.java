package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fixtures.Tools;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.FileStorage;
import dev.vesper.machine.device.disk.Qcow2Disk;
import dev.vesper.machine.device.disk.RawDisk;
import dev.vesper.machine.device.disk.SnapshotDisk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Disk images against QEMU's own tool. */
final class DiskImageTest {
  private static final int BYTES = 6 << 20;

  @TempDir Path folder;

  private Disk open(String name) throws IOException {
    return new Qcow2Disk(
        new FileStorage(
            FileChannel.open(
                folder.resolve(name), StandardOpenOption.READ, StandardOpenOption.WRITE)),
        false);
  }

  private static void scribble(Disk d, byte[] model, Random r, int times) throws IOException {
    for (int i = 0; i < times; i++) {
      int sectors = 1 + r.nextInt(r.nextInt(8) == 0 ? 300 : 8);
      int at = r.nextInt(model.length / 512 - sectors);
      byte[] b = new byte[sectors * 512];
      if (r.nextInt(3) == 0) {
        d.read(at, b, b.length);
        assertThat(b).isEqualTo(Arrays.copyOfRange(model, at * 512, (at + sectors) * 512));
      } else {
        r.nextBytes(b);
        d.write(at, b, b.length);
        System.arraycopy(b, 0, model, at * 512, b.length);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cluster_size=64k",
        "cluster_size=512",
        "cluster_size=4k,compat=0.10",
        "cluster_size=64k,compressed",
        "cluster_size=64k,snapshot"
      })
  void qemuReadsWhatIsWritten(String kind) throws IOException, InterruptedException {
    Tools.need("qemu-img", "qemu-utils");
    Random r = new Random(kind.hashCode());
    byte[] model = new byte[BYTES];
    byte[] half = new byte[BYTES / 2];
    r.nextBytes(half);
    // Something that can be compressed.
    for (int i = 0; i < half.length; i++) {
      model[i] = (byte) (half[i] & 3);
    }
    Files.write(folder.resolve("raw"), model);
    String options = kind.replaceAll(",(compressed|snapshot)", "");
    String[] convert = {"qemu-img", "convert", "-O", "qcow2", "-o", options, "raw", "image"};
    if (kind.contains("compressed")) {
      convert = ("qemu-img convert -c -O qcow2 -o " + options + " raw image").split(" ");
    }
    Tools.call(folder, convert);
    if (kind.contains("snapshot")) {
      Tools.call(folder, "qemu-img", "snapshot", "-c", "before", "image");
    }
    try (Disk d = open("image")) {
      assertThat(d.sectors()).isEqualTo(BYTES / 512);
      scribble(d, model, r, 400);
      d.flush();
    }
    Tools.call(folder, "qemu-img", "check", "image");
    Tools.call(folder, "qemu-img", "convert", "-O", "raw", "image", "back");
    assertThat(Files.readAllBytes(folder.resolve("back"))).isEqualTo(model);
    if (kind.contains("snapshot")) {
      Tools.call(folder, "qemu-img", "snapshot", "-a", "before", "image");
      Tools.call(folder, "qemu-img", "compare", "image", "raw");
    }
  }

  @Test
  void whatIsNotSupportedIsSaid() throws IOException, InterruptedException {
    Tools.need("qemu-img", "qemu-utils");
    Tools.call(folder, "qemu-img", "create", "-f", "qcow2", "base", "1M");
    Tools.call(folder, "qemu-img", "create", "-f", "qcow2", "-F", "qcow2", "-b", "base", "top");
    assertThatThrownBy(() -> open("top")).hasMessageContaining("backing file");
    byte[] b = Files.readAllBytes(folder.resolve("base"));
    b[7] = 9;
    Files.write(folder.resolve("odd"), b);
    assertThatThrownBy(() -> open("odd")).hasMessageContaining("version is 9");
    Random r = new Random(3);
    for (int i = 0; i < 2000; i++) {
      byte[] bad = Files.readAllBytes(folder.resolve("base"));
      for (int n = 0; n < 4; n++) {
        bad[r.nextInt(8) == 0 ? r.nextInt(bad.length) : 4 + r.nextInt(100)] = (byte) r.nextInt();
      }
      Files.write(folder.resolve("bad"), bad);
      try (Disk d = open("bad")) {
        byte[] s = new byte[512];
        for (long at = 0; at < d.sectors() && at < 64; at++) {
          d.read(at, s, 512);
          d.write(at, s, 512);
        }
      } catch (IOException e) {
        assertThat(e.getMessage()).isNotEmpty();
      }
    }
  }

  @Test
  void aSnapshotLeavesItsImageAsItIs() throws IOException {
    byte[] model = new byte[1 << 20];
    new Random(5).nextBytes(model);
    Path p = folder.resolve("raw");
    Files.write(p, model);
    byte[] before = model.clone();
    try (Disk d =
        new SnapshotDisk(
            new RawDisk(new FileStorage(FileChannel.open(p, StandardOpenOption.READ)), true))) {
      scribble(d, model, new Random(6), 300);
    }
    assertThat(Files.readAllBytes(p)).isEqualTo(before);
  }

  /** The file is what is written, so an image that another program reads is the guest's. */
  @Test
  void anImageOfTwoGigabytesIsSparse() throws IOException {
    Path p = folder.resolve("sparse");
    try (FileChannel c = FileChannel.open(p, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      c.write(ByteBuffer.allocate(1), (2L << 30) - 1);
    }
    try (FileChannel c = FileChannel.open(p, StandardOpenOption.READ)) {
      RawDisk disk = new RawDisk(new FileStorage(c), true);
      byte[] b = new byte[512];
      disk.read(disk.sectors() - 1, b, 512);
      assertThat(disk.sectors()).isEqualTo(4L << 20);
      assertThat(b).containsOnly(0);
    }
  }
}
