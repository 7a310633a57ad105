package dev.vesper.machine.host;

/** Whether a vCPU can run, and what it waits for if not. */
public enum VcpuState {
  /** It runs when its turn comes. */
  RUNNABLE,
  /** HLT: an interrupt wakes it. */
  HALTED,
  /** An application processor after reset or INIT. */
  WAIT_FOR_SIPI,
  /** An application processor in AP reset hold. */
  RESET_HOLD
}
