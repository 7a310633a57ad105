package dev.vesper.cli.attest;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.TcbVersion;
import java.util.Arrays;
import java.util.HexFormat;

/** Where AMD's key service (KDS) has the certificates for a report. */
final class KeyServiceUrl {
  private static final String HOST = "https://kdsintf.amd.com";

  private KeyServiceUrl() {}

  /** {@return the path of a product's certificates for chips' keys, or for those that are lent} */
  static String path(SnpProduct p, boolean lent) {
    return (lent ? "/vlek/v1/" : "/vcek/v1/") + p.text() + "/";
  }

  /** {@return the levels of a TCB version as the service asks for them} */
  static String query(SnpProduct p, TcbVersion v) {
    return (p == SnpProduct.TURIN ? "fmcSPL=" + v.fmc() + "&" : "")
        + "blSPL="
        + v.bootLoader()
        + "&teeSPL="
        + v.tee()
        + "&snpSPL="
        + v.snp()
        + "&ucodeSPL="
        + v.microcode();
  }

  /** {@return the address of the certificate of the key that signs a report} */
  static String of(SnpProduct p, AttestationReport r) {
    byte[] id = Arrays.copyOf(r.get(ReportField.CHIP_ID), p.chipIdBytes());
    return HOST
        + path(p, false)
        + HexFormat.of().formatHex(id)
        + "?"
        + query(p, p.decode(r.number(ReportField.REPORTED_TCB)));
  }

  /** {@return the address of a product's ASK, or ASVK, and ARK} */
  static String chain(SnpProduct p, boolean lent) {
    return HOST + path(p, lent) + "cert_chain";
  }

  /** {@return the address of the list of a product's certificates that hold no more} */
  static String revocations(SnpProduct p, boolean lent) {
    return HOST + path(p, lent) + "crl";
  }
}
