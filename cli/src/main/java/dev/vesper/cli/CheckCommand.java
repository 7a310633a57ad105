package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.format.JsonLinesReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** {@code vesper check}. */
final class CheckCommand implements Options.Command {
  private @Nullable Path trace;
  private boolean rules;
  private boolean strict;
  private List<Path> convert = List.of();

  /** What was typed. */
  private List<String> line = List.of();

  private final CheckOptions findings = new CheckOptions();
  private final PageOptions pages = new PageOptions();
  private final Sandbox sandbox;

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  CheckCommand(@Nullable Function<Policy, Confinement> confine) {
    sandbox = new Sandbox(confine);
  }

  @Override
  public void typed(List<String> words) {
    line = words;
  }

  @Override
  public Options options() {
    Options o =
        new Options(
            "Says who broke the GHCB protocol in a trace that 'run --trace F.jsonl' wrote; status 4"
                + " if anybody did.");
    o.positional("TRACE", "a trace in JSON Lines, which may be packed by gzip", v -> trace = v);
    o.flag("refuse a trace that is cut off before its end", () -> strict = true, "--strict");
    o.flag("list the rules, with sections, mends and evidence", () -> rules = true, "--rules");
    o.paths("F", "also write the trace as " + TraceFiles.FORMS, v -> convert = v, "--convert");
    findings.addTo(o);
    pages.addTo(o);
    sandbox.addTo(o);
    return o;
  }

  @Override
  public Integer call() {
    if (rules) {
      Terminal.outLines(table());
      return 0;
    }
    Path p = trace;
    if (p == null) {
      throw new UserError("check needs a TRACE: write one with 'vesper run --trace F.jsonl'");
    }
    sandbox.validate();
    findings.validate();
    pages.validate();
    if (Files.isDirectory(p)) {
      throw new UserError("the trace " + p + " is a directory: name a file");
    }
    Checker c = new Checker();
    try (Outputs outputs = new Outputs();
        TraceFiles out =
            new TraceFiles(
                convert,
                p.getFileName().toString(),
                line,
                c,
                findings::verdict,
                outputs,
                OutputLimit.NONE,
                e -> {
                  throw e;
                });
        TraceInput in = new TraceInput(p)) {
      findings.written().forEach(outputs::open);
      // Everything is open that is named, and nothing of the trace has been read.
      sandbox.enter(new Policy.Builder().build());
      Optional<String> cut =
          read(
              in,
              e -> {
                c.accept(e);
                pages.accept(e);
                out.accept(e);
              });
      if (cut.isPresent()) {
        String where = "the trace " + p + " is cut " + cut.get();
        if (strict) {
          throw new UserError(where + ": without --strict what is before is judged");
        }
        Terminal.say(where + ": the verdict is about what is before");
      }
      Terminal.outLines(pages.history() + pages.mapOfEvents());
      // Reports and baseline are about what was known before.
      out.close();
      return findings.conclude(c, outputs);
    } catch (IOException e) {
      throw new UserError("cannot read the trace " + p + ": " + UserError.reason(e));
    }
  }

  /**
   * Reads a trace as far as it goes.
   *
   * @return where it is cut off, in words
   */
  private static Optional<String> read(TraceInput in, EventSink to) throws IOException {
    Optional<String> cut;
    try {
      cut = JsonLinesReader.read(in.reader(), to);
    } catch (IOException e) {
      String form = in.otherForm();
      if (form == null) {
        throw e;
      }
      throw new IOException(
          "it is a trace as " + form + "; check reads those of 'vesper run --trace F.jsonl'", e);
    }
    return cut.isEmpty() && in.isCut()
        ? Optional.of("behind its last record, where gzip has its sum")
        : cut;
  }

  /** {@return the rules as a Markdown table} */
  static String table() {
    StringBuilder b = new StringBuilder();
    b.append("| rule | side | severity | says | section | mend | evidence |\n");
    b.append("|---|---|---|---|---|---|---|\n");
    for (Rule r : Rule.values()) {
      b.append("| `").append(r.id()).append("` | ").append(r.side).append(" | ");
      b.append(r.severity).append(" | ").append(r.text).append(" | ").append(r.section);
      b.append(" | ").append(r.mend).append(" | ").append(r.evidence).append(" |\n");
    }
    return b.toString();
  }
}
