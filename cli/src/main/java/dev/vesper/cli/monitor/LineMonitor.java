package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.Producer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;

/** The monitor of lines, with the prompt that clients of QEMU wait for. */
final class LineMonitor implements Front {
  static final String PROMPT = "(qemu) ";
  static final String GREETING =
      Producer.NAME + " " + Producer.VERSION + " monitor - type 'help' for more information\n";

  private static final int PART = 4096;

  private final Control control;

  LineMonitor(Control control) {
    this.control = control;
  }

  @Override
  public void talk(ReadableByteChannel in, Mailbox out) throws IOException {
    Session s = new Session(control);
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    ByteBuffer part = ByteBuffer.allocate(PART);
    boolean goesOn = out.send(GREETING + PROMPT);
    while (goesOn && in.read(part) >= 0) {
      part.flip();
      while (goesOn && part.hasRemaining()) {
        byte b = part.get();
        if (b == '\n') {
          goesOn = take(s, line, out);
        } else if (line.size() <= Session.LONGEST) {
          line.write(b);
        }
      }
      part.clear();
    }
  }

  /** Does a line; {@return whether another may follow} */
  private boolean take(Session s, ByteArrayOutputStream line, Mailbox out) {
    String text = line.toString(StandardCharsets.UTF_8);
    line.reset();
    String answer = text.isBlank() ? "" : control.ask(() -> s.run(text));
    return answer != null && out.send(answer + PROMPT);
  }
}
