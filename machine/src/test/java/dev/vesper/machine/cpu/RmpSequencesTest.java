package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.memory.PageOwnership;
import dev.vesper.machine.memory.RmpEntry;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Random sequences of what guest, host and firmware do with the reverse map table, and of accesses
 * by two processors, held against {@link RmpModel} after each step. A sequence that fails is made
 * as short as it can be.
 *
 * <p>{@code -Dlong=true} has 100,000 sequences in all; {@code -Drmp.count} and {@code -Drmp.seed}
 * choose others.
 */
@ParameterizedClass(name = "execution {0}")
@MethodSource("executions")
final class RmpSequencesTest {
  private static final int[] EXECUTIONS = Execution.andNative(0, 1);
  private static final int STEPS = 40;

  /** Two regions of 2 MiB: their first, second and last pages. */
  private static final int[] PAGES = {0, 1, 511, 512, 513, 1023};

  private static final String[] PROGRAMS = {
    "mov rax, [rbx]", "mov [rbx], rdx", "jmp rbx", "pvalidate", "rmpadjust",
  };

  private enum Kind {
    READ,
    WRITE,
    FETCH,
    PVALIDATE,
    RMPADJUST,
    RMPUPDATE,
    PSMASH,
    RECLAIM,
    LAUNCH,
    HOST_WRITE
  }

  /**
   * A step.
   *
   * @param page which
   * @param cpu the processor that does it
   * @param level its privilege level
   * @param large 2 MiB are asked for
   * @param flag C-bit, the validated bit, whether to assign, or the VMSA flag
   * @param other CPL 3, immutable
   * @param value what is written, or permissions
   * @param choice a target level, or which wrong entry
   */
  private record Step(
      Kind kind,
      int page,
      int cpu,
      int level,
      boolean large,
      boolean flag,
      boolean other,
      int value,
      int choice) {}

  private final SnpWorld w;

  RmpSequencesTest(int execution) {
    w = new SnpWorld(2, execution);
    for (int p = 0; p < SnpWorld.LAUNCHED; p += 4096) {
      w.rmp.setPermissions(p, 0x1F1F_1F1F);
    }
    for (int i = 0; i < PROGRAMS.length; i++) {
      w.program(SnpWorld.CODE + 256 * i, PROGRAMS[i]);
    }
  }

  static int[] executions() {
    return EXECUTIONS;
  }

  private static Step step(Random r) {
    Kind[] kinds = Kind.values();
    // Accesses and what makes them succeed come most often.
    Kind kind =
        switch (r.nextInt(10)) {
          case 0, 1 -> Kind.READ;
          case 2 -> Kind.WRITE;
          case 3 -> Kind.PVALIDATE;
          case 4 -> Kind.RMPUPDATE;
          default -> kinds[r.nextInt(kinds.length)];
        };
    int page = PAGES[r.nextInt(4) == 0 ? r.nextInt(PAGES.length) : r.nextInt(3)];
    boolean aligned = page % RmpModel.IN_LARGE == 0;
    return new Step(
        kind,
        page,
        r.nextInt(2),
        r.nextInt(4) == 0 ? r.nextInt(4) : 0,
        r.nextInt(aligned ? 2 : 8) == 0,
        r.nextInt(4) != 0,
        r.nextInt(5) == 0,
        r.nextInt(32),
        r.nextInt(8));
  }

  private static List<Step> sequence(long seed) {
    Random r = new Random(seed);
    List<Step> steps = new ArrayList<>();
    for (int i = 0; i < STEPS; i++) {
      steps.add(step(r));
    }
    return steps;
  }

  // ---- the machine

  private static long gpa(int page) {
    return (long) (RmpModel.FIRST + page) << 12;
  }

  /** {@return where an entry says that the page is: seldom elsewhere} */
  private static long entryGpa(Step s) {
    long shift = s.choice != 1 ? 0 : s.large ? 1 << 21 : 4096;
    return gpa(s.page) + shift;
  }

  private static int entryAsid(Step s) {
    return s.choice == 2 ? RmpModel.ASID + 1 : RmpModel.ASID;
  }

  /** Has all pages be the hypervisor's and hold zeros. */
  private void clear() {
    for (int at = 0; at < RmpModel.PAGES; at += RmpModel.IN_LARGE) {
      if (w.rmp.isLarge(RmpModel.FIRST + at)) {
        w.rmp.reclaim(gpa(at));
        w.rmp.psmash(gpa(at));
      }
      for (int i = 0; i < RmpModel.IN_LARGE && w.rmp.assignedNear(gpa(at)); i++) {
        if (w.rmp.read(gpa(at + i)).immutable()) {
          w.rmp.reclaim(gpa(at + i));
        }
        w.rmp.update(gpa(at + i), RmpEntry.HYPERVISOR);
      }
    }
    for (int p : PAGES) {
      w.host.write(gpa(p), 8, 0);
    }
  }

  private Cpu execute(Step s, int program, long rax, long rcx, long rdx) {
    Cpu c = w.cpus.get(s.cpu);
    w.level(c, s.level);
    w.user(c, s.other && program < 3);
    c.r[0] = rax;
    c.r[1] = rcx;
    c.r[2] = rdx;
    c.r[3] = rax;
    c.rip = SnpWorld.CODE + 256 * program;
    return w.go(c);
  }

  private static String outcome(Cpu c, String done) {
    if (c.exitCode == 0x400) {
      long address = c.exitInfo2 & -4096L;
      return "#NPF " + Long.toHexString(c.exitInfo1) + " at " + Long.toHexString(address);
    }
    long vc = SnpWorld.vc(c);
    // HLT at CPL 3 is #GP: then the access was good.
    return vc == 0x404 ? "#VC 404" : vc == SnpWorld.GP && c.cpl == 0 ? "#GP" : done;
  }

  private static String eax(Cpu c) {
    return outcome(c, "eax " + c.r[0] + (c.cf() ? " carry" : ""));
  }

  private String machine(Step s) {
    long at = gpa(s.page) + (s.flag ? 0 : SnpWorld.SHARED);
    return switch (s.kind) {
      case READ -> {
        Cpu c = execute(s, 0, at, 0, 0);
        yield outcome(c, "read " + c.r[0]);
      }
      case WRITE -> outcome(execute(s, 1, at, 0, s.value), "done");
      case FETCH -> {
        // What is fetched is not to be executed: there is a breakpoint before it.
        Cpu c = w.cpus.get(s.cpu);
        c.dr[0] = at;
        c.dr[7] = 0x401;
        String how = outcome(execute(s, 2, at, 0, 0), "done");
        c.dr[7] = 0x400;
        c.modeChanged();
        yield how;
      }
      case PVALIDATE -> eax(execute(s, 3, gpa(s.page), s.large ? 1 : 0, s.flag ? 1 : 0));
      case RMPADJUST -> {
        int target = s.choice & 3;
        int what = target | s.value << 8 | (s.flag ? 0 : 1 << 16);
        yield eax(execute(s, 4, gpa(s.page), s.large ? 1 : 0, what));
      }
      case RMPUPDATE -> {
        RmpEntry e =
            new RmpEntry(
                s.flag,
                s.large,
                s.flag && s.other,
                s.flag ? entryGpa(s) : 0,
                s.flag ? entryAsid(s) : 0,
                false,
                false,
                0);
        yield "eax " + w.rmp.update(gpa(s.page), e).eax;
      }
      case PSMASH -> "eax " + w.rmp.psmash(gpa(s.page)).eax;
      case RECLAIM -> {
        w.rmp.reclaim(gpa(s.page));
        yield "";
      }
      case LAUNCH -> {
        RmpEntry e = w.rmp.read(gpa(s.page));
        boolean can = e.state() == PageOwnership.PRE_GUEST && e.asid() == RmpModel.ASID;
        if (can) {
          w.rmp.launch(gpa(s.page), 0, false);
        }
        yield "" + can;
      }
      case HOST_WRITE -> {
        w.host.write(gpa(s.page), 8, s.value);
        yield "";
      }
    };
  }

  private static String model(RmpModel m, Step s) {
    return switch (s.kind) {
      case READ, WRITE, FETCH ->
          m.access(
              new RmpModel.Access(
                  s.page, s.kind == Kind.WRITE, s.kind == Kind.FETCH, s.flag, s.other, s.level),
              s.value);
      case PVALIDATE -> m.pvalidate(s.page, s.large, s.flag, s.level);
      case RMPADJUST -> m.rmpadjust(s.page, s.large, s.level, s.choice & 3, s.value, !s.flag);
      case RMPUPDATE ->
          "eax " + m.update(s.page, s.large, s.flag, s.flag && s.other, entryGpa(s), entryAsid(s));
      case PSMASH -> "eax " + m.psmash(s.page);
      case RECLAIM -> {
        m.reclaim(s.page);
        yield "";
      }
      case LAUNCH -> "" + m.launch(s.page);
      case HOST_WRITE -> {
        m.hostWrites(s.page, s.value);
        yield "";
      }
    };
  }

  /** {@return what differs, or null} */
  private @Nullable String difference(List<Step> steps) {
    clear();
    RmpModel m = new RmpModel();
    int n = 0;
    for (Step s : steps) {
      String expected = model(m, s);
      String actual = machine(s);
      boolean any = expected.equals(RmpModel.ANY) && actual.startsWith("read");
      if (!any && !actual.equals(expected)) {
        return "step " + n + ": " + actual + ", not " + expected;
      }
      for (int p : PAGES) {
        RmpEntry e = w.rmp.read(gpa(p));
        if (!e.equals(m.entry(p))) {
          return "step " + n + ", page " + p + ": " + e + ", not " + m.entry(p);
        }
      }
      n++;
    }
    return null;
  }

  private List<Step> minimise(List<Step> whole) {
    List<Step> shortest = whole;
    for (int i = whole.size() - 1; i >= 0; i--) {
      List<Step> less = new ArrayList<>(shortest);
      less.remove(i);
      if (difference(less) != null) {
        shortest = less;
      }
    }
    return shortest;
  }

  @ParameterizedTest
  @ValueSource(longs = 1)
  void theMachineIsAsTheTablesSay(long first) {
    int all = Boolean.getBoolean("long") ? 100_000 : 2_000;
    int count = Integer.getInteger("rmp.count", all / EXECUTIONS.length + 1);
    long seed = Long.getLong("rmp.seed", first);
    for (int i = 0; i < count; i++) {
      List<Step> steps = sequence(seed * 1_000_003 + i);
      if (difference(steps) != null) {
        List<Step> small = minimise(steps);
        StringBuilder b = new StringBuilder();
        small.forEach(s -> b.append(s).append('\n'));
        assertThat(difference(small)).as(b.toString()).isNull();
      }
    }
  }
}
