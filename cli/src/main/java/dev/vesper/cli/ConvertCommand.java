package dev.vesper.cli;

import dev.vesper.cli.qemu.QemuLine;
import dev.vesper.cli.qemu.ShellWords;
import dev.vesper.cli.qemu.Translation;
import dev.vesper.machine.spec.Outcome;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** {@code vesper convert-qemu}: a command line of QEMU's as one of ours. */
final class ConvertCommand {
  private static final String USAGE =
      "convert-qemu takes a command line: vesper convert-qemu 'qemu-system-x86_64 -kernel F ...'";

  private ConvertCommand() {}

  /**
   * Converts a line and prints what was left out, each in a line.
   *
   * @param args a line in one word or in many
   * @return the exit status
   */
  static int call(List<String> args) {
    if (args.size() == 1 && List.of("-h", "--help").contains(args.get(0))) {
      Terminal.out(USAGE);
      return 0;
    }
    List<String> words = words(args);
    if (words.isEmpty()) {
      throw new UserError(USAGE);
    }
    Translation t = translation(words);
    if (t.list() != null) {
      Terminal.outLines(t.list());
      return 0;
    }
    List<String> line = new ArrayList<>(List.of("vesper", "run"));
    line.addAll(t.words());
    Terminal.out(ShellWords.join(line));
    t.dropped().forEach(d -> Terminal.out("# left out: " + d));
    t.refusals().forEach(r -> Terminal.out("# cannot be had: " + r));
    return t.refusals().isEmpty() ? 0 : Outcome.USAGE;
  }

  /** {@return the words of a line without variables and the program's name} */
  private static List<String> words(List<String> args) {
    List<String> words =
        new ArrayList<>(
            args.size() == 1 ? UserError.of(() -> ShellWords.split(args.get(0))) : args);
    while (!words.isEmpty()
        && (words.get(0).matches("[A-Za-z_]\\w*=.*") || words.get(0).matches("sudo|exec|time"))) {
      words.remove(0);
    }
    if (!words.isEmpty()
        && words.get(0).matches("(?:.*/)?(?:qemu-(?:system-)?\\w+|kvm|qemu-kvm)")) {
      words.remove(0);
    }
    return words;
  }

  /** {@return what the words come to as words of {@code run}} */
  static Translation translation(List<String> words) {
    Options own = new RunCommand(null).options();
    return QemuLine.translate(words, own.names(), f -> Files.exists(Path.of(f)));
  }
}
