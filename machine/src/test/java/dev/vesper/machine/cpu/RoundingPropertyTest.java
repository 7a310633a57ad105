package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.cpu.fp.SoftFloat;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Each rounding of the floating-point arithmetic against exact decimals, and the flags with it. */
final class RoundingPropertyTest {
  private static final RoundingMode[] MODES = {
    RoundingMode.HALF_EVEN, RoundingMode.FLOOR, RoundingMode.CEILING, RoundingMode.DOWN
  };

  private final Random random = new Random(9);
  private final SoftFloat soft = new SoftFloat();
  private final Num a = new Num();
  private final Num b = new Num();
  private final Num c = new Num();
  private final Num z = new Num();

  private double operand(boolean single) {
    int range = single ? 60 : 500;
    double v = Math.scalb(1 + random.nextDouble(), random.nextInt(2 * range) - range);
    if (random.nextInt(4) == 0) {
      v = random.nextInt(2000) + 1;
    }
    double signed = random.nextBoolean() ? v : -v;
    return single ? (float) signed : signed;
  }

  private void load(Num n, double v, boolean single) {
    if (single) {
      n.fromFloat(Float.floatToRawIntBits((float) v));
    } else {
      n.fromDouble(Double.doubleToRawLongBits(v));
    }
  }

  /** Rounds an exact value to a binary format without its limits of exponent. */
  private static BigDecimal round(BigDecimal exact, int precision, RoundingMode mode) {
    if (exact.signum() == 0) {
      return exact;
    }
    BigDecimal two = BigDecimal.TWO;
    int exponent = exponent(exact.abs());
    BigDecimal unit =
        exponent - precision + 1 >= 0
            ? two.pow(exponent - precision + 1)
            : BigDecimal.ONE.divide(two.pow(precision - 1 - exponent));
    BigInteger units = exact.divide(unit, MathContext.UNLIMITED).setScale(0, mode).toBigInteger();
    return new BigDecimal(units).multiply(unit);
  }

  private static int exponent(BigDecimal v) {
    int e = (int) Math.floor(Math.log10(v.doubleValue()) / Math.log10(2));
    BigDecimal low = power(e);
    if (v.compareTo(low) < 0) {
      return e - 1;
    }
    return v.compareTo(power(e + 1)) >= 0 ? e + 1 : e;
  }

  private static BigDecimal power(int e) {
    return e >= 0 ? BigDecimal.TWO.pow(e) : BigDecimal.ONE.divide(BigDecimal.TWO.pow(-e));
  }

  private double result(boolean single) {
    return single ? Float.intBitsToFloat(z.toFloat()) : Double.longBitsToDouble(z.toDouble());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void sumsProductsAndFusedOnes(boolean single) {
    int precision = single ? 24 : 53;
    for (int i = 0; i < 4000; i++) {
      double x = operand(single);
      double y = operand(single);
      double w = operand(single);
      BigDecimal dx = new BigDecimal(x);
      BigDecimal dy = new BigDecimal(y);
      BigDecimal dw = new BigDecimal(w);
      BigDecimal[] exact = {dx.add(dy), dx.subtract(dy), dx.multiply(dy), dx.multiply(dy).add(dw)};
      for (int mode = 0; mode < 4; mode++) {
        for (int op = 0; op < exact.length; op++) {
          double magnitude = Math.abs(exact[op].doubleValue());
          if (magnitude > (single ? 1e37 : 1e307) || magnitude < (single ? 1e-36 : 1e-300)) {
            continue;
          }
          load(a, x, single);
          load(b, y, single);
          load(c, w, single);
          soft.flags = 0;
          soft.rounding = mode;
          soft.masks = 0x3F;
          switch (op) {
            case 0 -> soft.add(a, b, false, z);
            case 1 -> soft.add(a, b, true, z);
            case 2 -> soft.mul(a, b, z);
            default -> soft.fma(a, b, c, z);
          }
          soft.round(z, single ? SoftFloat.SINGLE : SoftFloat.DOUBLE);
          BigDecimal want = round(exact[op], precision, MODES[mode]);
          assertThat(new BigDecimal(result(single)))
              .as("operation %d of %s, %s and %s, rounding %d", op, x, y, w, mode)
              .isEqualByComparingTo(want);
          assertThat(soft.flags & SoftFloat.PE)
              .as("PE of operation %d", op)
              .isEqualTo(want.compareTo(exact[op]) == 0 ? 0 : SoftFloat.PE);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void quotientsAndRootsLieWithinTheirBounds(boolean single) {
    SoftFloat.Format format = single ? SoftFloat.SINGLE : SoftFloat.DOUBLE;
    for (int i = 0; i < 4000; i++) {
      double x = operand(single);
      double y = operand(single);
      if (Math.abs(x / y) > (single ? 1e37 : 1e307)
          || Math.abs(x / y) < (single ? 1e-36 : 1e-300)) {
        continue;
      }
      double[] got = new double[4];
      for (int mode = 0; mode < 4; mode++) {
        load(a, x, single);
        load(b, y, single);
        soft.flags = 0;
        soft.rounding = mode;
        soft.div(a, b, z);
        soft.round(z, format);
        got[mode] = result(single);
      }
      BigDecimal dx = new BigDecimal(x);
      BigDecimal dy = new BigDecimal(y);
      // Down and up enclose the quotient and are neighbours; nearest is the closer one.
      BigDecimal below = new BigDecimal(got[1]).multiply(dy);
      BigDecimal above = new BigDecimal(got[2]).multiply(dy);
      int sign = dy.signum();
      assertThat(Integer.signum(below.compareTo(dx)) * sign).isLessThanOrEqualTo(0);
      assertThat(Integer.signum(above.compareTo(dx)) * sign).isGreaterThanOrEqualTo(0);
      double next = single ? Math.nextUp((float) got[1]) : Math.nextUp(got[1]);
      assertThat(got[2]).isIn(got[1], next);
      assertThat(got[0]).isEqualTo(single ? (float) (x / y) : x / y);
      assertThat(got[3]).isEqualTo(got[0] < 0 ? got[2] : got[1]);
      load(a, Math.abs(x), single);
      soft.rounding = 0;
      soft.sqrt(a, z);
      soft.round(z, format);
      double root = Math.sqrt(Math.abs(x));
      assertThat(result(single)).isEqualTo(single ? (float) root : root);
    }
  }
}
