package dev.vesper.machine.boot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import dev.vesper.machine.vmm.PcBoard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What memory a kernel is told of that is entered directly, on a board with a hole. */
final class MemoryMapTest {
  private static final GuestRam RAM = new GuestRam(0x8000_0000L, 0x3_8000_0000L);
  private static final long BOOT_INFO = 0x9_0000;
  private static final int FREE = 1;

  /** A range of a map, and what it is. */
  private record Range(long address, long length, int type) {
    static Range read(ByteBuffer b, int at) {
      return new Range(b.getLong(at), b.getLong(at + 8), b.getInt(at + 16));
    }
  }

  private static final Range UPPER = new Range(1L << 32, RAM.above4G(), FREE);
  private static final Range MIDDLE = new Range(0x10_0000, RAM.below4G() - 0x10_0000, FREE);

  private static HostView loaded(byte[] image, byte[] initrd) throws BootException {
    HostView view = new PhysicalMemory(RAM, 0, 0).hostView();
    ImageLoader.load(
        new BootOptions(
            "kernel",
            image,
            initrd,
            "",
            false,
            null,
            new byte[0],
            0,
            OpenBsdLaunch.BOOTX64,
            false,
            1,
            PcBoard.describe(Hardware.Board.Q35, 1, RAM, true),
            false,
            1,
            new LaunchChoices(ResetState.QEMU, 0x800F12, KernelHashing.AUTO)),
        view);
    return view;
  }

  private static ByteBuffer at(HostView view, long address) {
    return ByteBuffer.wrap(view.bytes(address, 4096)).order(ByteOrder.LITTLE_ENDIAN);
  }

  @Test
  void linuxFindsBothParts() throws BootException {
    ByteBuffer params = at(loaded(LoaderFuzzTest.bzImage(), new byte[5000]), 0x1_0000);
    List<Range> map = new ArrayList<>();
    for (int i = 0; i < params.get(0x1E8); i++) {
      map.add(Range.read(params, 0x2D0 + 20 * i));
    }
    assertThat(map).endsWith(MIDDLE, UPPER).hasSize(5);
    assertThat(params.getInt(0x218)).as("the initrd").isEqualTo(0x800_0000);
  }

  @Test
  void pvhTellsOfBothParts() throws BootException {
    ByteBuffer info = at(loaded(LoaderFuzzTest.elf(false), new byte[5000]), BOOT_INFO);
    assertThat(info.getInt(48)).isEqualTo(5);
    int map = (int) (info.getLong(40) - BOOT_INFO);
    assertThat(Range.read(info, map + 3 * 24)).isEqualTo(MIDDLE);
    assertThat(Range.read(info, map + 4 * 24)).isEqualTo(UPPER);
    int modules = (int) (info.getLong(16) - BOOT_INFO);
    assertThat(modules).as("the map ends before").isGreaterThanOrEqualTo(map + 5 * 24);
    assertThat(info.getLong(modules + 8)).as("length of the initrd").isEqualTo(5000);
  }

  @Test
  void multibootTellsOfBothParts() throws BootException {
    ByteBuffer info = at(loaded(LoaderFuzzTest.elf(true), new byte[10]), BOOT_INFO);
    assertThat(info.getInt(8)).as("KiB from 1 MiB on").isEqualTo((2 << 20) - 1024);
    assertThat(info.getInt(44)).isEqualTo(3 * 24);
    int map = (int) (info.getInt(48) - BOOT_INFO);
    assertThat(Range.read(info, map + 24 + 4)).isEqualTo(MIDDLE);
    assertThat(Range.read(info, map + 48 + 4)).isEqualTo(UPPER);
    assertThat(info.getInt(64)).as("the loader's name").isGreaterThan((int) BOOT_INFO + map + 72);
  }

  @Test
  void openBsdFindsThemInVmdsOrder() {
    ByteBuffer b =
        ByteBuffer.wrap(
                BootArguments.build(
                    new GuestRam(0xF000_0000L, 0x1000_0000L),
                    BootArguments.LOW_RAM_END,
                    0xF000_0000L,
                    0))
            .order(ByteOrder.LITTLE_ENDIAN);
    assertThat(Range.read(b, 12 + 2 * 20)).isEqualTo(new Range(0x10_0000, 0xEFF0_0000L, FREE));
    assertThat(Range.read(b, 12 + 3 * 20)).isEqualTo(new Range(0xFFC0_0000L, 0x40_0000, 2));
    assertThat(Range.read(b, 12 + 4 * 20)).isEqualTo(new Range(1L << 32, 0x1000_0000L, FREE));
    assertThat(Range.read(b, 12 + 5 * 20)).isEqualTo(new Range(0, 0, 0));
    assertThat(b.getInt(4)).as("bytes of the record").isEqualTo(12 + 6 * 20);
  }
}
