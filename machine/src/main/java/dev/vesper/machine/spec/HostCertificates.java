package dev.vesper.machine.spec;

import dev.vesper.machine.launch.CertificateTable;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.SnpProduct;

/** What certificates a host gives guests under SEV-SNP that ask for them with a report. */
@FunctionalInterface
public interface HostCertificates {
  /** None, as KVM does when nobody has given it any. */
  HostCertificates NONE = (product, seed, lent) -> new byte[0];

  /** Those of Vesper's test chain, by which the guest's reports can be verified. */
  HostCertificates TEST =
      (product, seed, lent) -> {
        EndorsementChain c = EndorsementChain.of(product, seed);
        return lent ? c.lentTable() : c.table();
      };

  /**
   * {@return a {@link CertificateTable}'s bytes, empty for none}
   *
   * @param product of the host's processor
   * @param seed that decides which chip it is
   * @param lent whether the host has loaded a VLEK, which then signs what the guest asks for
   */
  byte[] table(SnpProduct product, long seed, boolean lent);

  /**
   * {@return the certificates of a table}
   *
   * @throws IllegalArgumentException if it is none
   */
  static HostCertificates of(byte[] table) {
    byte[] b = table.clone();
    CertificateTable.parse(b);
    return (product, seed, lent) -> b;
  }
}
