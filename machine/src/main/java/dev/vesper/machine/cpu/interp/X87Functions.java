package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.cpu.fp.SoftFloat;
import dev.vesper.machine.cpu.fp.Transcendental;
import java.math.BigInteger;

/**
 * x87 square root, remainders, scaling and the transcendental functions, whose results are rounded
 * from more bits than the format has.
 */
final class X87Functions {
  private X87Functions() {}

  static void register(Families f) {
    f.add("fsqrt", X87Functions::fsqrt);
    f.add("frndint", X87Functions::frndint);
    f.add("fscale", X87Functions::fscale);
    f.add("fxtract", X87Functions::fxtract);
    f.add("fprem", (o, c) -> remainder(o, c, false));
    f.add("fprem1", (o, c) -> remainder(o, c, true));
    f.add("f2xm1", X87Functions::f2xm1);
    f.add("fyl2x", (o, c) -> logarithm(o, c, false));
    f.add("fyl2xp1", (o, c) -> logarithm(o, c, true));
    f.add("fpatan", X87Functions::fpatan);
    f.add("fsin", (o, c) -> trigonometric(o, c, 0));
    f.add("fcos", (o, c) -> trigonometric(o, c, 1));
    f.add("fsincos", (o, c) -> trigonometric(o, c, 2));
    f.add("fptan", (o, c) -> trigonometric(o, c, 3));
  }

  /** Loads ST(0); false after a stack fault, whose masked response is done. */
  private static boolean top(MemOp o, Cpu c) {
    X87.enter(o, c);
    if (X87.empty(c, 0)) {
      if (X87.stackFault(c, false)) {
        X87.indefinite(c, 0);
      }
      return false;
    }
    X87.get(c, 0, c.na);
    return true;
  }

  private static boolean unary(SoftFloat s, Cpu c) {
    c.nb.setZero(false);
    return X87.special(s, c.na, c.nb, c.nz);
  }

  private static void fsqrt(MemOp o, Cpu c) {
    if (!top(o, c)) {
      return;
    }
    SoftFloat s = X87.soft(c);
    if (!unary(s, c)) {
      boolean denormal = c.na.denormal;
      s.sqrt(c.na, c.nz);
      if (denormal && (s.flags & X87.IE) == 0) {
        s.flags |= X87.DE;
      }
      s.round(c.nz, X87.precision(c));
    }
    X87.finish(c, s, 0, c.nz);
  }

  private static void frndint(MemOp o, Cpu c) {
    if (!top(o, c)) {
      return;
    }
    SoftFloat s = X87.soft(c);
    if (!unary(s, c)) {
      c.nz.set(c.na);
      if (c.na.denormal) {
        s.flags |= X87.DE;
      }
      s.roundToIntegral(c.nz);
    }
    X87.finish(c, s, 0, c.nz);
  }

  private static void fscale(MemOp o, Cpu c) {
    X87.enter(o, c);
    if (X87.empty(c, 0) || X87.empty(c, 1)) {
      if (X87.stackFault(c, false)) {
        X87.indefinite(c, 0);
      }
      return;
    }
    X87.get(c, 0, c.na);
    X87.get(c, 1, c.nb);
    SoftFloat s = X87.soft(c);
    Num a = c.na;
    Num b = c.nb;
    Num z = c.nz;
    if (!X87.special(s, a, b, z)) {
      if (b.kind == Num.INF) {
        if (a.kind == Num.ZERO && !b.sign || a.kind == Num.INF && b.sign) {
          s.flags |= X87.IE;
          z.setIndefinite();
        } else if (b.sign) {
          z.setZero(a.sign);
        } else {
          z.setInf(a.sign);
        }
        denormals(s, a, b);
      } else {
        denormals(s, a, b);
        z.set(a);
        if (a.kind == Num.FINITE && b.kind == Num.FINITE) {
          int n = b.exp < 0 ? 0 : b.exp > 16 ? 1 << 16 : (int) (b.sig >>> 63 - b.exp);
          z.exp += b.sign ? -n : n;
          z.denormal = false;
          s.round(z, SoftFloat.EXTENDED);
        } else if (a.kind == Num.FINITE) {
          s.round(z, SoftFloat.EXTENDED);
        }
      }
    }
    X87.finish(c, s, 0, z);
  }

  private static void denormals(SoftFloat s, Num a, Num b) {
    if ((a.denormal || b.denormal) && (s.flags & X87.IE) == 0) {
      s.flags |= X87.DE;
    }
  }

  private static void fxtract(MemOp o, Cpu c) {
    X87.enter(o, c);
    boolean under = X87.empty(c, 0);
    boolean over = !X87.empty(c, -1);
    if (under || over) {
      if (X87.stackFault(c, over && !under)) {
        X87.indefinite(c, 0);
        c.ftop = c.ftop - 1 & 7;
        X87.indefinite(c, 0);
      }
      return;
    }
    X87.get(c, 0, c.na);
    SoftFloat s = X87.soft(c);
    Num e = c.nb;
    if (unary(s, c)) {
      e.set(c.nz);
    } else if (c.na.kind == Num.ZERO) {
      s.flags |= X87.ZE;
      e.setInf(true);
      c.nz.set(c.na);
    } else if (c.na.kind == Num.INF) {
      e.setInf(false);
      c.nz.set(c.na);
    } else {
      if (c.na.denormal) {
        s.flags |= X87.DE;
      }
      e.fromLong(c.na.exp);
      c.nz.set(c.na);
      c.nz.exp = 0;
    }
    if (X87.finish(c, s, 0, e)) {
      c.ftop = c.ftop - 1 & 7;
      X87.put(c, 0, c.nz);
    }
  }

  private static void remainder(MemOp o, Cpu c, boolean nearest) {
    X87.enter(o, c);
    X87.c1(c, false);
    if (X87.empty(c, 0) || X87.empty(c, 1)) {
      if (X87.stackFault(c, false)) {
        X87.indefinite(c, 0);
      }
      c.fsw &= ~X87.C2;
      return;
    }
    X87.get(c, 0, c.na);
    X87.get(c, 1, c.nb);
    Num a = c.na;
    Num b = c.nb;
    Num z = c.nz;
    SoftFloat s = X87.soft(c);
    long q = 0;
    boolean partial = false;
    if (!X87.special(s, a, b, z)) {
      if (a.kind == Num.INF || b.kind == Num.ZERO) {
        s.flags |= X87.IE;
        z.setIndefinite();
      } else {
        denormals(s, a, b);
        z.set(a);
        if (a.kind == Num.FINITE && b.kind == Num.FINITE) {
          int d = a.exp - b.exp;
          BigInteger x = SoftFloat.unsigned(a.sig);
          BigInteger y = SoftFloat.unsigned(b.sig);
          if (d >= 64) {
            // AMD processors reduce the exponent by a number between 32 and 63.
            int n = d % 32 + 32;
            partial = true;
            BigInteger[] qr = x.shiftLeft(n).divideAndRemainder(y);
            fromBig(z, a.sign, qr[1], a.exp - n);
          } else if (d >= 0) {
            BigInteger[] qr = x.shiftLeft(d).divideAndRemainder(y);
            q = qr[0].longValue();
            BigInteger r = qr[1];
            boolean sign = a.sign;
            if (nearest) {
              int cmp = r.shiftLeft(1).compareTo(y);
              if (cmp > 0 || cmp == 0 && (q & 1) != 0) {
                r = y.subtract(r);
                sign = !sign;
                q++;
              }
            }
            fromBig(z, sign, r, b.exp);
            if (z.kind == Num.ZERO) {
              z.sign = a.sign;
            }
          } else if (nearest && d == -1) {
            int cmp = x.compareTo(y);
            if (cmp > 0) {
              fromBig(z, !a.sign, y.shiftLeft(1).subtract(x), a.exp);
              q = 1;
            }
          }
          z.denormal = false;
          s.round(z, SoftFloat.EXTENDED);
        }
      }
    }
    if (!X87.finish(c, s, 0, z)) {
      c.fsw &= ~X87.C2;
      return;
    }
    if (z.kind == Num.QNAN) {
      // Without a quotient AMD processors clear C2 and C1 only.
      c.fsw &= ~(X87.C1 | X87.C2);
      return;
    }
    c.fsw &= ~(X87.C0 | X87.C1 | X87.C2 | X87.C3);
    if (partial) {
      c.fsw |= X87.C2;
    } else {
      c.fsw |=
          ((q & 4) != 0 ? X87.C0 : 0) | ((q & 2) != 0 ? X87.C3 : 0) | ((q & 1) != 0 ? X87.C1 : 0);
    }
  }

  private static void fromBig(Num z, boolean sign, BigInteger m, int exp) {
    if (m.signum() == 0) {
      z.setZero(sign);
    } else {
      z.setMagnitude(sign, exp + 64, m.shiftRight(64).longValue(), m.longValue());
    }
  }

  // ---- transcendental functions

  /** Rounds a result that is inexact. */
  private static void inexact(SoftFloat s, Num z) {
    z.denormal = false;
    s.flags |= SoftFloat.PE;
    s.round(z, SoftFloat.EXTENDED);
  }

  /** Rounds a result that is inexact even if its bits are not; a denormal one underflows. */
  private static void tinyInexact(SoftFloat s, Num z) {
    s.flags |= SoftFloat.PE | (z.exp < SoftFloat.EXTENDED.emin() ? SoftFloat.UE : 0);
    s.round(z, SoftFloat.EXTENDED);
  }

  private static void f2xm1(MemOp o, Cpu c) {
    if (!top(o, c)) {
      return;
    }
    SoftFloat s = X87.soft(c);
    Num a = c.na;
    Num z = c.nz;
    if (!unary(s, c)) {
      if (a.kind == Num.ZERO) {
        z.set(a);
      } else if (a.kind == Num.INF) {
        if (a.sign) {
          z.fromLong(-1);
        } else {
          z.set(a);
        }
      } else if (a.exp > 0 || a.exp == 0 && a.sig != 1L << 63) {
        // Outside -1..1 the manual leaves the result open; AMD processors give the operand back.
        z.set(a);
        s.flags |= SoftFloat.PE;
      } else if (a.exp == 0 && a.sig == 1L << 63) {
        // Exact, and reported as inexact all the same.
        z.setMagnitude(a.sign, a.sign ? -1 : 0, 1L << 63, 0);
        s.flags |= SoftFloat.PE;
      } else {
        denormals(s, a, a);
        if (a.exp < -60) {
          Num ln2 = c.nb;
          ln2.fromExtended(0xB172_17F7_D1CF_79ACL, 0x3FFE);
          s.mul(a, ln2, z);
          tinyInexact(s, z);
        } else {
          Transcendental.exp2m1(a, z);
          inexact(s, z);
        }
      }
    }
    X87.finish(c, s, 0, z);
  }

  private static void logarithm(MemOp o, Cpu c, boolean plusOne) {
    X87.enter(o, c);
    if (X87.empty(c, 0) || X87.empty(c, 1)) {
      if (X87.stackFault(c, false)) {
        X87.indefinite(c, 1);
        X87.pop(c);
      }
      return;
    }
    X87.get(c, 0, c.na);
    X87.get(c, 1, c.nb);
    SoftFloat s = X87.soft(c);
    Num x = c.na;
    Num y = c.nb;
    Num z = c.nz;
    if (!X87.special(s, x, y, z)) {
      // The logarithm, or a number of its sign where it is computed together with the product.
      Num log = new Num();
      boolean transcendental = false;
      if (plusOne) {
        if (x.kind == Num.ZERO) {
          log.setZero(x.sign);
        } else if (x.kind == Num.INF) {
          if (x.sign) {
            s.flags |= X87.IE;
          }
          log.setInf(false);
        } else {
          if (x.sign && x.exp >= 0) {
            // At and below -1 the manual leaves the result open; AMD processors give the operand
            // back, or the product's sign with a factor of zero or infinity.
            denormals(s, x, y);
            if (y.kind == Num.ZERO) {
              z.setZero(!y.sign);
            } else if (y.kind == Num.INF) {
              z.setInf(!y.sign);
            } else {
              z.set(x);
              s.flags |= SoftFloat.PE;
            }
            if (X87.finish(c, s, 1, z)) {
              X87.pop(c);
            }
            return;
          }
          if (x.exp < -60) {
            Num l2e = new Num();
            l2e.fromExtended(0xB8AA_3B29_5C17_F0BCL, 0x3FFF);
            s.mul(x, l2e, log);
            log.low = 0;
          } else {
            transcendental = true;
            log.fromLong(x.sign ? -1 : 1);
          }
        }
      } else if (x.kind == Num.ZERO) {
        if (y.kind == Num.ZERO) {
          s.flags |= X87.IE;
        } else if (y.kind == Num.FINITE) {
          s.flags |= X87.ZE;
        }
        log.setInf(true);
      } else if (x.sign) {
        s.flags |= X87.IE;
      } else if (x.kind == Num.INF) {
        log.setInf(false);
      } else if (x.sig == 1L << 63) {
        log.fromLong(x.exp);
      } else {
        transcendental = true;
        log.fromLong(x.exp < 0 ? -1 : 1);
      }
      if ((s.flags & X87.IE) != 0) {
        z.setIndefinite();
      } else {
        denormals(s, x, y);
        log.denormal = false;
        s.mul(log, y, z);
        if (transcendental && z.kind == Num.FINITE) {
          Transcendental.yLog2(y, x, plusOne, z);
        }
        if ((s.flags & X87.IE) == 0 && z.kind == Num.FINITE) {
          s.flags |= SoftFloat.PE;
        }
        s.round(z, SoftFloat.EXTENDED);
      }
    }
    if (X87.finish(c, s, 1, z)) {
      X87.pop(c);
    }
  }

  private static void fpatan(MemOp o, Cpu c) {
    X87.enter(o, c);
    if (X87.empty(c, 0) || X87.empty(c, 1)) {
      if (X87.stackFault(c, false)) {
        X87.indefinite(c, 1);
        X87.pop(c);
      }
      return;
    }
    X87.get(c, 0, c.na);
    X87.get(c, 1, c.nb);
    SoftFloat s = X87.soft(c);
    Num x = c.na;
    Num y = c.nb;
    Num z = c.nz;
    if (!X87.special(s, x, y, z)) {
      denormals(s, x, y);
      if (y.kind == Num.ZERO && !x.sign || x.kind == Num.INF && !x.sign && y.kind == Num.FINITE) {
        z.setZero(y.sign);
      } else {
        if (x.kind == Num.FINITE && y.kind == Num.FINITE) {
          if (y.exp - x.exp < -70 && !x.sign) {
            s.div(y, x, z);
            s.flags |= SoftFloat.PE;
            s.round(z, SoftFloat.EXTENDED);
            if (X87.finish(c, s, 1, z)) {
              X87.pop(c);
            }
            return;
          }
          Transcendental.atan2(y, x, z);
        } else {
          int quarters;
          if (x.kind == Num.INF && y.kind == Num.INF) {
            quarters = x.sign ? 3 : 1;
          } else if (y.kind == Num.INF || x.kind == Num.ZERO && y.kind != Num.ZERO) {
            quarters = 2;
          } else {
            quarters = 4;
          }
          Transcendental.quartersOfPi(quarters, y.sign, z);
        }
        inexact(s, z);
      }
    }
    if (X87.finish(c, s, 1, z)) {
      X87.pop(c);
    }
  }

  private static void trigonometric(MemOp o, Cpu c, int which) {
    X87.enter(o, c);
    boolean push = which >= 2;
    boolean under = X87.empty(c, 0);
    boolean over = push && !X87.empty(c, -1);
    c.fsw &= ~X87.C2;
    if (under || over) {
      if (X87.stackFault(c, over && !under)) {
        X87.indefinite(c, 0);
        if (push) {
          c.ftop = c.ftop - 1 & 7;
          X87.indefinite(c, 0);
        }
      }
      return;
    }
    X87.get(c, 0, c.na);
    SoftFloat s = X87.soft(c);
    Num a = c.na;
    Num z = c.nz;
    Num second = c.nb;
    if (unary(s, c)) {
      second.set(z);
    } else if (a.kind == Num.INF) {
      s.flags |= X87.IE;
      z.setIndefinite();
      second.setIndefinite();
    } else if (a.kind == Num.FINITE && a.exp >= 63) {
      c.fsw |= X87.C2;
      X87.c1(c, false);
      return;
    } else {
      denormals(s, a, a);
      if (a.kind == Num.ZERO) {
        z.set(a);
        if (which == 1) {
          z.fromLong(1);
        }
        second.fromLong(1);
      } else {
        angle(s, a, z, second, which);
      }
    }
    if (X87.finish(c, s, 0, z) && push) {
      c.ftop = c.ftop - 1 & 7;
      X87.put(c, 0, second);
    }
  }

  /** z := a number next to z and nearer to zero, with a sticky bit. */
  private static void justBelow(Num z) {
    z.low = -1;
    z.sig--;
    if (z.sig >= 0) {
      z.sig = -1;
      z.exp--;
    }
  }

  private static void angle(SoftFloat s, Num a, Num z, Num second, int which) {
    Transcendental.Angle v = a.exp < -100 ? null : new Transcendental.Angle(a);
    if (v == null) {
      // The sine is the angle, less what rounding sees of the cube; the cosine is one, less. The
      // tangent is the angle: AMD processors see something of the cube in denormal ones only.
      second.setMagnitude(false, -1, -1L, -1L);
      if (which == 1) {
        z.set(second);
        inexact(s, z);
        return;
      }
      z.set(a);
      z.denormal = false;
      if (which == 3) {
        z.low |= z.exp < SoftFloat.EXTENDED.emin() ? 1 : 0;
        tinyInexact(s, z);
      } else {
        justBelow(z);
        inexact(s, z);
      }
    } else if (which == 1) {
      v.cos(z);
      inexact(s, z);
      return;
    } else {
      if (which == 3) {
        v.tan(z);
      } else {
        v.sin(z);
        v.cos(second);
      }
      inexact(s, z);
    }
    if (which == 3) {
      second.fromLong(1);
    } else {
      inexact(s, second);
    }
  }
}
