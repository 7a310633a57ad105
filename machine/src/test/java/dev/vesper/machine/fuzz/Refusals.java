package dev.vesper.machine.fuzz;

/** What is said of an input that is refused. */
final class Refusals {
  private Refusals() {}

  /** Fails if it is not one line. */
  static void requireLine(Exception e) {
    String m = e.getMessage();
    if (m == null || m.isBlank() || m.contains("\n")) {
      throw new IllegalStateException("a refusal says '" + m + "'", e);
    }
  }
}
