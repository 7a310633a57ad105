package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.SevMode;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What debuggers and their scripts have sent, packet by packet, and the answers that they need. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
final class ClientTranscriptsTest {
  /** Counts in RAX and at 300000. It begins at 100000, and the store is at 10000a. */
  private static final String COUNTS =
      """
          mov ebx, 0x300000
          xor eax, eax
      again:
          inc rax
          mov [rbx], rax
          jmp short again
      """;

  private static final String SENT = "> ";
  private static final String WANTED = "< ";
  private static final String MONITOR = "monitor ";

  @TempDir Path dir;

  @ParameterizedTest
  @ValueSource(strings = {"lldb-14", "gdb-16-dap", "lx-scripts", "gef-pwndbg"})
  void eachPacketHasTheAnswerThatTheClientNeeds(String name) throws Exception {
    List<String> lines;
    try (InputStream in = getClass().getResourceAsStream(name + ".txt")) {
      byte[] all = Objects.requireNonNull(in, name).readAllBytes();
      lines = new String(all, StandardCharsets.UTF_8).lines().toList();
    }
    int answers = 0;
    try (GdbSession s = new GdbSession(dir, SevMode.ES, COUNTS)) {
      String sent = "";
      for (String line : lines) {
        if (line.startsWith(SENT)) {
          sent = line.substring(SENT.length());
          if (!sent.startsWith(MONITOR)) {
            s.say(sent);
          }
        } else if (line.startsWith(WANTED)) {
          String answer =
              sent.startsWith(MONITOR) ? s.monitor(sent.substring(MONITOR.length())) : s.answer();
          String wanted = line.substring(WANTED.length());
          assertThat(Pattern.compile(wanted, Pattern.DOTALL).matcher(answer).matches())
              .as(sent + ": " + answer)
              .isTrue();
          answers++;
        } else {
          assertThat(line).startsWith("#");
        }
      }
    }
    assertThat(answers).isGreaterThan(5);
  }
}
