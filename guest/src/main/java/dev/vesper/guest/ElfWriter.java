package dev.vesper.guest;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Writes an ELF64 executable with one loadable segment and a symbol table. */
final class ElfWriter {
  private static final int HEADER = 64;
  private static final int PROGRAM_HEADER = 56;
  private static final int SECTION_HEADER = 64;
  private static final int SYMBOL = 24;
  private static final int CODE_AT = 0x1000;

  private ElfWriter() {}

  /**
   * {@return the file}
   *
   * @param memory bytes of the segment in memory; what the file lacks is zero
   */
  static byte[] write(byte[] code, long base, long memory, long entry, Map<String, Long> symbols) {
    ByteArrayOutputStream names = new ByteArrayOutputStream();
    names.write(0);
    ByteBuffer table = little(SYMBOL * (symbols.size() + 1));
    table.position(SYMBOL);
    symbols.forEach(
        (name, value) -> {
          table.putInt(names.size()).put((byte) 0x10).put((byte) 0).putShort((short) 1);
          table.putLong(value).putLong(0);
          names.writeBytes(name.getBytes(StandardCharsets.US_ASCII));
          names.write(0);
        });
    String sections = "\0.text\0.symtab\0.strtab\0.shstrtab\0";
    byte[] sectionNames = sections.getBytes(StandardCharsets.US_ASCII);
    int symbolsAt = CODE_AT + code.length + 7 & ~7;
    int namesAt = symbolsAt + table.capacity();
    int sectionNamesAt = namesAt + names.size();
    int headersAt = sectionNamesAt + sectionNames.length + 7 & ~7;
    ByteBuffer f = little(headersAt + 5 * SECTION_HEADER);
    f.put(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1}).position(16);
    f.putShort((short) 2).putShort((short) 62).putInt(1).putLong(entry).putLong(HEADER);
    f.putLong(headersAt).putInt(0).putShort((short) HEADER).putShort((short) PROGRAM_HEADER);
    f.putShort((short) 1).putShort((short) SECTION_HEADER).putShort((short) 5).putShort((short) 4);
    f.putInt(1).putInt(7).putLong(CODE_AT).putLong(base).putLong(base);
    f.putLong(code.length).putLong(memory).putLong(0x1000);
    f.put(CODE_AT, code);
    f.put(symbolsAt, table.array());
    f.put(namesAt, names.toByteArray());
    f.put(sectionNamesAt, sectionNames);
    f.position(headersAt + SECTION_HEADER);
    section(f, 1, 1, 7, base, CODE_AT, code.length, 0, 0, 16, 0);
    section(f, 7, 2, 0, 0, symbolsAt, table.capacity(), 3, 1, 8, SYMBOL);
    section(f, 15, 3, 0, 0, namesAt, names.size(), 0, 0, 1, 0);
    section(f, 23, 3, 0, 0, sectionNamesAt, sectionNames.length, 0, 0, 1, 0);
    return f.array();
  }

  private static ByteBuffer little(int n) {
    return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void section(
      ByteBuffer f,
      int name,
      int type,
      int flags,
      long address,
      long at,
      long size,
      int link,
      int info,
      int align,
      int entry) {
    f.putInt(name).putInt(type).putLong(flags).putLong(address).putLong(at).putLong(size);
    f.putInt(link).putInt(info).putLong(align).putLong(entry);
  }
}
