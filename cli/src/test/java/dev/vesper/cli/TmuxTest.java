package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** A day's work at a terminal that answers as terminals do: tmux, its keys, and what it shows. */
@Tag("slow")
@EnabledIfSystemProperty(named = "long", matches = "true")
@Timeout(value = 10, unit = TimeUnit.MINUTES)
final class TmuxTest {
  private static final String PROMPT = "host> ";

  @TempDir Path dir;

  @BeforeEach
  void tools() {
    Tools.need("tmux", "tmux");
    Tools.need("bash", "bash");
    Tools.require("/bin/busybox", "busybox-static");
  }

  @AfterEach
  void end() throws Exception {
    if (Files.exists(dir.resolve("tmux"))) {
      tmux("kill-server");
    }
  }

  /** Calls a server of our own. */
  private String tmux(String... args) throws IOException, InterruptedException {
    List<String> line = new ArrayList<>(List.of("tmux", "-S", dir.resolve("tmux").toString()));
    line.addAll(List.of("-f", "/dev/null"));
    line.addAll(List.of(args));
    Process p = new ProcessBuilder(line).directory(dir.toFile()).redirectErrorStream(true).start();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    p.waitFor();
    return said;
  }

  private void keys(String... keys) throws Exception {
    List<String> line = new ArrayList<>(List.of("send-keys", "-t", "0"));
    line.addAll(List.of(keys));
    assertThat(tmux(line.toArray(String[]::new))).isEmpty();
  }

  /** Types a text as it is. */
  private void type(String text) throws Exception {
    keys("-l", text);
  }

  private List<String> screen() throws Exception {
    return Arrays.stream(tmux("capture-pane", "-p", "-t", "0").split("\n"))
        .map(String::stripTrailing)
        .filter(l -> !l.isEmpty())
        .toList();
  }

  /** Waits until the screen is so. */
  private List<String> until(Predicate<List<String>> shown) throws Exception {
    List<String> s = screen();
    while (!shown.test(s)) {
      assertThat(Thread.interrupted()).as(String.join("\n", s)).isFalse();
      Thread.sleep(50);
      s = screen();
    }
    return s;
  }

  /** Waits until the last line is a prompt, and one before it is this. */
  private void answered(String line, String prompt) throws Exception {
    until(
        s ->
            s.size() > 1
                && s.getLast().endsWith(prompt)
                && s.subList(0, s.size() - 1).contains(line));
  }

  @Test
  void busyboxIsWorkedWithAndLeft() throws Exception {
    Path kernel = Files.write(dir.resolve("vmlinuz-0"), DebianKernel.image());
    List<String> java =
        List.of("-XX:TieredStopAtLevel=1", "-Xss4m", "--enable-native-access=ALL-UNNAMED");
    List<String> command =
        OwnJvm.command(java, Main.class, "boot", kernel.toString(), "--", "exec sh");
    Files.writeString(
        dir.resolve("run"),
        command.stream().map(TerminalSession::quoted).reduce((a, b) -> a + " " + b).get() + "\n");
    String shell = "PS1='" + PROMPT + "' exec bash --norc --noediting";
    assertThat(tmux("new-session", "-d", "-x", "100", "-y", "30", shell)).isEmpty();
    until(s -> !s.isEmpty() && s.getLast().equals(PROMPT.strip()));
    type("stty -a >before; sh run; echo status=$?; stty -a >after");
    keys("Enter");
    until(s -> !s.isEmpty() && s.getLast().endsWith(" #"));
    // The line is edited, and comes again.
    type("echo 'hexlo', you");
    keys("Left", "Left", "Left", "Left", "Left", "Left", "Left", "Left", "BSpace");
    type("l");
    keys("Enter");
    answered("hello, you", " #");
    keys("C-l", "Up", "Enter");
    answered("hello, you", " #");
    // An editor that has the whole screen.
    type("cd /tmp; vi page");
    keys("Enter");
    until(s -> s.stream().filter("~"::equals).count() > 20);
    type("ione line");
    keys("Enter");
    type("two linse");
    // An escape by itself: with keys close behind it would be one of theirs.
    keys("Escape");
    until(s -> s.getLast().startsWith("- page"));
    keys("0", "w", "l", "l", "l", "x", "p");
    until(s -> s.contains("two lines"));
    type(":wq");
    keys("Enter");
    until(s -> !s.isEmpty() && s.getLast().endsWith(" #"));
    type("wc -l <page; sed -n 2p page");
    keys("Enter");
    answered("two lines", " #");
    // Ctrl-C is the guest's: the child says when the terminal is its own.
    type("sh -c 'echo go$((1+1)); exec sleep 1000'");
    keys("Enter");
    until(s -> s.contains("go2"));
    keys("C-c");
    until(s -> s.getLast().endsWith(" #"));
    type("echo status $?");
    keys("Enter");
    answered("status 130", " #");
    keys("C-a", "x");
    answered("status=130", PROMPT.strip());
    assertThat(dir.resolve("after")).hasSameTextualContentAs(dir.resolve("before"));
    assertThat(dir.resolve("before")).content().contains("rows 30").doesNotContain("-isig");
  }
}
