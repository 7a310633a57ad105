package dev.vesper.cli;

import dev.vesper.machine.InstructionSet;
import dev.vesper.machine.InstructionSet.Form;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code vesper isa}: the instructions that the processor executes. */
@Command(
    name = "isa",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Lists the instruction forms of the opcode table: where they exist, what they need, the"
            + " smallest CPU model that has them, whether they are done, and how many recorded"
            + " results of real processors they are tested against.")
final class IsaCommand implements Callable<Integer> {
  private static final List<Function<Form, String>> COLUMNS =
      List.of(
          Form::mnemonic,
          Form::operands,
          Form::encoding,
          Form::modes,
          Form::feature,
          Form::since,
          Form::state,
          f -> String.valueOf(f.cases()));
  private static final List<String> HEADINGS =
      List.of("mnemonic", "operands", "encoding", "modes", "feature", "since", "state", "cases");

  @Parameters(
      arity = "0..*",
      paramLabel = "MNEMONIC",
      description = "only these; a * at the end stands for anything")
  private List<String> wanted = List.of();

  @Option(names = "--feature", paramLabel = "F", description = "only forms that need this feature")
  private String feature = "";

  @Option(names = "--markdown", description = "write a Markdown table")
  private boolean markdown;

  @Override
  public Integer call() {
    List<Form> forms = InstructionSet.forms().stream().filter(this::matches).toList();
    if (forms.isEmpty()) {
      throw new UserError("no such instruction: see vesper isa for all of them");
    }
    Terminal.outLines(table(forms, markdown));
    return 0;
  }

  private boolean matches(Form f) {
    if (!feature.isEmpty() && !f.feature().equals(feature)) {
      return false;
    }
    for (String w : wanted) {
      String m = w.toLowerCase(Locale.ROOT);
      boolean open = m.endsWith("*");
      if (open ? f.mnemonic().startsWith(m.substring(0, m.length() - 1)) : f.mnemonic().equals(m)) {
        return true;
      }
    }
    return wanted.isEmpty();
  }

  /** {@return forms as a table, followed by how many there are} */
  static String table(List<Form> forms, boolean markdown) {
    StringBuilder s = new StringBuilder();
    int[] widths = new int[COLUMNS.size()];
    for (int i = 0; i < widths.length; i++) {
      Function<Form, String> c = COLUMNS.get(i);
      widths[i] =
          Math.max(
              HEADINGS.get(i).length(),
              forms.stream().mapToInt(f -> c.apply(f).length()).max().orElse(0));
    }
    row(s, HEADINGS, widths, markdown);
    if (markdown) {
      s.append("|---".repeat(widths.length)).append("|\n");
    }
    for (Form f : forms) {
      row(s, COLUMNS.stream().map(c -> c.apply(f)).toList(), widths, markdown);
    }
    long done = forms.stream().filter(f -> f.state().equals("done")).count();
    long tested = forms.stream().filter(f -> f.cases() > 0).count();
    if (!markdown) {
      s.append(
          String.format(
              "%d forms, %d done, %d with recorded results%n", forms.size(), done, tested));
    }
    return s.toString();
  }

  private static void row(StringBuilder s, List<String> cells, int[] widths, boolean markdown) {
    if (markdown) {
      s.append("| ").append(String.join(" | ", cells)).append(" |\n");
      return;
    }
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < widths.length; i++) {
      line.append(cells.get(i)).append(" ".repeat(widths[i] - cells.get(i).length() + 2));
    }
    s.append(line.toString().stripTrailing()).append('\n');
  }
}
