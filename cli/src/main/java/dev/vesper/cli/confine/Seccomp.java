package dev.vesper.cli.confine;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** Seccomp: every thread of the process, those of the JVM among them, is held to a filter. */
final class Seccomp {
  private static final int SET_MODE_FILTER = 1;
  private static final int TSYNC = 1;

  /** Without it older kernels slow down all code of the process against Spectre 2 and 4. */
  private static final int SPEC_ALLOW = 4;

  private static final int INSTRUCTION_BYTES = 8;

  private final SystemCalls system;

  Seccomp(SystemCalls system) {
    this.system = system;
  }

  /**
   * Restricts all threads.
   *
   * @throws Refused if the system does not do it
   */
  void restrict(Policy p) throws Refused {
    int pid = (int) system.call(SystemCall.GETPID, 0, 0, 0, 0, 0);
    List<SeccompFilter.Insn> program = SeccompFilter.program(system.architecture, p, pid);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment code = arena.allocate((long) program.size() * INSTRUCTION_BYTES, 8);
      for (int i = 0; i < program.size(); i++) {
        SeccompFilter.Insn n = program.get(i);
        long at = (long) i * INSTRUCTION_BYTES;
        code.set(ValueLayout.JAVA_SHORT, at, (short) n.code());
        code.set(ValueLayout.JAVA_BYTE, at + 2, (byte) n.yes());
        code.set(ValueLayout.JAVA_BYTE, at + 3, (byte) n.no());
        code.set(ValueLayout.JAVA_INT, at + 4, n.value());
      }
      MemorySegment head = arena.allocate(16, 8);
      head.set(ValueLayout.JAVA_SHORT, 0, (short) program.size());
      head.set(ValueLayout.JAVA_LONG, 8, code.address());
      long r = set(TSYNC | SPEC_ALLOW, head);
      if (r == -SystemCalls.EINVAL) {
        r = set(TSYNC, head);
      }
      if (r > 0) {
        throw new Refused("thread " + r + " has a filter of its own");
      }
      Refused.check("seccomp", r);
    }
  }

  private long set(int flags, MemorySegment program) {
    return system.call(SystemCall.SECCOMP, SET_MODE_FILTER, flags, program.address(), 0, 0);
  }
}
