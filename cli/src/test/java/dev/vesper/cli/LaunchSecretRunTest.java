package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.launch.SessionKeys;
import dev.vesper.machine.launch.SevCertificate;
import dev.vesper.machine.launch.SevReport;
import dev.vesper.machine.observe.format.JsonTree;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An owner who looks at a launch by QMP, and puts a secret into it, as of libvirt's tools. */
final class LaunchSecretRunTest {
  private static final String GUEST = "mov eax, [0x300000]\nout 0xf4, al\nL: jmp L";

  /** Has no handler of #VC: it asks for its end by the GHCB MSR, with the secret as the reason. */
  private static final String ENCRYPTED =
      """
      mov eax, [0x300000]
      and eax, 0xFF
      shl eax, 16
      or eax, 0x1100
      mov edx, 0
      mov ecx, 0xC0010130
      wrmsr
      vmgexit
      L: jmp L
      """;

  @TempDir Path dir;
  private @Nullable MonitorClient client;
  private @Nullable CompletableFuture<CommandResult> started;

  @BeforeEach
  void image() throws IOException {
    Files.write(dir.resolve("guest"), FlatGuest.image(GUEST));
  }

  private void start(String mode, String... more) throws Exception {
    List<String> args =
        new ArrayList<>(List.of("run", "--sev", mode, "-m", "16M", "-serial", "none", "-S"));
    args.addAll(Arrays.asList(more));
    args.addAll(
        List.of("--timeout", "60", "-qmp", "unix:" + dir.resolve("q") + ",server,wait=off"));
    args.add(dir.resolve("guest").toString());
    started =
        CompletableFuture.supplyAsync(
            () -> CommandResult.of(args.toArray(String[]::new)),
            r -> Thread.ofPlatform().daemon().start(r));
    client = new MonitorClient(dir.resolve("q"));
    qmp().until("\n");
    ask("qmp_capabilities", "");
  }

  private String ask(String command, String arguments) throws IOException {
    qmp().say("{\"execute\": \"" + command + "\", \"arguments\": {" + arguments + "}}\n");
    String line = qmp().until("\n");
    return line.contains("\"event\"") ? qmp().until("\n") : line;
  }

  private byte[] data(String answer) {
    Map<String, Object> m = JsonTree.object(JsonTree.object(JsonTree.parse(answer)).get("return"));
    return Base64.getDecoder().decode(String.valueOf(m.get("data")));
  }

  private static String text(byte[] b) {
    return Base64.getEncoder().encodeToString(b);
  }

  private static String packet(byte[] header, byte[] secret, String more) {
    return "\"packet-header\": \"%s\", \"secret\": \"%s\"%s"
        .formatted(text(header), text(secret), more);
  }

  private int end() throws Exception {
    qmp().close();
    return run().get(60, TimeUnit.SECONDS).status();
  }

  @ParameterizedTest
  @ValueSource(strings = {"sev", "es"})
  void anOwnerMeasuresAndInjectsBeforeTheGuestRuns(String mode) throws Exception {
    boolean es = mode.equals("es");
    String policy = es ? "5" : "1";
    Files.write(dir.resolve("guest"), FlatGuest.image(es ? ENCRYPTED : GUEST));
    Path name = dir.resolve("vm");
    CommandResult.of("session", "--name", name.toString(), "--policy", policy);
    start(
        mode,
        "--policy",
        policy,
        "--dh-cert-file",
        name + "_godh.b64",
        "--session-file",
        name + "_session.b64");
    assertThat(ask("query-sev", "")).contains("\"state\": \"launch-secret\"");
    byte[] measured = data(ask("query-sev-launch-measure", ""));
    Measurement m =
        new Measurement(Arrays.copyOf(measured, 32), Arrays.copyOfRange(measured, 32, 48));
    SessionKeys keys =
        new SessionKeys(
            Files.readAllBytes(dir.resolve("vm_tek.bin")),
            Files.readAllBytes(dir.resolve("vm_tik.bin")));
    byte[] secret = "\u0021 is a secret".getBytes(StandardCharsets.US_ASCII);
    LaunchSecret p = LaunchSecret.seal(keys, new byte[16], secret, m);
    String at = ", \"gpa\": 3145728";
    assertThat(ask("sev-inject-launch-secret", packet(p.header(), p.payload(), "")))
        .contains("SEV: no secret area found in OVMF, gpa must be specified.");
    assertThat(ask("sev-inject-launch-secret", packet(new byte[0], p.payload(), at)))
        .contains("SEV: Failed to decode sequence header");
    assertThat(ask("sev-inject-launch-secret", packet(p.header(), new byte[0], at)))
        .contains("SEV: Failed to decode data");
    assertThat(ask("sev-inject-launch-secret", packet(p.header(), p.payload(), ", \"gpa\": -16")))
        .contains("SEV: Failed to calculate guest address: No memory is mapped at address 0xfff");
    assertThat(
            ask("sev-inject-launch-secret", packet(p.header(), p.payload(), ", \"gpa\": 16777215")))
        .contains("Size of memory region at 0xffffff exceeded.");
    byte[] wrong = p.header().clone();
    wrong[30] ^= 1;
    assertThat(ask("sev-inject-launch-secret", packet(wrong, p.payload(), at)))
        .contains("SEV: failed to inject secret ret=-5 fw_error=11 'Bad measurement'");
    assertThat(ask("sev-inject-launch-secret", packet(p.header(), p.payload(), at)))
        .isEqualTo("{\"return\": {}}\r\n");
    ask("cont", "");
    // The guest reads it in plaintext.
    assertThat(end()).isEqualTo(es ? 3 : 0x21 << 1 | 1);
    assertThat(run().join().err())
        .contains("changed by commands", "sev-inject-launch-secret", es ? "code 33" : "");
  }

  @Test
  void reportsAreSignedByThePlatformThatTheHostNames() throws Exception {
    start("es");
    byte[] nonce = HexFormat.of().parseHex("00112233445566778899aabbccddeeff");
    String asked = "\"mnonce\": \"%s\"";
    assertThat(ask("query-sev-attestation-report", asked.formatted("%%%")))
        .contains("SEV: failed to decode mnonce input");
    assertThat(ask("query-sev-attestation-report", asked.formatted(text(new byte[15]))))
        .contains("SEV: mnonce must be 16 bytes (got 15)");
    SevReport r =
        SevReport.parse(data(ask("query-sev-attestation-report", asked.formatted(text(nonce)))));
    assertThat(r.nonce()).isEqualTo(nonce);
    assertThat(r.policy().bits()).isEqualTo(5);
    Map<String, Object> capabilities =
        JsonTree.object(
            JsonTree.object(JsonTree.parse(ask("query-sev-capabilities", ""))).get("return"));
    byte[] chain = Base64.getDecoder().decode(String.valueOf(capabilities.get("cert-chain")));
    assertThat(r.signedBy(SevCertificate.parse(Arrays.copyOf(chain, SevCertificate.BYTES))))
        .isTrue();
    qmp()
        .say(
            "{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\":"
                + " \"sev\"}}\n");
    assertThat(qmp().until("\n"))
        .contains("launch digest: " + HexFormat.of().formatHex(r.launchDigest()))
        .contains("state: launch-secret");
    ask("quit", "");
    assertThat(end()).isEqualTo(130);
  }

  @ParameterizedTest
  @ValueSource(strings = {"off", "snp"})
  void whoHasNoSuchLaunchIsToldSo(String mode) throws Exception {
    start(mode);
    boolean off = mode.equals("off");
    assertThat(ask("sev-inject-launch-secret", packet(new byte[52], new byte[16], ", \"gpa\": 0")))
        .contains(off ? "SEV not enabled for guest" : "SEV: Not in correct state. (LSECRET) 3");
    assertThat(ask("query-sev-attestation-report", "\"mnonce\": \"" + text(new byte[16]) + "\""))
        .contains(off ? "SEV is not enabled" : "asks for its report itself");
    ask("quit", "");
    assertThat(end()).isEqualTo(130);
  }

  @Test
  void aGuestThatHasRunTakesNoSecretAnyMore() throws Exception {
    Files.write(dir.resolve("guest"), FlatGuest.image("L: jmp L"));
    start("es");
    ask("cont", "");
    ask("stop", "");
    assertThat(ask("query-sev", "")).contains("\"state\": \"running\"");
    assertThat(ask("sev-inject-launch-secret", packet(new byte[52], new byte[16], ", \"gpa\": 0")))
        .contains("SEV: Not in correct state. (LSECRET) 3");
    ask("quit", "");
    end();
  }

  private MonitorClient qmp() {
    return Objects.requireNonNull(client);
  }

  private CompletableFuture<CommandResult> run() {
    return Objects.requireNonNull(started);
  }
}
