package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.format.JsonLinesReader;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** {@code vesper check}. */
final class CheckCommand implements Options.Command {
  /** Bytes that tell a form. */
  private static final int HEAD = 256;

  private @Nullable Path trace;
  private boolean rules;
  private boolean strict;
  private List<Path> convert = List.of();

  /** What was typed. */
  private List<String> line = List.of();

  private final CheckOptions findings = new CheckOptions();
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
    o.positional("TRACE", "a trace in JSON Lines", v -> trace = v);
    o.flag("refuse a trace that is cut off before its end", () -> strict = true, "--strict");
    o.flag("list the rules, with sections, mends and evidence", () -> rules = true, "--rules");
    o.paths("F", "also write the trace as " + TraceFiles.FORMS, v -> convert = v, "--convert");
    findings.addTo(o);
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
        BufferedReader in = Files.newBufferedReader(p, StandardCharsets.UTF_8)) {
      findings.written().forEach(outputs::open);
      // Everything is open that is named, and nothing of the trace has been read.
      sandbox.enter(new Policy.Builder().build());
      Optional<String> cut =
          JsonLinesReader.read(
              in,
              e -> {
                c.accept(e);
                out.accept(e);
              });
      if (cut.isPresent()) {
        String where = "the trace " + p + " is cut " + cut.get();
        if (strict) {
          throw new UserError(where + ": without --strict what is before is judged");
        }
        Terminal.say(where + ": the verdict is about what is before");
      }
      // Reports and baseline are about what was known before.
      out.close();
      return findings.conclude(c, outputs);
    } catch (IOException e) {
      throw new UserError("cannot read the trace " + p + ": " + otherForm(p, UserError.reason(e)));
    }
  }

  /** {@return that a file is a trace in another form, or else why it could not be read} */
  private static String otherForm(Path p, String reason) {
    String form = null;
    // A pipe has been read already.
    if (Files.isRegularFile(p)) {
      try (InputStream in = Files.newInputStream(p)) {
        form = form(in.readNBytes(HEAD));
      } catch (IOException e) {
        return reason;
      }
    }
    return form == null
        ? reason
        : "it is a trace as " + form + "; check reads those of 'vesper run --trace F.jsonl'";
  }

  private static @Nullable String form(byte[] head) {
    String text = new String(head, StandardCharsets.ISO_8859_1);
    if (text.startsWith("<!DOCTYPE html") || text.startsWith("<html")) {
      return "HTML (.html)";
    }
    // A section header block (pcapng, 4.1) begins with this; a Perfetto trace with packet field 1.
    if (text.startsWith("\n\r\r\n")) {
      return "pcapng (.pcapng)";
    }
    if (text.startsWith("\n") && head.length > 1) {
      return "Perfetto's packets (.perfetto)";
    }
    return text.matches("(?s)\\[\\d+[nu]?s\\] cpu\\d+ .*") ? "text (.txt)" : null;
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
