package dev.vesper.machine.cpu.jit;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;

/**
 * Arithmetic flags of translated code: not computed, but described by what they come from.
 *
 * <p>Five values describe them: {@code fr} is the last result, sign-extended, of which ZF, SF and
 * PF are read; {@code fa}, {@code fb}, {@code fx} are what CF, OF and AF are computed from, and the
 * kind says how. Bits 3:0 of a kind are the operation, 5:4 {@link #INC} or {@link #DEC} if one of
 * these came later (they leave CF alone), 7:6 the operation's operand size as a power of two, 9:8
 * that of the later one.
 */
final class LazyFlags {
  /** {@code fa} is {@link CpuState#fCv}, {@code fx} is {@link CpuState#fAx}. */
  static final int RAW = 0;

  /** CF, OF and AF are clear. */
  static final int LOGIC = 1;

  /** {@code fa + fb}, sign-extended operands. */
  static final int ADD = 2;

  /** {@code fa - fb}, sign-extended operands. */
  static final int SUB = 3;

  /** {@code fa + fb + carry}, and {@code fx} is the sum. */
  static final int ADC = 4;

  /** {@code fa - fb - carry}, and {@code fx} is the difference. */
  static final int SBB = 5;

  /** {@code fa} shifted by {@code fb} bits, at least one. */
  static final int SHL = 6;

  static final int SHR = 7;
  static final int SAR = 8;

  /** CF and OF are set unless {@code fa} is zero; {@code fx} is {@link CpuState#fAx}. */
  static final int MUL = 9;

  static final int INC = 1 << 4;
  static final int DEC = 2 << 4;
  static final int LATER = 3 << 4;

  private static final long TOP = Long.MIN_VALUE;

  private LazyFlags() {}

  /** {@return the kind of an operation on operands of some bytes} */
  static int kind(int operation, int bytes) {
    return operation | Integer.numberOfTrailingZeros(bytes) << 6;
  }

  /** {@return a kind after a later INC or DEC} */
  static int later(int kind, int which, int bytes) {
    return kind & 0xCF | which | Integer.numberOfTrailingZeros(bytes) << 8;
  }

  /** {@return which values a kind does not use: bit 0 {@code fa}, 1 {@code fb}, 2 {@code fx}} */
  static int unused(int kind) {
    int later = (kind & LATER) != 0 ? 4 : 0;
    return switch (kind & 15) {
      case LOGIC -> 7;
      case ADD, SUB, SHL, SHR, SAR -> 4;
      case RAW, MUL -> 2 | later;
      default -> 0;
    };
  }

  /** {@return CF in bit 63 and CF^OF in bit 62} */
  static long cv(int kind, long fr, long fa, long fb, long fx) {
    int bits = 8 << (kind >> 6 & 3);
    int shift = 64 - bits;
    long cv =
        switch (kind & 15) {
          case RAW -> fa;
          case ADD -> (fa & fb | (fa | fb) & ~(fa + fb)) << shift;
          case SUB -> (~fa & fb | (~fa | fb) & (fa - fb)) << shift;
          case ADC -> (fa & fb | (fa | fb) & ~fx) << shift;
          case SBB -> (~fa & fb | (~fa | fb) & fx) << shift;
          case SHL, SHR, SAR -> shifted(kind & 15, fa, (int) fb, bits);
          case MUL -> fa == 0 ? 0 : TOP;
          default -> 0;
        };
    return (kind & LATER) == 0 ? cv : later(kind, fr, cv);
  }

  private static long later(int kind, long fr, long cv) {
    long limit = TOP >> 64 - (8 << (kind >> 8 & 3));
    boolean overflow = (kind & LATER) == INC ? fr == limit : fr == ~limit;
    long cf = cv & TOP;
    return cf | (cf >>> 1 ^ (overflow ? 1L << 62 : 0));
  }

  private static long shifted(int operation, long a, int n, int bits) {
    boolean cf;
    boolean of;
    if (operation == SHL) {
      cf = n <= bits && (a >>> bits - n & 1) != 0;
      boolean msb = n < bits && (a >>> bits - 1 - n & 1) != 0;
      of = msb != cf;
    } else if (operation == SHR) {
      cf = n <= bits && (a >>> n - 1 & 1) != 0;
      of = n == 1 && (a >>> bits - 1 & 1) != 0;
    } else {
      cf = (a >> n - 1 & 1) != 0;
      of = false;
    }
    return (cf ? TOP : 0) | (cf ^ of ? 1L << 62 : 0);
  }

  /** {@return AF in bit 4, and with it what {@link CpuState#fAx} says of PF and SF} */
  static long ax(int kind, long fr, long fa, long fb, long fx) {
    int later = kind & LATER;
    if (later != 0) {
      return (fr & 15) == (later == INC ? 0 : 15) ? 0x10 : 0;
    }
    return switch (kind & 15) {
      case RAW, MUL -> fx;
      case ADD -> (fa ^ fb ^ fa + fb) & 0x10;
      case SUB -> (fa ^ fb ^ fa - fb) & 0x10;
      case ADC, SBB -> (fa ^ fb ^ fx) & 0x10;
      case SHL, SHR, SAR -> 0x10;
      default -> 0;
    };
  }

  /** Gives the flags to the processor. */
  static void store(Cpu c, int kind, long fr, long fa, long fb, long fx) {
    c.fRes = fr;
    c.fCv = cv(kind, fr, fa, fb, fx);
    c.fAx = ax(kind, fr, fa, fb, fx);
  }

  /**
   * {@return whether a condition holds}
   *
   * @param cc condition code of Jcc
   */
  static boolean condition(int cc, int kind, long fr, long fa, long fb, long fx) {
    boolean v =
        switch (cc >> 1) {
          case 0 -> overflow(cv(kind, fr, fa, fb, fx));
          case 1 -> cv(kind, fr, fa, fb, fx) < 0;
          case 2 -> fr == 0;
          case 3 -> fr == 0 || cv(kind, fr, fa, fb, fx) < 0;
          case 4 -> sign(fr, ax(kind, fr, fa, fb, fx));
          case 5 -> parity(fr, ax(kind, fr, fa, fb, fx));
          case 6 -> less(kind, fr, fa, fb, fx);
          default -> fr == 0 || less(kind, fr, fa, fb, fx);
        };
    return v == ((cc & 1) == 0);
  }

  private static boolean less(int kind, long fr, long fa, long fb, long fx) {
    return sign(fr, ax(kind, fr, fa, fb, fx)) != overflow(cv(kind, fr, fa, fb, fx));
  }

  private static boolean overflow(long cv) {
    return (cv ^ cv << 1) < 0;
  }

  private static boolean sign(long fr, long ax) {
    return (fr ^ ax << 47) < 0;
  }

  private static boolean parity(long fr, long ax) {
    return (Long.bitCount((fr ^ ax >>> 8) & 0xFF) & 1) == 0;
  }

  /** {@return CF of a later operation with the OF that there was} */
  static long withCarry(long cv, boolean carry) {
    boolean of = overflow(cv);
    return (carry ? TOP : 0) | (carry ^ of ? 1L << 62 : 0);
  }

  /**
   * {@return {@code fAx} when only ZF changes, for a result of zero or one}
   *
   * @param nonZero zero if ZF is set
   */
  static long axWithZero(long fr, long ax, int nonZero) {
    boolean zero = nonZero == 0;
    long delta = parity(fr, ax) == zero ? 0 : 1;
    return ax & 0x10 | delta << 8 | (sign(fr, ax) ? 1L << 16 : 0);
  }
}
