package dev.vesper.machine.boot;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.Deflater;

/** An ELF64 file that says whatever it is told to. */
final class ForeignElf {
  static final long BASE = 0x100_0000;
  static final int PT_LOAD = 1;
  static final int PT_NOTE = 4;
  static final int RANDOMIZE = 0x65A3_DBE6;
  private static final int HEADER = 64;
  private static final int PROGRAM = 56;
  private static final int SECTION = 64;

  private record Header(int type, long offset, long address, long fileSize, long memorySize) {}

  private record Section(String name, int type, long flags, byte[] bytes, int link) {}

  private final List<Header> headers = new ArrayList<>();
  private final List<Section> sections = new ArrayList<>();
  private long sectionsAt = -1;
  private int repeatSections = 1;

  ForeignElf() {
    sections.add(new Section("", 0, 0, new byte[0], 0));
  }

  /** Adds a program header; offsets from the file's beginning. */
  ForeignElf header(int type, long offset, long address, long fileSize, long memorySize) {
    headers.add(new Header(type, offset, address, fileSize, memorySize));
    return this;
  }

  /** Adds a segment of three bytes that lie in the header. */
  ForeignElf code() {
    return header(PT_LOAD, 0, BASE, 3, 3);
  }

  ForeignElf section(String name, int type, byte[] bytes, int link) {
    sections.add(new Section(name, type, 0, bytes, link));
    return this;
  }

  ForeignElf debugLine(byte[] bytes) {
    return section(".debug_line", 1, bytes, 0);
  }

  /** Adds a section that is stored deflated. */
  ForeignElf deflated(String name, byte[] bytes) {
    Deflater d = new Deflater(Deflater.BEST_COMPRESSION);
    d.setInput(bytes);
    d.finish();
    byte[] out = new byte[bytes.length + 64];
    int n = d.deflate(out);
    d.end();
    ByteBuffer b = little(24 + n);
    b.putInt(1).putInt(0).putLong(bytes.length).putLong(1).put(out, 0, n);
    sections.add(new Section(name, 1, 0x800, b.array(), 0));
    return this;
  }

  /** Says where section headers lie, whatever lies there. */
  ForeignElf sectionsAt(long offset) {
    sectionsAt = offset;
    return this;
  }

  /** Repeats the header of the last section. */
  ForeignElf repeated(int times) {
    repeatSections = times;
    return this;
  }

  static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** {@return the file with bytes behind it} */
  byte[] build(byte... behind) {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    StringBuilder names = new StringBuilder();
    int start = HEADER + PROGRAM * headers.size();
    int count = sections.size() + repeatSections;
    ByteBuffer table = little(SECTION * count);
    sections.add(new Section(".shstrtab", 3, 0, new byte[0], 0));
    for (int i = 0; i < sections.size(); i++) {
      Section s = sections.get(i);
      int name = names.length();
      names.append(s.name).append('\0');
      boolean last = i == sections.size() - 1;
      byte[] b = last ? names.toString().getBytes(StandardCharsets.ISO_8859_1) : s.bytes;
      int times = i == sections.size() - 2 ? repeatSections : 1;
      for (int n = 0; n < times; n++) {
        table.putInt(name).putInt(s.type).putLong(s.flags).putLong(0);
        table.putLong(start + body.size()).putLong(b.length).putInt(s.link).putInt(0);
        table.putLong(1).putLong(s.type == 2 ? 24 : 0);
      }
      body.writeBytes(b);
    }
    long at = sectionsAt >= 0 ? sectionsAt : start + body.size();
    ByteBuffer out = little(start + body.size() + table.capacity() + behind.length);
    out.put(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1}).position(16);
    out.putShort((short) 2).putShort((short) 62).putInt(1).putLong(BASE).putLong(HEADER);
    out.putLong(at).putInt(0).putShort((short) HEADER).putShort((short) PROGRAM);
    out.putShort((short) headers.size()).putShort((short) SECTION);
    out.putShort((short) count).putShort((short) (count - 1));
    for (Header h : headers) {
      out.putInt(h.type).putInt(5).putLong(h.offset).putLong(h.address).putLong(h.address);
      out.putLong(h.fileSize).putLong(h.memorySize).putLong(4096);
    }
    out.put(body.toByteArray()).put(table.array()).put(behind);
    return out.array();
  }

  static byte[] uleb(long value) {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    long v = value;
    do {
      int x = (int) v & 0x7F;
      v >>>= 7;
      b.write(v != 0 ? x | 0x80 : x);
    } while (v != 0);
    return b.toByteArray();
  }

  static byte[] join(byte[]... parts) {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    for (byte[] p : parts) {
      b.writeBytes(p);
    }
    return b.toByteArray();
  }

  /** {@return a unit of version 4: tables, each with its end, and a program} */
  static byte[] unit4(byte[] directories, byte[] files, byte[] program) {
    byte[] head =
        join(new byte[] {1, 1, 1, -5, 14, 1}, directories, new byte[1], files, new byte[1]);
    return unit(4, new byte[0], head, program);
  }

  /** {@return a unit of version 5: formats and tables as they are} */
  static byte[] unit5(byte[] tables, byte[] program) {
    byte[] head = join(new byte[] {1, 1, 1, -5, 14, 1}, tables);
    return unit(5, new byte[] {8, 0}, head, program);
  }

  /** {@return a unit: what is between version and header, header and program as they are} */
  static byte[] unit(int version, byte[] sizes, byte[] head, byte[] program) {
    int length = 2 + sizes.length + 4 + head.length + program.length;
    ByteBuffer b = little(4 + length);
    b.putInt(length).putShort((short) version).put(sizes).putInt(head.length);
    return b.put(head).put(program).array();
  }
}
