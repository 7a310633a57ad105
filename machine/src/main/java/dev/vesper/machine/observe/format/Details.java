package dev.vesper.machine.observe.format;

import java.util.Set;

/** Which details of events are for whom. */
final class Details {
  private static final Set<String> FOR_MACHINES =
      Set.of(
          "accesses",
          "regs",
          "bytes",
          "request_valid",
          "answer_valid",
          "answer_unmarked",
          "changed");

  private Details() {}

  /** {@return whether only the checker reads a detail: forms for people leave it to JSON Lines} */
  static boolean forMachines(String key) {
    return FOR_MACHINES.contains(key);
  }
}
