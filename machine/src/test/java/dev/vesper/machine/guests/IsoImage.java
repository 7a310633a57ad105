package dev.vesper.machine.guests;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/**
 * An ISO 9660 volume of one folder (ECMA-119), which UEFI firmware finds a file system to boot from
 * in (El Torito 1.0, without emulation).
 */
final class IsoImage {
  private static final int BLOCK = 2048;
  private static final int VOLUME = 16;
  private static final int BOOT_RECORD = 17;
  private static final int TERMINATOR = 18;
  private static final int CATALOG = 19;
  private static final int PATHS_LITTLE = 20;
  private static final int PATHS_BIG = 21;
  private static final int ROOT = 22;
  private static final int FIRST_FILE = 23;
  private static final int PATHS_BYTES = 10;
  private static final int FOLDER = 2;

  private IsoImage() {}

  private static ByteBuffer at(byte[] image, int block) {
    return ByteBuffer.wrap(image, block * BLOCK, BLOCK).slice().order(ByteOrder.LITTLE_ENDIAN);
  }

  /** A number in both orders of bytes. */
  private static void both(ByteBuffer b, int at, int v) {
    b.putInt(at, v).putInt(at + 4, Integer.reverseBytes(v));
  }

  private static byte[] record(String name, int block, int bytes, int flags) {
    byte[] n = name.getBytes(StandardCharsets.US_ASCII);
    ByteBuffer b = ByteBuffer.allocate(33 + n.length + 1 & ~1).order(ByteOrder.LITTLE_ENDIAN);
    b.put(0, (byte) b.capacity());
    both(b, 2, block);
    both(b, 10, bytes);
    b.put(18, new byte[] {127, 1, 1, 0, 0, 0, 0});
    b.put(25, (byte) flags).put(28, (byte) 1).put(31, (byte) 1);
    b.put(32, (byte) n.length).put(33, n);
    return b.array();
  }

  private static void descriptor(ByteBuffer b, int type) {
    b.put(0, (byte) type).put(1, "CD001".getBytes(StandardCharsets.US_ASCII)).put(6, (byte) 1);
  }

  /**
   * {@return an image}
   *
   * @param files by names of eight capitals, a dot and three more
   * @param boot a FAT file system to boot from, or nothing
   */
  static byte[] of(Map<String, byte[]> files, byte[] boot) {
    int next = FIRST_FILE;
    Map<String, Integer> places = new TreeMap<>();
    for (Map.Entry<String, byte[]> f : new TreeMap<>(files).entrySet()) {
      places.put(f.getKey(), next);
      next += (f.getValue().length + BLOCK - 1) / BLOCK;
    }
    int bootAt = next;
    int all = bootAt + (boot.length + BLOCK - 1) / BLOCK;
    byte[] image = new byte[all * BLOCK];
    ByteBuffer v = at(image, VOLUME);
    descriptor(v, 1);
    for (int i = 8; i < 72; i++) {
      v.put(i, (byte) ' ');
    }
    v.put(40, "VESPER".getBytes(StandardCharsets.US_ASCII));
    both(v, 80, all);
    for (int size : new int[] {120, 124}) {
      v.put(size, (byte) 1).put(size + 3, (byte) 1);
    }
    v.putShort(128, (short) BLOCK).put(130, new byte[] {8, 0});
    both(v, 132, PATHS_BYTES);
    v.putInt(140, PATHS_LITTLE).putInt(148, Integer.reverseBytes(PATHS_BIG));
    v.put(156, record("\0", ROOT, BLOCK, FOLDER)).put(881, (byte) 1);
    at(image, PATHS_LITTLE).put(0, (byte) 1).putInt(2, ROOT).put(6, (byte) 1);
    at(image, PATHS_BIG).put(0, (byte) 1).put(5, (byte) ROOT).put(7, (byte) 1);
    descriptor(at(image, TERMINATOR), 255);
    ByteBuffer root = at(image, ROOT);
    root.put(record("\0", ROOT, BLOCK, FOLDER)).put(record("\1", ROOT, BLOCK, FOLDER));
    places.forEach(
        (name, place) -> {
          byte[] content = files.get(name);
          root.put(record(name + ";1", place, content.length, 0));
          System.arraycopy(content, 0, image, place * BLOCK, content.length);
        });
    if (boot.length > 0) {
      System.arraycopy(boot, 0, image, bootAt * BLOCK, boot.length);
      bootable(image, bootAt);
    } else {
      descriptor(at(image, BOOT_RECORD), 255);
    }
    return image;
  }

  private static void bootable(byte[] image, int place) {
    ByteBuffer r = at(image, BOOT_RECORD);
    descriptor(r, 0);
    r.put(7, "EL TORITO SPECIFICATION".getBytes(StandardCharsets.US_ASCII)).putInt(71, CATALOG);
    // The platform is EFI; all words of the entry add up to 0.
    ByteBuffer c = at(image, CATALOG);
    c.put(0, (byte) 1).put(1, (byte) 0xEF).putShort(30, (short) 0xAA55);
    c.putShort(28, (short) -(0xEF01 + 0xAA55));
    // Bootable, no emulation, to the end of the volume.
    c.put(32, (byte) 0x88).putShort(38, (short) 1).putInt(40, place);
  }
}
