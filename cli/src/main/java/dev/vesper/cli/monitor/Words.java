package dev.vesper.cli.monitor;

import dev.vesper.machine.VcpuView;

/** What stands behind a command's name, taken piece by piece as QEMU's monitor takes it. */
final class Words {
  private final String command;
  private final String text;
  private int at;

  /**
   * @param command what it is called, for messages
   */
  Words(String command, String text) {
    this.command = command;
    this.text = text;
  }

  private void space() {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
      at++;
    }
  }

  /** {@return whether nothing more comes} */
  boolean atEnd() {
    space();
    return at == text.length();
  }

  /** {@return the next character without taking it, or 0} */
  char peek() {
    space();
    return at < text.length() ? text.charAt(at) : 0;
  }

  /** {@return whether a flag comes next, as in {@code -a}, which is taken then} */
  boolean flag(char letter) {
    space();
    boolean is =
        text.startsWith("-" + letter, at)
            && (at + 2 == text.length() || Character.isWhitespace(text.charAt(at + 2)));
    at += is ? 2 : 0;
    return is;
  }

  /** {@return what stands behind a slash that comes next, or nothing} */
  String format() {
    if (peek() != '/') {
      return "";
    }
    int from = ++at;
    while (at < text.length() && !Character.isWhitespace(text.charAt(at))) {
      at++;
    }
    return text.substring(from, at);
  }

  /** {@return the value of an expression that comes next} */
  long number(VcpuView v) throws Refusal {
    space();
    Expression e = new Expression(text, at, v);
    long value = e.value();
    at = e.end();
    return value;
  }

  /**
   * {@return a word, or what stands between quotes}
   *
   * @param name of what is missing where nothing comes
   */
  String string(String name) throws Refusal {
    if (atEnd()) {
      throw Refusal.usage(name + " expected");
    }
    StringBuilder b = new StringBuilder();
    if (text.charAt(at) != '"') {
      while (at < text.length() && !Character.isWhitespace(text.charAt(at))) {
        b.append(text.charAt(at++));
      }
      return b.toString();
    }
    for (at++; at < text.length() && text.charAt(at) != '"'; at++) {
      char c = text.charAt(at);
      if (c == '\\' && at + 1 < text.length()) {
        c = text.charAt(++at);
        c = c == 'n' ? '\n' : c == 'r' ? '\r' : c;
      }
      b.append(c);
    }
    if (at == text.length()) {
      throw Refusal.usage("unterminated string");
    }
    at++;
    return b.toString();
  }

  /** {@return all that is left, as one text} */
  String rest() {
    space();
    String s = text.substring(at).stripTrailing();
    at = text.length();
    return s;
  }

  /** Nothing more may come. */
  void end() throws Refusal {
    if (!atEnd()) {
      throw Refusal.usage(command + ": extraneous characters at the end of line");
    }
  }
}
