package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.device.MemoryStorage;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.DiskFile;
import dev.vesper.machine.device.disk.Qcow2Disk;
import dev.vesper.machine.device.disk.SnapshotDisk;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.Deflater;
import org.jspecify.annotations.Nullable;

/**
 * A disk image: how it is opened, a few accesses (sector, and whether it is written), the image.
 * One that is opened by name is a file of the computer for a while.
 */
public final class Qcow2Target implements FuzzTarget {
  private static final int ACCESSES = 6;
  private static final int HEAD = 1 + 4 * ACCESSES;

  /** Bits of the first byte; format: any, raw or qcow2. */
  private static final int SNAPSHOT = 1;

  private static final int READ_ONLY = 2;
  private static final int NAMED = 4;
  private static final int FORMAT_SHIFT = 4;

  private static final int LARGEST_FILE = 1 << 20;

  @Override
  public String name() {
    return "qcow2";
  }

  @Override
  public List<String> covers() {
    return List.of("dev.vesper.machine.device.disk.");
  }

  @Override
  public int inputs() {
    return 2000;
  }

  @Override
  public List<byte[]> seeds() {
    List<byte[]> all = new ArrayList<>();
    List<byte[]> images =
        List.of(image(2, false), image(3, false), image(3, true), new byte[1 << 13]);
    for (int o : new int[] {0, SNAPSHOT, READ_ONLY, NAMED, NAMED | SNAPSHOT, NAMED | READ_ONLY}) {
      for (byte[] b : images) {
        all.add(with(o, b));
      }
    }
    all.add(with(NAMED | 1 << FORMAT_SHIFT, images.get(0)));
    all.add(with(NAMED | 2 << FORMAT_SHIFT, images.get(3)));
    return all;
  }

  private static byte[] with(int options, byte[] image) {
    Words w = new Words().u8(options);
    for (int i = 0; i < ACCESSES; i++) {
      // The first sector, the middle of a cluster, and some at once.
      w.u16(i / 2 * 5, i & 1 | i / 2 << 6);
    }
    return w.bytes(image).done();
  }

  /** Clusters of 512 bytes: header, refcount table and block, L1, L2, data. */
  static byte[] image(int version, boolean compressed) {
    Words h = new Words();
    h.bytes(big(4, 0x5146_49FB)).bytes(big(4, version)).zeros(12).bytes(big(4, 9));
    h.bytes(big(8, 64 * 512)).bytes(big(4, 0)).bytes(big(4, 1)).bytes(big(8, 3 * 512));
    h.bytes(big(8, 512)).bytes(big(4, 1)).bytes(big(4, 0)).bytes(big(8, 0));
    if (version == 3) {
      h.zeros(24).bytes(big(4, 4)).bytes(big(4, 104));
      h.bytes(big(4, 0x6803_F857)).bytes(big(4, 16)).zeros(16).zeros(8);
    }
    h.zeros(512 - h.length());
    h.bytes(big(8, 1024)).zeros(504);
    for (int i = 0; i < 256; i++) {
      h.bytes(big(2, i < 7 ? 1 : 0));
    }
    h.bytes(big(8, 1L << 63 | 4 * 512)).zeros(504);
    long second = compressed ? 1L << 62 | 6 * 512 : 1L << 63 | 6 * 512;
    h.bytes(big(8, 1L << 63 | 5 * 512)).bytes(big(8, second)).bytes(big(8, 1)).zeros(512 - 24);
    h.zeros(512).bytes(Arrays.copyOf(deflated(), 512));
    return h.done();
  }

  private static byte[] deflated() {
    Deflater d = new Deflater(9, true);
    byte[] plain = new byte[512];
    Arrays.fill(plain, (byte) 'x');
    d.setInput(plain);
    d.finish();
    byte[] out = new byte[512];
    int n = d.deflate(out);
    d.end();
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    b.write(out, 0, n);
    return b.toByteArray();
  }

  private static byte[] big(int bytes, long v) {
    byte[] b = new byte[bytes];
    for (int i = 0; i < bytes; i++) {
      b[bytes - 1 - i] = (byte) (v >> 8 * i);
    }
    return b;
  }

  private static Disk open(int options, byte[] image, @Nullable Path file) throws IOException {
    boolean snapshot = (options & SNAPSHOT) != 0;
    boolean readOnly = (options & READ_ONLY) != 0;
    if (file == null) {
      Disk d = new Qcow2Disk(new MemoryStorage(image, LARGEST_FILE), snapshot || readOnly);
      return snapshot ? new SnapshotDisk(d) : d;
    }
    DiskFile.Format format =
        switch (options >> FORMAT_SHIFT & 3) {
          case 1 -> DiskFile.Format.RAW;
          case 2 -> DiskFile.Format.QCOW2;
          default -> null;
        };
    return DiskFile.open(file, format, readOnly, snapshot);
  }

  @Override
  public void take(byte[] input) throws IOException {
    FuzzInput in = new FuzzInput(input);
    FuzzInput accesses = new FuzzInput(in.bytes(HEAD));
    byte[] image = in.rest();
    int options = accesses.u8();
    Path file = null;
    if ((options & NAMED) != 0) {
      file = Files.createTempFile("vesper-fuzz", ".image");
      Files.write(file, image);
    }
    try (Disk d = open(options, image, file)) {
      access(d, accesses, image);
      d.flush();
    } catch (IOException e) {
      // The image is refused, or the disk says that it is broken.
      Refusals.requireLine(e);
    } finally {
      if (file != null) {
        Files.delete(file);
      }
    }
  }

  /** Writes what the image begins with, which is no raw disk's to begin with. */
  private static void access(Disk d, FuzzInput accesses, byte[] image) throws IOException {
    byte[] data = Arrays.copyOf(image, 8 * Disk.SECTOR);
    while (accesses.more()) {
      long sectors = d.sectors();
      long sector = accesses.u16();
      int kind = accesses.u16();
      int n = 1 + (kind >> 5 & 7);
      // As devices do, which refuse what lies behind the end.
      if (sectors < n) {
        return;
      }
      sector = kind % 4 > 1 ? sectors - n : Math.min(sector, sectors - n);
      try {
        if ((kind & 1) == 0) {
          d.read(sector, new byte[8 * Disk.SECTOR], n * Disk.SECTOR);
        } else if (!d.readOnly()) {
          d.write(sector, data, n * Disk.SECTOR);
        }
      } catch (IOException e) {
        // As a guest that goes on after an error.
        Refusals.requireLine(e);
      }
      d.work();
    }
  }
}
