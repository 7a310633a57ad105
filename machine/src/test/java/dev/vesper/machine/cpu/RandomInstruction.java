package dev.vesper.machine.cpu;

import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import java.util.EnumSet;
import java.util.Random;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A random instruction of any form that computes: integers, x87, SSE to AVX2 and what goes with
 * them, with any registers. Memory operands have bases that point to memory. Lines that follow put
 * the registers back that programs need to stay what they are.
 */
final class RandomInstruction {
  private static final Set<OperandKind> KINDS =
      EnumSet.of(
          OperandKind.RM,
          OperandKind.REG,
          OperandKind.MEMORY,
          OperandKind.RM_REGISTER,
          OperandKind.OPCODE_REGISTER,
          OperandKind.VVVV,
          OperandKind.IMMEDIATE,
          OperandKind.MMX,
          OperandKind.MMX_RM,
          OperandKind.MMX_RM_REGISTER,
          OperandKind.VECTOR,
          OperandKind.VECTOR_RM,
          OperandKind.VECTOR_RM_REGISTER,
          OperandKind.VECTOR_VVVV,
          OperandKind.VECTOR_IMMEDIATE,
          OperandKind.ST,
          OperandKind.STI,
          OperandKind.FIXED,
          OperandKind.ONE);

  /** What needs more than its operands, changes the stack or modes, or would end the program. */
  private static final Pattern LEFT_OUT =
      Pattern.compile(
          "push.*|pop[^c]*|enter|leave|j.*|call.*|ret.*|loop.*|int.*|in|ins.|out|outs.|div|idiv"
              + "|ldmxcsr|vldmxcsr|.*rstor.*|xrst.*|fldcw|fldenv|l[defgs]s|lldt|ltr|lmsw|lgdt|lidt|lss"
              + "|inv.*|mwait.*|monitor.*|sys.*|iret.*|wr.*|rd.*|str|sldt|s[gi]dt|smsw|ver[rw]|lar|lsl"
              + "|bound|arpl|aa[dmas]|da[as]|.*xsave.*|fxsave|movdir.*|ud.*|vm.*mov.*|v?maskmov.*"
              + "|cl(zero|wb|flush.*|demote)|prefetch.*");

  private static final Pattern ALONE =
      Pattern.compile(
          "cbw|cwde?|cdqe?|cqo|lahf|sahf|clc|stc|cmc|vzero.*|emms|salc|f(abs|chs|xam|tst|ld.*|sqrt|"
              + "rndint|incstp|decstp|nop|compp|scale)|nop|pause");

  private static final Pattern EXTENSIONS = Pattern.compile("0[0-7].*|\\+.*");

  private static final int[] BASES = {3, 5, 6, 7, 12, 13};

  /** RBX RSP RBP RSI RDI R12 R13 R15: not to be written, or put back. */
  private static final int KEPT = 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 12 | 1 << 13;

  private static final int UNTOUCHED = 1 << 4 | 1 << 15;

  private static final String[] VALUES = new String[16];

  static {
    VALUES[3] = "bx, 0x8100";
    VALUES[5] = "bp, 0x8F80";
    VALUES[6] = "si, 0x9000";
    VALUES[7] = "di, 0xA000";
    VALUES[12] = "r12d, 0x9FC0";
    VALUES[13] = "r13d, 0x9100";
  }

  private final Random random;
  private final int bits;

  RandomInstruction(Random random, int bits) {
    this.random = random;
    this.bits = bits;
  }

  /** {@return the lines} */
  String lines() {
    for (; ; ) {
      byte[] b = new byte[24];
      random.nextBytes(b);
      int length = write(b);
      Insn in = Decoder.decode(b, bits);
      if (in.opcode == null || in.length > length || !computes(in)) {
        continue;
      }
      StringBuilder s = new StringBuilder(indexed(in));
      s.append("db");
      for (int i = 0; i < in.length; i++) {
        s.append(i == 0 ? " " : ",").append(b[i] & 0xFF);
      }
      return s + restored(in);
    }
  }

  /** Fills in bytes that may be an instruction; {@return how many} */
  private int write(byte[] b) {
    int at = 0;
    boolean vex = bits > 16 && random.nextInt(3) == 0;
    int rex = 0;
    int rexAt = -1;
    int modrmAt;
    if (vex) {
      if (random.nextInt(10) == 0) {
        b[at++] = 0x64;
      }
      b[at++] = (byte) 0xC4;
      rexAt = at;
      int map = 1 + random.nextInt(3);
      b[at] = (byte) (b[at] & 0xE0 | map);
      if (bits == 32) {
        b[at] |= (byte) 0xE0;
        b[at + 1] |= 0x40;
      }
      at += 2;
      if (random.nextInt(3) > 0) {
        b[at - 1] &= 0x7F;
      }
      at++;
      modrmAt = at;
    } else {
      int prefixes = random.nextInt(8);
      if (prefixes == 0) {
        b[at++] = (byte) (random.nextBoolean() ? 0x64 : 0x65);
      } else if (prefixes == 1) {
        b[at++] = (byte) 0xF0;
      }
      switch (random.nextInt(8)) {
        case 0, 1 -> b[at++] = 0x66;
        case 2 -> b[at++] = (byte) 0xF2;
        case 3 -> b[at++] = (byte) 0xF3;
        default -> {
          // none
        }
      }
      if (bits == 64 && random.nextInt(3) > 0) {
        rex = 0x40 | random.nextInt(16);
        rexAt = at;
        b[at++] = (byte) rex;
      }
      switch (random.nextInt(6)) {
        case 0, 1 -> b[at++] = 0x0F;
        case 2 -> {
          b[at++] = 0x0F;
          b[at++] = 0x38;
        }
        case 3 -> {
          b[at++] = 0x0F;
          b[at++] = 0x3A;
        }
        default -> {
          // one byte
        }
      }
      at++;
      modrmAt = at;
    }
    address(b, modrmAt, rexAt, vex);
    return 15;
  }

  /** Has what may be a memory operand be one of memory. */
  private void address(byte[] b, int at, int rexAt, boolean vex) {
    int modrm = b[at] & 0xFF;
    if (modrm >= 0xC0) {
      return;
    }
    if (random.nextInt(3) > 0) {
      b[at] |= (byte) 0xC0;
      return;
    }
    if (bits == 16) {
      b[at] = (byte) (modrm & 0x38 | 0x40 | 4 + random.nextInt(4));
      return;
    }
    int base = BASES[random.nextInt(rexAt >= 0 && bits == 64 ? 6 : 4)];
    boolean sib = (base & 7) == 4 || random.nextInt(3) == 0;
    b[at] = (byte) (modrm & 0x38 | 0x40 | (sib ? 4 : base & 7));
    if (sib) {
      b[at + 1] = (byte) (random.nextInt(256) & 0xF8 | base & 7);
      if (b[at + 2] > 60 && random.nextInt(4) > 0) {
        b[at + 2] -= 60;
      }
    }
    if (rexAt >= 0) {
      boolean high = base >= 8;
      if (vex) {
        b[rexAt] = (byte) (b[rexAt] & 0xDF | (high ? 0 : 0x20));
      } else {
        b[rexAt] = (byte) (b[rexAt] & 0xFE | (high ? 1 : 0));
      }
    }
  }

  private boolean computes(Insn in) {
    String m = in.mnemonic();
    if (in.evex
        || in.form().endsBlock
        || in.form().hasVectorIndex()
        || LEFT_OUT.matcher(m).matches()
        || EXTENSIONS.matcher(m).matches()
        || in.form().operands.isEmpty() && !ALONE.matcher(m).matches()) {
      return false;
    }
    for (OperandSpec s : in.form().operands) {
      if (!KINDS.contains(s.kind())) {
        return false;
      }
    }
    boolean bitString =
        m.startsWith("bt") && in.mem && in.form().operands.get(1).kind() == OperandKind.REG;
    return (written(in) & UNTOUCHED) == 0
            && !bitString
            && (in.index == Insn.NO_REG
                || in.index < 3
                || in.index > 7 && in.index < 12
                || in.index == 14)
        || in.mem && in.index == 15 && (written(in) & UNTOUCHED) == 0 && !bitString;
  }

  /** {@return a bit for each register that may be written} */
  private static int written(Insn in) {
    int all = 0;
    for (OperandSpec s : in.form().operands) {
      boolean high = s.bytes(in) == 1 && in.rex == 0 && !in.vex;
      switch (s.kind()) {
        case RM, RM_REGISTER, OPCODE_REGISTER -> all |= in.mem ? 0 : bit(in.rm, high);
        case REG -> all |= bit(in.reg, high);
        case VVVV -> all |= bit(in.vvvv, false);
        default -> {
          // none of these registers
        }
      }
    }
    return all;
  }

  private static int bit(int register, boolean high) {
    return 1 << (high && register > 3 ? register - 4 : register);
  }

  private String indexed(Insn in) {
    if (!in.mem || in.index == Insn.NO_REG || bits == 16 || in.index == 15) {
      return "";
    }
    String[] names = {"eax", "ecx", "edx", "", "", "", "", "", "r8d", "r9d", "r10d", "r11d"};
    return "and " + (in.index == 14 ? "r14d" : names[in.index]) + ", 63\n";
  }

  private String restored(Insn in) {
    StringBuilder s = new StringBuilder();
    int kept = written(in) & KEPT;
    String m = in.mnemonic();
    if (m.startsWith("cmpxchg8") || m.startsWith("cmpxchg16")) {
      kept |= 1 << 3;
    }
    for (int i = 0; i < 16; i++) {
      if ((kept >> i & 1) != 0) {
        s.append("\nmov ").append(i < 8 && bits != 16 ? "e" : "").append(VALUES[i]);
      }
    }
    return s.toString();
  }
}
