package dev.vesper.machine.hostile;

import java.util.List;

/**
 * What must hold besides, when a rule's trigger comes: all of it.
 *
 * @param parts none for always
 */
public record Condition(List<Comparison> parts) {
  /** Nothing must hold besides. */
  public static final Condition ALWAYS = new Condition(List.of());

  /** Makes a condition. */
  public Condition {
    parts = List.copyOf(parts);
  }

  /** One comparison, of numbers without signs. */
  public record Comparison(HostValue left, Relation relation, HostValue right) {}

  /** How two numbers must be to each other. */
  public enum Relation {
    EQUAL("=="),
    DIFFERENT("!="),
    LESS("<"),
    LESS_OR_EQUAL("<="),
    GREATER(">"),
    GREATER_OR_EQUAL(">=");

    /** How it is written. */
    public final String sign;

    Relation(String sign) {
      this.sign = sign;
    }

    /** {@return whether two numbers are so} */
    public boolean holds(long a, long b) {
      int c = Long.compareUnsigned(a, b);
      return switch (this) {
        case EQUAL -> c == 0;
        case DIFFERENT -> c != 0;
        case LESS -> c < 0;
        case LESS_OR_EQUAL -> c <= 0;
        case GREATER -> c > 0;
        case GREATER_OR_EQUAL -> c >= 0;
      };
    }
  }

  /** {@return that two values are equal} */
  public static Condition equal(HostValue left, HostValue right) {
    return new Condition(List.of(new Comparison(left, Relation.EQUAL, right)));
  }
}
