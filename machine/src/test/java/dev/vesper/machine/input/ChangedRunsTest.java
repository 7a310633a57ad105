package dev.vesper.machine.input;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Runs that somebody changes while they stand still, and the same runs again without anybody. */
final class ChangedRunsTest {
  private static final int CHANGES = 60;

  /**
   * Mixes what it has in a register, in memory and at a port, until memory says that it is over.
   */
  private static final String GUEST =
      """
          mov ebx, 1
          mov dword [0x190000], 0
      again:
          imul ebx, ebx, 0x343fd
          add ebx, [0x190004]
          xor ebx, ecx
          in al, 0x61
          add bl, al
          mov [0x190008], ebx
          cmp dword [0x190000], 0x55
          jne again
          mov al, bl
          out 0xf4, al
      """;

  private static MachineSpec.Builder flat(SevMode mode) {
    return MachineSpec.builder(mode, FlatGuest.image(GUEST), b -> {})
        .hardware(new Hardware(Hardware.Board.PC, List.of()))
        .memoryBytes(16L << 20);
  }

  private static byte[] word(int v) {
    return new byte[] {(byte) v, (byte) (v >> 8), (byte) (v >> 16), (byte) (v >> 24)};
  }

  private static void change(Machine m, Random r) {
    VcpuView v = m.observer().vcpu(0);
    switch (r.nextInt(6)) {
      case 0 -> v.setGpr(VcpuView.RCX, r.nextInt());
      case 1 -> v.write(0x190004, word(r.nextInt()));
      case 2 -> v.setRflags(v.rflags() ^ 1);
      case 3 -> m.board().writePort(0x61, 1, r.nextInt(4));
      case 4 -> assertThat(m.board().readPort(0x61, 1)).isBetween(0, 255);
      default -> {
        v.setGpr(VcpuView.RBX, r.nextInt());
        v.setZmm(3, new long[] {1, 2, 3, 4, 5, 6, 7, r.nextLong()});
      }
    }
  }

  /** What there is to see of a run's end. */
  private record Seen(Outcome outcome, RunEnd end, String hash) {
    static Seen of(Machine m, Outcome o) {
      return new Seen(o, m.end(o, ""), m.stateHash());
    }
  }

  /** Stops the machine at counts, and where it happens to be. */
  private static Seen changed(Machine m) {
    Random r = new Random(5);
    Thread knocks =
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  while (!Thread.interrupted()) {
                    LockSupport.parkNanos(200_000 + r.nextInt(2_000_000));
                    m.stop();
                  }
                });
    Random what = new Random(7);
    for (int i = 0; i < CHANGES; i++) {
      m.run(Until.instructions(m.instructions() + what.nextInt(300_000)));
      change(m, what);
    }
    knocks.interrupt();
    m.observer().vcpu(0).write(0x190000, word(0x55));
    Outcome o = m.run();
    while (m.stopped()) {
      o = m.run();
    }
    return Seen.of(m, o);
  }

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"OFF", "SEV"})
  void aChangedRunIsTheSameAgainWithEachTranslator(SevMode mode) throws Exception {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    RecordingWriter w = new RecordingWriter(file, "{}");
    InputLog log = InputLog.recording(w);
    Machine first = new Machine(flat(mode).inputs(log).build());
    Seen seen = changed(first);
    assertThat(seen.outcome.guestValue()).isNotNull();
    w.end(log, seen.end);
    Recording r = RecordingReader.read(file.toByteArray());
    assertThat(r.changes()).hasSizeGreaterThan(CHANGES);
    for (Translator t : Translator.values()) {
      Machine again = new Machine(flat(mode).inputs(InputLog.replaying(r)).build());
      again.translator(t);
      Outcome o = again.run();
      assertThat(again.unlikeRecorded(o, "")).as(t.name()).isNull();
      assertThat(Seen.of(again, o)).as(t.name()).isEqualTo(seen);
      assertThat(again.canBeChanged()).isFalse();
      assertThatThrownBy(() -> again.observer().vcpu(0).setRip(0))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("a replay");
    }
    // Who looks on stops where he likes.
    Machine stopped = new Machine(flat(mode).inputs(InputLog.replaying(r)).build());
    Random where = new Random(9);
    while (stopped.run(Until.instructions(stopped.instructions() + where.nextInt(200_000)))
        instanceof Stop.Limit) {
      assertThat(stopped.stopped()).isFalse();
    }
    assertThat(Seen.of(stopped, stopped.run())).isEqualTo(seen);
  }

  @Test
  void aReplayOfAnotherGuestSaysThatItWasNotWhereTheChangeWas() throws Exception {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    RecordingWriter w = new RecordingWriter(file, "{}");
    InputLog log = InputLog.recording(w);
    Machine first = new Machine(flat(SevMode.OFF).inputs(log).build());
    first.run(Until.instructions(1000));
    first.observer().vcpu(0).setGpr(VcpuView.RCX, 77);
    first.observer().vcpu(0).write(0x190000, word(0x55));
    Seen seen = Seen.of(first, first.run());
    w.end(log, seen.end);
    Recording r = RecordingReader.read(file.toByteArray());
    MachineSpec other =
        MachineSpec.builder(
                SevMode.OFF, FlatGuest.image(GUEST.replace("ebx, 1\n", "ebx, 3\n")), b -> {})
            .hardware(new Hardware(Hardware.Board.PC, List.of()))
            .memoryBytes(16L << 20)
            .inputs(InputLog.replaying(r))
            .build();
    Outcome o = new Machine(other).run();
    assertThat(o.status()).isEqualTo(Outcome.DIFFERS);
    assertThat(o.reason())
        .contains("first at instruction 1000")
        .contains("where somebody has changed the machine");
  }

  /**
   * Changes of a stranger's file: of each kind, cut short or long, and of kinds that there are not.
   */
  @Test
  void aChangeThatCannotBeMadeIsADifference() throws Exception {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    RecordingWriter w = new RecordingWriter(file, "{}");
    InputLog log = InputLog.recording(w);
    Machine first = new Machine(flat(SevMode.OFF).inputs(log).build());
    first.run(Until.instructions(1000));
    first.observer().vcpu(0).setGpr(VcpuView.RCX, 1);
    first.run(Until.instructions(2000));
    w.end(log, first.end(new Outcome(Outcome.LIMIT, "enough"), ""));
    Recording r = RecordingReader.read(file.toByteArray());
    InputChange c = r.changes().get(0);
    int differ = 0;
    for (int kind = 0; kind < 256; kind++) {
      for (int n : new int[] {0, 1, 3, 11, 80, 2000}) {
        byte[] what = new byte[1 + n];
        what[0] = (byte) kind;
        InputChange strange =
            new InputChange(c.point(), c.instructions(), c.inside(), c.registers(), what);
        Recording of =
            new Recording(
                r.header(), r.inputs(), r.turnDigests(), r.looks(), List.of(strange), r.end());
        if (kind > 25 && n > 3) {
          continue;
        }
        Machine again = new Machine(flat(SevMode.OFF).inputs(InputLog.replaying(of)).build());
        again.run(Until.instructions(3000));
        Difference d = again.inputs().difference();
        differ += d != null && d.what().contains("a change that cannot be made here") ? 1 : 0;
      }
    }
    assertThat(differ).isGreaterThan(256);
  }

  @Test
  void aReplayHasNoOtherFuture() throws Exception {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    RecordingWriter w = new RecordingWriter(file, "{}");
    InputLog log = InputLog.recording(w);
    Machine first = new Machine(flat(SevMode.OFF).inputs(log).build());
    first.run(Until.instructions(2000));
    w.end(log, first.end(new Outcome(Outcome.LIMIT, "enough"), ""));
    Recording r = RecordingReader.read(file.toByteArray());
    Machine again = new Machine(flat(SevMode.OFF).inputs(InputLog.replaying(r)).build());
    again.run(Until.instructions(100));
    assertThatThrownBy(again::branch)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("a replay");
  }
}
