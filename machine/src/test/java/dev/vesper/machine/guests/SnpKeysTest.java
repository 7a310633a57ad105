package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianPackages;
import dev.vesper.fixtures.GoSevGuest;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.DerivedKey;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.PolicyBit;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import java.io.ByteArrayInputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Debian 12's kernel has a report and keys from the secure processor by its ioctl, which is all
 * that its driver has: two verifiers believe the one, and the others are as what is mixed in. With
 * -Dlong=true a second run of the same launch.
 */
@Tag("slow")
final class SnpKeysTest {
  private static final String DATA = "its own 64 bytes".repeat(4);
  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox mount -t devtmpfs dev /dev
      for f in %s; do /bin/busybox insmod /m/$f || echo NOT-LOADED $f; done
      echo ANSWERS $(/asker | /bin/busybox gzip | /bin/busybox od -An -v -tx1 | /bin/busybox tr -d ' \\n')
      /bin/busybox poweroff -f
      """;
  private static final boolean LONG = Boolean.getBoolean("long");

  /** Three in four unpack the kernel. */
  private static final long MOST = 12_000_000_000L;

  private static final int ANSWER = 4004;

  /** What is asked for: root, fields, VMPL, TCB version. */
  private enum Asked {
    CHIP(0, 0, 0, 0),
    MEASUREMENT(0, DerivedKey.MEASUREMENT, 0, 0),
    TCB(0, DerivedKey.TCB, 0, 0x7308_0000_0000_0003L),
    OLDER_TCB(0, DerivedKey.TCB, 0, 0x7208_0000_0000_0003L),
    POLICY(0, DerivedKey.POLICY, 0, 0),
    VMPL(0, 0, 1, 0),
    GUEST(1, 0, 0, 0);

    private final int root;
    private final int fields;
    private final int vmpl;
    private final long tcb;

    Asked(int root, int fields, int vmpl, long tcb) {
      this.root = root;
      this.fields = fields;
      this.vmpl = vmpl;
      this.tcb = tcb;
    }

    private String data() {
      return "dq %d\ndq %d\ndq %d\ndq 0x%x\n".formatted(root, fields, vmpl, tcb);
    }
  }

  private static String asker() {
    StringBuilder keys = new StringBuilder();
    for (Asked a : Asked.values()) {
      keys.append(a.data());
    }
    return """
        mov eax, 2
        lea rdi, [DEVICE]
        mov esi, 2
        syscall
        mov r15d, eax
        lea r12, [REQUEST]
        mov ebx, 0xc0205300
        call ask
        lea r12, [KEYS]
        mov ebx, 0xc0205301
        mov r13d, %d
        next:
        call ask
        add r12, 32
        dec r13d
        jnz next
        mov eax, 60
        xor edi, edi
        syscall
        ask:
        mov [IOCTL+8], r12
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
        REQUEST: ascii "%s"
        skip 32
        KEYS:
        %sANSWER:
        """
        .formatted(Asked.values().length, DATA, keys);
  }

  /** A report, and keys by what was asked for. */
  private record Answers(AttestationReport report, Map<Asked, String> keys, long seed) {}

  private static Answers run(byte[] kernel, byte[] initrd, String append, SnpPolicy policy)
      throws Exception {
    TestMachine t =
        TestMachine.of(
            MachineSpec.builder(SevMode.SNP, kernel, b -> {})
                .snp(SnpLaunch.DEFAULT.withPolicy(policy))
                .append("console=ttyS0 quiet cryptomgr.notests=1" + append)
                .initrd(initrd));
    assertThat(t.run(MOST)).as(t.console()).isEqualTo(new Outcome(0, "guest powered off"));
    assertThat(t.console()).doesNotContain("NOT-LOADED");
    String hex =
        t.console()
            .lines()
            .filter(l -> l.startsWith("ANSWERS "))
            .findFirst()
            .orElseThrow()
            .substring(8);
    byte[] all =
        new GZIPInputStream(new ByteArrayInputStream(HexFormat.of().parseHex(hex.strip())))
            .readAllBytes();
    ByteBuffer b = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN);
    Map<Asked, String> keys = new TreeMap<>();
    for (int i = 0; i <= Asked.values().length; i++) {
      int at = i * ANSWER;
      assertThat(b.getInt(at + 4000)).as("ioctl " + i).isZero();
      assertThat(b.getInt(at)).as("status " + i).isZero();
      if (i > 0) {
        keys.put(Asked.values()[i - 1], HexFormat.of().formatHex(all, at + 0x20, at + 0x40));
      }
    }
    byte[] report = Arrays.copyOfRange(all, 0x20, 0x20 + AttestationReport.BYTES);
    return new Answers(new AttestationReport(report), keys, t.machine().spec().seed());
  }

  @Test
  @Timeout(value = 20, unit = TimeUnit.MINUTES)
  void debian12sKernelHasAReportAndKeys() throws Exception {
    byte[] kernel = DebianPackages.fullKernel();
    Map<String, byte[]> modules =
        DebianPackages.fullModules("gf128mul", "ghash-generic", "ctr", "gcm", "sev-guest");
    Map<String, byte[]> files = new TreeMap<>();
    modules.forEach((name, bytes) -> files.put("m/" + name, bytes));
    files.put("asker", StaticProgram.assemble(asker(), 4008));
    byte[] initrd =
        DebianKernel.initramfs(INIT.formatted(String.join(" ", modules.keySet())), files);
    Answers one = run(kernel, initrd, "", SnpPolicy.DEFAULT);
    assertThat(one.report.get(ReportField.REPORT_DATA))
        .isEqualTo(DATA.getBytes(StandardCharsets.US_ASCII));
    assertBelieved(one);
    for (Map.Entry<Asked, String> k : one.keys.entrySet()) {
      Asked a = k.getKey();
      if (a.root == 0) {
        byte[] root = EndorsementKey.of(SnpProduct.MILAN, one.seed).root(SnpProduct.MILAN.tcb());
        DerivedKey.Request r = new DerivedKey.Request(false, a.fields, a.vmpl, 0, a.tcb);
        assertThat(k.getValue())
            .as(a.name())
            .isEqualTo(HexFormat.of().formatHex(DerivedKey.of(root, r, one.report)));
      }
    }
    assertThat(new HashSet<>(one.keys.values())).hasSameSizeAs(Asked.values());
    if (LONG) {
      Answers again = run(kernel, initrd, "", SnpPolicy.DEFAULT);
      assertThat(again.keys).isEqualTo(one.keys);
    }
    Answers other =
        run(
            kernel,
            initrd,
            " other=1",
            new SnpPolicy(SnpPolicy.DEFAULT.bits() | PolicyBit.DEBUG.mask()));
    Set<Asked> changed = new HashSet<>();
    for (Asked a : Asked.values()) {
      if (!one.keys.get(a).equals(other.keys.get(a))) {
        changed.add(a);
      }
    }
    assertThat(changed).containsExactlyInAnyOrder(Asked.MEASUREMENT, Asked.POLICY);
  }

  private static void assertBelieved(Answers a) throws Exception {
    EndorsementChain c = EndorsementChain.of(SnpProduct.MILAN, a.seed);
    X509Certificate vcek =
        (X509Certificate)
            CertificateFactory.getInstance("X.509")
                .generateCertificate(new ByteArrayInputStream(c.vcek()));
    assertThat(a.report.signedBy((ECPublicKey) vcek.getPublicKey())).isTrue();
    List<byte[]> question = new ArrayList<>(List.of(a.report.encode()));
    question.addAll(List.of(c.vcek(), c.ask(), c.ark()));
    assertThat(GoSevGuest.build().judge(pem(c.ask(), c.ark()), "2026-11-30", "", List.of(question)))
        .containsExactly("ok");
  }

  private static byte[] pem(byte[]... all) {
    StringBuilder s = new StringBuilder();
    for (byte[] der : all) {
      s.append("-----BEGIN CERTIFICATE-----\n")
          .append(Base64.getMimeEncoder().encodeToString(der).replace("\r", ""))
          .append("\n-----END CERTIFICATE-----\n");
    }
    return s.toString().getBytes(StandardCharsets.US_ASCII);
  }
}
