package dev.vesper.machine.launch;

import java.util.ArrayList;
import java.util.List;

/**
 * What the owner of an SNP guest allows: the word of SNP_LAUNCH_START (spec: snp 6.3).
 *
 * @param bits 0 to 7 the least minor and 8 to 15 the least major version of the firmware's ABI,
 *     then those below; 17 must be 1
 */
public record SnpPolicy(long bits) {
  /** Must be set. */
  public static final long RESERVED_ONE = 1L << 17;

  /** What QEMU asks for. */
  public static final SnpPolicy DEFAULT = new SnpPolicy(PolicyBit.SMT.mask() | RESERVED_ONE);

  /** The least version of the ABI. */
  private static final long VERSION = 0xFFFF;

  /** {@return whether all of these bits are set} */
  public boolean has(long mask) {
    return (bits & mask) == mask;
  }

  /** {@return whether only defined bits are set} */
  public boolean defined() {
    long defined = VERSION | RESERVED_ONE;
    for (PolicyBit b : PolicyBit.values()) {
      defined |= b.mask();
    }
    return (bits & ~defined) == 0;
  }

  /** {@return whether a firmware's ABI is as new as the owner asks} */
  public boolean accepts(ApiVersion abi) {
    int major = (int) bits >>> 8 & 0xFF;
    int minor = (int) bits & 0xFF;
    return abi.major() > major || abi.major() == major && abi.minor() >= minor;
  }

  @Override
  public String toString() {
    List<String> set = new ArrayList<>();
    for (PolicyBit b : PolicyBit.values()) {
      if (b.in(bits)) {
        set.add(b.name());
      }
    }
    if (has(RESERVED_ONE)) {
      set.add(PolicyBit.SMT.in(bits) ? 1 : 0, "RESERVED_1");
    }
    String least =
        (bits & VERSION) == 0 ? "" : ", ABI " + (bits >>> 8 & 0xFF) + "." + (bits & 0xFF);
    return "0x" + Long.toHexString(bits) + " (" + String.join(" ", set) + least + ")";
  }
}
