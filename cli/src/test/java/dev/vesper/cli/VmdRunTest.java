package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How vmd(8) ends and restarts the VMs of small guests. */
final class VmdRunTest {
  @TempDir Path dir;

  private record Run(int status, String err) {}

  private Run run(String source, String... options) throws Exception {
    Path image = dir.resolve("guest.elf");
    Files.write(image, FlatGuest.image(source));
    String[] all = new String[options.length + 5];
    System.arraycopy(options, 0, all, 0, options.length);
    System.arraycopy(
        new String[] {"-serial", "none", "-m", "16M", image.toString()}, 0, all, options.length, 5);
    String[] args = new String[all.length + 1];
    args[0] = "run";
    System.arraycopy(all, 0, args, 1, all.length);
    PrintStream old = System.err;
    ByteArrayOutputStream e = new ByteArrayOutputStream();
    System.setErr(new PrintStream(e, true, StandardCharsets.UTF_8));
    try {
      int status = Main.execute(args);
      return new Run(status, e.toString(StandardCharsets.UTF_8));
    } finally {
      System.setErr(old);
    }
  }

  /** No IDT: the first exception is the third one. */
  @Test
  void aTripleFaultIsAResetAndTheThirdFastOneTheEnd() throws Exception {
    Run r = run("ud2", "--profile", "openbsd", "--sev", "off");
    assertThat(r.status).isEqualTo(5);
    assertThat(r.err.split("vmd\\(8\\) resets the VM", -1)).hasSize(3);
    assertThat(r.err).contains("restarted too quickly");
  }

  @Test
  void kvmResetsInWordsOfItsOwn() throws Exception {
    Run r = run("ud2", "--profile", "kvm", "--sev", "off");
    assertThat(r.status).isEqualTo(5);
    assertThat(r.err).contains("for the third time").doesNotContain("resets the VM");
  }

  /** Limits hold over all starts together. */
  @Test
  void resetsDoNotLengthenTheInstructionLimit() throws Exception {
    String slow = "mov ecx, 1000\nagain:\ndec ecx\njnz again\nud2";
    Run r = run(slow, "--profile", "openbsd", "--sev", "off", "--limit-insns", "3000");
    assertThat(r.status).isEqualTo(124);
    assertThat(r.err.split("vmd\\(8\\) resets the VM", -1)).hasSize(2);
  }

  @ParameterizedTest
  @CsvSource({
    "openbsd:2025-09, 0x1234, 5",
    "openbsd:2026, 0x1234, 6",
    "openbsd:2026-08, 0x1234, 6",
    "openbsd, 0x1235, 5"
  })
  void aForcedAbortEndsTheVm(String profile, String rax, int status) throws Exception {
    Run r = run("mov eax, " + rax + "\nvmmcall", "--profile", profile, "--sev", "off");
    assertThat(r.status).as(r.err).isEqualTo(status);
    assertThat(r.err.contains("forced abort")).isEqualTo(status == 6);
  }
}
