package dev.vesper.guest;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Writes an ELF64 executable: a section for each loadable segment, and a symbol table. */
final class ElfWriter {
  private record Part(String name, long address, byte[] bytes, long memory, int flags, int at) {}

  private static final int HEADER = 64;
  private static final int PROGRAM_HEADER = 56;
  private static final int SECTION_HEADER = 64;
  private static final int SYMBOL = 24;
  private static final int PAGE = 0x1000;
  private static final int PT_LOAD = 1;
  private static final int PT_OPENBSD_RANDOMIZE = 0x65A3_DBE6;
  private static final int SHT_PROGBITS = 1;
  private static final int SHT_SYMTAB = 2;
  private static final int SHT_STRTAB = 3;
  private static final int STB_GLOBAL = 0x10;

  private final long base;
  private final List<Part> parts = new ArrayList<>();
  private long randomAddress;
  private long randomBytes;
  private int next = PAGE;

  /**
   * @param base what must be subtracted from an address to get the physical one
   */
  ElfWriter(long base) {
    this.base = base;
  }

  /**
   * Adds a segment.
   *
   * @param memory bytes in memory; what the file lacks is zero
   * @param flags PF_X 1, PF_W 2, PF_R 4
   */
  ElfWriter segment(String name, long address, byte[] bytes, long memory, int flags) {
    parts.add(new Part(name, address, bytes, memory, flags, next));
    next += bytes.length + PAGE - 1 & -PAGE;
    return this;
  }

  /** Says where a loader puts random bytes. */
  ElfWriter randomData(long address, long bytes) {
    randomAddress = address;
    randomBytes = bytes;
    return this;
  }

  /** {@return the file} */
  byte[] write(long entry, Map<String, Long> symbols) {
    ByteArrayOutputStream names = new ByteArrayOutputStream();
    names.write(0);
    ByteBuffer table = little(SYMBOL * (symbols.size() + 1));
    table.position(SYMBOL);
    symbols.forEach(
        (name, value) -> {
          table.putInt(names.size()).put((byte) STB_GLOBAL).put((byte) 0).putShort(section(value));
          table.putLong(value).putLong(0);
          names.writeBytes(name.getBytes(StandardCharsets.US_ASCII));
          names.write(0);
        });
    ByteArrayOutputStream sections = new ByteArrayOutputStream();
    List<Integer> nameAt = new ArrayList<>();
    sections.write(0);
    for (Part p : parts) {
      nameAt.add(named(sections, p.name));
    }
    int symtab = named(sections, ".symtab");
    int strtab = named(sections, ".strtab");
    int shstrtab = named(sections, ".shstrtab");
    int count = parts.size();
    int symbolsAt = next;
    int namesAt = symbolsAt + table.capacity();
    int sectionNamesAt = namesAt + names.size();
    int headersAt = sectionNamesAt + sections.size() + 7 & -8;
    ByteBuffer f = little(headersAt + (count + 4) * SECTION_HEADER);
    f.put(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1}).position(16);
    f.putShort((short) 2).putShort((short) 62).putInt(1).putLong(entry).putLong(HEADER);
    f.putLong(headersAt).putInt(0).putShort((short) HEADER).putShort((short) PROGRAM_HEADER);
    f.putShort((short) (count + (randomBytes > 0 ? 1 : 0))).putShort((short) SECTION_HEADER);
    f.putShort((short) (count + 4)).putShort((short) (count + 3));
    for (Part p : parts) {
      program(f, PT_LOAD, p.flags, p.at, p.address, p.bytes.length, p.memory);
    }
    if (randomBytes > 0) {
      program(f, PT_OPENBSD_RANDOMIZE, 4, 0, randomAddress, 0, randomBytes);
    }
    for (Part p : parts) {
      f.put(p.at, p.bytes);
    }
    f.put(symbolsAt, table.array());
    f.put(namesAt, names.toByteArray());
    f.put(sectionNamesAt, sections.toByteArray());
    f.position(headersAt + SECTION_HEADER);
    for (int i = 0; i < count; i++) {
      Part p = parts.get(i);
      int flags = 2 | (p.flags & 2) >> 1 | (p.flags & 1) << 2;
      section(f, nameAt.get(i), SHT_PROGBITS, flags, p.address, p.at, p.bytes.length, 0, 0, 0);
    }
    section(f, symtab, SHT_SYMTAB, 0, 0, symbolsAt, table.capacity(), count + 2, 1, SYMBOL);
    section(f, strtab, SHT_STRTAB, 0, 0, namesAt, names.size(), 0, 0, 0);
    section(f, shstrtab, SHT_STRTAB, 0, 0, sectionNamesAt, sections.size(), 0, 0, 0);
    return f.array();
  }

  private static int named(ByteArrayOutputStream names, String name) {
    int at = names.size();
    names.writeBytes(name.getBytes(StandardCharsets.US_ASCII));
    names.write(0);
    return at;
  }

  /** {@return the section of an address} Constants and ends belong to the last one. */
  private short section(long address) {
    for (int i = 0; i < parts.size(); i++) {
      Part p = parts.get(i);
      if (address >= p.address && address < p.address + p.memory) {
        return (short) (i + 1);
      }
    }
    return (short) parts.size();
  }

  private static ByteBuffer little(int n) {
    return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
  }

  private void program(
      ByteBuffer f, int type, int flags, long at, long address, long fileSize, long memory) {
    f.putInt(type).putInt(flags).putLong(at).putLong(address).putLong(address - base);
    f.putLong(fileSize).putLong(memory).putLong(type == PT_LOAD ? PAGE : 1);
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
      int entry) {
    f.putInt(name).putInt(type).putLong(flags).putLong(address).putLong(at).putLong(size);
    f.putInt(link).putInt(info).putLong(entry == 0 ? 16 : 8).putLong(entry);
  }
}
