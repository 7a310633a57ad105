package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The command in a process of its own whose console is a terminal, with a shell around it. */
final class ConsoleTerminalTest {
  private static final String ESCAPE = "\u0001";

  /** Says R, and ends by port F4h when it gets a q; everything else it says again. */
  static final String ECHO =
      """
      mov edx, 0x3f8
      mov al, 82
      out dx, al
      L:
      mov edx, 0x3fd
      in al, dx
      test al, 1
      jz L
      mov edx, 0x3f8
      in al, dx
      out dx, al
      cmp al, 113
      jne L
      mov al, 0
      out 0xf4, al
      """;

  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox mount -t devtmpfs dev /dev
      /bin/busybox --install -s /bin
      export PATH=/bin HOME=/
      echo 1 >/proc/sys/kernel/sysrq
      setsid cttyhack sh
      poweroff -f
      """;

  @TempDir Path dir;

  @BeforeEach
  void tools() throws IOException {
    Tools.need("script", "bsdutils");
    Tools.need("bash", "bash");
    Files.write(dir.resolve("echo"), FlatGuest.image(ECHO));
  }

  private static void signal(ProcessHandle p, String name) throws Exception {
    Tools.run("kill", "-" + name, String.valueOf(p.pid()));
  }

  private String[] echo(String... more) {
    return Stream.concat(
            Stream.of("run", "--sev", "off"),
            Stream.concat(Stream.of(more), Stream.of(dir.resolve("echo").toString())))
        .toArray(String[]::new);
  }

  @ParameterizedTest
  @CsvSource({"quit, 130", "end, 1", "timeout, 124", "TERM, -1", "INT, -1", "HUP, -1"})
  void everyWayOutGivesTheTerminalBack(String way, int status) throws Exception {
    Map<String, Integer> signals = Map.of("TERM", 15, "INT", 2, "HUP", 1);
    assumeFalse(
        signals.containsKey(way) && EndOfRunTest.ignored(signals.get(way)),
        "SIG" + way + " is ignored here, and so by all children");
    try (TerminalSession s =
        new TerminalSession(dir, echo(way.equals("timeout") ? "--timeout=4" : "--json"))) {
      s.until("R");
      assertThat(s.modes()).contains("-icanon").contains("-isig").contains("-echo ");
      assertThat(s.answer("x\u0003\u001a", "\u001a")).isEqualTo("x\u0003\u001a");
      switch (way) {
        case "quit" -> s.type(ESCAPE + "x");
        case "end" -> s.type("q");
        case "timeout" -> {
          // it comes
        }
        default -> signal(s.command(), way);
      }
      int ended = s.status();
      assertThat(ended).isNotZero();
      if (status >= 0) {
        assertThat(ended).isEqualTo(status);
      }
    }
    TerminalSession.modesAreAsBefore(dir);
  }

  /** A reset with -no-reboot is a shutdown, as in QEMU. */
  @ParameterizedTest
  @CsvSource({"-no-shutdown, quit, 130", "--action=shutdown=pause, TERM, 143"})
  void aGuestThatIsOffIsKeptUntilSomebodyEndsTheRun(String option, String way, int status)
      throws Exception {
    assumeFalse(
        way.equals("TERM") && EndOfRunTest.ignored(15), "SIGTERM is ignored here, by children too");
    Files.write(dir.resolve("off"), FlatGuest.image("mov al, 0xfe\nout 0x64, al\nhlt"));
    String image = dir.resolve("off").toString();
    try (TerminalSession s =
        new TerminalSession(
            dir, "run", "--sev", "off", "-no-reboot", option, "--json=r.json", image)) {
      s.until("kept as it is (-no-shutdown)");
      assertThat(s.modes()).contains("-icanon");
      if (way.equals("quit")) {
        s.type(ESCAPE + "x");
      } else {
        signal(s.command(), way);
      }
      assertThat(s.status()).isEqualTo(status);
    }
    assertThat(dir.resolve("r.json")).content().contains("\"status\":" + status);
    TerminalSession.modesAreAsBefore(dir);
  }

  @Test
  void aMistakeOfTheUsersLeavesTheTerminalAlone() throws Exception {
    try (TerminalSession s = new TerminalSession(dir, echo("--no-such-option"))) {
      assertThat(s.status()).isEqualTo(2);
    }
    TerminalSession.modesAreAsBefore(dir);
  }

  @Test
  void aRunThatIsStoppedGivesTheTerminalBackAndTakesItAgain() throws Exception {
    try (TerminalSession s = new TerminalSession(dir, echo())) {
      s.until("R");
      s.answer("x", "x");
      signal(s.command(), "TSTP");
      // The shell continues it.
      s.answer("y", "y");
      while (!s.modes().contains("-icanon")) {
        Thread.sleep(10);
      }
      s.type(ESCAPE + "x");
      assertThat(s.status()).isEqualTo(130);
    }
    TerminalSession.modesAreAsBefore(dir);
    assertThat(dir.resolve("stopped")).hasSameTextualContentAs(dir.resolve("before"));
  }

  @Test
  void whatIsAskedForAtTheConsoleIsDone() throws Exception {
    Files.writeString(dir.resolve("screen-1.txt"), "somebody's");
    Path trace = dir.resolve("t.txt");
    try (TerminalSession s =
        new TerminalSession(
            dir,
            echo("-vga=std", "--screenshot=" + dir.resolve("screen.txt"), "--trace=" + trace))) {
      s.until("R");
      s.answer(ESCAPE + "h", "C-a x    end the run");
      s.answer(ESCAPE + "c", "(qemu) ");
      s.answer("info stx\177atus\r", "VM status: running");
      s.answer("stop\rinfo status\r", "VM status: paused");
      s.answer("cont\r" + ESCAPE + "h", "C-a x    end the run");
      s.type(ESCAPE + "c");
      s.answer(ESCAPE + "s", "screen-2.txt");
      assertThat(s.answer(ESCAPE + "a" + ESCAPE + ESCAPE + ".", ".")).contains(ESCAPE + ESCAPE);
      s.type(ESCAPE + "x");
      assertThat(s.status()).isEqualTo(130);
    }
    assertThat(dir.resolve("screen-1.txt")).hasContent("somebody's");
    assertThat(dir.resolve("screen-2.txt")).exists();
    assertThat(dir.resolve("screen.txt")).exists();
    assertThat(Files.readString(trace)).contains("ended at the console (C-a x)");
  }

  /** What nobody types is all the guest's, Ctrl-A too. */
  @Test
  void aPipeHasNoEscapeKey() throws Exception {
    Process p;
    try (TerminalSession s = new TerminalSession(dir, "run", "--no-such-option")) {
      s.status();
    }
    Path shell = dir.resolve("shell");
    Files.writeString(
        shell,
        Files.readString(shell)
            .lines()
            .filter(l -> l.contains("--no-such-option"))
            .findFirst()
            .orElseThrow()
            .replace(
                "'--no-such-option'",
                "--sev off " + TerminalSession.quoted(dir.resolve("echo").toString())));
    p = new ProcessBuilder("bash", shell.toString()).redirectErrorStream(true).start();
    p.getOutputStream().write((ESCAPE + "xq").getBytes(StandardCharsets.ISO_8859_1));
    p.getOutputStream().close();
    String shown = new String(p.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    assertThat(shown).startsWith("R" + ESCAPE + "xq");
    assertThat(p.waitFor()).isEqualTo(1);
  }

  /** A shell as one has it over a serial line. */
  @Test
  @Tag("slow")
  void aShellIsUsedAsOnAnyTerminal() throws Exception {
    Path kernel = dir.resolve("vmlinuz");
    Path initrd = dir.resolve("initrd");
    Files.write(kernel, DebianKernel.image());
    Files.write(initrd, DebianKernel.initramfs(INIT));
    try (TerminalSession s =
        new TerminalSession(
            dir,
            "run",
            "-kernel",
            kernel.toString(),
            "-initrd",
            initrd.toString(),
            "-append",
            "console=ttyS0 quiet cryptomgr.notests=1")) {
      String prompt = "/ # ";
      s.until(prompt);
      // The shell asks where the cursor is; nobody echoes a terminal's answer.
      s.type("\u001b[30;5R");
      assertThat(s.answer("echo sum-$((6*7))\r", "\nsum-42"))
          .containsOnlyOnce("echo sum-$((6*7))")
          .doesNotContain("^[");
      s.until(prompt);
      s.type("cat /pro\t");
      s.until("/proc/");
      s.answer("upt\t\r", "/proc/uptime");
      s.until(prompt);
      s.answer("\u001b[A\u001b[A\r", "\nsum-42");
      s.until(prompt);
      s.answer("echo going; sleep 1000\r", "\ngoing");
      s.answer("\u0003", "^C");
      s.until(prompt);
      s.answer("echo $?\r", "\n130");
      s.until(prompt);
      // A visual editor, which Ctrl-C takes out of what it is doing.
      s.answer("vi /note\r", "~");
      s.answer("iwords", "words");
      s.answer("\u0003", "- /note");
      s.answer(":wq\r", prompt);
      s.answer("cat /note\r", "\nwords");
      s.until(prompt);
      s.type(ESCAPE + "b");
      s.answer("h", "sysrq: HELP");
      s.type(ESCAPE + "x");
      assertThat(s.status()).isEqualTo(130);
    }
    TerminalSession.modesAreAsBefore(dir);
  }
}
