package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.boot.BootOptions;
import dev.vesper.machine.boot.ImageLoader;
import dev.vesper.machine.boot.LaunchChoices;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import dev.vesper.machine.vmm.PcBoard;
import java.util.List;

/** Kernels of every format: a byte of options, then the image. */
public final class ImageTarget implements FuzzTarget {
  private static final int SEV = 1;
  private static final int ENTRY_32 = 2;
  private static final int EVERY_ELF_IS_OPENBSD = 4;
  private static final int ACPI = 8;
  private static final int INITRD = 16;

  private final HostView memory = new PhysicalMemory(32 << 20, 0).hostView();

  @Override
  public String name() {
    return "image";
  }

  @Override
  public List<String> covers() {
    return List.of("dev.vesper.machine.boot.");
  }

  @Override
  public int inputs() {
    return 20_000;
  }

  @Override
  public List<byte[]> seeds() {
    byte[] flat = FlatGuest.image("cli\nhlt");
    return List.of(
        with(0, bzImage()),
        with(ENTRY_32 | ACPI | INITRD, bzImage()),
        with(0, multiboot(0)),
        with(0, multiboot(0x1_0000)),
        with(0, pvh()),
        with(SEV, flat),
        with(EVERY_ELF_IS_OPENBSD, flat),
        with(SEV | EVERY_ELF_IS_OPENBSD, openBsd()));
  }

  private static byte[] with(int options, byte[] image) {
    return new Words().u8(options).bytes(image).done();
  }

  private static byte[] bzImage() {
    return new Words()
        .zeros(0x1F1)
        .u8(1)
        .u16(0)
        .u32(64)
        .zeros(9)
        .u8(0x66, 0)
        .u32(0x5372_6448)
        .u16(0x20F)
        .zeros(9)
        .u8(1)
        .zeros(0x1A)
        .u32(0x7FFF_FFFF)
        .u32(0x20_0000)
        .u16(0)
        .u16(0x7F)
        .u32(2047)
        .zeros(28)
        .u64(0x100_0000)
        .u32(0x10_0000)
        .zeros(0x400 - 0x264)
        .zeros(1024)
        .done();
  }

  /** Multiboot without ELF: the header says where everything goes. */
  private static byte[] multiboot(int flags) {
    return new Words()
        .zeros(16)
        .u32(0x1BAD_B002, flags, -(0x1BAD_B002 + flags))
        .u32(0x10_0010, 0x10_0000, 0x10_0100, 0x10_0200, 0x10_0040)
        .zeros(256)
        .done();
  }

  private static Words elf(int segments) {
    return new Words()
        .u8(0x7F, 'E', 'L', 'F', 2, 1, 1)
        .zeros(9)
        .u16(2, 62)
        .u32(1)
        .u64(0x10_0000, 64, 0)
        .u32(0)
        .u16(64, 56, segments, 64, 0, 0);
  }

  private static byte[] pvh() {
    return elf(2)
        .u32(1, 5)
        .u64(0x200, 0x10_0000, 0x10_0000, 0x40, 0x1000, 0x1000)
        .u32(4, 4)
        .u64(0x100, 0, 0, 20, 20, 4)
        .zeros(0x100 - 64 - 112)
        .u32(4, 4, 18, 0x6E_6558, 0x10_0000)
        .zeros(0x200 - 0x114)
        .zeros(0x40)
        .done();
  }

  /** A kernel with the two segments and the random seed's that OpenBSD's have. */
  private static byte[] openBsd() {
    return elf(3)
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
    byte[] image = in.rest();
    try {
      ImageLoader.load(
          new BootOptions(
              "image",
              image,
              (o & INITRD) == 0 ? null : new byte[3000],
              "console=ttyS0",
              (o & ENTRY_32) != 0,
              null,
              new byte[0],
              (o & SEV) == 0 ? 0 : 1L << 51,
              OpenBsdLaunch.values()[(o >> 5) % OpenBsdLaunch.values().length],
              (o & EVERY_ELF_IS_OPENBSD) != 0,
              1 + (o >> 7),
              (o & ACPI) == 0
                  ? null
                  : PcBoard.describe(Hardware.Board.PC, 2, memory.guestBytes(), true),
              (o & SEV) != 0,
              1,
              new LaunchChoices(ResetState.QEMU, 0x800F12, KernelHashing.AUTO)),
          memory);
    } catch (BootException e) {
      // One line that says what is wrong.
      if (String.valueOf(e.getMessage()).contains("\n")) {
        throw new IllegalStateException(e);
      }
    }
  }
}
