package dev.vesper.machine.flow;

import dev.vesper.x86.Reg;
import java.util.Arrays;
import java.util.BitSet;

/** Labels of what a processor holds at one privilege level, a byte each unless said otherwise. */
final class ShadowRegisters {
  /** Bytes of a vector register. */
  static final int VECTOR = 64;

  /** General registers, eight bytes each. */
  final char[] general = new char[16 * 8];

  /** Vector registers. */
  final char[] vector = new char[32 * VECTOR];

  /** MMX registers, eight bytes each. */
  final char[] mmx = new char[8 * 8];

  /** Opmask registers, one label each. */
  final char[] mask = new char[8];

  /** All that the x87 holds. */
  char x87;

  /** The arithmetic flags. */
  char flags;

  /** They come from a comparison. */
  boolean compared;

  /** The GHCB MSR. */
  char ghcbMsr;

  ShadowRegisters() {
    reset();
  }

  /** Everything is as hardware makes it. */
  void reset() {
    for (char[] a : new char[][] {general, vector, mmx, mask}) {
      Arrays.fill(a, Labels.PUBLIC);
    }
    x87 = Labels.PUBLIC;
    flags = Labels.PUBLIC;
    ghcbMsr = Labels.PUBLIC;
    compared = false;
  }

  /** Nobody knows where the general registers have their values from. */
  void unknown(Places places) {
    for (int i = 0; i < 16; i++) {
      char label = places.secret("register " + Reg.gpr(8, i, true).name() + " before");
      Arrays.fill(general, i * 8, i * 8 + 8, label);
    }
    Arrays.fill(vector, places.secret("vector registers before"));
  }

  /** Adds the labels that are in use. */
  void live(BitSet to) {
    for (char[] a : new char[][] {general, vector, mmx, mask, {x87, flags, ghcbMsr}}) {
      for (char c : a) {
        to.set(c);
      }
    }
  }
}
