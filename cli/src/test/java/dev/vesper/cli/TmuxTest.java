package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianDisk;
import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A day's work at a terminal that answers as terminals do: tmux, its keys, and what it shows. The
 * guests are SEV-ES guests, and the terminal's modes are the same before and after each run.
 */
@Tag("slow")
@EnabledIfSystemProperty(named = "long", matches = "true")
@Timeout(value = 10, unit = TimeUnit.MINUTES)
final class TmuxTest {
  private static final String PROMPT = "host> ";

  /** Where OVMF has its help. */
  private static final int HELP = 57;

  private static final List<String> JAVA =
      List.of("-XX:TieredStopAtLevel=1", "-Xss4m", "--enable-native-access=ALL-UNNAMED");

  @TempDir Path dir;

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

  /** Opens the terminal, with a shell. */
  @BeforeEach
  void open() throws Exception {
    Tools.need("tmux", "tmux");
    Tools.need("bash", "bash");
    String shell = "PS1='" + PROMPT + "' exec bash --norc --noediting";
    assertThat(tmux("new-session", "-d", "-x", "100", "-y", "32", shell)).isEmpty();
    until(s -> !s.isEmpty() && s.getLast().equals(PROMPT.strip()));
  }

  /** Types a command line at the shell, which notes the terminal's modes around it. */
  private void vesper(String... args) throws Exception {
    List<String> command = OwnJvm.command(JAVA, Main.class, args);
    Files.writeString(
        dir.resolve("run"),
        "exec "
            + command.stream().map(TerminalSession::quoted).reduce((a, b) -> a + " " + b).get()
            + "\n");
    type("stty -a >before; sh run; echo status=$?; stty -a >after");
    keys("Enter");
  }

  /** The command has ended with a status, and the terminal is as it was. */
  private void ended(int status) throws Exception {
    answered("status=" + status, PROMPT.strip());
    assertThat(dir.resolve("after")).hasSameTextualContentAs(dir.resolve("before"));
    assertThat(dir.resolve("before")).content().contains("rows 32").doesNotContain("-isig");
  }

  /** Waits until some line has a text. */
  private void shown(String text) throws Exception {
    until(s -> s.stream().anyMatch(l -> l.contains(text)));
  }

  /** Waits until the column at the right, beside the entry that is chosen, says this. */
  private void helps(String text) throws Exception {
    until(
        s ->
            s.stream()
                .map(l -> l.length() > HELP ? l.substring(HELP) : "")
                .collect(Collectors.joining(" "))
                .contains(text));
  }

  private List<String> screen() throws Exception {
    return Arrays.stream(tmux("capture-pane", "-p", "-t", "0").split("\n"))
        .map(String::stripTrailing)
        .filter(l -> !l.isEmpty())
        .toList();
  }

  /** Waits until the screen is so. */
  private List<String> until(Predicate<List<String>> shown) throws Exception {
    long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(5);
    List<String> s = screen();
    while (!shown.test(s)) {
      assertThat(System.nanoTime()).as(String.join("\n", s)).isLessThan(end);
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
    Tools.require("/bin/busybox", "busybox-static");
    Path kernel = Files.write(dir.resolve("vmlinuz-0"), DebianKernel.image());
    vesper("boot", kernel.toString(), "--", "exec sh");
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
    ended(130);
  }

  @Test
  void firmwareIsSetUpByArrows() throws Exception {
    Tools.require(MenusTest.OVMF, "ovmf");
    vesper("run", "-bios", MenusTest.OVMF);
    shown("to skip startup.nsh");
    keys("Escape");
    until(s -> s.getLast().startsWith("Shell>"));
    type("exit");
    keys("Enter");
    shown("Select Language");
    keys("Down");
    helps("This selection will take you to the Device Manager");
    keys("Down");
    helps("This selection will take you to the Boot Manager");
    keys("Up", "Enter");
    shown("Devices List");
    keys("Escape");
    shown("Select Language");
    keys("C-a", "x");
    ended(130);
  }

  @Test
  void grubStartsWhatTheArrowsHaveChosen() throws Exception {
    Tools.require(MenusTest.OVMF, "ovmf");
    vesper("run", "-bios", MenusTest.OVMF, "-kernel", MenusTest.grub(dir).toString());
    shown("*first of two");
    keys("Down");
    until(
        s ->
            s.stream().anyMatch(l -> l.contains("*second of two"))
                && s.stream().noneMatch(l -> l.contains("*first of two")));
    keys("Enter");
    shown("SECOND");
    ended(0);
  }

  @Test
  void bashIsUsedBehindALogin() throws Exception {
    Path disk = dir.resolve("debian.img");
    Files.copy(DebianDisk.image(), disk);
    Path kernel = Files.write(dir.resolve("vmlinuz"), DebianKernel.image());
    Path initrd = Files.write(dir.resolve("initrd"), DebianDisk.initramfs());
    vesper(
        "run",
        "-kernel",
        kernel.toString(),
        "-initrd",
        initrd.toString(),
        "-append",
        "console=ttyS0 quiet",
        "-drive",
        "file=" + disk + ",format=raw");
    until(s -> s.getLast().endsWith("login:"));
    type("root");
    keys("Enter");
    until(s -> s.getLast().endsWith("Password:"));
    type("vesper");
    keys("Enter");
    until(s -> s.getLast().endsWith("#"));
    // Bash's own editing: by words, and by what was typed before.
    type("echo one thrre");
    keys("Left", "BSpace", "e", "Enter");
    answered("one three", "#");
    keys("C-r");
    type("thr");
    shown("(reverse-i-search)`thr'");
    keys("Enter");
    until(s -> s.stream().filter("one three"::equals).count() == 2 && s.getLast().endsWith("#"));
    type("sh -c 'echo go$((1+1)); exec sleep 1000'");
    keys("Enter");
    until(s -> s.contains("go2"));
    keys("C-c");
    until(s -> s.getLast().endsWith("#"));
    type("echo status $?");
    keys("Enter");
    answered("status 130", "#");
    type("systemctl poweroff");
    keys("Enter");
    ended(0);
  }

  @ParameterizedTest
  @CsvSource({
    "quit, 130",
    "end, 1",
    "timeout, 124",
    "mistake, 2",
    "TERM, 143",
    "INT, 130",
    "HUP, 129"
  })
  void everyWayOutGivesTheTerminalBack(String way, int status) throws Exception {
    Path echo = Files.write(dir.resolve("echo"), FlatGuest.image(ConsoleTerminalTest.ECHO));
    String limit = way.equals("timeout") ? "--timeout=4" : "--json";
    vesper("run", "--sev", "off", limit, way.equals("mistake") ? "nothing" : echo.toString());
    if (!way.equals("mistake")) {
      until(s -> s.getLast().endsWith("R"));
      assertThat(modes()).contains("-icanon").contains("-isig").contains("-echo ");
    }
    switch (way) {
      case "quit" -> keys("C-a", "x");
      case "end" -> type("q");
      case "timeout", "mistake" -> {
        // it comes
      }
      default -> Tools.run("kill", "-" + way, String.valueOf(command().pid()));
    }
    ended(status);
  }

  /** {@return the command, which is a Java of its own} */
  private ProcessHandle command() throws Exception {
    long shell = Long.parseLong(tmux("display", "-p", "-t", "0", "#{pane_pid}").strip());
    return ProcessHandle.of(shell).orElseThrow().descendants().reduce((a, b) -> b).orElseThrow();
  }

  /** {@return the terminal's modes now} */
  private String modes() throws Exception {
    return Tools.run("stty", "-a", "-F", tmux("display", "-p", "-t", "0", "#{pane_tty}").strip());
  }
}
