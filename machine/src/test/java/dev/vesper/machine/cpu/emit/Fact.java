package dev.vesper.machine.cpu.emit;

/** What a branch that was taken, or was not, has shown to {@link EmissionVerifier}. */
sealed interface Fact {
  /** So many bytes at an address are in a page that the TLB has for the access. */
  record Hit(boolean write, Value of, int bytes) implements Fact {}

  /** The jump cache has code for an address. */
  record JumpHit(Value of) implements Fact {}

  record Aligned(Value of, long bytes) implements Fact {}

  /** Vector registers are loaded for instructions without, or with VEX. */
  record Loaded(boolean avx) implements Fact {}

  record Loadable(boolean avx) implements Fact {}

  /** One number of so many bytes is below another. */
  record Below(Value one, Value other, int bytes) implements Fact {}

  /** Two numbers of so many bytes are equal. */
  record Equal(Value one, Value other, int bytes) implements Fact {}

  /** A number of so many bytes is neither 0 nor -1. */
  record Divides(Value of, int bytes) implements Fact {}
}
