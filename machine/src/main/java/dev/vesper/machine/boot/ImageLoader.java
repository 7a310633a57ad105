package dev.vesper.machine.boot;

import dev.vesper.machine.memory.HostView;

/** Recognises an image and loads it. */
public final class ImageLoader {
  private ImageLoader() {}

  /**
   * Loads an image into guest memory.
   *
   * @throws BootException if it is of no known format, damaged, or does not fit
   */
  public static LoadedGuest load(BootOptions o, HostView view) throws BootException {
    GuestWriter w = new GuestWriter(view);
    byte[] b = o.image();
    if (Bytes.u32(b, 0x202) == 0x5372_6448L) {
      return BzImage.load(o, w);
    }
    long header = Multiboot.header(b);
    if (header >= 0) {
      return Multiboot.load(o, w, header);
    }
    if (ElfImage.isElf(b)) {
      ElfImage elf = ElfImage.parse(o.name(), b);
      if (elf.pvhEntry() >= 0 && o.cBit() == 0) {
        return Pvh.load(o, w, elf);
      }
      return ElfImage.loadAtEntry(o, w, elf);
    }
    throw new BootException(
        o.name()
            + " is no bzImage, multiboot, PVH or ELF64 image: check that the file is a kernel");
  }
}
