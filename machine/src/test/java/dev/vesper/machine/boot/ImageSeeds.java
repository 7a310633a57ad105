package dev.vesper.machine.boot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Small kernels and files of symbols of every format, for who makes other ones of them. */
public final class ImageSeeds {
  private ImageSeeds() {}

  /** {@return a kernel of each format} */
  public static List<byte[]> kernels() {
    byte[] unit =
        ForeignElf.unit4(
            "dir\0".getBytes(StandardCharsets.US_ASCII),
            "a.c\0\1\0\0".getBytes(StandardCharsets.US_ASCII),
            ForeignElf.join(new byte[] {0, 9, 2, 0, 0, 0, 1, 0, 0, 0, 0, 6, 7, 8, 0, 1, 1}));
    byte[] five =
        ForeignElf.unit5(
            "\1\1\37\1\0\0\0\0\2\1\37\2\13\2\5\0\0\0\0\5\0\0\0\0"
                .getBytes(StandardCharsets.US_ASCII),
            new byte[] {0, 9, 2, 0, 0, 0, 1, 0, 0, 0, 0, 6, 7, 0, 1, 1});
    byte[] names = "\0start\0end\0".getBytes(StandardCharsets.US_ASCII);
    ByteBuffer symbols = ForeignElf.little(72).position(24);
    for (int i = 0; i < 2; i++) {
      symbols.putInt(1 + 6 * i).put((byte) 2).put((byte) 0).putShort((short) 1);
      symbols.putLong(0x100_0000 + 8 * i).putLong(8);
    }
    ByteBuffer note = ForeignElf.little(20).putInt(4).putInt(4).putInt(18);
    note.putInt(0x6E_6558).putInt(0x100_0000);
    byte[] bz = new byte[1536];
    ByteBuffer b = ByteBuffer.wrap(bz).order(ByteOrder.LITTLE_ENDIAN);
    b.put(0x1F1, (byte) 1).putInt(0x1F4, 32).put(0x201, (byte) 0x66).putInt(0x202, 0x5372_6448);
    b.putShort(0x206, (short) 0x20F).put(0x211, (byte) 1).putInt(0x22C, 0x7FFF_FFFF);
    b.putInt(0x230, 0x20_0000).putShort(0x236, (short) 0x7F).putInt(0x238, 2047);
    b.putLong(0x258, 0x100_0000).putInt(0x260, 0x10_0000);
    byte[] multiboot = new byte[512];
    ByteBuffer m = ByteBuffer.wrap(multiboot).order(ByteOrder.LITTLE_ENDIAN);
    m.putInt(0x1BAD_B002).putInt(0x1_0000).putInt(-0x1BAD_B002 - 0x1_0000).putInt(0x10_0000);
    m.putInt(0x10_0000).putInt(0x10_0200).putInt(0x10_0400).putInt(0x10_0000);
    return List.of(
        new ForeignElf()
            .code()
            .section(".symtab", 2, symbols.array(), 2)
            .section(".strtab", 3, names, 0)
            .debugLine(ForeignElf.join(unit, five))
            .section(".debug_line_str", 1, "here\0b.c\0".getBytes(StandardCharsets.US_ASCII), 0)
            .build(),
        new ForeignElf()
            .code()
            .section(".symtab", 2, symbols.array(), 2)
            .section(".strtab", 3, names, 0)
            .debugLine(otherForms())
            .section(".debug_str", 1, "dir\0x.c\0".getBytes(StandardCharsets.US_ASCII), 0)
            .build(),
        new ForeignElf()
            .code()
            .header(ForeignElf.RANDOMIZE, 0, 0x200_0000, 0, 64)
            .section(".symtab", 2, symbols.array(), 2)
            .section(".strtab", 3, names, 0)
            .deflated(".debug_line", unit)
            .build(),
        // The first section lies behind two program headers.
        new ForeignElf()
            .code()
            .header(ForeignElf.PT_NOTE, 176, 0, 20, 20)
            .section(".note", 7, note.array(), 0)
            .build(),
        bz,
        changed(bz, 0x206, 8),
        changed(bz, 0x211, 0),
        multiboot);
  }

  private static byte[] changed(byte[] image, int at, int to) {
    byte[] b = image.clone();
    b[at] = (byte) to;
    return b;
  }

  /** A unit whose tables have the other forms, which defines a file as it goes. */
  private static byte[] otherForms() {
    byte[] tables = {
      // Directories: a string as it is, numbers of every size, a block, an MD5.
      9,
      1,
      8,
      3,
      11,
      3,
      5,
      3,
      6,
      3,
      7,
      3,
      9,
      5,
      30,
      3,
      14,
      3,
      8,
      1,
      'd',
      0,
      1,
      2,
      0,
      3,
      0,
      0,
      0,
      4,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      2,
      1,
      1,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
      10,
      11,
      12,
      13,
      14,
      15,
      16,
      0,
      0,
      0,
      0,
      's',
      0,
      // Files: a text of .debug_str, and its directory.
      2,
      1,
      14,
      2,
      5,
      1,
      4,
      0,
      0,
      0,
      0,
      0
    };
    byte[] program = {
      0, 9, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 7, 3, 'n', '.', 'c', 0, 0, 0, 4, 2, 1, 3, 5, 2, 9, 1, 0,
      8, 1, 6, 7, 5, 3, 12, 1, 15, 0, 1, 1
    };
    byte[] opcodes = {1, 1, 1, -5, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};
    return ForeignElf.unit(5, new byte[] {8, 0}, ForeignElf.join(opcodes, tables), program);
  }

  /** {@return a symbol file of each kind} */
  public static List<byte[]> symbolFiles() {
    return List.of(
        kernels().get(0),
        kernels().get(1),
        kernels().get(2),
        kernels().get(3),
        "ffffffff81000000 T _text\nffffffff81000040 t start [m]\n"
            .getBytes(StandardCharsets.US_ASCII));
  }
}
