package dev.vesper.machine.device;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.Qcow2Disk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.zip.Deflater;

/** What takes disk images apart, an input a call: a fuzzer calls this. */
public final class DiskInputs {
  private static final int MOST = 8 << 20;

  private DiskInputs() {}

  /** Reads and writes some sectors of an image. */
  public static void qcow2(byte[] input) throws IOException {
    for (boolean readOnly : new boolean[] {true, false}) {
      try (Disk d = new Qcow2Disk(new MemoryStorage(input, MOST), readOnly)) {
        byte[] b = new byte[4096];
        for (int i = 0; i < 8; i++) {
          long s = (d.sectors() - 8) / 7 * i;
          if (s < 0 || s > d.sectors() - 8) {
            break;
          }
          d.read(s, b, b.length);
          if (!readOnly) {
            d.write(s, b, b.length);
            d.flush();
          }
        }
      }
    }
  }

  /** {@return an image of 1 MiB with clusters of 512 bytes: data, zeroes, deflated} */
  public static byte[] seed() {
    ByteBuffer b = ByteBuffer.allocate(0x1600);
    b.putInt(0x5146_49FB).putInt(3).putLong(0).putInt(0).putInt(9).putLong(1 << 20).putInt(0);
    b.putInt(32).putLong(0x200).putLong(0x400).putInt(1).putInt(96, 4).putInt(100, 104);
    b.putLong(0x200, 0x800 | 1L << 63).putLong(0x400, 0x600);
    for (int i = 0; i < 11; i++) {
      b.putShort(0x600 + 2 * i, (short) 1);
    }
    byte[] deflated = new byte[512];
    Deflater d = new Deflater(9, true);
    d.setInput(new byte[512]);
    d.finish();
    d.deflate(deflated);
    d.end();
    b.put(0xA00, deflated);
    b.putLong(0x800, 0x1000 | 1L << 63).putLong(0x808, 0x1200 | 1L << 63 | 1);
    b.putLong(0x810, 1L << 62 | 0xA00);
    return b.array();
  }
}
