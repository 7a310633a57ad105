package dev.vesper.machine.device;

import dev.vesper.x86.Assembler;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * An expansion ROM by which a BIOS boots a kernel that fw_cfg holds, as QEMU's linuxboot does: it
 * has what is there put into memory, and enters the kernel in real mode by the Linux boot protocol,
 * 2.00 or newer. The addresses are QEMU's.
 */
public final class LinuxBootRom {
  /** The file by which a BIOS finds it. */
  public static final String FILE = "genroms/linuxboot.bin";

  /** A line of the boot order that names it. */
  public static final String BOOT_ORDER_ENTRY = "/rom@" + FILE;

  private static final int MAGIC = 0x5372_6448;
  private static final int LOADED_HIGH = 1;
  private static final int CAN_USE_HEAP = 0x80;
  private static final int LOADER_QEMU = 0xB0;
  private static final int OLD_COMMAND_LINE = 0xA33F;

  /** Real-mode part and command line of kernels that may be anywhere, and of older ones. */
  private static final int REAL = 0x1_0000;

  private static final int LINE = 0x2_0000;
  private static final int OLD_REAL = 0x9_0000;
  private static final int OLD_LINE_END = 0x9_A000;
  private static final int HIGH = 0x10_0000;
  private static final int LOW = 0x1_0000;

  /** Below the end of RAM, where a BIOS has its tables. */
  private static final int TABLES = 0x2_8000;

  private static final int INITRD_MAX = 0x37FF_FFFF;

  // The ROM: expansion header, Plug and Play header, name, code.
  private static final int PLUG_AND_PLAY = 0x20;
  private static final int NAME = 0x40;
  private static final int CODE = 0x60;
  private static final int BLOCK = 512;

  /** Where a command for fw_cfg lies, in memory that nobody has yet. */
  private static final int COMMAND = 0x7000;

  private static final int SELECT_AND_READ = 8 | 2;

  private final ByteBuffer setup;
  private final int real;
  private final int line;
  private final int lineBytes;
  private final int high;
  private final int highBytes;
  private final int initrd;
  private final int initrdBytes;

  private LinuxBootRom(byte[] setup, int kernelBytes, int lineBytes, int initrdBytes, long ram) {
    this.setup = ByteBuffer.wrap(setup).order(ByteOrder.LITTLE_ENDIAN);
    this.lineBytes = lineBytes;
    this.initrdBytes = initrdBytes;
    highBytes = kernelBytes;
    boolean anywhere = version() >= 0x202;
    real = anywhere ? REAL : OLD_REAL;
    line = anywhere ? LINE : OLD_LINE_END - (lineBytes + 15 & -16);
    high = (this.setup.get(0x211) & LOADED_HIGH) != 0 ? HIGH : LOW;
    long most = version() >= 0x203 ? this.setup.getInt(0x22C) & 0xFFFF_FFFFL : INITRD_MAX;
    long at = Math.min(most + 1, ram - TABLES) - initrdBytes & -4096L;
    if (at < high + highBytes || line < real + setup.length) {
      throw new IllegalArgumentException(
          "kernel, command line and initrd do not fit into the guest's memory where its boot"
              + " protocol wants them: give it more with -m, or less of them");
    }
    initrd = (int) at;
    patch();
  }

  /**
   * {@return the ROM for a kernel, or null for one without the boot protocol}
   *
   * @param setup its real-mode part, of 1 KiB at least; not changed
   * @param kernelBytes length of the rest
   * @param lineBytes length of the command line with its end
   * @param initrdBytes length of the initial RAM disk, or 0
   * @param ram bytes of guest memory
   * @throws IllegalArgumentException if they do not fit
   */
  public static @Nullable LinuxBootRom of(
      byte[] setup, int kernelBytes, int lineBytes, int initrdBytes, long ram) {
    boolean known =
        setup.length >= 1024
            && ByteBuffer.wrap(setup).order(ByteOrder.LITTLE_ENDIAN).getInt(0x202) == MAGIC;
    return known ? new LinuxBootRom(setup.clone(), kernelBytes, lineBytes, initrdBytes, ram) : null;
  }

  private int version() {
    return setup.getShort(0x206) & 0xFFFF;
  }

  /** {@return the real-mode part with what a boot loader writes into its header} */
  public byte[] setup() {
    return setup.array().clone();
  }

  private void patch() {
    setup.put(0x210, (byte) LOADER_QEMU);
    if (version() >= 0x201) {
      setup.put(0x211, (byte) (setup.get(0x211) | CAN_USE_HEAP));
      setup.putShort(0x224, (short) (line - real - 0x200));
    }
    if (version() >= 0x202) {
      setup.putInt(0x228, line);
    } else {
      setup.putShort(0x20, (short) OLD_COMMAND_LINE).putShort(0x22, (short) (line - real));
    }
    if (initrdBytes > 0) {
      setup.putInt(0x218, initrd).putInt(0x21C, initrdBytes);
    }
  }

  /** Code that has an item put into memory: commands are big-endian, and done when written. */
  private static String load(int key, int address, int bytes) {
    return """
        mov dword [%d], %d
        mov dword [%d], %d
        mov dword [%d], 0
        mov dword [%d], %d
        mov dx, 0x514
        xor eax, eax
        out dx, eax
        mov dx, 0x518
        mov eax, %d
        out dx, eax
    """
        .formatted(
            COMMAND,
            Integer.reverseBytes(key << 16 | SELECT_AND_READ),
            COMMAND + 4,
            Integer.reverseBytes(bytes),
            COMMAND + 8,
            COMMAND + 12,
            Integer.reverseBytes(address),
            Integer.reverseBytes(COMMAND));
  }

  private byte[] code() {
    String initrdCode = initrdBytes == 0 ? "" : load(FwCfg.INITRD_DATA, initrd, initrdBytes);
    String enter =
        """
            mov ax, %d
            mov ds, ax
            mov es, ax
            mov fs, ax
            mov gs, ax
            mov ss, ax
            mov esp, %d
            push word %d
            push word 0
            retf
        """
            .formatted(real >> 4, line - real - 16, (real >> 4) + 0x20);
    return Assembler.assemble(
        16,
        "cli\ncld\nxor ax, ax\nmov ds, ax\n"
            + load(FwCfg.SETUP_DATA, real, setup.capacity())
            + load(FwCfg.CMDLINE_DATA, line, lineBytes)
            + load(FwCfg.KERNEL_DATA, high, highBytes)
            + initrdCode
            + enter);
  }

  private static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }

  private static void sumToZero(byte[] b, int from, int to, int at) {
    byte sum = 0;
    for (int i = from; i < to; i++) {
      sum += b[i];
    }
    b[at] -= sum;
  }

  /**
   * {@return the ROM: a boot device of Plug and Play (BIOS Boot Specification 1.01, appendix A)}
   */
  public byte[] rom() {
    byte[] code = code();
    byte[] rom = new byte[CODE + code.length + BLOCK - 1 & -BLOCK];
    ByteBuffer b = ByteBuffer.wrap(rom).order(ByteOrder.LITTLE_ENDIAN);
    int farReturn = 0xCB;
    b.putShort((short) 0xAA55).put((byte) (rom.length / BLOCK)).put((byte) farReturn);
    b.putShort(0x1A, (short) PLUG_AND_PLAY);
    b.put(PLUG_AND_PLAY, ascii("$PnP")).put(PLUG_AND_PLAY + 4, (byte) 1);
    b.put(PLUG_AND_PLAY + 5, (byte) 2);
    b.putShort(PLUG_AND_PLAY + 0x0E, (short) NAME).putShort(PLUG_AND_PLAY + 0x10, (short) NAME);
    int bootsAsInitialProgramLoad = 0xE4;
    b.put(PLUG_AND_PLAY + 0x15, (byte) bootsAsInitialProgramLoad);
    b.putShort(PLUG_AND_PLAY + 0x1A, (short) CODE);
    sumToZero(rom, PLUG_AND_PLAY, NAME, PLUG_AND_PLAY + 9);
    b.put(NAME, ascii("Linux loader"));
    b.put(CODE, code);
    sumToZero(rom, 0, rom.length, 6);
    return rom;
  }
}
