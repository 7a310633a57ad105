package dev.vesper.cli.attest;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.PolicyBit;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.launch.SnpProduct;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** Every field of a report with its value and what that means (spec: snp 7.4). */
public final class ReportWords {
  /** Versions whose fields are known. */
  static final int OLDEST = 2;

  static final int NEWEST = 5;

  private static final int FIRST_WITH_MITIGATIONS = 5;
  private static final int MASKED_KEY = 2;
  private static final int COORDINATE_BYTES = 72;
  private static final int NUMBER_BYTES = 8;

  /** What platforms say of themselves, by bits of PLATFORM_INFO. */
  private static final List<String> PLATFORM =
      List.of(
          "SMT_EN: the platform runs two threads on a core",
          "TSME_EN: all of its memory is encrypted, that of the host too",
          "ECC_EN: its memory has error correction",
          "RAPL_DIS: it does not measure power (RAPL)",
          "CIPHERTEXT_HIDING_DRAM_EN: the host cannot read the memory's ciphertext",
          "ALIAS_CHECK_COMPLETE: no memory lies at two addresses",
          "",
          "TIO_EN: trusted devices (SEV-TIO) can be given to guests");

  /**
   * A field.
   *
   * @param name as the standard has it
   * @param offset in the report
   * @param value in hex: a number with 0x in front, or bytes
   * @param meaning lines
   */
  public record Field(String name, int offset, String value, List<String> meaning) {}

  private final AttestationReport report;
  private final SnpProduct layout;
  private final long version;
  private final List<Field> fields = new ArrayList<>();

  private ReportWords(AttestationReport r) {
    report = r;
    layout = ReportProduct.layout(r);
    version = r.number(ReportField.VERSION);
  }

  /** {@return the fields in the report's order} */
  public static List<Field> of(AttestationReport r) {
    ReportWords w = new ReportWords(r);
    for (ReportField f : ReportField.values()) {
      w.add(f);
    }
    return w.fields;
  }

  private void add(ReportField f) {
    if (f == ReportField.SIGNATURE) {
      number("SIGNATURE R", 0);
      number("SIGNATURE S", COORDINATE_BYTES);
      return;
    }
    fields.add(new Field(f.name(), f.offset(), value(f), meaning(f)));
  }

  /** Adds a number of the signature, which has the others' form: 0x and no zeros in front. */
  private void number(String name, int at) {
    byte[] b = report.get(ReportField.SIGNATURE);
    byte[] big = new byte[COORDINATE_BYTES];
    for (int i = 0; i < big.length; i++) {
      big[i] = b[at + big.length - 1 - i];
    }
    BigInteger v = new BigInteger(1, big);
    fields.add(
        new Field(
            name,
            ReportField.SIGNATURE.offset() + at,
            "0x" + v.toString(16),
            v.signum() == 0 ? List.of("zero: not signed") : List.of()));
  }

  private String value(ReportField f) {
    return f.bytes() <= NUMBER_BYTES
        ? "0x" + Long.toHexString(report.number(f))
        : HexFormat.of().formatHex(report.get(f));
  }

  private boolean isZero(ReportField f) {
    for (byte b : report.get(f)) {
      if (b != 0) {
        return false;
      }
    }
    return true;
  }

  private List<String> meaning(ReportField f) {
    long n = f.bytes() <= NUMBER_BYTES ? report.number(f) : 0;
    return switch (f) {
      case VERSION -> List.of(version());
      case POLICY -> policy(n);
      case VMPL -> List.of(vmpl((int) n));
      case SIGNATURE_ALGO ->
          List.of(n == 1 ? "ECDSA on P-384 with SHA-384" : "no algorithm that is known");
      case CURRENT_TCB -> tcb(n, "runs now");
      case REPORTED_TCB -> tcb(n, "the host lets be seen, and the key is of");
      case COMMITTED_TCB -> tcb(n, "cannot be gone back behind");
      case LAUNCH_TCB -> tcb(n, "ran when the guest was launched");
      case PLATFORM_INFO -> platform(n);
      case KEY_INFO -> keyInfo(n);
      case REPORT_DATA -> zero(f, "the guest has given nothing", "the guest's own, as it asked");
      case MEASUREMENT ->
          zero(f, "no launch has this digest", "launch digest: 'vesper measure --mode snp'");
      case HOST_DATA -> zero(f, "the host has given nothing", "the host's own, given at launch");
      case ID_KEY_DIGEST -> zero(f, "no ID block", "SHA-384 of the key that signed the ID block");
      case AUTHOR_KEY_DIGEST ->
          zero(f, "no author key", "SHA-384 of the key that signed the ID key");
      case FAMILY_ID, IMAGE_ID -> zero(f, "not given by an ID block", "of the ID block");
      case GUEST_SVN -> List.of(n == 0 ? "not given by an ID block" : "of the ID block");
      case REPORT_ID -> List.of("of this guest from launch to end");
      case REPORT_ID_MA -> List.of(agent(f));
      case CPUID_FAMILY, CPUID_MODEL, CPUID_STEPPING -> List.of(processor(f, n));
      case CHIP_ID ->
          zero(
              f,
              "masked: the host does not let it be seen",
              layout == SnpProduct.TURIN ? "of this chip: the first 8 bytes" : "of this chip");
      case CURRENT_BUILD, CURRENT_MINOR, CURRENT_MAJOR ->
          List.of(n + part(f) + " of the firmware that runs now");
      case COMMITTED_BUILD, COMMITTED_MINOR, COMMITTED_MAJOR ->
          List.of(n + part(f) + " of the firmware that cannot be gone back behind");
      case LAUNCH_MIT_VECTOR, CURRENT_MIT_VECTOR -> List.of(mitigations(n));
      case SIGNATURE -> List.of();
    };
  }

  private List<String> zero(ReportField f, String zeros, String otherwise) {
    return List.of(isZero(f) ? "zeros: " + zeros : otherwise);
  }

  private String version() {
    if (version < OLDEST || version > NEWEST) {
      return "not known: read as version " + NEWEST;
    }
    return switch ((int) version) {
      case 2 -> "does not say whose processor it is; Milan, and Genoa with firmware before 1.56";
      case FIRST_WITH_MITIGATIONS -> "has the processor's family and mitigation vectors";
      default -> "has the processor's family";
    };
  }

  private static List<String> policy(long n) {
    List<String> lines = new ArrayList<>();
    List<String> clear = new ArrayList<>();
    lines.add("the firmware's ABI is at least " + (n >>> 8 & 0xFF) + "." + (n & 0xFF));
    for (PolicyBit b : PolicyBit.values()) {
      if (b.in(n)) {
        lines.add(b + ": " + b.meaning());
      } else {
        clear.add(b.name());
      }
    }
    if (!new SnpPolicy(n).has(SnpPolicy.RESERVED_ONE)) {
      lines.add("bit 17 is clear, which no launch allows");
    }
    if (!new SnpPolicy(n).defined()) {
      lines.add("has bits that are not known");
    }
    if (!clear.isEmpty()) {
      lines.add("not " + String.join(", ", clear));
    }
    return lines;
  }

  private static String vmpl(int n) {
    return switch (n) {
      case AttestationReport.HOST -> "the host has asked, not the guest";
      case 0 -> "the guest's most privileged level has asked";
      default -> "privilege level " + Integer.toUnsignedString(n) + " of the guest has asked";
    };
  }

  private List<String> tcb(long n, String which) {
    return List.of("what " + which + ": " + layout.decode(n));
  }

  private static List<String> platform(long n) {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < PLATFORM.size(); i++) {
      if ((n >>> i & 1) != 0) {
        lines.add(PLATFORM.get(i).isEmpty() ? "bit " + i + " is not known" : PLATFORM.get(i));
      }
    }
    if (n >>> PLATFORM.size() != 0) {
      lines.add("has bits that are not known");
    }
    return lines.isEmpty() ? List.of("none of what can be said of a platform") : lines;
  }

  private static List<String> keyInfo(long n) {
    List<String> lines = new ArrayList<>();
    lines.add(
        switch ((int) n >>> AttestationReport.SIGNER_SHIFT & 7) {
          case AttestationReport.VCEK -> "signed by the chip's key (VCEK)";
          case AttestationReport.VLEK ->
              "signed by a key that AMD has lent the host's owner (VLEK)";
          case AttestationReport.NOBODY -> "signed by nobody";
          default -> "signed by a key that is not known";
        });
    lines.add(
        (n & AttestationReport.AUTHOR_KEY) != 0
            ? "AUTHOR_KEY_EN: an author key has signed the ID key"
            : "no author key has signed an ID key");
    if ((n & MASKED_KEY) != 0) {
      lines.add("MASK_CHIP_KEY: the host keeps the chip's key from signing and deriving");
    }
    return lines;
  }

  private String agent(ReportField f) {
    for (byte b : report.get(f)) {
      if (b != -1) {
        return "of the guest's migration agent";
      }
    }
    return "all ones: no migration agent";
  }

  private String processor(ReportField f, long n) {
    if (!ReportProduct.isSaid(report)) {
      return "not in reports of this version";
    }
    return f == ReportField.CPUID_FAMILY ? ReportProduct.text(report) : String.valueOf(n);
  }

  private String mitigations(long n) {
    if (version < FIRST_WITH_MITIGATIONS) {
      return "not in reports of this version";
    }
    return Long.bitCount(n) + " mitigations";
  }

  private static String part(ReportField f) {
    return switch (f) {
      case CURRENT_BUILD, COMMITTED_BUILD -> ", build";
      case CURRENT_MINOR, COMMITTED_MINOR -> ", minor version";
      default -> ", major version";
    };
  }
}
