package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.Bytes;
import org.jspecify.annotations.Nullable;

/**
 * The CPUID page of a guest under SEV-SNP (APM volume 2, 15.34.10; SEV-SNP firmware ABI, CPUID
 * page): count u32 at 0, then from 0x10 on entries of 0x30 bytes with EAX and ECX of the question
 * at 0 and 4 and EAX, EBX, ECX, EDX of the answer from 0x18 on.
 */
final class CpuidTable {
  /** No page: nobody can take anything from it. */
  static final CpuidTable NONE = new CpuidTable(Bytes.NONE);

  private static final int HEADER = 0x10;
  private static final int ENTRY = 0x30;
  private static final int ANSWER = 0x18;
  private static final int FEATURES = 0x8000_001F;

  private final Bytes page;
  private final int count;

  CpuidTable(Bytes page) {
    this.page = page;
    int said = page.length() < HEADER ? 0 : word(0);
    count = Math.max(0, Math.min(said, (page.length() - HEADER) / ENTRY));
  }

  private int word(int at) {
    int v = 0;
    for (int i = 3; i >= 0; i--) {
      v = v << 8 | page.get(at + i) & 0xFF;
    }
    return v;
  }

  private int find(int leaf, @Nullable Integer subleaf) {
    for (int i = 0; i < count; i++) {
      int at = HEADER + i * ENTRY;
      if (word(at) == leaf && (subleaf == null || word(at + 4) == subleaf)) {
        return at;
      }
    }
    return -1;
  }

  /**
   * {@return whether there is an answer for a leaf}
   *
   * @param subleaf null for any
   */
  boolean has(int leaf, @Nullable Integer subleaf) {
    return find(leaf, subleaf) >= 0;
  }

  /**
   * {@return a register of an answer}
   *
   * @param register 0 EAX, 1 EBX, 2 ECX, 3 EDX
   */
  int answer(int leaf, int subleaf, int register) {
    return word(find(leaf, subleaf) + ANSWER + 4 * register);
  }

  /** {@return whether memory that is validated must be evicted from caches: bit 31 says no} */
  boolean evictionNeeded() {
    int at = find(FEATURES, null);
    return at < 0 || word(at + ANSWER + 4) >= 0;
  }
}
