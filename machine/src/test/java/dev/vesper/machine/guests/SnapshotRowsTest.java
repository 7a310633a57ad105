package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.guests.ResumedRuns.Place;
import dev.vesper.machine.guests.ResumedRuns.Whole;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Runs that are written down at random instructions and go on in other processes, by other
 * translators: each has the rest of the uninterrupted run's trace, and its final hash. {@code
 * -Dsnapshots=N} says at how many places, {@code -Dsnapshots.seed} at which, {@code
 * -Dsnapshots.rows=REGEX} of which guests.
 */
final class SnapshotRowsTest {
  private static final boolean LONG = Boolean.getBoolean("long");
  private static final int PLACES = Integer.getInteger("snapshots", LONG ? 50 : 2);
  private static final long SEED = Long.getLong("snapshots.seed", 1);
  private static final String ROWS = System.getProperty("snapshots.rows", ".*");

  /** Places that have a process for themselves. */
  private static final int ALONE = 1;

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.MATCH_ALL, names = "OPENBSD.*")
  void smallGuestsEndAlike(SnapshotRow row) throws Exception {
    endsAlike(row, new int[] {Execution.NATIVE, 2, 0});
  }

  @Tag("slow")
  @Timeout(value = 3, unit = TimeUnit.HOURS)
  @EnabledIfSystemProperty(named = "long", matches = "true")
  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.MATCH_NONE, names = "OPENBSD.*")
  void kernelsAndFirmwareEndAlike(SnapshotRow row) throws Exception {
    endsAlike(row, new int[] {Execution.NATIVE, 300, Execution.NATIVE, Execution.STANDARD});
  }

  private void endsAlike(SnapshotRow row, int[] executions) throws Exception {
    assumeTrue(row.name().matches(ROWS));
    EventSums first = new EventSums();
    Whole whole;
    try (Machine m = row.machine(first)) {
      whole = Whole.of(m, first);
    }
    say("%s: %d instructions, %d events", row, whole.instructions(), whole.sums().length);
    whole.write(folder.resolve("whole"));
    long[] at =
        new Random(SEED * 64 + row.ordinal())
            .longs(PLACES, 1, whole.instructions())
            .sorted()
            .toArray();
    List<Place> places = new ArrayList<>();
    EventSums second = new EventSums();
    try (Machine m = row.machine(second)) {
      for (int i = 0; i < PLACES; i++) {
        m.run(Until.instructions(at[i]));
        assertThat(m.instructions()).isEqualTo(at[i]);
        places.add(new Place("at" + at[i], second.size(), executions[i % executions.length]));
        save(m, folder.resolve("at" + at[i]));
      }
      assertThat(whole.difference(Whole.of(m, second), 0))
          .as("the run that was saved")
          .isEqualTo(ResumedRuns.SAME);
      row.requireDone(m, whole.status());
    }
    say("%s: written at %d places", row, PLACES);
    List<String> said = new ArrayList<>();
    for (Place p : places.subList(0, Math.min(ALONE, PLACES))) {
      said.addAll(ResumedRuns.inAProcess(row, folder, List.of(p)));
    }
    if (PLACES > ALONE) {
      said.addAll(ResumedRuns.inAProcess(row, folder, places.subList(ALONE, PLACES)));
    }
    long same = said.stream().filter(s -> s.endsWith(": " + ResumedRuns.SAME)).count();
    say("%s: %d of %d the same", row, same, PLACES);
    assertThat(said).hasSize(PLACES).allMatch(s -> s.endsWith(": " + ResumedRuns.SAME));
  }

  /** How far a long run is. */
  private static void say(String format, Object... what) {
    if (LONG) {
      System.out.printf(format + "%n", what);
    }
  }

  private static void save(Machine m, Path to) throws IOException {
    try (OutputStream out = Files.newOutputStream(to)) {
      m.save(out);
    }
  }
}
