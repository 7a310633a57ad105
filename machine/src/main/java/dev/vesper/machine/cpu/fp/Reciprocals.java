package dev.vesper.machine.cpu.fp;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/**
 * RCPSS and RSQRTSS bit for bit as AMD processors have them. MXCSR neither changes a result nor
 * records anything: denormal operands are zero, results below the normal range too.
 */
public final class Reciprocals {
  private static final int ARGUMENTS = 4096;
  private static final int SIGN = 0x8000_0000;
  private static final int INFINITY = 0x7F80_0000;
  private static final int INDEFINITE = 0xFFC0_0000;
  private static final int QUIET = 0x40_0000;
  private static final int FRACTION = 0x7F_FFFF;
  private static final int BIAS = 127;

  /** Fraction bits of a single that do not count. */
  private static final int IGNORED = 11;

  /** Fractions of 1/x, then of 1/sqrt(x) for even and odd exponents, as bits of a single. */
  private static final int[] TABLE = read();

  private Reciprocals() {}

  private static int[] read() {
    try (InputStream in = Reciprocals.class.getResourceAsStream("reciprocals.txt")) {
      if (in == null) {
        throw new AssertionError("no table of reciprocals");
      }
      BufferedReader lines =
          new BufferedReader(new InputStreamReader(in, StandardCharsets.US_ASCII));
      int[] t = new int[3 * ARGUMENTS];
      int at = 0;
      int value = 0;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (line.length() == 4) {
          value = Integer.parseInt(line);
        } else if (!line.startsWith("#")) {
          for (int i = 0; i < line.length(); i++) {
            value -= line.charAt(i) - '0';
            t[at++] = (value & ARGUMENTS - 1) << IGNORED;
          }
        }
      }
      assert at == t.length;
      return t;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return 1/x, both as the bits of a single} */
  public static int reciprocal(int x) {
    int sign = x & SIGN;
    int exp = x >> 23 & 0xFF;
    if (exp == 0xFF) {
      return (x & FRACTION) != 0 ? x | QUIET : sign;
    }
    if (exp == 0) {
      return sign | INFINITY;
    }
    int e = 2 * BIAS - 1 - exp;
    return e <= 0 ? sign : sign | e << 23 | TABLE[(x & FRACTION) >> IGNORED];
  }

  /** {@return 1/sqrt(x), both as the bits of a single} */
  public static int reciprocalRoot(int x) {
    int exp = x >> 23 & 0xFF;
    if (exp == 0xFF && (x & FRACTION) != 0) {
      return x | QUIET;
    }
    if (exp == 0) {
      return x & SIGN | INFINITY;
    }
    if (x < 0) {
      return INDEFINITE;
    }
    if (exp == 0xFF) {
      return 0;
    }
    int odd = exp - BIAS & 1;
    int e = BIAS - 1 - (exp - BIAS - odd) / 2;
    return e << 23 | TABLE[(1 + odd) * ARGUMENTS + ((x & FRACTION) >> IGNORED)];
  }
}
