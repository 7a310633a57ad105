package dev.vesper.machine.boot;

import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.ArrayList;
import java.util.List;

/** Firmware that ends at 4 GiB: the processor starts 16 bytes before its end. */
public final class FirmwareImage {
  /** What the range is called that is the firmware itself. */
  public static final String FIRMWARE = "firmware";

  /** What the range is called that holds the hashes of what firmware is handed. */
  public static final String HASHES = "kernel hashes";

  private static final long END = 1L << 32;
  private static final int LARGEST = 16 << 20;
  private static final int SMALLEST = 4096;

  private FirmwareImage() {}

  /** {@return the guest physical address where variables and code begin} */
  public static long base(byte[] code, byte[] variables) {
    return END - code.length - variables.length;
  }

  static LoadedGuest load(BootOptions o, byte[] image, HostView view) throws BootException {
    byte[] variables = o.variables();
    int all = image.length + variables.length;
    if (image.length < SMALLEST
        || all > LARGEST
        || (image.length & 0xFFF) != 0
        || (variables.length & 0xFFF) != 0) {
      throw new BootException(
          "the firmware has "
              + image.length
              + " bytes and its variables "
              + variables.length
              + ": there can be 4 KiB to 16 MiB in whole pages");
    }
    view.write(base(image, variables), variables, 0, variables.length);
    view.write(END - image.length, image, 0, image.length);
    if (o.cBit() == 0) {
      // An encrypted guest starts in the ROM alone, and no BIOS can be one.
      LegacyBios.place(image, view);
    }
    FirmwareTable table = new FirmwareTable(image);
    List<LoadedGuest.Range> ranges = new ArrayList<>();
    ranges.add(new LoadedGuest.Range(END - image.length, image.length, FIRMWARE));
    LaunchChoices c = o.launch();
    SnpLaunch snp = c.snp();
    if (snp != null) {
      SnpPages.place(o, table, view, ranges);
    } else {
      hashes(o, table, view, ranges);
    }
    LoadedGuest g =
        LoadedGuest.of("firmware", LaunchState.atReset(c.reset(), c.signature()), ranges);
    LoadedGuest whole = g.startingAps(apState(c, table.resetAddress()));
    return snp == null ? whole : whole.snp(ranges, snp.features());
  }

  private static void hashes(
      BootOptions o, FirmwareTable table, HostView view, List<LoadedGuest.Range> ranges)
      throws BootException {
    FirmwareTable.Area place = table.hashes();
    if (o.cBit() == 0 || !wanted(o, place != null) || place == null) {
      return;
    }
    if (place.length() < KernelHashes.BYTES
        || !view.contains(place.address(), place.length())
        || (place.address() & 15) != 0) {
      throw new BootException(
          "the firmware wants hashes of the kernel at 0x"
              + Long.toHexString(place.address())
              + ", which this guest has no memory for: give it more with -m");
    }
    byte[] b = KernelHashes.of(o.image(), o.initrd(), o.commandLine());
    view.write(place.address(), b, 0, b.length);
    ranges.add(new LoadedGuest.Range(place.address(), b.length, HASHES));
  }

  /**
   * {@return whether hashes become part of the launch}
   *
   * @param place whether the firmware has a place for them
   * @throws BootException if there must be one and is not
   */
  static boolean wanted(BootOptions o, boolean place) throws BootException {
    KernelHashing wanted = o.launch().hashes();
    if (wanted == KernelHashing.ON && !place) {
      throw new BootException(
          "the firmware has no place for hashes of the kernel: use one that has (OVMF's AmdSev"
              + " build), or --kernel-hashes off");
    }
    return place
        && (wanted == KernelHashing.ON || wanted == KernelHashing.AUTO && o.image().length != 0);
  }

  /** {@return where application processors start: the reset vector, or the SEV-ES reset block} */
  private static LaunchState apState(LaunchChoices c, long address) {
    LaunchState s = LaunchState.ofApAtReset(c.reset(), c.signature());
    if (address != 0) {
      s.base(VmsaField.CS, address & 0xFFFF_0000L);
      s.set(VmsaField.RIP, address & 0xFFFF);
    }
    return s;
  }
}
