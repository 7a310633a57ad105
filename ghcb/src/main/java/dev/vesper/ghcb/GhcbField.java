package dev.vesper.ghcb;

import java.util.EnumSet;
import java.util.Set;

/** The fields of the GHCB save area that the valid bitmap covers. */
public enum GhcbField {
  CPL(0x0CB, 1),
  XSS(0x140, 8),
  DR7(0x160, 8),
  RIP(0x178, 8),
  RSP(0x1D8, 8),
  RAX(0x1F8, 8),
  RCX(0x308, 8),
  RDX(0x310, 8),
  RBX(0x318, 8),
  RBP(0x328, 8),
  RSI(0x330, 8),
  RDI(0x338, 8),
  R8(0x340, 8),
  R9(0x348, 8),
  R10(0x350, 8),
  R11(0x358, 8),
  R12(0x360, 8),
  R13(0x368, 8),
  R14(0x370, 8),
  R15(0x378, 8),
  SW_EXITCODE(0x390, 8),
  SW_EXITINFO1(0x398, 8),
  SW_EXITINFO2(0x3A0, 8),
  SW_SCRATCH(0x3A8, 8),
  XCR0(0x3E8, 8);

  /** Byte offset in the page. */
  public final int offset;

  /** Size in bytes. */
  public final int bytes;

  GhcbField(int offset, int bytes) {
    this.offset = offset;
    this.bytes = bytes;
  }

  /** {@return the bit that stands for the field in a set of fields that is a number} */
  public int mask() {
    return 1 << ordinal();
  }

  /** {@return the fields of such a number} */
  public static Set<GhcbField> set(int masks) {
    Set<GhcbField> s = EnumSet.noneOf(GhcbField.class);
    for (GhcbField f : values()) {
      if ((masks & f.mask()) != 0) {
        s.add(f);
      }
    }
    return s;
  }

  /** {@return the bit of the valid bitmap: the offset in quadwords} */
  public int bit() {
    return offset / 8;
  }
}
