package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianSuite;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Debian 13's kernel asks the secure processor for attestation reports by its own driver, which
 * encrypts and checks the messages, and gives them to its user by configfs.
 */
@Tag("slow")
final class SnpReportTest {
  private static final String DATA = "0123456789abcdef".repeat(4);
  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox mount -t sysfs sys /sys
      for f in %s; do /bin/busybox insmod /m/$f || echo NOT-LOADED $f; done
      /bin/busybox mount -t configfs none /sys/kernel/config
      for i in 1 2; do
        R=/sys/kernel/config/tsm/report/r$i
        /bin/busybox mkdir $R
        echo -n %s > $R/inblob
        echo PROVIDER $(/bin/busybox cat $R/provider)
        echo REPORT $(/bin/busybox od -An -v -tx1 $R/outblob | /bin/busybox tr -d ' \\n')
      done
      echo MARK-DONE
      /bin/busybox poweroff -f
      """;

  private static final long MOST = 4_000_000_000L;

  @Test
  void debian13sKernelFetchesReportsThatVerify() throws Exception {
    DebianSuite trixie = DebianSuite.of("trixie");
    Map<String, byte[]> modules =
        trixie.modules(
            "gf128mul", "ghash-generic", "crypto_null", "gcm", "configfs", "tsm", "sev-guest");
    Map<String, byte[]> files = new TreeMap<>();
    modules.forEach((name, bytes) -> files.put("m/" + name, bytes));
    String init = INIT.formatted(String.join(" ", modules.keySet()), DATA);
    TestMachine t =
        TestMachine.of(
            MachineSpec.builder(SevMode.SNP, trixie.kernel(), b -> {})
                .append("console=ttyS0 quiet cryptomgr.notests=1")
                .initrd(DebianKernel.initramfs(init, files)));
    assertThat(t.run(MOST)).as(t.console()).isEqualTo(new Outcome(0, "guest powered off"));
    assertThat(t.console())
        .contains("MARK-DONE", "PROVIDER sev_guest")
        .doesNotContain("NOT-LOADED", "Disabling VMPCK");
    List<AttestationReport> reports = new ArrayList<>();
    for (String line : t.console().lines().toList()) {
      if (line.startsWith("REPORT ")) {
        byte[] b = HexFormat.of().parseHex(line.substring("REPORT ".length()).strip());
        reports.add(new AttestationReport(Arrays.copyOf(b, AttestationReport.BYTES)));
      }
    }
    assertThat(reports).hasSize(2);
    EndorsementKey chip = EndorsementKey.of(SnpProduct.MILAN, t.machine().spec().seed());
    for (AttestationReport r : reports) {
      assertThat(r.signedBy(chip.publicKey())).isTrue();
      assertThat(r.get(ReportField.REPORT_DATA))
          .isEqualTo(DATA.getBytes(StandardCharsets.US_ASCII));
      assertThat(HexFormat.of().formatHex(r.get(ReportField.MEASUREMENT)))
          .isEqualTo(t.machine().launchDigest());
      assertThat(r.number(ReportField.VMPL)).isZero();
    }
  }
}
