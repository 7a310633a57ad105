package dev.vesper.cli.confine;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A program of classic BPF that says of each system call whether it is carried out. What is refused
 * fails with an errno and kills nobody: a JVM that meets a refusal goes on as if the computer could
 * not do it.
 */
final class SeccompFilter {
  /** Return values (linux/seccomp.h). */
  static final int ALLOW = 0x7FFF_0000;

  static final int ERRNO = 0x0005_0000;

  private static final int EPERM = 1;
  private static final int ENOSYS = 38;

  /** Operation codes (linux/bpf_common.h). */
  static final int LOAD = 0x20;

  static final int JUMP_EQUAL = 0x15;
  static final int JUMP_AT_LEAST = 0x35;
  static final int JUMP_ANY_BIT = 0x45;
  static final int AND = 0x54;
  static final int RETURN = 0x06;

  /** Where {@code struct seccomp_data} has what is looked at; arguments by their low halves. */
  static final int NUMBER = 0;

  static final int ARCHITECTURE = 4;
  static final int FIRST_ARGUMENT = 16;
  static final int SECOND_ARGUMENT = 24;

  /** How many instructions a jump can leave out. */
  private static final int MOST_JUMP = 255;

  /** Calls of the x32 ABI, which no JVM makes, have this bit. */
  private static final int X32 = 0x4000_0000;

  private static final int CLONE_THREAD = 0x1_0000;
  private static final int AF_INET = 2;
  private static final int AF_INET6 = 10;
  private static final int SOCK_TYPE = 0xF;
  private static final int SOCK_STREAM = 1;

  /** Characters that a terminal takes for typed ones, and a console's menu. */
  private static final int TIOCSTI = 0x5412;

  private static final int TIOCLINUX = 0x541C;

  /**
   * An instruction.
   *
   * @param yes how many instructions a jump whose condition holds leaves out
   * @param no the same for one whose condition does not
   */
  record Insn(int code, int yes, int no, int value) {}

  /** An instruction whose jumps have names. */
  private record Draft(int code, Label yes, Label no, int value) {}

  private enum Label {
    NEXT,
    ALLOWED,
    REFUSED,
    NOT_THERE,
    CLONE,
    OWN_PROCESS,
    IOCTL,
    SOCKET,
    STREAM
  }

  private final List<Draft> drafts = new ArrayList<>();
  private final Map<Label, Integer> places = new HashMap<>();
  private final Architecture architecture;
  private final Set<SystemCall.Fate> refused;
  private final boolean connects;

  private SeccompFilter(Architecture a, Policy p) {
    architecture = a;
    connects = !p.connects().isEmpty();
    refused = EnumSet.of(SystemCall.Fate.REFUSED);
    if (!p.changesFolders()) {
      refused.add(SystemCall.Fate.FOR_FOLDERS);
    }
    if (!p.accepts()) {
      refused.add(SystemCall.Fate.FOR_VISITORS);
    }
    if (!connects) {
      refused.add(SystemCall.Fate.FOR_CONNECTIONS);
    }
  }

  /**
   * {@return the program for a policy}
   *
   * @param pid of this process, which may send itself signals
   */
  static List<Insn> program(Architecture a, Policy p, int pid) {
    SeccompFilter f = new SeccompFilter(a, p);
    f.write(pid);
    return f.assembled();
  }

  /** {@return how many calls a program for a policy never carries out} */
  static long refusals(Architecture a, Policy p) {
    SeccompFilter f = new SeccompFilter(a, p);
    return EnumSet.allOf(SystemCall.class).stream()
        .filter(c -> f.refused.contains(c.fate) && c.number(a) != SystemCall.NONE)
        .count();
  }

  private void write(int pid) {
    load(ARCHITECTURE);
    jump(JUMP_EQUAL, architecture.audit, Label.NEXT, Label.REFUSED);
    load(NUMBER);
    if (architecture == Architecture.X86_64) {
      jump(JUMP_AT_LEAST, X32, Label.REFUSED, Label.NEXT);
    }
    for (SystemCall c : SystemCall.values()) {
      Label l = label(c);
      if (l != Label.ALLOWED && c.number(architecture) != SystemCall.NONE) {
        jump(JUMP_EQUAL, c.number(architecture), l, Label.NEXT);
      }
    }
    end(ALLOW);
    place(Label.CLONE);
    load(FIRST_ARGUMENT);
    jump(JUMP_ANY_BIT, CLONE_THREAD, Label.ALLOWED, Label.REFUSED);
    place(Label.OWN_PROCESS);
    load(FIRST_ARGUMENT);
    jump(JUMP_EQUAL, pid, Label.ALLOWED, Label.REFUSED);
    place(Label.IOCTL);
    load(SECOND_ARGUMENT);
    jump(JUMP_EQUAL, TIOCSTI, Label.REFUSED, Label.NEXT);
    jump(JUMP_EQUAL, TIOCLINUX, Label.REFUSED, Label.ALLOWED);
    place(Label.SOCKET);
    load(FIRST_ARGUMENT);
    jump(JUMP_EQUAL, AF_INET, Label.STREAM, Label.NEXT);
    jump(JUMP_EQUAL, AF_INET6, Label.STREAM, Label.REFUSED);
    place(Label.STREAM);
    load(SECOND_ARGUMENT);
    drafts.add(new Draft(AND, Label.NEXT, Label.NEXT, SOCK_TYPE));
    jump(JUMP_EQUAL, SOCK_STREAM, Label.ALLOWED, Label.REFUSED);
    // Jumps go forward only.
    place(Label.ALLOWED);
    end(ALLOW);
    place(Label.REFUSED);
    end(ERRNO | EPERM);
    place(Label.NOT_THERE);
    end(ERRNO | ENOSYS);
  }

  private Label label(SystemCall c) {
    if (refused.contains(c.fate)) {
      return Label.REFUSED;
    }
    return switch (c) {
      case CLONE -> Label.CLONE;
      // Its flags lie in memory, where a filter cannot look; C libraries then take clone.
      case CLONE3 -> Label.NOT_THERE;
      case KILL, TGKILL, RT_SIGQUEUEINFO, RT_TGSIGQUEUEINFO -> Label.OWN_PROCESS;
      case IOCTL -> Label.IOCTL;
      case SOCKET -> connects ? Label.SOCKET : Label.REFUSED;
      default -> Label.ALLOWED;
    };
  }

  private void load(int offset) {
    drafts.add(new Draft(LOAD, Label.NEXT, Label.NEXT, offset));
  }

  private void jump(int code, int value, Label yes, Label no) {
    drafts.add(new Draft(code, yes, no, value));
  }

  private void place(Label l) {
    places.put(l, drafts.size());
  }

  private void end(int value) {
    drafts.add(new Draft(RETURN, Label.NEXT, Label.NEXT, value));
  }

  private List<Insn> assembled() {
    List<Insn> all = new ArrayList<>();
    for (Draft d : drafts) {
      all.add(new Insn(d.code, distance(d.yes, all.size()), distance(d.no, all.size()), d.value));
    }
    return all;
  }

  private int distance(Label to, int from) {
    int d = to == Label.NEXT ? 0 : places.getOrDefault(to, -1) - from - 1;
    assert d >= 0 && d <= MOST_JUMP : to + " is " + d + " instructions away";
    return d;
  }
}
