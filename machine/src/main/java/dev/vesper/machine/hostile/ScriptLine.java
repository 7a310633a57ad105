package dev.vesper.machine.hostile;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One line of a script's text, taken apart into words that are read one after the other. */
final class ScriptLine {
  /** The most characters of a line. */
  static final int LONGEST = 65_536;

  private static final Pattern WORDS =
      Pattern.compile(
          "(?<blank>[ \\t]+)|(?<comment>#.*)"
              + "|(?<number>0[xX][0-9a-fA-F]{1,16}(?![0-9a-fA-F])|(?!0[xX])[0-9]{1,19}(?![0-9]))"
              + "|(?<word>[A-Za-z_.$][A-Za-z0-9_.$@-]*)"
              + "|\"(?<string>[^\"\\p{Cntrl}]*)\""
              + "|(?<sign><<|>>|==|!=|<=|>=|[-+&|^<>=()\\[\\]:,])");

  private final int number;
  private final List<Token> tokens;
  private int at;

  private ScriptLine(int number, List<Token> tokens) {
    this.number = number;
    this.tokens = tokens;
  }

  /**
   * {@return a line, taken apart}
   *
   * @param number of the line, from 1 on
   * @throws ScriptException for a character that begins no word
   */
  static ScriptLine of(int number, String text) throws ScriptException {
    if (text.length() > LONGEST) {
      throw new ScriptException(
          number, LONGEST + 1, "a line has at most " + LONGEST + " characters");
    }
    List<Token> tokens = new ArrayList<>();
    Matcher m = WORDS.matcher(text);
    int end = 0;
    while (m.find() && m.start() == end) {
      end = m.end();
      int column = m.start() + 1;
      if (m.group("number") != null) {
        tokens.add(new Token(Token.Kind.NUMBER, m.group(), parsed(m.group()), column));
      } else if (m.group("word") != null) {
        tokens.add(new Token(Token.Kind.WORD, m.group(), 0, column));
      } else if (m.group("string") != null) {
        tokens.add(new Token(Token.Kind.STRING, m.group("string"), 0, column));
      } else if (m.group("sign") != null) {
        tokens.add(new Token(Token.Kind.SIGN, m.group(), 0, column));
      }
    }
    if (end != text.length()) {
      int c = text.codePointAt(end);
      throw new ScriptException(
          number,
          end + 1,
          c == '"'
              ? "a text in quotes ends in its line, and has no control characters"
              : c >= '0' && c <= '9'
                  ? "a number has 64 bits: 0x and at most 16 digits, or at most 19 digits"
                  : "no word begins with "
                      + (c > ' ' && c < 0x7F
                          ? "'" + Character.toString(c) + "'"
                          : "U+%04X".formatted(c)));
    }
    tokens.add(new Token(Token.Kind.END, "", 0, text.length() + 1));
    return new ScriptLine(number, tokens);
  }

  private static long parsed(String s) {
    return s.startsWith("0x") || s.startsWith("0X")
        ? Long.parseUnsignedLong(s, 2, s.length(), 16)
        : Long.parseUnsignedLong(s);
  }

  int number() {
    return number;
  }

  boolean isEmpty() {
    return tokens.size() == 1;
  }

  Token peek() {
    return tokens.get(at);
  }

  Token next() {
    Token t = tokens.get(at);
    if (t.kind() != Token.Kind.END) {
      at++;
    }
    return t;
  }

  /** Passes over a word or sign if it is next; {@return whether it was} */
  boolean skip(String what) {
    boolean there = peek().is(what);
    if (there) {
      at++;
    }
    return there;
  }

  ScriptException error(Token where, String what) {
    return new ScriptException(number, where.column(), what);
  }

  ScriptException expected(String what) {
    return error(peek(), what + " is wanted here, not " + peek().shown());
  }

  void require(String what) throws ScriptException {
    if (!skip(what)) {
      throw expected("'" + what + "'");
    }
  }

  String word(String what) throws ScriptException {
    if (peek().kind() != Token.Kind.WORD) {
      throw expected(what);
    }
    return next().text();
  }

  String string(String what) throws ScriptException {
    if (peek().kind() != Token.Kind.STRING) {
      throw expected(what + " in quotes");
    }
    return next().text();
  }

  /** {@return a number without a sign, of 64 bits} */
  long number(String what) throws ScriptException {
    if (peek().kind() != Token.Kind.NUMBER) {
      throw expected(what);
    }
    return next().value();
  }

  /** {@return a number between two others} */
  long number(String what, long least, long most) throws ScriptException {
    Token t = peek();
    long v = number(what);
    if (v < least || v > most) {
      throw error(t, what + " is " + least + " to " + most + ", not " + t.text());
    }
    return v;
  }

  /** {@return a number with or without a minus before it} */
  long signed(String what) throws ScriptException {
    boolean minus = skip("-");
    long v = number(what);
    return minus ? -v : v;
  }

  /** {@return the bytes that pairs of hexadecimal digits in quotes stand for} */
  Hex hex() throws ScriptException {
    Token t = peek();
    String digits = string("hexadecimal bytes").replace(" ", "");
    try {
      return Hex.of(digits);
    } catch (IllegalArgumentException e) {
      throw error(t, "bytes are pairs of hexadecimal digits, as in \"90 90 0f 05\"");
    }
  }

  void end() throws ScriptException {
    if (peek().kind() != Token.Kind.END) {
      throw expected("nothing more");
    }
  }
}
