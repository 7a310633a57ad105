package dev.vesper.machine.cpu.emit;

import java.util.Arrays;

/**
 * Writes x86-64 machine code for the computer that Vesper runs on (AMD APM volume 3, chapter 1).
 * Registers are numbered as encodings number them, 0 to 15. What goes into ModRM.rm is chosen
 * first, by {@link #register}, {@link #memory}, {@link #state} or {@link #table}; then the
 * instruction is written.
 */
final class HostAssembler {
  static final int RAX = 0;
  static final int RCX = 1;
  static final int RDX = 2;
  static final int RBX = 3;
  static final int RSP = 4;
  static final int RBP = 5;
  static final int RSI = 6;
  static final int RDI = 7;
  static final int R8 = 8;
  static final int R9 = 9;
  static final int R11 = 11;
  static final int R12 = 12;
  static final int R13 = 13;
  static final int R14 = 14;
  static final int R15 = 15;

  /** No base or index. */
  static final int NONE = -1;

  /** Opcode maps: one byte, 0F, 0F 38, 0F 3A. */
  static final int MAP_1 = 0;

  static final int MAP_0F = 1;
  static final int MAP_0F38 = 2;
  static final int MAP_0F3A = 3;

  private static final int GS_PREFIX = 0x65;

  private byte[] code = new byte[8192];
  private int at;

  /** What ModRM.rm will name: a register, or memory at base + index * 2^scale + displacement. */
  private boolean isMemory;

  private boolean viaGs;
  private int rm;
  private int base;
  private int index;
  private int scale;
  private int displacement;

  void reset() {
    at = 0;
  }

  /** {@return bytes written so far} */
  int position() {
    return at;
  }

  /** Forgets what was written from a position on. */
  void rewind(int position) {
    at = position;
  }

  byte[] bytes() {
    return code;
  }

  void b(int value) {
    if (at == code.length) {
      code = Arrays.copyOf(code, 2 * at);
    }
    code[at++] = (byte) value;
  }

  void d(int value) {
    b(value);
    b(value >> 8);
    b(value >> 16);
    b(value >> 24);
  }

  void q(long value) {
    d((int) value);
    d((int) (value >> 32));
  }

  // ---- what ModRM.rm names

  HostAssembler register(int r) {
    isMemory = false;
    viaGs = false;
    rm = r;
    return this;
  }

  /** Memory at {@code base + index * 2^scale + disp}; base or index may be {@link #NONE}. */
  HostAssembler memory(int aBase, int anIndex, int aScale, int disp) {
    isMemory = true;
    viaGs = false;
    base = aBase;
    index = anIndex;
    scale = aScale;
    displacement = disp;
    return this;
  }

  HostAssembler memory(int aBase, int disp) {
    return memory(aBase, NONE, 0, disp);
  }

  /** A field of the vCPU's state block, which GS points to. */
  HostAssembler state(int offset) {
    memory(NONE, NONE, 0, offset);
    viaGs = true;
    return this;
  }

  /** An entry of eight bytes in a table of the state block. */
  HostAssembler table(int offset, int anIndex) {
    memory(NONE, anIndex, 3, offset);
    viaGs = true;
    return this;
  }

  /** An entry of one byte in a table of the state block. */
  HostAssembler bytes(int offset, int anIndex) {
    memory(NONE, anIndex, 0, offset);
    viaGs = true;
    return this;
  }

  // ---- encodings

  private int rexB() {
    return (isMemory ? base : rm) >= 8 ? 1 : 0;
  }

  private int rexX() {
    return isMemory && index >= 8 ? 1 : 0;
  }

  /**
   * Writes an instruction in the legacy encoding.
   *
   * @param prefix mandatory prefix F2, F3 or 0
   * @param p66 whether 66 is written
   * @param w REX.W
   * @param bytes an operand register is a byte, so that numbers 4 to 7 need REX
   * @param reg ModRM.reg
   */
  void legacy(int prefix, boolean p66, boolean w, int map, int opcode, int reg, boolean bytes) {
    if (viaGs) {
      b(GS_PREFIX);
    }
    if (p66) {
      b(0x66);
    }
    if (prefix != 0) {
      b(prefix);
    }
    int rex = (w ? 8 : 0) | (reg >= 8 ? 4 : 0) | rexX() << 1 | rexB();
    boolean low = bytes && (reg >= 4 && reg < 8 || !isMemory && rm >= 4 && rm < 8);
    if (rex != 0 || low) {
      b(0x40 | rex);
    }
    if (map != MAP_1) {
      b(0x0F);
      if (map == MAP_0F38) {
        b(0x38);
      } else if (map == MAP_0F3A) {
        b(0x3A);
      }
    }
    b(opcode);
    modrm(reg);
  }

  /**
   * Writes an instruction in the VEX encoding.
   *
   * @param pp 0 none, 1 66, 2 F3, 3 F2
   * @param vvvv the second source, or 0 if there is none
   */
  void vex(int pp, int map, boolean w, boolean l, int opcode, int reg, int vvvv) {
    if (viaGs) {
      b(GS_PREFIX);
    }
    int low = (~vvvv & 15) << 3 | (l ? 4 : 0) | pp;
    int notR = reg >= 8 ? 0 : 0x80;
    if (map == MAP_0F && !w && rexX() == 0 && rexB() == 0) {
      b(0xC5);
      b(notR | low);
    } else {
      b(0xC4);
      b(notR | (rexX() ^ 1) << 6 | (rexB() ^ 1) << 5 | map);
      b((w ? 0x80 : 0) | low);
    }
    b(opcode);
    modrm(reg);
  }

  private void modrm(int reg) {
    int r = (reg & 7) << 3;
    if (!isMemory) {
      b(0xC0 | r | rm & 7);
      return;
    }
    if (base == NONE) {
      b(r | 4);
      b(scale << 6 | (index == NONE ? 4 : index & 7) << 3 | 5);
      d(displacement);
      return;
    }
    boolean needsSib = index != NONE || (base & 7) == 4;
    int mod =
        displacement == 0 && (base & 7) != 5 ? 0 : (byte) displacement == displacement ? 1 : 2;
    b(mod << 6 | r | (needsSib ? 4 : base & 7));
    if (needsSib) {
      b(scale << 6 | (index == NONE ? 4 : index & 7) << 3 | base & 7);
    }
    if (mod == 1) {
      b(displacement);
    } else if (mod == 2) {
      d(displacement);
    }
  }

  // ---- instructions that change no flags

  /** Loads a 64-bit register from what rm names. */
  void load(int reg) {
    legacy(0, false, true, MAP_1, 0x8B, reg, false);
  }

  /** Loads a 32-bit register from what rm names and clears its upper half. */
  void load32(int reg) {
    legacy(0, false, false, MAP_1, 0x8B, reg, false);
  }

  void store(int reg) {
    legacy(0, false, true, MAP_1, 0x89, reg, false);
  }

  void store32(int reg) {
    legacy(0, false, false, MAP_1, 0x89, reg, false);
  }

  void move(int to, int from) {
    register(from).load(to);
  }

  /** LEA of what {@link #memory} named. */
  void lea(int reg) {
    legacy(0, false, true, MAP_1, 0x8D, reg, false);
  }

  void lea32(int reg) {
    legacy(0, false, false, MAP_1, 0x8D, reg, false);
  }

  /** LEA of 64 bits, or of 32 which clears the upper half. */
  void lea(int reg, boolean wide) {
    if (wide) {
      lea(reg);
    } else {
      lea32(reg);
    }
  }

  /** Stores a constant of 32 bits, sign-extended to eight bytes. */
  void storeConstant(int value) {
    legacy(0, false, true, MAP_1, 0xC7, 0, false);
    d(value);
  }

  void constant(int reg, long value) {
    if (value == (int) value && value < 0) {
      register(reg).legacy(0, false, true, MAP_1, 0xC7, 0, false);
      d((int) value);
    } else if (value >>> 32 == 0) {
      if (reg >= 8) {
        b(0x41);
      }
      b(0xB8 + (reg & 7));
      d((int) value);
    } else {
      b(reg >= 8 ? 0x49 : 0x48);
      b(0xB8 + (reg & 7));
      q(value);
    }
  }

  /** {@code to = from >>> (count & 63)}. */
  void shrx(int to, int from, int count) {
    register(from).vex(3, MAP_0F38, true, false, 0xF7, to, count);
  }

  /** {@code to = from << (count & 63)}. */
  void shlx(int to, int from, int count) {
    register(from).vex(1, MAP_0F38, true, false, 0xF7, to, count);
  }

  /** {@code to = from >> (count & 63)}. */
  void sarx(int to, int from, int count) {
    register(from).vex(2, MAP_0F38, true, false, 0xF7, to, count);
  }

  /** Gathers the bits of a register that the mask, which rm names, has; 64 bits wide. */
  void pext(int to, int from) {
    vex(2, MAP_0F38, true, false, 0xF5, to, from);
  }

  /** Puts the low bits of a register where the mask, which rm names, has bits; 64 bits wide. */
  void pdep(int to, int from) {
    vex(3, MAP_0F38, true, false, 0xF5, to, from);
  }

  /** ANDs a register with another one, which changes no flags as AND does. */
  void keep(int reg, int mask) {
    register(mask).pext(reg, reg);
    register(mask).pdep(reg, reg);
  }

  /** Rotates right; the registers are 64 bits wide. */
  void rorx(int to, int from, int count) {
    register(from).vex(3, MAP_0F3A, true, false, 0xF0, to, 0);
    b(count);
  }

  /** Zero-extends the low 16 bits. */
  void movzx16(int to, int from) {
    register(from).legacy(0, false, false, MAP_0F, 0xB7, to, false);
  }

  /** Loads a byte from what rm names and clears all bits above. */
  void load8(int reg) {
    legacy(0, false, false, MAP_0F, 0xB6, reg, false);
  }

  void store8(int reg) {
    legacy(0, false, false, MAP_1, 0x88, reg, true);
  }

  /** Copies a 64-bit register on a condition. */
  void moveIf(int condition, int to, int from) {
    register(from).legacy(0, false, true, MAP_0F, 0x40 + condition, to, false);
  }

  /** {@return where the distance of a jump must be filled in, if RCX is zero; 8 bits} */
  int jrcxz() {
    b(0xE3);
    b(0);
    return at - 1;
  }

  /** The same for ECX. */
  int jecxz() {
    b(0x67);
    return jrcxz();
  }

  /** Lets an 8-bit jump go to here. */
  void bind8(int where) {
    int distance = at - where - 1;
    if (distance != (byte) distance) {
      throw new AssertionError("a short jump over " + distance + " bytes");
    }
    code[where] = (byte) distance;
  }

  /** {@return where the 32-bit distance of a jump must be filled in} */
  int jmp() {
    b(0xE9);
    d(0);
    return at - 4;
  }

  int jcc(int condition) {
    b(0x0F);
    b(0x80 + condition);
    d(0);
    return at - 4;
  }

  /** Lets a 32-bit jump go to a position. */
  void bind32(int where, int target) {
    int distance = target - where - 4;
    code[where] = (byte) distance;
    code[where + 1] = (byte) (distance >> 8);
    code[where + 2] = (byte) (distance >> 16);
    code[where + 3] = (byte) (distance >> 24);
  }

  // ---- flags

  /** LAHF, SETO AL: SF ZF AF PF CF into bits 15:8 of RAX, OF into bit 0. */
  void flagsToAx() {
    b(0x9F);
    register(RAX).legacy(0, false, false, MAP_0F, 0x90, 0, true);
  }

  /**
   * ADD AL, 127, which sets OF if AL was 1, and SAHF: flags from where {@link #flagsToAx} put them.
   */
  void flagsFromAx() {
    b(0x04);
    b(127);
    b(0x9E);
  }
}
