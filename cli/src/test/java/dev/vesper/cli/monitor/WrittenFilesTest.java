package dev.vesper.cli.monitor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What becomes of a file that a client names and that cannot be written. */
final class WrittenFilesTest {
  @TempDir Path dir;

  @Test
  void whatIsCutOffIsNotLeftBehind() {
    WrittenFiles files = new WrittenFiles(dir);
    assertThatThrownBy(
            () ->
                files.write(
                    "part",
                    out -> {
                      out.write(1);
                      throw new IOException("no room");
                    }))
        .isInstanceOf(Refusal.class);
    assertThat(dir.resolve("part")).doesNotExist();
  }

  /** A program that is running can be opened by nobody to write to, root included. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void whatCannotBeOpenedStaysWhereItIs() throws Exception {
    Path program = Files.copy(Path.of("/bin/sleep"), dir.resolve("program"));
    Process running = new ProcessBuilder(program.toString(), "100").start();
    try {
      WrittenFiles files = new WrittenFiles(dir);
      assertThatThrownBy(() -> files.write("program", out -> out.write(1)))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining("Could not open 'program'");
      assertThat(program).hasSameBinaryContentAs(Path.of("/bin/sleep"));
    } finally {
      running.destroyForcibly().waitFor();
    }
  }

  @Test
  void statesAreFilesFromWhichAnotherRunGoesOn() throws Exception {
    MachineSpec spec =
        MachineSpec.builder(SevMode.ES, FlatGuest.image("L: inc eax\njmp L"), b -> {})
            .memoryBytes(8 << 20)
            .build();
    String hash;
    try (Machine m = new Machine(spec);
        Control c = new Control(Control.Facts.NONE, new WrittenFiles(dir), o -> {})) {
      c.serves(m, false);
      c.keepStates();
      Session s = new Session(c);
      m.run(Until.instructions(1000));
      assertThat(s.run("savevm a")).isEmpty();
      m.run(Until.instructions(1500));
      hash = m.stateHash();
      Files.writeString(dir.resolve("b.vsn"), "a user's own");
      assertThat(s.run("savevm b")).contains("is no snapshot");
      assertThat(dir.resolve("b.vsn")).hasContent("a user's own");
      assertThat(s.run("savevm ../c")).contains("letters, digits");
      assertThat(s.run("loadvm a")).isEmpty();
      assertThat(m.instructions()).isEqualTo(1000);
    }
    try (Machine m = new Machine(spec);
        Control c = new Control(Control.Facts.NONE, new WrittenFiles(dir), o -> {})) {
      m.load(dir.resolve("a.vsn"));
      assertThat(m.instructions()).isEqualTo(1000);
      m.run(Until.instructions(1500));
      assertThat(m.stateHash()).isEqualTo(hash);
      c.serves(m, false);
      c.keepStates();
      Session s = new Session(c);
      assertThat(s.run("info snapshots").lines().skip(2))
          .singleElement()
          .asString()
          .startsWith("--        a ");
      assertThat(s.run("loadvm a")).contains("a file of another run", "-loadvm");
      assertThat(s.run("delvm b")).contains("does not exist");
      assertThat(s.run("delvm a")).isEmpty();
      assertThat(dir.resolve("a.vsn")).doesNotExist();
      assertThat(s.run("info snapshots")).contains("no snapshot available");
      assertThat(dir.resolve("b.vsn")).hasContent("a user's own");
    }
  }
}
