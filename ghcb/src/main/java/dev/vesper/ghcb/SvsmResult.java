package dev.vesper.ghcb;

import java.util.Locale;

/**
 * Results of calls of a secure VM service module, in RAX (publication 58019; spec: snp 4.3). Those
 * from 80001000h on are of the protocol: PVALIDATE's carries the instruction's own result.
 */
public enum SvsmResult {
  SUCCESS(0),
  INCOMPLETE(0x8000_0000L),
  UNSUPPORTED_PROTOCOL(0x8000_0001L),
  UNSUPPORTED_CALL(0x8000_0002L),
  INVALID_ADDRESS(0x8000_0003L),
  INVALID_FORMAT(0x8000_0004L),
  INVALID_PARAMETER(0x8000_0005L),
  INVALID_REQUEST(0x8000_0006L),
  BUSY(0x8000_0007L);

  /** The first of those that a protocol gives its own meaning. */
  private static final long OWN = 0x8000_1000L;

  private static final long OWN_END = 0x8000_2000L;

  /** RAX. */
  public final long code;

  SvsmResult(long code) {
    this.code = code;
  }

  /** {@return whether a call with a result is to be made again} */
  public static boolean isRetried(long code) {
    return code == INCOMPLETE.code || code == BUSY.code;
  }

  /** {@return a result in words} */
  public static String name(long code) {
    for (SvsmResult r : values()) {
      if (r.code == code) {
        return r.name().toLowerCase(Locale.ROOT).replace('_', ' ');
      }
    }
    return code >= OWN && code < OWN_END
        ? "the protocol's result " + (code - OWN)
        : "result 0x" + Long.toHexString(code);
  }
}
