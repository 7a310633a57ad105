package dev.vesper.machine.device;

import java.util.ArrayDeque;

/**
 * The keys of a PS/2 keyboard and its buffer of 16 bytes (IBM PS/2 technical reference, keyboards):
 * make and break codes of scan code set 1 or 2. What the controller makes of set 2 is {@link
 * #translated}.
 */
final class Ps2Keys {
  /** The keyboard's buffer. */
  private static final int MOST = 16;

  private static final int BREAK = 0xF0;
  private static final int EXTENDED = 0xE0;
  private static final int RELEASED = 0x80;

  /** Codes of set 1 for those of set 2 below 80h, as controllers translate them. */
  private static final int[] SET_1 = {
    0xFF, 0x43, 0x41, 0x3F, 0x3D, 0x3B, 0x3C, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3E, 0x0F, 0x29, 0x59,
    0x65, 0x38, 0x2A, 0x70, 0x1D, 0x10, 0x02, 0x5A, 0x66, 0x71, 0x2C, 0x1F, 0x1E, 0x11, 0x03, 0x5B,
    0x67, 0x2E, 0x2D, 0x20, 0x12, 0x05, 0x04, 0x5C, 0x68, 0x39, 0x2F, 0x21, 0x14, 0x13, 0x06, 0x5D,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5E, 0x6A, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5F,
    0x6B, 0x33, 0x25, 0x17, 0x18, 0x0B, 0x0A, 0x60, 0x6C, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0C, 0x61,
    0x6D, 0x73, 0x28, 0x74, 0x1A, 0x0D, 0x62, 0x6E, 0x3A, 0x36, 0x1C, 0x1B, 0x75, 0x2B, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7A, 0x0E, 0x7B, 0x7C, 0x4F, 0x7D, 0x4B, 0x47, 0x7E, 0x7F, 0x6F,
    0x52, 0x53, 0x50, 0x4C, 0x4D, 0x48, 0x01, 0x45, 0x57, 0x4E, 0x51, 0x4A, 0x37, 0x49, 0x46, 0x54
  };

  /** F7 and the key of system requests, whose codes of set 2 are above. */
  private static final int F7 = 0x83;

  private static final int F7_SET_1 = 0x41;
  private static final int SYSTEM_REQUEST = 0x84;
  private static final int SYSTEM_REQUEST_SET_1 = 0x54;

  private static final int[] SET_2 = new int[128];

  static {
    for (int i = SET_1.length - 1; i > 0; i--) {
      SET_2[SET_1[i]] = i;
    }
    SET_2[F7_SET_1] = F7;
    SET_2[SYSTEM_REQUEST_SET_1] = SYSTEM_REQUEST;
  }

  private final ArrayDeque<Integer> buffer = new ArrayDeque<>();
  private int set = 2;

  /** The translated code that follows is that of a release. */
  private boolean released;

  /** {@return the scan code set, 1 or 2} */
  int set() {
    return set;
  }

  /** Chooses a scan code set. */
  void choose(int number) {
    set = number;
  }

  /** What is in the buffer is forgotten. */
  void clear() {
    buffer.clear();
    released = false;
  }

  /**
   * A key goes down or up.
   *
   * @param key its make code of set 1, E0 as 0xE000
   */
  void press(int key, boolean down) {
    boolean extended = key > 0xFF;
    int code = key & 0x7F;
    int bytes = (extended ? 1 : 0) + (down || set == 1 ? 1 : 2);
    if (buffer.size() + bytes > MOST) {
      if (buffer.size() <= MOST) {
        // Overrun: what is lost is told once.
        buffer.add(set == 1 ? 0xFF : 0);
      }
      return;
    }
    if (extended) {
      buffer.add(EXTENDED);
    }
    if (set == 1) {
      buffer.add(down ? code : code | RELEASED);
      return;
    }
    if (!down) {
      buffer.add(BREAK);
    }
    buffer.add(SET_2[code]);
  }

  /** {@return the next byte of the buffer, or -1} */
  int next() {
    Integer b = buffer.poll();
    return b == null ? -1 : b;
  }

  /** {@return the next byte as a controller translates it from set 2, or -1} */
  int translated() {
    int b = next();
    if (b == BREAK) {
      released = true;
      b = next();
    }
    if (b < 0 || b == EXTENDED) {
      return b;
    }
    int code = b == F7 ? F7_SET_1 : b == SYSTEM_REQUEST ? SYSTEM_REQUEST_SET_1 : b;
    int up = released ? RELEASED : 0;
    released = false;
    return b < 0x80 ? SET_1[b] | up : code | up;
  }
}
