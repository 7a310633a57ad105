package dev.vesper.machine.memory;

import java.lang.foreign.Linker;

/**
 * System calls of Linux by their number, through the C library's {@code syscall}. Numbers differ
 * from processor to processor: who calls knows them.
 */
public final class SystemCall {
  /** What a failed call gives. */
  public static final long FAILED = -1;

  private static final NativeFunction SYSCALL =
      NativeFunction.at(Linker.nativeLinker().defaultLookup().findOrThrow("syscall"));

  private SystemCall() {}

  /** {@return what a call gives, or {@link #FAILED}; arguments that it does not have are 0} */
  public static long call(long number, long a, long b, long c, long d, long e, long f) {
    return SYSCALL.call(number, a, b, c, d, e, f);
  }
}
