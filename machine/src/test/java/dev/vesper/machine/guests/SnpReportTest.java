package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianSuite;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.DerivedKey;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SeededBytes;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.spec.HostCertificates;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
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
      /bin/busybox mount -t devtmpfs dev /dev
      echo ANSWERS $(/asker | /bin/busybox gzip | /bin/busybox od -An -v -tx1 | /bin/busybox tr -d ' \\n')
      echo MARK-DONE
      /bin/busybox poweroff -f
      """;

  private static final long MOST = 4_000_000_000L;

  /**
   * Asks by ioctl of /dev/sev-guest for a report, for a key that measurement and policy are mixed
   * into, and for a report with certificates; writes all answers to its output.
   */
  private static final String ASKER =
      """
      mov eax, 2
      lea rdi, [DEVICE]
      mov esi, 2
      syscall
      mov r15d, eax
      mov ebx, 0xc0205300
      call ask
      mov qword [REQUEST], 1
      mov qword [REQUEST+8], 9
      mov ebx, 0xc0205301
      call ask
      mov qword [REQUEST], 0
      mov qword [REQUEST+8], 0
      lea rax, [CERTIFICATES]
      mov [REQUEST+96], rax
      mov dword [REQUEST+104], 0x4000
      mov ebx, 0xc0205302
      call ask
      mov eax, 1
      mov edi, 1
      lea rsi, [CERTIFICATES]
      mov edx, 0x4000
      syscall
      mov eax, 60
      xor edi, edi
      syscall
      ask:
      mov eax, 16
      mov edi, r15d
      mov esi, ebx
      lea rdx, [IOCTL]
      syscall
      mov [ANSWER+4000], eax
      mov eax, 1
      mov edi, 1
      lea rsi, [ANSWER]
      mov edx, 4004
      syscall
      ret
      DEVICE: ascii "/dev/sev-guest"
      db 0
      align 8
      IOCTL: dq 1
      dq REQUEST
      dq ANSWER
      dq 0
      REQUEST: skip 128
      ANSWER: skip 4008
      CERTIFICATES:
      """;

  /** Its answers: a page less 92 bytes for each ioctl, with what that returned. */
  private static final int ANSWER = 4004;

  @Test
  void debian13sKernelFetchesReportsThatVerify() throws Exception {
    DebianSuite trixie = DebianSuite.of("trixie");
    Map<String, byte[]> modules =
        trixie.modules(
            "gf128mul", "ghash-generic", "crypto_null", "gcm", "configfs", "tsm", "sev-guest");
    Map<String, byte[]> files = new TreeMap<>();
    modules.forEach((name, bytes) -> files.put("m/" + name, bytes));
    files.put("asker", StaticProgram.assemble(ASKER, 0x4000));
    String init = INIT.formatted(String.join(" ", modules.keySet()), DATA);
    TestMachine t =
        TestMachine.of(
            MachineSpec.builder(SevMode.SNP, trixie.kernel(), b -> {})
                .snp(
                    SnpLaunch.DEFAULT.withHost(SnpHost.KVM.withCertificates(HostCertificates.TEST)))
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
    for (AttestationReport r : reports) {
      assertThat(r.get(ReportField.REPORT_DATA))
          .isEqualTo(DATA.getBytes(StandardCharsets.US_ASCII));
    }
    byte[] answers = answers(t.console());
    reports.add(report(answers, 0));
    reports.add(report(answers, 2 * ANSWER));
    long seed = t.machine().spec().seed();
    byte[] table = EndorsementChain.of(SnpProduct.MILAN, seed).table();
    assertThat(Arrays.copyOfRange(answers, 3 * ANSWER, answers.length)).startsWith(table);
    DerivedKey.Request asked =
        new DerivedKey.Request(true, DerivedKey.POLICY | DerivedKey.MEASUREMENT, 0, 0, 0);
    byte[] root = SeededBytes.of("VMRK", seed, DerivedKey.BYTES);
    assertThat(Arrays.copyOfRange(answers, ANSWER + 0x20, ANSWER + 0x40))
        .isEqualTo(DerivedKey.of(root, asked, reports.getFirst()));
    EndorsementKey chip = EndorsementKey.of(SnpProduct.MILAN, seed);
    for (AttestationReport r : reports) {
      assertThat(r.signedBy(chip.publicKey())).isTrue();
      assertThat(HexFormat.of().formatHex(r.get(ReportField.MEASUREMENT)))
          .isEqualTo(t.machine().launchDigest());
      assertThat(r.number(ReportField.VMPL)).isZero();
    }
  }

  private static byte[] answers(String console) throws IOException {
    String hex =
        console
            .lines()
            .filter(l -> l.startsWith("ANSWERS "))
            .findFirst()
            .orElseThrow()
            .substring(8);
    byte[] zipped = HexFormat.of().parseHex(hex.strip());
    return new GZIPInputStream(new ByteArrayInputStream(zipped)).readAllBytes();
  }

  /** {@return the report of a response to MSG_REPORT_REQ} */
  private static AttestationReport report(byte[] answers, int at) {
    ByteBuffer b = ByteBuffer.wrap(answers).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(b.getInt(at + 4000)).as("ioctl").isZero();
    assertThat(b.getInt(at)).as("status").isZero();
    return new AttestationReport(
        Arrays.copyOfRange(answers, at + 0x20, at + 0x20 + AttestationReport.BYTES));
  }
}
