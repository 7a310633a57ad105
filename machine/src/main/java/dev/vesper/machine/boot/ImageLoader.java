package dev.vesper.machine.boot;

import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.igvm.IgvmFile;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.List;

/** Recognises an image and loads it. */
public final class ImageLoader {
  private ImageLoader() {}

  private static boolean isLinux(byte[] image) {
    return Bytes.u32(image, 0x202) == 0x5372_6448L;
  }

  /**
   * Loads an image into guest memory.
   *
   * @throws BootException if it is of no known format, damaged, or does not fit
   */
  public static LoadedGuest load(BootOptions o, HostView view) throws BootException {
    try {
      return place(o, view);
    } catch (Damaged e) {
      throw new BootException(o.name() + " is damaged: " + e.getMessage());
    }
  }

  private static LoadedGuest place(BootOptions o, HostView view) throws BootException {
    byte[] firmware = o.firmware();
    byte[] service = o.launch().service();
    if (firmware != null) {
      if (service != null) {
        throw new BootException(
            "the service module runs a kernel that is booted directly: leave -bios away");
      }
      return IgvmFile.isOne(firmware)
          ? IgvmLoader.load(o, firmware, view)
          : FirmwareImage.load(o, firmware, view);
    }
    GuestWriter w = new GuestWriter(view, SvsmRemains.lowEnd(view.ram(), o.launch()));
    SnpLaunch snp = o.launch().snp();
    LoadedGuest g = direct(o, w);
    if (snp == null) {
      return g;
    }
    return service == null
        ? SnpRemains.allValid(g, view.ram(), snp)
        : SvsmRemains.place(g, service, snp, o.processors(), w);
  }

  private static LoadedGuest direct(BootOptions o, GuestWriter w) throws BootException {
    byte[] b = o.image();
    if (isLinux(b)) {
      return BzImage.load(o, w);
    }
    if (!ElfImage.isElf(b)) {
      long header = Multiboot.header(b);
      if (header >= 0) {
        return Multiboot.load(o, w, header);
      }
      throw new BootException(
          o.name()
              + " is no bzImage, multiboot, PVH or ELF64 image: check that the file is a kernel");
    }
    ElfImage elf = ElfImage.parse(o.name(), b);
    return elf(o, w, elf).with(text(elf), ElfSymbols.read(elf));
  }

  private static List<LoadedGuest.Range> text(ElfImage elf) {
    return elf.segments().stream()
        .filter(ElfImage.Segment::text)
        .map(s -> new LoadedGuest.Range(elf.place(s), s.memorySize(), "text"))
        .toList();
  }

  private static LoadedGuest elf(BootOptions o, GuestWriter w, ElfImage elf) throws BootException {
    if (elf.openBsd() || o.everyElfIsOpenBsd()) {
      return OpenBsdKernel.load(o, w, elf);
    }
    long header = Multiboot.header(o.image());
    if (header >= 0) {
      return Multiboot.load(o, w, header);
    }
    if (elf.pvhEntry() >= 0 && o.cBit() == 0) {
      return Pvh.load(o, w, elf);
    }
    return ElfImage.loadAtEntry(o, w, elf);
  }
}
