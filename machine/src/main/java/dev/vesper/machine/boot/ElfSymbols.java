package dev.vesper.machine.boot;

import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.foreign.ForeignBytes;
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
    ForeignBytes file = ForeignBytes.of(b);
    try {
      for (ElfSections.Section s : sections.all()) {
        if (s.type() == SHT_SYMTAB && s.link() < sections.all().size()) {
          symbols(file, s, sections.all().get(s.link()), Bytes.u8(b, 4) == 2, out);
        }
      }
    } catch (Damaged e) {
      // what was read is kept
    }
    // A label at the end of a section does not reach beyond it.
    for (ElfSections.Section s : sections.all()) {
      if (s.address() != 0) {
        out.add(new Symbols.Symbol("", s.address() + s.length(), 0, false));
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
      ForeignBytes file,
      ElfSections.Section table,
      ElfSections.Section strings,
      boolean wide,
      List<Symbols.Symbol> out) {
    ForeignBytes symbols =
        table.size() == 0 ? file.part(0, 0) : file.part(table.offset(), table.size());
    // A table of strings that lies outside is none.
    ForeignBytes names =
        strings.size() == 0 ? file.part(0, 0) : file.part(strings.offset(), strings.size());
    while (symbols.left() >= (wide ? 24 : 16) && out.size() < MOST) {
      long name = symbols.u32();
      long value = wide ? 0 : symbols.u32();
      long size = wide ? 0 : symbols.u32();
      int type = symbols.u8() & 15;
      symbols.skip(1);
      int section = symbols.u16();
      if (wide) {
        value = symbols.u64();
        size = symbols.u64();
      }
      if (type <= 2 && section != 0 && section < 0xFF00) {
        String text = names.textAt(name, LONGEST_NAME, StandardCharsets.ISO_8859_1);
        if (!text.isEmpty()) {
          out.add(new Symbols.Symbol(text, value, size, true));
        }
      }
    }
  }
}
