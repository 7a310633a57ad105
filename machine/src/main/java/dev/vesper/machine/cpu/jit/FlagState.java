package dev.vesper.machine.cpu.jit;

/** What is known about the lazy flags at a place of emitted code. */
final class FlagState {
  /** The kind is known; otherwise the local variable has it. */
  boolean known;

  /** A kind of {@link LazyFlags}. */
  int kind;

  /** SF and PF are those of the result alone. */
  boolean plain;

  void unknown() {
    known = false;
    plain = false;
  }

  void set(int to, boolean isPlain) {
    known = true;
    kind = to;
    plain = isPlain;
  }

  void copy(FlagState from) {
    known = from.known;
    kind = from.kind;
    plain = from.plain;
  }

  /** {@return whether the kind is a plain operation without a later INC or DEC} */
  boolean is(int operation) {
    return known && (kind & (15 | LazyFlags.LATER)) == operation;
  }
}
