package dev.vesper.machine.trace;

import dev.vesper.machine.foreign.Allowance;
import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.observe.LineTable;
import dev.vesper.machine.observe.Symbols;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The symbol table that a Linux kernel carries in its own read-only data (kernel/kallsyms.c, layout
 * of scripts/kallsyms.c). It has the addresses at which the kernel runs, KASLR included. In the
 * middle are always count, compressed names, markers, token table and token index; the offsets that
 * addresses are made of lie before the count up to Linux 6.3 and behind the index since, and they
 * are of three kinds ({@link #addresses}).
 */
final class Kallsyms {
  private static final int NAMES_PER_MARKER = 256;
  private static final int MOST_SYMBOLS = 1 << 20;
  private static final int LONGEST_NAME = 512;
  private static final int LEAST_MARKERS = 16;

  /** The tokens of the digits stand for themselves, so they lie in a row. */
  private static final byte[] DIGITS =
      "0\0001\0002\0003\0004\0005\0006\0007\0008\0009\000".getBytes(StandardCharsets.ISO_8859_1);

  /** Symbols lie within this distance of the table. */
  private static final long REACH = 1L << 30;

  /** Steps besides one for each byte of the image: a true table takes about a tenth of both. */
  private static final long MORE_STEPS = 16 << 20;

  private static final int STEPS_OF_A_TEXT = 32;

  private final byte[] b;
  private final long linear;

  /** What looks like a table may be made to look like many. */
  private final Allowance steps;

  private Kallsyms(byte[] image, long linear) {
    b = image;
    this.linear = linear;
    steps = Allowance.ofUnits(MORE_STEPS + image.length);
  }

  /**
   * {@return the symbols in a kernel image, or null if it has none that can be read}
   *
   * @param image memory of the kernel
   * @param linear linear address of its first byte, a multiple of 8
   */
  static @Nullable Symbols read(byte[] image, long linear) {
    try {
      return new Kallsyms(image, linear).read();
    } catch (IndexOutOfBoundsException | Damaged e) {
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
    for (int digits = find(0); digits >= 0; digits = find(digits + 1)) {
      int second = second(digits);
      // The first token has no end of another one before it, but the table is aligned.
      for (int table = second - 1 & -4;
          table > Math.max(0, second - LONGEST_NAME) && b[table] != 0;
          table -= 4) {
        byte[][] tokens = new byte[256][];
        int index = tokens(table, tokens);
        Symbols s = index < 0 ? null : names(table, index + 2 * tokens.length, tokens);
        if (s != null) {
          return s;
        }
      }
    }
    return null;
  }

  /** {@return where the second token begins, forty-seven before that of '0'} */
  private int second(int digits) {
    int at = digits;
    for (int n = 1; n < '0' && at > 0; n++) {
      int behind = at--;
      while (at > 0 && b[at - 1] != 0) {
        at--;
      }
      steps.spend(behind - at);
    }
    return at;
  }

  /**
   * {@return where the digits' tokens lie from an address on, or -1} They cover exactly one of the
   * places that are as far apart as they are long, and what stands there says where they begin.
   */
  private int find(int from) {
    for (int probe = from + DIGITS.length - 1; probe < b.length; probe += DIGITS.length) {
      int digit = b[probe] == 0 ? probe - 1 : probe;
      int value = b[digit] - '0';
      if (value < 0 || value > 9) {
        continue;
      }
      int start = digit - 2 * value;
      if (start >= from
          && start + DIGITS.length < b.length
          && Arrays.equals(b, start, start + DIGITS.length, DIGITS, 0, DIGITS.length)) {
        steps.spend(probe - from);
        return start;
      }
    }
    return -1;
  }

  /** Reads 256 tokens; {@return where their index lies, or -1 if it does not agree} */
  private int tokens(int table, byte[][] tokens) {
    int at = table;
    int[] offset = new int[256];
    for (int i = 0; i < 256; i++) {
      offset[i] = at - table;
      int n = 0;
      while (n <= LONGEST_NAME && b[at + n] != 0) {
        n++;
      }
      steps.spend(n + STEPS_OF_A_TEXT);
      if (n > LONGEST_NAME) {
        return -1;
      }
      tokens[i] = Arrays.copyOfRange(b, at, at + n);
      at += n + 1;
    }
    for (int index = at; index < at + 16; index++) {
      steps.spend(1);
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
   * The markers lie before the token table; Linux 6.2 and 6.3 have another table of three bytes a
   * symbol between them, for a binary search of names.
   *
   * @param behind where the token index ends
   */
  private @Nullable Symbols names(int table, int behind, byte[][] tokens) {
    int lowest = Math.max(16, table - 3 * MOST_SYMBOLS);
    for (int first = table - 8 & -4; first > lowest; first -= 4) {
      int count = markers(first, table);
      // What follows the last marker may look like one more.
      for (int n = count; n > LEAST_MARKERS && n > count - 3; n--) {
        Symbols s = names(first, n, behind, tokens);
        if (s != null) {
          return s;
        }
      }
    }
    return null;
  }

  /** {@return how many numbers from an address on rise as markers do} */
  private int markers(int first, int end) {
    steps.spend(1);
    if (u32(first) != 0) {
      return 0;
    }
    int n = 1;
    for (int at = first + 4; at + 4 <= end; at += 4) {
      steps.spend(1);
      int step = u32(at) - u32(at - 4);
      if (step < 2 * NAMES_PER_MARKER || step > NAMES_PER_MARKER * LONGEST_NAME / 4) {
        break;
      }
      n++;
    }
    return n;
  }

  /**
   * The names end before the markers, and their count before the names says how many. Tables begin
   * at multiples of 8, and of 4 since addresses have no base.
   */
  private @Nullable Symbols names(int markers, int count, int behind, byte[][] tokens) {
    int last = u32(markers + 4 * (count - 1));
    for (int start = markers - last & -4;
        start > markers - last - NAMES_PER_MARKER * LONGEST_NAME && start > 16;
        start -= 4) {
      for (int alignment = 4; alignment <= 8; alignment += 4) {
        steps.spend(1);
        int symbols = u32(start - alignment);
        boolean fits = (symbols + NAMES_PER_MARKER - 1) / NAMES_PER_MARKER == count;
        if (fits && symbols > 0 && symbols < MOST_SYMBOLS && second(start, markers)) {
          return addresses(expand(start, symbols, tokens), start - alignment, behind);
        }
      }
    }
    return null;
  }

  /** {@return whether the second marker agrees with the names} */
  private boolean second(int start, int markers) {
    int at = start;
    steps.spend(NAMES_PER_MARKER);
    for (int i = 0; i < NAMES_PER_MARKER; i++) {
      at += length(at) + (b[at] < 0 ? 2 : 1);
    }
    return at - start == u32(markers + 4);
  }

  private int length(int at) {
    return b[at] < 0 ? b[at] & 0x7F | (b[at + 1] & 0xFF) << 7 : b[at];
  }

  /** Names of symbols in their order, and which of them are code. */
  private record Names(String[] text, boolean[] code) {}

  private Names expand(int start, int count, byte[][] tokens) {
    Names names = new Names(new String[count], new boolean[count]);
    byte[] name = new byte[LONGEST_NAME];
    int at = start;
    // All of the numbers and names are gone through for each way to tell addresses.
    steps.spend(3L * count);
    for (int i = 0; i < count; i++) {
      int n = length(at);
      at += b[at] < 0 ? 2 : 1;
      int length = 0;
      for (int j = 0; j < n && length < LONGEST_NAME; j++) {
        byte[] token = tokens[b[at + j] & 0xFF];
        int fitting = Math.min(token.length, LONGEST_NAME - length);
        System.arraycopy(token, 0, name, length, fitting);
        length += fitting;
      }
      at += n;
      steps.spend(length);
      // The letter of its type comes first.
      boolean code = length > 1 && "tTwW".indexOf(name[0]) >= 0;
      names.code[i] = code;
      names.text[i] =
          length == 0 ? "" : new String(name, 1, length - 1, StandardCharsets.ISO_8859_1);
    }
    return names;
  }

  /** How an offset becomes an address. */
  private interface Encoding {
    long address(int offset, int at);
  }

  /**
   * Tries the three kinds of offsets. Up to Linux 6.14 addresses from the base up are stored as
   * negative numbers, and the others are per-CPU offsets; then all are counted from the base; and
   * kernels without a base (7.x) count from where the offset is stored.
   *
   * @param count where the count of symbols is
   * @param behind where the token index ends
   */
  private @Nullable Symbols addresses(Names names, int count, int behind) {
    int length = 4 * names.text.length + 7 & -8;
    Symbols s = based(names, count - 8 - length, count - 8);
    int later = behind + 7 & -8;
    s = s != null ? s : based(names, later, later + length);
    return s != null ? s : symbols(names, behind + 3 & -4, (o, at) -> linear + at + o);
  }

  private @Nullable Symbols based(Names names, int offsets, int baseAt) {
    long base = u64(baseAt);
    if (!near(base)) {
      return null;
    }
    Symbols s = symbols(names, offsets, (o, at) -> o < 0 ? base - 1 - o : o);
    return s != null ? s : symbols(names, offsets, (o, at) -> base + (o & 0xFFFF_FFFFL));
  }

  private boolean near(long address) {
    return Math.abs(address - linear) < REACH;
  }

  /** {@return the symbols, or null if this encoding gives code no place or no order} */
  private @Nullable Symbols symbols(Names names, int offsets, Encoding encoding) {
    List<Symbols.Symbol> out = new ArrayList<>(names.text.length);
    long last = 0;
    for (int i = 0; i < names.text.length; i++) {
      int at = offsets + 4 * i;
      long address = encoding.address(u32(at), at);
      boolean code = names.code[i];
      if (code && (!near(address) || Long.compareUnsigned(address, last) < 0)) {
        return null;
      }
      if (code) {
        last = address;
      }
      if (code || near(address)) {
        out.add(new Symbols.Symbol(names.text[i], address, 0, code));
      }
    }
    return new Symbols(out, LineTable.NONE, 0);
  }
}
