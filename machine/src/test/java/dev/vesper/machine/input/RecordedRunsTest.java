package dev.vesper.machine.input;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Runs that somebody has a part in, and the same runs again without anybody. */
final class RecordedRunsTest {
  /** Sums what it hears, mixes in how long it took, and echoes; ends at a line's end. */
  private static final String GUEST =
      """
          mov esp, 0x180000
          mov ebx, 1
      wait:
          inc ebx
          imul ebx, ebx, 0x343fd
          mov edx, 0x3fd
          in al, dx
          test al, 1
          jz wait
          mov edx, 0x3f8
          in al, dx
          out dx, al
          movzx ecx, al
          add ebx, ecx
          mov [0x190000], ebx
          cmp al, 10
          jne wait
          mov al, bl
          out 0xf4, al
      """;

  /** Types a text byte by byte, at times that nobody can foresee. */
  private static final class Typist implements ConsoleInput {
    private final String text;
    private final Random random = new Random();
    private int at;
    private long next = System.nanoTime();

    Typist(String text) {
      this.text = text;
    }

    @Override
    public int poll() {
      if (at == text.length() || System.nanoTime() < next) {
        return -1;
      }
      next = System.nanoTime() + random.nextInt(2_000_000);
      return text.charAt(at++);
    }

    @Override
    public boolean closed() {
      return at == text.length();
    }

    @Override
    public void await(long nanos) {
      LockSupport.parkNanos(Math.min(nanos, 1_000_000));
    }
  }

  /** What there is to see of a run. */
  private record Seen(
      Outcome outcome, String console, String trace, RunEnd end, @Nullable String unlike) {
    static Seen of(MachineSpec.Builder spec, Translator t, Until until)
        throws BootException, IOException {
      ByteArrayOutputStream console = new ByteArrayOutputStream();
      Machine m = new Machine(spec.console((int b) -> console.write(b)).build());
      m.translator(t);
      ByteArrayOutputStream trace = new ByteArrayOutputStream();
      JsonLinesWriter writer = new JsonLinesWriter(trace);
      m.trace(writer, true);
      m.limit(100_000_000, Long.MAX_VALUE);
      m.run(until);
      Outcome o = m.run();
      writer.close();
      return new Seen(
          o,
          console.toString(StandardCharsets.ISO_8859_1),
          trace.toString(StandardCharsets.UTF_8),
          m.end(o, ""),
          m.unlikeRecorded(o, ""));
    }
  }

  private static MachineSpec.Builder flat(SevMode mode) {
    return MachineSpec.builder(mode, FlatGuest.image(GUEST), b -> {}).memoryBytes(64L << 20);
  }

  private static final String TEXT = "what is typed by hand\n";

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"OFF", "SEV"})
  void aRunIsTheSameAgainWithEachTranslator(SevMode mode) throws Exception {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    RecordingWriter w = new RecordingWriter(file, "a run");
    InputLog log = InputLog.recording(w);
    Seen first =
        Seen.of(flat(mode).input(new Typist(TEXT)).inputs(log), Translator.NONE, Until.end());
    w.end(log, first.end);
    assertThat(first.console).isEqualTo(TEXT);
    for (Translator t : Translator.values()) {
      Recording r = RecordingReader.read(file.toByteArray());
      assertThat(r.header()).isEqualTo("a run");
      assertThat(r.inputs().stream().filter(i -> i.source() == Source.CONSOLE))
          .hasSize(TEXT.length());
      Seen again = Seen.of(flat(mode).inputs(InputLog.replaying(r)), t, Until.end());
      assertThat(again).as(t.name()).isEqualTo(first);
    }
  }
}
