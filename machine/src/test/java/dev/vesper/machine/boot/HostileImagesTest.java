package dev.vesper.machine.boot;

import static dev.vesper.machine.boot.ForeignElf.join;
import static dev.vesper.machine.boot.ForeignElf.uleb;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fixtures.fuzz.Bounded;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.observe.LineTable;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Images whose counts and offsets ask for more work than they are long. */
@Timeout(300)
final class HostileImagesTest {
  private static final byte[] NOTHING = new byte[0];

  private static LoadedGuest load(byte[] image, long memory) throws BootException {
    HostView view = new PhysicalMemory(memory, 0).hostView();
    return ImageLoader.load(
        new BootOptions(
            "kernel.elf",
            image,
            null,
            "",
            false,
            null,
            NOTHING,
            0,
            OpenBsdLaunch.VMD_LEGACY,
            false,
            1,
            null,
            false,
            1,
            new LaunchChoices(ResetState.QEMU, 0x800F12, KernelHashing.AUTO)),
        view);
  }

  private static Symbols symbols(ForeignElf elf) throws Exception {
    Symbols[] s = new Symbols[1];
    Bounded.within(2, 100, () -> s[0] = load(elf.build(), 64 << 20).symbols());
    return s[0];
  }

  private static void refused(byte[] image, String... words) throws Exception {
    Bounded.within(
        5,
        1024,
        () ->
            assertThatThrownBy(() -> load(image, 512 << 20))
                .isInstanceOf(BootException.class)
                .hasMessageContaining("kernel.elf")
                .message()
                .contains(words)
                .doesNotContain("\n"));
  }

  // ---- lines of source

  private static ForeignElf lines(byte[] section) {
    return new ForeignElf().code().debugLine(section);
  }

  /** One row: DW_LNE_set_address, then DW_LNS_copy is above the opcode base: a special opcode. */
  private static byte[] row(long address) {
    ByteBuffer b = ForeignElf.little(12);
    return b.put(new byte[] {0, 9, 2}).putLong(address).put((byte) 6).array();
  }

  @Test
  void aLineProgramIsRead() throws Exception {
    byte[] unit = ForeignElf.unit4("dir\0".getBytes(), "a.c\0\1\0\0".getBytes(), row(0x100_0000));
    assertThat(symbols(lines(unit)).source(0x100_0000)).isEqualTo("dir/a.c:1");
    byte[] five =
        ForeignElf.unit5(
            join("\1\1\10\1here\0".getBytes(), "\2\1\10\2\13\2x.c\0\0y.c\0\0".getBytes()),
            row(0x100_0000));
    assertThat(symbols(lines(five)).source(0x100_0000)).isEqualTo("y.c:1");
  }

  /** An instruction of the line program may not lead backwards. */
  @Test
  void aNegativeLengthEndsTheUnit() throws Exception {
    byte[] program =
        join(row(0x100_0000), new byte[] {0}, uleb(0xFFFF_FFFAL), new byte[] {(byte) 0x80});
    byte[] unit = ForeignElf.unit4(NOTHING, "a.c\0\0\0\0".getBytes(), program);
    byte[] good = ForeignElf.unit4(NOTHING, "b.c\0\0\0\0".getBytes(), row(0x100_0100));
    Symbols s = symbols(lines(join(unit, good)));
    assertThat(s.source(0x100_0000)).isEqualTo("a.c:1");
    assertThat(s.source(0x100_0100)).isEqualTo("b.c:1");
  }

  @Test
  void countsThatNothingBacksEndTheUnit() throws Exception {
    byte[] many = uleb(1L << 40);
    assertThat(symbols(lines(ForeignElf.unit5(join(new byte[1], many), NOTHING))).lines())
        .isSameAs(LineTable.NONE);
    // Blocks that are longer than all, and by their sign shorter than nothing.
    for (long length : new long[] {0xFFFF_FFFBL, -5, 1L << 62, 1000}) {
      byte[] blocks = join(new byte[] {1, 1, 9}, many, uleb(length));
      assertThat(symbols(lines(ForeignElf.unit5(blocks, NOTHING))).lines().all()).isEmpty();
    }
    for (long length : new long[] {-1, -13, Long.MIN_VALUE, 1L << 40}) {
      ByteBuffer wide = ForeignElf.little(64).putInt(-1).putLong(length);
      assertThat(symbols(lines(wide.array())).lines().all()).isEmpty();
    }
  }

  /** A long directory is not written out for each file in it, nor all that deflates to little. */
  @Test
  void whatIsRepeatedIsNotWrittenOut() throws Exception {
    byte[] directory = new byte[1_000_001];
    Arrays.fill(directory, 0, 1_000_000, (byte) 'd');
    byte[] file = "f\0\1\0\0".getBytes();
    byte[] files = new byte[200_000 * file.length];
    for (int i = 0; i < files.length; i++) {
      files[i] = file[i % file.length];
    }
    ByteBuffer program = ForeignElf.little(4 * 200_000);
    for (int i = 1; i < 200_000; i++) {
      // DW_LNS_set_file is above the opcode base here: use define-less special opcodes only.
      program.put((byte) 6);
    }
    byte[] unit = ForeignElf.unit4(directory, files, program.array());
    symbols(new ForeignElf().code().deflated(".debug_line", unit));
    symbols(new ForeignElf().code().deflated(".debug_line", new byte[100 << 20]));
  }

  @Test
  void textsThatOverlapAreReadWithinBounds() throws Exception {
    byte[] texts = new byte[1 << 20];
    Arrays.fill(texts, (byte) 'n');
    ByteBuffer files = ForeignElf.little(4 << 20);
    for (int i = 0; files.remaining() >= 4; i++) {
      files.putInt(i);
    }
    byte[] tables = join(new byte[] {0, 0, 1, 1, 0x1F}, uleb(1 << 20), files.array());
    symbols(lines(ForeignElf.unit5(tables, row(1))).section(".debug_line_str", 1, texts, 0));
  }

  // ---- names

  private static byte[] symbol(int name, long address) {
    ByteBuffer b =
        ForeignElf.little(24).putInt(name).put((byte) 2).put((byte) 0).putShort((short) 1);
    return b.putLong(address).putLong(16).array();
  }

  @Test
  void namesAreRead() throws Exception {
    byte[] names = "\0start\0".getBytes();
    ForeignElf elf =
        new ForeignElf()
            .code()
            .section(".symtab", 2, symbol(1, 0x100_0000), 2)
            .section(".strtab", 3, names, 0);
    assertThat(symbols(elf).at(0x100_0003)).isEqualTo("start+0x3");
  }

  @Test
  void tablesOfNamesThatAreOneAnotherAreReadWithinBounds() throws Exception {
    byte[] table = new byte[24 * 100_000];
    ForeignElf elf = new ForeignElf().code().section(".symtab", 2, table, 0).repeated(65_000);
    symbols(elf);
  }

  @Test
  void namesThatOverlapAreReadWithinBounds() throws Exception {
    ByteBuffer table = ForeignElf.little(24 * 50_000);
    for (int i = 0; i < 50_000; i++) {
      table.put(symbol(i, 0x100_0000 + i));
    }
    byte[] names = new byte[50_000];
    Arrays.fill(names, (byte) 'n');
    symbols(
        new ForeignElf()
            .code()
            .section(".symtab", 2, table.array(), 2)
            .section(".strtab", 3, names, 0));
  }

  // ---- segments

  private static ForeignElf headers(int count, int type, long offset, long file, long memory) {
    ForeignElf e = new ForeignElf().code();
    for (int i = 0; i < count; i++) {
      e.header(type, offset, ForeignElf.BASE, file, memory);
    }
    return e;
  }

  @Test
  void notesThatAreOneAnotherAreRefused() throws Exception {
    int n = 60_000;
    byte[] zeros = new byte[4 << 20];
    // Somewhere among the zeros, which are notes without name and contents.
    ForeignElf e = headers(n, ForeignElf.PT_NOTE, 64 + 56L * (n + 1) + 4096, 3 << 20, 0);
    refused(e.build(zeros), "damaged", "take too long");
  }

  @Test
  void segmentsThatLieOnOneAnotherAreRefused() throws Exception {
    refused(headers(60_000, ForeignElf.PT_LOAD, 0, 0, 256 << 20).build(), "damaged", "same places");
    byte[] big = new byte[16 << 20];
    refused(
        headers(60_000, ForeignElf.PT_LOAD, 64, big.length, big.length).build(big), "same places");
  }

  @Test
  void segmentsThatShareAPageAreLoaded() throws Exception {
    ForeignElf e = new ForeignElf();
    for (int i = 0; i < 200; i++) {
      e.header(ForeignElf.PT_LOAD, 0, ForeignElf.BASE + 8 * i, 8, 8);
    }
    assertThat(load(e.build(), 32 << 20).ranges()).isNotEmpty();
  }

  @Test
  void moreRandomDataThanAKernelTakesIsRefused() throws Exception {
    for (long bytes : new long[] {0x8000_0000L, 1L << 40, -1, 17 << 20}) {
      byte[] image =
          new ForeignElf().code().header(ForeignElf.RANDOMIZE, 0, 0x200_0000, 0, bytes).build();
      refused(image, "random data");
    }
    ForeignElf e = new ForeignElf().code();
    for (int i = 0; i < 60_000; i++) {
      e.header(ForeignElf.RANDOMIZE, 0, 0x200_0000, 0, 1 << 20);
    }
    refused(e.build(), "random data");
    ForeignElf small = new ForeignElf().code();
    for (int i = 0; i < 30_000; i++) {
      small.header(ForeignElf.RANDOMIZE, 0, 0x200_0000 + 64 * (i % 7) + 32L * i, 0, 16);
    }
    Bounded.within(5, 512, () -> assertThat(load(small.build(), 64 << 20).ranges()).isNotEmpty());
  }

  /** OpenBSD's loader takes symbols along, if there are any. */
  @Test
  void sectionHeadersOutsideTheFileAreNone() throws Exception {
    for (long at : new long[] {Long.MAX_VALUE, Long.MAX_VALUE - 64, Long.MIN_VALUE, -64, 1 << 30}) {
      byte[] image =
          new ForeignElf()
              .code()
              .header(ForeignElf.RANDOMIZE, 0, 0x200_0000, 0, 16)
              .sectionsAt(at)
              .build();
      assertThat(load(image, 64 << 20).format()).startsWith("OpenBSD");
    }
  }

  @Test
  void programHeadersOutsideTheFileAreSaidSo() throws Exception {
    byte[] image = new ForeignElf().code().build();
    for (long at : new long[] {Long.MAX_VALUE, -1, image.length - 55}) {
      byte[] b = image.clone();
      ByteBuffer.wrap(b).order(java.nio.ByteOrder.LITTLE_ENDIAN).putLong(32, at);
      refused(b, "program headers lie outside");
    }
  }

  @Test
  void aSystemMapOfGarbageIsRefusedSoon() throws Exception {
    byte[] spaces =
        ("ffffffff81000000 T" + " ".repeat(1 << 20) + "x [").getBytes(StandardCharsets.UTF_8);
    Bounded.within(
        5,
        100,
        () ->
            assertThatThrownBy(() -> SymbolFile.read("map", spaces))
                .isInstanceOf(BootException.class));
  }
}
