package dev.vesper.machine.sev;

import dev.vesper.machine.launch.EndorsementKey;
import org.jspecify.annotations.Nullable;

/**
 * The keys that sign reports about a guest, and whose secrets its keys are derived from.
 *
 * @param vcek the chip's; null if the guest's launch has disabled it
 * @param vlek the one that was lent to the platform; null if none was loaded
 */
record ReportKeys(@Nullable EndorsementKey vcek, @Nullable EndorsementKey vlek) {
  /** What a request has that leaves the choice to the platform: VLEK if there is one. */
  private static final int ANY = 0;

  private static final int VCEK = 1;
  private static final int VLEK = 2;

  /**
   * {@return the key that a request selects, or null if there is none}
   *
   * @param select KEY_SEL, 0 to 3 (spec: snp 7.3)
   */
  @Nullable EndorsementKey selected(int select) {
    return switch (select) {
      case ANY -> vlek == null ? vcek : vlek;
      case VCEK -> vcek;
      case VLEK -> vlek;
      default -> null;
    };
  }

  /** {@return why {@link #selected} gives none} */
  static String none(int select) {
    return switch (select) {
      case ANY -> "VCEK is disabled, and no VLEK is loaded";
      case VCEK -> "VCEK is disabled";
      case VLEK -> "no VLEK is loaded";
      default -> "key selection " + select + " is reserved";
    };
  }
}
