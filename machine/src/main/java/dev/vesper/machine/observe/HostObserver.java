package dev.vesper.machine.observe;

import org.jspecify.annotations.Nullable;

/** Watches what crosses between guest and host. */
public interface HostObserver {
  /** Another vCPU's turn has come: what follows is about it. */
  default void running(int vcpu) {}

  /**
   * An exit that is not a VMGEXIT, nor a physical interrupt but one that has another VMPL run,
   * which takes it.
   */
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

  /**
   * The host is about to change a page's entry in the reverse map table; what it does to the entry
   * until {@link #changedPage} is because of this.
   *
   * @param entry number in the list of a page state change, or -1
   * @param operation of {@link dev.vesper.ghcb.PageStateEntry}'s
   */
  default void changesPage(RmpCause cause, int entry, int operation, long gpa) {}

  /**
   * The host has done what {@link #changesPage} has said.
   *
   * @param why what has failed, in words, or empty
   */
  default void changedPage(String why) {}

  /** A GHCB is registered, or the host answers that it takes none. */
  default void registered(long gpa) {}

  /**
   * An AP creation is answered.
   *
   * @param info1 SW_EXITINFO1 of the request
   * @param why what has failed, in words, or empty
   */
  default void createdProcessor(long info1, long area, long features, String why) {}

  /**
   * A guest request is answered.
   *
   * @param info1 SW_EXITINFO1 of the answer
   * @param info2 SW_EXITINFO2 of the answer
   * @param why which check has failed, in words, or empty
   */
  default void answeredRequest(
      boolean extended, long request, long response, long info1, long info2, String why) {}

  /** A vCPU that waited is started: by SIPI, or out of AP reset hold. */
  default void started(int vcpu, String how) {}
}
