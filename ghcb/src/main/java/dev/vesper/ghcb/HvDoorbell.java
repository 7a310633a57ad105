package dev.vesper.ghcb;

/**
 * The #HV doorbell page of a guest with restricted injection, and the event by which a guest names
 * it (spec: snp 3.6). The page is shared and one vCPU's own. Bytes from 0 on: the vector of the
 * interrupt that is pending, or 0; flags; whether an EOI is of no need to the host; pending events
 * of other VMPLs. The host writes an event there and rings by #HV; the guest exchanges the first
 * two bytes with 0 and serves what it finds.
 */
public final class HvDoorbell {
  /** Where the vector of a pending interrupt is. */
  public static final int VECTOR = 0;

  /** Where the flags are. */
  public static final int FLAGS = 1;

  /** Where the host says in bit 0 that it needs no EOI; a guest that clears it has given one. */
  public static final int NO_EOI_REQUIRED = 2;

  /** Where bit n - 1 says that an event is pending for VMPL n. */
  public static final int PER_VMPL_EVENTS = 3;

  /** Flag: an NMI is pending. */
  public static final int NMI = 1;

  /** Flag: a machine check is pending. */
  public static final int MACHINE_CHECK = 2;

  /** Flag: the bell has rung, and does not ring again until the guest has looked. */
  public static final int NO_FURTHER_SIGNAL = 0x80;

  /** Request: where the host would like the page to be. */
  public static final int GET_PREFERRED = 0;

  /** Request: the page is at the address in SW_EXITINFO2. */
  public static final int SET = 1;

  /** Request: which page it is. */
  public static final int QUERY = 2;

  /** Request: there is no such page any more. */
  public static final int CLEAR = 3;

  /** The answer that names no page. */
  public static final long NONE = -1;

  private static final String[] REQUESTS = {"get preferred", "set", "query", "clear"};

  private HvDoorbell() {}

  /** {@return the name of a request, or its number} */
  public static String request(long info1) {
    return info1 < 0 || info1 >= REQUESTS.length
        ? "request " + Long.toUnsignedString(info1)
        : REQUESTS[(int) info1];
  }
}
