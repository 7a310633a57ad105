package dev.vesper.machine.model;

/**
 * Where the components of an XSAVE area lie (AMD APM volume 2, 11.5; CPUID leaf 0xD). The legacy
 * region holds x87 (bit 0) and SSE (bit 1); the offsets of the others in the standard form are
 * those of AMD's processors, on which firmware of SEV-SNP insists (spec: snp 5.1): without the gap
 * that Intel's have where MPX was, and the same on a Milan, which has PKRU but not AVX-512. In the
 * compacted form components follow each other without gaps.
 */
public final class XsaveLayout {
  /** Offset of the header, behind the legacy region. */
  public static final int HEADER = 512;

  /** Legacy region and header. */
  public static final int LEGACY_BYTES = 576;

  /** XCR0 bits of the components. */
  public static final int X87 = 0;

  public static final int SSE = 1;
  public static final int AVX = 2;
  public static final int OPMASK = 5;

  /** Bits 511:256 of ZMM0 to ZMM15. */
  public static final int ZMM_HI256 = 6;

  /** ZMM16 to ZMM31. */
  public static final int HI16_ZMM = 7;

  public static final int PKRU = 9;

  /** The components of AVX-512, which are enabled together. */
  public static final long AVX512 = 1 << OPMASK | 1 << ZMM_HI256 | 1 << HI16_ZMM;

  private XsaveLayout() {}

  /**
   * {@return whether XCR0 may hold a value} x87 is always on, AVX needs SSE, and the components of
   * AVX-512 need each other and AVX.
   *
   * @param supported what the processor has
   */
  public static boolean legal(long xcr0, long supported) {
    long wide = xcr0 & AVX512;
    return (xcr0 & 1 << X87) != 0
        && (xcr0 & ~supported) == 0
        && ((xcr0 & 1 << AVX) == 0 || (xcr0 & 1 << SSE) != 0)
        && (wide == 0 || wide == AVX512 && (xcr0 & 1 << AVX) != 0);
  }

  /** {@return bytes of an extended component, 0 if there is none of that number} */
  public static int size(int component) {
    return switch (component) {
      case AVX -> 256;
      case OPMASK -> 64;
      case ZMM_HI256 -> 512;
      case HI16_ZMM -> 1024;
      case PKRU -> 8;
      default -> 0;
    };
  }

  /** {@return the offset of an extended component in the standard form} */
  public static int offset(int component) {
    return switch (component) {
      case AVX -> LEGACY_BYTES;
      case OPMASK -> 0x340;
      case ZMM_HI256 -> 0x380;
      case HI16_ZMM -> 0x580;
      default -> 0x980;
    };
  }

  /** {@return the offset of a component in the compacted form of an area} */
  public static int compactOffset(long components, int component) {
    int at = LEGACY_BYTES;
    for (int i = AVX; i < component; i++) {
      at += (components >>> i & 1) != 0 ? size(i) : 0;
    }
    return at;
  }

  /** {@return bytes of an area in the standard form} */
  public static int standardBytes(long components) {
    int end = LEGACY_BYTES;
    for (int i = AVX; i <= PKRU; i++) {
      if ((components >>> i & 1) != 0 && size(i) != 0) {
        end = Math.max(end, offset(i) + size(i));
      }
    }
    return end;
  }

  /** {@return bytes of an area in the compacted form} */
  public static int compactBytes(long components) {
    return compactOffset(components, PKRU + 1);
  }
}
