package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.boot.BootOptions;
import dev.vesper.machine.boot.FirmwareTable;
import dev.vesper.machine.boot.ImageLoader;
import dev.vesper.machine.boot.LaunchChoices;
import dev.vesper.machine.boot.WakingVector;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * OVMF's table of reset vectors, hashes and secrets at the end of an image of 4 KiB, and what a
 * guest leaves in memory for firmware that wakes it.
 */
public final class FirmwareTarget implements FuzzTarget {
  private static final int FLASH = 4096;
  private static final int RESET_VECTOR = 32;
  private static final int ACPI = 0xE_0000;

  /** Bits of the first byte. */
  private static final int KERNEL = 1;

  private static final int SEV = 2;
  private static final int ENCRYPTED_STATE = 4;
  private static final int ODD_VARIABLES = 8;

  private final HostView memory =
      new PhysicalMemory(GuestRam.below(1 << 20), 1 << 20, 0).hostView();

  @Override
  public String name() {
    return "firmware";
  }

  @Override
  public List<String> covers() {
    return Stream.of("FirmwareImage", "FirmwareTable", "KernelHashes", "LegacyBios", "WakingVector")
        .map("dev.vesper.machine.boot."::concat)
        .toList();
  }

  @Override
  public int longest() {
    return FLASH + 1;
  }

  /** An entry: data, length with the head, GUID. */
  private static byte[] entry(byte[] data, String guid) {
    return new Words()
        .bytes(data)
        .u16(data.length + 18)
        .bytes(HexFormat.of().parseHex(guid))
        .done();
  }

  /** The last entry is of the whole table. */
  private static byte[] table(byte[]... entries) {
    Words w = new Words();
    for (byte[] e : entries) {
      w.bytes(e);
    }
    return new Words()
        .bytes(w.done())
        .u16(w.length() + 18)
        .bytes(HexFormat.of().parseHex("de82b596b21ff745baeaa366c55a082d"))
        .zeros(RESET_VECTOR)
        .done();
  }

  @Override
  public List<byte[]> seeds() {
    byte[] vector = entry(new Words().u32(0x80_B004).done(), "de71f7007e1acb4f890e68c77e2fb44e");
    byte[] secrets =
        entry(new Words().u32(0x8_0000, 0xC00).done(), "61b32e4c9b7dc34c8081127c90d3d294");
    byte[] hashes =
        entry(new Words().u32(0x8_0C00, 0x400).done(), "1f3755723b3a044b927b1da6efa8d454");
    byte[] outside =
        entry(new Words().u32(0x81_0C00, 0x400).done(), "1f3755723b3a044b927b1da6efa8d454");
    List<byte[]> all = new ArrayList<>();
    for (int o : new int[] {0, KERNEL, KERNEL | SEV, KERNEL | SEV | ENCRYPTED_STATE}) {
      for (KernelHashing h : KernelHashing.values()) {
        for (byte[] t : List.of(table(hashes, secrets, vector), table(outside), table(vector))) {
          all.add(new Words().u8(o | h.ordinal() << 4).bytes(t).done());
        }
      }
    }
    all.add(new Words().u8(ODD_VARIABLES).done());
    all.add(waking());
    return all;
  }

  /** RSDP, RSDT, FADT and FACS, as they lie from E0000h on. */
  private static byte[] waking() {
    return new Words()
        .u8(0)
        .u64(0x2052_5450_2044_5352L, 0)
        .u32(ACPI + 0x20, 0, 0, 0)
        .u32(0x5444_5352, 44)
        .zeros(28)
        .u32(ACPI + 0x60, ACPI + 0x60)
        .zeros(0x60 - 0x20 - 44)
        .u32(0x5043_4146)
        .zeros(32)
        .u32(ACPI + 0xA0)
        .zeros(0xA0 - 0x60 - 40)
        .u32(0x5343_4146, 64, 0, 0x9_A010)
        .done();
  }

  /** What is given lies at the end of the flash; its first byte chooses. */
  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    int o = in.u8();
    byte[] end = in.bytes(FLASH);
    byte[] flash = new byte[FLASH];
    System.arraycopy(end, 0, flash, FLASH - end.length, end.length);
    memory.write(ACPI, new byte[FLASH], 0, FLASH);
    memory.write(ACPI, end, 0, end.length);
    WakingVector.state(memory);
    new FirmwareTable(flash).secrets();
    try {
      ImageLoader.load(
          new BootOptions(
              "kernel",
              (o & KERNEL) == 0 ? new byte[0] : new byte[16],
              null,
              "",
              false,
              flash,
              new byte[(o & ODD_VARIABLES) == 0 ? 0 : 16],
              (o & SEV) == 0 ? 0 : 1L << 51,
              OpenBsdLaunch.BOOTX64,
              false,
              1 + (o >> 6),
              null,
              (o & ENCRYPTED_STATE) != 0,
              1,
              new LaunchChoices(
                  ResetState.QEMU,
                  0x800F12,
                  KernelHashing.values()[(o >> 4) % KernelHashing.values().length])),
          memory);
    } catch (BootException e) {
      Refusals.requireLine(e);
    }
  }
}
