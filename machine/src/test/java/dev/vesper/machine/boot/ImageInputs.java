package dev.vesper.machine.boot;

import dev.vesper.machine.device.LinuxBootRom;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What takes images apart, an input a call: a fuzzer calls these. */
public final class ImageInputs {
  private static final long MEMORY = 64 << 20;
  private static final int TOP = 1 << 20;

  private ImageInputs() {}

  private static void load(byte[] image, byte @Nullable [] firmware, OpenBsdLaunch way, long cBit)
      throws BootException {
    HostView view = new PhysicalMemory(MEMORY, firmware == null ? 0 : TOP, 0).hostView();
    LoadedGuest g =
        ImageLoader.load(
            new BootOptions(
                "image",
                image,
                null,
                "",
                false,
                firmware,
                new byte[0],
                cBit,
                way,
                false,
                1,
                null,
                cBit != 0,
                1,
                new LaunchChoices(ResetState.QEMU, 0x800F12, KernelHashing.AUTO)),
            view);
    for (LoadedGuest.Range r : g.ranges()) {
      assert r.address() >= 0 && r.length() > 0 : "a range that is none";
    }
    look(g.symbols());
  }

  private static void look(Symbols s) {
    for (long at : new long[] {0, 0x100_0000, -1, Long.MIN_VALUE}) {
      s.at(at);
      s.source(at);
      s.lines().rows(at, at + 4096);
    }
    s.address("start");
  }

  /** Loads a kernel, encrypted or not. */
  public static void kernel(byte[] input) throws BootException {
    load(input, null, OpenBsdLaunch.BOOTX64, 0);
  }

  /** Loads a kernel as vmd does. */
  public static void encryptedKernel(byte[] input) throws BootException {
    load(input, null, OpenBsdLaunch.VMD_COMPATIBILITY, 1L << 51);
  }

  /** Loads firmware that is handed a kernel. */
  public static void firmware(byte[] input) throws BootException {
    FirmwareTable t = new FirmwareTable(input);
    t.secrets();
    load(new byte[16], input, OpenBsdLaunch.BOOTX64, 1L << 51);
  }

  /** Makes the ROM by which a BIOS boots a kernel of any boot protocol. */
  public static void bootRom(byte[] input) {
    LinuxBootRom r = LinuxBootRom.of(input, input.length, 10, input.length & 1000, MEMORY);
    if (r != null) {
      assert r.setup().length == input.length && r.rom().length > 0 : "no ROM";
    }
  }

  /** Reads names from a file beside an image. */
  public static void symbols(byte[] input) throws BootException {
    look(SymbolFile.read("symbols", input));
  }

  /** {@return small inputs of each format that are all right} */
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
    ByteBuffer b = ByteBuffer.wrap(bz).order(java.nio.ByteOrder.LITTLE_ENDIAN);
    b.put(0x1F1, (byte) 1).putInt(0x1F4, 32).put(0x201, (byte) 0x66).putInt(0x202, 0x5372_6448);
    b.putShort(0x206, (short) 0x20F).put(0x211, (byte) 1).putInt(0x22C, 0x7FFF_FFFF);
    b.putInt(0x230, 0x20_0000).putShort(0x236, (short) 0x7F).putInt(0x238, 2047);
    b.putLong(0x258, 0x100_0000).putInt(0x260, 0x10_0000);
    byte[] multiboot = new byte[512];
    ByteBuffer m = ByteBuffer.wrap(multiboot).order(java.nio.ByteOrder.LITTLE_ENDIAN);
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
            .header(ForeignElf.RANDOMIZE, 0, 0x200_0000, 0, 64)
            .section(".symtab", 2, symbols.array(), 2)
            .section(".strtab", 3, names, 0)
            .deflated(".debug_line", unit)
            .build(),
        new ForeignElf().code().header(ForeignElf.PT_NOTE, 176, 0, 20, 20).build(note.array()),
        bz,
        multiboot);
  }

  /** {@return a symbol file of each kind} */
  public static List<byte[]> symbolFiles() {
    return List.of(
        kernels().get(0),
        kernels().get(1),
        "ffffffff81000000 T _text\nffffffff81000040 t start [m]\n"
            .getBytes(StandardCharsets.US_ASCII));
  }

  /** {@return firmware with a table of all entries} */
  public static List<byte[]> firmwares() {
    byte[] b = new byte[8192];
    byte[] table =
        HexFormat.of()
            .parseHex(
                "000c8100000400001a001f3755723b3a044b927b1da6efa8d454"
                    + "00008100000c00001a0061b32e4c9b7dc34c8081127c90d3d294"
                    + "04b080001600de71f7007e1acb4f890e68c77e2fb44e"
                    + "5c00de82b596b21ff745baeaa366c55a082d");
    System.arraycopy(table, 0, b, b.length - 32 - table.length, table.length);
    return List.of(b);
  }
}
