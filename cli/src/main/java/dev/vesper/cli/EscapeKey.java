package dev.vesper.cli;

import dev.vesper.machine.spec.ConsoleInput;

/**
 * Ctrl-A at a terminal, which makes of the next key a command to Vesper: QEMU's keys. Everything
 * else is the guest's.
 */
final class EscapeKey {
  /** What is left for the guest when a key was a command. */
  static final int NOTHING = -1;

  /** Ctrl-A. */
  private static final int ESCAPE = 1;

  static final String HELP =
      """
      C-a h    print this help
      C-a x    end the run
      C-a s    save a screenshot
      C-a b    send break (magic sysrq)
      C-a d    press Ctrl-Alt-Delete on the PS/2 keyboard
      C-a c    switch between the console and the monitor
      C-a a    send C-a, as C-a C-a does
      """;

  /** What a person at the console can ask for; called by the thread that reads. */
  interface Commands {
    /** Says what the keys do. */
    void help();

    /** Ends the run. */
    void quit();

    /** Saves what the screen shows. */
    void screenshot();

    /** Presses Ctrl-Alt-Delete on the keyboard. */
    void controlAltDelete();

    /** Switches to the monitor, or away from it. */
    void monitor();

    /** {@return whether a key is the monitor's, which has it then} */
    boolean takes(int key);
  }

  private final Commands commands;
  private boolean escaped;

  EscapeKey(Commands commands) {
    this.commands = commands;
  }

  /**
   * Takes a byte that was typed.
   *
   * @return what the guest gets: a byte, {@link ConsoleInput#BREAK}, or {@link #NOTHING}
   */
  int typed(int b) {
    if (!escaped) {
      escaped = b == ESCAPE;
      return escaped || commands.takes(b) ? NOTHING : b;
    }
    escaped = false;
    switch (b) {
      case ESCAPE, 'a' -> {
        return ESCAPE;
      }
      case 'b' -> {
        return ConsoleInput.BREAK;
      }
      case 'h', '?' -> commands.help();
      case 'x' -> commands.quit();
      case 's' -> commands.screenshot();
      case 'd' -> commands.controlAltDelete();
      case 'c' -> commands.monitor();
      default -> {
        // No key of anybody's.
      }
    }
    return NOTHING;
  }
}
