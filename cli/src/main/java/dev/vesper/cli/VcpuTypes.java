package dev.vesper.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** QEMU's EPYC models by the signature that a save area holds, as sev-snp-measure lists them. */
final class VcpuTypes {
  private static final Map<String, Integer> SIGNATURES = new LinkedHashMap<>();

  static {
    add(signature(23, 1, 2), "EPYC", "EPYC-v1", "EPYC-v2", "EPYC-IBPB", "EPYC-v3", "EPYC-v4");
    add(signature(23, 49, 0), "EPYC-Rome", "EPYC-Rome-v1", "EPYC-Rome-v2", "EPYC-Rome-v3");
    add(signature(25, 1, 1), "EPYC-Milan", "EPYC-Milan-v1", "EPYC-Milan-v2");
    add(signature(25, 17, 0), "EPYC-Genoa", "EPYC-Genoa-v1");
    add(signature(26, 0, 0), "EPYC-Turin", "EPYC-Turin-v1");
  }

  private VcpuTypes() {}

  private static void add(int signature, String... names) {
    for (String n : names) {
      SIGNATURES.put(n, signature);
    }
  }

  /** {@return CPUID Fn1 EAX of a family, model and stepping (AMD APM volume 3, appendix E)} */
  static int signature(int family, int model, int stepping) {
    int low = Math.min(family, 15);
    return family - low << 20 | (model >> 4) << 16 | low << 8 | (model & 15) << 4 | stepping & 15;
  }

  /** {@return the signature of a name, null if it is none of these} */
  static @Nullable Integer of(String name) {
    return SIGNATURES.get(name);
  }
}
