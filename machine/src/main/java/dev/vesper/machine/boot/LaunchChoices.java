package dev.vesper.machine.boot;

import dev.vesper.machine.sev.ResetState;

/**
 * What decides a launch besides what is launched.
 *
 * @param reset what the hypervisor puts into the save areas of processors that start in firmware
 * @param signature CPUID Fn1 EAX that RDX holds at reset
 * @param hashes whether the kernel that firmware is handed is measured by its hash
 */
public record LaunchChoices(ResetState reset, int signature, Hashes hashes) {
  /** Measuring the kernel, the initrd and the command line that firmware is handed. */
  public enum Hashes {
    /** If the firmware has a place for their hashes. */
    AUTO,
    /** Or refuse to start. */
    ON,
    /** Never, as QEMU does without kernel-hashes=on. */
    OFF
  }
}
