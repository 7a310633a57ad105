package dev.vesper.machine.boot;

import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.sev.LaunchState;
import java.util.List;

/** A flash image that ends at 4 GiB: the processor starts 16 bytes before its end. */
public final class FirmwareImage {
  private static final long END = 1L << 32;
  private static final int LARGEST = 16 << 20;

  /**
   * GUID of the table of OVMF's reset vector, as it lies in memory; it ends 32 bytes before 4 GiB.
   */
  private static final long TABLE_GUID_LOW = 0x45F7_1FB2_96B5_82DEL;

  private static final long TABLE_GUID_HIGH = 0x2D08_5AC5_66A3_EABAL;
  private static final int TABLE_END = 32;

  /** GUID of the SEV-ES reset block: the address where application processors start. */
  private static final long RESET_BLOCK_LOW = 0x4FCB_1A7E_00F7_71DEL;

  private static final long RESET_BLOCK_HIGH = 0x4EB4_2F7E_C768_0E89L;

  private FirmwareImage() {}

  /** {@return the guest physical address of the flash} */
  public static long base(byte[] code, byte[] variables) {
    return END - code.length - variables.length;
  }

  static LoadedGuest load(byte[] image, byte[] variables, HostView view) throws BootException {
    int all = image.length + variables.length;
    if (image.length < 0x1_0000
        || all > LARGEST
        || (image.length & 0xFFF) != 0
        || (variables.length & 0xFFF) != 0) {
      throw new BootException(
          "the firmware has "
              + image.length
              + " bytes and its variables "
              + variables.length
              + ": a flash has 64 KiB to 16 MiB in whole pages");
    }
    view.write(base(image, variables), variables, 0, variables.length);
    view.write(END - image.length, image, 0, image.length);
    LoadedGuest g =
        LoadedGuest.of(
            "firmware",
            new LaunchState(),
            List.of(new LoadedGuest.Range(END - image.length, image.length)));
    return g.startingAps(apState(image));
  }

  /** {@return where application processors start: the reset vector, or the SEV-ES reset block} */
  private static LaunchState apState(byte[] b) {
    LaunchState s = new LaunchState();
    long address = resetBlock(b);
    if (address != 0) {
      s.segment(LaunchState.CS, 0xF000, 0x9B, 0xFFFF, address & 0xFFFF_0000L);
      s.set(LaunchState.RIP, address & 0xFFFF);
    }
    return s;
  }

  /**
   * Walks the table from its end: each entry has its data, a 16-bit length of all of it, and a GUID
   * (OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm).
   */
  private static long resetBlock(byte[] b) {
    int guid = b.length - TABLE_END - 16;
    if (Bytes.u64(b, guid) != TABLE_GUID_LOW || Bytes.u64(b, guid + 8) != TABLE_GUID_HIGH) {
      return 0;
    }
    int total = Bytes.u16(b, guid - 2);
    int start = guid + 16 - total;
    for (int end = guid - 2; end - 18 >= start; ) {
      int length = Bytes.u16(b, end - 18);
      if (Bytes.u64(b, end - 16) == RESET_BLOCK_LOW && Bytes.u64(b, end - 8) == RESET_BLOCK_HIGH) {
        return Bytes.u32(b, end - length);
      }
      if (length < 18) {
        return 0;
      }
      end -= length;
    }
    return 0;
  }
}
