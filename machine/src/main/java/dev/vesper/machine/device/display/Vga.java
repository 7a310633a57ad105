package dev.vesper.machine.device.display;

import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.PortDevice;
import dev.vesper.machine.device.pci.PciDevice;
import dev.vesper.machine.memory.HostView;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * QEMU's standard VGA (QEMU, docs/specs/standard-vga.txt): the registers of a VGA at 3B0h to 3DFh,
 * the VBE interface of Bochs at 1CEh, 16 MiB of video memory in BAR 0 and the registers again in
 * BAR 2. Text is in the guest's memory at B8000h, and with it the CGA's graphics; planes and VBE's
 * banks are behind the window at A0000h.
 */
public final class Vga extends PciDevice implements PortDevice {
  /** Size of {@link #window}. */
  public static final int WINDOW_BYTES = VgaPlanes.WINDOW;

  /** Bytes of video memory. */
  public static final int VIDEO_BYTES = 16 << 20;

  private static final int ID = 0x1111_1234;
  private static final int CLASS = 0x0300_0002;
  private static final int SUBSYSTEM = 0x1100_1AF4;
  private static final int TEXT = 0xB_8000;
  private static final int COLUMNS = 80;
  private static final int ROWS = 25;

  private static final int OLDEST_VBE = 0xB0C0;
  private static final int VBE_ID = 0xB0C5;
  private static final int X_RESOLUTION = 1;
  private static final int Y_RESOLUTION = 2;
  private static final int DEPTH = 3;
  private static final int ENABLE = 4;
  private static final int BANK = 5;
  private static final int VIRTUAL_WIDTH = 6;
  private static final int X_OFFSET = 8;
  private static final int Y_OFFSET = 9;
  private static final int MEMORY_SIZE = 10;
  private static final int ENABLED = 1;
  private static final int CAPABILITIES = 2;
  private static final int NO_CLEAR = 0x80;

  /** Bits that registers have (IBM, Personal System/2 Display Adapter reference). */
  private static final int[] SEQUENCER_BITS = {0x03, 0x3D, 0x0F, 0x3F, 0x0E};

  private static final int[] GRAPHICS_BITS = {15, 15, 15, 0x1F, 3, 0x7B, 15, 15, 0xFF};
  private static final int[] ATTRIBUTE_BITS = {0xEF, 0xFF, 0x3F, 15, 15};
  private static final int PALETTE_BITS = 0x3F;

  /** Registers 0 to 7 of the controller are protected by bit 7 of this one. */
  private static final int RETRACE_END = 0x11;

  private static final int OVERFLOW = 7;
  private static final int LINE_COMPARE = 0x10;
  private static final int DAC_WRITES = 0;
  private static final int DAC_READS = 3;

  /** Told where video memory is, so that the guest reaches it without an exit. */
  public interface Placement {
    /**
     * Video memory has moved.
     *
     * @param address guest physical, or -1 for nowhere
     */
    void videoMemory(long address, int length);
  }

  private final HostView memory;
  private final Placement placement;
  private long base = -1;
  private final int[] vbe = new int[11];
  private int vbeIndex;
  private final byte[] sequencer = new byte[8];
  private final byte[] graphics = new byte[16];
  private final byte[] controller = new byte[64];
  private final byte[] attributes = new byte[32];
  private final byte[] palette = new byte[768];
  private final VgaPlanes planes = new VgaPlanes(sequencer, graphics);
  private final VgaPicture planar;
  private int sequencerIndex;
  private int graphicsIndex;
  private int controllerIndex;
  private int attributeIndex;
  private boolean attributeData;
  private int paletteRead;
  private int paletteWrite;
  private int paletteState;
  private int miscellaneous = 0x67;
  private int retrace;

  /**
   * @param memory guest memory as the host sees it, video memory included
   * @param ports where its ports are
   */
  public Vga(HostView memory, PortBus ports, Placement placement) {
    super(ID, CLASS, SUBSYSTEM, false);
    this.memory = memory;
    this.placement = placement;
    planar = new VgaPicture(memory, planes, sequencer, graphics, controller, attributes, palette);
    memoryBar(0, VIDEO_BYTES, video());
    memoryBar(2, 4096, registers());
    vbe[0] = VBE_ID;
    vbe[X_RESOLUTION] = 640;
    vbe[Y_RESOLUTION] = 480;
    vbe[DEPTH] = 8;
    ports.attach(this, 0x3B0, 0x3DF);
    ports.attach(this, 0x1CE, 0x1D1);
  }

  private MmioDevice video() {
    return new MmioDevice() {
      @Override
      public long read(long offset, int bytes) {
        return base < 0 || offset + bytes > VIDEO_BYTES ? -1 : number(base + offset, bytes);
      }

      @Override
      public void write(long offset, int bytes, long value) {
        for (int i = 0; base >= 0 && i < bytes && offset + i < VIDEO_BYTES; i++) {
          memory.write(base + offset + i, 1, value >>> 8 * i);
        }
      }
    };
  }

  /** {@return what is at A0000h: planes, or a bank of video memory while VBE is on} */
  public MmioDevice window() {
    MmioDevice linear = video();
    return new MmioDevice() {
      private long bank() {
        return (long) vbe[BANK] * VgaPlanes.WINDOW;
      }

      @Override
      public long read(long offset, int bytes) {
        return graphical() ? linear.read(bank() + offset, bytes) : planes.read(offset, bytes);
      }

      @Override
      public void write(long offset, int bytes, long value) {
        if (graphical()) {
          linear.write(bank() + offset, bytes, value);
        } else {
          planes.write(offset, bytes, value);
        }
      }
    };
  }

  private long number(long at, int bytes) {
    long v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      v = v << 8 | memory.read(at + i, 1);
    }
    return v;
  }

  private MmioDevice registers() {
    return new MmioDevice() {
      @Override
      public int width(long offset) {
        return offset >= 0x500 ? 2 : 1;
      }

      @Override
      public long read(long offset, int bytes) {
        int o = (int) offset;
        if (o >= 0x400 && o < 0x420) {
          return Vga.this.read(0x3C0 + o - 0x400, bytes);
        }
        return o >= 0x500 && o < 0x516 ? vbeRegister(o - 0x500 >> 1) : 0;
      }

      @Override
      public void write(long offset, int bytes, long value) {
        int o = (int) offset;
        if (o >= 0x400 && o < 0x420) {
          Vga.this.write(0x3C0 + o - 0x400, bytes, (int) value);
        } else if (o >= 0x500 && o < 0x516) {
          setVbe(o - 0x500 >> 1, (int) value & 0xFFFF);
        }
      }
    };
  }

  @Override
  protected void moved(int register, long address) {
    if (register == 0) {
      base = address >= 0 && address + VIDEO_BYTES <= 1L << 32 ? address : -1;
      placement.videoMemory(base, VIDEO_BYTES);
    }
  }

  // ---- VBE

  private int vbeRegister(int n) {
    return switch (n) {
      case MEMORY_SIZE -> VIDEO_BYTES >> 16;
      case X_RESOLUTION -> (vbe[ENABLE] & CAPABILITIES) != 0 ? 2560 : vbe[n];
      case Y_RESOLUTION -> (vbe[ENABLE] & CAPABILITIES) != 0 ? 1600 : vbe[n];
      case DEPTH -> (vbe[ENABLE] & CAPABILITIES) != 0 ? 32 : vbe[n];
      case VIRTUAL_WIDTH -> width();
      case 7 -> VIDEO_BYTES / Math.max(1, width() * bytesPerPixel());
      default -> n < vbe.length ? vbe[n] : 0;
    };
  }

  private int width() {
    return Math.max(vbe[VIRTUAL_WIDTH], vbe[X_RESOLUTION]);
  }

  private int bytesPerPixel() {
    return (vbe[DEPTH] + 7) / 8;
  }

  private void setVbe(int n, int v) {
    switch (n) {
      // Software asks for a version and looks whether it gets it.
      case 0 -> vbe[n] = v >= OLDEST_VBE && v <= VBE_ID ? v : vbe[n];
      case X_RESOLUTION -> vbe[n] = Math.min(v, 2560);
      case Y_RESOLUTION -> vbe[n] = Math.min(v, 1600);
      case DEPTH -> {
        if (v == 8 || v == 15 || v == 16 || v == 24 || v == 32) {
          vbe[n] = v;
        }
      }
      case ENABLE -> {
        boolean starts = (v & ENABLED) != 0 && (vbe[ENABLE] & ENABLED) == 0;
        vbe[ENABLE] = v;
        if (starts) {
          vbe[VIRTUAL_WIDTH] = vbe[X_RESOLUTION];
          vbe[X_OFFSET] = 0;
          vbe[Y_OFFSET] = 0;
          if ((v & NO_CLEAR) == 0) {
            clear();
          }
        }
      }
      case BANK, VIRTUAL_WIDTH, X_OFFSET, Y_OFFSET -> vbe[n] = v;
      default -> {
        // read-only
      }
    }
  }

  private void clear() {
    byte[] zero = new byte[4096];
    for (int at = 0; base >= 0 && at < VIDEO_BYTES; at += zero.length) {
      memory.write(base + at, zero, 0, zero.length);
    }
  }

  // ---- registers of a VGA

  @Override
  public int width(int port) {
    // Those of VBE are words at whatever address; a word to a VGA index is index and data.
    return port < 0x3B0 ? 2 : 1;
  }

  /** {@return whether a port is at the addresses of the other kind, colour or monochrome} */
  private boolean elsewhere(int port) {
    boolean color = (miscellaneous & 1) != 0;
    return port >= 0x3B0 && port < 0x3C0 && color || port >= 0x3D0 && !color;
  }

  private static int bits(int[] masks, int n) {
    return n < masks.length ? masks[n] : 0;
  }

  private void setAttribute(int n, byte v) {
    attributes[n] = (byte) (v & (n < 16 ? PALETTE_BITS : bits(ATTRIBUTE_BITS, n - 16)));
  }

  private void setController(int n, byte v) {
    int keep = 0;
    if (n <= OVERFLOW && controller[RETRACE_END] < 0) {
      keep = n == OVERFLOW ? ~LINE_COMPARE : -1;
    }
    controller[n] = (byte) (controller[n] & keep | v & ~keep);
  }

  @Override
  public int read(int port, int bytes) {
    if (elsewhere(port)) {
      return 0xFF;
    }
    return switch (port) {
      case 0x1CE -> vbeIndex;
      case 0x1CF, 0x1D0 -> vbeRegister(vbeIndex);
      case 0x3C0 -> attributeIndex;
      case 0x3C1 -> attributes[attributeIndex & 31];
      case 0x3C4 -> sequencerIndex;
      case 0x3C5 -> sequencer[sequencerIndex & 7];
      case 0x3C7 -> paletteState;
      case 0x3C8 -> paletteWrite / 3;
      case 0x3C9 -> {
        int at = paletteRead;
        paletteRead = (at + 1) % palette.length;
        yield palette[at];
      }
      case 0x3CC -> miscellaneous;
      case 0x3CE -> graphicsIndex;
      case 0x3CF -> graphics[graphicsIndex & 15];
      case 0x3B4, 0x3D4 -> controllerIndex;
      case 0x3B5, 0x3D5 -> controller[controllerIndex & 63];
      case 0x3BA, 0x3DA -> {
        attributeData = false;
        retrace ^= 9;
        yield retrace;
      }
      default -> 0xFF;
    };
  }

  @Override
  public void write(int port, int bytes, int value) {
    if (port >= 0x1CE && port <= 0x1D1) {
      if (port == 0x1CE) {
        vbeIndex = value & 0xFFFF;
      } else {
        setVbe(vbeIndex, value & 0xFFFF);
      }
      return;
    }
    if (elsewhere(port)) {
      return;
    }
    byte v = (byte) value;
    switch (port) {
      case 0x3C0 -> {
        if (attributeData) {
          setAttribute(attributeIndex & 31, v);
        } else {
          attributeIndex = v & 0x3F;
        }
        attributeData = !attributeData;
      }
      case 0x3C2 -> miscellaneous = v & 0xFF;
      case 0x3C4 -> sequencerIndex = v & 7;
      case 0x3C5 -> sequencer[sequencerIndex] = (byte) (v & bits(SEQUENCER_BITS, sequencerIndex));
      case 0x3C7 -> {
        paletteRead = (v & 0xFF) * 3;
        paletteState = DAC_READS;
      }
      case 0x3C8 -> {
        paletteWrite = (v & 0xFF) * 3;
        paletteState = DAC_WRITES;
      }
      case 0x3C9 -> {
        palette[paletteWrite] = (byte) (v & 63);
        paletteWrite = (paletteWrite + 1) % palette.length;
      }
      case 0x3CE -> graphicsIndex = v & 15;
      case 0x3CF -> graphics[graphicsIndex] = (byte) (v & bits(GRAPHICS_BITS, graphicsIndex));
      case 0x3B4, 0x3D4 -> controllerIndex = v & 63;
      case 0x3B5, 0x3D5 -> setController(controllerIndex, v);
      default -> {
        // nothing is there
      }
    }
  }

  // ---- what is to be seen

  private boolean graphical() {
    return (vbe[ENABLE] & ENABLED) != 0 && base >= 0;
  }

  /** {@return the text of the screen, 25 lines without blanks at their ends} */
  public String text() {
    int start = (controller[0x0C] & 0xFF) << 8 | controller[0x0D] & 0xFF;
    StringBuilder all = new StringBuilder();
    for (int row = 0; row < ROWS; row++) {
      byte[] line = new byte[COLUMNS];
      for (int c = 0; c < COLUMNS; c++) {
        int at = TEXT + ((start + row * COLUMNS + c) * 2 & 0x7FFF);
        line[c] = (byte) memory.read(at, 1);
        if (line[c] == 0) {
          line[c] = ' ';
        }
      }
      all.append(new String(line, StandardCharsets.ISO_8859_1).stripTrailing()).append('\n');
    }
    return all.toString();
  }

  /**
   * {@return the picture on the screen as a PNG file, or null if it is text and nobody has loaded a
   * font}
   */
  public byte @Nullable [] png() {
    Picture p = picture();
    return p == null ? null : Png.of(p.width(), p.height(), p.pixels());
  }

  /** {@return the same picture as a binary PPM file (netpbm, ppm(5)), or null} */
  public byte @Nullable [] ppm() {
    Picture p = picture();
    return p == null ? null : p.ppm();
  }

  private @Nullable Picture picture() {
    if (!graphical()) {
      return planar.picture();
    }
    int w = Math.max(1, vbe[X_RESOLUTION]);
    int h = Math.max(1, vbe[Y_RESOLUTION]);
    int size = bytesPerPixel();
    int[] pixels = new int[w * h];
    byte[] line = new byte[w * size];
    for (int y = 0; y < h; y++) {
      long at = ((long) (y + vbe[Y_OFFSET]) * width() + vbe[X_OFFSET]) * size;
      if (at + line.length > VIDEO_BYTES) {
        break;
      }
      memory.read(base + at, line, 0, line.length);
      for (int x = 0; x < w; x++) {
        pixels[y * w + x] = color(line, x * size);
      }
    }
    return new Picture(w, h, pixels);
  }

  private int color(byte[] b, int at) {
    int low = b[at] & 0xFF;
    return switch (vbe[DEPTH]) {
      case 8 -> palette[3 * low] << 18 | palette[3 * low + 1] << 10 | palette[3 * low + 2] << 2;
      case 15 -> {
        int v = low | (b[at + 1] & 0xFF) << 8;
        yield (v >> 10 & 31) << 19 | (v >> 5 & 31) << 11 | (v & 31) << 3;
      }
      case 16 -> {
        int v = low | (b[at + 1] & 0xFF) << 8;
        yield (v >> 11 & 31) << 19 | (v >> 5 & 63) << 10 | (v & 31) << 3;
      }
      default -> low | (b[at + 1] & 0xFF) << 8 | (b[at + 2] & 0xFF) << 16;
    };
  }
}
