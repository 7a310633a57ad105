package dev.vesper.machine.boot;

import dev.vesper.machine.observe.LineTable;
import dev.vesper.machine.observe.Symbols;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The symbol table of an ELF file. */
final class ElfSymbols {
  private static final int SHT_SYMTAB = 2;
  private static final int MOST = 1 << 20;
  private static final int LONGEST_NAME = 512;

  private ElfSymbols() {}

  /** {@return functions and labels of the image, and its source lines} */
  static Symbols read(ElfImage elf) {
    ElfImage.Segment first = elf.segments().get(0);
    return read(elf.bytes(), first.virtual() - first.physical());
  }

  /**
   * {@return functions, labels and source lines of an ELF file; what is damaged is left out}
   *
   * @param alias see {@link Symbols}
   */
  static Symbols read(byte[] b, long alias) {
    List<Symbols.Symbol> out = new ArrayList<>();
    ElfSections sections = new ElfSections(b);
    for (ElfSections.Section s : sections.all()) {
      if (s.type() == SHT_SYMTAB && s.link() < sections.all().size()) {
        ElfSections.Section names = sections.all().get(s.link());
        symbols(b, s, names.offset(), sections.all(), out);
      }
    }
    byte[] lines = sections.contents(".debug_line");
    LineTable table =
        lines.length == 0
            ? LineTable.NONE
            : DwarfLines.read(
                lines, sections.contents(".debug_str"), sections.contents(".debug_line_str"));
    return new Symbols(out, table, alias);
  }

  private static void symbols(
      byte[] b,
      ElfSections.Section table,
      long names,
      List<ElfSections.Section> sections,
      List<Symbols.Symbol> out) {
    boolean wide = Bytes.u8(b, 4) == 2;
    int entry = wide ? 24 : 16;
    long end = Math.min(b.length, table.offset() + table.size());
    for (long at = table.offset(); at >= 0 && at + entry <= end; at += entry) {
      int type = Bytes.u8(b, wide ? at + 4 : at + 12) & 15;
      int section = Bytes.u16(b, wide ? at + 6 : at + 14);
      long value = wide ? Bytes.u64(b, at + 8) : Bytes.u32(b, at + 4);
      long size = wide ? Bytes.u64(b, at + 16) : Bytes.u32(b, at + 8);
      String name = string(b, names + Bytes.u32(b, at));
      if (type <= 2 && section != 0 && section < 0xFF00 && !name.isEmpty() && out.size() < MOST) {
        out.add(new Symbols.Symbol(name, value, size, true));
      }
    }
    // A label at the end of a section does not reach beyond it.
    for (ElfSections.Section s : sections) {
      if (s.address() != 0) {
        out.add(new Symbols.Symbol("", s.address() + s.length(), 0, false));
      }
    }
  }

  private static String string(byte[] b, long at) {
    int n = 0;
    while (n < LONGEST_NAME && Bytes.u8(b, at + n) != 0) {
      n++;
    }
    return at < 0 || at >= b.length ? "" : new String(b, (int) at, n, StandardCharsets.ISO_8859_1);
  }
}
