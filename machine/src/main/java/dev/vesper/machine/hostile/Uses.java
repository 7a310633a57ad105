package dev.vesper.machine.hostile;

import java.util.List;
import java.util.stream.Stream;

/** What triggers have for conditions and actions. */
final class Uses {
  private Uses() {}

  /**
   * Refuses a condition on what a trigger does not have.
   *
   * @throws IllegalArgumentException saying what
   */
  static void check(Trigger t, Condition c) {
    c.parts().stream()
        .flatMap(p -> Stream.of(p.left(), p.right()))
        .flatMap(Uses::all)
        .forEach(
            v -> {
              if (v instanceof HostValue.Answered || v instanceof HostValue.MsrAnswered) {
                throw new IllegalArgumentException(
                    "conditions are asked before the answer is there: ask for the request");
              }
              check(t, v);
            });
  }

  /**
   * Refuses an action that a trigger does not have.
   *
   * @throws IllegalArgumentException saying what
   */
  static void check(Trigger t, Action a) {
    boolean event = t instanceof Trigger.Vmgexit;
    boolean msr = t instanceof Trigger.Msr;
    boolean fits =
        switch (a) {
          case LawfulAction.AnswerField x -> event;
          case LawfulAction.AnswerInvalid x -> event;
          case LawfulAction.MsrAnswer x -> msr;
          case LawfulAction.Unanswered x -> event || msr;
          default -> true;
        };
    if (!fits) {
      throw new IllegalArgumentException(
          (a instanceof LawfulAction.MsrAnswer
                  ? "the MSR protocol is answered where it asks: 'when msr'"
                  : "a request is answered where it is made: 'when vmgexit'")
              + ", not '"
              + t.words()
              + "'");
    }
    boolean launching = t instanceof Trigger.LaunchStep;
    if (launching && !(a instanceof Action.Note) && !canLaunch(a)) {
      throw new IllegalArgumentException(
          "while a guest is launched no vCPU has run: the host has its memory, and nothing else");
    }
    values(a).flatMap(Uses::all).forEach(v -> check(t, v));
  }

  private static boolean canLaunch(Action a) {
    return switch (a) {
      case LawfulAction.Assign x -> false;
      case LawfulAction.Sipi x -> false;
      case LawfulAction.OnMemory x -> true;
      case LawfulAction.OnDevice x -> true;
      case LawfulAction.CpuidAnswer x -> true;
      case LawfulAction.Let x -> true;
      case LawfulAction.Goto x -> true;
      default -> false;
    };
  }

  private static void check(Trigger t, HostValue v) {
    switch (v) {
      case HostValue.Request r -> require(t instanceof Trigger.Vmgexit, t);
      case HostValue.Answered r -> require(t instanceof Trigger.Vmgexit, t);
      case HostValue.MsrRequested r -> require(t instanceof Trigger.Msr, t);
      case HostValue.MsrAnswered r -> require(t instanceof Trigger.Msr, t);
      default -> {
        // Every exit has it.
      }
    }
  }

  private static void require(boolean has, Trigger t) {
    if (!has) {
      throw new IllegalArgumentException("there is no request at '" + t.words() + "'");
    }
  }

  /** {@return a value and all that it is made of} */
  private static Stream<HostValue> all(HostValue v) {
    return switch (v) {
      case HostValue.Binary b ->
          Stream.concat(Stream.of(v), Stream.of(b.left(), b.right()).flatMap(Uses::all));
      case HostValue.Bus b -> Stream.concat(Stream.of(v), all(b.gpa()));
      default -> Stream.of(v);
    };
  }

  /** {@return names of variables that a rule reads} */
  static Stream<String> variables(Rule r) {
    return Stream.concat(
            r.condition().parts().stream().flatMap(p -> Stream.of(p.left(), p.right())),
            r.actions().stream().flatMap(Uses::values))
        .flatMap(Uses::all)
        .filter(HostValue.Variable.class::isInstance)
        .map(v -> ((HostValue.Variable) v).name());
  }

  private static Stream<HostValue> values(Action a) {
    return switch (a) {
      case LawfulAction.Inject i -> Stream.ofNullable(i.error());
      case LawfulAction.MapTo m -> Stream.of(m.gpa(), m.to());
      case LawfulAction.Swap s -> Stream.of(s.one(), s.other());
      case LawfulAction.Capture c -> Stream.of(c.gpa());
      case LawfulAction.Replay r -> Stream.of(r.gpa());
      case LawfulAction.WriteCiphertext x -> Stream.of(x.gpa());
      case LawfulAction.PokeShared p -> Stream.of(p.gpa(), p.value());
      case LawfulAction.AnswerField f -> Stream.of(f.value());
      case LawfulAction.MsrAnswer m -> Stream.of(m.value());
      case LawfulAction.CpuidAnswer c -> c.registers().values().stream();
      case LawfulAction.PortAnswer p -> Stream.of(p.value());
      case LawfulAction.MmioAnswer m -> Stream.of(m.value());
      case LawfulAction.CmosAnswer c -> Stream.of(c.value());
      case LawfulAction.UsedElement u ->
          Stream.concat(Stream.ofNullable(u.id()), Stream.ofNullable(u.length()));
      case LawfulAction.UsedDescriptor d -> Stream.of(d.value());
      case LawfulAction.PortWrite p -> Stream.of(p.value());
      case LawfulAction.Assign x -> Stream.concat(Stream.of(x.page()), Stream.ofNullable(x.gpa()));
      case LawfulAction.Let l -> Stream.of(l.value());
      case SiliconAction.SetRegister s -> Stream.of(s.value());
      case SiliconAction.ConstantRandom c -> Stream.of(c.number());
      case Action.Note n when n.value() instanceof HostValue v -> Stream.of(v);
      default -> Stream.of();
    };
  }

  /** {@return names of states that a script has to have} */
  static List<String> states(Rule r) {
    return r.actions().stream()
        .filter(LawfulAction.Goto.class::isInstance)
        .map(a -> ((LawfulAction.Goto) a).state())
        .toList();
  }
}
