package dev.vesper.machine.vmm;

import java.util.HashSet;
import java.util.Set;

/**
 * The host's nested page table: guest RAM is present from the start, other pages become emulated
 * MMIO when they are first touched, as KVM installs its MMIO entries.
 */
public final class MmioMap {
  /** A hostile guest may touch any number of pages; beyond this the oldest ones are forgotten. */
  private static final int MOST = 1 << 16;

  private final Set<Long> pages = new HashSet<>();

  /** {@return whether a page is marked as MMIO} */
  public boolean installed(long frame) {
    return pages.contains(frame);
  }

  void install(long frame) {
    if (pages.size() >= MOST) {
      pages.clear();
    }
    pages.add(frame);
  }
}
