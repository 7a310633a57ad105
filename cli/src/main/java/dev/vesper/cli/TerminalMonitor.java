package dev.vesper.cli;

import dev.vesper.cli.monitor.Control;
import dev.vesper.cli.monitor.Session;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * The monitor at the terminal of the guest's console, which sends keys one by one and echoes
 * nothing. Ctrl-A c leads to it and away from it.
 */
final class TerminalMonitor {
  static final String PROMPT = "(qemu) ";

  private static final int LONGEST = 1024;
  private static final int DELETE = 0x7F;
  private static final int CONTROL_C = 3;
  private static final int CONTROL_U = 0x15;

  private final Control control;
  private final Session session;
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();
  private boolean on;

  TerminalMonitor(Control control) {
    this.control = control;
    session = new Session(control);
  }

  /** Leads keys here, or back to the guest. */
  void toggle() {
    on = !on;
    line.reset();
    Terminal.errLines(on ? "\n" + PROMPT : "\n");
  }

  /** Takes a key that was typed; {@return false if it is the guest's} */
  boolean takes(int key) {
    if (!on) {
      return false;
    }
    switch (key) {
      case '\r', '\n' -> {
        Terminal.errLines("\n");
        run();
      }
      case '\b', DELETE -> erase(1);
      case CONTROL_U -> erase(line.size());
      case CONTROL_C -> {
        line.reset();
        Terminal.errLines("\n" + PROMPT);
      }
      default -> {
        if (key >= ' ' && key < DELETE && line.size() < LONGEST) {
          line.write(key);
          Terminal.errLines(String.valueOf((char) key));
        }
      }
    }
    return true;
  }

  private void erase(int keys) {
    byte[] b = line.toByteArray();
    int n = Math.min(keys, b.length);
    line.reset();
    line.write(b, 0, b.length - n);
    for (int i = 0; i < n; i++) {
      Terminal.erase();
    }
  }

  private void run() {
    String text = line.toString(StandardCharsets.US_ASCII);
    line.reset();
    String answer = text.isBlank() ? "" : control.run(session, text);
    Terminal.errLines(answer + PROMPT);
  }
}
