package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The command in a process of its own at a terminal, with a shell around it that notes the modes
 * before and after; what is typed at the terminal, and what it shows.
 */
final class TerminalSession implements AutoCloseable {
  /** A job of its own, as at a prompt; the shell goes on where it is stopped, and continues it. */
  private static final String SHELL =
      """
      set -m
      stty -a >before
      %s
      status=$?
      while [ $status = 148 ]; do
        stty -a >stopped
        fg >/dev/null
        status=$?
      done
      stty -a >after
      echo "status=$status"
      """;

  private final Process script;
  private final StringBuilder shown = new StringBuilder();
  private int from;

  TerminalSession(Path dir, String... args) throws IOException {
    List<String> c =
        OwnJvm.command(
            List.of("-XX:TieredStopAtLevel=1", "-Xss4m", "--enable-native-access=ALL-UNNAMED"),
            Main.class,
            args);
    Path shell = dir.resolve("shell");
    Files.writeString(
        shell,
        SHELL.formatted(
            c.stream().map(TerminalSession::quoted).reduce((a, b) -> a + " " + b).get()));
    script =
        new ProcessBuilder("script", "-qefc", "bash " + quoted(shell.toString()), "/dev/null")
            .directory(dir.toFile())
            .redirectErrorStream(true)
            .start();
    Thread t = new Thread(this::read, "what the terminal shows");
    t.setDaemon(true);
    t.start();
  }

  private void read() {
    try (InputStream in = script.getInputStream()) {
      for (int b = in.read(); b >= 0; b = in.read()) {
        synchronized (shown) {
          shown.append((char) b);
          shown.notifyAll();
        }
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  void type(String keys) throws IOException {
    script.getOutputStream().write(keys.getBytes(StandardCharsets.ISO_8859_1));
    script.getOutputStream().flush();
  }

  /** {@return what is shown up to a text that comes next, and it} */
  String until(String text) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(300);
    synchronized (shown) {
      int at = shown.indexOf(text, from);
      while (at < 0) {
        assertThat(System.nanoTime()).as(text + " in " + shown.substring(from)).isLessThan(end);
        shown.wait(100);
        at = shown.indexOf(text, from);
      }
      String s = shown.substring(from, at + text.length());
      from = at + text.length();
      return s;
    }
  }

  String answer(String keys, String text) throws Exception {
    type(keys);
    return until(text);
  }

  /** {@return the command, which is a Java of its own} */
  ProcessHandle command() {
    return script
        .descendants()
        .filter(p -> p.info().command().orElse("").endsWith("/java"))
        .findFirst()
        .orElseThrow();
  }

  /** {@return the terminal's modes now} */
  String modes() throws Exception {
    Path t = Files.readSymbolicLink(Path.of("/proc/" + command().pid() + "/fd/0"));
    return Tools.run("stty", "-a", "-F", t.toString());
  }

  int status() throws Exception {
    until("status=");
    String s = until("\n").trim();
    assertThat(script.waitFor()).isZero();
    return Integer.parseInt(s);
  }

  @Override
  public void close() {
    script.descendants().forEach(ProcessHandle::destroyForcibly);
    script.destroyForcibly();
  }

  /** {@return a word that a shell leaves as it is} */
  static String quoted(String s) {
    return "'" + s.replace("'", "'\\''") + "'";
  }

  /** The shell has the terminal as it was before the command. */
  static void modesAreAsBefore(Path dir) {
    assertThat(dir.resolve("after")).hasSameTextualContentAs(dir.resolve("before"));
    assertThat(dir.resolve("before")).content().doesNotContain("-icanon").doesNotContain("-isig");
  }
}
