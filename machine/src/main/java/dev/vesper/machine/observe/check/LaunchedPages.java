package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.Event.RmpChanged;
import java.util.ArrayList;
import java.util.List;

/** The pages that an SNP launch has given to the guest, with their types. */
final class LaunchedPages {
  /** The type of the secrets page. */
  static final String SECRETS = "SECRETS";

  private static final int MOST = 4096;

  private record Range(long from, long end, String type) {}

  private final List<Range> ranges = new ArrayList<>();

  /** Adds pages that were launched. */
  void add(RmpChanged e) {
    if (ranges.size() < MOST) {
      // The type comes first; what lies there follows.
      String type = e.what().split("[ ,]", 2)[0];
      ranges.add(new Range(e.gpa(), e.gpa() + e.pages() * 4096, type));
    }
  }

  /** {@return whether there are any: the guest is one under SEV-SNP} */
  boolean any() {
    return !ranges.isEmpty();
  }

  /** {@return the type by which a page was launched, empty if it was not} */
  String type(long gpa) {
    for (Range r : ranges) {
      if (gpa >= r.from && gpa < r.end) {
        return r.type;
      }
    }
    return "";
  }

  /** {@return whether a range has pages of a type} */
  boolean overlaps(String type, long from, long end) {
    return ranges.stream().anyMatch(r -> r.type.equals(type) && r.from < end && from < r.end);
  }
}
