package dev.vesper.machine.spec;

import java.util.List;
import java.util.OptionalInt;

/**
 * What firmware is told about booting, as QEMU's {@code -boot} does it: an order of kinds of
 * devices in the CMOS memory, which a BIOS goes by, and items of the firmware configuration device.
 *
 * @param order letters of devices, at most three: a and b floppies, c hard disk, d CD-ROM, n
 *     network; empty for the firmware's own order
 * @param once the order of the first boot, up to a reset; empty if it is no other one
 * @param menu whether firmware shows a menu of what there is to boot, and waits for a key
 * @param menuMillis how long it waits
 * @param retryMillis after how long a BIOS that finds nothing to boot starts again
 * @param strict nothing is booted but devices with a boot index
 */
public record BootOptions(
    String order,
    String once,
    boolean menu,
    OptionalInt menuMillis,
    OptionalInt retryMillis,
    boolean strict) {
  /** Kinds of devices by the numbers that CMOS memory has for them, from 1; 0 is none. */
  private static final List<String> KINDS = List.of("ab", "c", "d", "n");

  /** What QEMU's PC has where nothing is said. */
  private static final String USUAL = "cad";

  private static final int MOST = 3;

  /**
   * Options.
   *
   * @throws IllegalArgumentException if there is no such device, or one twice, or too many
   */
  public BootOptions {
    for (String s : List.of(order, once)) {
      if (s.length() > MOST || s.chars().distinct().count() < s.length()) {
        throw new IllegalArgumentException("an order has three devices at most, each once: " + s);
      }
      for (char c : s.toCharArray()) {
        kind(c);
      }
    }
  }

  private static int kind(char device) {
    for (int i = 0; i < KINDS.size(); i++) {
      if (KINDS.get(i).indexOf(device) >= 0) {
        return i + 1;
      }
    }
    throw new IllegalArgumentException(
        "there are c (hard disk), d (CD-ROM), n (network) and a (floppy), not '" + device + "'");
  }

  /**
   * {@return the order as CMOS memory has it, four bits a device, the first one lowest}
   *
   * @param first of the first boot, not of those after a reset
   */
  public int cmos(boolean first) {
    String s = first && !once.isEmpty() ? once : order.isEmpty() ? USUAL : order;
    int v = 0;
    for (int i = 0; i < s.length(); i++) {
      v |= kind(s.charAt(i)) << 4 * i;
    }
    return v;
  }
}
