package dev.vesper.machine.cpu.interp;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Semantics by mnemonic: what each family file registers. */
final class Families {
  /** How an instruction is executed. */
  record Entry(Semantics semantics, boolean transfers) {}

  private final Map<String, Leaving> leaving = new HashMap<>();

  /** Follows a mnemonic that has another meaning where the destination is a mask. */
  static final String TO_MASK = " to mask";

  private final Map<String, Entry> entries = new HashMap<>();

  Families() {
    IntegerOps.register(this);
    StackOps.register(this);
    StringOps.register(this);
    FarOps.register(this);
    PortOps.register(this);
    SystemOps.register(this);
    SnpOps.register(this);
    X87Ops.register(this);
    XsaveOps.register(this);
    MmxOps.register(this);
    BmiOps.register(this);
    Ssse3.register(this);
    Sse41.register(this);
    Sse42.register(this);
    CryptoOps.register(this);
    SseMoves.register(this);
    SseArithmetic.register(this);
    AvxMoves.register(this);
    AvxPermutes.register(this);
    Gathers.register(this);
    Fma.register(this);
    GaloisOps.register(this);
    Sse4a.register(this);
    Opmasks.register(this);
    Avx512Integer.register(this);
    Avx512Moves.register(this);
    Avx512Float.register(this);
  }

  /** Registers an instruction after which execution goes on. */
  void add(String mnemonic, Semantics s) {
    put(mnemonic, new Entry(s, false));
  }

  /** Registers an SSE instruction and its VEX form, which has a V before the mnemonic. */
  void both(String mnemonic, Semantics s) {
    add(mnemonic, s);
    add("v" + mnemonic, s);
  }

  /** Registers an instruction that sets RIP. */
  void transfer(String mnemonic, Semantics s) {
    put(mnemonic, new Entry(s, true));
  }

  /** Registers an instruction that mostly ends by leaving the guest. */
  void leave(String mnemonic, Leaving l) {
    Leaving before = leaving.put(mnemonic, l);
    assert before == null : mnemonic + " has two meanings";
  }

  @Nullable Leaving leaving(String mnemonic) {
    return leaving.get(mnemonic);
  }

  private void put(String mnemonic, Entry e) {
    Entry before = entries.put(mnemonic, e);
    assert before == null : mnemonic + " has two meanings";
  }

  @Nullable Entry get(String mnemonic) {
    return entries.get(mnemonic);
  }
}
