package dev.vesper.machine.cpu.jit;

import dev.vesper.machine.memory.RawMemory;

/**
 * Guest memory as translated code reaches it: a test whether the TLB has all bytes, then the access
 * itself, which cannot fail. Small, so that HotSpot puts them in line. Tables are those of the
 * processor's TLB, by their addresses.
 */
final class Access {
  private static final long PAGE = -4096L;

  private Access() {}

  /** {@return the entry of a linear address in a table: 65,536 entries of eight bytes} */
  private static long entry(long table, long la) {
    return RawMemory.get64(table + (la >>> 9 & 0x7_FFF8));
  }

  static boolean hit1(long tags, long la) {
    return (la + entry(tags, la) & PAGE) == 0;
  }

  static boolean hit2(long tags, long la) {
    return (la + entry(tags, la) + 1 & PAGE) == 0;
  }

  static boolean hit4(long tags, long la) {
    return (la + entry(tags, la) + 3 & PAGE) == 0;
  }

  static boolean hit8(long tags, long la) {
    return (la + entry(tags, la) + 7 & PAGE) == 0;
  }

  static boolean hit16(long tags, long la) {
    return (la + entry(tags, la) + 15 & PAGE) == 0;
  }

  /** Sign-extended. */
  static long get1(long host, long la) {
    return (byte) RawMemory.get8(entry(host, la) + la);
  }

  static long get2(long host, long la) {
    return (short) RawMemory.get16(entry(host, la) + la);
  }

  static long get4(long host, long la) {
    return RawMemory.get32(entry(host, la) + la);
  }

  static long get8(long host, long la) {
    return RawMemory.get64(entry(host, la) + la);
  }

  static void put1(long host, long la, long v) {
    RawMemory.put8(entry(host, la) + la, (int) v);
  }

  static void put2(long host, long la, long v) {
    RawMemory.put16(entry(host, la) + la, (int) v);
  }

  static void put4(long host, long la, long v) {
    RawMemory.put32(entry(host, la) + la, (int) v);
  }

  static void put8(long host, long la, long v) {
    RawMemory.put64(entry(host, la) + la, v);
  }
}
