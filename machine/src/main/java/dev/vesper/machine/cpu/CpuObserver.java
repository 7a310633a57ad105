package dev.vesper.machine.cpu;

/** Watches the processor. Observers are not part of the modelled world and change nothing. */
public interface CpuObserver {
  /**
   * #VC is about to be delivered; RIP is that of the intercepted instruction.
   *
   * @param code the error code
   */
  void onVc(Cpu cpu, int code);
}
