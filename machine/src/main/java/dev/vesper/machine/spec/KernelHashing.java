package dev.vesper.machine.spec;

/** Measuring the kernel, the initrd and the command line that firmware is handed. */
public enum KernelHashing {
  /** If the firmware has a place for their hashes. */
  AUTO,
  /** Or refuse to start. */
  ON,
  /** Never, as QEMU does without kernel-hashes=on. */
  OFF
}
