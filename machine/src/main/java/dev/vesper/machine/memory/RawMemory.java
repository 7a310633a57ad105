package dev.vesper.machine.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Memory outside the Java heap by its address in this process, little-endian and at any alignment.
 *
 * <p>Nothing is checked here: the caller has made sure that all bytes of an access lie in memory
 * that somebody keeps mapped. A wrong address ends the process, or spoils it.
 */
public final class RawMemory {
  /** Every address that a process can have. */
  private static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  /**
   * Bits that addresses have. To take these alone changes none, but HotSpot sees by it that an
   * address lies in {@link #ALL}, which it would compare twice otherwise for each access.
   */
  private static final long BITS = -1L >>> 8;

  private static final VarHandle LONG = view(ValueLayout.JAVA_LONG_UNALIGNED);
  private static final VarHandle INT = view(ValueLayout.JAVA_INT_UNALIGNED);
  private static final VarHandle SHORT = view(ValueLayout.JAVA_SHORT_UNALIGNED);
  private static final VarHandle BYTE = view(ValueLayout.JAVA_BYTE);

  private RawMemory() {}

  private static VarHandle view(ValueLayout layout) {
    return layout.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle().withInvokeExactBehavior();
  }

  /** {@return one byte, zero-extended; the caller has checked the address} */
  public static int get8(long address) {
    return (byte) BYTE.get(ALL, address & BITS) & 0xFF;
  }

  /** {@return two bytes, zero-extended; the caller has checked the range} */
  public static int get16(long address) {
    return (short) SHORT.get(ALL, address & BITS) & 0xFFFF;
  }

  /** {@return four bytes; the caller has checked the range} */
  public static int get32(long address) {
    return (int) INT.get(ALL, address & BITS);
  }

  /** {@return eight bytes; the caller has checked the range} */
  public static long get64(long address) {
    return (long) LONG.get(ALL, address & BITS);
  }

  /** Writes the low byte of a number; the caller has checked the address. */
  public static void put8(long address, int v) {
    BYTE.set(ALL, address & BITS, (byte) v);
  }

  /** Writes the low two bytes of a number; the caller has checked the range. */
  public static void put16(long address, int v) {
    SHORT.set(ALL, address & BITS, (short) v);
  }

  /** Writes four bytes; the caller has checked the range. */
  public static void put32(long address, int v) {
    INT.set(ALL, address & BITS, v);
  }

  /** Writes eight bytes; the caller has checked the range. */
  public static void put64(long address, long v) {
    LONG.set(ALL, address & BITS, v);
  }

  /** Copies bytes into an array; the caller has checked the range of addresses. */
  public static void copy(long from, byte[] to, int offset, int bytes) {
    MemorySegment.copy(ALL, ValueLayout.JAVA_BYTE, from, to, offset, bytes);
  }

  /** Copies bytes out of an array; the caller has checked the range of addresses. */
  public static void copy(byte[] from, int offset, long to, int bytes) {
    MemorySegment.copy(from, offset, ALL, ValueLayout.JAVA_BYTE, to, bytes);
  }

  /** Copies bytes whose ranges may overlap; the caller has checked both. */
  public static void move(long from, long to, int bytes) {
    MemorySegment.copy(ALL, from, ALL, to, bytes);
  }

  /** Gives all bytes of a range one value; the caller has checked the range. */
  public static void fill(long address, int bytes, byte value) {
    ALL.asSlice(address, bytes).fill(value);
  }
}
