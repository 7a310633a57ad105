package dev.vesper.cli;

import java.util.ArrayList;
import java.util.List;

/**
 * Files of settings, which {@code --config} names: a part of TOML 1.0 (docs/start.md). A key is an
 * option's name without its dashes; its value a string, a number, true, false, or an array of them
 * for an option that may be repeated. Keys below {@code [run]} are those of that command alone.
 *
 * <p>No file is read that the command line does not name: a folder that somebody has sent must not
 * decide what a run may write to.
 */
final class Settings {
  static final String OPTION = "--config";

  private static final int MOST_ITEMS = 4096;

  private final String file;
  private final String text;
  private int at;

  private Settings(String file, String text) {
    this.file = file;
    this.text = text.replace("\r\n", "\n");
  }

  /**
   * {@return the words that a text of settings stands for}
   *
   * @param file its name, for messages
   * @param command the command's name
   * @param line the command line, of which an option counts more that may be given once
   */
  static List<String> words(
      String file, String text, String command, Options options, List<String> line) {
    List<String> words = new ArrayList<>();
    new Settings(file, text).read(command, options, line, words);
    return words;
  }

  /**
   * {@return a line with what its files of settings say in front} An option that may be given once
   * is the line's if both have it.
   *
   * @param command the command's name
   */
  static List<String> expanded(String command, Options options, List<String> args) {
    if (args.stream().noneMatch(a -> a.equals(OPTION) || a.startsWith(OPTION + "="))) {
      return args;
    }
    List<String> files = new ArrayList<>();
    List<String> line = new ArrayList<>();
    for (int i = 0; i < args.size(); i++) {
      String a = args.get(i);
      if (a.startsWith(OPTION + "=")) {
        files.add(a.substring(OPTION.length() + 1));
      } else if (!a.equals(OPTION)) {
        line.add(a);
      } else if (i + 1 < args.size()) {
        files.add(args.get(++i));
      } else {
        throw new UserError(OPTION + " needs a file of settings behind it");
      }
    }
    List<String> all = new ArrayList<>();
    for (String f : files) {
      String text = UserFiles.text(UserFiles.path(f), "settings");
      all.addAll(words(f, text, command, options, line));
    }
    all.addAll(line);
    return all;
  }

  private void read(String command, Options options, List<String> line, List<String> to) {
    boolean ours = true;
    for (space(true); at < text.length(); space(true)) {
      if (peek() == '[') {
        at++;
        space(false);
        ours = key().equals(command);
        space(false);
        expect(']');
      } else {
        int start = at;
        String key = key();
        space(false);
        expect('=');
        space(false);
        List<String> values = values();
        if (ours) {
          add(key, start, values, options, line, to);
        }
      }
      space(false);
      if (at < text.length() && peek() != '\n') {
        throw wrong(at, "a line has one key");
      }
    }
  }

  private void add(
      String key,
      int where,
      List<String> values,
      Options options,
      List<String> line,
      List<String> to) {
    String name = key.length() > 1 ? "--" + key : "-" + key;
    List<String> names = options.aliases(name);
    if (names.isEmpty()) {
      name = "-" + key;
      names = options.aliases(name);
    }
    if (names.isEmpty()) {
      throw wrong(where, "there is no option '" + key + "'");
    }
    if (!options.isRepeated(name)) {
      if (values.size() != 1) {
        throw wrong(where, "'" + key + "' takes one value");
      }
      for (String word : line) {
        int equals = word.indexOf('=');
        if (names.contains(equals < 0 ? word : word.substring(0, equals))) {
          return;
        }
      }
    }
    boolean takesValue = Boolean.TRUE.equals(options.names().get(name));
    for (String v : values) {
      if (!takesValue && v.equals("true")) {
        to.add(name);
      } else if (takesValue || !v.equals("false")) {
        to.add(name + "=" + v);
      }
    }
  }

  private UserError wrong(int where, String what) {
    long number = text.substring(0, Math.min(where, text.length())).lines().count();
    boolean begins = where == 0 || text.charAt(Math.min(where, text.length()) - 1) == '\n';
    return new UserError(
        "the settings " + file + ", line " + (begins ? number + 1 : number) + ": " + what);
  }

  private char peek() {
    return at < text.length() ? text.charAt(at) : '\n';
  }

  private void expect(char c) {
    if (at >= text.length() || text.charAt(at) != c) {
      throw wrong(at, "'" + c + "' is missing");
    }
    at++;
  }

  /** Goes on to what is no blank and no comment. */
  private void space(boolean lines) {
    while (at < text.length()) {
      char c = text.charAt(at);
      if (c == '#') {
        int end = text.indexOf('\n', at);
        at = end < 0 ? text.length() : end;
      } else if (c == ' ' || c == '\t' || lines && c == '\n') {
        at++;
      } else {
        return;
      }
    }
  }

  private String key() {
    if (peek() == '"' || peek() == '\'') {
      return string();
    }
    return bare("a key");
  }

  private String bare(String what) {
    int start = at;
    while (at < text.length() && "-_.+:".indexOf(peek()) >= 0
        || Character.isLetterOrDigit(peek())) {
      at++;
    }
    if (at == start) {
      throw wrong(at, what + " is missing");
    }
    return text.substring(start, at);
  }

  private List<String> values() {
    if (peek() != '[') {
      return List.of(value());
    }
    List<String> all = new ArrayList<>();
    at++;
    for (space(true); peek() != ']'; space(true)) {
      all.add(value());
      if (all.size() > MOST_ITEMS) {
        throw wrong(at, "an array has at most " + MOST_ITEMS + " values");
      }
      space(true);
      if (peek() != ']') {
        expect(',');
      }
    }
    at++;
    return all;
  }

  private String value() {
    if (peek() == '"' || peek() == '\'') {
      return string();
    }
    int start = at;
    String v = bare("a value");
    if (v.equals("true") || v.equals("false")) {
      return v;
    }
    String number = v.replace("_", "");
    if (!number.matches("[-+]?(\\d+(\\.\\d+)?|0x[0-9a-fA-F]+)")) {
      throw wrong(start, "'" + v + "' is no number; other values have quotes");
    }
    return number;
  }

  private String string() {
    char quote = text.charAt(at);
    int start = at++;
    StringBuilder b = new StringBuilder();
    for (; ; at++) {
      if (at >= text.length() || peek() == '\n') {
        throw wrong(start, "a quote is not closed");
      }
      char c = text.charAt(at);
      if (c == quote) {
        at++;
        return b.toString();
      }
      b.append(c == '\\' && quote == '"' ? escaped() : c);
    }
  }

  /** {@return what a backslash and a letter stand for} */
  private char escaped() {
    at++;
    return switch (peek()) {
      case 't' -> '\t';
      case 'n' -> '\n';
      case '"' -> '"';
      case '\\' -> '\\';
      default -> throw wrong(at, "a backslash stands before t, n, \" or another one");
    };
  }
}
