package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.spec.Outcome;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/** Heckler and its kin: interrupts and exceptions that nothing has caused, past any controller. */
final class Interrupts {
  private static final String HECKLER = "Heckler, USENIX Security 2024, CVE-2024-25743 and -25744";
  private static final String SIGNALS = "Heckler, table 6; SIGY";
  private static final String PROGRAM = "a program runs with CPL 3";
  private static final String CONTROL =
      "the program's registers change, or it does not go on where it was";

  private static final long EXCEPTION = 3 << 8;
  private static final long ERROR_CODE = 0x800;
  private static final long NMI = 2 << 8 | 2;
  private static final int INT80 = 0x80;
  private static final int SPURIOUS = 0xFF;
  private static final int UNUSED = 0xD3;
  private static final int SAMPLES = 8;
  private static final long ENOUGH = 3_000_000;

  /** Where the handler of a system call by INT 0x80 begins. */
  private static final Map<Target.Kind, String> SYSTEM_CALL =
      Map.of(Target.Kind.LOCORE, "process_end", Target.Kind.LINUX, "do_int80_syscall_32");

  /** Where a program is ended. */
  private static final Map<Target.Kind, String> KILLED =
      Map.of(Target.Kind.LOCORE, "process_signal", Target.Kind.LINUX, "do_group_exit");

  private Interrupts() {}

  static List<Attack> all() {
    return List.of(
        Attack.lawful(
            "heckler-int80",
            "the vector of INT 0x80 is injected as an interrupt while a program runs",
            HECKLER,
            PROGRAM,
            "the system call is executed, or RAX of the program changes",
            run -> program(run, INT80)),
        Attack.lawful(
            "heckler-int80-kernel",
            "the vector of INT 0x80 is injected while the kernel runs",
            HECKLER,
            "an ordinary function of the kernel runs",
            "the system call is executed",
            run -> kernel(run, INT80)),
        signal("heckler-divide", "#DE", 0),
        signal("heckler-debug", "#DB", 1),
        signal("heckler-undefined", "#UD", 6),
        signal("heckler-x87", "#MF", 16),
        signal("heckler-protection", "#GP", 13 | ERROR_CODE),
        sampled("interrupt-unused", "an interrupt that nobody uses", UNUSED),
        sampled("interrupt-spurious", "the spurious interrupt", SPURIOUS),
        sampled("nmi-anywhere", "an NMI", NMI));
  }

  private static Attack signal(String name, String what, long vector) {
    return Attack.lawful(
        name,
        what + " is injected while a program runs whose instruction does not raise it",
        SIGNALS,
        PROGRAM,
        CONTROL,
        run -> program(run, vector | EXCEPTION));
  }

  private static Attack sampled(String name, String what, long event) {
    return Attack.lawful(
        name,
        what + " is injected at " + SAMPLES + " places, whether interrupts are enabled or not",
        "Heckler; guests' own rules on injection",
        "-",
        "the guest ends otherwise than untouched, and not by its own wish",
        run -> anywhere(run, event));
  }

  /** What an injected event has made of a program. */
  private static Verdict program(AttackRun run, long event) {
    long n = Place.PROGRAM.find(run);
    if (n < 0) {
      return Verdict.notApplicable("nothing is known of programs in this guest");
    }
    try (Trial t = run.trialAt(n)) {
      Machine m = t.machine();
      m.hypervisor().at(n, host -> host.inject(event));
      m.run(Until.instructions(n));
      VcpuView v = m.observer().current();
      long rip = v.rip();
      Registers before = v.registers();
      String where = "injected before '" + v.instruction() + "' at " + Event.hex(rip);
      String call = SYSTEM_CALL.get(run.target().kind());
      Until end = Until.address(rip).or(Until.instructions(n + ENOUGH));
      String kill = KILLED.get(run.target().kind());
      // The handler is behind the delivery; the instruction itself is what a return comes to.
      Stop first = m.step(v.id());
      for (String symbol : Stream.of(call, kill).filter(Objects::nonNull).toList()) {
        end = end.or(Until.symbol(symbol));
      }
      boolean over = first instanceof Stop.Ended;
      boolean passed = !over && v.cpl() == 3;
      Stop s = over || passed ? first : m.run(end);
      if (s instanceof Stop.Breakpoint b && b.address() != rip) {
        return b.symbol().equals(kill)
            ? Verdict.defended("ends the program, none of whose own code runs", where)
            : Verdict.vulnerable("executes a system call that nobody has made", where);
      }
      String ending = s instanceof Stop.Ended e ? t.ending(e.outcome()) : null;
      if (ending != null) {
        return Verdict.defended(ending, where);
      }
      if (v.rip() == rip || passed) {
        return passed || v.registers().equals(before)
            ? Verdict.defended("goes on as if nothing had come", where)
            : Verdict.vulnerable(
                "changes registers of the program",
                where,
                Judge.registers(before) + " became " + Judge.registers(v.registers()));
      }
      return Verdict.vulnerable(
          "takes it for the program's own: the program does not go on where it was", where);
    }
  }

  /** What an injected vector has made of the kernel. */
  private static Verdict kernel(AttackRun run, long event) {
    long n = Place.KERNEL.find(run);
    String call = SYSTEM_CALL.get(run.target().kind());
    if (n < 0 || call == null) {
      return Verdict.notApplicable("nothing is known of the kernel's places in this guest");
    }
    try (Trial t = run.trialAt(n)) {
      Machine m = t.machine();
      m.hypervisor().at(n, host -> host.inject(event));
      m.run(Until.instructions(n));
      long rip = m.observer().current().rip();
      String where = "injected before '" + m.observer().current().instruction() + "'";
      m.step(m.observer().current().id());
      Stop s = m.run(Until.symbol(call).or(Until.address(rip)).or(Until.instructions(n + ENOUGH)));
      if (s instanceof Stop.Breakpoint b) {
        return b.address() == rip
            ? Verdict.defended("goes on as if nothing had come", where)
            : Verdict.vulnerable("executes a system call that nobody has made", where);
      }
      String ending = s instanceof Stop.Ended e ? t.ending(e.outcome()) : null;
      return Verdict.defended(ending != null ? ending : "does not execute the call", where);
    }
  }

  private static Verdict anywhere(AttackRun run, long event) {
    Outcome good = run.untouched();
    int survived = 0;
    int ended = 0;
    for (int i = 1; i <= SAMPLES; i++) {
      long n = run.length() * i / (SAMPLES + 1);
      try (Trial t = run.trialAt(n)) {
        t.machine().hypervisor().at(n, host -> host.inject(event));
        Outcome o = t.run();
        if (o.equals(good)) {
          survived++;
        } else if (t.ending(o) != null) {
          ended++;
        } else if (!o.is(Outcome.GAVE_UP)) {
          return Verdict.vulnerable(
              "does something else", "at instruction " + n + ": " + o.reason());
        }
      }
    }
    return Verdict.defended(
        "goes on as untouched, or ends",
        survived + " times as untouched, " + ended + " times at its own wish");
  }
}
