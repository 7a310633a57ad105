package dev.vesper.ghcb;

/**
 * SW_EXITINFO1 of AP creation (spec: snp 3.5): the request in bits 2 to 0, the VMPL in bits 19 to
 * 16, the APIC ID in bits 63 to 32.
 */
public record ApCreation(int request, int vmpl, int apicId) {
  /** The save area is used at the next INIT. */
  public static final int CREATE_ON_INIT = 0;

  /** The processor runs at once. */
  public static final int CREATE = 1;

  /** The processor stops. */
  public static final int DESTROY = 2;

  /** {@return what a value says} */
  public static ApCreation of(long info1) {
    return new ApCreation((int) info1 & 7, (int) (info1 >>> 16) & 15, (int) (info1 >>> 32));
  }

  /** {@return the value} */
  public long encode() {
    return (long) apicId << 32 | (long) vmpl << 16 | request;
  }

  @Override
  public String toString() {
    String what =
        switch (request) {
          case CREATE_ON_INIT -> "create on INIT";
          case CREATE -> "create";
          case DESTROY -> "destroy";
          default -> "request " + request;
        };
    return what + " APIC " + apicId + (vmpl == 0 ? "" : " VMPL" + vmpl);
  }
}
