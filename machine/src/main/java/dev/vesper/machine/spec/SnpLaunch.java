package dev.vesper.machine.spec;

import dev.vesper.ghcb.HvFeatures;
import dev.vesper.machine.launch.IdAuthentication;
import dev.vesper.machine.launch.IdBlock;
import dev.vesper.machine.launch.SecretsPage;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.launch.SnpPolicy;
import org.jspecify.annotations.Nullable;

/**
 * How a guest under SEV-SNP is launched, besides what {@link MachineSpec.Launch} says of all.
 *
 * @param policy of SNP_LAUNCH_START
 * @param features SEV_FEATURES of every save area; bit 0, SNPActive, must be set
 * @param idBlock what the owner expects, or null
 * @param authentication who signed it; if null nobody did, which no ID block passes
 * @param authorKey whether the author key must have signed the ID key
 * @param vcekDisabled the chip's key neither signs reports nor derives keys
 * @param hostData 32 bytes of the host's that a report repeats
 * @param workarounds 16 bytes of GOSVW, the guest-visible workarounds
 * @param tscKilohertz frequency of the time-stamp counter of a guest with Secure TSC
 * @param host what the hypervisor does while the guest runs
 * @param service a service module (SVSM) that is launched at VMPL0 and runs the guest at VMPL2: an
 *     ELF64; or null for a guest at VMPL0
 */
public record SnpLaunch(
    SnpPolicy policy,
    long features,
    @Nullable IdBlock idBlock,
    @Nullable IdAuthentication authentication,
    boolean authorKey,
    boolean vcekDisabled,
    byte[] hostData,
    byte[] workarounds,
    long tscKilohertz,
    SnpHost host,
    byte @Nullable [] service) {
  /** Bytes of host data. */
  public static final int HOST_DATA_BYTES = 32;

  /** Bit 0 of SEV_FEATURES. */
  public static final long SNP_ACTIVE = 1;

  /** What QEMU asks for when nothing is said. */
  public static final SnpLaunch DEFAULT =
      new SnpLaunch(
          SnpPolicy.DEFAULT,
          SNP_ACTIVE,
          null,
          null,
          false,
          false,
          new byte[HOST_DATA_BYTES],
          new byte[SecretsPage.WORKAROUND_BYTES],
          SecureTsc.HOST_KILOHERTZ,
          SnpHost.KVM,
          null);

  /** A launch of which something is to be another. */
  private static final class Changed {
    SnpPolicy policy;
    long features;
    @Nullable IdBlock idBlock;
    @Nullable IdAuthentication authentication;
    boolean authorKey;
    boolean vcekDisabled;
    byte[] hostData;
    byte[] workarounds;
    long tscKilohertz;
    SnpHost host;
    byte @Nullable [] service;

    Changed(SnpLaunch l) {
      policy = l.policy;
      features = l.features;
      idBlock = l.idBlock;
      authentication = l.authentication;
      authorKey = l.authorKey;
      vcekDisabled = l.vcekDisabled;
      hostData = l.hostData;
      workarounds = l.workarounds;
      tscKilohertz = l.tscKilohertz;
      host = l.host;
      service = l.service;
    }

    SnpLaunch made() {
      return new SnpLaunch(
          policy,
          features,
          idBlock,
          authentication,
          authorKey,
          vcekDisabled,
          hostData,
          workarounds,
          tscKilohertz,
          host,
          service);
    }
  }

  /** {@return the same with another policy} */
  public SnpLaunch withPolicy(SnpPolicy p) {
    Changed c = new Changed(this);
    c.policy = p;
    return c.made();
  }

  /** {@return the same with other features} */
  public SnpLaunch withFeatures(long f) {
    Changed c = new Changed(this);
    c.features = f;
    return c.made();
  }

  /** {@return the same with an ID block} */
  public SnpLaunch withIdBlock(IdBlock block, @Nullable IdAuthentication by, boolean author) {
    Changed c = new Changed(this);
    c.idBlock = block;
    c.authentication = by;
    c.authorKey = author;
    return c.made();
  }

  /** {@return the same with other host data} */
  public SnpLaunch withHostData(byte[] data) {
    Changed c = new Changed(this);
    c.hostData = data;
    return c.made();
  }

  /** {@return the same with other workarounds} */
  public SnpLaunch withWorkarounds(byte[] gosvw) {
    Changed c = new Changed(this);
    c.workarounds = gosvw;
    return c.made();
  }

  /** {@return the same under a hypervisor that does otherwise} */
  public SnpLaunch withHost(SnpHost h) {
    Changed c = new Changed(this);
    c.host = h;
    return c.made();
  }

  /** {@return the same whose chip's key is disabled, or not} */
  public SnpLaunch withVcekDisabled(boolean disabled) {
    Changed c = new Changed(this);
    c.vcekDisabled = disabled;
    return c.made();
  }

  /** {@return the same with another frequency of the time-stamp counter} */
  public SnpLaunch withTscKilohertz(long kilohertz) {
    Changed c = new Changed(this);
    c.tscKilohertz = kilohertz;
    return c.made();
  }

  /**
   * {@return the same with a service module, under a hypervisor that runs several VMPLs}
   *
   * @param image of the module, an ELF64
   */
  public SnpLaunch withService(byte[] image) {
    Changed c = new Changed(this);
    c.host = host.offering(host.features() | HvFeatures.MULTI_VMPL);
    c.service = image;
    return c.made();
  }
}
