package dev.vesper.machine.vmm;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.memory.HostView;

/** What the host answers a request with: fields of the guest's page, all of eight bytes. */
final class GhcbAnswer {
  private static final GhcbField[] FIELDS = GhcbField.values();

  private final long[] values = new long[FIELDS.length];

  /** Which of them the host gives: see {@link GhcbField#mask()}. */
  private int given;

  private final int[] at = new int[FIELDS.length + 2];
  private final long[] written = new long[FIELDS.length + 2];

  void clear() {
    given = 0;
  }

  void put(GhcbField f, long value) {
    values[f.ordinal()] = value;
    given |= f.mask();
  }

  /**
   * Writes the fields in their order, and then the valid bitmap, which has them alone.
   *
   * @param gpa of the page
   */
  void writeTo(HostView memory, long gpa) {
    long low = 0;
    long high = 0;
    int n = 0;
    for (int rest = given; rest != 0; rest &= rest - 1) {
      int i = Integer.numberOfTrailingZeros(rest);
      GhcbField f = FIELDS[i];
      at[n] = f.offset;
      written[n++] = values[i];
      int bit = f.bit();
      if (bit < 64) {
        low |= 1L << bit;
      } else {
        high |= 1L << bit - 64;
      }
    }
    at[n] = GhcbPage.VALID_BITMAP;
    written[n++] = low;
    at[n] = GhcbPage.VALID_BITMAP + 8;
    written[n++] = high;
    memory.writeLongs(gpa, at, written, n);
  }
}
