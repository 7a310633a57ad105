package dev.vesper.machine.observe;

import org.jspecify.annotations.Nullable;

/** Watches what crosses between guest and host. */
public interface HostObserver {
  /** Another vCPU's turn has come: what follows is about it. */
  default void running(int vcpu) {}

  /** An exit that is not a VMGEXIT. */
  void exit(int code, long info1, long info2);

  /**
   * VMGEXIT, before anything is looked at.
   *
   * @param msr the GHCB MSR
   */
  void vmgexit(long msr);

  /** The host is about to serve a request in the page at this address. */
  void serves(long gpa);

  /**
   * VMGEXIT has been served.
   *
   * @param msr the GHCB MSR as the guest will find it
   * @param ended why the run ends with it, or null
   */
  void answered(long msr, @Nullable String ended);

  /** The host injects an event, in EVENTINJ format. */
  void inject(long event);

  /** A vCPU is reset, or has INIT: its registers are still what they were. */
  default void resets(int vcpu) {}

  /**
   * The guest accesses what no device answers, or writes to what can only be read.
   *
   * @param space where the address is
   * @param bytes how many, 1 to 8
   */
  default void invalid(Space space, long address, int bytes, boolean write) {}

  /** What addresses are addresses of. */
  enum Space {
    MEMORY,
    PORTS,
    /** Model-specific registers. */
    MSRS
  }

  /** A vCPU that waited is started: by SIPI, or out of AP reset hold. */
  default void started(int vcpu, String how) {}
}
