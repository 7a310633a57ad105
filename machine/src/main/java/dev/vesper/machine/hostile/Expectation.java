package dev.vesper.machine.hostile;

/** What must hold when a run with a script ends. Observers judge it; rules cannot ask. */
public sealed interface Expectation {
  /** The run has ended with this status. */
  record Status(int status) implements Expectation {}

  /** The guest has asked for termination, with this reason. */
  record Terminated(int set, int code) implements Expectation {}

  /** A line of the console has contained this text, or none has. */
  record Console(String text, boolean said) implements Expectation {}

  /** A number that was noted last is so; it was noted. */
  record Noted(String name, Condition.Relation relation, long value) implements Expectation {}

  /** A rule has fired so often. */
  record Fired(int rule, Condition.Relation relation, long times) implements Expectation {}

  /** {@return for people, in one line} */
  default String words() {
    return switch (this) {
      case Status s -> "status " + s.status;
      case Terminated t -> "terminated " + t.set + ":" + t.code;
      case Console c -> (c.said ? "console " : "no console ") + c.text;
      case Noted n -> n.name + " " + n.relation.sign + " 0x" + Long.toHexString(n.value);
      case Fired f -> "rule " + f.rule + " fired " + f.relation.sign + " " + f.times;
    };
  }
}
