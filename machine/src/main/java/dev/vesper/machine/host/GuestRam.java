package dev.vesper.machine.host;

/**
 * Where guest RAM lies in guest physical memory: from address 0 on up to a hole in which devices
 * and firmware are, and the rest from 4 GiB on.
 *
 * @param below4G bytes from address 0 on, a multiple of 4096, 4 GiB at most
 * @param above4G bytes from 4 GiB on, a multiple of 4096
 */
public record GuestRam(long below4G, long above4G) {
  /** Where the upper part begins. */
  public static final long FOUR_GIB = 1L << 32;

  /** Makes a layout. */
  public GuestRam {
    assert below4G >= 0 && below4G <= FOUR_GIB && above4G >= 0 : below4G + ", " + above4G;
    assert ((below4G | above4G) & 0xFFF) == 0 : below4G + ", " + above4G;
  }

  /** {@return RAM in one piece} */
  public static GuestRam below(long bytes) {
    return new GuestRam(bytes, 0);
  }

  /**
   * {@return RAM that is cut in two if there is more than fits below the hole}
   *
   * @param hole guest physical address where it begins
   */
  public static GuestRam split(long bytes, long hole) {
    long low = Math.min(bytes, hole);
    return new GuestRam(low, bytes - low);
  }

  /** {@return bytes of both parts} */
  public long bytes() {
    return below4G + above4G;
  }

  /** {@return the address behind the last byte} */
  public long end() {
    return above4G == 0 ? below4G : FOUR_GIB + above4G;
  }

  /** {@return whether a range lies in one of the parts} */
  public boolean contains(long address, long length) {
    if (address < 0 || length < 0) {
      return false;
    }
    long end = address < FOUR_GIB || above4G == 0 ? below4G : end();
    return address <= end && length <= end - address;
  }

  /** {@return whether a page is RAM, by its number, which may be anything} */
  public boolean hasPage(long frame) {
    return frame >= 0
        && (frame < below4G >>> 12
            || frame >= FOUR_GIB >>> 12 && frame < FOUR_GIB + above4G >>> 12);
  }
}
