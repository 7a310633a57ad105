package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fixtures.fuzz.Bounded;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.DiskFile;
import dev.vesper.machine.device.disk.SnapshotDisk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Images that ask for more memory than they are long, and guests that write more than that. */
@Timeout(300)
final class HostileDisksTest {
  private static final int MAGIC = 0x5146_49FB;

  @TempDir Path folder;

  private Path sparse(String name, long length) throws IOException {
    Path p = folder.resolve(name);
    try (FileChannel c =
        FileChannel.open(p, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      if (length > 0) {
        c.write(ByteBuffer.allocate(1), length - 1);
      }
    }
    return p;
  }

  private static void put(Path p, long at, ByteBuffer b) throws IOException {
    try (FileChannel c = FileChannel.open(p, StandardOpenOption.WRITE)) {
      c.write(b.rewind(), at);
    }
  }

  /** Writes a header of version 3 without features. */
  private static void header(
      Path p, int bits, long size, int l1Entries, long l1, long countTable, int countClusters)
      throws IOException {
    ByteBuffer b = ByteBuffer.allocate(104);
    b.putInt(MAGIC).putInt(3).putLong(0).putInt(0).putInt(bits).putLong(size).putInt(0);
    b.putInt(l1Entries).putLong(l1).putLong(countTable).putInt(countClusters);
    b.putInt(96, 4).putInt(100, 104);
    put(p, 0, b);
  }

  private static Disk open(Path p, boolean readOnly) throws IOException {
    return DiskFile.open(p, null, readOnly, false);
  }

  // ---- qcow2

  /** Each sector is found through another table of 2 MiB. */
  @Test
  void tablesAreForgottenAgain() throws Exception {
    int n = 1024;
    Path p = sparse("l2", (n + 1L) << 21);
    header(p, 21, (long) n << 39, n, 0x1000, 0x800, 0);
    ByteBuffer l1 = ByteBuffer.allocate(8 * n);
    for (int i = 0; i < n; i++) {
      l1.putLong((i + 1L) << 21);
    }
    put(p, 0x1000, l1);
    try (Disk d = open(p, true)) {
      byte[] b = new byte[512];
      Bounded.within(
          20,
          1024,
          () -> {
            for (int i = 0; i < n; i++) {
              d.read((long) i << 30, b, 512);
              assertThat(b).containsOnly(0);
            }
          });
      Runtime r = Runtime.getRuntime();
      System.gc();
      assertThat(r.totalMemory() - r.freeMemory()).as("heap").isLessThan(512L << 20);
    }
  }

  @Test
  void aFileThatIsTooLongToCountIsRefused() throws IOException {
    Path p = sparse("counts", (1L << 43) - 4096);
    header(p, 9, 16 << 20, 512, 0x1000, 0x800, 1);
    assertThatThrownBy(() -> open(p, false))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("too many to count")
        .hasMessageContaining("qemu-img convert");
    try (Disk d = open(p, true)) {
      assertThat(d.sectors()).isEqualTo(32 << 10);
    }
  }

  @Tag("slow")
  @Test
  void countsOfTheHeaderAreNotBelieved() throws IOException {
    long[] sizes = {-1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 62, 1L << 61, (1L << 40) + 1, 0};
    int[] entries = {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, 1 << 22, 1, 0};
    long[] places = {-1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 62, 0, 511};
    int n = 0;
    for (int bits : new int[] {9, 16, 21}) {
      for (long size : sizes) {
        for (int l1 : entries) {
          for (int counts : entries) {
            for (long place : places) {
              Path p = sparse("h" + n++, 4096);
              header(p, bits, size, l1, place, place, counts);
              for (boolean readOnly : new boolean[] {true, false}) {
                try (Disk d = open(p, readOnly)) {
                  byte[] b = new byte[512];
                  for (long s : new long[] {0, d.sectors() / 2, d.sectors() - 1}) {
                    if (s >= 0 && s < d.sectors()) {
                      d.read(s, b, 512);
                      if (!readOnly) {
                        d.write(s, b, 512);
                      }
                    }
                  }
                } catch (IOException e) {
                  assertThat(e.getMessage()).isNotEmpty().doesNotContain("\n");
                }
              }
              Files.delete(p);
            }
          }
        }
      }
    }
  }

  /** Clusters beyond the first 2 to the 31. */
  @Test
  void aDiskOfManyClustersIsWrittenToItsEnd() throws IOException {
    Path p = sparse("huge", (1 << 17) + (8 << 20));
    long size = 1L << 49;
    header(p, 16, size, 1 << 20, 1 << 17, 0x10000, 1);
    byte[] b = new byte[4096];
    Arrays.fill(b, (byte) 7);
    try (Disk d = open(p, false)) {
      d.write(d.sectors() - 8, b, b.length);
      d.write(0, b, b.length);
    }
    try (Disk d = open(p, true)) {
      byte[] c = new byte[4096];
      d.read(d.sectors() - 8, c, c.length);
      assertThat(c).isEqualTo(b);
      d.read(d.sectors() - 16, c, c.length);
      assertThat(c).containsOnly(0);
    }
  }

  /** What is written through tables that come and go is read again. */
  @Tag("slow")
  @Test
  void tablesThatAreForgottenAreReadAgain() throws IOException {
    Path p = sparse("many", (1 << 16) + (32 << 20));
    // 128 GiB of clusters of 512 bytes have 4 Mi tables.
    header(p, 9, 1L << 37, 1 << 22, 1 << 16, 512, 1);
    Map<Long, Byte> model = new TreeMap<>();
    Random r = new Random(1);
    byte[] b = new byte[512];
    try (Disk d = open(p, false)) {
      for (int i = 0; i < 20_000; i++) {
        long s = r.nextLong(d.sectors());
        Arrays.fill(b, (byte) i);
        d.write(s, b, 512);
        model.put(s, (byte) i);
      }
      for (Map.Entry<Long, Byte> e : model.entrySet()) {
        d.read(e.getKey(), b, 512);
        assertThat(b).containsOnly(e.getValue());
      }
    }
  }

  // ---- snapshots

  private static Disk snapshot(Path p) throws IOException {
    return DiskFile.open(p, DiskFile.Format.RAW, false, true);
  }

  @Tag("slow")
  @Test
  void whatASnapshotKeepsIsNotInMemory() throws Exception {
    Path p = sparse("large", 100L << 30);
    byte[] b = new byte[16 << 20];
    new Random(2).nextBytes(b);
    try (Disk d = snapshot(p)) {
      Bounded.within(
          60,
          64,
          () -> {
            for (int i = 0; i < 32; i++) {
              d.write((long) i * 6_000_000, b, b.length);
            }
          });
      byte[] c = new byte[b.length];
      for (int i = 0; i < 32; i += 5) {
        d.read((long) i * 6_000_000, c, c.length);
        assertThat(c).isEqualTo(b);
      }
      d.read(32L * 6_000_000, c, c.length);
      assertThat(c).containsOnly(0);
    }
    assertThat(Files.size(p)).isEqualTo(100L << 30);
  }

  /** A guest that writes a sector here and there pays for clusters on the disk, not in memory. */
  @Tag("slow")
  @Test
  void scatteredWritesAreKeptToo() throws Exception {
    Path p = sparse("scattered", 1L << 40);
    byte[] b = new byte[512];
    Random r = new Random(4);
    Map<Long, Byte> model = new TreeMap<>();
    try (Disk d = snapshot(p)) {
      for (int i = 0; i < 20_000; i++) {
        long s = r.nextLong(d.sectors());
        Arrays.fill(b, (byte) i);
        d.write(s, b, 512);
        model.put(s, (byte) i);
      }
      for (Map.Entry<Long, Byte> e : model.entrySet()) {
        d.read(e.getKey(), b, 512);
        assertThat(b).containsOnly(e.getValue());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 12, 1, 4095, 40_000})
  void aSnapshotIsADisk(int sectors) throws IOException {
    Random r = new Random(sectors);
    byte[] model = new byte[sectors * 512];
    r.nextBytes(model);
    Path p = folder.resolve("raw");
    Files.write(p, model);
    byte[] before = model.clone();
    try (Disk d = snapshot(p)) {
      for (int i = 0; i < 2000; i++) {
        int at = r.nextInt(sectors);
        int n = 1 + r.nextInt(Math.min(sectors - at, r.nextInt(10) == 0 ? 300 : 20));
        byte[] b = new byte[n * 512];
        if (r.nextBoolean()) {
          r.nextBytes(b);
          d.write(at, b, b.length);
          System.arraycopy(b, 0, model, at * 512, b.length);
        } else {
          d.read(at, b, b.length);
          assertThat(b).isEqualTo(Arrays.copyOfRange(model, at * 512, (at + n) * 512));
        }
      }
    }
    assertThat(Files.readAllBytes(p)).isEqualTo(before);
  }

  /** The temporary file has no name, so that nothing is left of it however the run ends. */
  @Test
  void aSnapshotLeavesNothingBehind() throws IOException {
    Path tmp = Path.of(System.getProperty("java.io.tmpdir"));
    Path p = sparse("image", 1 << 20);
    try (Disk d = snapshot(p)) {
      d.write(0, new byte[512], 512);
      try (var all = Files.list(tmp)) {
        assertThat(all.map(f -> f.getFileName().toString()))
            .noneMatch(n -> n.startsWith("vesper") && n.endsWith(".snapshot"));
      }
    }
  }

  /** What is there already can be written over; nothing new is taken, and that is said once. */
  @Test
  void aSnapshotDoesNotFillTheComputer() throws IOException {
    List<String> said = new ArrayList<>();
    Disk whole = DiskFile.open(sparse("image", 1 << 20), DiskFile.Format.RAW, true, false);
    byte[] b = new byte[64 << 10];
    Arrays.fill(b, (byte) 1);
    try (Disk d = new SnapshotDisk(whole, 128 << 10, said::add)) {
      d.write(0, b, b.length);
      d.write(1024, b, b.length - 4096);
      for (int i = 0; i < 2; i++) {
        assertThatThrownBy(() -> d.write(1500, b, b.length)).isInstanceOf(IOException.class);
      }
      d.write(2040, b, 4096);
      assertThatThrownBy(() -> d.write(1600, b, 512)).isInstanceOf(IOException.class);
      d.write(3, b, b.length - 4096);
      byte[] read = new byte[512];
      d.read(1500, read, 512);
      assertThat(read).containsOnly(0);
      d.read(2040, read, 512);
      assertThat(read).containsOnly(1);
    }
    assertThat(said).singleElement().asString().contains("more than a snapshot keeps");
  }

  @Test
  void aDiskLargerThanAnyFileHasNoSnapshot() {
    Disk d =
        new Disk() {
          @Override
          public long sectors() {
            return Long.MAX_VALUE / 512;
          }

          @Override
          public boolean readOnly() {
            return true;
          }

          @Override
          public void read(long sector, byte[] to, int bytes) {
            throw new AssertionError("not asked for");
          }

          @Override
          public void write(long sector, byte[] from, int bytes) {
            throw new AssertionError("not asked for");
          }

          @Override
          public void flush() {
            // there is nothing
          }
        };
    assertThatThrownBy(() -> new SnapshotDisk(d)).hasMessageContaining("too large");
  }

  // ---- guessed formats

  private static byte[] sector(int at, String mark) {
    byte[] m = mark.getBytes(StandardCharsets.ISO_8859_1);
    byte[] b = new byte[1024];
    System.arraycopy(m, 0, b, at, m.length);
    return b;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "QFI\u00fb",
        "QED\0",
        "KDMV",
        "COWD",
        "# Disk DescriptorFile",
        "version=1\n",
        "# a comment\n\n   \r\n# another\nversion=3\r\n",
        "conectix",
        "vhdxfile",
        "LUKS\u00ba\u00be",
        "WithoutFreeSpace",
        "WithouFreSpacExt",
        "Bochs Virtual HD Image"
      })
  void aGuestMayNotMakeAnImageOfAGuessedRawDisk(String mark) throws IOException {
    Path p = sparse("raw", 1 << 20);
    List<String> told = new ArrayList<>();
    byte[] b = sector(0, mark);
    try (Disk d = DiskFile.open(p, null, false, false, told::add)) {
      for (int n : new int[] {512, 1024}) {
        assertThatThrownBy(() -> d.write(0, b, n)).isInstanceOf(IOException.class);
      }
      assertThat(told).hasSize(1);
      assertThat(told.get(0)).contains("format=raw").contains(p.toString()).doesNotContain("\n");
      d.write(1, b, 512);
      d.write(0, sector(1, mark), 512);
    }
    assertThat(Files.readAllBytes(p)[1]).isEqualTo(b[0]);
    try (Disk d = DiskFile.open(p, null, false, true)) {
      // What is forgotten does no harm.
      d.write(0, b, 512);
    }
    try (Disk d = DiskFile.open(p, DiskFile.Format.RAW, false, false)) {
      d.write(0, b, 512);
    }
    assertThat(Files.readAllBytes(p)[0]).isEqualTo(b[0]);
  }

  @Test
  void aVirtualBoxImageIsKnownByItsMarkBehindTheText() throws IOException {
    Path p = sparse("raw", 1 << 20);
    try (Disk d = DiskFile.open(p, null, false, false)) {
      assertThatThrownBy(() -> d.write(0, sector(64, "\u007f\u0010\u00da\u00be"), 512))
          .isInstanceOf(IOException.class);
    }
  }

  @Test
  void aRawDiskMayLookLikeAnImageIfItIsSaidToBeRaw() throws IOException {
    Path p = sparse("raw", 1 << 20);
    put(p, 0, ByteBuffer.allocate(4).putInt(MAGIC));
    try (Disk d = DiskFile.open(p, DiskFile.Format.RAW, false, false)) {
      assertThat(d.sectors()).isEqualTo(2048);
    }
  }

  /** Tables lie in the file: one of a page cannot have 32 MiB of them. */
  @Test
  void tablesThatTheFileCannotHoldAreNotMade() throws IOException {
    Path p = sparse("small", 4096);
    header(p, 16, 1 << 20, 4 << 20, 512, 1024, 1);
    assertThatThrownBy(() -> DiskFile.open(p, DiskFile.Format.QCOW2, true, false))
        .hasMessageContaining("tables that cannot be");
    header(p, 16, 1 << 20, 16, 512, 1024, 512);
    assertThatThrownBy(() -> DiskFile.open(p, DiskFile.Format.QCOW2, true, false))
        .hasMessageContaining("tables that cannot be");
    header(p, 12, 1 << 20, 16, 512, 1024, 1);
    DiskFile.open(p, DiskFile.Format.QCOW2, true, false).close();
  }
}
