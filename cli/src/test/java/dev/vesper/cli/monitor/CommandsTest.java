package dev.vesper.cli.monitor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Timeline;
import dev.vesper.machine.Until;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.input.Recording;
import dev.vesper.machine.input.RecordingReader;
import dev.vesper.machine.input.RecordingWriter;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What commands do and say that QEMU has not, or that its forms do not show. */
final class CommandsTest {
  private static Machine machine(SevMode mode, String source) throws Exception {
    return new Machine(
        MachineSpec.builder(mode, FlatGuest.image(source), b -> {})
            .memoryBytes(16 << 20)
            .hardware(new Hardware(Hardware.Board.PC, List.of()))
            .build());
  }

  @Test
  void eachCommandHasHelpAndNoTwoAreCalledAlike() throws Exception {
    try (Machine m = machine(SevMode.OFF, "L: jmp L")) {
      Session s = new Session(Control.of(m));
      for (Command c : Commands.all()) {
        assertThat(c.help()).as(c.name()).isNotBlank();
        assertThat(s.run("help " + c.name())).as(c.name()).contains(c.help());
      }
      List<String> names = Commands.all().stream().flatMap(c -> c.names().stream()).toList();
      assertThat(names).doesNotHaveDuplicates();
      assertThat(s.run("help")).contains("xp /fmt addr", "info [subcommand]");
      assertThat(s.run("info")).contains("info registers [-a|vcpu]");
      assertThat(s.run("help nothing")).isEqualTo("unknown command: 'nothing'\n");
    }
  }

  @Test
  void privateMemoryIsPlaintextForTheGuestAlone() throws Exception {
    try (Machine m = machine(SevMode.ES, "mov dword [0x300000], 0x1234567\nL: jmp L")) {
      m.run(Until.instructions(100));
      Session s = new Session(Control.of(m));
      assertThat(s.run("xp /1xw 0x300000")).isEqualTo("0000000000300000: 0x01234567\n");
      assertThat(s.run("x /1xw 0x300000")).isEqualTo("0000000000300000: 0x01234567\n");
      assertThat(s.run("private 0x300000")).startsWith("0x300000: private");
      assertThat(s.run("view host")).contains("encrypted");
      assertThat(s.run("xp /1xw 0x300000")).doesNotContain("1234567");
      assertThat(s.run("x /1xw 0x300000")).doesNotContain("1234567");
      assertThat(s.run("pages"))
          .containsPattern("0000000000300000-0000000000300fff +1 pages +private");
      assertThat(s.run("sev")).contains("SEV type: sev-es", "C-bit: 51", "policy: 0x5");
      assertThat(s.run("vmsa")).contains("CR3 ");
      assertThat(s.run("vmcb")).contains("VMSA_PTR");
      assertThat(s.run("ghcb")).contains("GHCB MSR of CPU#0");
      assertThat(s.run("info tlb").lines())
          .allMatch(l -> l.matches("[0-9a-f]{16}: [0-9a-f]{16} [-XGPDACTUW]{9}"))
          .anyMatch(l -> l.startsWith("0000000000200000: 0000000000200000"));
    }
  }

  @Test
  void keysArriveAtTheKeyboard() throws Exception {
    String guest = "L: in al, 0x64\ntest al, 1\nje L\nin al, 0x60\nout 0xf4, al";
    try (Machine m = machine(SevMode.OFF, guest)) {
      m.run(Until.instructions(100));
      Control c = Control.of(m);
      assertThat(new Session(c).run("sendkey b")).isEmpty();
      assertThat(c.touched()).containsEntry("sendkey", 1);
      assertThat(m.run(Until.instructions(1_000_000)))
          .isEqualTo(new Stop.Ended(Outcome.guestExit(0x30)));
    }
  }

  @Test
  void snapshotsAreThoseOfWhoKeepsThem() throws Exception {
    List<String> asked = new ArrayList<>();
    Snapshots kept =
        new Snapshots() {
          @Override
          public List<Entry> list() {
            return List.of(new Entry(1, "a\u001bb", 3 << 20, "2027-01-01", 61_002_000_000L, 77));
          }

          @Override
          public void save(String name) {
            asked.add("save " + name);
          }

          @Override
          public void load(String name) throws Failed {
            throw new Failed("there is none of the name");
          }

          @Override
          public void delete(String name) {
            asked.add("delete " + name);
          }
        };
    try (Machine m = machine(SevMode.OFF, "L: jmp L")) {
      Control c = Control.of(m);
      Session s = new Session(c);
      assertThat(s.run("info snapshots")).isEqualTo("Error: this run has no snapshots\n");
      c.snapshots(kept);
      assertThat(s.run("savevm one") + s.run("delvm one")).isEmpty();
      assertThat(asked).containsExactly("save one", "delete one");
      assertThat(s.run("loadvm two")).isEqualTo("Error: there is none of the name\n");
      assertThat(s.run("info snapshots"))
          .contains("a\\x1bb", "3 MiB", "00:01:01.002", "77")
          .doesNotContain("\u001b");
    }
  }

  @Test
  void aMachineGoesBackToWhatWasSaved() throws Exception {
    try (Machine m = machine(SevMode.OFF, "L: inc rbx\njmp L")) {
      Control c = Control.of(m);
      c.keepStates();
      Session s = new Session(c);
      m.run(Until.instructions(1_000));
      String first = m.stateHash();
      assertThat(s.run("savevm one")).isEmpty();
      m.run(Until.instructions(2_000));
      assertThat(s.run("savevm two")).isEmpty();
      m.run(Until.instructions(3_000));
      String third = m.stateHash();
      assertThat(s.run("info snapshots")).contains("one", "two", "1000", "2000");
      assertThat(s.run("loadvm one")).isEmpty();
      assertThat(m.stateHash()).isEqualTo(first);
      assertThat(s.run("loadvm two")).isEqualTo("Error: Snapshot 'two' does not exist\n");
      m.run(Until.instructions(3_000));
      assertThat(m.stateHash()).isEqualTo(third);
      assertThat(s.run("delvm one")).isEmpty();
      assertThat(s.run("info snapshots")).isEqualTo("There is no snapshot available.\n");
      assertThat(c.touched()).containsOnlyKeys("loadvm");
    }
  }

  /** A debugger goes back by itself: states behind where it has gone are no more. */
  @Test
  void statesAreLostWithThePastThatTheyWereOf() throws Exception {
    try (Machine m = machine(SevMode.OFF, "L: inc rbx\njmp L")) {
      Control c = Control.of(m);
      c.keepStates();
      List<String> told = new ArrayList<>();
      c.onChange(() -> told.add("changed"));
      Session s = new Session(c);
      try (Timeline t = new Timeline(m)) {
        t.run(Until.instructions(1_000));
        assertThat(s.run("savevm one")).isEmpty();
        t.run(Until.instructions(2_000));
        assertThat(s.run("savevm two")).isEmpty();
        t.run(Until.instructions(3_000));
        assertThat(t.seek(1_500)).isNull();
        assertThat(s.run("info snapshots")).isEqualTo("There is no snapshot available.\n");
        assertThat(s.run("loadvm two")).isEqualTo("Error: Snapshot 'two' does not exist\n");
        assertThat(s.run("savevm three")).isEmpty();
        t.run(Until.instructions(3_000));
        assertThat(s.run("loadvm three")).isEmpty();
        assertThat(m.instructions()).isEqualTo(1_500);
        c.concludeChange();
        c.concludeChange();
        assertThat(told).containsExactly("changed");
        t.changed();
        t.run(Until.instructions(4_000));
        assertThat(t.seek(1_700)).isNull();
        assertThat(t.begin()).isEqualTo(1_500);
        assertThat(s.run("info snapshots")).contains("three");
      }
    }
  }

  @Test
  void tablesThatLeadToThemselvesHaveAnEnd() throws Exception {
    // Each entry of the highest table names itself: 512 to the fourth pages.
    String guest =
        """
        mov rax, cr3
        mov rdx, rax
        and rdx, 0xFFFFFFFFFFFFF000
        mov rbx, rdx
        or rbx, 7
        mov ecx, 255
        add rdx, 2048
        F: mov [rdx], rbx
        add rdx, 8
        loop F
        mov cr3, rax
        L: jmp L
        """;
    try (Machine m = machine(SevMode.OFF, guest)) {
      m.run(Until.instructions(10_000));
      Session s = new Session(Control.of(m));
      assertThat(s.run("info tlb")).contains("the rest is left out");
      assertThat(s.run("info mem")).contains("the rest is left out");
    }
  }

  @Test
  void aReplayDoesNotGoBackToAnotherFuture() throws Exception {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    RecordingWriter w = new RecordingWriter(file, "{}");
    InputLog log = InputLog.recording(w);
    MachineSpec.Builder spec =
        MachineSpec.builder(SevMode.OFF, FlatGuest.image("L: inc eax\njmp L"), b -> {})
            .memoryBytes(16 << 20);
    try (Machine m = new Machine(spec.inputs(log).build())) {
      m.run(Until.instructions(1000));
      w.end(log, m.end(new Outcome(Outcome.LIMIT, "enough"), ""));
    }
    Recording r = RecordingReader.read(file.toByteArray());
    try (Machine m = new Machine(spec.inputs(InputLog.replaying(r)).build())) {
      m.run(Until.instructions(100));
      Control c = Control.of(m);
      c.keepStates();
      Session s = new Session(c);
      assertThat(s.run("savevm a")).isEmpty();
      m.run(Until.instructions(200));
      assertThat(s.run("loadvm a")).contains("a replay is what its recording has");
      assertThat(m.instructions()).isEqualTo(200);
      assertThat(c.touched()).isEmpty();
      assertThat(s.run("loadvm b")).contains("a replay");
    }
  }
}
