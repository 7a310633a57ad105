package dev.vesper.cli.confine;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * System calls by number, through the C library's {@code syscall}. Every start pays for what is
 * linked here: there is one function of numbers, errno is not asked for, and structures are written
 * by {@link ByteBuffer}, which needs no method handles.
 */
final class SystemCalls {
  /** What a failed call gives. */
  static final long FAILED = -1;

  /** The number and five arguments. */
  private static final MethodHandle SYSCALL = link();

  final Architecture architecture;
  private final boolean rehearsed;

  /**
   * @param rehearsed calls that restrict the process are not made: they succeed
   */
  SystemCalls(Architecture a, boolean rehearsed) {
    architecture = a;
    this.rehearsed = rehearsed;
  }

  private static MethodHandle link() {
    Linker l = Linker.nativeLinker();
    ValueLayout.OfLong word = ValueLayout.JAVA_LONG;
    return l.downcallHandle(
        l.defaultLookup().findOrThrow("syscall"),
        FunctionDescriptor.of(word, word, word, word, word, word, word),
        Linker.Option.firstVariadicArg(1));
  }

  /** Links, which takes longer than all calls. */
  static void prepare() {
    assert SYSCALL.type().parameterCount() == 6;
  }

  /** {@return what a call gives; {@link #FAILED} if it fails} */
  long call(SystemCall c, long a, long b, long third, long d, long e) {
    boolean left = rehearsed && restricts(c);
    int number = (left ? SystemCall.GETPID : c).number(architecture);
    try {
      long r = (long) SYSCALL.invokeExact((long) number, a, b, third, d, e);
      return left ? 0 : r;
    } catch (RuntimeException | Error x) {
      throw x;
    } catch (Throwable x) {
      throw new IllegalStateException(x);
    }
  }

  private static boolean restricts(SystemCall c) {
    return switch (c) {
      case PRCTL, SECCOMP, LANDLOCK_RESTRICT_SELF -> true;
      default -> false;
    };
  }

  /**
   * A structure in memory.
   *
   * @param bytes to be filled in, in the computer's order
   */
  record Structure(long address, ByteBuffer bytes) {
    static Structure of(Arena arena, int bytes) {
      MemorySegment s = arena.allocate(bytes, 8);
      return new Structure(s.address(), s.asByteBuffer().order(ByteOrder.nativeOrder()));
    }
  }
}
