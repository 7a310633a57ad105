package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.format.Visible;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Formatter;
import dev.vesper.x86.Insn;
import java.util.Arrays;

/**
 * How {@code x} and {@code xp} show memory, as QEMU's do.
 *
 * @param count how many
 * @param format x, d, u, o, c or i
 * @param size of each in bytes
 */
record Dump(int count, char format, int size) {
  /** What one command shows at most. */
  private static final int MOST = 65536;

  private static final int BYTES_IN_LINE = 25;

  /**
   * {@return what stands behind a slash}
   *
   * @throws Refusal if it means nothing
   */
  static Dump of(String text) throws Refusal {
    int digits = 0;
    while (digits < text.length() && text.charAt(digits) >= '0' && text.charAt(digits) <= '9') {
      digits++;
    }
    int count = digits == 0 ? 1 : digits > 6 ? MOST + 1 : Integer.parseInt(text, 0, digits, 10);
    if (count > MOST) {
      throw Refusal.usage("more than " + MOST + " at once");
    }
    char format = 'x';
    int size = 0;
    for (int i = digits; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case 'x', 'd', 'u', 'o', 'c', 'i' -> format = c;
        case 'b' -> size = 1;
        case 'h' -> size = 2;
        case 'w' -> size = 4;
        case 'g', 'L' -> size = 8;
        default -> throw Refusal.usage("invalid char in format: '" + Visible.of("" + c) + "'");
      }
    }
    return new Dump(count, format, format == 'c' ? 1 : size == 0 ? 4 : size);
  }

  /** Shows memory from an address on, as far as it can be read. */
  void show(Call c, MemoryReader from, long address) {
    if (format == 'i') {
      instructions(c, from, address);
      return;
    }
    int perLine = size == 1 ? 8 : 16 / size;
    for (int done = 0; done < count && !c.isFull(); done += perLine) {
      long at = address + (long) done * size;
      int n = Math.min(perLine, count - done);
      StringBuilder b = new StringBuilder("%016x:".formatted(at));
      try {
        byte[] bytes = from.read(at, n * size);
        for (int i = 0; i < n; i++) {
          b.append(' ').append(number(value(bytes, i * size)));
        }
      } catch (IndexOutOfBoundsException e) {
        c.line(b + " Cannot access memory");
        return;
      }
      c.line(b.toString());
    }
  }

  private long value(byte[] b, int at) {
    long v = 0;
    for (int i = size - 1; i >= 0; i--) {
      v = v << 8 | b[at + i] & 0xFF;
    }
    return v;
  }

  private String number(long v) {
    int bits = 8 * size;
    return switch (format) {
      case 'o' -> pad(v == 0 ? "0" : "0" + Long.toOctalString(v), (bits + 2) / 3);
      case 'd' -> pad(Long.toString(v), (bits * 10 + 32) / 33);
      case 'u' -> pad(Long.toUnsignedString(v), (bits * 10 + 32) / 33);
      case 'c' -> character(v);
      default -> ("0x%0" + bits / 4 + "x").formatted(v);
    };
  }

  private static String pad(String s, int width) {
    return " ".repeat(Math.max(0, width - s.length())) + s;
  }

  /** {@return a character between quotes} */
  static String character(long v) {
    int c = (int) v & 0xFF;
    String in =
        switch (c) {
          case '\'', '\\' -> "\\" + (char) c;
          case '\n' -> "\\n";
          case '\r' -> "\\r";
          default -> c >= 32 && c < 127 ? "" + (char) c : "\\x%02x".formatted(c);
        };
    return "'" + in + "'";
  }

  private void instructions(Call c, MemoryReader from, long address) {
    int bits = c.vcpu().bits();
    Formatter f = new Formatter(Formatter.Syntax.ATT);
    long at = address;
    for (int i = 0; i < count && !c.isFull(); i++) {
      byte[] code = code(from, at);
      if (code.length == 0) {
        c.line("0x%08x: unable to read memory", at);
        return;
      }
      Insn in = new Insn();
      Decoder.Outcome o = Decoder.decode(code, 0, code.length, bits, in);
      boolean known = o == Decoder.Outcome.OK || o == Decoder.Outcome.UNDEFINED;
      int length = known ? in.length : 1;
      StringBuilder b = new StringBuilder();
      for (int k = 0; k < length; k++) {
        b.append("%02x ".formatted(code[k]));
      }
      b.append(" ".repeat(Math.max(0, BYTES_IN_LINE - b.length())));
      c.line("0x%08x:  %s%s", at, b, known ? f.format(in, at) : "(bad)");
      at += length;
    }
  }

  /** {@return up to 15 bytes, as many as there are} */
  private static byte[] code(MemoryReader from, long at) {
    byte[] b = new byte[Decoder.MAX_LENGTH];
    for (int i = 0; i < b.length; i++) {
      try {
        b[i] = from.read(at + i, 1)[0];
      } catch (IndexOutOfBoundsException e) {
        return Arrays.copyOf(b, i);
      }
    }
    return b;
  }
}
