package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Commands in processes of their own that the system confines, with {@link Intruder} among them.
 */
final class ConfinedRunTest {
  private static final String NATIVE = "--enable-native-access=ALL-UNNAMED";

  @TempDir Path dir;
  private Path outside;
  private Path shared;

  private record Run(int status, String out, String err) {
    /** {@return what came of each attempt} */
    Map<String, String> attempts() {
      Map<String, String> all = new HashMap<>();
      err.lines()
          .filter(l -> l.startsWith("intruder "))
          .map(l -> l.split(" "))
          .forEach(w -> all.put(w[1], w[2]));
      return all;
    }
  }

  @BeforeEach
  void folders() throws IOException {
    outside = Files.createDirectory(dir.resolve("outside"));
    shared = Files.createDirectory(dir.resolve("shared"));
    Files.writeString(outside.resolve("secret"), "secret");
    Files.createSymbolicLink(shared.resolve("link"), outside.resolve("secret"));
  }

  private Run java(List<String> options, Class<?> main, String... args) throws Exception {
    Path out = dir.resolve("out");
    Path err = dir.resolve("err");
    Process p =
        new ProcessBuilder(OwnJvm.command(options, main, args))
            .redirectInput(Path.of("/dev/null").toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    return new Run(
        p.waitFor(),
        Files.readString(out, StandardCharsets.ISO_8859_1),
        Files.readString(err, StandardCharsets.ISO_8859_1));
  }

  private Run intrude(int port, String... options) throws Exception {
    List<String> all = new ArrayList<>(List.of("run", "-v"));
    all.addAll(List.of(options));
    return intrudeInto(port, all.toArray(String[]::new));
  }

  private Run intrudeInto(int port, String... command) throws Exception {
    List<String> args =
        new ArrayList<>(List.of(outside.toString(), shared.toString(), String.valueOf(port)));
    args.addAll(List.of(command));
    return java(List.of(NATIVE), Intruder.class, args.toArray(String[]::new));
  }

  /** A line of {@code -v} says what the system does; what it cannot do is not tested here. */
  private static void assume(Run r, String what) {
    assumeTrue(
        r.err.contains(what),
        () -> r.err.lines().filter(l -> l.startsWith("[sandbox]")).findFirst().orElse(r.err));
  }

  @Test
  void whoIsPastEveryCheckOpensNoFileThatTheRunWasNotGiven() throws Exception {
    Run r = intrude(1);
    assertThat(r.status).as(r.err).isZero();
    assertThat(r.out).contains("self-test passed");
    assume(r, "Landlock ABI");
    for (String who : new String[] {"", "new-thread-"}) {
      for (String what :
          new String[] {"read", "write", "passwd", "create", "mkdir", "list", "delete", "rename"}) {
        assertThat(r.attempts()).containsEntry(who + what, "refused");
      }
    }
    assertThat(r.attempts())
        .containsEntry("shared-write", "refused")
        .containsEntry("shared-hard-link", "refused");
    assertThat(outside.resolve("secret")).hasContent("secret");
    try (var files = Files.list(outside)) {
      assertThat(files).hasSize(1);
    }
  }

  @Test
  void whoIsPastEveryCheckStartsNoProgramAndOpensNoSocket() throws Exception {
    Run r;
    try (ServerSocket s = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
      r = intrude(s.getLocalPort());
    }
    assertThat(r.status).as(r.err).isZero();
    assume(r, "seccomp,");
    for (String who : new String[] {"", "new-thread-"}) {
      for (String what :
          new String[] {"chmod", "exec", "connect", "listen", "accept", "udp", "unix", "kill"}) {
        assertThat(r.attempts()).containsEntry(who + what, "refused");
      }
    }
    // Seccomp holds for threads that were there before, too.
    assertThat(r.attempts())
        .containsEntry("old-thread-exec", "refused")
        .containsEntry("old-thread-connect", "refused")
        .containsEntry("other-process-lives", "true");
  }

  /** What is executed of the memory for code is more than the ways in and out. */
  @Test
  void guestCodeIsNativeThoughTheRunIsConfined() throws Exception {
    Run r = intrude(1);
    assertThat(r.status).as(r.err).isZero();
    assume(r, "[translator] native code");
    assume(r, "seccomp,");
    assertThat(Long.parseLong(r.attempts().get("native-code"))).isGreaterThan(32);
    Run other = intrude(1, "--translator", "regions");
    assertThat(other.err).contains("[translator] regions\n");
    assertThat(Long.parseLong(other.attempts().get("native-code"))).isLessThanOrEqualTo(4);
    assertThat(intrude(1, "--translator", "none").err).contains("[translator] none\n");
    assertThat(intrude(1, "--translate-after", "0").err).contains("[translator] none\n");
  }

  @Test
  void aSharedFolderCanBeChangedAndNotLeft() throws Exception {
    Run r = intrude(1, "--share", "path=" + shared + ",tag=x");
    assertThat(r.status).as(r.err).isZero();
    assume(r, "Landlock ABI");
    assertThat(r.attempts())
        .containsEntry("shared-write", "done")
        .containsEntry("shared-link-out", "refused")
        .containsEntry("shared-hard-link", "refused")
        .containsEntry("read", "refused")
        .containsEntry("create", "refused");
    assertThat(r.attempts())
        .containsEntry("shared-move", r.err.contains("Landlock ABI 1;") ? "refused" : "done");
  }

  @Test
  void aReadOnlyFolderCannotBeChanged() throws Exception {
    Run r = intrude(1, "--share", "path=" + shared + ",tag=x,readonly=on");
    assume(r, "Landlock ABI");
    assertThat(r.attempts())
        .containsEntry("shared-write", "refused")
        .containsEntry("chmod", "refused")
        .containsEntry("read", "refused");
  }

  @Test
  void visitorsAreLetInByWhatListensAlready() throws Exception {
    int free;
    try (ServerSocket s = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
      free = s.getLocalPort();
    }
    Run r = intrude(1, "-nic", "user,hostfwd=tcp:127.0.0.1:" + free + "-:22");
    assertThat(r.status).as(r.err).isZero();
    assertThat(r.attempts()).containsEntry("accept", "done");
    assume(r, "seccomp,");
    assertThat(r.attempts())
        .containsEntry("connect", "refused")
        .containsEntry("listen", "refused")
        .containsEntry("udp", "refused");
  }

  @Test
  void onlyThePortsThatTheGuestIsLetOutToAreConnectedTo() throws Exception {
    try (ServerSocket s = new ServerSocket(0, 16, InetAddress.getLoopbackAddress());
        ServerSocket t = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
      String nic = "user,guestfwd=tcp:10.0.2.2:80-tcp:127.0.0.1:" + s.getLocalPort();
      Run in = intrude(s.getLocalPort(), "-nic", nic);
      assertThat(in.status).as(in.err).isZero();
      assertThat(in.attempts()).containsEntry("connect", "done");
      assume(in, "seccomp,");
      assertThat(in.attempts())
          .containsEntry("listen", "refused")
          .containsEntry("udp", "refused")
          .containsEntry("unix", "refused");
      Run out = intrude(t.getLocalPort(), "-nic", nic);
      // Ports since ABI 4.
      assumeTrue(out.err.matches("(?s).*Landlock ABI ([4-9]|\\d\\d);.*"));
      assertThat(out.attempts()).containsEntry("connect", "refused");
    }
  }

  @Test
  void outputsAreWrittenAndNothingElseIsSaid() throws Exception {
    Path image = dir.resolve("guest.elf");
    Files.write(image, FlatGuest.image("mov al, 0x10\nout 0xf4, al\nL: jmp short L"));
    Path drcov = Files.createDirectory(dir.resolve("of")).resolve("c.drcov");
    Files.writeString(drcov, "old");
    Path trace = dir.resolve("t.jsonl");
    Run r =
        java(
            List.of(NATIVE),
            Main.class,
            "run",
            "--sev",
            "off",
            "--success-status",
            "33",
            "--coverage",
            drcov.toString(),
            "--trace",
            trace.toString(),
            "-m",
            "16M",
            "--json",
            image.toString());
    assertThat(r.status).as(r.err).isZero();
    assertThat(r.err.lines().count()).isEqualTo(1);
    assertThat(Files.readString(drcov, StandardCharsets.ISO_8859_1)).startsWith("DRCOV");
    assertThat(trace).isNotEmptyFile();
  }

  /** A confined process may remove no file; one that it made for nothing goes all the same. */
  @Test
  void anOutputThatIsNotWrittenIsNotThere() throws Exception {
    Path image = Files.writeString(dir.resolve("image"), "no image");
    Path made = dir.resolve("c.drcov");
    Run r =
        java(List.of(NATIVE), Main.class, "run", "--coverage", made.toString(), image.toString());
    assertThat(r.status).as(r.err).isEqualTo(2);
    assertThat(made).doesNotExist();
  }

  private static void nothingIsDone(Run r) {
    for (String what :
        new String[] {
          "read", "write", "passwd", "create", "mkdir", "list", "delete", "rename", "chmod", "exec",
          "connect", "listen", "accept", "udp", "unix", "kill"
        }) {
      assertThat(r.attempts()).as(r.err).containsEntry(what, "refused");
    }
  }

  /** A trace is as foreign as a guest: who reads it has its outputs and no more. */
  @Test
  void whoReadsATraceIsConfinedAsARunIs() throws Exception {
    assume(java(List.of(NATIVE), Main.class, "run", "-v"), "Landlock ABI");
    Path trace = dir.resolve("t.jsonl");
    assertThat(
            java(
                    List.of(NATIVE),
                    Main.class,
                    "run",
                    "--profile",
                    "openbsd",
                    "--trace",
                    trace.toString())
                .status)
        .isZero();
    Path page = dir.resolve("t.html");
    Path report = dir.resolve("r.md");
    Path baseline = dir.resolve("base");
    String[] command = {
      "check",
      trace.toString(),
      "--sandbox",
      "on",
      "--convert",
      page.toString(),
      "--report",
      report.toString(),
      "--write-baseline",
      baseline.toString()
    };
    Run r = intrudeInto(1, command);
    nothingIsDone(r);
    assertThat(r.status).as(r.err).isZero();
    assertThat(page).isNotEmptyFile();
    assertThat(report).isNotEmptyFile();
    assertThat(baseline).content().contains("version-not-negotiated");
    command[3] = "off";
    assertThat(intrudeInto(1, command).attempts()).containsEntry("read", "done");
  }

  /** What is made for a trace that is none goes, as it did when reports were made last. */
  @Test
  void aReportOnATraceThatIsNoneIsNotThere() throws Exception {
    Path trace = Files.writeString(dir.resolve("t.jsonl"), "no trace");
    Path made = dir.resolve("r.md");
    Run r =
        java(List.of(NATIVE), Main.class, "check", trace.toString(), "--report", made.toString());
    assertThat(r.status).as(r.err).isEqualTo(2);
    assertThat(r.err.lines().count()).isEqualTo(1);
    assertThat(made).doesNotExist();
  }

  @Test
  void whoMeasuresAnImageIsConfinedAsARunIs() throws Exception {
    assume(java(List.of(NATIVE), Main.class, "run", "-v"), "Landlock ABI");
    Path tik = Files.write(dir.resolve("tik"), new byte[16]);
    Path image = Files.write(dir.resolve("guest.elf"), FlatGuest.image("hlt"));
    String nonce = "00".repeat(16);
    Run r =
        intrudeInto(
            1,
            "measure",
            image.toString(),
            "--tik",
            tik.toString(),
            "--nonce",
            nonce,
            "--sandbox",
            "on");
    nothingIsDone(r);
    assertThat(r.status).as(r.err).isZero();
    assertThat(r.out).contains("measurement ");
  }

  @Test
  void whoVerifiesAReportIsConfinedAsARunIs() throws Exception {
    assume(java(List.of(NATIVE), Main.class, "run", "-v"), "Landlock ABI");
    Run r =
        intrudeInto(
            1,
            "attest",
            "verify",
            AttestSamples.real("vs_report_milan.hex").toString(),
            AttestSamples.real("vs_vcek_milan.der").toString(),
            AttestSamples.real("vs_cert_chain_milan.pem").toString(),
            "--at",
            "2026-11-30",
            "--sandbox",
            "on");
    nothingIsDone(r);
    assertThat(r.status).as(r.err).isZero();
    assertThat(r.out).contains("the report holds");
  }

  @Test
  void offRestrictsNothing() throws Exception {
    Run r = intrude(1, "--sandbox", "off");
    assertThat(r.status).as(r.err).isZero();
    assertThat(r.attempts())
        .containsEntry("read", "done")
        .containsEntry("exec", "done")
        .containsEntry("kill", "done");
    assertThat(r.err).doesNotContain("[sandbox]");
  }

  @Test
  void withoutNativeAccessARunGoesOnUnlessItMustBeConfined() throws Exception {
    Run any = java(List.of(), Main.class, "run", "-v");
    assertThat(any.status).as(any.err).isZero();
    // Java warns by itself: guest memory lies outside its heap.
    assertThat(any.err).contains("[sandbox] Java was started without --enable-native-access");
    Run on = java(List.of(), Main.class, "run", "--sandbox", "on");
    assertThat(on.status).isEqualTo(2);
    assertThat(on.err).startsWith("vesper: --sandbox on: ");
    assertThat(on.err.lines().count()).isEqualTo(1);
  }
}
