package dev.vesper.machine.cpu;

/**
 * The page tables of the paging mode in force (AMD APM volume 2, 5.2 to 5.4): how many levels there
 * are, where the entry of an address lies, and what the bits of an entry mean. There are tables of
 * two levels with entries of 32 bits, and of three (legacy PAE), four and five levels (long mode)
 * with entries of 64 bits.
 *
 * <p>Levels count from 1, whose entries map pages of 4 KiB. What an entry gives leave for is for
 * the walk to say; nothing here touches memory.
 */
final class PageTables {
  static final int PRESENT = 1;
  static final int WRITABLE = 2;
  static final int USER = 4;
  static final int ACCESSED = 0x20;
  static final int DIRTY = 0x40;
  static final int GLOBAL = 0x100;

  private static final int LARGE = 0x80;
  private static final long NO_EXECUTE = 1L << 63;

  /** Address bits of an entry of 64 bits and of CR3. */
  private static final long ADDRESS = 0x000F_FFFF_FFFF_F000L;

  private static final long ADDRESS_32 = 0xFFFF_F000L;

  /** The level whose entries have no rights and no A bit in legacy PAE: there are four of them. */
  private static final int POINTERS = 3;

  /** The C-bit as a mask, or 0. */
  private long cBit;

  /** Address bits that the processor does not have, but for the C-bit. */
  private long beyond;

  private boolean pae;
  private boolean longMode;
  private boolean noExecute;
  private boolean largePages;
  private int levels;

  /**
   * Says what addresses are made of.
   *
   * @param cBitMask the C-bit, or 0
   * @param physicalBits the width of physical addresses
   */
  void configure(long cBitMask, int physicalBits) {
    cBit = cBitMask;
    beyond = ADDRESS & -1L << physicalBits & ~cBitMask;
  }

  /** {@return the address bits that entries and CR3 must leave zero, but for 63 to 52} */
  long beyond() {
    return beyond;
  }

  /** Takes the paging mode from CR4 and EFER, while paging is on. */
  void mode(long cr4, long efer) {
    pae = (cr4 & CpuState.CR4_PAE) != 0;
    longMode = (efer & CpuState.EFER_LMA) != 0;
    noExecute = (efer & CpuState.EFER_NXE) != 0;
    largePages = (cr4 & CpuState.CR4_PSE) != 0;
    levels = longMode ? (cr4 & CpuState.CR4_LA57) != 0 ? 5 : 4 : pae ? 3 : 2;
  }

  /** {@return the level of the table that CR3 names} */
  int levels() {
    return levels;
  }

  /** {@return the guest physical address of that table} */
  long root(long cr3) {
    return cr3 & ~cBit & (longMode ? ADDRESS : pae ? 0xFFFF_FFE0L : ADDRESS_32);
  }

  /** {@return how many bytes an entry has} */
  int entryBytes() {
    return pae ? 8 : 4;
  }

  /** {@return the lowest bit of a linear address that chooses an entry of a level} */
  private int shift(int level) {
    return 12 + (pae ? 9 : 10) * (level - 1);
  }

  /** {@return how many bytes of linear addresses an entry of a level stands for} */
  long span(int level) {
    return 1L << shift(level);
  }

  /** {@return how many entries a table of a level has} */
  int entries(int level) {
    return !pae ? 1024 : hasRights(level) ? 512 : 4;
  }

  /**
   * {@return a linear address as software writes it: bits that must be are copies of the highest}
   */
  long canonical(long la) {
    int unused = 64 - 12 - 9 * levels;
    return longMode ? la << unused >> unused : la;
  }

  /** {@return where in a table of a level the entry of a linear address lies} */
  long entryAddress(long table, int level, long la) {
    long index = la >>> shift(level) & (pae ? hasRights(level) ? 511 : 3 : 1023);
    return table + index * entryBytes();
  }

  /** {@return whether entries of a level have R/W, U/S and A} */
  boolean hasRights(int level) {
    return level != POINTERS || longMode;
  }

  private boolean large(long e, int level) {
    return level > 1 && (e & LARGE) != 0 && hasRights(level) && (pae ? level < 4 : largePages);
  }

  /** {@return whether an entry maps a page, and does not name a table} */
  boolean leaf(long e, int level) {
    return level == 1 || large(e, level);
  }

  /** {@return whether bits are set that an entry must leave zero} */
  boolean malformed(long e, int level) {
    return (e & mustBeZero(large(e, level), level)) != 0;
  }

  private long mustBeZero(boolean large, int level) {
    if (!pae) {
      // In an entry of 4 MiB bits 20:13 are address bits 39:32.
      return large ? 0x20_0000 | beyond >>> 19 & 0x1F_E000 : 0;
    }
    if (!hasRights(level)) {
      return beyond | 0xFFF0_0000_0000_01E6L;
    }
    long bad = beyond | (noExecute ? 0 : NO_EXECUTE) | (longMode ? 0 : 0x7FF0_0000_0000_0000L);
    if (large) {
      return bad | (1L << shift(level)) - 0x2000 & 0x3FFF_E000L;
    }
    // G has no meaning above the last two levels, and there are no larger pages.
    return bad | (level >= 4 ? GLOBAL | LARGE : level == 3 ? GLOBAL : 0);
  }

  /** {@return whether an entry forbids to fetch instructions} */
  boolean forbidsFetches(long e) {
    return pae && noExecute && e < 0;
  }

  /** {@return the guest physical address of the table that an entry names} */
  long table(long e) {
    return e & (pae ? ADDRESS : ADDRESS_32) & ~cBit;
  }

  /** {@return the guest physical address of a linear address whose page an entry maps} */
  long address(long e, int level, long la) {
    long offset = (1L << shift(level)) - 1;
    long frame = table(e) & ~offset;
    if (!pae && level > 1) {
      frame |= (e & 0x1F_E000L) << 19;
    }
    return frame | la & offset;
  }

  /** {@return whether a page is mapped with the C-bit; tables of 32 bits have none} */
  boolean isPrivate(long e) {
    return !pae || (e & cBit) != 0;
  }

  /** {@return the protection key of a page} */
  static int key(long e) {
    return (int) (e >>> 59) & 15;
  }
}
