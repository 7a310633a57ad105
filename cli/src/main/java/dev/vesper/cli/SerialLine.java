package dev.vesper.cli;

import dev.vesper.machine.spec.ConsoleInput;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * What a serial port is connected to if bytes go both ways and it is not standard input and output:
 * a socket, or a terminal of its own. It is open before the guest runs; what the guest sends while
 * nobody is there is lost, as on a line without flow control.
 */
interface SerialLine extends Closeable {
  /** What the option takes, for people. */
  String FORMS = "stdio, stderr, file:F, tcp:[HOST]:PORT[,server], unix:PATH[,server], pty or none";

  /** {@return where the guest's bytes go} */
  OutputStream output();

  /** {@return what the guest hears} */
  ConsoleInput input();

  /** {@return whether somebody may come while the guest runs} */
  boolean accepts();

  /**
   * Opens the line that an option names.
   *
   * @param stopped whether nobody is to be waited for any more
   * @return null if it names something else
   * @throws UserError if it cannot be opened
   */
  static @Nullable SerialLine open(String where, BooleanSupplier stopped) {
    try {
      if (where.equals("pty")) {
        return new PtyLine();
      }
      SocketPlace p = SocketPlace.of("-serial", where);
      return p == null ? null : new SocketLine(p, stopped);
    } catch (IOException e) {
      throw new UserError("-serial " + where + ": " + UserError.reason(e));
    }
  }
}
