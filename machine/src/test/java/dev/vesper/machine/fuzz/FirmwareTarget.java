package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.boot.BootOptions;
import dev.vesper.machine.boot.FirmwareTable;
import dev.vesper.machine.boot.ImageLoader;
import dev.vesper.machine.boot.LaunchChoices;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import java.util.List;

/** OVMF's table of reset vectors, hashes and secrets at the end of an image of 4 KiB. */
public final class FirmwareTarget implements FuzzTarget {
  private static final int FLASH = 4096;
  private static final int RESET_VECTOR = 32;

  private final HostView memory = new PhysicalMemory(1 << 20, 1 << 20, 0).hostView();

  @Override
  public String name() {
    return "firmware";
  }

  @Override
  public List<String> covers() {
    return List.of(
        "dev.vesper.machine.boot.Firmware",
        "dev.vesper.machine.boot.KernelHashes",
        "dev.vesper.machine.boot.WakingVector");
  }

  @Override
  public int longest() {
    return FLASH;
  }

  /** GUIDs as they lie in memory. */
  private static byte[] guid(String hex) {
    return java.util.HexFormat.of().parseHex(hex);
  }

  @Override
  public List<byte[]> seeds() {
    // An entry: data, length with the head, GUID. The last one is of the whole table.
    byte[] entries =
        new Words()
            .u32(0x80_B004)
            .u16(22)
            .bytes(guid("de71f7007e1acb4f890e68c77e2fb44e"))
            .u32(0x10_0000, 0x400)
            .u16(26)
            .bytes(guid("b130aa4c72d0164e8d8a1c67c4ba9c1c"))
            .u32(0x10_0400, 0x400)
            .u16(26)
            .bytes(guid("1f37551b3a3afa4b93c7da1dfa8b3d5b"))
            .done();
    return List.of(
        new Words()
            .u8(3)
            .bytes(entries)
            .u16(entries.length + 18)
            .bytes(guid("de82b596b21ff745baeaa366c55a082d"))
            .zeros(RESET_VECTOR)
            .done());
  }

  /** What is given lies at the end of the flash; its first byte chooses. */
  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    int o = in.u8();
    byte[] end = in.bytes(FLASH);
    byte[] flash = new byte[FLASH];
    System.arraycopy(end, 0, flash, FLASH - end.length, end.length);
    new FirmwareTable(flash).secrets();
    try {
      ImageLoader.load(
          new BootOptions(
              "kernel",
              (o & 1) == 0 ? new byte[0] : new byte[16],
              null,
              "",
              false,
              flash,
              new byte[0],
              (o & 2) == 0 ? 0 : 1L << 51,
              OpenBsdLaunch.BOOTX64,
              false,
              1 + (o >> 6),
              null,
              (o & 4) != 0,
              1,
              new LaunchChoices(
                  ResetState.QEMU,
                  0x800F12,
                  KernelHashing.values()[(o >> 4) % KernelHashing.values().length])),
          memory);
    } catch (BootException e) {
      // One line that says what is wrong.
    }
  }
}
