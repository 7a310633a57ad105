package dev.vesper.machine.cpu.emit;

import java.util.Set;

/** What {@link EmissionVerifier} knows of what a register or a field of the state block holds. */
sealed interface Value {
  /** Something unknown, that what was written at a place of the code is. */
  record Unknown(int at, int where) implements Value {}

  record Constant(long value) implements Value {}

  /** {@code of >>> 12}. */
  record PageNumber(Value of) implements Value {}

  /** {@code of >>> 12 << 12}. */
  record PageAddress(Value of) implements Value {}

  /** The index of the TLB entry of an address: bits 27:12 of it. */
  record TlbIndex(Value of) implements Value {}

  /** What the TLB has for a tag in the entry of an address. */
  record Tag(boolean write, Value of) implements Value {}

  /** The tag, the address and {@code bytes - 1}, added. */
  record TagSum(boolean write, Value of, int bytes) implements Value {}

  /** The sum's page number: zero if so many bytes at the address are in the page of the entry. */
  record Miss(boolean write, Value of, int bytes) implements Value {}

  /** What the TLB has to be added to an address. */
  record Addend(Value of) implements Value {}

  /** Address and addend, added. */
  record Found(Value of) implements Value {}

  /** Bits 15:0. */
  record Low16(Value of) implements Value {}

  /** Rotated right by sixteen bits. */
  record Rotated(Value of) implements Value {}

  /** An address and the same rotated, added. */
  record Hash(Value of) implements Value {}

  /** Twice bits 15:0 of a hash: the index of a jump-cache entry in units of eight bytes. */
  record JumpIndex(Value of) implements Value {}

  /** The negative RIP of a jump-cache entry. */
  record JumpTag(Value of) implements Value {}

  /** That and RIP, added: zero if the entry is that of RIP. */
  record JumpMiss(Value of) implements Value {}

  /** Where the code of a jump-cache entry is. */
  record JumpCode(Value of) implements Value {}

  /** Zero if an address is aligned to so many bytes. */
  record Misalignment(Value of, long bytes) implements Value {}

  /** The state of vector registers for instructions without or with VEX. */
  record VectorState(boolean avx) implements Value {}

  /** Zero if they can be loaded. */
  record Unloadable(boolean avx) implements Value {}

  /** All bits the sign of a number of so many bytes. */
  record Sign(Value of, int bytes) implements Value {}

  /** One more, in so many bytes. */
  record Successor(Value of, int bytes) implements Value {}

  /** All bits of an address inverted. */
  record Inverse(Value of) implements Value {}

  /** Bytes in the page of an address behind its own. */
  record Behind(Value of) implements Value {}

  /** Elements of {@code 1 << shift} bytes from an address to the end of its page. */
  record Room(Value of, int shift) implements Value {}

  /** The least of several. */
  record Least(Set<Value> of) implements Value {}

  /** Bits of something unknown that a mask chose, at a place of the code, in their order. */
  record Extracted(int at, long mask) implements Value {}

  /** Where counters of edges are, 65536 bytes. */
  record EdgeCounters() implements Value {}

  /** A byte of memory, zero-extended, that was loaded at a place of the code. */
  record Byte(int at) implements Value {}

  /** {@return values that this is at most} */
  default Set<Value> bounds() {
    return this instanceof Least l ? l.of : Set.of(this);
  }
}
