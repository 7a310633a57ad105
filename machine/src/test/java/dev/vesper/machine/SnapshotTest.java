package dev.vesper.machine;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A run that goes on from a snapshot in another machine is the run that was not interrupted: the
 * same trace from there on, the same console, the same final hash.
 */
final class SnapshotTest {
  /** Random places a row; more with {@code -Dlong}. */
  private static final int PLACES = Boolean.getBoolean("long") ? 50 : 1;

  private static final long MOST = 50_000_000L;

  @TempDir Path folder;

  /** A machine with what its console and its trace have said. */
  private static final class Traced {
    final ByteArrayOutputStream console = new ByteArrayOutputStream();
    final List<Event> events = new ArrayList<>();
    final Machine machine;

    Traced(MachineSpec.Builder spec, int execution) throws Exception {
      machine = new Machine(spec.console((int b) -> console.write(b)).build());
      Execution.choose(machine, execution);
      machine.trace(events::add, true);
      machine.limit(MOST, Long.MAX_VALUE);
    }

    String console() {
      return console.toString(ISO_8859_1);
    }
  }

  /** Makes the same description each time. */
  interface Described {
    MachineSpec.Builder spec() throws Exception;
  }

  private static Described locore(SevMode mode, String profile, int processors) {
    return () ->
        MachineSpec.builder(mode, Locore.image(), b -> {})
            .memoryBytes(64L << 20)
            .profile(profile)
            .processors(processors)
            .cpuModel(mode == SevMode.SNP ? "EPYC-Milan" : "vesper-min,+xsave");
  }

  private Path saved(Machine m) throws IOException {
    Path p = folder.resolve("snapshot");
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    m.save(b);
    Files.write(p, b.toByteArray());
    return p;
  }

  /**
   * Interrupts a run after some instructions and goes on in another machine, by another translator.
   */
  private void resumes(Described d, int execution, int then, long at, String hash)
      throws Exception {
    Traced first = new Traced(d.spec(), execution);
    first.machine.run(Until.instructions(at));
    int events = first.events.size();
    int said = first.console().length();
    Path file = saved(first.machine);
    int status = first.machine.run().status();
    assertThat(first.machine.stateHash())
        .as("hash of a run that was saved at %d", at)
        .isEqualTo(hash);
    Traced second = new Traced(d.spec(), then);
    second.machine.load(file);
    assertThat(second.machine.instructions()).isEqualTo(at);
    assertThat(second.machine.run().status()).isEqualTo(status);
    List<Event> rest = first.events.subList(events, first.events.size());
    List<Event> again = second.events;
    for (int i = 0; i < Math.min(rest.size(), again.size()); i++) {
      assertThat(again.get(i)).as("event %d behind %d", i, at).isEqualTo(rest.get(i));
    }
    assertThat(again).as("events behind %d", at).hasSameSizeAs(rest);
    assertThat(second.console()).isEqualTo(first.console().substring(said));
    assertThat(second.machine.instructions()).isEqualTo(first.machine.instructions());
    assertThat(second.machine.stateHash()).as("hash of a run from %d on", at).isEqualTo(hash);
  }

  @ParameterizedTest
  @CsvSource({
    "OFF, kvm, 1, 0, 2",
    "SEV, kvm, 2, 2, 0",
    "ES, kvm, 1, 0, 2",
    "ES, kvm, 4, 2, -1",
    "ES, openbsd, 1, -1, 1",
    "SNP, kvm, 2, -1, 2",
    "SNP, kvm, 4, 1, -1"
  })
  void aRunGoesOnAsIfItHadNeverStoodStill(
      SevMode mode, String profile, int processors, int execution, int then) throws Exception {
    Described d = locore(mode, profile, processors);
    Traced whole = new Traced(d.spec(), execution);
    whole.machine.run();
    Random random = new Random(processors * 31L + mode.ordinal());
    for (int i = 0; i < PLACES; i++) {
      long at = 1 + random.nextLong(whole.machine.instructions() - 1);
      resumes(d, execution, then, at, whole.machine.stateHash());
    }
  }
}
