package dev.vesper.machine.trace;

import dev.vesper.machine.observe.LineTable;
import dev.vesper.machine.observe.Symbols;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The symbol table that a Linux kernel carries in its own read-only data (kernel/kallsyms.c, layout
 * of scripts/kallsyms.c of Linux 5.x to 6.3): offsets, base, count, compressed names, markers,
 * token table, token index. It has the addresses at which the kernel runs, KASLR included.
 */
final class Kallsyms {
  private static final int NAMES_PER_MARKER = 256;
  private static final int MOST_SYMBOLS = 1 << 20;
  private static final int LONGEST_NAME = 512;
  private static final int LEAST_MARKERS = 16;

  /** The tokens of the digits stand for themselves, so they lie in a row. */
  private static final byte[] DIGITS =
      "0\0001\0002\0003\0004\0005\0006\0007\0008\0009\000".getBytes(StandardCharsets.ISO_8859_1);

  private final byte[] b;

  private Kallsyms(byte[] image) {
    b = image;
  }

  /**
   * {@return the symbols in a kernel image, or null if it has none that can be read}
   *
   * @param image memory of the kernel
   */
  static @Nullable Symbols read(byte[] image) {
    try {
      return new Kallsyms(image).read();
    } catch (IndexOutOfBoundsException e) {
      return null;
    }
  }

  private int u16(int at) {
    return b[at] & 0xFF | (b[at + 1] & 0xFF) << 8;
  }

  private int u32(int at) {
    return u16(at) | u16(at + 2) << 16;
  }

  private long u64(int at) {
    return u32(at) & 0xFFFF_FFFFL | (long) u32(at + 4) << 32;
  }

  private @Nullable Symbols read() {
    for (int from = 0; ; ) {
      int digits = find(from);
      if (digits < 0) {
        return null;
      }
      from = digits + 1;
      int table = digits;
      // Forty-eight tokens come before that of '0'.
      for (int n = 0; n <= '0' && table > 0; n++) {
        table--;
        while (table > 0 && b[table - 1] != 0) {
          table--;
        }
        if (n == '0' - 1) {
          break;
        }
      }
      String[] tokens = new String[256];
      int index = tokens(table, tokens);
      if (index < 0) {
        continue;
      }
      Symbols s = names(table, tokens);
      if (s != null) {
        return s;
      }
    }
  }

  private int find(int from) {
    outer:
    for (int i = from; i + DIGITS.length < b.length; i++) {
      for (int j = 0; j < DIGITS.length; j++) {
        if (b[i + j] != DIGITS[j]) {
          continue outer;
        }
      }
      return i;
    }
    return -1;
  }

  /** Reads 256 tokens; {@return where their index lies, or -1 if it does not agree} */
  private int tokens(int table, String[] tokens) {
    int at = table;
    int[] offset = new int[256];
    for (int i = 0; i < 256; i++) {
      offset[i] = at - table;
      int n = 0;
      while (b[at + n] != 0) {
        n++;
      }
      tokens[i] = new String(b, at, n, StandardCharsets.ISO_8859_1);
      at += n + 1;
    }
    for (int index = at; index < at + 16; index++) {
      boolean all = true;
      for (int i = 0; i < 256 && all; i++) {
        all = u16(index + 2 * i) == offset[i];
      }
      if (all) {
        return index;
      }
    }
    return -1;
  }

  /**
   * The markers lie before the token table; kernels that can look names up by a binary search have
   * another table of three bytes a symbol between them.
   */
  private @Nullable Symbols names(int table, String[] tokens) {
    int lowest = Math.max(16, table - 3 * MOST_SYMBOLS);
    for (int first = table - 8 & -8; first > lowest; first -= 8) {
      int count = markers(first, table);
      // What follows the last marker may look like one more.
      for (int n = count; n > LEAST_MARKERS && n > count - 3; n--) {
        Symbols s = names(first, n, tokens);
        if (s != null) {
          return s;
        }
      }
    }
    return null;
  }

  /** {@return how many numbers from an address on rise as markers do} */
  private int markers(int first, int end) {
    if (u32(first) != 0) {
      return 0;
    }
    int n = 1;
    for (int at = first + 4; at + 4 <= end; at += 4) {
      int step = u32(at) - u32(at - 4);
      if (step < 2 * NAMES_PER_MARKER || step > NAMES_PER_MARKER * LONGEST_NAME / 4) {
        break;
      }
      n++;
    }
    return n;
  }

  /** The names end before the markers, and their count before the names says how many. */
  private @Nullable Symbols names(int markers, int count, String[] tokens) {
    int last = u32(markers + 4 * (count - 1));
    for (int start = markers - last & -8;
        start > markers - last - NAMES_PER_MARKER * LONGEST_NAME && start > 16;
        start -= 8) {
      int symbols = u32(start - 8);
      boolean fits = (symbols + NAMES_PER_MARKER - 1) / NAMES_PER_MARKER == count;
      if (fits && symbols > 0 && symbols < MOST_SYMBOLS && second(start, markers)) {
        return symbols(start, symbols, tokens);
      }
    }
    return null;
  }

  /** {@return whether the second marker agrees with the names} */
  private boolean second(int start, int markers) {
    int at = start;
    for (int i = 0; i < NAMES_PER_MARKER; i++) {
      at += length(at) + (b[at] < 0 ? 2 : 1);
    }
    return at - start == u32(markers + 4);
  }

  private int length(int at) {
    return b[at] < 0 ? b[at] & 0x7F | (b[at + 1] & 0xFF) << 7 : b[at];
  }

  private Symbols symbols(int start, int count, String[] tokens) {
    long base = u64(start - 16);
    int offsets = start - 16 - (4 * count + 7 & ~7);
    List<Symbols.Symbol> out = new ArrayList<>(count);
    int at = start;
    for (int i = 0; i < count; i++) {
      int n = length(at);
      at += b[at] < 0 ? 2 : 1;
      StringBuilder name = new StringBuilder();
      for (int j = 0; j < n && name.length() < LONGEST_NAME; j++) {
        name.append(tokens[b[at + j] & 0xFF]);
      }
      at += n;
      int offset = u32(offsets + 4 * i);
      // Addresses above the base are stored as negative numbers; the others are per-CPU offsets.
      if (offset < 0 && name.length() > 1 && "tTwW".indexOf(name.charAt(0)) >= 0) {
        out.add(new Symbols.Symbol(name.substring(1), base - 1 - offset));
      }
    }
    return new Symbols(out, LineTable.NONE, 0);
  }
}
