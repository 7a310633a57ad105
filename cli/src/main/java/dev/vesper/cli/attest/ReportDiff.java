package dev.vesper.cli.attest;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.PolicyBit;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.TcbVersion;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/** What differs between two reports, in words. */
public final class ReportDiff {
  private static final int NUMBER_BYTES = 8;

  private ReportDiff() {}

  /** {@return a line for each field that differs; none if the reports are the same} */
  public static List<String> of(AttestationReport a, AttestationReport b) {
    List<String> lines = new ArrayList<>();
    for (ReportField f : ReportField.values()) {
      if (!Arrays.equals(a.get(f), b.get(f))) {
        lines.add(line(f, a, b));
      }
    }
    if (lines.isEmpty() && !Arrays.equals(a.encode(), b.encode())) {
      lines.add("bytes differ that belong to no field");
    }
    return lines;
  }

  private static String line(ReportField f, AttestationReport a, AttestationReport b) {
    return switch (f) {
      case CURRENT_TCB, REPORTED_TCB, COMMITTED_TCB, LAUNCH_TCB -> f + ": " + tcb(f, a, b);
      case POLICY -> f + ": " + policy(a.number(f), b.number(f));
      case MEASUREMENT ->
          f
              + ": launched from different things: "
              + values(f, a, b)
              + "; see 'vesper measure --diff'";
      case REPORT_ID -> f + ": two guests, or two launches of one: " + values(f, a, b);
      case CHIP_ID -> f + ": two chips: " + values(f, a, b);
      case REPORT_DATA -> f + ": the guest has asked with other data: " + values(f, a, b);
      case HOST_DATA -> f + ": the host has launched it with other data: " + values(f, a, b);
      case SIGNATURE -> f + ": differs, as that of two reports always does";
      default -> f + ": " + values(f, a, b);
    };
  }

  private static String values(ReportField f, AttestationReport a, AttestationReport b) {
    return value(f, a) + " in A, " + value(f, b) + " in B";
  }

  private static String value(ReportField f, AttestationReport r) {
    return f.bytes() <= NUMBER_BYTES
        ? "0x" + Long.toHexString(r.number(f))
        : HexFormat.of().formatHex(r.get(f));
  }

  private static String tcb(ReportField f, AttestationReport a, AttestationReport b) {
    SnpProduct first = ReportProduct.layout(a);
    SnpProduct second = ReportProduct.layout(b);
    TcbVersion x = first.decode(a.number(f));
    TcbVersion y = second.decode(b.number(f));
    boolean sameLayout = (first == SnpProduct.TURIN) == (second == SnpProduct.TURIN);
    if (x.equals(y) || !sameLayout) {
      return values(f, a, b) + (sameLayout ? "" : " (two products, which write it differently)");
    }
    List<String> parts = new ArrayList<>();
    part(parts, "FMC", x.fmc(), y.fmc());
    part(parts, "boot loader", x.bootLoader(), y.bootLoader());
    part(parts, "TEE", x.tee(), y.tee());
    part(parts, "SNP", x.snp(), y.snp());
    part(parts, "microcode", x.microcode(), y.microcode());
    String way =
        x.notAbove(y) ? "newer in B" : y.notAbove(x) ? "older in B" : "newer and older in B";
    return way + ": " + String.join(", ", parts);
  }

  private static void part(List<String> parts, String name, int a, int b) {
    if (a != b) {
      parts.add(name + " " + a + " -> " + b);
    }
  }

  private static String policy(long a, long b) {
    List<String> parts = new ArrayList<>();
    for (PolicyBit p : PolicyBit.values()) {
      if (p.in(a) != p.in(b)) {
        boolean laxer = p.permits() == p.in(b);
        parts.add(
            p
                + (p.in(b) ? " set" : " clear")
                + " in B, which is "
                + (laxer ? "laxer" : "stricter"));
      }
    }
    String bits = parts.isEmpty() ? "" : " (" + String.join(", ", parts) + ")";
    return "0x" + Long.toHexString(a) + " in A, 0x" + Long.toHexString(b) + " in B" + bits;
  }
}
