package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.boot.SymbolFile;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.BootException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** ELF symbol tables, DWARF's lines, and System.map. */
public final class SymbolsTarget implements FuzzTarget {
  @Override
  public String name() {
    return "symbols";
  }

  @Override
  public List<String> covers() {
    return List.of(
        "dev.vesper.machine.boot.Elf",
        "dev.vesper.machine.boot.Dwarf",
        "dev.vesper.machine.boot.SymbolFile",
        "dev.vesper.machine.observe.Symbols",
        "dev.vesper.machine.observe.LineTable");
  }

  @Override
  public List<byte[]> seeds() {
    return List.of(
        "ffffffff81000000 T _text\nffffffff81000100 t start [module]\n0 A x\n"
            .getBytes(StandardCharsets.UTF_8),
        elf(lines4(), new byte[0]),
        elf(lines5(), "\0/src\0a.c\0".getBytes(StandardCharsets.UTF_8)));
  }

  /** Opcodes: set an address, move on, special ones, end the sequence. */
  private static byte[] program() {
    return new Words()
        .u8(0, 9, 2)
        .u64(0x100_0000)
        .u8(3, 10, 1, 5, 2, 2, 4, 0x20, 0x40, 6, 8, 9)
        .u16(7)
        .u8(10, 11, 12, 1, 2, 16, 0, 1, 1)
        .done();
  }

  private static byte[] unit(int version, byte[] head, byte[] between) {
    byte[] program = program();
    Words w = new Words().u16(version).bytes(between).u32(head.length).bytes(head);
    w.bytes(program);
    return new Words().u32(w.length()).bytes(w.done()).done();
  }

  private static Words opcodes() {
    return new Words().u8(1, 1, 1, 0xFB, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1);
  }

  private static byte[] lines4() {
    byte[] head =
        opcodes()
            .bytes("/src\0\0a.c\0".getBytes(StandardCharsets.UTF_8))
            .u8(1, 0, 0)
            .bytes("b.h\0".getBytes(StandardCharsets.UTF_8))
            .u8(0, 0, 0, 0)
            .done();
    return unit(4, head, new byte[0]);
  }

  /** DW_LNCT_path and directory_index as line_strp (1Fh), udata (0Fh), string (08h), strp (0Eh). */
  private static byte[] lines5() {
    byte[] head =
        opcodes()
            .u8(1, 1, 0x1F, 1)
            .u32(1)
            .u8(3, 1, 0x1F, 2, 0x0F, 5, 0x1E, 2)
            .u32(6)
            .u8(0)
            .zeros(16)
            .u32(6)
            .u8(0)
            .zeros(16)
            .done();
    return unit(5, head, new byte[] {8, 0});
  }

  private static byte[] elf(byte[] lines, byte[] lineStrings) {
    byte[] names =
        "\0.symtab\0.strtab\0.shstrtab\0.debug_line\0.debug_line_str\0.text\0"
            .getBytes(StandardCharsets.UTF_8);
    String all = new String(names, StandardCharsets.UTF_8);
    byte[] symbolNames = "\0start\0data\0".getBytes(StandardCharsets.UTF_8);
    byte[] symbols =
        new Words()
            .zeros(24)
            .u32(1)
            .u8(0x12, 0)
            .u16(1)
            .u64(0x100_0000, 64)
            .u32(7)
            .u8(0x11, 0)
            .u16(1)
            .u64(0x100_0040, 8)
            .done();
    byte[][] parts = {symbols, symbolNames, names, lines, lineStrings};
    long[] place = new long[parts.length];
    long at = 64 + 56;
    for (int i = 0; i < parts.length; i++) {
      place[i] = at;
      at += parts[i].length;
    }
    Words w =
        new Words()
            .u8(0x7F, 'E', 'L', 'F', 2, 1, 1)
            .zeros(9)
            .u16(2, 62)
            .u32(1)
            .u64(0x100_0000, 64, at)
            .u32(0)
            .u16(64, 56, 1, 64, 7, 4)
            .u32(1, 5)
            .u64(0, 0x100_0000, 0x100_0000, 64, 64, 4096);
    for (byte[] p : parts) {
      w.bytes(p);
    }
    w.zeros(64);
    section(w, all.indexOf(".text"), 1, 0x100_0000, 0, 64, 0, 0);
    section(w, all.indexOf(".symtab"), 2, 0, place[0], symbols.length, 3, 24);
    section(w, all.indexOf(".strtab"), 3, 0, place[1], symbolNames.length, 0, 0);
    section(w, all.indexOf(".shstrtab"), 3, 0, place[2], names.length, 0, 0);
    section(w, all.indexOf(".debug_line"), 1, 0, place[3], lines.length, 0, 0);
    section(w, all.indexOf(".debug_line_str"), 1, 0, place[4], lineStrings.length, 0, 0);
    return w.done();
  }

  private static void section(
      Words w, int name, int type, long address, long at, long bytes, int link, int entry) {
    w.u32(name, type).u64(2, address, at, bytes).u32(link, 1).u64(1, entry);
  }

  @Override
  public void take(byte[] input) {
    try {
      Symbols s = SymbolFile.read("symbols", input);
      for (long a : new long[] {0, 0x100_0000, 0x100_0041, 0xFFFF_FFFF_8100_0101L, -1}) {
        s.at(a);
        s.running(a);
      }
    } catch (BootException e) {
      // One line that says what is wrong.
      if (String.valueOf(e.getMessage()).contains("\n")) {
        throw new IllegalStateException(e);
      }
    }
  }
}
