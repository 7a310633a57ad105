package dev.vesper.machine.boot;

import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.foreign.ForeignBytes;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import java.util.ArrayList;
import java.util.List;

/**
 * An ELF executable: segments to load, entry, and the PVH note.
 *
 * @param bits 32 or 64
 * @param pvhEntry entry of the Xen PHYS32_ENTRY note, or -1
 * @param openBsd it has a program header that only OpenBSD's kernels have
 * @param randomData ranges that a loader fills with random bytes
 */
record ElfImage(
    String name,
    byte[] bytes,
    int bits,
    long entry,
    long pvhEntry,
    boolean openBsd,
    List<Segment> segments,
    List<Segment> randomData) {
  /**
   * A program header's memory.
   *
   * @param flags PF_X 1, PF_W 2, PF_R 4
   */
  record Segment(
      long offset, long physical, long virtual, long fileSize, long memorySize, int flags) {
    /** {@return whether it is code that nobody writes} */
    boolean text() {
      return (flags & 3) == 1;
    }
  }

  private static final int PT_LOAD = 1;
  private static final int PT_NOTE = 4;
  private static final long PT_OPENBSD_RANDOMIZE = 0x65A3_DBE6L;
  private static final long PHYS32_ENTRY = 18;

  /** {@code Xen} and a zero. */
  private static final long XEN = 0x006E_6558L;

  /** All such segments together: more takes long to draw. */
  private static final long MOST_RANDOM = 16 << 20;

  static boolean isElf(byte[] b) {
    return Bytes.u32(b, 0) == 0x464C_457FL;
  }

  /**
   * Takes a file apart.
   *
   * @throws BootException if it is damaged, or of another machine
   */
  static ElfImage parse(String name, byte[] b) throws BootException {
    int machine = Bytes.u16(b, 18);
    if (Bytes.u8(b, 5) != 1 || machine != 62 && machine != 3) {
      throw new BootException(
          name + " is an ELF file for another machine: an x86 kernel is needed");
    }
    try {
      return parse(name, b, ForeignBytes.of(b));
    } catch (Damaged e) {
      throw new BootException(
          name + " is a damaged ELF file: " + e.getMessage() + "; copy or build it anew");
    }
  }

  private static ElfImage parse(String name, byte[] b, ForeignBytes file) throws BootException {
    boolean wide = Bytes.u8(b, 4) == 2;
    long entry = wide ? Bytes.u64(b, 24) : Bytes.u32(b, 24);
    long phoff = wide ? Bytes.u64(b, 32) : Bytes.u32(b, 28);
    int size = Bytes.u16(b, wide ? 54 : 42);
    int count = Bytes.u16(b, wide ? 56 : 44);
    if (count == 0
        || size < (wide ? 56 : 32)
        || phoff < 0
        || phoff > b.length - (long) count * size) {
      throw new BootException(name + " is a damaged ELF file: its program headers lie outside it");
    }
    List<Segment> list = new ArrayList<>();
    List<Segment> random = new ArrayList<>();
    long pvh = -1;
    long randomLeft = MOST_RANDOM;
    for (int i = 0; i < count; i++) {
      long p = phoff + (long) i * size;
      long type = Bytes.u32(b, p);
      long off = wide ? Bytes.u64(b, p + 8) : Bytes.u32(b, p + 4);
      long vaddr = wide ? Bytes.u64(b, p + 16) : Bytes.u32(b, p + 8);
      long paddr = wide ? Bytes.u64(b, p + 24) : Bytes.u32(b, p + 12);
      long filesz = wide ? Bytes.u64(b, p + 32) : Bytes.u32(b, p + 16);
      long memsz = wide ? Bytes.u64(b, p + 40) : Bytes.u32(b, p + 20);
      int flags = (int) Bytes.u32(b, wide ? p + 4 : p + 24);
      if (type == PT_OPENBSD_RANDOMIZE) {
        if (memsz < 0 || memsz > randomLeft) {
          throw new BootException(
              name
                  + " is a damaged ELF file: segment "
                  + i
                  + " asks for 0x"
                  + Long.toHexString(memsz)
                  + " bytes of random data, where a kernel takes some thousands; copy or build it"
                  + " anew");
        }
        randomLeft -= memsz;
        random.add(new Segment(off, paddr, vaddr, filesz, memsz, flags));
      } else if (type == PT_LOAD && memsz != 0) {
        if (off < 0 || filesz < 0 || off > b.length || filesz > b.length - off || memsz < filesz) {
          throw new BootException(name + " is truncated: segment " + i + " lies outside the file");
        }
        list.add(new Segment(off, paddr, vaddr, filesz, memsz, flags));
      } else if (type == PT_NOTE && off >= 0 && off <= b.length && filesz >= 0) {
        pvh = Math.max(pvh, note(file.part(off, Math.min(filesz, b.length - off))));
      }
    }
    if (list.isEmpty()) {
      throw new BootException(name + " has no segment to load: it is not a kernel");
    }
    return new ElfImage(name, b, wide ? 64 : 32, entry, pvh, !random.isEmpty(), list, random);
  }

  /** {@return the entry that the first note of this kind names, or -1} */
  private static long note(ForeignBytes b) {
    while (b.left() >= 12) {
      long nameSize = b.u32();
      long descSize = b.u32();
      long type = b.u32();
      long name = nameSize + 3 & ~3;
      long desc = descSize + 3 & ~3;
      if (name > b.left()) {
        break;
      }
      ForeignBytes n = b.next(name);
      if (type == PHYS32_ENTRY && nameSize == 4 && n.u32() == XEN && b.left() >= 4) {
        return b.u32();
      }
      if (desc > b.left()) {
        break;
      }
      b.skip(desc);
    }
    return -1;
  }

  /** Copies the segments to their physical addresses. */
  void place(GuestWriter w) throws BootException {
    for (Segment s : segments) {
      w.require(name, s.physical, s.memorySize);
      w.put(name, s.physical, bytes, (int) s.offset, (int) s.fileSize);
      w.cover(name, s.physical, s.memorySize);
    }
  }

  /** {@return where a segment lies in guest memory} OpenBSD's loaders drop the upper bits. */
  long place(Segment s) {
    return openBsd ? s.physical & OpenBsdKernel.ADDRESS_MASK : s.physical;
  }

  /** {@return the physical address of a virtual one, or itself if no segment has it} */
  long physical(long virtual) {
    for (Segment s : segments) {
      if (virtual >= s.virtual && virtual - s.virtual < s.memorySize) {
        return s.physical + (virtual - s.virtual);
      }
    }
    return virtual;
  }

  /**
   * Enters an ELF64 in 64-bit mode with the tables of the bzImage entry, an ELF32 in protected
   * mode.
   */
  static LoadedGuest loadAtEntry(BootOptions o, GuestWriter w, ElfImage elf) throws BootException {
    elf.place(w);
    long entry = elf.physical(elf.entry);
    BzImage.bootParams(o, w, null, elf.end());
    LaunchState s = elf.bits == 64 ? BzImage.longMode(w, o.cBit()) : BzImage.protectedMode();
    s.set(VmsaField.RIP, entry).set(VmsaField.RSI, BzImage.BOOT_PARAMS);
    return LoadedGuest.of("ELF" + elf.bits + " at its entry", s, w.ranges());
  }

  /** {@return the first address behind every segment} */
  long end() {
    return segments.stream().mapToLong(s -> s.physical + s.memorySize).max().orElse(0);
  }
}
