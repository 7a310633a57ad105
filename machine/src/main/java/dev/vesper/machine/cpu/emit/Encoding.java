package dev.vesper.machine.cpu.emit;

import dev.vesper.x86.Insn;

/**
 * The parts of an instruction's bytes that are written again for the computer: everything but what
 * names registers and memory. One object serves for one instruction after the other.
 */
final class Encoding {
  boolean vex;

  /** F2 or F3 where the form demands it, else 0. */
  int prefix;

  boolean p66;

  /** REX.W or VEX.W. */
  boolean w;

  /** Opcode map as {@link HostAssembler} numbers them. */
  int map;

  int opcode;

  /** VEX.pp and VEX.L. */
  int pp;

  boolean l;

  /** Where immediates begin. */
  int tail;

  /** Takes an instruction apart. EVEX is not for this class. */
  void parse(Insn in) {
    byte[] b = in.bytes;
    vex = in.vex;
    prefix = 0;
    int i = 0;
    if (vex) {
      while ((b[i] & 0xFE) != 0xC4) {
        i++;
      }
      boolean three = (b[i] & 0xFF) == 0xC4;
      int last = b[three ? i + 2 : i + 1];
      map = three ? b[i + 1] & 0x1F : HostAssembler.MAP_0F;
      w = three && last < 0;
      l = (last & 4) != 0;
      pp = last & 3;
      i += three ? 3 : 2;
    } else {
      while (isPrefix(b[i] & 0xFF, in.bits)) {
        i++;
      }
      prefix = Traits.of(in.form()).prefix();
      p66 = in.prefix66;
      w = (in.rex & 8) != 0;
      map = HostAssembler.MAP_1;
      if (b[i] == 0x0F) {
        i++;
        map = HostAssembler.MAP_0F;
        if (b[i] == 0x38 || b[i] == 0x3A) {
          map = b[i] == 0x38 ? HostAssembler.MAP_0F38 : HostAssembler.MAP_0F3A;
          i++;
        }
      }
    }
    opcode = b[i++] & 0xFF;
    if (in.modrm >= 0) {
      i++;
      if (in.mem) {
        int mod = in.modrm >> 6;
        boolean sib = (in.modrm & 7) == 4;
        boolean disp32 = mod == 2 || mod == 0 && ((sib ? b[i] : in.modrm) & 7) == 5;
        i += (sib ? 1 : 0) + (mod == 1 ? 1 : disp32 ? 4 : 0);
      }
    }
    tail = i;
  }

  private static boolean isPrefix(int b, int bits) {
    return switch (b) {
      case 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3 -> true;
      default -> bits == 64 && (b & 0xF0) == 0x40;
    };
  }
}
