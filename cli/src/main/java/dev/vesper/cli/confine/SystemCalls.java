package dev.vesper.cli.confine;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/** System calls by number, through the C library's {@code syscall}. */
final class SystemCalls {
  static final int EPERM = 1;
  static final int EINVAL = 22;
  static final int ENOSYS = 38;
  static final int EOPNOTSUPP = 95;

  private static final StructLayout STATE = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));

  /**
   * All arguments are registers: one handle serves every call, which is what a start pays for. Its
   * arguments are where errno goes, the number, and five more.
   */
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
        Linker.Option.captureCallState("errno"),
        Linker.Option.firstVariadicArg(1));
  }

  /** {@return what a call gives, or minus its errno} */
  long call(SystemCall c, long a, long b, long third, long d, long e) {
    long r = make(rehearsed && restricts(c) ? SystemCall.GETPID : c, a, b, third, d, e);
    return rehearsed && restricts(c) ? 0 : r;
  }

  private static boolean restricts(SystemCall c) {
    return switch (c) {
      case PRCTL, SECCOMP, LANDLOCK_RESTRICT_SELF -> true;
      default -> false;
    };
  }

  private long make(SystemCall c, long a, long b, long third, long d, long e) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(STATE);
      long r = (long) SYSCALL.invokeExact(state, (long) c.number(architecture), a, b, third, d, e);
      return r == -1 ? -(int) ERRNO.get(state, 0L) : r;
    } catch (RuntimeException | Error x) {
      throw x;
    } catch (Throwable x) {
      throw new IllegalStateException(x);
    }
  }
}
