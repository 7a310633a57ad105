package dev.vesper.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.BiConsumer;
import java.util.function.BiPredicate;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.ISetter;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/**
 * The options of a command, from which picocli's model is made. A plain command line is read
 * without picocli, which takes a third of a start to be loaded; whatever is not plain, mistakes and
 * {@code --help} among it, is picocli's.
 */
final class Options {
  /** Commands that have such options. */
  interface Command extends Callable<Integer> {
    Options options();

    /** {@return a line without the words that are none of the options', which are kept} */
    default List<String> words(List<String> args) {
      return args;
    }

    /**
     * Takes the whole line as it was typed, for those that put it into what they write.
     *
     * @param words with the command's name first, unless it was left out
     */
    default void typed(List<String> words) {
      // Most do not.
    }

    /**
     * {@return a line that is not plain in the words of the options}
     *
     * @throws UserError if it cannot be
     */
    default List<String> translated(List<String> args) {
      return args;
    }
  }

  /**
   * One option.
   *
   * @param names with their dashes; none for what stands for itself on the command line
   * @param label what stands for the value in the help; empty for a flag, which takes none
   * @param convert makes a value of a text, or throws IllegalArgumentException
   * @param many whether it may be repeated
   * @param split whether commas lie between values
   * @param set takes all values; one for an option that is not repeated
   */
  private record Option<T>(
      List<String> names,
      String label,
      String description,
      Class<T> type,
      Function<String, T> convert,
      boolean many,
      boolean split,
      Consumer<List<T>> set) {

    Runnable read(List<String> texts) {
      List<T> values = new ArrayList<>();
      for (String text : texts) {
        for (String one : split && !names.isEmpty() ? text.split(",") : new String[] {text}) {
          values.add(convert.apply(one));
        }
      }
      return () -> set.accept(values);
    }

    ArgSpec model() {
      if (names.isEmpty()) {
        PositionalParamSpec.Builder b =
            PositionalParamSpec.builder()
                .paramLabel(label)
                .description(description)
                .setter(new Setter<>(this));
        List<String> words = Completion.firstWords(label);
        if (!words.isEmpty()) {
          b.completionCandidates(words);
        }
        return many
            ? b.index("0..*").arity("0..*").type(List.class).auxiliaryTypes(type).build()
            : b.index("0").arity("0..1").type(type).build();
      }
      String[] others = names.subList(1, names.size()).toArray(new String[0]);
      OptionSpec.Builder b =
          OptionSpec.builder(names.get(0), others)
              .description(description)
              .setter(new Setter<>(this));
      if (label.isEmpty()) {
        return b.type(boolean.class).arity("0").build();
      }
      b.paramLabel(label).arity("1").converters((CommandLine.ITypeConverter<T>) this::converted);
      if (!many) {
        return b.type(type).build();
      }
      b.type(List.class).auxiliaryTypes(type);
      return split ? b.splitRegex(",").build() : b.build();
    }

    private T converted(String text) {
      try {
        return convert.apply(text);
      } catch (IllegalArgumentException e) {
        throw new CommandLine.TypeConversionException(
            "'" + text + "' is not " + (type == Path.class ? "a file name" : "a number"));
      }
    }
  }

  /**
   * Sets the fields from picocli's values: a list for each time that an option is given. Its
   * initial values are not taken, because fields have theirs already.
   */
  private static final class Setter<T> implements ISetter {
    private final Option<T> of;
    private final List<T> values = new ArrayList<>();

    Setter(Option<T> of) {
      this.of = of;
    }

    @Override
    @SuppressWarnings("unchecked")
    public <V> @Nullable V set(@Nullable V value) {
      if (value != null && !Boolean.FALSE.equals(value)) {
        values.addAll(of.many ? (List<T>) value : List.of((T) value));
        of.set.accept(values);
      }
      return null;
    }
  }

  private final List<Option<?>> all = new ArrayList<>();
  private BiConsumer<List<String>, List<?>> told = (names, values) -> {};
  private final String description;
  private final List<String> footer;
  private BiPredicate<String, String> plain = (name, value) -> true;

  /** Options whose value may be left out, and what it is then. */
  private final Map<String, String> leftOut = new HashMap<>();

  /** Which words are values of such options if they stand behind them. */
  private final Map<String, Predicate<String>> follows = new HashMap<>();

  /**
   * @param description what the command does
   * @param footer what stands below the options in the help
   */
  Options(String description, String... footer) {
    this.description = description;
    this.footer = List.of(footer);
  }

  /**
   * Says which values are plain.
   *
   * @param test takes an option's first name, and its value
   */
  void plain(BiPredicate<String, String> test) {
    plain = test;
  }

  /**
   * Says who is told of each option that is set.
   *
   * @param to takes its names, none for what stands for itself, and all values that it has so far;
   *     those of a flag are {@code true}
   */
  void tell(BiConsumer<List<String>, List<?>> to) {
    told = to;
  }

  private <T> void add(Option<T> o) {
    all.add(
        new Option<>(
            o.names,
            o.label,
            o.description,
            o.type,
            o.convert,
            o.many,
            o.split,
            values -> {
              told.accept(o.names, List.copyOf(values));
              o.set.accept(values);
            }));
  }

  /**
   * Sets options from words of the form {@code name=value}, or {@code name} of a flag, where a name
   * may come again of an option that may be repeated.
   *
   * @throws IllegalArgumentException if a word is none of these
   */
  void readWords(List<String> words) {
    Map<Option<?>, List<String>> given = new IdentityHashMap<>();
    List<Option<?>> order = new ArrayList<>();
    for (String w : words) {
      int equals = w.indexOf('=');
      String name = equals < 0 ? w : w.substring(0, equals);
      Option<?> o = all.stream().filter(x -> x.names.contains(name)).findFirst().orElse(null);
      boolean fits = o != null && o.label.isEmpty() == equals < 0;
      if (o == null || !fits || given.containsKey(o) && !o.many) {
        throw new IllegalArgumentException("there is no such option as " + w);
      }
      if (!given.containsKey(o)) {
        order.add(o);
      }
      given.computeIfAbsent(o, k -> new ArrayList<>()).add(w.substring(equals + 1));
    }
    List<Runnable> settings = new ArrayList<>();
    for (Option<?> o : order) {
      settings.add(o.read(given.getOrDefault(o, List.of())));
    }
    settings.forEach(Runnable::run);
  }

  /** {@return the names of all options, and whether each takes a value} */
  Map<String, Boolean> names() {
    Map<String, Boolean> names = new HashMap<>();
    for (Option<?> o : all) {
      o.names.forEach(n -> names.put(n, !o.label.isEmpty()));
    }
    leftOut.keySet().forEach(n -> names.put(n, false));
    return names;
  }

  /** {@return all names of the option that has a name; none if there is no such option} */
  List<String> aliases(String name) {
    return all.stream()
        .filter(o -> o.names.contains(name))
        .findFirst()
        .map(Option::names)
        .orElse(List.of());
  }

  /** {@return whether an option may be repeated} */
  boolean isRepeated(String name) {
    return all.stream().anyMatch(o -> o.many && o.names.contains(name));
  }

  /** {@return a line in which options whose value may be left out have it behind an equals sign} */
  List<String> completed(List<String> args) {
    if (args.stream().noneMatch(leftOut::containsKey)) {
      return args;
    }
    List<String> words = new ArrayList<>();
    for (int i = 0; i < args.size(); i++) {
      String a = args.get(i);
      String otherwise = leftOut.get(a);
      Predicate<String> isValue = follows.get(a);
      if (otherwise == null || isValue == null) {
        words.add(a);
      } else if (i + 1 < args.size() && isValue.test(args.get(i + 1))) {
        words.add(a + "=" + args.get(++i));
      } else {
        words.add(a + "=" + otherwise);
      }
    }
    return words;
  }

  /** Adds what stands for itself on the command line. */
  void positional(String label, String description, Consumer<Path> set) {
    path(label, description, set);
  }

  /** Adds any number of what stands for itself on the command line. */
  void positionals(String label, String description, Consumer<List<Path>> set) {
    paths(label, description, set);
  }

  void text(String label, String description, Consumer<String> set, String... names) {
    one(String.class, s -> s, label, description, set, names);
  }

  /**
   * Adds an option of text whose value may be left out.
   *
   * @param otherwise the value then
   * @param test whether a word that stands behind the option is its value; any may stand after an
   *     equals sign
   */
  void optional(
      String label,
      String description,
      String otherwise,
      Predicate<String> test,
      Consumer<String> set,
      String name) {
    leftOut.put(name, otherwise);
    follows.put(name, test);
    text(label, description, set, name);
  }

  /** Adds an option of seconds, or of a time with its unit. */
  void duration(String label, String description, Consumer<Double> set, String... names) {
    one(Double.class, Quantities::seconds, label, description, set, names);
  }

  /** Adds an option of a number that may have K, M or G behind it. */
  void count(String label, String description, Consumer<Long> set, String... names) {
    one(Long.class, Quantities::count, label, description, set, names);
  }

  void path(String label, String description, Consumer<Path> set, String... names) {
    one(Path.class, Path::of, label, description, set, names);
  }

  void integer(String label, String description, Consumer<Integer> set, String... names) {
    one(Integer.class, Integer::decode, label, description, set, names);
  }

  void number(String label, String description, Consumer<Long> set, String... names) {
    one(Long.class, Long::decode, label, description, set, names);
  }

  void fraction(String label, String description, Consumer<Double> set, String... names) {
    one(Double.class, Double::valueOf, label, description, set, names);
  }

  void flag(String description, Runnable set, String... names) {
    add(
        new Option<>(
            List.of(names),
            "",
            description,
            Boolean.class,
            Boolean::valueOf,
            false,
            false,
            on -> set.run()));
  }

  /** Adds an option of texts that may be repeated. */
  void texts(String label, String description, Consumer<List<String>> set, String... names) {
    add(new Option<>(List.of(names), label, description, String.class, s -> s, true, true, set));
  }

  /** Adds an option of texts with commas in them that may be repeated. */
  void phrases(String label, String description, Consumer<List<String>> set, String... names) {
    add(new Option<>(List.of(names), label, description, String.class, s -> s, true, false, set));
  }

  /** Adds an option of files that may be repeated. */
  void paths(String label, String description, Consumer<List<Path>> set, String... names) {
    add(new Option<>(List.of(names), label, description, Path.class, Path::of, true, true, set));
  }

  private <T> void one(
      Class<T> type,
      Function<String, T> convert,
      String label,
      String description,
      Consumer<T> set,
      String... names) {
    add(
        new Option<>(
            List.of(names),
            label,
            description,
            type,
            convert,
            false,
            false,
            values -> set.accept(values.get(0))));
  }

  /** Refuses a file of settings that is named where nobody looks for one. */
  private static String inFile(String name) {
    throw new CommandLine.TypeConversionException(
        "it stands on the command line itself, not in a file of arguments");
  }

  /** {@return picocli's model of the command} */
  CommandSpec model(String name, Command command) {
    CommandSpec spec = CommandSpec.wrapWithoutInspection(command).name(name);
    spec.usageMessage()
        .sortOptions(false)
        .description(description)
        .footer(footer.toArray(new String[0]));
    all.forEach(o -> spec.add(o.model()));
    spec.add(
        OptionSpec.builder(Settings.OPTION)
            .paramLabel("F")
            .arity("1")
            .type(String.class)
            .description(
                "take options from a file too, of lines such as memory = \"1G\"; what is said here"
                    + " counts more; may be repeated")
            .converters((CommandLine.ITypeConverter<String>) Options::inFile)
            .build());
    spec.mixinStandardHelpOptions(true);
    spec.version(Main.VERSION);
    return spec;
  }

  /**
   * Sets the options from a command line if it is plain: whole names, each with its value behind it
   * or after an equals sign, once each unless it may be repeated.
   *
   * @return false if it is not; then nothing was set
   */
  boolean readPlain(List<String> args) {
    Map<String, Option<?>> byName = new HashMap<>();
    for (Option<?> o : all) {
      (o.names.isEmpty() ? List.of("") : o.names).forEach(n -> byName.put(n, o));
    }
    // By identity: a record's hash is put together when it is first asked for, which takes long.
    Map<Option<?>, List<String>> given = new IdentityHashMap<>();
    for (Iterator<String> i = args.iterator(); i.hasNext(); ) {
      String arg = i.next();
      boolean named = arg.startsWith("-");
      int equals = named ? arg.indexOf('=') : -1;
      Option<?> o = byName.get(!named ? "" : equals < 0 ? arg : arg.substring(0, equals));
      if (o == null || equals >= 0 && o.label.isEmpty()) {
        return false;
      }
      boolean behind = named && equals < 0 && !o.label.isEmpty();
      if (behind && !i.hasNext()) {
        return false;
      }
      String value = behind ? i.next() : arg.substring(equals + 1);
      // What looks like another option is picocli's to judge, wherever it stands.
      boolean apart = behind || equals >= 0;
      boolean odd = value.isEmpty() || apart && value.startsWith("-") || value.startsWith("@");
      odd = odd || named && !plain.test(o.names.get(0), value);
      List<String> values = given.computeIfAbsent(o, k -> new ArrayList<>());
      if (odd || !values.isEmpty() && !o.many) {
        return false;
      }
      values.add(value);
    }
    List<Runnable> settings = new ArrayList<>();
    try {
      given.forEach((o, values) -> settings.add(o.read(values)));
    } catch (IllegalArgumentException e) {
      return false;
    }
    settings.forEach(Runnable::run);
    return true;
  }
}
