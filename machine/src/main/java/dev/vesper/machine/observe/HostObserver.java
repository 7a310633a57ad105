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

  /** A vCPU that waited is started: by SIPI, or out of AP reset hold. */
  default void started(int vcpu, String how) {}
}
