package dev.vesper.machine.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One 4 KiB page of system memory, stored in the encryption domain that touched it last.
 *
 * <p>Fields are public because the processor's fast paths work on them directly.
 */
public final class Page {
  /** Bytes in a page. */
  public static final int SIZE = 4096;

  /** The domain of the host, of devices and of accesses with the C-bit clear. */
  public static final int SHARED = 0;

  /** Little-endian views of {@link #data}. */
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

  /** Contents as seen from {@link #domain}. */
  public final byte[] data = new byte[SIZE];

  /** Page frame number. */
  public final int frame;

  /** {@link #SHARED} or the key that {@link #data} is plain under. */
  int domain;

  /**
   * Decoded code of the page, owned by the processor, or null. It outlives the bytes that it was
   * decoded from: what of it is good says {@link #codeVersion}.
   */
  public @Nullable Object code;

  /** One bit per 64-byte line that {@link #code} was decoded from. */
  public long codeLines;

  /**
   * One bit per byte that {@link #code} was decoded from. Programs keep variables beside their
   * code, and must not have it decoded anew each time that they write to one.
   */
  private long @Nullable [] codeBytes;

  /** An observer wants to know of every access: fast paths leave such a page alone. */
  public boolean watched;

  /** Goes up each time that bytes change which {@link #code} was decoded from. */
  public int codeVersion;

  Page(int frame) {
    this.frame = frame;
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
