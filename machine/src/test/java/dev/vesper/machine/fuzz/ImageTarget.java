package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.boot.BootOptions;
import dev.vesper.machine.boot.ImageLoader;
import dev.vesper.machine.boot.ImageSeeds;
import dev.vesper.machine.boot.LaunchChoices;
import dev.vesper.machine.boot.LoadedGuest;
import dev.vesper.machine.device.LinuxBootRom;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import dev.vesper.machine.vmm.PcBoard;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Kernels of every format: two bytes of options, then the image. */
public final class ImageTarget implements FuzzTarget {
  private static final int SEV = 1;
  private static final int ENTRY_32 = 2;
  private static final int EVERY_ELF_IS_OPENBSD = 4;
  private static final int ACPI = 8;
  private static final int INITRD = 16;

  /** Bits of the second byte. */
  private static final int LONG_LINE = 1;

  private static final int TWO_PROCESSORS = 2;

  private final HostView memory = new PhysicalMemory(32 << 20, 0).hostView();

  @Override
  public String name() {
    return "image";
  }

  /** What reads symbols is another target's, and what places firmware. */
  @Override
  public List<String> covers() {
    return Stream.of(
            "boot.AcpiRemains",
            "boot.BiosRemains",
            "boot.BootArguments",
            "boot.BootOptions",
            "boot.BzImage",
            "boot.ElfImage",
            "boot.EncryptedRanges",
            "boot.FirmwareRemains",
            "boot.GuestWriter",
            "boot.ImageLoader",
            "boot.LoadedGuest",
            "boot.Multiboot",
            "boot.OpenBsdKernel",
            "boot.Pvh",
            "device.LinuxBootRom")
        .map("dev.vesper.machine."::concat)
        .toList();
  }

  @Override
  public List<byte[]> seeds() {
    byte[] flat = FlatGuest.image("cli\nhlt");
    List<byte[]> all = new ArrayList<>();
    List<byte[]> images = new ArrayList<>(ImageSeeds.kernels());
    images.addAll(List.of(flat, multiboot(0), multiboot(8), multibootElf(flat), openBsd()));
    for (byte[] image : images) {
      all.add(with(0, 0, image));
      all.add(with(ENTRY_32 | ACPI | INITRD, TWO_PROCESSORS, image));
      all.add(with(SEV | ACPI, TWO_PROCESSORS, image));
      all.add(with(0, LONG_LINE, image));
    }
    for (byte[] image : List.of(flat, openBsd())) {
      for (OpenBsdLaunch way : OpenBsdLaunch.values()) {
        int options = way.ordinal() << 5 | SEV | EVERY_ELF_IS_OPENBSD;
        all.add(with(options, TWO_PROCESSORS, image));
        all.add(with(options, TWO_PROCESSORS, narrow()));
      }
    }
    return all;
  }

  private static byte[] with(int options, int more, byte[] image) {
    return new Words().u8(options, more).bytes(image).done();
  }

  /** Multiboot without ELF and without addresses, or with more than there is. */
  private static byte[] multiboot(int flags) {
    return new Words()
        .zeros(16)
        .u32(0x1BAD_B002, flags, -(0x1BAD_B002 + flags))
        .u32(0x10_0010, 0x10_0000, 0x10_0100, 0x10_0200, 0x10_0040)
        .zeros(256)
        .done();
  }

  /** An ELF image with a multiboot header behind it, which is found in the first 8 KiB. */
  private static byte[] multibootElf(byte[] elf) {
    return new Words().bytes(elf).zeros(-elf.length & 3).u32(0x1BAD_B002, 0, -0x1BAD_B002).done();
  }

  /** ELF32 for the 386 with a segment. */
  private static byte[] narrow() {
    return new Words()
        .u8(0x7F, 'E', 'L', 'F', 1, 1, 1)
        .zeros(9)
        .u16(2, 3)
        .u32(1, 0x10_0000, 52, 0, 0)
        .u16(52, 32, 1, 40, 0, 0)
        .u32(1, 0x60, 0x10_0000, 0x10_0000, 0x20, 0x1000, 5, 0x1000)
        .zeros(0x80 - 84)
        .done();
  }

  /** A kernel with the two segments and the random seed's that OpenBSD's have. */
  private static byte[] openBsd() {
    return new Words()
        .u8(0x7F, 'E', 'L', 'F', 2, 1, 1)
        .zeros(9)
        .u16(2, 62)
        .u32(1)
        .u64(0x10_0000, 64, 0)
        .u32(0)
        .u16(64, 56, 3, 64, 0, 0)
        .u32(1, 5)
        .u64(0x200, 0xFFFF_FFFF_8100_0000L, 0x100_0000, 0x40, 0x1000, 0x1000)
        .u32(0x65A3_DBE6L, 6)
        .u64(0x240, 0xFFFF_FFFF_8100_2000L, 0x100_2000, 0x100, 0x100, 8)
        .u32(4, 4)
        .u64(0x180, 0, 0, 24, 24, 4)
        .zeros(0x180 - 64 - 168)
        .u32(8, 4, 1)
        .u8('O', 'p', 'e', 'n', 'B', 'S', 'D', 0)
        .u32(0)
        .zeros(0x200 - 0x198)
        .zeros(0x140)
        .done();
  }

  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    int o = in.u8();
    int more = in.u8();
    byte[] image = in.rest();
    byte[] initrd = (o & INITRD) == 0 ? null : new byte[3000];
    try {
      LoadedGuest g =
          ImageLoader.load(
              new BootOptions(
                  "image",
                  image,
                  initrd,
                  (more & LONG_LINE) == 0 ? "console=ttyS0" : "x".repeat(2049),
                  (o & ENTRY_32) != 0,
                  null,
                  new byte[0],
                  (o & SEV) == 0 ? 0 : 1L << 51,
                  OpenBsdLaunch.values()[(o >> 5) % OpenBsdLaunch.values().length],
                  (o & EVERY_ELF_IS_OPENBSD) != 0,
                  (more & TWO_PROCESSORS) == 0 ? 1 : 2,
                  (o & ACPI) == 0
                      ? null
                      : PcBoard.describe(Hardware.Board.PC, 2, memory.ram(), true),
                  (o & SEV) != 0,
                  1,
                  new LaunchChoices(ResetState.QEMU, 0x800F12, KernelHashing.AUTO)),
              memory);
      g.stateOf(0);
      g.stateOf(1);
      for (LoadedGuest.Range r : g.ranges()) {
        if (r.address() < 0 || r.length() <= 0) {
          throw new IllegalStateException("a range that is none: " + r);
        }
      }
    } catch (BootException e) {
      Refusals.requireLine(e);
    }
    try {
      LinuxBootRom.of(image, image.length, 10, initrd == null ? 0 : initrd.length, 32 << 20);
    } catch (IllegalArgumentException e) {
      Refusals.requireLine(e);
    }
  }
}
