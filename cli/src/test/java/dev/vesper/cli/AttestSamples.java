package dev.vesper.cli;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpProduct;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Reports and certificates: those of real processors, and ones that this machine's key signs. */
final class AttestSamples {
  private static final Path REAL =
      Path.of(System.getProperty("vesper.root", ".."))
          .resolve("machine/src/test/resources/dev/vesper/machine/launch/snp");

  /** Each takes signatures to make. */
  private static final Map<SnpProduct, byte[]> TABLES = new ConcurrentHashMap<>();

  private AttestSamples() {}

  /** {@return a file of those that real processors and AMD have made} */
  static Path real(String name) {
    return REAL.resolve(name);
  }

  /** {@return the report of a real Milan} */
  static byte[] milan() throws IOException {
    return HexFormat.of().parseHex(Files.readString(real("vs_report_milan.hex")).strip());
  }

  /** {@return the certificates of the chain that the table of a run with seed 1 has} */
  static byte[] table(SnpProduct p) {
    return TABLES.computeIfAbsent(p, k -> EndorsementChain.of(k, 1).table()).clone();
  }

  /** {@return a report as the machine of seed 1 makes them, not signed yet} */
  static AttestationReport unsigned(SnpProduct p) {
    AttestationReport r = new AttestationReport();
    r.set(ReportField.VERSION, p.reportVersion());
    r.set(ReportField.SIGNATURE_ALGO, 1);
    r.set(ReportField.POLICY, 0x30000);
    r.set(ReportField.MEASUREMENT, filled(48, 0x11));
    r.set(ReportField.REPORT_DATA, filled(64, 0x22));
    r.set(ReportField.HOST_DATA, filled(32, 0x33));
    r.set(ReportField.REPORT_ID, filled(32, 0x44));
    r.set(ReportField.CHIP_ID, EndorsementKey.of(p, 1).chipId());
    for (ReportField f :
        List.of(
            ReportField.CURRENT_TCB,
            ReportField.REPORTED_TCB,
            ReportField.COMMITTED_TCB,
            ReportField.LAUNCH_TCB)) {
      r.set(f, p.encode(p.tcb()));
    }
    if (p.reportVersion() > 2) {
      r.set(ReportField.CPUID_FAMILY, p == SnpProduct.TURIN ? 0x1A : 0x19);
      r.set(ReportField.CPUID_MODEL, p == SnpProduct.TURIN ? 2 : 0x11);
    }
    return r;
  }

  static byte[] filled(int n, int with) {
    byte[] b = new byte[n];
    Arrays.fill(b, (byte) with);
    return b;
  }

  /** {@return a report's bytes with the signature of the machine of seed 1} */
  static byte[] signed(SnpProduct p, AttestationReport r) {
    r.sign(EndorsementKey.of(p, 1));
    return r.encode();
  }

  static X509Certificate certificate(byte[] der) throws CertificateException {
    return (X509Certificate)
        CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(der));
  }
}
