package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.device.MemoryStorage;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.Qcow2Disk;
import dev.vesper.machine.device.disk.SnapshotDisk;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.zip.Deflater;

/** A qcow2 image, with a few accesses in front: sector, and whether it is written. */
public final class Qcow2Target implements FuzzTarget {
  private static final int ACCESSES = 6;
  private static final int HEAD = 4 * ACCESSES;
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
  public List<byte[]> seeds() {
    return List.of(image(2, false), image(3, false), image(3, true));
  }

  /** Clusters of 512 bytes: header, refcount table and block, L1, L2, data. */
  private static byte[] image(int version, boolean compressed) {
    Words w = new Words();
    for (int i = 0; i < ACCESSES; i++) {
      w.u16(i / 2, i & 1);
    }
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
    return w.bytes(h.done()).done();
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

  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    FuzzInput accesses = new FuzzInput(in.bytes(HEAD));
    byte[] file = in.rest();
    try {
      boolean snapshot = accesses.u8() % 4 == 3;
      Disk d = new Qcow2Disk(new MemoryStorage(file, LARGEST_FILE), snapshot);
      try (Disk used = snapshot ? new SnapshotDisk(d) : d) {
        byte[] data = new byte[8 * Disk.SECTOR];
        while (accesses.more()) {
          long sectors = used.sectors();
          long sector = accesses.u16();
          int kind = accesses.u8();
          int n = Math.min(1 + (kind >> 5), 8);
          // As devices do, which refuse what lies behind the end.
          if (sectors < n) {
            return;
          }
          sector = kind % 4 > 1 ? sectors - n : Math.min(sector, sectors - n);
          if ((kind & 1) == 0) {
            used.read(sector, data, n * Disk.SECTOR);
          } else if (!used.readOnly()) {
            used.write(sector, data, n * Disk.SECTOR);
          }
        }
        used.flush();
      }
    } catch (IOException e) {
      // The image is refused, or the disk says that it is broken.
    }
  }
}
