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
    boolean wide = Bytes.u8(b, 4) == 2;
    ElfSections sections = new ElfSections(b);
    for (ElfSections.Section s : sections.all()) {
      if (s.type() == SHT_SYMTAB && s.link() < sections.all().size()) {
        ElfSections.Section names = sections.all().get(s.link());
        symbols(b, s.offset(), s.size(), names.offset(), wide, out);
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
      byte[] b, long offset, long bytes, long names, boolean wide, List<Symbols.Symbol> out) {
    int entry = wide ? 24 : 16;
    for (long at = offset;
        at >= 0 && at + entry <= Math.min(b.length, offset + bytes);
        at += entry) {
      int type = Bytes.u8(b, wide ? at + 4 : at + 12) & 15;
      int section = Bytes.u16(b, wide ? at + 6 : at + 14);
      long value = wide ? Bytes.u64(b, at + 8) : Bytes.u32(b, at + 4);
      String name = string(b, names + Bytes.u32(b, at));
      if (type <= 2 && section != 0 && section < 0xFF00 && !name.isEmpty() && out.size() < MOST) {
        out.add(new Symbols.Symbol(name, value));
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
