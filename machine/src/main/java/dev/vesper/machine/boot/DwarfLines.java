package dev.vesper.machine.boot;

import dev.vesper.machine.observe.LineTable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads {@code .debug_line} of DWARF versions 2 to 5 (DWARF 5 standard, section 6.2). What is
 * damaged ends the reading of its unit and is left out.
 */
final class DwarfLines {
  private static final int MOST_ROWS = 8 << 20;
  private static final int LONGEST_NAME = 1024;
  private static final int CONTENT_PATH = 1;
  private static final int CONTENT_DIRECTORY = 2;

  private final byte[] b;
  private final byte[] strings;
  private final byte[] lineStrings;
  private final List<LineTable.Row> rows = new ArrayList<>();

  // The unit being read.
  private int at;
  private int version;
  private boolean wide;
  private int addressSize;
  private final List<String> directories = new ArrayList<>();
  private final List<String> files = new ArrayList<>();

  private DwarfLines(byte[] lines, byte[] strings, byte[] lineStrings) {
    b = lines;
    this.strings = strings;
    this.lineStrings = lineStrings;
  }

  /**
   * {@return the line table}
   *
   * @param lines {@code .debug_line}
   * @param strings {@code .debug_str}
   * @param lineStrings {@code .debug_line_str}
   */
  static LineTable read(byte[] lines, byte[] strings, byte[] lineStrings) {
    DwarfLines d = new DwarfLines(lines, strings, lineStrings);
    int unit = 0;
    while (unit + 12 <= lines.length) {
      d.at = unit;
      long length = Bytes.u32(lines, unit);
      d.wide = length == 0xFFFF_FFFFL;
      d.at += 4;
      if (d.wide) {
        length = Bytes.u64(lines, unit + 4);
        d.at += 8;
      }
      if (length <= 0 || length > lines.length - d.at) {
        break;
      }
      int end = d.at + (int) length;
      try {
        d.unit(end);
      } catch (IndexOutOfBoundsException e) {
        // a damaged unit: what was read of it is kept
      }
      unit = end;
    }
    return d.rows.isEmpty() ? LineTable.NONE : new LineTable(d.rows);
  }

  private int u8() {
    return b[at++] & 0xFF;
  }

  private int u16() {
    return u8() | u8() << 8;
  }

  private long fixed(int bytes) {
    long v = 0;
    for (int i = 0; i < bytes; i++) {
      v |= (long) u8() << 8 * i;
    }
    return v;
  }

  private long uleb() {
    long v = 0;
    for (int shift = 0; ; shift += 7) {
      int x = u8();
      v |= (long) (x & 0x7F) << shift;
      if (x < 0x80 || shift > 63) {
        return v;
      }
    }
  }

  private long sleb() {
    long v = 0;
    for (int shift = 0; ; ) {
      int x = u8();
      v |= (long) (x & 0x7F) << shift;
      shift += 7;
      if (x < 0x80 || shift > 63) {
        return shift < 64 && (x & 0x40) != 0 ? v | -1L << shift : v;
      }
    }
  }

  private String string() {
    int from = at;
    while (b[at] != 0) {
      at++;
    }
    return new String(b, from, at++ - from, StandardCharsets.UTF_8);
  }

  private static String string(byte[] table, long offset) {
    int n = 0;
    while (n < LONGEST_NAME && Bytes.u8(table, offset + n) != 0) {
      n++;
    }
    return offset < 0 || offset >= table.length
        ? ""
        : new String(table, (int) offset, n, StandardCharsets.UTF_8);
  }

  private void unit(int end) {
    version = u16();
    if (version < 2 || version > 5) {
      return;
    }
    addressSize = 8;
    if (version == 5) {
      addressSize = u8();
      at++;
    }
    long headerLength = fixed(wide ? 8 : 4);
    int program = at + (int) headerLength;
    int minimum = u8();
    if (version >= 4) {
      at++;
    }
    at++;
    int lineBase = (byte) u8();
    int lineRange = u8();
    int opcodeBase = u8();
    int[] operands = new int[opcodeBase];
    for (int i = 1; i < opcodeBase; i++) {
      operands[i] = u8();
    }
    directories.clear();
    files.clear();
    if (version == 5) {
      table5(directories);
      table5(files);
    } else {
      table4();
    }
    if (lineRange == 0 || program > end) {
      return;
    }
    at = program;
    run(end, minimum, lineBase, lineRange, opcodeBase, operands);
  }

  private void table4() {
    directories.add("");
    for (String s = string(); !s.isEmpty(); s = string()) {
      directories.add(s);
    }
    files.add("");
    for (String s = string(); !s.isEmpty(); s = string()) {
      files.add(join((int) uleb(), s));
      uleb();
      uleb();
    }
  }

  private String join(int directory, String name) {
    String d = directory > 0 && directory < directories.size() ? directories.get(directory) : "";
    return d.isEmpty() || name.startsWith("/") ? name : d + "/" + name;
  }

  private void table5(List<String> out) {
    int formats = u8();
    int[] content = new int[formats];
    int[] form = new int[formats];
    for (int i = 0; i < formats; i++) {
      content[i] = (int) uleb();
      form[i] = (int) uleb();
    }
    long count = uleb();
    for (long n = 0; n < count; n++) {
      String path = "";
      int directory = 0;
      for (int i = 0; i < formats; i++) {
        if (content[i] == CONTENT_PATH) {
          path = text(form[i]);
        } else {
          long v = number(form[i]);
          directory = content[i] == CONTENT_DIRECTORY ? (int) v : directory;
        }
      }
      // Directory 0 is the one that the compiler ran in: names stay relative to it.
      out.add(out == files ? join(directory, path) : path);
    }
  }

  private String text(int form) {
    return switch (form) {
      case 0x08 -> string(); // DW_FORM_string
      case 0x0E -> string(strings, fixed(wide ? 8 : 4)); // DW_FORM_strp
      case 0x1F -> string(lineStrings, fixed(wide ? 8 : 4)); // DW_FORM_line_strp
      default -> {
        number(form);
        yield "";
      }
    };
  }

  private long number(int form) {
    return switch (form) {
      case 0x0B -> fixed(1); // DW_FORM_data1
      case 0x05 -> fixed(2); // DW_FORM_data2
      case 0x06 -> fixed(4); // DW_FORM_data4
      case 0x07 -> fixed(8); // DW_FORM_data8
      case 0x0F -> uleb(); // DW_FORM_udata
      case 0x1E -> { // DW_FORM_data16: an MD5
        at += 16;
        yield 0;
      }
      case 0x09 -> { // DW_FORM_block
        at += (int) uleb();
        yield 0;
      }
      case 0x08, 0x0E, 0x1F -> {
        text(form);
        yield 0;
      }
      default -> throw new IndexOutOfBoundsException("form 0x" + Integer.toHexString(form));
    };
  }

  private void run(
      int end, int minimum, int lineBase, int lineRange, int opcodeBase, int[] operands) {
    long address = 0;
    int file = 1;
    int line = 1;
    while (at < end && rows.size() < MOST_ROWS) {
      int op = u8();
      if (op >= opcodeBase) {
        int adjusted = op - opcodeBase;
        address += (long) (adjusted / lineRange) * minimum;
        line += lineBase + adjusted % lineRange;
        row(address, file, line);
        continue;
      }
      switch (op) {
        case 0 -> {
          int length = (int) uleb();
          int next = at + length;
          if (length == 0) {
            continue;
          }
          int extended = u8();
          if (extended == 1) { // DW_LNE_end_sequence
            rows.add(new LineTable.Row(address, "", 0));
            address = 0;
            file = 1;
            line = 1;
          } else if (extended == 2) { // DW_LNE_set_address
            address = fixed(Math.min(length - 1, addressSize));
          } else if (extended == 3) { // DW_LNE_define_file
            String name = string();
            files.add(join((int) uleb(), name));
          }
          at = next;
        }
        case 1 -> row(address, file, line); // DW_LNS_copy
        case 2 -> address += uleb() * minimum; // DW_LNS_advance_pc
        case 3 -> line += (int) sleb(); // DW_LNS_advance_line
        case 4 -> file = (int) uleb(); // DW_LNS_set_file
        case 8 -> address += (long) ((255 - opcodeBase) / lineRange) * minimum; // const_add_pc
        case 9 -> address += u16(); // DW_LNS_fixed_advance_pc
        default -> {
          for (int i = 0; i < operands[op]; i++) {
            uleb();
          }
        }
      }
    }
  }

  private void row(long address, int file, int line) {
    String name = file >= 0 && file < files.size() ? files.get(file) : "";
    if (!name.isEmpty()) {
      rows.add(new LineTable.Row(address, name, line));
    }
  }
}
