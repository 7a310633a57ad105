package dev.vesper.cli.attest;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpProduct;
import org.jspecify.annotations.Nullable;

/** Whose processor a report is of, as far as it says so itself. */
final class ReportProduct {
  /** The first version that has the processor's family and model (spec: snp 7.4). */
  private static final int FIRST_WITH_FAMILY = 3;

  private static final int ZEN_3_AND_4 = 0x19;
  private static final int ZEN_5 = 0x1A;

  private ReportProduct() {}

  /** {@return whether a report has the fields of the processor's family, model and stepping} */
  static boolean isSaid(AttestationReport r) {
    return r.number(ReportField.VERSION) >= FIRST_WITH_FAMILY;
  }

  /** {@return the product, or null if the report does not say, or says one that is not known} */
  static @Nullable SnpProduct of(AttestationReport r) {
    if (!isSaid(r)) {
      return null;
    }
    int model = (int) r.number(ReportField.CPUID_MODEL) >> 4;
    return switch ((int) r.number(ReportField.CPUID_FAMILY)) {
      case ZEN_3_AND_4 ->
          switch (model) {
            case 0 -> SnpProduct.MILAN;
            case 1, 0xA -> SnpProduct.GENOA;
            default -> null;
          };
      case ZEN_5 -> model <= 1 ? SnpProduct.TURIN : null;
      default -> null;
    };
  }

  /** {@return how the report writes TCB versions: Milan and Genoa do it alike} */
  static SnpProduct layout(AttestationReport r) {
    SnpProduct p = of(r);
    return p == null ? SnpProduct.MILAN : p;
  }

  /** {@return the product for people} */
  static String text(AttestationReport r) {
    SnpProduct p = of(r);
    if (p != null) {
      return p.text();
    }
    return isSaid(r) ? "no product that is known" : "Milan or Genoa";
  }
}
