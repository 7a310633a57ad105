package dev.vesper.machine.cpu;

import dev.vesper.x86.Assembler;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A random program of a loop, branches and calls over instructions that are translated and some
 * that are not. One line an instruction, so that lines can be taken out while it still fails. It
 * lies in one page or across two, so that jumps leave pages.
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
    {"rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r14"}
  };

  /** Those that 64-bit code has besides; R12 and R13 are addresses, R15 counts. */
  private static final String[][] MORE = {
    {"r8b", "r9b", "r10b", "r11b", "r14b"},
    {"r8w", "r9w", "r10w", "r11w", "r14w"},
    {"r8d", "r9d", "r10d", "r11d", "r14d"},
    {"r8", "r11", "r14"}
  };

  /** Where programs may begin: pages are left in the middle of some. */
  private static final int[] ORIGINS = {0x4000, 0x4000, 0x4FA0, 0x4F40, 0x4EC0};

  private static final String[] SEGMENTS = {"es", "cs", "ss", "ds", "fs", "gs"};

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
    return pick(bits == 64 && random.nextInt(3) == 0 ? MORE[size] : NAMES[size]);
  }

  private String memory() {
    int disp = random.nextInt(40) == 0 ? random.nextInt(0x3000) : random.nextInt(200) - 100;
    String d = (disp < 0 ? "-" : "+") + Math.abs(disp);
    if (bits == 16) {
      return "[" + pick("bx", "si", "di", "bp") + d + "]";
    }
    String wide = bits == 64 ? "r" : "e";
    String base = wide + pick("bx", "si", "di", "bp");
    if (bits == 64 && random.nextInt(3) == 0) {
      base = pick("r12", "r13", "r13d", "r12+r15", "rbx+r15*2");
    }
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
    while (out.size() < n) {
      String l = line();
      if (isEncodable(l)) {
        out.add(l);
      }
    }
    return out;
  }

  /** {@return whether there is such an instruction} AH and R8 do not go together. */
  private boolean isEncodable(String lines) {
    try {
      assemble(List.of(lines), bits, 0x4000);
      return true;
    } catch (IllegalArgumentException e) {
      return false;
    }
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
    return switch (random.nextInt(46)) {
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
      case 30 -> division(wide);
      case 31 -> counted();
      case 32 -> indirect();
      case 33 -> control();
      case 34 -> repeated();
      case 35 -> bitString(wide);
      case 36 ->
          pick("shld", "shrd")
              + " "
              + target(wide)
              + ", "
              + register(wide)
              + ", "
              + pick("cl", Integer.toString(random.nextInt(70)));
      case 37, 38, 39, 40, 41, 42, 43, 44, 45 -> new RandomInstruction(random, bits).lines();
      case 28 -> random.nextInt(20) == 0 ? "div " + register(s) : indexed(s);
      default ->
          random.nextInt(6) == 0 ? "mov byte " + code() + ", 0x90" : twoOperands(pick(ALU), s);
    };
  }

  /** A quotient that fits, mostly. */
  private String division(int s) {
    String a = pick("rax", "rdx").substring(1);
    String wide = s == 3 ? "r" : s == 2 ? "e" : "";
    String divisor = random.nextInt(3) == 0 ? BYTES[s] + " " + memory() : register(s);
    String setup =
        switch (random.nextInt(5)) {
          case 0 -> "xor edx, edx\n";
          case 1 -> s == 3 ? "cqo\n" : s == 2 ? "cdq\n" : "cwd\n";
          case 2 -> "mov " + wide + a + ", 0\n";
          case 3 -> "mov " + wide + "ax, " + (1L << (8 << s) - 1 & 0x8000_8000L) + "\n";
          default -> "mov " + wide + "dx, " + random.nextInt(3) + "\n";
        };
    if (setup.contains("2147516416") || setup.contains("2147483648") && s == 3) {
      setup = "";
    }
    String some =
        divisor.contains("[") ? "" : "or " + divisor + ", " + pick("1", "16", "-1", "-2") + "\n";
    return setup + some + pick("div", "idiv") + " " + divisor;
  }

  private String counted() {
    String l = "L" + label++;
    String counter = bits == 64 ? "ecx" : bits == 32 ? "ecx" : "cx";
    return random.nextBoolean()
        ? "and "
            + counter
            + ", 7\ninc "
            + counter
            + "\n"
            + l
            + ":\n"
            + plain()
            + "\n"
            + pick("loop", "loope", "loopne")
            + " "
            + l
        : pick(
                bits == 16 ? "jcxz" : "jecxz",
                bits == 64 ? "jrcxz" : "jcxz".substring(0, 0) + (bits == 16 ? "jcxz" : "jecxz"))
            + " "
            + l
            + "\n"
            + plain()
            + "\n"
            + l
            + ":";
  }

  /** An instruction that leaves RCX alone. */
  private String plain() {
    return pick(ALU) + " eax, " + pick("edx", "ebx", "1", "-7");
  }

  private String indirect() {
    int n = label++;
    String a = bits == 64 ? "rax" : bits == 32 ? "eax" : "ax";
    return switch (random.nextInt(4)) {
      case 0 ->
          "mov e".substring(0, bits == 16 ? 4 : 5)
              + "ax, L"
              + n
              + "\njmp "
              + a
              + "\nnop\nL"
              + n
              + ":";
      case 1 -> "push L" + n + "\nret\nnop\nL" + n + ":";
      case 2 ->
          "mov e".substring(0, bits == 16 ? 4 : 5)
              + "ax, F"
              + n
              + "\ncall "
              + a
              + "\njmp G"
              + n
              + "\nF"
              + n
              + ":\n"
              + line()
              + "\nret\nG"
              + n
              + ":";
      default -> "lea " + a + ", " + memory() + "\nxor " + a + ", " + a;
    };
  }

  /** Rounding, denormals as zeros, TS: what vector instructions depend on. */
  private String control() {
    int mxcsr = 0x1F80 | random.nextInt(4) << 13 | (random.nextInt(4) == 0 ? 0x8000 : 0);
    mxcsr |= random.nextInt(4) == 0 ? 0x40 : 0;
    mxcsr |= random.nextInt(3) == 0 ? random.nextInt(64) : 0;
    if (random.nextInt(20) == 0) {
      mxcsr &= ~(1 << 7 + random.nextInt(6));
    }
    String cr = bits == 64 ? "rax" : "eax";
    return switch (random.nextInt(21)) {
      case 12 -> pick("cli", "sti", "sti\nnop", "cld", "sti\npushf\npop " + cr);
      case 13 -> "std\n" + repeated() + "\ncld";
      case 14 -> "mov " + register(random.nextInt(3) + 1) + ", " + pick(SEGMENTS);
      case 15 -> "rdtscp\nmov eax, 1\nmov edx, 2\nmov ecx, 3";
      case 16, 17 -> (random.nextInt(4) == 0 ? "lock " : "") + "cmpxchg8b " + memory();
      case 18 -> bits == 64 ? "cmpxchg16b " + memory() : "nop";
      case 19 -> bits == 64 ? "cmpxchg16b " + pick("[rbx]", "[rsi]", "[r12]", "[rbp+32]") : "nop";
      case 20 ->
          bits == 64
              ? pick("rdfsbase ", "rdgsbase ", "wrfsbase ", "wrgsbase ")
                  + register(random.nextInt(2) + 2)
              : "nop";
      case 0 -> "mov " + cr + ", cr0\nxor al, 8\nmov cr0, " + cr;
      case 1 -> "clts";
      case 2, 3, 4 -> "fninit\nfld1\nfldpi\ndb 0xDE, 0xC1\nfstp qword " + memory();
      case 5 -> "stmxcsr dword " + memory();
      default -> "mov dword [0x8900], " + mxcsr + "\nldmxcsr dword [0x8900]";
    };
  }

  private String repeated() {
    String counter = bits == 16 ? "cx" : "ecx";
    return "mov "
        + counter
        + ", "
        + random.nextInt(40)
        + "\n"
        + pick(
            "rep movsb",
            "rep movsd",
            "rep stosd",
            "rep stosb",
            "repne scasb",
            "repe cmpsb",
            "rep lodsb")
        + restore();
  }

  private String bitString(int s) {
    return "and "
        + register(s)
        + ", 255\n"
        + pick("bt", "bts", "btr", "btc")
        + " "
        + (random.nextBoolean() ? target(s) : BYTES[s] + " " + memory())
        + ", "
        + pick(
            Integer.toString(random.nextInt(128)),
            bits == 64 ? "r15".concat(s == 3 ? "" : s == 2 ? "d" : "w") : pick(NAMES[s]));
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
    return bits == 16 ? "[0x4F00]" : "[0x4F00+" + random.nextInt(0x140) + "]";
  }

  private String branch() {
    String l = "L" + label++;
    return "j" + pick(CC) + " " + l + "\n" + line() + "\n" + l + ":";
  }

  private String call() {
    int n = label++;
    return "call F" + n + "\njmp G" + n + "\nF" + n + ":\n" + line() + "\nret\nG" + n + ":";
  }

  /** {@return where the program begins} */
  int origin() {
    return ORIGINS[random.nextInt(ORIGINS.length)];
  }

  /** {@return the program as bytes at its origin: the lines in a loop, then HLT} */
  static byte[] assemble(List<String> lines, int bits, int origin) {
    String counter = bits == 64 ? "dec r15d" : "dec word [0x8800]";
    Assembler a = new Assembler(origin, bits);
    a.add("LOOP:\n" + String.join("\n", lines) + "\n" + counter + "\njne LOOP\nhlt");
    return a.finish();
  }
}
