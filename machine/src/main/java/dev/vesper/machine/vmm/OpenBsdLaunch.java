package dev.vesper.machine.vmm;

/** Ways in which an OpenBSD kernel is started (spec: openbsd sections 1.1 and 4.2). */
public enum OpenBsdLaunch {
  /** vmd(8) until 2025: 32-bit compatibility mode, paging on. */
  VMD_COMPATIBILITY,
  /** vmd(8) since: 32-bit legacy mode, paging off. */
  VMD_LEGACY,
  /** boot(8), after UEFI: legacy mode, paging off. */
  BOOTX64
}
