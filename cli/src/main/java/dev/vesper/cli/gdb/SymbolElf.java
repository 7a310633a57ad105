package dev.vesper.cli.gdb;

import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.Symbols.Symbol;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * An ELF64 file of names alone, for debuggers: sections without bytes that they lie in, code and
 * data by turns, a symbol table and its strings (System V ABI, chapter 4). A debugger takes what
 * lies in a section of code for functions, and other names for variables.
 */
public final class SymbolElf {
  private static final int HEADER = 64;
  private static final int SECTION_HEADER = 64;
  private static final int SYMBOL = 24;
  private static final int SHT_SYMTAB = 2;
  private static final int SHT_STRTAB = 3;
  private static final int SHT_NOBITS = 8;
  private static final int ALLOC_WRITE = 3;
  private static final int ALLOC_EXEC = 6;
  private static final int GLOBAL_NOTYPE = 0x10;
  private static final int GLOBAL_OBJECT = 0x11;

  /** A kernel has a dozen; of an image that has more, the rest lie in the last one. */
  private static final int MOST_SECTIONS = 1000;

  private static final List<String> NAMES =
      List.of("", ".text", ".data", ".symtab", ".strtab", ".shstrtab");

  /** Sections besides those of names: none, symbols, strings and the sections' names. */
  private static final int OTHERS = 4;

  /** A name with what it is of. */
  private record Named(Symbol symbol, boolean code) {
    long address() {
      return symbol.address();
    }
  }

  /** Names that lie in one section, the first and the one behind the last. */
  private record Run(int first, int end) {}

  private SymbolElf() {}

  /**
   * {@return the file}
   *
   * @param of with at least one name
   */
  public static byte[] of(Symbols of) {
    List<Named> all =
        Stream.concat(
                of.all().stream().map(s -> new Named(s, true)),
                of.data().stream().map(s -> new Named(s, false)))
            .sorted(Comparator.comparing(Named::address, Long::compareUnsigned))
            .toList();
    List<Run> runs = runs(all);
    ByteArrayOutputStream strings = new ByteArrayOutputStream();
    strings.write(0);
    ByteBuffer table = buffer(SYMBOL * (all.size() + 1));
    table.position(SYMBOL);
    for (int section = 1; section <= runs.size(); section++) {
      Run r = runs.get(section - 1);
      for (Named s : all.subList(r.first, r.end)) {
        table.putInt(strings.size()).put((byte) (s.code ? GLOBAL_NOTYPE : GLOBAL_OBJECT));
        table.put((byte) 0).putShort((short) section);
        table.putLong(s.address()).putLong(s.symbol.size());
        strings.writeBytes(s.symbol.name().getBytes(StandardCharsets.UTF_8));
        strings.write(0);
      }
    }
    return file(all, runs, table.array(), strings.toByteArray());
  }

  /** {@return what lies side by side and is of one kind; none is empty, and none overlap} */
  private static List<Run> runs(List<Named> all) {
    List<Run> runs = new ArrayList<>();
    int first = 0;
    for (int i = 1; i < all.size(); i++) {
      boolean other = all.get(i).code != all.get(first).code;
      if (other
          && all.get(i).address() != all.get(first).address()
          && runs.size() < MOST_SECTIONS - 1) {
        runs.add(new Run(first, i));
        first = i;
      }
    }
    runs.add(new Run(first, all.size()));
    return runs;
  }

  private static byte[] file(List<Named> all, List<Run> runs, byte[] table, byte[] strings) {
    ByteArrayOutputStream names = new ByteArrayOutputStream();
    int[] at = new int[NAMES.size()];
    for (int i = 0; i < at.length; i++) {
      at[i] = names.size();
      names.writeBytes(NAMES.get(i).getBytes(StandardCharsets.UTF_8));
      names.write(0);
    }
    int sections = runs.size() + OTHERS;
    int text = HEADER + table.length;
    int headers = text + strings.length + names.size() + 7 & -8;
    ByteBuffer f = buffer(headers + sections * SECTION_HEADER);
    header(f, headers, sections);
    f.put(HEADER, table).put(text, strings);
    f.put(text + strings.length, names.toByteArray());
    f.position(headers + SECTION_HEADER);
    for (Run r : runs) {
      Named s = all.get(r.first);
      long end = r.end < all.size() ? all.get(r.end).address() : all.getLast().address() + 1;
      int flags = s.code ? ALLOC_EXEC : ALLOC_WRITE;
      section(
          f, at[s.code ? 1 : 2], SHT_NOBITS, flags, s.address(), HEADER, end - s.address(), 0, 0);
    }
    int link = runs.size() + 2;
    section(f, at[3], SHT_SYMTAB, 0, 0, HEADER, table.length, link, SYMBOL);
    section(f, at[4], SHT_STRTAB, 0, 0, text, strings.length, 0, 0);
    section(f, at[5], SHT_STRTAB, 0, 0, text + strings.length, names.size(), 0, 0);
    return f.array();
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** The first 64 bytes: a 64-bit little-endian executable for x86-64. */
  private static void header(ByteBuffer f, int at, int sections) {
    f.putInt(0x464C_457F).put((byte) 2).put((byte) 1).put((byte) 1).position(16);
    f.putShort((short) 2).putShort((short) 62).putInt(1);
    f.putLong(0).putLong(0).putLong(at).putInt(0);
    f.putShort((short) HEADER).putShort((short) 0).putShort((short) 0);
    f.putShort((short) SECTION_HEADER);
    f.putShort((short) sections).putShort((short) (sections - 1));
  }

  private static void section(
      ByteBuffer f,
      int name,
      int type,
      long flags,
      long address,
      int at,
      long bytes,
      int link,
      int entry) {
    f.putInt(name).putInt(type).putLong(flags).putLong(address).putLong(at).putLong(bytes);
    f.putInt(link).putInt(type == SHT_SYMTAB ? 1 : 0).putLong(8).putLong(entry);
  }
}
