package dev.vesper.cli.monitor;

import java.util.List;

/**
 * A command of the monitor.
 *
 * @param names what it is called, the first as help has it; those of {@code info} begin with it
 * @param parameters as help shows them, or empty
 * @param help one line
 * @param action does it
 */
record Command(List<String> names, String parameters, String help, Action action) {
  /** What a command does. */
  interface Action {
    /**
     * Does it; what it says goes to the call.
     *
     * @throws Refusal if it cannot be done
     */
    void run(Call c) throws Refusal;
  }

  /** A command with one name, or several with a bar between them. */
  static Command of(String names, String parameters, String help, Action action) {
    return new Command(List.of(names.split("\\|")), parameters, help, action);
  }

  /** {@return the name as help has it} */
  String name() {
    return names.get(0);
  }

  /** {@return its names, as messages have them} */
  String label() {
    return String.join("|", names).replaceFirst("^info ", "");
  }

  /** {@return the line that help prints} */
  String usage() {
    return String.join("|", names)
        + (parameters.isEmpty() ? "" : " " + parameters)
        + (parameters.isEmpty() ? "  -- " : " -- ")
        + help;
  }
}
