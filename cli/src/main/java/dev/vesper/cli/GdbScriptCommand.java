package dev.vesper.cli;

import dev.vesper.cli.gdb.GdbScript;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** {@code vesper gdb-script}. */
final class GdbScriptCommand implements Options.Command {
  private @Nullable Path output;

  @Override
  public Options options() {
    Options o =
        new Options(
            "Prints gdb's commands for guests, in Python: vc-list, ghcb, ghcb-diff, exchange,"
                + " pagestate, vmsa.",
            "",
            "Example: vesper gdb-script -o vesper.py; gdb -x vesper.py -ex 'target remote :1234'");
    o.path("F", "write them to this file", p -> output = p, "-o", "--output");
    return o;
  }

  @Override
  public Integer call() {
    Path to = output;
    if (to == null) {
      Terminal.outLines(GdbScript.text());
      return 0;
    }
    try (Outputs outputs = new Outputs()) {
      outputs.open(to);
      outputs.write(to, GdbScript.text().getBytes(StandardCharsets.UTF_8));
    }
    return 0;
  }
}
