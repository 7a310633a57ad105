package dev.vesper.machine.memory;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * System calls of Linux by their number, through the C library's {@code syscall}: one function is
 * linked for all of them, because that takes longer than all calls of a run. Numbers differ from
 * processor to processor: who calls knows them.
 */
public final class SystemCall {
  /** What a failed call gives. */
  public static final long FAILED = -1;

  private static final MethodHandle SYSCALL = link();

  private SystemCall() {}

  private static MethodHandle link() {
    Linker l = Linker.nativeLinker();
    ValueLayout.OfLong word = ValueLayout.JAVA_LONG;
    return l.downcallHandle(
        l.defaultLookup().findOrThrow("syscall"),
        FunctionDescriptor.of(word, word, word, word, word, word, word, word),
        Linker.Option.firstVariadicArg(1));
  }

  /** {@return what a call gives, or {@link #FAILED}; arguments that it does not have are 0} */
  public static long call(long number, long a, long b, long c, long d, long e, long f) {
    try {
      return (long) SYSCALL.invokeExact(number, a, b, c, d, e, f);
    } catch (RuntimeException | Error x) {
      throw x;
    } catch (Throwable x) {
      throw new IllegalStateException(x);
    }
  }
}
