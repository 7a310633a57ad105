package dev.vesper.machine.device.display;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.nio.ByteBuffer;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Registers, planes, text and pictures of the VGA, by IBM's Personal System/2 Display Adapter
 * reference; the VBE interface by Bochs' description of it.
 */
final class VgaTest {
  private static final int SEQUENCER = 0x3C4;
  private static final int GRAPHICS = 0x3CE;
  private static final int CONTROLLER = 0x3D4;
  private static final int VBE = 0x1CE;
  private static final long TEXT = 0xB_8000;
  private static final int VIDEO = 0x400_0000;
  private static final int ENABLE = 4;

  private final HostView memory = new PhysicalMemory(VIDEO + Vga.VIDEO_BYTES, 0).hostView();
  private final PortBus ports = new PortBus();
  private final MmioBus mmio = new MmioBus();
  private final Vga vga = new Vga(memory, ports, (address, length) -> placed = address);
  private final MmioDevice window = vga.window();
  private long placed;

  VgaTest() {
    new PciBus(ports, mmio, (address, data) -> {}).add(2, vga, on -> {});
    vga.writeConfig(0x10, 4, VIDEO);
    vga.writeConfig(0x18, 4, 0xF000_0000);
    vga.writeConfig(4, 2, 3);
  }

  private void out(int port, int v) {
    ports.write(port, 1, v);
  }

  private int in(int port) {
    return ports.read(port, 1);
  }

  private void set(int port, int index, int v) {
    out(port, index);
    out(port + 1, v);
  }

  private int get(int port, int index) {
    out(port, index);
    return in(port + 1);
  }

  private void setAttribute(int index, int v) {
    in(0x3DA);
    out(0x3C0, index);
    out(0x3C0, v);
  }

  private int attribute(int index) {
    in(0x3DA);
    out(0x3C0, index);
    return in(0x3C1);
  }

  private void setVbe(int index, int v) {
    ports.write(VBE, 2, index);
    ports.write(VBE + 1, 2, v);
  }

  private int vbe(int index) {
    ports.write(VBE, 2, index);
    return ports.read(VBE + 1, 2);
  }

  private void color(int index, int red, int green, int blue) {
    out(0x3C8, index);
    out(0x3C9, red);
    out(0x3C9, green);
    out(0x3C9, blue);
  }

  /** A picture of three bytes a point, as the PNG file has it behind its filter's number. */
  private record Picture(int width, int height, byte[] raw) {
    int at(int x, int y) {
      int i = y * (1 + 3 * width) + 1 + 3 * x;
      return (raw[i] & 0xFF) << 16 | (raw[i + 1] & 0xFF) << 8 | raw[i + 2] & 0xFF;
    }
  }

  private Picture picture() {
    byte[] png = vga.png();
    assertThat(png).isNotNull();
    ByteBuffer b = ByteBuffer.wrap(png);
    assertThat(b.getLong()).as("a PNG file").isEqualTo(0x8950_4E47_0D0A_1A0AL);
    assertThat(b.getInt()).isEqualTo(13);
    assertThat(b.getInt()).as("IHDR").isEqualTo(0x4948_4452);
    int width = b.getInt();
    int height = b.getInt();
    assertThat(b.getShort()).as("three samples of eight bits").isEqualTo((short) 0x0802);
    b.position(b.position() + 7);
    int bytes = b.getInt();
    assertThat(b.getInt()).as("IDAT").isEqualTo(0x4944_4154);
    byte[] raw = new byte[height * (1 + 3 * width)];
    Inflater i = new Inflater();
    try {
      i.setInput(png, b.position(), bytes);
      assertThat(i.inflate(raw)).isEqualTo(raw.length);
    } catch (DataFormatException e) {
      throw new AssertionError(e);
    } finally {
      i.end();
    }
    return new Picture(width, height, raw);
  }

  private static int at(Picture p, int x, int y) {
    return p.at(x, y);
  }

  // ---- registers

  @ParameterizedTest
  @CsvSource({
    "0x3C4, 0, 0x03", "0x3C4, 1, 0x3D", "0x3C4, 2, 0x0F", "0x3C4, 3, 0x3F", "0x3C4, 4, 0x0E",
    "0x3C4, 5, 0x00", "0x3CE, 0, 0x0F", "0x3CE, 1, 0x0F", "0x3CE, 2, 0x0F", "0x3CE, 3, 0x1F",
    "0x3CE, 4, 0x03", "0x3CE, 5, 0x7B", "0x3CE, 6, 0x0F", "0x3CE, 7, 0x0F", "0x3CE, 8, 0xFF",
    "0x3CE, 9, 0x00", "0x3D4, 0, 0xFF", "0x3D4, 0x0C, 0xFF", "0x3D4, 0x18, 0xFF"
  })
  void anIndexedRegisterKeepsTheBitsThatItHas(String port, String index, String bits) {
    int p = Integer.decode(port);
    int i = Integer.decode(index);
    set(p, i, 0xFF);
    assertThat(get(p, i)).isEqualTo(Integer.decode(bits));
    set(p, i, 0);
    assertThat(get(p, i)).isZero();
    assertThat(in(p)).as("the index").isEqualTo(i);
  }

  @Test
  void aWordIsIndexAndData() {
    ports.write(SEQUENCER, 2, 0x0F02);
    assertThat(get(SEQUENCER, 2)).isEqualTo(15);
    ports.write(CONTROLLER, 2, 0x120C);
    assertThat(ports.read(CONTROLLER, 2)).isEqualTo(0x120C);
  }

  @Test
  void attributesAreIndexAndDataInTurn() {
    in(0x3DA);
    out(0x3C0, 5);
    out(0x3C0, 0xFF);
    out(0x3C0, 6);
    out(0x3C0, 0x2A);
    assertThat(attribute(5)).as("six bits of a palette").isEqualTo(0x3F);
    assertThat(attribute(6)).isEqualTo(0x2A);
    assertThat(in(0x3C0)).isEqualTo(6);
    in(0x3DA);
    out(0x3C0, 7);
    in(0x3DA);
    out(0x3C0, 0x28);
    out(0x3C0, 1);
    assertThat(attribute(7)).as("reading the status begins with the index").isZero();
    assertThat(attribute(8)).as("bit 5 is the screen's, not the index'").isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource({"0x10, 0xEF", "0x11, 0xFF", "0x12, 0x3F", "0x13, 0x0F", "0x14, 0x0F", "0x15, 0"})
  void modeRegistersOfTheAttributesKeepTheBitsThatTheyHave(String index, String bits) {
    setAttribute(Integer.decode(index), 0xFF);
    assertThat(attribute(Integer.decode(index))).isEqualTo(Integer.decode(bits));
  }

  @Test
  void bit7OfRegister11hProtectsTheFirstEightOfTheController() {
    for (int i = 0; i < 9; i++) {
      set(CONTROLLER, i, 0x20 + i);
    }
    set(CONTROLLER, 0x11, 0x80);
    for (int i = 0; i < 9; i++) {
      set(CONTROLLER, i, 0);
    }
    for (int i = 0; i < 8; i++) {
      assertThat(get(CONTROLLER, i)).isEqualTo(0x20 + i);
    }
    assertThat(get(CONTROLLER, 8)).isZero();
    set(CONTROLLER, 7, 0xFF);
    assertThat(get(CONTROLLER, 7)).as("but for line compare").isEqualTo(0x37);
    set(CONTROLLER, 0x11, 0);
    set(CONTROLLER, 0, 1);
    assertThat(get(CONTROLLER, 0)).isEqualTo(1);
  }

  @Test
  void bitZeroOfTheMiscellaneousOutputMovesTheController() {
    assertThat(in(0x3CC) & 1).as("colour").isEqualTo(1);
    set(CONTROLLER, 0x0F, 0x12);
    assertThat(in(0x3B5)).isEqualTo(0xFF);
    assertThat(in(0x3BA)).isEqualTo(0xFF);
    set(0x3B4, 0x0F, 0x34);
    assertThat(get(CONTROLLER, 0x0F)).isEqualTo(0x12);
    out(0x3C2, 0x66);
    assertThat(in(0x3CC)).isEqualTo(0x66);
    assertThat(in(0x3D5)).isEqualTo(0xFF);
    assertThat(get(0x3B4, 0x0F)).isEqualTo(0x12);
    assertThat(in(0x3BA)).isNotEqualTo(0xFF);
  }

  @Test
  void retraceComesAndGoes() {
    int a = in(0x3DA);
    int b = in(0x3DA);
    assertThat(a ^ b).as("display enable and vertical retrace").isEqualTo(9);
  }

  @Test
  void coloursAreWrittenAndReadInThrees() {
    out(0x3C8, 255);
    for (int i = 1; i <= 6; i++) {
      out(0x3C9, i | 0xC0);
    }
    assertThat(in(0x3C8)).as("the next one").isEqualTo(1);
    assertThat(in(0x3C7)).as("writes are in effect").isZero();
    out(0x3C7, 255);
    assertThat(in(0x3C7)).as("reads are in effect").isEqualTo(3);
    for (int i = 1; i <= 6; i++) {
      assertThat(in(0x3C9)).as("six bits; 0 comes behind 255").isEqualTo(i);
    }
  }

  // ---- planes

  private void poke(int address, int v) {
    window.write(address, 1, v);
  }

  private int peek(int address) {
    return (int) window.read(address, 1) & 0xFF;
  }

  private int plane(int p, int address) {
    set(GRAPHICS, 4, p);
    return peek(address);
  }

  private void planar() {
    set(SEQUENCER, 2, 15);
    set(SEQUENCER, 4, 6);
    set(GRAPHICS, 5, 0);
    set(GRAPHICS, 6, 5);
    set(GRAPHICS, 8, 0xFF);
  }

  @Test
  void theMapMaskChoosesPlanesToWriteAndTheMapSelectOneToRead() {
    planar();
    set(SEQUENCER, 2, 5);
    poke(0x1234, 0xA5);
    assertThat(plane(0, 0x1234)).isEqualTo(0xA5);
    assertThat(plane(1, 0x1234)).isZero();
    assertThat(plane(2, 0x1234)).isEqualTo(0xA5);
    assertThat(plane(3, 0x1234)).isZero();
  }

  @ParameterizedTest
  @CsvSource({"0, 0x3C", "1, 0x30", "2, 0xFC", "3, 0xCC"})
  void writesAreCombinedWithTheLatches(int function, String result) {
    planar();
    poke(0, 0xF0);
    peek(0);
    set(GRAPHICS, 3, function << 3);
    poke(0, 0x3C);
    assertThat(plane(0, 0)).isEqualTo(Integer.decode(result));
  }

  @Test
  void theBitMaskKeepsBitsOfTheLatch() {
    planar();
    poke(0, 0xF0);
    peek(0);
    set(GRAPHICS, 8, 0x18);
    poke(1, 0x0F);
    assertThat(plane(0, 1)).isEqualTo(0xE8);
  }

  @Test
  void bytesAreRotatedToTheRight() {
    planar();
    set(GRAPHICS, 3, 3);
    poke(0, 0x16);
    assertThat(plane(0, 0)).isEqualTo(0xC2);
  }

  @Test
  void setResetTakesThePlaceOfTheByteWhereItIsEnabled() {
    planar();
    set(GRAPHICS, 0, 2);
    set(GRAPHICS, 1, 3);
    poke(0, 0x55);
    assertThat(plane(0, 0)).isZero();
    assertThat(plane(1, 0)).isEqualTo(0xFF);
    assertThat(plane(2, 0)).isEqualTo(0x55);
  }

  @Test
  void writeMode1CopiesTheLatches() {
    planar();
    for (int p = 0; p < 4; p++) {
      set(SEQUENCER, 2, 1 << p);
      poke(7, 0x11 * (p + 1));
    }
    set(SEQUENCER, 2, 15);
    peek(7);
    set(GRAPHICS, 5, 1);
    poke(9, 0xFF);
    for (int p = 0; p < 4; p++) {
      assertThat(plane(p, 9)).isEqualTo(0x11 * (p + 1));
    }
  }

  @Test
  void writeMode2SpreadsABitOverEachPlane() {
    planar();
    peek(0);
    set(GRAPHICS, 5, 2);
    set(GRAPHICS, 8, 0xF0);
    poke(0, 0x0A);
    assertThat(plane(0, 0)).isZero();
    assertThat(plane(1, 0)).isEqualTo(0xF0);
    assertThat(plane(2, 0)).isZero();
    assertThat(plane(3, 0)).isEqualTo(0xF0);
  }

  @Test
  void writeMode3TakesTheByteAsAMask() {
    planar();
    poke(0, 0x0F);
    peek(0);
    set(GRAPHICS, 5, 3);
    set(GRAPHICS, 0, 1);
    set(GRAPHICS, 8, 0x3C);
    poke(0, 0xF0);
    assertThat(plane(0, 0)).isEqualTo(0x3F);
    assertThat(plane(1, 0)).isEqualTo(0x0F);
  }

  @Test
  void readMode1ComparesColours() {
    planar();
    set(SEQUENCER, 2, 1);
    poke(0, 0xF0);
    set(SEQUENCER, 2, 2);
    poke(0, 0xCC);
    set(GRAPHICS, 5, 8);
    set(GRAPHICS, 2, 3);
    set(GRAPHICS, 7, 15);
    assertThat(peek(0)).isEqualTo(0xC0);
    set(GRAPHICS, 7, 1);
    assertThat(peek(0)).as("planes that make no difference").isEqualTo(0xF0);
    set(GRAPHICS, 2, 0);
    assertThat(peek(0)).isEqualTo(0x0F);
  }

  @Test
  void chain4TakesThePlaneFromTheAddress() {
    planar();
    set(SEQUENCER, 4, 0x0E);
    for (int i = 0; i < 8; i++) {
      poke(i, 0x40 + i);
    }
    assertThat(window.read(0, 8)).isEqualTo(0x4746_4544_4342_4140L);
    set(SEQUENCER, 2, 14);
    poke(4, 0);
    assertThat(peek(4)).as("the map mask counts").isEqualTo(0x44);
    set(SEQUENCER, 4, 6);
    for (int p = 0; p < 4; p++) {
      assertThat(plane(p, 1)).isEqualTo(0x44 + p);
    }
  }

  @Test
  void oddAndEvenAddressesAreInDifferentPlanes() {
    planar();
    set(GRAPHICS, 5, 0x10);
    poke(6, 0x11);
    poke(7, 0x22);
    assertThat(peek(6)).isEqualTo(0x11);
    assertThat(peek(7)).isEqualTo(0x22);
    set(GRAPHICS, 5, 0);
    assertThat(plane(0, 6)).isEqualTo(0x11);
    assertThat(plane(1, 6)).isEqualTo(0x22);
    assertThat(plane(2, 6)).isEqualTo(0x11);
    assertThat(plane(3, 6)).isEqualTo(0x22);
  }

  @ParameterizedTest
  @CsvSource({"0, true", "1, true", "2, false", "3, false"})
  void theMemoryMapDecidesWhetherTheWindowIsSelected(int map, boolean selected) {
    planar();
    poke(0, 0x5A);
    set(GRAPHICS, 6, map << 2);
    assertThat(peek(0)).isEqualTo(selected ? 0x5A : 0xFF);
    poke(0, 0x33);
    set(GRAPHICS, 6, 4);
    assertThat(peek(0)).isEqualTo(selected ? 0x33 : 0x5A);
  }

  // ---- text

  private void character(int cell, int c, int attribute) {
    memory.write(TEXT + 2L * cell, 1, c);
    memory.write(TEXT + 2L * cell + 1, 1, attribute);
  }

  @Test
  void textIsTheCharactersOf25Lines() {
    character(0, 'A', 7);
    character(2, 'B', 7);
    character(79, 'Z', 7);
    character(80, 'C', 7);
    character(24 * 80, 'L', 7);
    character(25 * 80, 'X', 7);
    String[] lines = vga.text().split("\n", -1);
    assertThat(lines).hasSize(26);
    assertThat(lines[0]).startsWith("A B").hasSize(80).endsWith("Z");
    assertThat(lines[1]).isEqualTo("C");
    assertThat(lines[24]).isEqualTo("L");
    set(CONTROLLER, 0x0D, 80);
    assertThat(vga.text()).as("the start address scrolls").startsWith("C\n");
    set(CONTROLLER, 0x0C, 0x40);
    set(CONTROLLER, 0x0D, 2);
    assertThat(vga.text()).as("and wraps at 32 KiB").startsWith("B");
  }

  /** 80 x 25 characters of 8 x 16 points. */
  private void textMode() {
    set(SEQUENCER, 1, 1);
    set(CONTROLLER, 1, 79);
    set(CONTROLLER, 7, 0x0F);
    set(CONTROLLER, 9, 15);
    set(CONTROLLER, 0x12, 0x8F);
    set(CONTROLLER, 0x13, 40);
    set(CONTROLLER, 0x0A, 0x20);
    for (int i = 0; i < 16; i++) {
      setAttribute(i, i);
      color(i, i, 2 * i, 3 * i);
    }
    setAttribute(0x12, 15);
  }

  private void glyph(int font, int c, int line, int bits) {
    planar();
    set(SEQUENCER, 2, 4);
    poke(font + 32 * c + line, bits);
  }

  private static int rgb(int i) {
    return i << 18 | 2 * i << 10 | 3 * i << 2;
  }

  @Test
  void withoutFontTextIsNoPicture() {
    textMode();
    set(GRAPHICS, 6, 0x0E);
    assertThat(vga.png()).isNull();
  }

  @Test
  void textIsDrawnWithTheFontOfPlaneTwo() {
    textMode();
    glyph(0, 'A', 3, 0x81);
    set(GRAPHICS, 6, 0x0E);
    character(81, 'A', 0x4E);
    Picture i = picture();
    assertThat(i.width()).isEqualTo(640);
    assertThat(i.height()).isEqualTo(400);
    assertThat(at(i, 8, 19)).as("foreground").isEqualTo(rgb(14));
    assertThat(at(i, 9, 19)).as("background").isEqualTo(rgb(4));
    assertThat(at(i, 15, 19)).isEqualTo(rgb(14));
    assertThat(at(i, 8, 20)).isEqualTo(rgb(4));
    assertThat(at(i, 16, 19)).as("the next cell").isEqualTo(rgb(0));
  }

  @Test
  void bit7OfAnAttributeIsABrightBackgroundOrBlinks() {
    textMode();
    glyph(0, 'A', 3, 0x80);
    set(GRAPHICS, 6, 0x0E);
    character(0, 'A', 0xC1);
    assertThat(at(picture(), 1, 3)).isEqualTo(rgb(12));
    setAttribute(0x10, 8);
    assertThat(at(picture(), 1, 3)).isEqualTo(rgb(4));
  }

  @Test
  void theNinthColumnRepeatsTheEighthOfLineGraphicsOnly() {
    textMode();
    set(SEQUENCER, 1, 0);
    for (int c : new int[] {0xBF, 0xC0, 0xDF, 0xE0}) {
      glyph(0, c, 0, 1);
    }
    set(GRAPHICS, 6, 0x0E);
    character(0, 0xBF, 7);
    character(1, 0xC0, 7);
    character(2, 0xDF, 7);
    character(3, 0xE0, 7);
    assertThat(at(picture(), 17, 0)).as("not asked for").isZero();
    setAttribute(0x10, 4);
    Picture i = picture();
    assertThat(i.width()).isEqualTo(720);
    assertThat(at(i, 7, 0)).isEqualTo(rgb(7));
    assertThat(at(i, 8, 0)).isZero();
    assertThat(at(i, 17, 0)).isEqualTo(rgb(7));
    assertThat(at(i, 26, 0)).isEqualTo(rgb(7));
    assertThat(at(i, 35, 0)).isZero();
  }

  @Test
  void theCursorIsABlockOfLinesInItsCell() {
    textMode();
    glyph(0, 'A', 0, 1);
    set(GRAPHICS, 6, 0x0E);
    character(1, ' ', 7);
    set(CONTROLLER, 0x0A, 13);
    set(CONTROLLER, 0x0B, 14);
    set(CONTROLLER, 0x0F, 1);
    Picture i = picture();
    assertThat(at(i, 8, 12)).isZero();
    assertThat(at(i, 8, 13)).isEqualTo(rgb(7));
    assertThat(at(i, 15, 14)).isEqualTo(rgb(7));
    assertThat(at(i, 8, 15)).isZero();
    assertThat(at(i, 7, 13)).isZero();
    set(CONTROLLER, 0x0A, 0x20 | 13);
    assertThat(at(picture(), 8, 13)).as("turned off").isZero();
  }

  /** Attribute bit 3 chooses between two of the eight fonts. */
  @Test
  void theCharacterMapChoosesTheFont() {
    textMode();
    glyph(0, 'A', 0, 0x80);
    glyph(0x2000, 'A', 0, 0x40);
    glyph(0x4000, 'A', 0, 0x20);
    set(GRAPHICS, 6, 0x0E);
    character(0, 'A', 7);
    character(1, 'A', 15);
    set(SEQUENCER, 3, 0x24);
    Picture i = picture();
    assertThat(at(i, 0, 0)).isEqualTo(rgb(7));
    assertThat(at(i, 8 + 2, 0)).as("font 5 is empty").isZero();
    set(SEQUENCER, 3, 4);
    assertThat(at(picture(), 8 + 2, 0)).as("font 1 at 16 KiB").isEqualTo(rgb(15));
    set(SEQUENCER, 3, 0x20);
    assertThat(at(picture(), 8 + 1, 0)).as("font 4 at 8 KiB").isEqualTo(rgb(15));
    set(SEQUENCER, 3, 0x10);
    assertThat(at(picture(), 1, 0)).isEqualTo(rgb(7));
    set(SEQUENCER, 3, 1);
    assertThat(at(picture(), 2, 0)).isEqualTo(rgb(7));
  }

  // ---- graphics

  @Test
  void sixteenColoursAreABitOfEachPlane() {
    textMode();
    planar();
    set(CONTROLLER, 9, 0);
    set(SEQUENCER, 2, 5);
    poke(80, 0x40);
    Picture i = picture();
    assertThat(at(i, 1, 1)).isEqualTo(rgb(5));
    assertThat(at(i, 0, 1)).isEqualTo(rgb(0));
    setAttribute(0x12, 1);
    assertThat(at(picture(), 1, 1)).as("planes that are shown").isEqualTo(rgb(1));
    setAttribute(0x12, 15);
    setAttribute(5, 9);
    assertThat(at(picture(), 1, 1)).as("by the palette").isEqualTo(rgb(9));
    set(CONTROLLER, 0x0D, 80);
    assertThat(at(picture(), 1, 0)).as("the start address scrolls").isEqualTo(rgb(9));
  }

  @Test
  void colourSelectGivesTheUpperBits() {
    textMode();
    planar();
    set(CONTROLLER, 9, 0);
    poke(0, 0x80);
    color(0xCF, 1, 2, 3);
    color(0xDF, 4, 5, 6);
    setAttribute(0x14, 0x0D);
    assertThat(at(picture(), 0, 0)).as("bits 7:6").isEqualTo(1 << 18 | 2 << 10 | 3 << 2);
    setAttribute(0x10, 0x80);
    assertThat(at(picture(), 0, 0)).as("and 5:4").isEqualTo(4 << 18 | 5 << 10 | 6 << 2);
  }

  @Test
  void twoHundredFiftySixColoursAreABytePerPoint() {
    textMode();
    planar();
    set(SEQUENCER, 4, 0x0E);
    set(GRAPHICS, 5, 0x40);
    set(CONTROLLER, 9, 1);
    color(200, 10, 20, 30);
    poke(320 + 3, 200);
    Picture i = picture();
    assertThat(i.width()).isEqualTo(320);
    int c = 10 << 18 | 20 << 10 | 30 << 2;
    assertThat(at(i, 3, 2)).as("each line twice").isEqualTo(c);
    assertThat(at(i, 3, 3)).isEqualTo(c);
    assertThat(at(i, 3, 1)).isZero();
    assertThat(at(i, 3, 4)).isZero();
    assertThat(at(i, 4, 2)).isZero();
  }

  @Test
  void linesMayBeDoubled() {
    textMode();
    planar();
    set(CONTROLLER, 9, 0x80);
    poke(80, 0x80);
    Picture i = picture();
    assertThat(at(i, 0, 1)).isZero();
    assertThat(at(i, 0, 2)).isEqualTo(rgb(15));
    assertThat(at(i, 0, 3)).isEqualTo(rgb(15));
    assertThat(at(i, 0, 4)).isZero();
  }

  @Test
  void theCgasOddLinesAreInTheSecondHalf() {
    textMode();
    planar();
    set(GRAPHICS, 6, 0x0D);
    set(CONTROLLER, 9, 1);
    memory.write(TEXT + 0x2000, 1, 0x40);
    memory.write(TEXT + 80, 1, 0x80);
    Picture i = picture();
    assertThat(at(i, 1, 1)).isEqualTo(rgb(1));
    assertThat(at(i, 0, 1)).isZero();
    assertThat(at(i, 0, 2)).isEqualTo(rgb(1));
    set(GRAPHICS, 5, 0x20);
    memory.write(TEXT, 1, 0x1B);
    i = picture();
    assertThat(at(i, 0, 0)).as("two bits a point, two points wide").isEqualTo(rgb(0));
    assertThat(at(i, 2, 0)).isEqualTo(rgb(1));
    assertThat(at(i, 5, 0)).isEqualTo(rgb(2));
    assertThat(at(i, 6, 0)).isEqualTo(rgb(3));
  }

  @Test
  void aPictureOfMoreThan2048PointsIsNotDrawn() {
    textMode();
    planar();
    set(CONTROLLER, 1, 255);
    assertThat(picture().width()).isEqualTo(2048);
    glyph(0, 'A', 0, 1);
    set(SEQUENCER, 1, 0);
    set(GRAPHICS, 6, 0x0E);
    assertThat(vga.png()).isNull();
  }

  // ---- VBE

  @Test
  void theVersionIsTheOneThatIsAskedForIfThereIsIt() {
    assertThat(vbe(0)).isEqualTo(0xB0C5);
    setVbe(0, 0xB0C0);
    assertThat(vbe(0)).isEqualTo(0xB0C0);
    setVbe(0, 0xB0C6);
    assertThat(vbe(0)).isEqualTo(0xB0C0);
    setVbe(0, 0xB0BF);
    assertThat(vbe(0)).isEqualTo(0xB0C0);
    setVbe(0, 0xB0C5);
    assertThat(vbe(0)).isEqualTo(0xB0C5);
    assertThat(vbe(10)).as("16 MiB in 64 KiB").isEqualTo(256);
    assertThat(vbe(11)).isZero();
    assertThat(ports.read(VBE, 2)).isEqualTo(11);
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 15, 16, 24, 32})
  void depthsAreThoseThatThereAre(int depth) {
    setVbe(3, depth);
    assertThat(vbe(3)).isEqualTo(depth);
    setVbe(3, 17);
    assertThat(vbe(3)).isEqualTo(depth);
  }

  @Test
  void theLargestModeIsToldAndKept() {
    setVbe(1, 800);
    setVbe(2, 600);
    setVbe(ENABLE, 2);
    assertThat(vbe(1)).isEqualTo(2560);
    assertThat(vbe(2)).isEqualTo(1600);
    assertThat(vbe(3)).isEqualTo(32);
    setVbe(ENABLE, 0);
    assertThat(vbe(1)).isEqualTo(800);
    assertThat(vbe(2)).isEqualTo(600);
    setVbe(1, 5000);
    setVbe(2, 5000);
    assertThat(vbe(1)).isEqualTo(2560);
    assertThat(vbe(2)).isEqualTo(1600);
  }

  private void mode(int width, int height, int depth, int enable) {
    setVbe(ENABLE, 0);
    setVbe(1, width);
    setVbe(2, height);
    setVbe(3, depth);
    setVbe(ENABLE, enable);
  }

  @Test
  void enablingClearsVideoMemoryUnlessItIsAskedNotTo() {
    memory.write(VIDEO + 0x1234, 1, 0x55);
    memory.write(VIDEO + Vga.VIDEO_BYTES - 1, 1, 0x55);
    mode(640, 480, 32, 0x81);
    assertThat(memory.read(VIDEO + 0x1234, 1)).isEqualTo(0x55);
    setVbe(ENABLE, 1);
    assertThat(memory.read(VIDEO + 0x1234, 1)).as("it is on already").isEqualTo(0x55);
    mode(640, 480, 32, 0x41);
    assertThat(memory.read(VIDEO + 0x1234, 1)).isZero();
    assertThat(memory.read(VIDEO + Vga.VIDEO_BYTES - 1, 1)).isZero();
    assertThat(vbe(ENABLE)).isEqualTo(0x41);
  }

  @Test
  void enablingSetsTheVirtualScreenToTheVisibleOne() {
    setVbe(8, 5);
    setVbe(9, 6);
    setVbe(6, 2000);
    mode(640, 480, 32, 1);
    assertThat(vbe(6)).isEqualTo(640);
    assertThat(vbe(8)).isZero();
    assertThat(vbe(9)).isZero();
    assertThat(vbe(7)).as("lines that fit").isEqualTo(Vga.VIDEO_BYTES / (640 * 4));
    setVbe(6, 1024);
    assertThat(vbe(6)).isEqualTo(1024);
    assertThat(vbe(7)).isEqualTo(Vga.VIDEO_BYTES / 4096);
    setVbe(6, 100);
    assertThat(vbe(6)).as("no less than what is seen").isEqualTo(640);
  }

  @ParameterizedTest
  @CsvSource({
    "32, 0xFF123456, 0x123456",
    "24, 0x00123456, 0x123456",
    "16, 0x0000F81F, 0xF800F8",
    "16, 0x000007E0, 0x00FC00",
    "15, 0x00007C1F, 0xF800F8",
    "15, 0x000003E0, 0x00F800",
    "8, 0x00000007, 0x040C14"
  })
  void pointsHaveTheColoursOfTheirDepth(int depth, String v, String color) {
    mode(64, 32, depth, 1);
    color(7, 1, 3, 5);
    int bytes = (depth + 7) / 8;
    memory.write(VIDEO + bytes * (64L * 3 + 2), bytes, Long.decode(v));
    Picture i = picture();
    assertThat(i.width()).isEqualTo(64);
    assertThat(i.height()).isEqualTo(32);
    assertThat(at(i, 2, 3)).isEqualTo(Integer.decode(color));
    assertThat(at(i, 3, 3)).isZero();
    assertThat(at(i, 2, 2)).isZero();
  }

  @Test
  void offsetsPanOverTheVirtualScreen() {
    mode(64, 32, 32, 1);
    setVbe(6, 100);
    setVbe(8, 10);
    setVbe(9, 20);
    memory.write(VIDEO + 4 * (100L * 21 + 12), 4, 0x0000_00FF);
    assertThat(at(picture(), 2, 1)).isEqualTo(0xFF);
  }

  @Test
  void theWindowIsABankOfVideoMemoryWhileVbeIsOn() {
    planar();
    poke(5, 0x11);
    mode(640, 480, 32, 1);
    setVbe(5, 3);
    window.write(5, 2, 0x2233);
    assertThat(memory.read(VIDEO + 3 * 0x1_0000 + 5, 2)).isEqualTo(0x2233);
    assertThat(window.read(5, 2)).isEqualTo(0x2233);
    setVbe(5, 256);
    assertThat(peek(5)).as("behind video memory").isEqualTo(0xFF);
    poke(5, 1);
    setVbe(ENABLE, 0);
    assertThat(peek(5)).isEqualTo(0x11);
  }

  @Test
  void registersAreInBarTwoToo() {
    long bar = 0xF000_0000L;
    assertThat(mmio.read(bar + 0x500, 2)).isEqualTo(0xB0C5);
    mmio.write(bar + 0x502, 2, 320);
    assertThat(vbe(1)).isEqualTo(320);
    assertThat(mmio.read(bar + 0x514, 2)).isEqualTo(256);
    assertThat(mmio.read(bar + 0x516, 2)).isZero();
    mmio.write(bar + 0x404, 1, 2);
    mmio.write(bar + 0x405, 1, 9);
    assertThat(get(SEQUENCER, 2)).isEqualTo(9);
    assertThat(mmio.read(bar + 0x41F, 1)).as("nobody").isEqualTo(0xFF);
    assertThat(mmio.read(bar + 0x3FF, 1)).isZero();
    assertThat(mmio.read(bar + 0x420, 1)).isZero();
  }

  @Test
  void videoMemoryIsWhereItsRegisterSays() {
    assertThat(placed).isEqualTo(VIDEO);
    mode(64, 32, 32, 1);
    vga.writeConfig(4, 2, 0);
    assertThat(placed).isEqualTo(-1);
    textMode();
    glyph(0, 'A', 3, 0x81);
    set(GRAPHICS, 6, 0x0E);
    assertThat(picture().width()).as("what is nowhere is not shown").isEqualTo(640);
  }
}
