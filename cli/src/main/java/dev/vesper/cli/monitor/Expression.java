package dev.vesper.cli.monitor;

import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.format.Visible;
import java.util.Locale;

/**
 * A number as QEMU's monitor takes it: sums of bit operations of products of numbers, registers and
 * characters.
 */
final class Expression {
  private static final int DEEPEST = 64;

  private final String text;
  private final VcpuView vcpu;
  private int at;
  private int depth;

  /**
   * @param from where it begins
   * @param vcpu whose registers {@code $} names
   */
  Expression(String text, int from, VcpuView vcpu) {
    this.text = text;
    this.vcpu = vcpu;
    at = from;
  }

  /** {@return where it ends} */
  int end() {
    return at;
  }

  /** {@return its value} */
  long value() throws Refusal {
    if (++depth > DEEPEST) {
      throw Refusal.usage("expression is too deep");
    }
    long v = bits();
    for (char c = peek(); c == '+' || c == '-'; c = peek()) {
      at++;
      long w = bits();
      v = c == '+' ? v + w : v - w;
    }
    depth--;
    return v;
  }

  private char peek() {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
      at++;
    }
    return at < text.length() ? text.charAt(at) : 0;
  }

  private long bits() throws Refusal {
    long v = product();
    for (char c = peek(); c == '&' || c == '|' || c == '^'; c = peek()) {
      at++;
      long w = product();
      v = c == '&' ? v & w : c == '|' ? v | w : v ^ w;
    }
    return v;
  }

  private long product() throws Refusal {
    long v = unary();
    for (char c = peek(); c == '*' || c == '/' || c == '%'; c = peek()) {
      at++;
      long w = unary();
      if (w == 0 && c != '*') {
        throw Refusal.usage("division by zero");
      }
      v = c == '*' ? v * w : c == '/' ? v / w : v % w;
    }
    return v;
  }

  private long unary() throws Refusal {
    char c = peek();
    if (c != '+' && c != '-' && c != '~') {
      return operand();
    }
    if (++depth > DEEPEST) {
      throw Refusal.usage("expression is too deep");
    }
    at++;
    long v = unary();
    depth--;
    return c == '-' ? -v : c == '~' ? ~v : v;
  }

  private long operand() throws Refusal {
    char c = peek();
    switch (c) {
      case 0 -> throw Refusal.usage("unexpected end of expression");
      case '(' -> {
        at++;
        long v = value();
        if (peek() != ')') {
          throw Refusal.usage("')' expected");
        }
        at++;
        return v;
      }
      case '\'' -> {
        if (at + 2 >= text.length() || text.charAt(at + 2) != '\'') {
          throw Refusal.usage("missing terminating ' character");
        }
        at += 3;
        return text.charAt(at - 2);
      }
      case '$' -> {
        at++;
        return register();
      }
      default -> {
        return number();
      }
    }
  }

  private long number() throws Refusal {
    int from = at;
    while (at < text.length()
        && Character.digit(text.charAt(at), 36) >= 0
        && text.charAt(at) < 0x80) {
      at++;
    }
    String n = text.substring(from, at).toLowerCase(Locale.ROOT);
    if (n.isEmpty()) {
      String c = Visible.of(text.substring(at, text.offsetByCodePoints(at, 1)));
      throw Refusal.usage("invalid char '" + c + "' in expression");
    }
    try {
      return n.startsWith("0x")
          ? Long.parseUnsignedLong(n, 2, n.length(), 16)
          : n.length() > 1 && n.charAt(0) == '0'
              ? Long.parseUnsignedLong(n, 8)
              : Long.parseUnsignedLong(n);
    } catch (NumberFormatException e) {
      throw Refusal.usage(
          Character.digit(n.charAt(0), 10) < 0
              ? "invalid char '" + n.charAt(0) + "' in expression"
              : "number too large, or with a digit that there is none of: '" + n + "'");
    }
  }

  private long register() throws Refusal {
    int from = at;
    while (at < text.length()
        && text.charAt(at) < 0x80
        && (Character.isLetterOrDigit(text.charAt(at)) || "._".indexOf(text.charAt(at)) >= 0)) {
      at++;
    }
    Long v = RegisterNames.value(vcpu, text.substring(from, at).toLowerCase(Locale.ROOT));
    if (v == null) {
      throw Refusal.usage("unknown register");
    }
    return v;
  }
}
