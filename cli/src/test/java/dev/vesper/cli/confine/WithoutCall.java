package dev.vesper.cli.confine;

import dev.vesper.cli.Main;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;

/**
 * The command where the system refuses a call. Arguments: the call's number on this kind of
 * computer, and the command line.
 */
public final class WithoutCall {
  private static final int SET_NO_NEW_PRIVS = 38;
  private static final int SET_MODE_FILTER = 1;
  private static final int ALL_THREADS = 1;
  private static final int EPERM = 1;

  private WithoutCall() {}

  /** Runs the command. */
  public static void main(String[] args) {
    Architecture here = Architecture.here();
    if (here == null) {
      throw new IllegalStateException("there is nothing to refuse calls with");
    }
    SystemCalls system = new SystemCalls(here, false);
    List<SeccompFilter.Insn> program =
        List.of(
            new SeccompFilter.Insn(SeccompFilter.LOAD, 0, 0, SeccompFilter.NUMBER),
            new SeccompFilter.Insn(SeccompFilter.JUMP_EQUAL, 0, 1, Integer.parseInt(args[0])),
            new SeccompFilter.Insn(SeccompFilter.RETURN, 0, 0, SeccompFilter.ERRNO | EPERM),
            new SeccompFilter.Insn(SeccompFilter.RETURN, 0, 0, SeccompFilter.ALLOW));
    try (Arena arena = Arena.ofConfined()) {
      SystemCalls.Structure code = SystemCalls.Structure.of(arena, 8 * program.size());
      for (SeccompFilter.Insn n : program) {
        code.bytes().putShort((short) n.code()).put((byte) n.yes()).put((byte) n.no());
        code.bytes().putInt(n.value());
      }
      SystemCalls.Structure head = SystemCalls.Structure.of(arena, 16);
      head.bytes().putShort((short) program.size()).position(8);
      head.bytes().putLong(code.address());
      system.call(SystemCall.PRCTL, SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      long r = system.call(SystemCall.SECCOMP, SET_MODE_FILTER, ALL_THREADS, head.address(), 0, 0);
      if (r != 0) {
        throw new IllegalStateException("no seccomp here");
      }
    }
    Main.main(Arrays.copyOfRange(args, 1, args.length));
  }
}
