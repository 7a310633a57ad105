package dev.vesper.machine.spec;

import dev.vesper.ghcb.HvFeatures;

/**
 * What the hypervisor of a guest under SEV-SNP does where hypervisors differ.
 *
 * @param converts a page that the guest uses as what it is not, private or shared, becomes what it
 *     is used as without being asked for, as with KVM and QEMU; if false the run ends there
 * @param largePages the reverse map table has entries of 2 MiB where launch and guest allow it
 * @param features what the hypervisor offers besides SNP and AP creation: bits of {@link
 *     HvFeatures}, of {@link #OPTIONAL}
 * @param certificates what guests have with a report
 * @param vlek it has loaded the VLEK of {@link dev.vesper.machine.launch.EndorsementKey#lent}, as
 *     providers do who do not want to say which chip it is
 */
public record SnpHost(
    boolean converts,
    boolean largePages,
    long features,
    HostCertificates certificates,
    boolean vlek) {
  /** APIC_ID_LIST and MULTI_VMPL: what can be offered or not. */
  public static final long OPTIONAL = HvFeatures.APIC_ID_LIST | HvFeatures.MULTI_VMPL;

  /** KVM with QEMU. */
  public static final SnpHost KVM = new SnpHost(true, false, 0, HostCertificates.NONE, false);

  /**
   * Makes one.
   *
   * @throws IllegalArgumentException if a feature cannot be offered
   */
  public SnpHost {
    if ((features & ~OPTIONAL) != 0) {
      throw new IllegalArgumentException(
          "a hypervisor offers APIC_ID_LIST (0x10) and MULTI_VMPL (0x20), not 0x"
              + Long.toHexString(features));
    }
  }

  /** {@return the same that converts pages without being asked for, or does not} */
  public SnpHost converting(boolean on) {
    return new SnpHost(on, largePages, features, certificates, vlek);
  }

  /** {@return the same with entries of 2 MiB, or without} */
  public SnpHost withLargePages(boolean on) {
    return new SnpHost(converts, on, features, certificates, vlek);
  }

  /** {@return the same that offers other features} */
  public SnpHost offering(long bits) {
    return new SnpHost(converts, largePages, bits, certificates, vlek);
  }

  /** {@return the same that has other certificates} */
  public SnpHost withCertificates(HostCertificates c) {
    return new SnpHost(converts, largePages, features, c, vlek);
  }

  /** {@return the same that has loaded a VLEK, or has not} */
  public SnpHost withVlek(boolean on) {
    return new SnpHost(converts, largePages, features, certificates, on);
  }
}
