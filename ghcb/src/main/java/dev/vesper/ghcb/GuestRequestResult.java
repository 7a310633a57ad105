package dev.vesper.ghcb;

/**
 * SW_EXITINFO2 of a guest request (spec: snp 3.4): the secure processor's status in bits 31 to 0,
 * the hypervisor's in bits 63 to 32. If the hypervisor's is set the secure processor was not asked.
 */
public record GuestRequestResult(int firmware, int hypervisor) {
  /** The data pages are too few; RBX says how many it takes. */
  public static final int INVALID_LENGTH = 1;

  /** The same request may be repeated later. */
  public static final int BUSY = 2;

  /** Any other failure of the hypervisor. */
  public static final int GENERIC = 3;

  /** {@return what a value says} */
  public static GuestRequestResult of(long info2) {
    return new GuestRequestResult((int) info2, (int) (info2 >>> 32));
  }

  /** {@return the value} */
  public long encode() {
    return (long) hypervisor << 32 | firmware & 0xFFFF_FFFFL;
  }

  @Override
  public String toString() {
    return switch (hypervisor) {
      case 0 -> firmware == 0 ? "ok" : "firmware status 0x" + Integer.toHexString(firmware);
      case INVALID_LENGTH -> "hypervisor: too few data pages";
      case BUSY -> "hypervisor: busy";
      default -> "hypervisor error " + Integer.toUnsignedString(hypervisor);
    };
  }
}
