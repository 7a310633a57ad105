package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said of a guest that prints nothing. */
final class SilenceTest {
  private static final String LOOPS = "mov eax, 0x1000\nL: dec eax\nnop\njmp short L";

  private static final String SAID = "vesper: the guest has printed nothing on COM1 for 0.05 s: ";

  @TempDir Path dir;

  private String run(String source, String... more) throws Exception {
    Path image = Files.write(dir.resolve("guest.elf"), FlatGuest.image(source));
    List<String> args = new ArrayList<>(List.of("run", "--sev", "off", "-m", "16M"));
    args.addAll(List.of("--timeout", "1", image.toString()));
    args.addAll(List.of(more));
    return CommandResult.of(args.toArray(String[]::new)).err();
  }

  @Test
  void aLoopIsSaidOnceWithItsPlaceAndMode() throws Exception {
    String said = run("cli\n" + LOOPS, "--silence", "0.05");
    assertThat(said.lines().filter(l -> l.startsWith(SAID)))
        .as(said)
        .singleElement()
        .asString()
        .contains("vCPU 0 at RIP 0x")
        .endsWith(" 64-bit mode, CPL 0, in a loop with interrupts off");
  }

  @Test
  void zeroSaysNothing() throws Exception {
    assertThat(run(LOOPS, "--silence", "0")).doesNotContain("printed nothing");
  }

  @Test
  void whoPrintsIsNotSilent() throws Exception {
    assertThat(run("mov dx, 0x3f8\nL: mov al, 65\nout dx, al\njmp short L", "--silence", "0.5"))
        .doesNotContain("printed nothing");
  }

  /** Looking at a guest changes nothing. */
  @Test
  void whatIsLookedAtComesToTheSameState() throws Exception {
    byte[] image = FlatGuest.image(LOOPS);
    String[] hash = new String[2];
    for (int i = 0; i < hash.length; i++) {
      try (Machine m = new Machine(MachineSpec.of(SevMode.ES, image, b -> {}));
          Silence s = new Silence(0, true)) {
        for (int n = 1; n <= 100; n++) {
          m.run(Until.instructions(997 * n));
          if (i > 0) {
            assertThat(s.remark(m, Silence.Look.at(m))).contains("in a loop with interrupts off");
          }
        }
        m.run(Until.instructions(200_000));
        hash[i] = m.stateHash();
      }
    }
    assertThat(hash[1]).isEqualTo(hash[0]);
  }

  /** A prompt is no silence while somebody may type; one that nobody can answer is. */
  @Test
  void aPromptIsLeftAlone() throws Exception {
    assertThat(prompt(new Typist(false))).isNull();
    assertThat(prompt(new Typist(true))).contains("in HLT: it waits for an interrupt");
  }

  private static @Nullable String prompt(ConsoleInput in) throws Exception {
    String source = "mov dx, 0x3f8\nmov al, 0x3e\nout dx, al\nsti\nL: hlt\njmp short L";
    try (Silence s = new Silence(0, true);
        Machine m =
            new Machine(MachineSpec.of(SevMode.OFF, FlatGuest.image(source), b -> s.heard()))) {
      s.typedBy(in);
      m.run(Until.instructions(5));
      return s.remark(m, Silence.Look.at(m));
    }
  }

  /** It may be caught in the moment when it serves its timer. */
  @Test
  void aPromptThatServesItsTimerAtOneLookIsLeftAlone() throws Exception {
    String source = "mov dx, 0x3f8\nmov al, 0x3e\nout dx, al\nL: nop\njmp short L";
    try (Silence s = new Silence(0, true);
        Machine m =
            new Machine(MachineSpec.of(SevMode.OFF, FlatGuest.image(source), b -> s.heard()))) {
      s.typedBy(new Typist(false));
      m.run(Until.instructions(9));
      Silence.Look now = Silence.Look.at(m);
      assertThat(s.remark(m, now)).contains("in a loop");
      assertThat(s.remark(m, new Silence.Look(now.places(), true))).isNull();
    }
  }

  private record Typist(boolean closed) implements ConsoleInput {
    @Override
    public int poll() {
      return -1;
    }

    @Override
    public void await(long nanos) {}
  }
}
