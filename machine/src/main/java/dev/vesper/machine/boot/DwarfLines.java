package dev.vesper.machine.boot;

import dev.vesper.machine.foreign.Allowance;
import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.foreign.ForeignBytes;
import dev.vesper.machine.observe.LineTable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads {@code .debug_line} of DWARF versions 2 to 5 (DWARF 5 standard, section 6.2). What is
 * damaged ends the reading of its unit and is left out; what would take too long ends it all.
 */
final class DwarfLines {
  private static final int MOST_ROWS = 8 << 20;
  private static final int LONGEST_NAME = 1024;
  private static final int WORK_OF_A_FILE = 16;
  private static final int CONTENT_PATH = 1;
  private static final int CONTENT_DIRECTORY = 2;

  /** A table of texts, each of which is read once: units name the same files. */
  private static final class Texts {
    private final ForeignBytes table;
    private final Map<Long, String> known = new HashMap<>();

    Texts(ForeignBytes table) {
      this.table = table;
    }

    String at(long offset) {
      return known.computeIfAbsent(
          offset, o -> table.textAt(o, LONGEST_NAME, StandardCharsets.UTF_8));
    }
  }

  /**
   * The files of a unit. A path is made when code of its file is found: most are headers without
   * any, and an entry may take a byte.
   */
  private final class SourceFiles {
    private final List<String> names = new ArrayList<>();
    private int[] directory = new int[64];
    private final Map<Integer, String> paths = new HashMap<>();

    void clear() {
      names.clear();
      paths.clear();
    }

    void add(String name, int inDirectory) {
      allowance.spend(WORK_OF_A_FILE);
      if (names.size() == directory.length) {
        directory = Arrays.copyOf(directory, 2 * directory.length);
      }
      directory[names.size()] = inDirectory;
      names.add(name);
    }

    /** {@return the path of a file, empty if there is none} Directory 0 is the compiler's own. */
    String path(int file) {
      return file < 0 || file >= names.size() ? "" : paths.computeIfAbsent(file, this::joined);
    }

    private String joined(int file) {
      String name = names.get(file);
      int n = directory[file];
      String d = n > 0 && n < directories.size() ? directories.get(n) : "";
      String path = d.isEmpty() || name.isEmpty() || name.startsWith("/") ? name : d + "/" + name;
      allowance.spend(path.length());
      return path;
    }
  }

  private final Allowance allowance;
  private final Texts strings;
  private final Texts lineStrings;
  private final List<LineTable.Row> rows = new ArrayList<>();

  // The unit being read.
  private ForeignBytes b;
  private boolean wide;
  private final List<String> directories = new ArrayList<>();
  private final SourceFiles files = new SourceFiles();

  private DwarfLines(byte[] lines, byte[] strings, byte[] lineStrings) {
    allowance = Allowance.of((long) lines.length + strings.length + lineStrings.length);
    b = ForeignBytes.of(lines, allowance);
    this.strings = new Texts(ForeignBytes.of(strings, allowance));
    this.lineStrings = new Texts(ForeignBytes.of(lineStrings, allowance));
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
    try {
      d.units(d.b);
    } catch (Damaged e) {
      // what was read is kept
    }
    return d.rows.isEmpty() ? LineTable.NONE : new LineTable(d.rows);
  }

  private void units(ForeignBytes all) {
    while (all.left() >= 12) {
      long length = all.u32();
      wide = length == 0xFFFF_FFFFL;
      if (wide) {
        length = all.u64();
      }
      if (length == 0) {
        return;
      }
      b = all.next(length);
      try {
        unit();
      } catch (Damaged e) {
        // A damaged unit: what was read of it is kept. Nobody may go on for ever.
        allowance.spend(0);
      }
    }
  }

  private void unit() {
    int version = b.u16();
    if (version < 2 || version > 5) {
      return;
    }
    int addressSize = 8;
    if (version == 5) {
      addressSize = Math.min(b.u8(), 8);
      b.skip(1);
    }
    long headerLength = b.word(wide);
    int header = b.position();
    int minimum = b.u8();
    if (version >= 4) {
      b.skip(1);
    }
    b.skip(1);
    int lineBase = (byte) b.u8();
    int lineRange = b.u8();
    int opcodeBase = b.u8();
    int[] operands = new int[Math.max(opcodeBase, 1)];
    for (int i = 1; i < opcodeBase; i++) {
      operands[i] = b.u8();
    }
    directories.clear();
    files.clear();
    if (version == 5) {
      table5(true);
      table5(false);
    } else {
      table4();
    }
    if (lineRange == 0 || headerLength < 0 || headerLength > b.size() - header) {
      return;
    }
    b.seek(header + headerLength);
    run(new Shape(minimum, lineBase, lineRange, opcodeBase, operands, addressSize));
  }

  private void table4() {
    directories.add("");
    for (String s = text(); !s.isEmpty(); s = text()) {
      directories.add(s);
    }
    files.add("", 0);
    for (String s = text(); !s.isEmpty(); s = text()) {
      files.add(s, (int) b.uleb());
      b.uleb();
      b.uleb();
    }
  }

  private String text() {
    return b.text(StandardCharsets.UTF_8);
  }

  private void table5(boolean isDirectories) {
    int formats = b.u8();
    int[] content = new int[formats];
    int[] form = new int[formats];
    for (int i = 0; i < formats; i++) {
      content[i] = (int) b.uleb();
      form[i] = (int) b.uleb();
    }
    long entries = b.uleb();
    // What has no parts takes no bytes, and there could be any number of it.
    int count = formats == 0 ? 0 : b.count(entries, 1);
    for (int n = 0; n < count; n++) {
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
      if (isDirectories) {
        directories.add(path);
      } else {
        files.add(path, directory);
      }
    }
  }

  private String text(int form) {
    return switch (form) {
      case 0x08 -> text(); // DW_FORM_string
      case 0x0E -> strings.at(b.word(wide)); // DW_FORM_strp
      case 0x1F -> lineStrings.at(b.word(wide)); // DW_FORM_line_strp
      default -> {
        number(form);
        yield "";
      }
    };
  }

  private long number(int form) {
    return switch (form) {
      case 0x0B -> b.u8(); // DW_FORM_data1
      case 0x05 -> b.u16(); // DW_FORM_data2
      case 0x06 -> b.u32(); // DW_FORM_data4
      case 0x07 -> b.u64(); // DW_FORM_data8
      case 0x0F -> b.uleb(); // DW_FORM_udata
      case 0x1E -> { // DW_FORM_data16: an MD5
        b.skip(16);
        yield 0;
      }
      case 0x09 -> { // DW_FORM_block
        b.skip(b.uleb());
        yield 0;
      }
      case 0x08, 0x0E, 0x1F -> {
        text(form);
        yield 0;
      }
      default -> throw new Damaged("it has a form 0x" + Integer.toHexString(form));
    };
  }

  /** How the line program of a unit is written. */
  private record Shape(
      int minimum, int lineBase, int lineRange, int opcodeBase, int[] operands, int addressSize) {}

  private void run(Shape s) {
    long address = 0;
    int file = 1;
    int line = 1;
    while (b.left() > 0 && rows.size() < MOST_ROWS) {
      int op = b.u8();
      if (op >= s.opcodeBase) {
        int adjusted = op - s.opcodeBase;
        address += (long) (adjusted / s.lineRange) * s.minimum;
        line += s.lineBase + adjusted % s.lineRange;
        row(address, file, line);
        continue;
      }
      switch (op) {
        case 0 -> {
          ForeignBytes extended = b.next(b.uleb());
          if (extended.left() == 0) {
            continue;
          }
          int what = extended.u8();
          if (what == 1) { // DW_LNE_end_sequence
            rows.add(new LineTable.Row(address, "", 0));
            address = 0;
            file = 1;
            line = 1;
          } else if (what == 2) { // DW_LNE_set_address
            address = extended.number(Math.min(extended.left(), s.addressSize));
          } else if (what == 3) { // DW_LNE_define_file
            String name = extended.text(StandardCharsets.UTF_8);
            files.add(name, (int) extended.uleb());
          }
        }
        case 1 -> row(address, file, line); // DW_LNS_copy
        case 2 -> address += b.uleb() * s.minimum; // DW_LNS_advance_pc
        case 3 -> line += (int) b.sleb(); // DW_LNS_advance_line
        case 4 -> file = (int) b.uleb(); // DW_LNS_set_file
        case 8 ->
            address += (long) ((255 - s.opcodeBase) / s.lineRange) * s.minimum; // const_add_pc
        case 9 -> address += b.u16(); // DW_LNS_fixed_advance_pc
        default -> {
          for (int i = 0; i < s.operands[op]; i++) {
            b.uleb();
          }
        }
      }
    }
  }

  private void row(long address, int file, int line) {
    String name = files.path(file);
    if (!name.isEmpty()) {
      rows.add(new LineTable.Row(address, name, line));
    }
  }
}
