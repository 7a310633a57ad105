package dev.vesper.machine.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import dev.vesper.machine.vmm.PcBoard;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Damaged images: a clear refusal or a load, never anything else. */
@Tag("slow")
final class LoaderFuzzTest {
  private static final int ROUNDS = 100_000;

  private static void put(byte[] b, int at, int n, long v) {
    for (int i = 0; i < n; i++) {
      b[at + i] = (byte) (v >> 8 * i);
    }
  }

  static byte[] bzImage() {
    byte[] b = new byte[4096];
    b[0x1F1] = 1;
    put(b, 0x1F4, 4, 64);
    b[0x201] = 0x66;
    put(b, 0x202, 4, 0x5372_6448L);
    put(b, 0x206, 2, 0x20F);
    b[0x211] = 1;
    put(b, 0x22C, 4, 0x7FFF_FFFF);
    put(b, 0x230, 4, 0x20_0000);
    put(b, 0x236, 2, 0x7F);
    put(b, 0x238, 4, 2047);
    put(b, 0x258, 8, 0x100_0000);
    put(b, 0x260, 4, 0x10_0000);
    return b;
  }

  static byte[] elf(boolean multiboot) {
    byte[] b = new byte[1024];
    put(b, 0, 4, 0x464C_457FL);
    b[4] = 2;
    b[5] = 1;
    put(b, 18, 2, 62);
    put(b, 24, 8, 0x10_0000);
    put(b, 32, 8, 64);
    put(b, 54, 2, 56);
    put(b, 56, 2, 2);
    put(b, 64, 4, 1);
    put(b, 72, 8, 512);
    put(b, 80, 8, 0x10_0000);
    put(b, 88, 8, 0x10_0000);
    put(b, 96, 8, 256);
    put(b, 104, 8, 4096);
    put(b, 120, 4, 4);
    put(b, 128, 8, 768);
    put(b, 152, 8, 64);
    put(b, 768, 4, 4);
    put(b, 772, 4, 4);
    put(b, 776, 4, 18);
    put(b, 780, 4, 0x6E_6558);
    put(b, 784, 4, 0x10_0000);
    if (multiboot) {
      put(b, 512, 4, 0x1BAD_B002L);
      put(b, 520, 4, -0x1BAD_B002L);
    }
    return b;
  }

  @Test
  void mutatedImagesNeverEscape() {
    Random r = new Random(99);
    byte[][] seeds = {bzImage(), elf(false), elf(true)};
    HostView view = new PhysicalMemory(32 << 20, 0).hostView();
    int loaded = 0;
    int refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
      byte[] b = seeds[i % 3].clone();
      int changes = 1 + r.nextInt(4);
      for (int k = 0; k < changes; k++) {
        int at =
            r.nextInt(4) == 0
                ? r.nextInt(b.length)
                : (i % 3 == 0 ? 0x1F0 + r.nextInt(0x80) : r.nextInt(176));
        b[at] = (byte) (r.nextBoolean() ? r.nextInt() : r.nextBoolean() ? 0xFF : 0x7F);
      }
      if (r.nextInt(8) == 0) {
        b = java.util.Arrays.copyOf(b, r.nextInt(b.length));
      }
      byte[] disk = r.nextInt(4) == 0 ? new byte[r.nextInt(1 << 16)] : null;
      try {
        LoadedGuest g =
            ImageLoader.load(
                new BootOptions(
                    "image",
                    b,
                    disk,
                    "",
                    (i & 1) != 0,
                    null,
                    new byte[0],
                    i % 5 == 0 ? 1L << 51 : 0,
                    OpenBsdLaunch.values()[i % 3],
                    i % 7 == 0,
                    1 + i % 2,
                    i % 3 == 0 ? PcBoard.describe(Hardware.Board.PC, 2, view.ram(), true) : null,
                    i % 2 == 0,
                    i,
                    LAUNCH),
                view);
        assertThat(g.ranges()).isNotEmpty();
        loaded++;
      } catch (BootException e) {
        assertThat(e.getMessage()).isNotEmpty().doesNotContain("\n");
        refused++;
      }
    }
    assertThat(loaded).isGreaterThan(1000);
    assertThat(refused).isGreaterThan(1000);
  }

  private static BootOptions options(String name, byte[] image) {
    return new BootOptions(
        name,
        image,
        null,
        "",
        false,
        null,
        new byte[0],
        0,
        OpenBsdLaunch.BOOTX64,
        false,
        1,
        null,
        false,
        1,
        LAUNCH);
  }

  private static final LaunchChoices LAUNCH =
      new LaunchChoices(ResetState.QEMU, 0x800F12, KernelHashing.AUTO);

  /** {@return the options of a firmware that is handed a kernel} */
  private static BootOptions firmware(byte[] code) {
    return new BootOptions(
        "kernel",
        new byte[16],
        null,
        "",
        false,
        code,
        new byte[0],
        1L << 51,
        OpenBsdLaunch.BOOTX64,
        false,
        1,
        null,
        false,
        1,
        LAUNCH);
  }

  @ParameterizedTest
  @CsvSource({"0, no bzImage", "3, no bzImage", "4096, no bzImage"})
  void wrongFormatsAreNamed(int size, String words) {
    HostView view = new PhysicalMemory(32 << 20, 0).hostView();
    assertThatThrownBy(() -> ImageLoader.load(options("thing", new byte[size]), view))
        .isInstanceOf(BootException.class)
        .hasMessageContaining("thing")
        .hasMessageContaining(words);
  }

  @Test
  void tooLittleMemoryIsNamed() {
    HostView view = new PhysicalMemory(4 << 20, 0).hostView();
    assertThatThrownBy(() -> ImageLoader.load(options("vmlinuz", bzImage()), view))
        .hasMessageContaining("4 MiB")
        .hasMessageContaining("-m");
  }

  @Test
  void aTruncatedKernelIsNamed() {
    HostView view = new PhysicalMemory(64 << 20, 0).hostView();
    byte[] b = java.util.Arrays.copyOf(bzImage(), 1500);
    assertThatThrownBy(() -> ImageLoader.load(options("vmlinuz", b), view))
        .hasMessageContaining("truncated");
  }

  /** The table of reset vectors is walked, however long its entries claim to be. */
  @Test
  void firmwareOfAnyBytesIsLoadedOrRefused() throws BootException {
    Random r = new Random(11);
    byte[] guid = HexFormat.of().parseHex("de82b596b21ff745baeaa366c55a082d");
    byte[] block = HexFormat.of().parseHex("de71f7007e1acb4f890e68c77e2fb44e");
    for (int i = 0; i < 300; i++) {
      byte[] b = new byte[0x1_0000];
      r.nextBytes(b);
      System.arraycopy(guid, 0, b, b.length - 48, 16);
      System.arraycopy(block, 0, b, b.length - 66, 16);
      HostView view = new PhysicalMemory(GuestRam.below(1 << 20), 1 << 20, 0).hostView();
      assertThat(ImageLoader.load(firmware(b), view).ranges()).isNotEmpty();
    }
    HostView view = new PhysicalMemory(GuestRam.below(1 << 20), 1 << 20, 0).hostView();
    for (int size : new int[] {0, 2048, 0x1_0001, 17 << 20}) {
      assertThatThrownBy(() -> ImageLoader.load(firmware(new byte[size]), view))
          .isInstanceOf(BootException.class);
    }
  }
}
