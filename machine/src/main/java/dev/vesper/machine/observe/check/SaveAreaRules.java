package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ApCreation;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.Rmpadjust;
import java.util.HashMap;
import java.util.Map;

/** The rules for the save areas that a guest under SEV-SNP gives to its processors. */
final class SaveAreaRules {
  private static final long LARGE = 2 << 20;
  private static final long SMALL = 4096;

  /** A VMPL of a processor. */
  private record Level(int apicId, int vmpl) {
    static Level of(ApCreation asked) {
      return new Level(asked.apicId(), asked.vmpl());
    }

    @Override
    public String toString() {
      return "APIC ID " + apicId + (vmpl == 0 ? "" : " at VMPL" + vmpl);
    }
  }

  /** The most save areas of a trace that are looked at. */
  private static final int MOST = 4096;

  private final Findings findings;

  /** The save area of each level of a processor that has one of the guest's. */
  private final Map<Level, Long> areas = new HashMap<>();

  SaveAreaRules(Findings findings) {
    this.findings = findings;
  }

  /** Judges AP creation, and remembers whose area is where. */
  void creation(ApCreationAsked e, long vc) {
    ApCreation asked = ApCreation.of(e.info1());
    int request = asked.request();
    if (request == ApCreation.DESTROY) {
      if (e.why().isEmpty()) {
        areas.remove(Level.of(asked));
      }
      return;
    }
    if ((e.area() & LARGE - 1) == 0) {
      findings.add(
          Rule.VMSA_ALIGNMENT,
          e.at(),
          vc,
          () -> "the save area at " + Event.hex(e.area()) + " is at a multiple of 2 MiB");
    }
    Level level = Level.of(asked);
    areas.forEach(
        (other, area) -> {
          if (area == e.area() && !other.equals(level)) {
            freed(e.at(), vc, other, area, "is given to " + level + " too");
          }
        });
    if (e.why().isEmpty() && areas.size() < MOST) {
      areas.put(level, e.area());
    }
  }

  /** Judges RMPADJUST of a page that may be a save area. */
  void rmpadjust(Rmpadjust e, long vc) {
    if (!e.vmsa() && e.gpa() != Event.NO_ADDRESS) {
      within(e.gpa(), e.large() ? LARGE : SMALL, e.at(), vc, "loses its flag by RMPADJUST");
    }
  }

  /** Judges PVALIDATE of pages that may be save areas. */
  void pvalidate(Pvalidate e, long vc) {
    if (!e.validate() && e.gpa() != Event.NO_ADDRESS) {
      long bytes = e.count() * (e.large() ? LARGE : SMALL);
      within(e.gpa(), bytes, e.at(), vc, "loses its validation by PVALIDATE");
    }
  }

  /** Judges pages that the guest has become shared. */
  void changed(RmpChanged e, long vc) {
    boolean gone = e.before().isGuests() && !e.after().isGuests();
    switch (e.cause()) {
      case MSR_PROTOCOL, PAGE_STATE_CHANGE, IMPLICIT -> {
        if (gone) {
          within(e.gpa(), e.pages() * SMALL, e.at(), vc, "becomes shared");
        }
      }
      case LAUNCH, HOST, SIZE_CONFLICT -> {
        // Not the guest's doing.
      }
    }
  }

  private void within(long gpa, long bytes, At at, long vc, String what) {
    areas.forEach(
        (level, area) -> {
          if (area >= gpa && area < gpa + bytes) {
            freed(at, vc, level, area, what);
          }
        });
  }

  private void freed(At at, long vc, Level level, long area, String what) {
    findings.add(
        Rule.VMSA_FREED,
        at,
        vc,
        () ->
            "the save area at "
                + Event.hex(area)
                + " "
                + what
                + " while the processor with "
                + level
                + " has it");
  }
}
