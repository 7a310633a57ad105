package dev.vesper.machine.input;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Recordings as files: what is written is read, and whatever else there is is refused in a line.
 */
final class RecordingFilesTest {
  private static final int MUTANTS = 5_000;
  private static final String HASH = HexFormat.of().formatHex(new byte[32]);

  static byte[] file(int records) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    RecordingWriter w = new RecordingWriter(out, "{}");
    InputLog log = InputLog.recording(w);
    Random r = new Random(2);
    long[] instructions = {0};
    log.clock(() -> instructions[0]);
    for (int i = 0; i < records; i++) {
      instructions[0] += r.nextInt(100_000);
      byte[] b = new byte[r.nextInt(40)];
      r.nextBytes(b);
      assertThat(log.ask(Source.values()[i % Source.values().length], () -> b)).isSameAs(b);
      log.ask(Source.CONSOLE, () -> null);
      log.digests().turn(i, instructions[0], 0);
    }
    w.end(
        log,
        new RunEnd(
            RunEnd.Cause.REQUEST, log.at(), instructions[0], true, 143, "SIGTERM", -1, HASH, ""));
    return out.toByteArray();
  }

  @Test
  void whatIsWrittenIsRead() {
    Recording r = RecordingReader.read(file(100));
    assertThat(r.header()).isEqualTo("{}");
    assertThat(r.inputs()).hasSize(100);
    assertThat(r.turnDigests()).hasSize(200);
    assertThat(r.end().reason()).isEqualTo("SIGTERM");
    assertThat(r.end().status()).isEqualTo(143);
    assertThat(r.end().guestValue()).isEqualTo(-1);
    assertThat(r.end().stateHash()).isEqualTo(HASH);
    assertThat(r.end().inside()).isTrue();
    InputLog again = InputLog.replaying(r);
    Random random = new Random(2);
    long[] instructions = {0};
    again.clock(() -> instructions[0]);
    for (int i = 0; i < 100; i++) {
      instructions[0] += random.nextInt(100_000);
      byte[] b = new byte[random.nextInt(40)];
      random.nextBytes(b);
      assertThat(again.ask(Source.values()[i % 5], () -> new byte[] {1})).isEqualTo(b);
      assertThat(again.ask(Source.CONSOLE, () -> new byte[] {1})).isNull();
      assertThat(again.digests().turn(i, instructions[0], 0)).isTrue();
    }
    assertThat(again.difference()).isNull();
    assertThat(again.endsHere(true)).isEqualTo(r.end());
  }

  @Test
  void aFileThatEndsAnywhereIsCutOrRefused() {
    byte[] whole = file(100);
    int last = -1;
    for (int n = 0; n < whole.length; n++) {
      byte[] b = Arrays.copyOf(whole, n);
      Recording r;
      try {
        r = RecordingReader.read(b);
      } catch (IllegalArgumentException e) {
        assertThat(n).as("behind the header").isLessThan(22);
        assertThat(e.getMessage()).containsAnyOf("is no recording", "ends within the header");
        continue;
      }
      assertThat(r.isCut()).isTrue();
      assertThat(r.inputs().size()).isGreaterThanOrEqualTo(last);
      last = r.inputs().size();
    }
    assertThat(last).isEqualTo(100);
  }

  @Test
  void aMutantIsRefusedOrCut() {
    byte[] whole = file(60);
    Random random = new Random(5);
    int refused = 0;
    for (int i = 0; i < MUTANTS; i++) {
      byte[] b = whole.clone();
      for (int k = random.nextInt(4); k >= 0; k--) {
        b[random.nextInt(b.length)] ^= (byte) (1 + random.nextInt(255));
      }
      if (Arrays.equals(b, whole)) {
        continue;
      }
      try {
        assertThat(RecordingReader.read(b).isCut()).as("mutant " + i).isTrue();
      } catch (IllegalArgumentException e) {
        assertThat(e.getMessage()).doesNotContain("\n");
        refused++;
      }
    }
    assertThat(refused).isGreaterThan(MUTANTS / 2);
  }

  @Test
  void noLengthIsBelieved() {
    byte[] b = Arrays.copyOf(file(1), 4096);
    // The header's length, and then that of the first record.
    b[15] = 0x7F;
    assertThatThrownBy(() -> RecordingReader.read(b)).hasMessageContaining("its header would have");
    byte[] c = Arrays.copyOf(file(0), 22);
    byte[] d = Arrays.copyOf(c, 30);
    Arrays.fill(d, 22, 30, (byte) 0xFF);
    assertThatThrownBy(() -> RecordingReader.read(d)).hasMessageContaining("longer than any can");
  }

  @Test
  void aPositionIsGoneBackToAndThenOthersAreAskedAgain() {
    InputLog log = InputLog.kept();
    assertThat(log.ask(Source.CONSOLE, () -> new byte[] {1})).containsExactly(1);
    InputLog.Position p = log.position();
    assertThat(log.ask(Source.CONSOLE, () -> null)).isNull();
    assertThat(log.ask(Source.CONSOLE, () -> new byte[] {2})).containsExactly(2);
    log.seek(p);
    assertThat(log.replays()).isTrue();
    assertThat(log.ask(Source.CONSOLE, () -> new byte[] {9})).as("nothing then").isNull();
    assertThat(log.ask(Source.CONSOLE, () -> new byte[] {9})).containsExactly(2);
    assertThat(log.replays()).isFalse();
    assertThat(log.ask(Source.CONSOLE, () -> new byte[] {3})).containsExactly(3);
    assertThat(log.records()).extracting(InputRecord::point).containsExactly(1L, 3L, 4L);
  }
}
