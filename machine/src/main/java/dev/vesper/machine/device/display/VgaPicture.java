package dev.vesper.machine.device.display;

import dev.vesper.machine.memory.HostView;
import org.jspecify.annotations.Nullable;

/**
 * What a VGA without VBE shows, as pixels: text with the font in plane 2, 16 colours in planes, 256
 * colours, and the CGA's modes (FreeVGA, "VGA Sequencer Operation" and the following chapters).
 */
final class VgaPicture {
  private static final int TEXT = 0xB_8000;
  private static final int TEXT_BYTES = 0x8000;
  private static final int FONT_BYTES = 32 * 256;
  private static final int LARGEST = 2048;

  private final HostView memory;
  private final VgaPlanes planes;
  private final byte[] sequencer;
  private final byte[] graphics;
  private final byte[] controller;
  private final byte[] attributes;
  private final byte[] palette;

  VgaPicture(
      HostView memory,
      VgaPlanes planes,
      byte[] sequencer,
      byte[] graphics,
      byte[] controller,
      byte[] attributes,
      byte[] palette) {
    this.memory = memory;
    this.planes = planes;
    this.sequencer = sequencer;
    this.graphics = graphics;
    this.controller = controller;
    this.attributes = attributes;
    this.palette = palette;
  }

  private int register(int n) {
    return controller[n] & 0xFF;
  }

  /** Characters, or groups of eight pixels, in a line. */
  private int columns() {
    return register(1) + 1;
  }

  private int lines() {
    int overflow = register(7);
    return (register(0x12) | (overflow & 2) << 7 | (overflow & 0x40) << 3) + 1;
  }

  private int start() {
    return register(0x0C) << 8 | register(0x0D);
  }

  /** Bytes of a plane, or words of text, from line to line. */
  private int pitch() {
    return register(0x13) * 2;
  }

  /** How often each scan line is drawn. */
  private int doubling() {
    return graphical() && register(9) >> 7 != 0 ? 2 : 1;
  }

  /** Rows of a character; in graphics lines that show the same, but for the CGA's. */
  private int rows() {
    return (register(9) & 31) + 1;
  }

  private boolean graphical() {
    return (graphics[6] & 1) != 0;
  }

  /** {@return a color of the palette's: red in bits 23:16} */
  private int entry(int n) {
    int at = 3 * (n & 0xFF);
    return palette[at] << 18 | palette[at + 1] << 10 | palette[at + 2] << 2;
  }

  /** {@return one of the 16 colors} */
  private int color(int n) {
    int c = attributes[n & 15] & 63;
    int select = attributes[0x14];
    if ((attributes[0x10] & 0x80) != 0) {
      c = c & 15 | (select & 3) << 4;
    }
    return entry(c | (select & 12) << 4);
  }

  /** {@return the picture, or null if text is shown and no font has been loaded} */
  @Nullable Picture picture() {
    int width = columns() * (graphical() ? chunky() ? 4 : 8 : characterWidth());
    int height = lines();
    if (width > LARGEST || height > LARGEST || !graphical() && !fontLoaded()) {
      return null;
    }
    int[] pixels = new int[width * height];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        pixels[y * width + x] = graphical() ? point(x, y / doubling()) : textPoint(x, y);
      }
    }
    return new Picture(width, height, pixels);
  }

  // ---- graphics

  private boolean chunky() {
    return (graphics[5] & 0x40) != 0;
  }

  private int point(int x, int y) {
    if ((graphics[6] >> 2 & 3) >= 2) {
      return cga(x, y);
    }
    int line = start() + y / rows() * pitch();
    if (chunky()) {
      return entry(planes.linear(4 * line + x));
    }
    int at = line + (x >> 3);
    int n = 0;
    for (int p = 3; p >= 0; p--) {
      n = n << 1 | planes.get(at, p) >> 7 - (x & 7) & 1;
    }
    return color(n & attributes[0x12]);
  }

  /** Two bits a pixel, or one; odd lines of a row are in the second half of the memory. */
  private int cga(int x, int y) {
    int at = (y % rows() & 1) * 0x2000 + y / rows() * pitch() + (x >> 3);
    int b = text(at & TEXT_BYTES - 1);
    return (graphics[5] & 0x20) != 0
        ? color(b >> 6 - (x >> 1 & 3) * 2 & 3)
        : color(b >> 7 - (x & 7) & 1);
  }

  // ---- text

  private int text(int offset) {
    return (int) memory.read(TEXT + offset, 1) & 0xFF;
  }

  private int characterWidth() {
    return (sequencer[1] & 1) != 0 ? 8 : 9;
  }

  /** {@return the font's address for three bits of the character map register} */
  private static int font(int select) {
    return (select & 3) * 0x4000 + (select >> 2) * 0x2000;
  }

  private int fontOf(int attribute) {
    int map = sequencer[3];
    return font((attribute & 8) != 0 ? map >> 2 & 3 | map >> 3 & 4 : map & 3 | map >> 2 & 4);
  }

  private boolean fontLoaded() {
    for (int i = 0; i < FONT_BYTES; i++) {
      if (planes.get(fontOf(0) + i, 2) != 0) {
        return true;
      }
    }
    return false;
  }

  private int textPoint(int x, int y) {
    int column = x / characterWidth();
    int bit = x % characterWidth();
    int row = y / rows();
    int line = y % rows();
    int cell = start() + row * pitch() + column;
    int character = text(cell * 2 & TEXT_BYTES - 1);
    int attribute = text(cell * 2 + 1 & TEXT_BYTES - 1);
    int glyph = planes.get(fontOf(attribute) + character * 32 + line, 2);
    // The ninth column of line graphics repeats the eighth.
    boolean lineGraphics = (attributes[0x10] & 4) != 0 && character >= 0xC0 && character < 0xE0;
    boolean on = bit < 8 ? (glyph >> 7 - bit & 1) != 0 : lineGraphics && (glyph & 1) != 0;
    int cursor = register(0x0E) << 8 | register(0x0F);
    if (cell == cursor
        && (register(0x0A) & 0x20) == 0
        && line >= (register(0x0A) & 31)
        && line <= (register(0x0B) & 31)) {
      on = true;
    }
    boolean blinks = (attributes[0x10] & 8) != 0;
    return color(on ? attribute & 15 : attribute >> 4 & (blinks ? 7 : 15));
  }
}
