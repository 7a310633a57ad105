package dev.vesper.machine.spec;

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
    SnpHost host) {
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
          SnpHost.KVM);

  /** {@return the same with another policy} */
  public SnpLaunch withPolicy(SnpPolicy p) {
    return new SnpLaunch(
        p,
        features,
        idBlock,
        authentication,
        authorKey,
        vcekDisabled,
        hostData,
        workarounds,
        tscKilohertz,
        host);
  }

  /** {@return the same with other features} */
  public SnpLaunch withFeatures(long f) {
    return new SnpLaunch(
        policy,
        f,
        idBlock,
        authentication,
        authorKey,
        vcekDisabled,
        hostData,
        workarounds,
        tscKilohertz,
        host);
  }

  /** {@return the same with an ID block} */
  public SnpLaunch withIdBlock(IdBlock block, @Nullable IdAuthentication by, boolean author) {
    return new SnpLaunch(
        policy,
        features,
        block,
        by,
        author,
        vcekDisabled,
        hostData,
        workarounds,
        tscKilohertz,
        host);
  }

  /** {@return the same with other host data} */
  public SnpLaunch withHostData(byte[] data) {
    return new SnpLaunch(
        policy,
        features,
        idBlock,
        authentication,
        authorKey,
        vcekDisabled,
        data,
        workarounds,
        tscKilohertz,
        host);
  }

  /** {@return the same with other workarounds} */
  public SnpLaunch withWorkarounds(byte[] gosvw) {
    return new SnpLaunch(
        policy,
        features,
        idBlock,
        authentication,
        authorKey,
        vcekDisabled,
        hostData,
        gosvw,
        tscKilohertz,
        host);
  }

  /** {@return the same under a hypervisor that does otherwise} */
  public SnpLaunch withHost(SnpHost h) {
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
        h);
  }

  /** {@return the same whose chip's key is disabled, or not} */
  public SnpLaunch withVcekDisabled(boolean disabled) {
    return new SnpLaunch(
        policy,
        features,
        idBlock,
        authentication,
        authorKey,
        disabled,
        hostData,
        workarounds,
        tscKilohertz,
        host);
  }

  /** {@return the same with another frequency of the time-stamp counter} */
  public SnpLaunch withTscKilohertz(long kilohertz) {
    return new SnpLaunch(
        policy,
        features,
        idBlock,
        authentication,
        authorKey,
        vcekDisabled,
        hostData,
        workarounds,
        kilohertz,
        host);
  }
}
