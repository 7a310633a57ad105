package dev.vesper.machine.vmm;

/** What KVM keeps of one vCPU's MSRs, as QEMU has it at reset. */
final class KvmVcpu {
  final KvmClock.Registers clock = new KvmClock.Registers();

  /** Fast strings, which is what QEMU writes there. */
  long miscEnable = 1;

  long hwcr;
  long powerControl;

  /** LFENCE serialises. */
  long deCfg = 2;

  long osvwLength = 3;
  long osvwStatus;
  long tscAdjust;
  long hostSave;
  long vmCr;
  long miscFeatures;
  MtrrState mtrrs = new MtrrState(true, 52);
}
