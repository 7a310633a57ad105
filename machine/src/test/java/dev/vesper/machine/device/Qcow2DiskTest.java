package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.Qcow2Disk;
import dev.vesper.machine.device.disk.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

/** Writing to qcow2 images that know more than we do, or are damaged. */
final class Qcow2DiskTest {
  private static final int AUTOCLEAR = 88;
  private static final int SECTORS = 2048;

  /** A file in memory that says how long it would be. */
  private static final class Memory implements Storage {
    private byte[] bytes;
    private long length;

    Memory(byte[] bytes) {
      this.bytes = bytes.clone();
      length = bytes.length;
    }

    @Override
    public long length() {
      return length;
    }

    @Override
    public void read(long at, byte[] to, int offset, int n) throws IOException {
      if (at < 0) {
        throw new IOException("no such place");
      }
      Arrays.fill(to, offset, offset + n, (byte) 0);
      if (at < bytes.length) {
        System.arraycopy(bytes, (int) at, to, offset, (int) Math.min(n, bytes.length - at));
      }
    }

    @Override
    public void write(long at, byte[] from, int offset, int n) throws IOException {
      if (at < 0) {
        throw new IOException("no such place");
      }
      length = Math.max(length, at + n);
      if (at + n < 64 << 20) {
        bytes = at + n > bytes.length ? Arrays.copyOf(bytes, (int) at + n) : bytes;
        System.arraycopy(from, offset, bytes, (int) at, n);
      }
    }

    @Override
    public void flush() {
      // it is all there
    }
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
    Memory m = new Memory(image());
    assertThat(ByteBuffer.wrap(m.bytes).getLong(AUTOCLEAR)).as("bitmaps").isEqualTo(1);
    try (Disk d = new Qcow2Disk(m, false)) {
      byte[] b = new byte[512];
      d.read(0, b, 512);
      assertThat(b).containsOnly(7);
      assertThat(ByteBuffer.wrap(m.bytes).getLong(AUTOCLEAR)).as("a read is none").isEqualTo(1);
      d.write(0, b, 512);
      assertThat(ByteBuffer.wrap(m.bytes).getLong(AUTOCLEAR)).isZero();
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
      Memory m = new Memory(bad);
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
      assertThat(m.length).as("seed " + seed).isLessThan(bad.length + (64L << 20));
    }
    assertThat(failed).as("some of the damage was found").isPositive();
  }

  @Test
  void whatIsWrittenEverywhereFitsTheBound() throws IOException {
    Memory m = new Memory(image());
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
    assertThat(m.length).isLessThan(2L << 20);
  }
}
