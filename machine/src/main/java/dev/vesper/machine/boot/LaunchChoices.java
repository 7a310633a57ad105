package dev.vesper.machine.boot;

import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.spec.SnpLaunch;
import org.jspecify.annotations.Nullable;

/**
 * What decides a launch besides what is launched.
 *
 * @param reset what the hypervisor puts into the save areas of processors that start in firmware
 * @param signature CPUID Fn1 EAX that RDX holds at reset
 * @param hashes whether the kernel that firmware is handed is measured by its hash
 * @param snp how a guest under SEV-SNP is launched, null for others
 */
public record LaunchChoices(
    ResetState reset, int signature, KernelHashing hashes, @Nullable SnpLaunch snp) {
  /** Makes those of a guest without SEV-SNP. */
  public LaunchChoices(ResetState reset, int signature, KernelHashing hashes) {
    this(reset, signature, hashes, null);
  }

  /** {@return the service module under which the guest runs, or null} */
  byte @Nullable [] service() {
    SnpLaunch s = snp;
    return s == null ? null : s.service();
  }
}
