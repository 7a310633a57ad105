package dev.vesper.machine.cpu.jit;

import dev.vesper.x86.Assembler;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A random program of a loop, branches and calls over instructions that are translated and some
 * that are not. One line an instruction, so that lines can be taken out while it still fails.
 */
final class RandomProgram {
  private static final String[] ALU = {"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};
  private static final String[] SHIFTS = {"shl", "shr", "sar", "rol", "ror", "rcl", "rcr"};
  private static final String[] CC = {
    "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"
  };
  private static final String[][] NAMES = {
    {"al", "cl", "dl", "ah", "ch", "dh"},
    {"ax", "cx", "dx"},
    {"eax", "ecx", "edx"},
    {"rax", "rcx", "rdx", "r8", "r9", "r10", "r11"}
  };
  private static final String[] BYTES = {"byte", "word", "dword", "qword"};

  private final Random random;
  private final int bits;
  private int label;

  RandomProgram(Random random, int bits) {
    this.random = random;
    this.bits = bits;
  }

  private String pick(String... of) {
    return of[random.nextInt(of.length)];
  }

  private int size() {
    return random.nextInt(bits == 64 ? 4 : 3);
  }

  private String register(int size) {
    return pick(NAMES[size]);
  }

  private String memory() {
    int disp = random.nextInt(40) == 0 ? random.nextInt(0x3000) : random.nextInt(200) - 100;
    String d = (disp < 0 ? "-" : "+") + Math.abs(disp);
    if (bits == 16) {
      return "[" + pick("bx", "si", "di", "bp") + d + "]";
    }
    String wide = bits == 64 ? "r" : "e";
    String base = wide + pick("bx", "si", "di", "bp");
    return "[" + base + d + "]";
  }

  private String immediate(int size) {
    long v =
        switch (random.nextInt(4)) {
          case 0 -> random.nextInt();
          case 1 -> 1L << random.nextInt(31);
          default -> random.nextInt(260) - 130;
        };
    return Long.toString(size == 0 ? (byte) v : size == 1 ? (short) v : (int) v);
  }

  private String source(int size) {
    return switch (random.nextInt(3)) {
      case 0 -> register(size);
      case 1 -> BYTES[size] + " " + memory();
      default -> immediate(size);
    };
  }

  private String target(int size) {
    return random.nextInt(3) == 0 ? BYTES[size] + " " + memory() : register(size);
  }

  /** {@return source lines; some belong together and are one element} */
  List<String> lines() {
    List<String> out = new ArrayList<>();
    int n = 4 + random.nextInt(24);
    for (int i = 0; i < n; i++) {
      out.add(line());
    }
    return out;
  }

  private String twoOperands(String m, int s) {
    String to = target(s);
    return m
        + " "
        + to
        + ", "
        + (to.contains("[") ? random.nextBoolean() ? register(s) : immediate(s) : source(s));
  }

  private String line() {
    int s = size();
    int wide = Math.max(1, s);
    String stack = bits == 64 ? pick(NAMES[3]) : bits == 32 ? pick(NAMES[2]) : pick(NAMES[1]);
    return switch (random.nextInt(30)) {
      case 0, 1, 2, 3, 4, 5 -> twoOperands(pick(ALU), s);
      case 6, 7 -> twoOperands("mov", s);
      case 8 -> pick("inc", "dec", "neg", "not") + " " + target(s);
      case 9, 10 ->
          pick(SHIFTS)
              + " "
              + target(s)
              + ", "
              + pick("cl", "1", Integer.toString(random.nextInt(40)));
      case 11 -> "set" + pick(CC) + " " + target(0);
      case 12 -> "cmov" + pick(CC) + " " + register(wide) + ", " + register(wide);
      case 13 -> "imul " + register(wide) + ", " + register(wide);
      case 14 -> pick("mul", "imul") + " " + target(s);
      case 15 -> pick("movzx", "movsx") + " " + register(wide) + ", " + BYTES[0] + " " + memory();
      case 16 -> "test " + target(s) + ", " + register(s);
      case 17 -> "push " + stack + "\n" + line() + "\npop " + stack;
      case 18 -> branch();
      case 19 -> call();
      case 20 -> pick("xchg", "xadd", "cmpxchg") + " " + target(s) + ", " + register(s);
      case 21 -> pick("bt", "bsf", "bsr", "bts") + " " + register(wide) + ", " + register(wide);
      case 22 -> pick("cwde", "cdq", "cbw", "lahf", "sahf", "cmc", "stc", "clc", "nop");
      case 23 -> bits == 64 ? "bswap " + pick("rax", "ecx", "r9") : "bswap " + pick("eax", "edx");
      case 24 -> pick("movsb", "stosb", "lodsb", "cmpsb", "scasb") + restore();
      case 25 -> "push " + (random.nextInt() & 0xCD5) + "\npopf";
      case 26 -> "pushf\npop " + stack;
      case 27 -> pick("movd xmm0, eax", "paddd xmm1, xmm0", "pxor xmm0, xmm1", "movd eax, xmm1");
      case 28 -> random.nextInt(20) == 0 ? "div " + register(s) : indexed(s);
      default ->
          random.nextInt(6) == 0 ? "mov byte " + code() + ", 0x90" : twoOperands(pick(ALU), s);
    };
  }

  /** A load with an index that is made small first. */
  private String indexed(int s) {
    if (bits == 16) {
      return "mov " + register(s) + ", " + BYTES[s] + " [bx+si]";
    }
    String c = bits == 64 ? "rcx" : "ecx";
    String base = bits == 64 ? "rbx" : "ebx";
    return "and ecx, 63\nmov "
        + register(s)
        + (", " + BYTES[s] + " [" + base + "+" + c + "*")
        + (pick("1", "2", "4") + "+" + random.nextInt(100) + "]");
  }

  /** String instructions move registers that addresses are made of. */
  private String restore() {
    return bits == 16 ? "\nmov si, 0x9000\nmov di, 0xA000" : "\nmov esi, 0x9000\nmov edi, 0xA000";
  }

  private String code() {
    return bits == 16 ? "[0x4F00]" : "[0x4F00+" + random.nextInt(8) + "]";
  }

  private String branch() {
    String l = "L" + label++;
    return "j" + pick(CC) + " " + l + "\n" + line() + "\n" + l + ":";
  }

  private String call() {
    int n = label++;
    return "call F" + n + "\njmp G" + n + "\nF" + n + ":\n" + line() + "\nret\nG" + n + ":";
  }

  /** {@return the program as bytes at 0x4000: the lines in a loop, then HLT} */
  static byte[] assemble(List<String> lines, int bits) {
    String counter = bits == 64 ? "dec r15d" : "dec word [0x8800]";
    Assembler a = new Assembler(0x4000, bits);
    a.add("LOOP:\n" + String.join("\n", lines) + "\n" + counter + "\njne LOOP\nhlt");
    return a.finish();
  }
}
