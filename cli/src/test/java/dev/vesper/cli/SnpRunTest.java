package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.SnpProduct;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Options of {@code run} for guests under SEV-SNP alone. */
final class SnpRunTest {
  @TempDir static Path dir;

  private static String block = "";
  private static String authentication = "";

  private static CommandResult vesper(String line) {
    String[] words =
        Stream.of(line.trim().split("\\s+"))
            .map(w -> w.replace("$", dir + "/"))
            .toArray(String[]::new);
    return CommandResult.of(words);
  }

  private static CommandResult run(String options) {
    return vesper("run --sev snp -m 16M -kernel $kernel " + options);
  }

  @BeforeAll
  static void make() throws IOException {
    Files.write(
        dir.resolve("kernel"),
        FlatGuest.image(
            "mov rax, 0x83\n"
                + "vc: mov rcx, cr3\n"
                + "add rcx, 0x2000\n"
                + "btr qword [rcx+0x10], 51\n"
                + "mov rcx, cr3\n"
                + "mov cr3, rcx\n"
                + "at: mov [0x500000], rax\n"
                + "jmp at"));
    Files.write(dir.resolve("id.pem"), pem("77"));
    Files.write(dir.resolve("author.pem"), pem("78"));
    CommandResult r =
        vesper("measure --mode snp -m 16M -kernel $kernel --idkey $id.pem --authorkey $author.pem");
    assertThat(r.status()).as(r.err()).isZero();
    for (String l : r.out().lines().toList()) {
      block = l.startsWith("id-block=") ? l.substring("id-block=".length()) : block;
      authentication = l.startsWith("id-auth=") ? l.substring("id-auth=".length()) : authentication;
    }
  }

  /** A private key as {@code openssl ecparam -genkey} writes it. */
  private static byte[] pem(String d) {
    byte[] der =
        HexFormat.of()
            .parseHex("303e0201010430" + "0".repeat(96 - d.length()) + d + "a00706052b81040022");
    return ("-----BEGIN EC PRIVATE KEY-----\n"
            + Base64.getMimeEncoder().encodeToString(der)
            + "\n-----END EC PRIVATE KEY-----\n")
        .getBytes(StandardCharsets.US_ASCII);
  }

  /** {@return base64 of the same bytes, one of them another} */
  private static String changed(String base64, int at) {
    byte[] b = Base64.getDecoder().decode(base64);
    b[at] ^= 1;
    return Base64.getEncoder().encodeToString(b);
  }

  private static CommandResult launched(String more) {
    return run("--measure-only --id-block " + block + " " + more);
  }

  private static String digest(CommandResult r) {
    Matcher m = Pattern.compile("[0-9a-f]{96}").matcher(r.out());
    assertThat(m.find()).as(r.out()).isTrue();
    return m.group();
  }

  /** What the secure processor adds for Secure TSC is not measured, whatever the frequency. */
  @ParameterizedTest
  @ValueSource(strings = {"0x201", "0x11", "0x205 --tsc-frequency 2400000000"})
  void featuresAreMeasuredAsTheyAreLaunched(String features) {
    CommandResult run = run("--measure-only --guest-features " + features);
    CommandResult measured =
        vesper(
            "measure --mode snp -m 16M -kernel $kernel --guest-features "
                + features.replaceAll(" .*", ""));
    assertThat(measured.status()).as(measured.err()).isZero();
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(digest(run)).isEqualTo(digest(measured));
  }

  @Test
  void anIdBlockIsChecked() {
    CommandResult good = launched("--id-auth " + authentication + " --author-key-enabled on");
    assertThat(good.err()).isEmpty();
    assertThat(good.status()).isZero();
    assertThat(launched("--id-auth " + changed(authentication, 0x900)).status())
        .as("the author key of nobody who asks")
        .isZero();
  }

  private static void refused(String status, String options) {
    CommandResult r = launched(options);
    assertThat(r.err()).contains("SNP_LAUNCH_FINISH failed with " + status);
    assertThat(r.err().lines()).hasSize(1);
    assertThat(r.status()).isEqualTo(2);
  }

  @Test
  void aWrongOneIsRefusedByTheFirmwaresName() {
    String by = "--id-auth " + authentication;
    refused("BAD_MEASUREMENT", by + " -append x");
    refused("POLICY_FAILURE", by + " --policy 0xb0000");
    refused("INVALID_PARAM", "");
    refused("INVALID_PARAM", "--id-auth " + changed(authentication, 0));
    refused("INVALID_PARAM", "--author-key-enabled on --id-auth " + changed(authentication, 4));
    refused("BAD_SIGNATURE", "--id-auth " + changed(authentication, 0x50));
    refused("BAD_SIGNATURE", "--id-auth " + changed(authentication, 0x250));
    refused("BAD_SIGNATURE", "--author-key-enabled on --id-auth " + changed(authentication, 0x690));
  }

  /** Host data and workarounds change no digest, but reach the launch. */
  @Test
  void whatIsOnlyRepeatedIsTaken() {
    String data = Base64.getEncoder().encodeToString(new byte[32]);
    String more = "--host-data " + data + " --guest-visible-workarounds " + data.substring(0, 22);
    CommandResult r = launched("--id-auth " + authentication + " " + more + "==");
    assertThat(r.err()).isEmpty();
    assertThat(r.status()).isZero();
  }

  @Test
  void aStrictRunSaysWhichPage() {
    CommandResult r = run("--rmp strict --limit-insns 1000 --rmp-2m on");
    assertThat(r.status()).isEqualTo(7);
    assertThat(r.err())
        .contains("shared data write", "GPA 0x500000", "guest-valid (2 MiB)", "<at>");
    assertThat(run("--limit-insns 1000").status()).as("converted").isEqualTo(124);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--sev es -kernel $kernel --rmp strict | --rmp is for --sev snp",
        "--sev snp -kernel $kernel --rmp lazy | --rmp takes kvm or strict, not 'lazy'",
        "--sev snp -kernel $kernel --rmp-2m 1 | --rmp-2m takes on or off, not '1'",
        "--sev snp -kernel $kernel --hv-features tio | takes apic-id-list and multi-vmpl, not"
            + " 'tio'",
        "--sev snp -kernel $kernel --guest-features 2 | bit 0 (SNPActive) is always set",
        "--sev snp -kernel $kernel --guest-features 101 | VmplSSS (0x100) is not supported",
        "--sev snp -cpu EPYC-Milan,-secure-tsc -kernel $kernel --guest-features 201 | EPYC-Milan"
            + " has no SecureTSC, which SEV_FEATURES ask for (0x200): take -cpu EPYC-Milan or"
            + " EPYC-Genoa",
        "--sev snp -kernel $kernel --tsc-frequency 2000000000 | give it with --guest-features"
            + " 0x201",
        "--sev snp -kernel $kernel --guest-features 201 --tsc-frequency 999999 | not '999999'",
        "--sev snp -kernel $kernel --guest-features 201 --tsc-frequency 2G | takes hertz from"
            + " 1000000",
        "--sev snp -kernel $kernel --id-block AA | --id-block: an ID block has 96 bytes, not 1",
        "--sev snp -kernel $kernel --id-block ! | --id-block takes bytes in base64",
        "--sev snp -kernel $kernel --id-auth AA | give it with --id-block",
        "--sev snp -kernel $kernel --author-key-enabled on | give the key's signature with"
            + " --id-auth",
        "--sev snp -kernel $kernel --host-data AA | --host-data: it has 32 bytes, not 1",
        "--sev snp -kernel $kernel --guest-visible-workarounds AAAA | it has 16 bytes, not 3",
        "--sev es -kernel $kernel --svsm on | --svsm is for --sev snp",
        "--sev snp -kernel $kernel --svsm 1 | --svsm takes on or off, not '1'",
        "--sev snp -kernel $kernel --svsm on --guest-features 9 | leave bits 1 to 4",
        "--sev snp -bios $kernel --svsm on | a kernel that is booted directly: leave -bios away",
        "--sev snp -kernel $kernel --svsm on -m 2M | where the service module begins at 0x0",
        "--sev snp -kernel $kernel --vlek on | --vlek takes test or off, not 'on'",
        "--sev es -kernel $kernel --vlek test | --vlek is for --sev snp"
      })
  void mistakesAreSaidInALine(String options, String said) {
    CommandResult r = vesper("run " + options);
    assertThat(r.err()).contains(said);
    assertThat(r.err().lines()).hasSize(1);
    assertThat(r.status()).isEqualTo(2);
  }

  @ParameterizedTest
  @CsvSource({
    "'-smp 2', ''",
    "'', '-m 15M'",
    "'--guest-features 21', '-append x'",
    "'', '-M q35 -m 24M'"
  })
  void aServiceModuleIsPartOfTheLaunch(String some, String more) {
    String memory = more.contains("-m") ? "" : "-m 16M ";
    String options = " -kernel $kernel --svsm on " + memory + some + " " + more;
    CommandResult r = vesper("run --sev snp --measure-only" + options);
    assertThat(r.status()).as(r.err()).isZero();
    CommandResult measured = vesper("measure --mode snp" + options);
    assertThat(measured.err()).isEmpty();
    assertThat(r.out()).contains("launch digest " + measured.out().strip());
    CommandResult without = vesper("measure --mode snp" + options.replace("--svsm on", ""));
    assertThat(without.out()).isNotEqualTo(measured.out());
  }

  @Test
  void theReferenceGuestRunsUnderTheServiceModule() {
    CommandResult r = vesper("run --sev snp --svsm on -smp 2");
    assertThat(r.status()).as(r.err()).isZero();
    assertThat(r.err()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--mode sev --svsm on | --svsm is for --mode snp",
        "--mode snp --svsm maybe | --svsm takes on or off, not 'maybe'",
        "--mode snp --svsm on --guest-features 1f | leave bits 1 to 4"
      })
  void measuringSaysTheSame(String options, String said) {
    CommandResult r = vesper("measure -kernel $kernel " + options);
    assertThat(r.err()).contains(said);
    assertThat(r.err().lines()).hasSize(1);
    assertThat(r.status()).isEqualTo(2);
  }

  /** A shell's process substitution is a pipe, whose bytes can be had once. */
  @Test
  @Timeout(60)
  void certificatesAreReadOnce() throws Exception {
    Path pipe = dir.resolve("pipe");
    assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
    byte[] table = EndorsementChain.of(SnpProduct.MILAN, 1).table();
    Thread writer =
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  try {
                    Files.write(pipe, table);
                  } catch (IOException e) {
                    throw new UncheckedIOException(e);
                  }
                });
    CommandResult r = run("--measure-only --certs $pipe");
    assertThat(r.status()).as(r.err()).isZero();
    writer.join();
  }

  /** A kernel may be made for SEV-SNP alone. */
  @ParameterizedTest
  @CsvSource({"snp, -v shows", "es, try --sev off"})
  void theAdviceForATripleFaultFitsTheMode(String mode, String advice) throws IOException {
    Files.write(dir.resolve("dies"), FlatGuest.image("mov eax, 1\ncpuid\nhlt"));
    CommandResult r = vesper("run --sev " + mode + " -m 16M -serial none -kernel $dies");
    assertThat(r.status()).as(r.err()).isEqualTo(5);
    assertThat(r.err()).contains("triple fault", advice);
    assertThat(r.err().contains("--sev off")).isEqualTo(mode.equals("es"));
  }
}
