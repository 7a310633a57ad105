package dev.vesper.cli.confine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What filters say of system calls, by an interpreter of classic BPF. */
final class SeccompFilterTest {
  private static final int PID = 4711;
  private static final int REFUSED = SeccompFilter.ERRNO | 1;
  private static final int NOT_THERE = SeccompFilter.ERRNO | 38;
  private static final int ALLOWED = SeccompFilter.ALLOW;

  private static final Policy NOTHING = new Policy(List.of(), false, Set.of());

  /** {@return what a filter gives for struct seccomp_data} */
  private static int judge(List<SeccompFilter.Insn> program, int audit, int number, long... args) {
    long a = 0;
    for (int pc = 0; ; pc++) {
      SeccompFilter.Insn n = program.get(pc);
      switch (n.code()) {
        case SeccompFilter.LOAD ->
            a =
                switch (n.value()) {
                  case 0 -> number;
                  case 4 -> audit;
                  case 16 -> args.length > 0 ? (int) args[0] : 0;
                  case 24 -> args.length > 1 ? (int) args[1] : 0;
                  default -> throw new IllegalArgumentException("offset " + n.value());
                };
        case SeccompFilter.AND -> a &= n.value();
        case SeccompFilter.JUMP_EQUAL -> pc += (int) a == n.value() ? n.yes() : n.no();
        case SeccompFilter.JUMP_AT_LEAST ->
            pc += Integer.compareUnsigned((int) a, n.value()) >= 0 ? n.yes() : n.no();
        case SeccompFilter.JUMP_ANY_BIT -> pc += ((int) a & n.value()) != 0 ? n.yes() : n.no();
        case SeccompFilter.RETURN -> {
          return n.value();
        }
        default -> throw new IllegalArgumentException("code " + n.code());
      }
    }
  }

  private static int judge(Architecture a, Policy p, SystemCall c, long... args) {
    return judge(SeccompFilter.program(a, p, PID), a.audit, c.number(a), args);
  }

  @ParameterizedTest
  @EnumSource(Architecture.class)
  void eachCallIsRefusedOrNotByItsFate(Architecture a) {
    Policy folders =
        new Policy(
            List.of(new Policy.Grant(Path.of("/x"), Policy.Use.CHANGE, true)), false, Set.of());
    Policy visitors = new Policy(List.of(), true, Set.of());
    Policy connections = new Policy(List.of(), false, Set.of(80));
    for (SystemCall c : SystemCall.values()) {
      if (c.number(a) == SystemCall.NONE || c.fate == SystemCall.Fate.BY_ARGUMENT) {
        continue;
      }
      boolean free = c.fate == SystemCall.Fate.ALLOWED;
      assertThat(judge(a, NOTHING, c)).as("%s", c).isEqualTo(free ? ALLOWED : REFUSED);
      assertThat(judge(a, folders, c))
          .as("%s", c)
          .isEqualTo(free || c.fate == SystemCall.Fate.FOR_FOLDERS ? ALLOWED : REFUSED);
      assertThat(judge(a, visitors, c))
          .as("%s", c)
          .isEqualTo(free || c.fate == SystemCall.Fate.FOR_VISITORS ? ALLOWED : REFUSED);
      assertThat(judge(a, connections, c))
          .as("%s", c)
          .isEqualTo(free || c.fate == SystemCall.Fate.FOR_CONNECTIONS ? ALLOWED : REFUSED);
    }
  }

  /** Numbers that the list has not are what a JVM lives on. */
  @ParameterizedTest
  @EnumSource(Architecture.class)
  void everyOtherNumberIsAllowed(Architecture a) {
    Set<Integer> listed = new java.util.HashSet<>();
    for (SystemCall c : SystemCall.values()) {
      int n = c.number(a);
      assertThat(n == SystemCall.NONE || listed.add(n)).as("%s twice", c).isTrue();
    }
    List<SeccompFilter.Insn> p = SeccompFilter.program(a, NOTHING, PID);
    for (int n = 0; n < 600; n++) {
      if (!listed.contains(n)) {
        assertThat(judge(p, a.audit, n)).as("%d", n).isEqualTo(ALLOWED);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Architecture.class)
  void argumentsDecide(Architecture a) {
    assertThat(judge(a, NOTHING, SystemCall.CLONE, 0x3D_0F00)).isEqualTo(ALLOWED);
    assertThat(judge(a, NOTHING, SystemCall.CLONE, 0x4111)).isEqualTo(REFUSED);
    assertThat(judge(a, NOTHING, SystemCall.CLONE3)).isEqualTo(NOT_THERE);
    for (SystemCall c :
        new SystemCall[] {
          SystemCall.KILL,
          SystemCall.TGKILL,
          SystemCall.RT_SIGQUEUEINFO,
          SystemCall.RT_TGSIGQUEUEINFO
        }) {
      assertThat(judge(a, NOTHING, c, PID)).isEqualTo(ALLOWED);
      assertThat(judge(a, NOTHING, c, 1)).isEqualTo(REFUSED);
      assertThat(judge(a, NOTHING, c, -1)).isEqualTo(REFUSED);
      assertThat(judge(a, NOTHING, c, 0)).isEqualTo(REFUSED);
    }
    assertThat(judge(a, NOTHING, SystemCall.IOCTL, 1, 0x5413)).isEqualTo(ALLOWED);
    assertThat(judge(a, NOTHING, SystemCall.IOCTL, 1, 0x5412)).isEqualTo(REFUSED);
    assertThat(judge(a, NOTHING, SystemCall.IOCTL, 1, 0x541C)).isEqualTo(REFUSED);
    // The kernel looks at the low half only.
    assertThat(judge(a, NOTHING, SystemCall.IOCTL, 1, 0x1_0000_5412L)).isEqualTo(REFUSED);
  }

  @ParameterizedTest
  @EnumSource(Architecture.class)
  void onlyTcpSocketsAndOnlyForConnections(Architecture a) {
    Policy out = new Policy(List.of(), false, Set.of(80));
    long stream = 1 | 0x8_0000 | 0x800;
    for (long family : new long[] {2, 10}) {
      assertThat(judge(a, out, SystemCall.SOCKET, family, stream)).isEqualTo(ALLOWED);
      assertThat(judge(a, NOTHING, SystemCall.SOCKET, family, stream)).isEqualTo(REFUSED);
      // Datagrams, raw packets.
      assertThat(judge(a, out, SystemCall.SOCKET, family, 2)).isEqualTo(REFUSED);
      assertThat(judge(a, out, SystemCall.SOCKET, family, 3)).isEqualTo(REFUSED);
    }
    // AF_UNIX, AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG.
    for (long family : new long[] {1, 16, 17, 40, 38}) {
      assertThat(judge(a, out, SystemCall.SOCKET, family, stream)).isEqualTo(REFUSED);
    }
  }

  @ParameterizedTest
  @EnumSource(Architecture.class)
  void callsOfOtherKindsAreRefused(Architecture a) {
    List<SeccompFilter.Insn> p = SeccompFilter.program(a, NOTHING, PID);
    // int 0x80: AUDIT_ARCH_I386; x32: bit 30 of the number.
    assertThat(judge(p, 0x4000_0003, 39)).isEqualTo(REFUSED);
    assertThat(judge(p, a.audit, SystemCall.GETPID.number(a))).isEqualTo(ALLOWED);
    if (a == Architecture.X86_64) {
      assertThat(judge(p, a.audit, 0x4000_0000 | 39)).isEqualTo(REFUSED);
      assertThat(judge(p, a.audit, -1)).isEqualTo(REFUSED);
    }
    assertThat(p).hasSizeLessThan(4096);
  }
}
