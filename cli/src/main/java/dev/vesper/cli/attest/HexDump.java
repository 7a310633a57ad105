package dev.vesper.cli.attest;

import java.io.ByteArrayOutputStream;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Bytes that somebody has written as text: hex in any grouping, or a dump with offsets as od,
 * hexdump and xxd make them. In a dump of od or hexdump a group of more than two digits is a
 * number, little endian as it lay in memory; in one of xxd, which has a colon behind the offset, it
 * is bytes in their order.
 */
final class HexDump {
  /** What a star, which stands for lines that repeat, may make of a text. */
  private static final int MOST = 1 << 20;

  private static final int LEAST_OFFSET_DIGITS = 6;
  private static final int MOST_OFFSET_DIGITS = 16;
  private static final int SHOWN = 24;

  private HexDump() {}

  /**
   * {@return the bytes}
   *
   * @throws IllegalArgumentException if the text is none of the forms
   */
  static byte[] parse(String text) {
    List<String> lines = text.lines().map(String::strip).filter(l -> !l.isEmpty()).toList();
    if (lines.size() > 1 && isOffset(lines.getFirst().split("\\s+", 2)[0])) {
      for (int radix : new int[] {16, 8, 10}) {
        byte[] b = dump(lines, radix);
        if (b != null) {
          return b;
        }
      }
    }
    return plain(lines);
  }

  /** {@return whether a word can be the offset at which a dump begins} */
  private static boolean isOffset(String word) {
    String digits = word.endsWith(":") ? word.substring(0, word.length() - 1) : word;
    return digits.matches("(0x)?0+")
        && digits.length() >= LEAST_OFFSET_DIGITS
        && digits.length() <= MOST_OFFSET_DIGITS;
  }

  /** {@return the bytes of a dump, or null if offsets and bytes do not agree} */
  private static byte @Nullable [] dump(List<String> lines, int radix) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    byte[] last = {};
    boolean repeats = false;
    for (String line : lines) {
      if (line.equals("*")) {
        repeats = true;
        continue;
      }
      String[] parts = line.split("[:\\s]+", 2);
      long offset = number(parts[0], radix);
      if (repeats && last.length > 0) {
        while (out.size() < offset && out.size() < MOST) {
          out.writeBytes(last);
        }
      }
      repeats = false;
      if (offset != out.size()) {
        return null;
      }
      byte[] b = parts.length == 1 ? new byte[0] : groups(parts[1], line.contains(":"));
      if (b == null) {
        return null;
      }
      out.writeBytes(b);
      last = b;
    }
    return out.toByteArray();
  }

  private static long number(String digits, int radix) {
    try {
      return Long.parseLong(digits.startsWith("0x") ? digits.substring(2) : digits, radix);
    } catch (NumberFormatException e) {
      return -1;
    }
  }

  /** {@return the bytes of a line behind its offset, without the letters at its end} */
  private static byte @Nullable [] groups(String text, boolean inOrder) {
    String hex = text.split(inOrder ? "\\s\\s+" : "[|>]", 2)[0].strip();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (String g : hex.split("\\s+")) {
      byte[] b = hex(g);
      if (b == null) {
        return null;
      }
      for (int i = 0; i < b.length; i++) {
        out.write(b[inOrder ? i : b.length - 1 - i]);
      }
    }
    return out.toByteArray();
  }

  private static byte @Nullable [] hex(String digits) {
    try {
      return HexFormat.of().parseHex(digits);
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private static byte[] plain(List<String> lines) {
    StringBuilder digits = new StringBuilder();
    for (int i = 0; i < lines.size(); i++) {
      for (String word : lines.get(i).split("[\\s,:]+")) {
        String w = word.replaceFirst("^(0x|\\\\x)", "");
        if (!w.matches("[0-9a-fA-F]*")) {
          throw new IllegalArgumentException(
              "it is neither hex nor a dump: line "
                  + (i + 1)
                  + " has '"
                  + (word.length() > SHOWN ? word.substring(0, SHOWN) + "..." : word)
                  + "'");
        }
        digits.append(w);
      }
    }
    byte[] b = hex(digits.toString());
    if (b == null) {
      throw new IllegalArgumentException(
          "it is hex of " + digits.length() + " digits, which is not whole bytes");
    }
    return b;
  }
}
