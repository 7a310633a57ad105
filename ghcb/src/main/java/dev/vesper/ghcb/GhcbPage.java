package dev.vesper.ghcb;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/** A view of the 4096 bytes of a GHCB. It holds no copy: writes go to the array. */
public final class GhcbPage {
  /** Bytes in the page. */
  public static final int SIZE = 4096;

  /** Offset of the 16-byte valid bitmap. */
  public static final int VALID_BITMAP = 0x3F0;

  /** Offset of the shared buffer. */
  public static final int SHARED_BUFFER = 0x800;

  /** Bytes in the shared buffer. */
  public static final int SHARED_BUFFER_SIZE = 0x7F0;

  /** Offset of the 16-bit protocol version. */
  public static final int PROTOCOL_VERSION = 0xFFA;

  /** Offset of the 32-bit usage. */
  public static final int USAGE = 0xFFC;

  private static final GhcbField[] FIELDS = GhcbField.values();

  private final byte[] page;

  /**
   * @param page at least 4096 bytes
   */
  public GhcbPage(byte[] page) {
    if (page.length < SIZE) {
      throw new IllegalArgumentException("a GHCB has 4096 bytes, not " + page.length);
    }
    this.page = page;
  }

  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private long read(int offset, int bytes) {
    if (bytes == 8) {
      return (long) LONG.get(page, offset);
    }
    long v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      v = v << 8 | page[offset + i] & 0xFF;
    }
    return v;
  }

  private void write(int offset, int bytes, long v) {
    for (int i = 0; i < bytes; i++) {
      page[offset + i] = (byte) (v >> 8 * i);
    }
  }

  /** {@return a field, whether it is marked valid or not} */
  public long get(GhcbField f) {
    return read(f.offset, f.bytes);
  }

  /** Writes a field and leaves its valid bit. */
  public void put(GhcbField f, long v) {
    write(f.offset, f.bytes, v);
  }

  /** Writes a field and marks it valid. */
  public void set(GhcbField f, long v) {
    put(f, v);
    int b = f.bit();
    page[VALID_BITMAP + b / 8] |= (byte) (1 << b % 8);
  }

  /** {@return whether a field is marked valid} */
  public boolean isValid(GhcbField f) {
    int b = f.bit();
    return (page[VALID_BITMAP + b / 8] >> b % 8 & 1) != 0;
  }

  /**
   * {@return whether all of some fields are marked valid}
   *
   * @param masks of the fields: see {@link GhcbField#mask()}
   */
  public boolean areValid(int masks) {
    for (int rest = masks; rest != 0; rest &= rest - 1) {
      if (!isValid(FIELDS[Integer.numberOfTrailingZeros(rest)])) {
        return false;
      }
    }
    return true;
  }

  /** {@return the fields that are marked valid} */
  public Set<GhcbField> valid() {
    Set<GhcbField> s = EnumSet.noneOf(GhcbField.class);
    for (GhcbField f : FIELDS) {
      if (isValid(f)) {
        s.add(f);
      }
    }
    return s;
  }

  /** {@return the valid fields with their values} */
  public Map<GhcbField, Long> values() {
    Map<GhcbField, Long> m = new EnumMap<>(GhcbField.class);
    for (GhcbField f : valid()) {
      m.put(f, get(f));
    }
    return m;
  }

  /** Clears the valid bitmap. */
  public void clearValid() {
    java.util.Arrays.fill(page, VALID_BITMAP, VALID_BITMAP + 16, (byte) 0);
  }

  /** {@return the usage word; 0 means this layout} */
  public int usage() {
    return (int) read(USAGE, 4);
  }

  /** {@return the protocol version that the guest wrote; 0 if it wrote none} */
  public int protocolVersion() {
    return (int) read(PROTOCOL_VERSION, 2);
  }
}
