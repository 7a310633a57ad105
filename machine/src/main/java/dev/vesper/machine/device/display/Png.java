package dev.vesper.machine.device.display;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.Deflater;

/** Pictures in the PNG format (RFC 2083), three bytes a pixel. */
final class Png {
  private static final byte[] SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', 13, 10, 26, 10};

  private Png() {}

  /**
   * {@return a file}
   *
   * @param pixels row by row, red in bits 23:16, green in 15:8, blue in 7:0
   */
  static byte[] of(int width, int height, int[] pixels) {
    ByteBuffer raw = ByteBuffer.allocate(height * (1 + 3 * width));
    for (int y = 0; y < height; y++) {
      raw.put((byte) 0);
      for (int x = 0; x < width; x++) {
        int p = pixels[y * width + x];
        raw.put((byte) (p >> 16)).put((byte) (p >> 8)).put((byte) p);
      }
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(SIGNATURE);
    ByteBuffer header = ByteBuffer.allocate(13).putInt(width).putInt(height);
    chunk(out, "IHDR", header.put((byte) 8).put((byte) 2).array());
    chunk(out, "IDAT", deflated(raw.array()));
    chunk(out, "IEND", new byte[0]);
    return out.toByteArray();
  }

  private static byte[] deflated(byte[] raw) {
    Deflater d = new Deflater();
    try {
      d.setInput(raw);
      d.finish();
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      byte[] b = new byte[1 << 16];
      while (!d.finished()) {
        out.write(b, 0, d.deflate(b));
      }
      return out.toByteArray();
    } finally {
      d.end();
    }
  }

  private static void chunk(ByteArrayOutputStream out, String type, byte[] data) {
    byte[] name = type.getBytes(StandardCharsets.US_ASCII);
    CRC32 crc = new CRC32();
    crc.update(name);
    crc.update(data);
    out.writeBytes(ByteBuffer.allocate(4).putInt(data.length).array());
    out.writeBytes(name);
    out.writeBytes(data);
    out.writeBytes(ByteBuffer.allocate(4).putInt((int) crc.getValue()).array());
  }
}
