package dev.vesper.machine.memory;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One 4 KiB page of system memory, stored in the encryption domain that touched it last. Its bytes
 * lie outside the Java heap, at an address that stays.
 *
 * <p>Fields are public because the processor's fast paths work on them directly.
 */
public final class Page {
  /** Bytes in a page. */
  public static final int SIZE = 4096;

  /** The domain of the host, of devices and of accesses with the C-bit clear. */
  public static final int SHARED = 0;

  /** Little-endian view of arrays, such as copies of a page: 64 bits. */
  public static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN)
          .withInvokeExactBehavior();

  /** 32-bit view. */
  public static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN)
          .withInvokeExactBehavior();

  /** 16-bit view. */
  public static final VarHandle SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN)
          .withInvokeExactBehavior();

  /**
   * Address in this process of the contents as seen from {@link #domain}, a multiple of {@link
   * #SIZE}. Whoever uses it keeps the page reachable.
   */
  public final long address;

  /** What the bytes lie in: they are freed when the last page of it can no longer be reached. */
  @SuppressWarnings("UnusedVariable")
  private final transient MemorySegment chunk;

  /** Page frame number. */
  public final int frame;

  /** {@link #SHARED} or the key that the bytes are plain under. */
  transient int domain;

  /** {@return whether it was touched last as {@link #SHARED}} */
  public boolean isShared() {
    return domain == SHARED;
  }

  /**
   * Decoded code of the page, owned by the processor, or null. It outlives the bytes that it was
   * decoded from: what of it is good says {@link #codeVersion}.
   */
  public transient @Nullable Object code;

  /** One bit per 64-byte line that {@link #code} was decoded from. */
  public transient long codeLines;

  /**
   * One bit per byte that {@link #code} was decoded from. Programs keep variables beside their
   * code, and must not have it decoded anew each time that they write to one.
   */
  private transient long @Nullable [] codeBytes;

  /** An observer wants to know of every access: fast paths leave such a page alone. */
  public transient boolean watched;

  /**
   * Writes bytes that somebody has and the page does not have yet, or null. It is called, once,
   * before anybody else looks at the page.
   */
  private transient @Nullable Runnable late;

  /** Says that the bytes come when somebody needs them. */
  public void promise(Runnable writer) {
    changes();
    late = writer;
  }

  /** {@return whether bytes were promised that nobody has needed yet} */
  public boolean isPromised() {
    return late != null;
  }

  /** {@return whether nobody has needed the bytes that were promised; they never come then} */
  public boolean takeBack() {
    boolean unneeded = late != null;
    late = null;
    return unneeded;
  }

  /** Has the bytes written that were promised. */
  public void keepPromise() {
    Runnable writer = late;
    if (writer != null) {
      late = null;
      writer.run();
    }
  }

  /** Goes up each time that bytes change which {@link #code} was decoded from. */
  public transient int codeVersion;

  /** Set while the bytes are those of its newest moment: see {@link #changes}. */
  transient @Nullable MemoryMoments moments;

  /** Of {@link MemoryMoments}. */
  transient int restored;

  /**
   * Must precede every change of the bytes or their domain: a moment that memory can be taken back
   * to may need them as they are. The methods of this class call it themselves.
   */
  public void changes() {
    MemoryMoments m = moments;
    if (m != null) {
      m.keep(this);
    }
  }

  /** {@return whether a change is still to be told by {@link #changes}} */
  public boolean tellsOfChanges() {
    return moments != null;
  }

  Page(int frame, MemorySegment chunk, long address) {
    this.frame = frame;
    this.chunk = chunk;
    this.address = address;
  }

  /** {@return a page of another number in the same memory, which this one no longer uses} */
  Page successor(int number) {
    return new Page(number, chunk, address);
  }

  /** {@return the address of some bytes that lie in the page} */
  private long at(int offset, int bytes) {
    assert 0 <= offset && 0 <= bytes && offset <= SIZE - bytes : offset;
    return address + offset;
  }

  /** {@return the same of bytes that are about to change} */
  private long changing(int offset, int bytes) {
    changes();
    return at(offset, bytes);
  }

  /** {@return the byte at an offset, zero-extended} */
  public int get8(int offset) {
    return RawMemory.get8(at(offset, 1));
  }

  /** {@return two bytes at an offset, little-endian, zero-extended} */
  public int get16(int offset) {
    return RawMemory.get16(at(offset, 2));
  }

  /** {@return four bytes at an offset, little-endian} */
  public int get32(int offset) {
    return RawMemory.get32(at(offset, 4));
  }

  /** {@return eight bytes at an offset, little-endian} */
  public long get64(int offset) {
    return RawMemory.get64(at(offset, 8));
  }

  /** Writes the low byte of a number at an offset. */
  public void put8(int offset, int v) {
    RawMemory.put8(changing(offset, 1), v);
  }

  /** Writes the low two bytes of a number at an offset, little-endian. */
  public void put16(int offset, int v) {
    RawMemory.put16(changing(offset, 2), v);
  }

  /** Writes four bytes at an offset, little-endian. */
  public void put32(int offset, int v) {
    RawMemory.put32(changing(offset, 4), v);
  }

  /** Writes eight bytes at an offset, little-endian. */
  public void put64(int offset, long v) {
    RawMemory.put64(changing(offset, 8), v);
  }

  /** Copies bytes from an offset on into an array. */
  public void copyTo(int offset, byte[] to, int start, int bytes) {
    RawMemory.copy(at(offset, bytes), to, start, bytes);
  }

  /** Copies a part of an array to an offset. */
  public void copyFrom(int offset, byte[] from, int start, int bytes) {
    RawMemory.copy(from, start, changing(offset, bytes), bytes);
  }

  /** Copies bytes from an offset on to an offset of a page, which may be this one. */
  public void copyTo(int offset, Page to, int start, int bytes) {
    RawMemory.move(at(offset, bytes), to.changing(start, bytes), bytes);
  }

  /** Gives bytes from an offset on one value. */
  public void fill(int offset, int bytes, byte value) {
    RawMemory.fill(changing(offset, bytes), bytes, value);
  }

  /** {@return a copy of all bytes} */
  public byte[] bytes() {
    byte[] b = new byte[SIZE];
    copyTo(0, b, 0, SIZE);
    return b;
  }

  /** Notes that code is decoded from the bytes at {@code from} up to before {@code to}. */
  public void markCode(int from, int to) {
    long[] marks = codeBytes;
    if (marks == null) {
      marks = new long[SIZE / Long.SIZE];
      codeBytes = marks;
    }
    for (int i = from; i < to; i++) {
      marks[i >> 6] |= 1L << i;
    }
    for (int l = from >> 6; l <= to - 1 >> 6; l++) {
      codeLines |= 1L << l;
    }
  }

  /** {@return whether {@link #code} was decoded from one of so many bytes at an offset} */
  public boolean isCode(int offset, int bytes) {
    long[] marks = codeBytes;
    if (codeLines == 0 || marks == null) {
      return false;
    }
    for (int i = offset; i < offset + bytes; i++) {
      if ((marks[i >> 6] >>> i & 1) != 0) {
        return true;
      }
    }
    return false;
  }

  /**
   * {@return whether bytes that {@link #code} was decoded from are others in a copy of the page}
   */
  boolean codeDiffers(byte[] copy) {
    for (int o = 0; o < SIZE; o += Long.BYTES) {
      long differing = get64(o) ^ (long) LONG.get(copy, o);
      for (int i = o; differing != 0; i++, differing >>>= 8) {
        if ((differing & 0xFF) != 0 && isCode(i, 1)) {
          return true;
        }
      }
    }
    return false;
  }

  /** Decoded code is no longer good because the bytes changed. */
  public void dropCode() {
    long[] marks = codeBytes;
    if (codeLines != 0 && marks != null) {
      Arrays.fill(marks, 0);
    }
    codeLines = 0;
    codeVersion++;
  }
}
