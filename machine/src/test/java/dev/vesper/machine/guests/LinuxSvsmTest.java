package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianSuite;
import dev.vesper.guest.ServiceModule;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.HostCertificates;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import java.io.ByteArrayInputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Debian 13's unmodified kernel at VMPL2 under the service module: it takes and gives pages and
 * starts its processors by calls, and has a report of its own level and one of the module's.
 */
@Tag("slow")
final class LinuxSvsmTest {
  private static final String DATA = "0123456789abcdef".repeat(4);
  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t proc proc /proc
      $b mount -t sysfs sys /sys
      for f in %s; do $b insmod /m/$f || echo NOT-LOADED $f; done
      $b mount -t configfs none /sys/kernel/config
      T=/sys/kernel/config/tsm/report
      show() { echo $1 $($b gzip < $T/$2 | $b od -An -v -tx1 | $b tr -d ' \\n'); }
      $b mkdir $T/own $T/module
      echo 2 > $T/own/privlevel
      echo -n %s > $T/own/inblob
      show OWN own/outblob
      echo -n svsm > $T/module/service_provider
      echo -n %s > $T/module/inblob
      show MODULE module/outblob
      show MANIFEST module/manifestblob
      show CERTIFICATES module/auxblob
      echo MARK-INIT $($b uname -r) $($b nproc) PROCESSORS
      $b poweroff -f
      """;

  private static final long MOST = 6_000_000_000L;
  private static final HexFormat HEX = HexFormat.of();

  private static byte[] shown(String console, String what) throws Exception {
    String line = console.lines().filter(l -> l.startsWith(what + " ")).findFirst().orElseThrow();
    byte[] zipped = HEX.parseHex(line.substring(what.length() + 1).strip());
    return new GZIPInputStream(new ByteArrayInputStream(zipped)).readAllBytes();
  }

  private static AttestationReport report(TestMachine t, String what, byte[] data, int level)
      throws Exception {
    byte[] b = shown(t.console(), what);
    AttestationReport r = new AttestationReport(Arrays.copyOf(b, AttestationReport.BYTES));
    assertThat(r.get(ReportField.REPORT_DATA)).as(what).isEqualTo(data);
    assertThat(r.number(ReportField.VMPL)).as(what).isEqualTo(level);
    EndorsementKey chip = EndorsementKey.of(SnpProduct.MILAN, t.machine().spec().seed());
    assertThat(r.signedBy(chip.publicKey())).as(what).isTrue();
    assertThat(HEX.formatHex(r.get(ReportField.MEASUREMENT))).isEqualTo(t.machine().launchDigest());
    return r;
  }

  @ParameterizedTest
  @CsvSource("PC, 1")
  void runsAtVmpl2AndIsAttested(Hardware.Board board, int processors) throws Exception {
    DebianSuite trixie = DebianSuite.of("trixie");
    Map<String, byte[]> modules =
        trixie.modules(
            "gf128mul", "ghash-generic", "crypto_null", "gcm", "configfs", "tsm", "sev-guest");
    Map<String, byte[]> files = new TreeMap<>();
    modules.forEach((name, bytes) -> files.put("m/" + name, bytes));
    String init = INIT.formatted(String.join(" ", modules.keySet()), DATA, DATA);
    SnpHost host = SnpHost.KVM.withCertificates(HostCertificates.TEST);
    TestMachine t =
        TestMachine.of(
            MachineSpec.builder(SevMode.SNP, trixie.kernel(), b -> {})
                .snp(SnpLaunch.DEFAULT.withHost(host).withService(ServiceModule.image()))
                .processors(processors)
                .hardware(new Hardware(board, List.of()))
                .append("console=ttyS0 cryptomgr.notests=1")
                .initrd(DebianKernel.initramfs(init, files)));
    assertThat(t.run(MOST)).as(t.console()).isEqualTo(new Outcome(0, "guest powered off"));
    assertThat(t.console())
        .contains("SEV: SNP running at VMPL2.", "using VMPCK2 communication key")
        .contains(processors + " PROCESSORS")
        .doesNotContain("NOT-LOADED", "cut here", "Disabling VMPCK");
    byte[] nonce = DATA.getBytes(StandardCharsets.US_ASCII);
    report(t, "OWN", nonce, 2);
    byte[] manifest = shown(t.console(), "MANIFEST");
    ByteBuffer m = ByteBuffer.wrap(manifest).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(m.getInt()).as("GUID of the table of services").isEqualTo(0x6384_9ebb);
    assertThat(m.getInt(16)).as("its length").isEqualTo(manifest.length).isEqualTo(24);
    assertThat(m.getInt(20)).as("services").isZero();
    MessageDigest sha = MessageDigest.getInstance("SHA-512");
    sha.update(nonce);
    report(t, "MODULE", sha.digest(manifest), 0);
    byte[] table = EndorsementChain.of(SnpProduct.MILAN, t.machine().spec().seed()).table();
    assertThat(shown(t.console(), "CERTIFICATES")).startsWith(table);
  }

  /**
   * What crosses between the levels is seen, on one line of time, and judged: the module breaks no
   * rule, and the kernel's response to a call counts as compared although it writes the MSR before.
   */
  @Test
  void callsAreSeenAndJudged() throws Exception {
    TestMachine t =
        TestMachine.of(
            MachineSpec.builder(SevMode.SNP, DebianSuite.of("trixie").kernel(), b -> {})
                .snp(SnpLaunch.DEFAULT.withService(ServiceModule.image()))
                .append("console=ttyS0"));
    Checker checker = new Checker();
    t.machine().trace(checker, true);
    List<Event.SvsmCalled> calls = new ArrayList<>();
    Set<Integer> levels = new TreeSet<>();
    t.machine().on(Event.SvsmCalled.class, calls::add);
    t.machine().on(Event.GhcbExchange.class, e -> levels.add(e.at().vmpl()));
    t.run(900_000_000L);
    assertThat(calls).hasSizeGreaterThan(100).allMatch(c -> c.result() == 0);
    assertThat(levels).containsExactly(0, 2);
    long module = 0xFFFF_FFFF_8000_0000L;
    assertThat(checker.findings().stream().map(f -> f.rule()))
        .contains(Rule.RESULT_MERGE)
        .doesNotContain(Rule.MSR_RESPONSE_UNCHECKED, Rule.SVSM_NOT_PENDING, Rule.SVSM_NOT_TAKEN);
    assertThat(checker.findings())
        .as("of the module")
        .noneMatch(f -> Long.compareUnsigned(f.rip() - module, 1 << 20) < 0);
  }

  /** The rest: several processors, the other board. */
  @ParameterizedTest
  @EnabledIfSystemProperty(named = "long", matches = "true")
  @CsvSource({"PC, 2", "Q35, 4"})
  void ofSeveralProcessorsToo(Hardware.Board board, int processors) throws Exception {
    runsAtVmpl2AndIsAttested(board, processors);
  }
}
