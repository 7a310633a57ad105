package dev.vesper.machine.launch;

/**
 * Families of processors that differ in what they say of themselves to those whom a guest must
 * convince (spec: snp 7.4, 7.5).
 */
public enum SnpProduct {
  MILAN("Milan", 2, 64, new TcbVersion(0, 3, 0, 8, 0x73)),
  GENOA("Genoa", 3, 64, new TcbVersion(0, 9, 0, 0x17, 0x48)),
  TURIN("Turin", 5, 8, new TcbVersion(1, 1, 1, 3, 0x47));

  private static final int MILAN_FAMILY = 0x19;
  private static final int TURIN_FAMILY = 0x1A;
  private static final int FIRST_GENOA_MODEL = 0x10;

  private final String text;
  private final int reportVersion;
  private final int chipIdBytes;
  private final TcbVersion tcb;

  SnpProduct(String text, int reportVersion, int chipIdBytes, TcbVersion tcb) {
    this.text = text;
    this.reportVersion = reportVersion;
    this.chipIdBytes = chipIdBytes;
    this.tcb = tcb;
  }

  /**
   * {@return the product of a processor; Milan if it is of none of the three}
   *
   * @param signature CPUID Fn1 EAX
   */
  public static SnpProduct of(int signature) {
    int family = family(signature);
    if (family == TURIN_FAMILY) {
      return TURIN;
    }
    return family == MILAN_FAMILY && model(signature) >= FIRST_GENOA_MODEL ? GENOA : MILAN;
  }

  /** {@return base and extended family of CPUID Fn1 EAX together} */
  public static int family(int signature) {
    return (signature >>> 8 & 15) + (signature >>> 20 & 0xFF);
  }

  /** {@return base and extended model of CPUID Fn1 EAX together} */
  public static int model(int signature) {
    return signature >>> 4 & 15 | signature >>> 12 & 0xF0;
  }

  /** {@return the name that AMD's key service has for it} */
  public String text() {
    return text;
  }

  /** {@return the version of reports that this machine's firmware makes for it} */
  public int reportVersion() {
    return reportVersion;
  }

  /** {@return how many bytes of CHIP_ID are not zero} */
  public int chipIdBytes() {
    return chipIdBytes;
  }

  /** {@return the versions of firmware that this machine's has} */
  public TcbVersion tcb() {
    return tcb;
  }

  /** {@return a TCB version as this product writes it} */
  public long encode(TcbVersion v) {
    return this == TURIN
        ? v.fmc() | v.bootLoader() << 8 | v.tee() << 16 | (long) v.snp() << 24 | top(v)
        : v.bootLoader() | v.tee() << 8 | (long) v.snp() << 48 | top(v);
  }

  private static long top(TcbVersion v) {
    return (long) v.microcode() << 56;
  }

  /** {@return a TCB version from the word that this product writes} */
  public TcbVersion decode(long word) {
    return this == TURIN
        ? new TcbVersion(at(word, 0), at(word, 1), at(word, 2), at(word, 3), at(word, 7))
        : new TcbVersion(0, at(word, 0), at(word, 1), at(word, 6), at(word, 7));
  }

  private static int at(long word, int n) {
    return (int) (word >>> 8 * n) & 0xFF;
  }
}
