package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.Qcow2Disk;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import java.util.zip.Deflater;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

/** Writing to qcow2 images that know more than we do, or are damaged. */
final class Qcow2DiskTest {
  private static final int AUTOCLEAR = 88;
  private static final int SECTORS = 2048;
  private static final int MOST = (64 << 20) - 1;

  private static MemoryStorage file(byte[] bytes) {
    return new MemoryStorage(bytes, MOST);
  }

  private static byte[] image() throws IOException {
    try (InputStream in =
        Objects.requireNonNull(
            Qcow2DiskTest.class.getResourceAsStream("disk/bitmap.qcow2.gz"), "image")) {
      return new GZIPInputStream(in).readAllBytes();
    }
  }

  @Test
  void unknownAutoclearFeaturesAreTakenBackByTheFirstWrite() throws IOException {
    MemoryStorage m = file(image());
    assertThat(ByteBuffer.wrap(m.bytes()).getLong(AUTOCLEAR)).as("bitmaps").isEqualTo(1);
    try (Disk d = new Qcow2Disk(m, false)) {
      byte[] b = new byte[512];
      d.read(0, b, 512);
      assertThat(b).containsOnly(7);
      assertThat(ByteBuffer.wrap(m.bytes()).getLong(AUTOCLEAR)).as("a read is none").isEqualTo(1);
      d.write(0, b, 512);
      assertThat(ByteBuffer.wrap(m.bytes()).getLong(AUTOCLEAR)).isZero();
    }
  }

  @Test
  void damagedImagesGrowNoFurtherThanTheirSizeAndTables() throws IOException {
    byte[] good = image();
    int failed = 0;
    for (int seed = 0; seed < 4000; seed++) {
      Random r = new Random(seed);
      byte[] bad = good.clone();
      int tables = 0x8000;
      for (int n = 1 + r.nextInt(4); n > 0; n--) {
        int at = r.nextInt(3) == 0 ? 8 + r.nextInt(96) : r.nextInt(Math.min(tables, bad.length));
        bad[at] = (byte) (r.nextBoolean() ? r.nextInt() : bad[at] ^ 1 << r.nextInt(8));
      }
      MemoryStorage m = file(bad);
      try (Disk d = new Qcow2Disk(m, false)) {
        byte[] b = new byte[4096];
        for (int i = 0; i < 20; i++) {
          long sector = r.nextLong(Math.max(1, Math.min(SECTORS, d.sectors()) - 8));
          if (sector + 8 <= d.sectors()) {
            d.write(sector, b, b.length);
          }
        }
      } catch (IOException e) {
        failed++;
      }
      assertThat(m.length()).as("seed " + seed).isLessThan(bad.length + (64L << 20));
    }
    assertThat(failed).as("some of the damage was found").isPositive();
  }

  @Test
  void whatIsWrittenEverywhereFitsTheBound() throws IOException {
    MemoryStorage m = file(image());
    byte[] b = new byte[4096];
    Arrays.fill(b, (byte) 5);
    try (Disk d = new Qcow2Disk(m, false)) {
      for (int round = 0; round < 2; round++) {
        for (long s = 0; s < SECTORS; s += 8) {
          d.write(s, b, b.length);
        }
      }
      d.read(SECTORS - 8, b, b.length);
      assertThat(b).containsOnly(5);
    }
    assertThat(m.length()).isLessThan(2L << 20);
  }

  private static final int BITS = 16;
  private static final int CLUSTER = 1 << BITS;

  /** {@return an image of compressed clusters, the bytes of each of which are its number} */
  private static byte[] compressed(int clusters) {
    ByteBuffer b = ByteBuffer.allocate(6 * CLUSTER);
    b.putInt(0, Qcow2Disk.MAGIC).putInt(4, 3).putInt(20, BITS).putLong(24, (long) clusters << BITS);
    b.putInt(36, 1).putLong(40, CLUSTER).putLong(48, 2 * CLUSTER).putInt(56, 1);
    b.putInt(96, 4).putInt(100, 104);
    b.putLong(CLUSTER, 4L * CLUSTER);
    b.putLong(2 * CLUSTER, 3L * CLUSTER);
    for (int i = 0; i < 6; i++) {
      b.putShort(3 * CLUSTER + 2 * i, (short) (i == 5 ? clusters : 1));
    }
    for (int n = 0; n < clusters; n++) {
      byte[] plain = new byte[CLUSTER];
      Arrays.fill(plain, (byte) n);
      Deflater d = new Deflater(9, true);
      d.setInput(plain);
      d.finish();
      int at = 5 * CLUSTER + 512 * n;
      assertThat(d.deflate(b.array(), at, 512)).isPositive();
      assertThat(d.finished()).isTrue();
      d.end();
      b.putLong(4 * CLUSTER + 8 * n, 1L << 62 | at);
    }
    return b.array();
  }

  private static byte[] sector(Disk d, long n) throws IOException {
    byte[] b = new byte[512];
    d.read(n, b, 512);
    return b;
  }

  private static byte[] all(int v) {
    byte[] b = new byte[512];
    Arrays.fill(b, (byte) v);
    return b;
  }

  @Test
  void readersGoOnInACompressedCluster() throws IOException {
    Qcow2Disk d = new Qcow2Disk(file(compressed(4)), false);
    int per = CLUSTER / 512;
    assertThat(sector(d, 2 * per)).isEqualTo(all(2));
    long once = d.work();
    assertThat(once).as("the whole cluster was unpacked").isGreaterThan(CLUSTER);
    for (int i = 1; i < per; i++) {
      assertThat(sector(d, 2 * per + i)).isEqualTo(all(2));
    }
    assertThat(d.work()).as("and not again").isEqualTo(once);
    assertThat(sector(d, 3 * per)).isEqualTo(all(3));
    assertThat(d.work()).isGreaterThan(once + CLUSTER);
  }

  @Test
  void whatIsWrittenOverACompressedClusterIsRead() throws IOException {
    Qcow2Disk d = new Qcow2Disk(file(compressed(4)), false);
    int per = CLUSTER / 512;
    assertThat(sector(d, per)).isEqualTo(all(1));
    d.write(per + 1, all(9), 512);
    assertThat(sector(d, per)).isEqualTo(all(1));
    assertThat(sector(d, per + 1)).isEqualTo(all(9));
    assertThat(sector(d, 3 * per)).isEqualTo(all(3));
    d.write(per, all(8), 512);
    assertThat(sector(d, per)).isEqualTo(all(8));
    assertThat(sector(d, per + 1)).isEqualTo(all(9));
  }
}
