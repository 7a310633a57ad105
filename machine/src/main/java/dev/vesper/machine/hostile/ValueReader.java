package dev.vesper.machine.hostile;

import dev.vesper.ghcb.GhcbField;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Reads numbers, places and conditions of a script's text. */
final class ValueReader {
  private static final int DEEPEST = 50;
  private static final int MOST_PARTS = 200;
  private static final Pattern FIELD = Pattern.compile("(request|answer)\\.([a-z0-9_]+)");
  private static final Map<String, Integer> WIDTHS = Map.of("u8", 1, "u16", 2, "u32", 4, "u64", 8);

  private ValueReader() {}

  static HostValue value(ScriptLine line) throws ScriptException {
    return value(line, 0, new int[1]);
  }

  /**
   * Operators are taken from the left to the right, each as strong as the others.
   *
   * @param parts how many there are so far
   */
  private static HostValue value(ScriptLine line, int depth, int[] parts) throws ScriptException {
    if (depth > DEEPEST) {
      throw line.error(line.peek(), "this is deeper than " + DEEPEST + " levels");
    }
    HostValue v = term(line, depth, parts);
    for (; ; ) {
      HostValue.Operator o = operator(line.peek());
      if (o == null) {
        return v;
      }
      line.next();
      v = new HostValue.Binary(o, v, term(line, depth, parts));
    }
  }

  private static HostValue.@Nullable Operator operator(Token t) {
    return Arrays.stream(HostValue.Operator.values())
        .filter(o -> t.is(o.sign))
        .findFirst()
        .orElse(null);
  }

  private static HostValue term(ScriptLine line, int depth, int[] parts) throws ScriptException {
    Token t = line.peek();
    if (++parts[0] > MOST_PARTS) {
      throw line.error(t, "a value has at most " + MOST_PARTS + " parts");
    }
    if (t.kind() == Token.Kind.NUMBER) {
      return HostValue.of(line.next().value());
    }
    if (line.skip("(")) {
      HostValue v = value(line, depth + 1, parts);
      line.require(")");
      return v;
    }
    String word = line.word("a value");
    Integer width = WIDTHS.get(word);
    if (width != null && line.skip("[")) {
      HostValue at = value(line, depth + 1, parts);
      line.require("]");
      return new HostValue.Bus(at, width);
    }
    if (word.equals("vmcb") && line.skip("[")) {
      long offset = line.number("an offset in the VMCB", 0, 0xFF8);
      line.require("]");
      return made(line, t, () -> new HostValue.Vmcb((int) offset));
    }
    return switch (word) {
      case "insns" -> new HostValue.Instructions();
      case "time" -> new HostValue.Time();
      case "msr.request" -> new HostValue.MsrRequested();
      case "msr.answer" -> new HostValue.MsrAnswered();
      default -> named(line, t, word);
    };
  }

  private static HostValue named(ScriptLine line, Token t, String word) throws ScriptException {
    Matcher m = FIELD.matcher(word);
    if (!m.matches()) {
      return HostValue.named(name(line, t, word));
    }
    GhcbField f = field(line, t, m.group(2));
    return m.group(1).equals("request") ? new HostValue.Request(f) : new HostValue.Answered(f);
  }

  /** {@return a name that a script may give} */
  static String name(ScriptLine line, String what) throws ScriptException {
    Token t = line.peek();
    return name(line, t, line.word(what));
  }

  private static String name(ScriptLine line, Token t, String word) throws ScriptException {
    if (!word.matches("[A-Za-z_][A-Za-z0-9_-]{0,63}")) {
      throw line.error(
          t, "names are letters, digits, _ and -, at most 64, not '" + shortened(word) + "'");
    }
    return word;
  }

  static String shortened(String s) {
    return s.length() <= 64 ? s : s.substring(0, 61) + "...";
  }

  static GhcbField field(ScriptLine line) throws ScriptException {
    Token t = line.peek();
    return field(line, t, line.word("a field of the GHCB"));
  }

  private static GhcbField field(ScriptLine line, Token t, String name) throws ScriptException {
    for (GhcbField f : GhcbField.values()) {
      if (f.name().toLowerCase(Locale.ROOT).equals(name)) {
        return f;
      }
    }
    throw line.error(
        t,
        "the GHCB has no field '"
            + shortened(name)
            + "': there are "
            + String.join(
                ", ",
                Arrays.stream(GhcbField.values())
                    .map(f -> f.name().toLowerCase(Locale.ROOT))
                    .toList()));
  }

  static int width(ScriptLine line) throws ScriptException {
    Integer w = WIDTHS.get(line.peek().text());
    if (w == null) {
      throw line.expected("u8, u16, u32 or u64");
    }
    line.next();
    return w;
  }

  /**
   * {@return a place}
   *
   * @param linear a bare number is a linear address, else a guest physical one
   */
  static Place place(ScriptLine line, boolean linear) throws ScriptException {
    if (line.skip("linear")) {
      return Place.linear(line.number("an address"));
    }
    if (line.skip("symbol")) {
      String name = line.word("a symbol");
      return Place.symbol(name, line.skip("+") ? line.number("an offset") : 0);
    }
    if (line.peek().kind() != Token.Kind.NUMBER) {
      throw line.expected("an address, 'linear ADDRESS' or 'symbol NAME'");
    }
    long a = line.number("an address");
    return linear ? Place.linear(a) : Place.gpa(a);
  }

  static Condition condition(ScriptLine line) throws ScriptException {
    List<Condition.Comparison> parts = new ArrayList<>();
    do {
      HostValue left = value(line);
      Condition.Relation r = relation(line);
      parts.add(new Condition.Comparison(left, r, value(line)));
    } while (line.skip("and"));
    return new Condition(parts);
  }

  static Condition.Relation relation(ScriptLine line) throws ScriptException {
    for (Condition.Relation r : Condition.Relation.values()) {
      if (line.skip(r.sign)) {
        return r;
      }
    }
    throw line.expected("==, !=, <, <=, > or >=");
  }

  /** {@return nanoseconds: a number with ns, us, ms or s behind it, ns if nothing is there} */
  static long nanos(ScriptLine line, long most) throws ScriptException {
    Token t = line.peek();
    long n = line.number("a time");
    long unit =
        line.skip("us") ? 1_000 : line.skip("ms") ? 1_000_000 : line.skip("s") ? 1_000_000_000 : 1;
    if (unit == 1) {
      line.skip("ns");
    }
    if (n < 0 || n > most / unit) {
      throw line.error(t, "a time is at most " + most + " ns");
    }
    return n * unit;
  }

  /** Makes something that may be refused. */
  interface Maker<T> {
    T make();
  }

  /** {@return what is made, or says where it was refused} */
  static <T> T made(ScriptLine line, Token where, Maker<T> maker) throws ScriptException {
    try {
      return maker.make();
    } catch (IllegalArgumentException e) {
      throw line.error(where, String.valueOf(e.getMessage()));
    }
  }
}
