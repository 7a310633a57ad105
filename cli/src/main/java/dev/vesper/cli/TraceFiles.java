package dev.vesper.cli;

import dev.vesper.cli.qemu.ShellWords;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.observe.format.PcapngWriter;
import dev.vesper.machine.observe.format.PerfettoWriter;
import dev.vesper.machine.observe.format.TextWriter;
import dev.vesper.machine.observe.format.TraceWriter;
import dev.vesper.machine.observe.html.HtmlReport;
import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.zip.GZIPOutputStream;

/** The trace files of a run: the ending of each name chooses its form. */
final class TraceFiles implements EventSink, Closeable {
  static final String FORMS = ".jsonl, .jsonl.gz, .perfetto, .pcapng, .html, .txt or .txt.gz";

  private final List<TraceWriter> writers = new ArrayList<>();
  private final Checker checker;
  private final Consumer<OutputError> lost;

  /**
   * Opens the files.
   *
   * @param title of reports
   * @param line that was typed, without the program's name
   * @param checker sees each event first
   * @param verdict what reports show
   * @param outputs opens and closes them
   * @param limit says how long each may become
   * @param lost is told of each file that takes no more; the others go on
   */
  TraceFiles(
      List<Path> files,
      String title,
      List<String> line,
      Checker checker,
      Function<Checker, Verdict> verdict,
      Outputs outputs,
      OutputLimit limit,
      Consumer<OutputError> lost) {
    this.checker = checker;
    this.lost = lost;
    files.forEach(TraceFiles::validate);
    for (Path p : files) {
      try {
        OutputStream file = new BufferedOutputStream(outputs.stream(p), 1 << 16);
        TraceWriter w =
            limit.trace("trace " + p, file, out -> writer(p, title, line, verdict, out));
        // The others ask the checker, or are for people who look at few events.
        writers.add(isJson(p) || isPacked(p) ? new BackgroundWriter("trace " + p, w) : w);
      } catch (UserError e) {
        close();
        throw e;
      }
    }
  }

  private static void validate(Path p) {
    if (!p.toString().matches(".*\\.((jsonl|txt)(\\.gz)?|perfetto|perfetto-trace|pcapng|html)")) {
      throw new UserError("--trace " + p + ": the name must end in " + FORMS);
    }
  }

  private static boolean isJson(Path p) {
    return p.toString().matches(".*\\.jsonl(\\.gz)?");
  }

  private static boolean isPacked(Path p) {
    return p.toString().endsWith(".gz");
  }

  /** {@return a stream into a file, by gzip if its name says so} */
  private static OutputStream packed(Path p, OutputStream file) {
    try {
      return isPacked(p) ? new GZIPOutputStream(file, 1 << 13) : file;
    } catch (IOException e) {
      throw new OutputError(p.toString(), e);
    }
  }

  private TraceWriter writer(
      Path p,
      String title,
      List<String> line,
      Function<Checker, Verdict> verdict,
      OutputStream file) {
    String name = p.toString();
    OutputStream out = packed(p, file);
    if (name.endsWith(".pcapng")) {
      return new PcapngWriter(out);
    }
    if (isJson(p)) {
      return new JsonLinesWriter(out);
    }
    if (name.endsWith(".html")) {
      List<String> words = new ArrayList<>(List.of("vesper"));
      words.addAll(line);
      return HtmlReport.to(
          new OutputStreamWriter(out, StandardCharsets.UTF_8),
          title,
          ShellWords.join(words),
          checker,
          () -> verdict.apply(checker));
    }
    return name.matches(".*\\.txt(\\.gz)?")
        ? new Text(out, StandardCharsets.UTF_8)
        : new PerfettoWriter(out);
  }

  /** Text in a file. */
  static final class Text implements TraceWriter {
    private final PrintStream out;
    private final TextWriter writer;

    Text(OutputStream o, Charset charset) {
      out = new PrintStream(o, false, charset);
      writer = new TextWriter(out);
    }

    @Override
    public void accept(Event e) {
      writer.accept(e);
    }

    @Override
    public void close() throws IOException {
      // A PrintStream keeps to itself what has failed.
      boolean failed = out.checkError();
      out.close();
      if (failed || out.checkError()) {
        throw new IOException("no room is left, or it takes no more");
      }
    }
  }

  /** {@return whether any writer shows findings} */
  static boolean showsFindings(List<Path> files) {
    return files.stream().anyMatch(p -> p.toString().endsWith(".html"));
  }

  @Override
  public void accept(Event e) {
    for (Iterator<TraceWriter> i = writers.iterator(); i.hasNext(); ) {
      TraceWriter w = i.next();
      try {
        w.accept(e);
      } catch (OutputError x) {
        i.remove();
        abandon(w, x);
        lost.accept(x);
      }
    }
  }

  /** Its end cannot be written either, but what it holds is given back. */
  private static void abandon(TraceWriter w, OutputError why) {
    try {
      w.close();
    } catch (IOException | OutputError e) {
      why.addSuppressed(e);
    }
  }

  /**
   * Completes the files.
   *
   * @throws OutputError if one of them does not take its end; the others have theirs
   */
  @Override
  public void close() {
    OutputError first = null;
    for (TraceWriter w : writers) {
      try {
        w.close();
      } catch (OutputError e) {
        first = first != null ? first : e;
      } catch (IOException e) {
        first = first != null ? first : new OutputError("the trace", e);
      }
    }
    writers.clear();
    if (first != null) {
      throw first;
    }
  }
}
