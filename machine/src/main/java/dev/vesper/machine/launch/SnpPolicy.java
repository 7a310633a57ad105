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
  /** The host may run two threads on a core. */
  public static final long SMT = 1L << 16;

  /** Must be set. */
  public static final long RESERVED_ONE = 1L << 17;

  /** A migration agent may be associated. */
  public static final long MIGRATE_MA = 1L << 18;

  /** The host may have memory decrypted. */
  public static final long DEBUG = 1L << 19;

  /** The guest runs on one socket. */
  public static final long SINGLE_SOCKET = 1L << 20;

  /** What QEMU asks for. */
  public static final SnpPolicy DEFAULT = new SnpPolicy(SMT | RESERVED_ONE);

  private static final int FIRST_NAMED = 16;
  private static final String[] NAMES = {
    "SMT",
    "RESERVED_1",
    "MIGRATE_MA",
    "DEBUG",
    "SINGLE_SOCKET",
    "CXL_ALLOW",
    "MEM_AES_256_XTS",
    "RAPL_DIS",
    "CIPHERTEXT_HIDING_DRAM",
    "PAGE_SWAP_DISABLE"
  };
  private static final long DEFINED = (1L << FIRST_NAMED + NAMES.length) - 1;

  /** {@return whether all of these bits are set} */
  public boolean has(long mask) {
    return (bits & mask) == mask;
  }

  /** {@return whether only defined bits are set} */
  public boolean defined() {
    return (bits & ~DEFINED) == 0;
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
    for (int i = 0; i < NAMES.length; i++) {
      if ((bits >>> FIRST_NAMED + i & 1) != 0) {
        set.add(NAMES[i]);
      }
    }
    String least = (bits & 0xFFFF) == 0 ? "" : ", ABI " + (bits >>> 8 & 0xFF) + "." + (bits & 0xFF);
    return "0x" + Long.toHexString(bits) + " (" + String.join(" ", set) + least + ")";
  }
}
