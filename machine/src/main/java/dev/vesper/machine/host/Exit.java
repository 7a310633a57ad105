package dev.vesper.machine.host;

import dev.vesper.ghcb.GhcbField;

/** A vCPU that has come back to its host, as the host sees it. It is good until it is answered. */
public interface Exit {
  /** {@return number of the vCPU} */
  int vcpu();

  /** {@return instructions that the vCPU has executed} */
  long instructions();

  /** {@return instructions that all vCPUs have executed together} */
  long allInstructions();

  /** {@return the vCPU's virtual time in nanoseconds} */
  long time();

  /** {@return its VMCB} */
  VmcbView vmcb();

  /** {@return memory on the bus} */
  HostMemory memory();

  /**
   * Injects an event at the next VMRUN.
   *
   * @param event EVENTINJ format without the valid bit: vector 7:0, type 10:8 (0 interrupt, 2 NMI,
   *     3 exception), error code valid 11, error code 63:32
   */
  void inject(long event);

  /**
   * Lets virtual time pass before the vCPU goes on: the host takes so long.
   *
   * @param nanos not negative
   */
  void delay(long nanos);

  /**
   * Ends the run: the host gives the guest up.
   *
   * @param status exit status of the command
   */
  void end(int status, String reason);

  /** VMGEXIT with a request in a GHCB page. */
  interface Event extends Exit {
    /** {@return SW_EXITCODE of the request} */
    int code();

    /**
     * {@return a field of the request as the guest sent it}
     *
     * <p>It stays what it was when an answer has overwritten the page.
     */
    long request(GhcbField f);

    /** {@return guest physical address of the GHCB} */
    long ghcb();

    /** {@return a field of the page as it is now} */
    long get(GhcbField f);

    /** Writes a field of the page and marks it valid. */
    void set(GhcbField f, long value);

    /** Writes a field of the page and leaves its valid bit. */
    void put(GhcbField f, long value);
  }

  /** VMGEXIT with a request of the MSR protocol. */
  interface Msr extends Exit {
    /** {@return the value of the GHCB MSR as the guest wrote it: GHCBInfo is bits 11:0} */
    long request();

    /** {@return the value that the guest will read} */
    long response();

    /** Sets the value that the guest will read. */
    void respond(long value);
  }

  /** Any other exit. */
  interface Automatic extends Exit {
    /** {@return EXITCODE} */
    int code();

    /** {@return EXITINFO1} */
    long info1();

    /** {@return EXITINFO2} */
    long info2();
  }

  /**
   * No exit of the guest's own: the host has asked to be called here, before a VMRUN or, with a
   * machine that has not run, in its launch.
   */
  interface Appointment extends Exit {}
}
