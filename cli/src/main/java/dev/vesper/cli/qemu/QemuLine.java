package dev.vesper.cli.qemu;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/** A command line of QEMU's, or of Vesper's, or of both mixed. */
public final class QemuLine {
  /** Options of Vesper's that are others than QEMU's of the same name; theirs has one dash. */
  private static final Set<String> OTHERS = Set.of("trace", "sandbox");

  private final Map<String, Boolean> own;
  private final QemuOptions options;

  private QemuLine(Map<String, Boolean> own, Predicate<String> exists) {
    this.own = own;
    this.options = new QemuOptions(exists);
  }

  /**
   * Translates a line.
   *
   * @param args without the name of the program
   * @param own the options of {@code vesper run} with their dashes, and whether each takes a value
   * @param exists whether there is a file of a name, for firmware that QEMU looks for in folders
   */
  public static Translation translate(
      List<String> args, Map<String, Boolean> own, Predicate<String> exists) {
    QemuLine q = new QemuLine(own, exists);
    for (int i = 0; i < args.size(); ) {
      i += q.read(args, i);
    }
    q.options.finish();
    return q.options.line().translation();
  }

  private static String bare(String word) {
    int equals = word.indexOf('=');
    String name = equals < 0 ? word : word.substring(0, equals);
    return name.startsWith("--") ? name.substring(2) : name.substring(1);
  }

  /** {@return whether a word is an option of either} */
  private boolean isOption(String word) {
    return word.length() > 1
        && word.startsWith("-")
        && (options.entry(bare(word)) != null
            || own.containsKey(word)
            || own.containsKey("-" + word));
  }

  /** Reads an option with its value; {@return how many words they are} */
  private int read(List<String> args, int at) {
    String word = args.get(at);
    Line line = options.line();
    if (word.length() < 2 || !word.startsWith("-")) {
      line.add(word);
      return 1;
    }
    int equals = word.indexOf('=');
    String option = equals < 0 ? word : word.substring(0, equals);
    String name = bare(word);
    QemuOptions.Entry entry =
        option.startsWith("--") && OTHERS.contains(name) ? null : options.entry(name);
    // Options that the table does not have are Vesper's, with one dash or two.
    String known = own.containsKey(option) ? option : "-" + option;
    if (entry == null && !own.containsKey(known)) {
      line.add(word);
      return 1;
    }
    boolean takesValue = entry != null ? entry.takesValue() : own.getOrDefault(known, false);
    if (!takesValue) {
      // With a value all the same it is no option of QEMU's, and Vesper's own business.
      if (entry != null && equals < 0) {
        entry.effect().on("-" + name, "");
      } else {
        line.add(known + word.substring(option.length()));
      }
      return 1;
    }
    String value = word.substring(equals + 1);
    int words = 1;
    if (equals < 0) {
      if (at + 1 == args.size() || isOption(args.get(at + 1))) {
        line.refuse(option + " needs a value behind it" + instead(args, at + 1));
        return 1;
      }
      value = args.get(at + 1);
      words = 2;
    }
    if (entry != null) {
      entry.effect().on("-" + name, value);
    } else if (value.startsWith("-")) {
      // So that it is taken for no option.
      line.add(known + "=" + value);
    } else {
      line.add(known, value);
    }
    return words;
  }

  private static String instead(List<String> args, int at) {
    return at < args.size() ? ", and " + args.get(at) + " is an option" : "";
  }
}
