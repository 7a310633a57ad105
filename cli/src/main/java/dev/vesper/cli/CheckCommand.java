package dev.vesper.cli;

import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.format.JsonLinesReader;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code vesper check}. */
@Command(
    name = "check",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Says who broke the GHCB protocol in a trace that 'run --trace F.jsonl' wrote; status 4 if"
            + " anybody did.")
final class CheckCommand implements Callable<Integer> {
  @Parameters(arity = "0..1", paramLabel = "TRACE", description = "a trace in JSON Lines")
  private @Nullable Path trace;

  @Option(names = "--rules", description = "list the rules, with sections, mends and evidence")
  private boolean rules;

  @Option(
      names = "--convert",
      split = ",",
      paramLabel = "F",
      description = "also write the trace as " + TraceFiles.FORMS)
  private List<Path> convert = new ArrayList<>();

  @Mixin private CheckOptions options = new CheckOptions();

  @Override
  public Integer call() {
    if (rules) {
      System.out.print(table());
      return 0;
    }
    Path p = trace;
    if (p == null) {
      throw new UserError("check needs a TRACE: write one with 'vesper run --trace F.jsonl'");
    }
    options.validate();
    if (Files.isDirectory(p)) {
      throw new UserError("the trace " + p + " is a directory: name a file");
    }
    Checker c = new Checker();
    try (TraceFiles out = new TraceFiles(convert, p.getFileName().toString(), c, options::verdict);
        BufferedReader in = Files.newBufferedReader(p, StandardCharsets.UTF_8)) {
      JsonLinesReader.read(
          in,
          e -> {
            c.accept(e);
            out.accept(e);
          });
    } catch (IOException e) {
      throw new UserError("cannot read the trace " + p + ": " + UserError.reason(e));
    }
    return options.conclude(c);
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
