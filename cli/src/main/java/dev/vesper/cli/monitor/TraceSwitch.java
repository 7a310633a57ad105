package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.format.TextWriter;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A trace of lines that is switched on and off while the guest runs. */
final class TraceSwitch implements EventSink {
  /** What one file takes at most. */
  private static final long MOST = 256L << 20;

  private @Nullable PrintStream out;
  private @Nullable TextWriter writer;
  private String name = "";

  /** Ends with the file's room. */
  private static final class Limited extends FilterOutputStream {
    private long left = MOST;

    Limited(OutputStream to) {
      super(to);
    }

    @Override
    public void write(byte[] b, int from, int length) throws IOException {
      left -= length;
      if (left >= 0) {
        out.write(b, from, length);
      }
    }

    @Override
    public void write(int b) throws IOException {
      if (--left >= 0) {
        out.write(b);
      }
    }
  }

  @Override
  public void accept(Event e) {
    TextWriter w = writer;
    if (w != null) {
      w.accept(e);
    }
  }

  /** Begins a file. */
  void begin(Path file) throws IOException {
    close();
    PrintStream p =
        new PrintStream(new Limited(WrittenFiles.open(file)), false, StandardCharsets.UTF_8);
    out = p;
    writer = new TextWriter(p);
    name = file.toString();
  }

  /** {@return where it goes, or empty} */
  String name() {
    return name;
  }

  /** Ends the file; {@return whether all of it was taken} */
  boolean close() {
    PrintStream p = out;
    out = null;
    writer = null;
    name = "";
    if (p == null) {
      return true;
    }
    p.close();
    return !p.checkError();
  }
}
