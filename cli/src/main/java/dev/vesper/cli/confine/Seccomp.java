package dev.vesper.cli.confine;

import java.lang.foreign.Arena;
import java.util.List;

/** Seccomp: every thread of the process, those of the JVM among them, is held to a filter. */
final class Seccomp {
  private static final int SET_MODE_FILTER = 1;
  private static final int TSYNC = 1;

  /** Without it older kernels slow down all code of the process against Spectre 2 and 4. */
  private static final int SPEC_ALLOW = 4;

  private static final int INSTRUCTION_BYTES = 8;

  /** {@code struct sock_fprog}: a length, padding, and where the instructions are. */
  private static final int HEAD_BYTES = 16;

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
      SystemCalls.Structure code =
          SystemCalls.Structure.of(arena, program.size() * INSTRUCTION_BYTES);
      for (SeccompFilter.Insn n : program) {
        code.bytes()
            .putShort((short) n.code())
            .put((byte) n.yes())
            .put((byte) n.no())
            .putInt(n.value());
      }
      SystemCalls.Structure head = SystemCalls.Structure.of(arena, HEAD_BYTES);
      head.bytes().putShort((short) program.size()).position(8);
      head.bytes().putLong(code.address());
      long r = set(TSYNC | SPEC_ALLOW, head);
      if (r == SystemCalls.FAILED) {
        r = set(TSYNC, head);
      }
      if (r > 0) {
        throw new Refused("thread " + r + " has a filter of its own");
      }
      Refused.check("seccomp", r);
    }
  }

  private long set(int flags, SystemCalls.Structure program) {
    return system.call(SystemCall.SECCOMP, SET_MODE_FILTER, flags, program.address(), 0, 0);
  }
}
