package dev.vesper.machine.flow;

/** Where bytes come from. */
final class Origin {
  /** Instructions that are remembered of a value's way. */
  static final int STEPS = 12;

  /** In the order of their making: sets of origins are sorted by it. */
  final int number;

  /** The guest keeps it from the host; otherwise the host has chosen it. */
  final boolean secret;

  /** What it is, the same for all of its kind. */
  final String name;

  /** Number of the exchange that it came by, or 0. */
  final long exchange;

  /** The guest has compared or masked a value of it. */
  boolean checked;

  private final long[] path;
  private int steps;

  Origin(int number, boolean secret, String name, long exchange) {
    this.number = number;
    this.secret = secret;
    this.name = name;
    this.exchange = exchange;
    path = new long[secret ? 0 : STEPS];
  }

  /** An instruction has moved a value of it, or made another one of it. */
  void passes(long rip) {
    if (path.length > 0 && (steps == 0 || path[(steps - 1) % STEPS] != rip)) {
      path[steps++ % STEPS] = rip;
    }
  }

  /** {@return addresses of the last instructions that it has passed, the oldest first} */
  long[] path() {
    int n = Math.min(steps, path.length);
    long[] out = new long[n];
    for (int i = 0; i < n; i++) {
      out[i] = path[(steps - n + i) % STEPS];
    }
    return out;
  }
}
