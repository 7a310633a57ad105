package dev.vesper.machine.memory;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * A function outside Java that takes up to seven words and gives one, or leaves that open. All have
 * one type, because what Java links is linked for each type anew, which takes longer than all calls
 * of a run.
 */
public final class NativeFunction {
  private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG;

  private static final FunctionDescriptor TYPE =
      FunctionDescriptor.of(WORD, WORD, WORD, WORD, WORD, WORD, WORD, WORD);

  private final MethodHandle handle;

  private NativeFunction(MethodHandle handle) {
    this.handle = handle;
  }

  /** {@return the function at an address} */
  public static NativeFunction at(MemorySegment address) {
    return new NativeFunction(Linker.nativeLinker().downcallHandle(address, TYPE));
  }

  /** {@return what the function gives; arguments that it does not have are 0} */
  public long call(long a, long b, long c, long d, long e, long f, long g) {
    try {
      return (long) handle.invokeExact(a, b, c, d, e, f, g);
    } catch (RuntimeException | Error x) {
      throw x;
    } catch (Throwable x) {
      throw new IllegalStateException(x);
    }
  }

  /** {@return the same for three arguments} */
  public long call(long a, long b, long c) {
    return call(a, b, c, 0, 0, 0, 0);
  }
}
