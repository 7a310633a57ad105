package dev.vesper.cli;

import dev.vesper.machine.launch.AttestationReport;
import java.security.cert.CertificateException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A change of one bit in a report or its certificates, which must not go unnoticed.
 *
 * @param question report, VCEK, ASK and ARK, of which one is changed
 * @param check pattern of the check that must refuse it
 */
record ChangedBit(List<byte[]> question, String check) {
  /** The signed part of a report, R, S, and what is signed of each certificate. */
  static final int KINDS = 6;

  private static final int COORDINATE_BYTES = 72;

  /** An outer sequence with a length of two bytes is in front of what is signed. */
  private static final int OUTER = 4;

  /** {@return a change of a kind} */
  static ChangedBit of(int kind, List<byte[]> good, Random random) throws CertificateException {
    List<byte[]> q = new ArrayList<>(good);
    int r = AttestationReport.SIGNED_BYTES;
    if (kind < 3) {
      int from = kind == 0 ? 0 : kind == 1 ? r : r + COORDINATE_BYTES;
      q.set(0, changed(good.getFirst(), from, kind == 0 ? r : from + COORDINATE_BYTES, random));
      return new ChangedBit(q, "report signature");
    }
    int which = kind - 2;
    byte[] der = good.get(which);
    int signed = AttestSamples.certificate(der).getTBSCertificate().length;
    q.set(which, changed(der, OUTER, OUTER + signed, random));
    String name = which == 1 ? "VCEK certificate" : which == 2 ? "ASK certificate" : "";
    return new ChangedBit(q, name.isEmpty() ? "(ARK certificate|trusted root)" : name);
  }

  private static byte[] changed(byte[] b, int from, int to, Random random) {
    byte[] m = b.clone();
    m[from + random.nextInt(to - from)] ^= (byte) (1 << random.nextInt(8));
    return m;
  }
}
