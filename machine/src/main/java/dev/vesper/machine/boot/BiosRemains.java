package dev.vesper.machine.boot;

import dev.vesper.machine.spec.BootException;
import dev.vesper.x86.Assembler;

/**
 * What a BIOS leaves in low memory for a kernel that it has loaded: interrupt vectors, handlers in
 * its ROM that do no more than end what comes and count ticks, and its data area (IBM PC/AT
 * technical reference; SeaBIOS has its entry points at the same addresses).
 */
final class BiosRemains {
  private static final int SEGMENT = 0xF000;
  private static final long ROM = (long) SEGMENT << 4;

  // Offsets in the segment.
  private static final int TICK = 0xFEA5;
  private static final int FIRST_CHIP = 0xFEE0;
  private static final int BOTH_CHIPS = 0xFEE8;
  private static final int NOTHING = 0xFF53;

  private static final int FIRST_CHIP_BASE = 0x08;
  private static final int SECOND_CHIP_BASE = 0x70;
  private static final int VECTORS = 256;

  private static final long DATA = 0x400;
  private static final int COM1 = 0x3F8;

  /** KiB below the extended data area. */
  private static final int LOW_MEMORY = 639;

  /** The interrupt of the 8254: 18.2 times a second, midnight after 1800B0h of them. */
  private static final String TICKS =
      """
          push ds
          push eax
          mov ax, 0x40
          mov ds, ax
          mov eax, [0x6c]
          inc eax
          cmp eax, 0x1800b0
          jb short today
          xor eax, eax
          mov byte [0x70], 1
      today:
          mov [0x6c], eax
          int 0x1c
          mov al, 0x20
          out 0x20, al
          pop eax
          pop ds
          iret
      """;

  private static final String END_FIRST =
      """
          push ax
          mov al, 0x20
          out 0x20, al
          pop ax
          iret
      """;

  private static final String END_BOTH =
      """
          push ax
          mov al, 0x20
          out 0xa0, al
          out 0x20, al
          pop ax
          iret
      """;

  private BiosRemains() {}

  private static void code(GuestWriter w, int at, String source) throws BootException {
    w.put("BIOS", ROM + at, Assembler.assemble(16, source));
  }

  static void place(GuestWriter w) throws BootException {
    for (int v = 0; v < VECTORS; v++) {
      int handler =
          v == FIRST_CHIP_BASE
              ? TICK
              : v > FIRST_CHIP_BASE && v < FIRST_CHIP_BASE + 8
                  ? FIRST_CHIP
                  : v >= SECOND_CHIP_BASE && v < SECOND_CHIP_BASE + 8 ? BOTH_CHIPS : NOTHING;
      w.put("BIOS", 4L * v, 4, (long) SEGMENT << 16 | handler);
    }
    code(w, TICK, TICKS);
    code(w, FIRST_CHIP, END_FIRST);
    code(w, BOTH_CHIPS, END_BOTH);
    code(w, NOTHING, "iret");
    w.put("BIOS", DATA, new byte[0x100]);
    w.put("BIOS", DATA, 2, COM1);
    w.put("BIOS", DATA + 0x0E, 2, (LOW_MEMORY << 10) >> 4);
    w.put("BIOS", DATA + 0x13, 2, LOW_MEMORY);
    w.put("BIOS", LOW_MEMORY << 10, 1, 1);
  }
}
