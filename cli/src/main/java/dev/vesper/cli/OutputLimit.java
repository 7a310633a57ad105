package dev.vesper.cli;

import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.format.TraceWriter;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;

/**
 * How much a guest may have written to each of a run's outputs. What is more is left out, and the
 * run says so at its end; a trace has its end all the same.
 */
final class OutputLimit {
  /** What {@code --max-output} is if nothing is said. */
  static final String DEFAULT = "4G";

  /** Something that was cut. */
  private record Cut(String name, String units, LongSupplier dropped) {}

  /** No limit, for what nobody but the user decides on. */
  static final OutputLimit NONE = new OutputLimit("", Long.MAX_VALUE);

  private final String size;
  private final long most;
  private final List<Cut> outputs = new ArrayList<>();

  /**
   * @param size of each output, as in 64K, 100M or 4G
   */
  OutputLimit(String size) {
    this(size, UserError.of(() -> HardwareOptions.output("--max-output", size)));
  }

  private OutputLimit(String size, long most) {
    this.size = size;
    this.most = most;
  }

  /**
   * {@return an output of the guest's that takes no more than the limit}
   *
   * @param name what it is, for people
   */
  OutputStream limited(String name, OutputStream out) {
    Counted c = new Counted(out, most);
    outputs.add(new Cut(name, "bytes", () -> c.dropped));
    return c;
  }

  /**
   * {@return a trace that leaves out events but its end when it has reached the limit}
   *
   * @param name of its file
   * @param make makes its writer
   */
  TraceWriter trace(String name, OutputStream file, Function<OutputStream, TraceWriter> make) {
    Counted c = new Counted(file, Long.MAX_VALUE);
    Trace t = new Trace(make.apply(c), c, most);
    outputs.add(new Cut(name, "events before the last one", () -> t.dropped));
    return t;
  }

  /** Says what was left out. */
  void tell(Consumer<String> to) {
    for (Cut c : outputs) {
      if (c.dropped.getAsLong() > 0) {
        to.accept(
            c.name
                + ": "
                + c.dropped.getAsLong()
                + " "
                + c.units
                + " were left out, because there may be "
                + size
                + " (--max-output)");
      }
    }
  }

  /** Counts what goes through, and lets no more of it than it may. */
  private static final class Counted extends FilterOutputStream {
    private final long most;
    private long passed;
    private long dropped;

    Counted(OutputStream out, long most) {
      super(out);
      this.most = most;
    }

    @Override
    public void write(int b) throws IOException {
      if (passed < most) {
        out.write(b);
        passed++;
      } else {
        dropped++;
      }
    }

    @Override
    public void write(byte[] b, int offset, int length) throws IOException {
      int n = (int) Math.min(length, most - passed);
      out.write(b, offset, n);
      passed += n;
      dropped += length - n;
    }
  }

  /** A trace that keeps its end. */
  private static final class Trace implements TraceWriter {
    private final TraceWriter writer;
    private final Counted file;
    private final long most;
    private long dropped;

    Trace(TraceWriter writer, Counted file, long most) {
      this.writer = writer;
      this.file = file;
      this.most = most;
    }

    @Override
    public void accept(Event e) {
      if (file.passed < most || e instanceof Event.Ended) {
        writer.accept(e);
      } else {
        dropped++;
      }
    }

    @Override
    public void close() throws IOException {
      writer.close();
    }
  }
}
