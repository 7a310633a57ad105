package dev.vesper.machine.cpu.jit;

import dev.vesper.machine.memory.Page;

/**
 * Guest memory as translated code reaches it: a test whether the TLB has all bytes, then the access
 * itself, which cannot fail. Small, so that HotSpot puts them in line.
 */
final class Access {
  private static final long PAGE = -4096L;

  private Access() {}

  /** The mask is the array's length less one, by which HotSpot sees that the index is good. */
  private static int index(long la, int length) {
    return (int) ((la >>> 12) + (la >>> 23)) & length - 1;
  }

  static boolean hit1(long[] tags, long la) {
    return tags[index(la, tags.length)] == (la & PAGE);
  }

  static boolean hit2(long[] tags, long la) {
    return tags[index(la, tags.length)] == (la + 1 & PAGE);
  }

  static boolean hit4(long[] tags, long la) {
    return tags[index(la, tags.length)] == (la + 3 & PAGE);
  }

  static boolean hit8(long[] tags, long la) {
    return tags[index(la, tags.length)] == (la + 7 & PAGE);
  }

  static boolean hit16(long[] tags, long la) {
    return tags[index(la, tags.length)] == (la + 15 & PAGE);
  }

  /** Sign-extended. */
  static long get1(byte[][] data, long la) {
    return data[index(la, data.length)][(int) la & 0xFFF];
  }

  static long get2(byte[][] data, long la) {
    return (short) Page.SHORT.get(data[index(la, data.length)], (int) la & 0xFFF);
  }

  static long get4(byte[][] data, long la) {
    return (int) Page.INT.get(data[index(la, data.length)], (int) la & 0xFFF);
  }

  static long get8(byte[][] data, long la) {
    return (long) Page.LONG.get(data[index(la, data.length)], (int) la & 0xFFF);
  }

  static void put1(byte[][] data, long la, long v) {
    data[index(la, data.length)][(int) la & 0xFFF] = (byte) v;
  }

  static void put2(byte[][] data, long la, long v) {
    Page.SHORT.set(data[index(la, data.length)], (int) la & 0xFFF, (short) v);
  }

  static void put4(byte[][] data, long la, long v) {
    Page.INT.set(data[index(la, data.length)], (int) la & 0xFFF, (int) v);
  }

  static void put8(byte[][] data, long la, long v) {
    Page.LONG.set(data[index(la, data.length)], (int) la & 0xFFF, v);
  }
}
