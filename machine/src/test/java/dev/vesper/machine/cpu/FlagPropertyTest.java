package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Assembler;
import java.math.BigInteger;
import java.util.Random;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Each arithmetic flag against its definition, with integers of any size, for every width. */
@ParameterizedClass
@ValueSource(ints = {Execution.STANDARD, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class FlagPropertyTest {
  private static final int CODE = 0x4000;
  private static final String[][] NAMES = {
    {"al", "cl"}, {"ax", "cx"}, {"eax", "ecx"}, {"rax", "rcx"}
  };

  private final PhysicalMemory memory = new PhysicalMemory(16 << 12, 0);
  private final Cpu cpu;
  private final Random random = new Random(4);

  FlagPropertyTest(int execution) {
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map = frame -> frame < 16 ? NestedMap.RAM : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    Execution.choose(cpu, f, execution);
    memory.page(1, 0).put64(0, 0x2003L);
    memory.page(2, 0).put64(0, 0x3003L);
    memory.page(3, 0).put64(0, 0x83L);
  }

  private void assemble(String source) {
    cpu.resetRegisters();
    for (int s = 0; s < 6; s++) {
      cpu.selector[s] = s == CpuState.CS ? 8 : 16;
      cpu.segBase[s] = 0;
      cpu.segLimit[s] = 0xFFFF_FFFFL;
      cpu.segAttr[s] = s == CpuState.CS ? 0xA9B : 0xC93;
    }
    cpu.cr0 = 0x8001_0033L;
    cpu.cr4 = CpuState.CR4_PAE;
    cpu.efer = 0xD00;
    cpu.cr3 = 0x1000;
    cpu.intercepts.vector3 = 1 << 24;
    byte[] code = Assembler.assemble(64, source + "\nhlt");
    memory.page(4, Page.SHARED).copyFrom(0, code, 0, code.length);
    memory.page(4, Page.SHARED).dropCode();
    cpu.flushTlb(true);
  }

  private void run(long a, long b, int flags) {
    cpu.rip = CODE;
    cpu.r[0] = a;
    cpu.r[1] = b;
    cpu.setFlags(flags | 2);
    cpu.run(cpu.icount + 4);
    assertThat(cpu.exitCode).isEqualTo(0x78);
  }

  private long operand() {
    return switch (random.nextInt(4)) {
      case 0 -> random.nextLong();
      case 1 -> (1L << random.nextInt(64)) - random.nextInt(3);
      case 2 -> -random.nextInt(4);
      default -> random.nextInt(300) - 150;
    };
  }

  private static BigInteger unsigned(long v, int bits) {
    BigInteger b =
        BigInteger.valueOf(v).and(BigInteger.ONE.shiftLeft(bits).subtract(BigInteger.ONE));
    return b;
  }

  private static BigInteger signed(long v, int bits) {
    BigInteger b = unsigned(v, bits);
    return b.testBit(bits - 1) ? b.subtract(BigInteger.ONE.shiftLeft(bits)) : b;
  }

  /** Flags of a sum or difference by the definitions of the manual. */
  private static int expected(
      BigInteger ua,
      BigInteger ub,
      BigInteger sa,
      BigInteger sb,
      int carry,
      boolean minus,
      int bits) {
    BigInteger c = BigInteger.valueOf(carry);
    BigInteger u = minus ? ua.subtract(ub).subtract(c) : ua.add(ub).add(c);
    BigInteger s = minus ? sa.subtract(sb).subtract(c) : sa.add(sb).add(c);
    BigInteger limit = BigInteger.ONE.shiftLeft(bits);
    BigInteger half = BigInteger.ONE.shiftLeft(bits - 1);
    BigInteger result = u.mod(limit);
    int nibble =
        minus
            ? (ua.intValue() & 15) - (ub.intValue() & 15) - carry
            : (ua.intValue() & 15) + (ub.intValue() & 15) + carry;
    return (u.signum() < 0 || u.compareTo(limit) >= 0 ? CpuState.CF : 0)
        | (s.compareTo(half) >= 0 || s.compareTo(half.negate()) < 0 ? CpuState.OF : 0)
        | (nibble < 0 || nibble > 15 ? CpuState.AF : 0)
        | resultFlags(result, bits);
  }

  private static int resultFlags(BigInteger result, int bits) {
    return (result.signum() == 0 ? CpuState.ZF : 0)
        | (result.testBit(bits - 1) ? CpuState.SF : 0)
        | (Integer.bitCount(result.intValue() & 0xFF) % 2 == 0 ? CpuState.PF : 0);
  }

  @ParameterizedTest
  @CsvSource({"add", "sub", "adc", "sbb", "cmp"})
  void sumsAndDifferences(String op) {
    boolean minus = op.equals("sub") || op.equals("sbb") || op.equals("cmp");
    for (int w = 0; w < 4; w++) {
      int bits = 8 << w;
      assemble(op + " " + NAMES[w][0] + ", " + NAMES[w][1]);
      for (int i = 0; i < 2000; i++) {
        long a = operand();
        long b = operand();
        int before = random.nextBoolean() ? CpuState.ARITH : 0;
        run(a, b, before);
        int carry = (op.equals("adc") || op.equals("sbb")) && before != 0 ? 1 : 0;
        int want =
            expected(
                unsigned(a, bits),
                unsigned(b, bits),
                signed(a, bits),
                signed(b, bits),
                carry,
                minus,
                bits);
        assertThat(cpu.flags() & CpuState.ARITH)
            .as("%s of %x and %x, %d bits", op, a, b, bits)
            .isEqualTo(want);
        if (!op.equals("cmp")) {
          BigInteger c = BigInteger.valueOf(carry);
          BigInteger r =
              minus
                  ? unsigned(a, bits).subtract(unsigned(b, bits)).subtract(c)
                  : unsigned(a, bits).add(unsigned(b, bits)).add(c);
          assertThat(unsigned(cpu.r[0], bits)).isEqualTo(r.mod(BigInteger.ONE.shiftLeft(bits)));
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"and", "or", "xor", "test"})
  void logic(String op) {
    for (int w = 0; w < 4; w++) {
      int bits = 8 << w;
      assemble(op + " " + NAMES[w][0] + ", " + NAMES[w][1]);
      for (int i = 0; i < 1000; i++) {
        long a = operand();
        long b = operand();
        run(a, b, CpuState.ARITH);
        long r = op.equals("or") ? a | b : op.equals("xor") ? a ^ b : a & b;
        // AF is undefined.
        assertThat(cpu.flags() & CpuState.ARITH & ~CpuState.AF)
            .isEqualTo(resultFlags(unsigned(r, bits), bits));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"inc", "dec", "neg"})
  void unary(String op) {
    for (int w = 0; w < 4; w++) {
      int bits = 8 << w;
      assemble(op + " " + NAMES[w][0]);
      for (int i = 0; i < 1000; i++) {
        long a = operand();
        int before = random.nextBoolean() ? CpuState.ARITH : 0;
        run(a, 0, before);
        boolean neg = op.equals("neg");
        long first = neg ? 0 : a;
        long second = neg ? a : 1;
        int want =
            expected(
                unsigned(first, bits),
                unsigned(second, bits),
                signed(first, bits),
                signed(second, bits),
                0,
                !op.equals("inc"),
                bits);
        if (!neg) {
          // INC and DEC leave CF alone.
          want = want & ~CpuState.CF | before & CpuState.CF;
        }
        assertThat(cpu.flags() & CpuState.ARITH).as("%s %x", op, a).isEqualTo(want);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"shl", "shr", "sar", "rol", "ror", "rcl", "rcr"})
  void shiftsAndRotatesMoveOneBitAtATime(String op) {
    for (int w = 0; w < 4; w++) {
      int bits = 8 << w;
      assemble(op + " " + NAMES[w][0] + ", cl");
      for (int i = 0; i < 1500; i++) {
        long a = operand();
        int count = random.nextInt(70);
        int before = random.nextBoolean() ? CpuState.ARITH : 0;
        run(a, count, before);
        BigInteger v = unsigned(a, bits);
        boolean cf = before != 0;
        int steps = count & (bits == 64 ? 63 : 31);
        for (int k = 0; k < steps; k++) {
          boolean top = v.testBit(bits - 1);
          boolean low = v.testBit(0);
          boolean left = op.equals("shl") || op.equals("rol") || op.equals("rcl");
          boolean in =
              switch (op) {
                case "rol" -> top;
                case "ror" -> low;
                case "rcl", "rcr" -> cf;
                case "sar" -> top;
                default -> false;
              };
          cf = left ? top : low;
          v = left ? v.shiftLeft(1).clearBit(bits) : v.shiftRight(1);
          int at = left ? 0 : bits - 1;
          v = in ? v.setBit(at) : v.clearBit(at);
        }
        assertThat(unsigned(cpu.r[0], bits)).as("%s %x by %d", op, a, count).isEqualTo(v);
        boolean rotate = op.startsWith("r");
        if (steps == 0) {
          assertThat(cpu.flags() & CpuState.ARITH).isEqualTo(before);
          continue;
        }
        assertThat(cpu.cf()).as("CF of %s %x by %d, %d bits", op, a, count, bits).isEqualTo(cf);
        int kept = CpuState.SF | CpuState.ZF | CpuState.PF;
        assertThat(cpu.flags() & kept)
            .isEqualTo(rotate ? before & kept : resultFlags(v, bits) & kept);
        if (steps == 1) {
          boolean of =
              switch (op) {
                case "shl", "rol", "rcl" -> v.testBit(bits - 1) ^ cf;
                case "shr" -> unsigned(a, bits).testBit(bits - 1);
                case "sar" -> false;
                default -> v.testBit(bits - 1) ^ v.testBit(bits - 2);
              };
          assertThat(cpu.of()).as("OF of %s %x", op, a).isEqualTo(of);
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"mul", "imul"})
  void productsSayWhetherTheUpperHalfMatters(String op) {
    for (int w = 0; w < 4; w++) {
      int bits = 8 << w;
      assemble(op + " " + NAMES[w][1]);
      for (int i = 0; i < 1000; i++) {
        long a = operand();
        long b = operand();
        run(a, b, 0);
        boolean isSigned = op.equals("imul");
        BigInteger p =
            isSigned
                ? signed(a, bits).multiply(signed(b, bits))
                : unsigned(a, bits).multiply(unsigned(b, bits));
        boolean matters = isSigned ? !p.equals(signed(p.longValue(), bits)) : p.bitLength() > bits;
        assertThat(cpu.cf()).isEqualTo(matters);
        assertThat(cpu.of()).isEqualTo(matters);
        assertThat(unsigned(cpu.r[0], bits)).isEqualTo(unsigned(p.longValue(), bits));
      }
    }
  }
}
