package dev.vesper.x86;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * A register name.
 *
 * @param kind which register file
 * @param index number in that file; AH..BH are 4..7 of {@link Kind#GPR8H}
 */
public record Reg(Kind kind, int index) {
  /** The register files. */
  public enum Kind {
    NONE(0),
    GPR8(1),
    GPR8H(1),
    GPR16(2),
    GPR32(4),
    GPR64(8),
    SEG(2),
    CR(8),
    DR(8),
    MMX(8),
    XMM(16),
    YMM(32),
    ZMM(64),
    MASK(8),
    ST(10),
    RIP(8);

    /** Width in bytes. */
    public final int bytes;

    Kind(int bytes) {
      this.bytes = bytes;
    }
  }

  /** {@return whether it is the other} A record's {@code equals} takes 10 ms when first called. */
  boolean is(Reg other) {
    return kind == other.kind && index == other.index;
  }

  /** No register. */
  public static final Reg NONE = new Reg(Kind.NONE, 0);

  private static final String[] LEGACY = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
  private static final String[] LOW8 = {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"};
  private static final String[] HIGH8 = {"", "", "", "", "ah", "ch", "dh", "bh"};
  private static final String[] SEGS = {"es", "cs", "ss", "ds", "fs", "gs", "?6", "?7"};
  private static final Map<String, Reg> BY_NAME = new HashMap<>();

  static {
    for (Kind k : Kind.values()) {
      int n = k == Kind.SEG ? 6 : k == Kind.MMX || k == Kind.ST ? 8 : k == Kind.RIP ? 1 : 16;
      n = k == Kind.MASK ? 8 : k == Kind.XMM || k == Kind.YMM || k == Kind.ZMM ? 32 : n;
      for (int i = k == Kind.GPR8H ? 4 : 0; i < (k == Kind.GPR8H ? 8 : n) && k != Kind.NONE; i++) {
        Reg r = new Reg(k, i);
        BY_NAME.put(r.name(), r);
      }
    }
    BY_NAME.put("st", st(0));
  }

  static Reg st(int i) {
    return new Reg(Kind.ST, i);
  }

  /** {@return the register of that lower-case name, or {@link #NONE}} */
  public static Reg named(String name) {
    return BY_NAME.getOrDefault(name.toLowerCase(Locale.ROOT), NONE);
  }

  /**
   * {@return a general register}
   *
   * @param bytes 1, 2, 4 or 8
   * @param index 0..15
   * @param rex whether a REX prefix is present, which turns AH..BH into SPL..DIL
   */
  public static Reg gpr(int bytes, int index, boolean rex) {
    return switch (bytes) {
      case 1 -> new Reg(!rex && index >= 4 && index < 8 ? Kind.GPR8H : Kind.GPR8, index);
      case 2 -> new Reg(Kind.GPR16, index);
      case 4 -> new Reg(Kind.GPR32, index);
      default -> new Reg(Kind.GPR64, index);
    };
  }

  /** {@return whether this is a general register of any width} */
  public boolean isGpr() {
    return kind == Kind.GPR8
        || kind == Kind.GPR8H
        || kind == Kind.GPR16
        || kind == Kind.GPR32
        || kind == Kind.GPR64;
  }

  /** {@return the name in lower case, without a percent sign} */
  public String name() {
    return switch (kind) {
      case NONE -> "";
      case GPR8 -> index < 8 ? LOW8[index] : "r" + index + "b";
      case GPR8H -> HIGH8[index];
      case GPR16 -> index < 8 ? LEGACY[index] : "r" + index + "w";
      case GPR32 -> index < 8 ? "e" + LEGACY[index] : "r" + index + "d";
      case GPR64 -> index < 8 ? "r" + LEGACY[index] : "r" + index;
      case SEG -> SEGS[index];
      case CR -> "cr" + index;
      case DR -> "dr" + index;
      case MMX -> "mm" + index;
      case XMM -> "xmm" + index;
      case YMM -> "ymm" + index;
      case ZMM -> "zmm" + index;
      case MASK -> "k" + index;
      case ST -> "st(" + index + ")";
      case RIP -> "rip";
    };
  }
}
