package dev.vesper.machine.boot;

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

  /** {@return functions and labels of the image; what is damaged is left out} */
  static Symbols read(ElfImage elf) {
    byte[] b = elf.bytes();
    List<Symbols.Symbol> out = new ArrayList<>();
    boolean wide = elf.bits() == 64;
    long table = wide ? Bytes.u64(b, 40) : Bytes.u32(b, 32);
    int size = Bytes.u16(b, wide ? 58 : 46);
    int count = Bytes.u16(b, wide ? 60 : 48);
    for (int i = 0; i < count && table > 0; i++) {
      long h = table + (long) i * size;
      if (Bytes.u32(b, h + 4) == SHT_SYMTAB) {
        long offset = wide ? Bytes.u64(b, h + 24) : Bytes.u32(b, h + 16);
        long bytes = wide ? Bytes.u64(b, h + 32) : Bytes.u32(b, h + 20);
        long link = Bytes.u32(b, wide ? h + 40 : h + 24);
        long strings = table + link * size;
        long names = wide ? Bytes.u64(b, strings + 24) : Bytes.u32(b, strings + 16);
        symbols(b, offset, bytes, names, wide, out);
      }
    }
    ElfImage.Segment first = elf.segments().get(0);
    return new Symbols(out, first.virtual() - first.physical());
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
