package dev.vesper.cli.gdb;

import dev.vesper.machine.observe.Symbols.Symbol;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * An ELF64 file of names alone, for debuggers: one section without bytes that all of them lie in, a
 * symbol table and its strings (System V ABI, chapter 4).
 */
public final class SymbolElf {
  private static final int HEADER = 64;
  private static final int SECTION_HEADER = 64;
  private static final int SYMBOL = 24;
  private static final int SHT_SYMTAB = 2;
  private static final int SHT_STRTAB = 3;
  private static final int SHT_NOBITS = 8;
  private static final int ALLOC_EXEC = 6;
  private static final int GLOBAL_NOTYPE = 0x10;
  private static final String[] NAMES = {"", ".text", ".symtab", ".strtab", ".shstrtab"};

  private SymbolElf() {}

  /**
   * {@return the file}
   *
   * @param all in order of address, at least one
   */
  public static byte[] of(List<Symbol> all) {
    ByteArrayOutputStream strings = new ByteArrayOutputStream();
    strings.write(0);
    ByteBuffer table = buffer(SYMBOL * (all.size() + 1));
    table.position(SYMBOL);
    for (Symbol s : all) {
      table.putInt(strings.size()).put((byte) GLOBAL_NOTYPE).put((byte) 0).putShort((short) 1);
      table.putLong(s.address()).putLong(s.size());
      strings.writeBytes(s.name().getBytes(StandardCharsets.UTF_8));
      strings.write(0);
    }
    ByteArrayOutputStream names = new ByteArrayOutputStream();
    int[] at = new int[NAMES.length];
    for (int i = 0; i < NAMES.length; i++) {
      at[i] = names.size();
      names.writeBytes(NAMES[i].getBytes(StandardCharsets.UTF_8));
      names.write(0);
    }
    long first = all.get(0).address();
    long last = all.get(all.size() - 1).address();
    int symbols = HEADER;
    int text = symbols + table.capacity();
    int headers = text + strings.size() + names.size() + 7 & -8;
    ByteBuffer f = buffer(headers + NAMES.length * SECTION_HEADER);
    header(f, headers);
    f.put(symbols, table.array()).put(text, strings.toByteArray());
    f.put(text + strings.size(), names.toByteArray());
    f.position(headers + SECTION_HEADER);
    section(f, at[1], SHT_NOBITS, ALLOC_EXEC, first, symbols, last - first + 1, 0, 0);
    section(f, at[2], SHT_SYMTAB, 0, 0, symbols, table.capacity(), 3, SYMBOL);
    section(f, at[3], SHT_STRTAB, 0, 0, text, strings.size(), 0, 0);
    section(f, at[4], SHT_STRTAB, 0, 0, text + strings.size(), names.size(), 0, 0);
    return f.array();
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** The first 64 bytes: a 64-bit little-endian executable for x86-64. */
  private static void header(ByteBuffer f, int sections) {
    f.putInt(0x464C_457F).put((byte) 2).put((byte) 1).put((byte) 1).position(16);
    f.putShort((short) 2).putShort((short) 62).putInt(1);
    f.putLong(0).putLong(0).putLong(sections).putInt(0);
    f.putShort((short) HEADER).putShort((short) 0).putShort((short) 0);
    f.putShort((short) SECTION_HEADER);
    f.putShort((short) NAMES.length).putShort((short) (NAMES.length - 1));
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
