package dev.vesper.cli.qemu;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** {@code -cpu}, {@code -smp} and {@code -m}. */
final class Processors {
  private static final String LIST =
      """
      vesper-min   x86-64-v1 with SSE3 and POPCNT (also: qemu64, kvm64)
      EPYC-v4      Zen (also: EPYC, EPYC-v1, EPYC-v2, EPYC-v3, EPYC-IBPB, EPYC-Rome)
      EPYC-Milan   Zen 3 (also: EPYC-Milan-v1, EPYC-Milan-v2)
      EPYC-Genoa   Zen 4 (also: EPYC-Genoa-v1, max, host)
      EPYC-Turin   Zen 5 (also: EPYC-Turin-v1)
      """;

  /** QEMU's names by the model that comes nearest without more than they have, if there is one. */
  private static final Map<String, String> NEAREST = new LinkedHashMap<>();

  /** Names that are the same model and no other. */
  private static final List<String> SAME =
      List.of("EPYC-Milan-v1", "EPYC-Genoa-v1", "EPYC-Turin-v1");

  static {
    near("vesper-min", "qemu64", "qemu64-v1", "kvm64", "kvm64-v1", "base", "x86-64-v1");
    near("EPYC-v4", "EPYC", "EPYC-v1", "EPYC-v2", "EPYC-v3", "EPYC-v5", "EPYC-IBPB", "x86-64-v3");
    near("EPYC-v4", "EPYC-Rome", "EPYC-Rome-v1", "EPYC-Rome-v2", "EPYC-Rome-v3", "EPYC-Rome-v4");
    near("EPYC-v4", "EPYC-Rome-v5");
    near("EPYC-Milan", "EPYC-Milan-v1", "EPYC-Milan-v2", "EPYC-Milan-v3");
    near("EPYC-Genoa", "EPYC-Genoa-v1", "EPYC-Genoa-v2", "max", "host");
    near("EPYC-Turin", "EPYC-Turin-v1");
  }

  /** Flags that say how QEMU makes a model, or hide a hypervisor that is another here. */
  private static final List<String> MAKING =
      List.of(
          "kvm",
          "check",
          "enforce",
          "migratable",
          "host-phys-bits",
          "host-phys-bits-limit",
          "host-cache-info",
          "l3-cache",
          "legacy-cache",
          "pmu",
          "lmce",
          "kvm-pv-",
          "kvm_pv_",
          "hv-",
          "hv_",
          "tcg-cpuid",
          "expose_kvm",
          "xlevel",
          "level",
          "min-level",
          "guest-phys-bits",
          "full-cpuid-auto-level",
          "vmware-cpuid-freq",
          "invtsc",
          "topoext");

  private static final Pattern SIZE =
      Pattern.compile("(\\d{1,9}(?:\\.\\d{1,9})?)([BKMGT]?)(?:I?B)?");

  private final Line line;

  Processors(Line line) {
    this.line = line;
  }

  private static void near(String model, String... names) {
    for (String n : names) {
      NEAREST.put(n, model);
    }
  }

  /** {@code -cpu}. */
  void model(String value) {
    String[] parts = value.split(",", -1);
    if (Boards.isQuestion(parts[0])) {
      line.list(LIST);
      return;
    }
    String model = NEAREST.getOrDefault(parts[0], parts[0]);
    if (NEAREST.containsKey(parts[0]) && !SAME.contains(parts[0])) {
      line.drop(
          "-cpu %s beyond %s".formatted(parts[0], model),
          "that is the nearest model; its signature enters launch digests");
    }
    List<String> words = new ArrayList<>(List.of(model));
    for (int i = 1; i < parts.length; i++) {
      String w = flag(parts[i]);
      if (!w.isEmpty()) {
        words.add(w);
      }
    }
    line.set("-cpu", String.join(",", words));
  }

  /** {@return Vesper's word for a flag; empty if it changes nothing} */
  private String flag(String part) {
    int eq = part.indexOf('=');
    String name = part.substring(part.startsWith("+") || part.startsWith("-") ? 1 : 0);
    String key = eq < 0 ? name : part.substring(0, eq);
    String plain = key.replace('_', '-');
    if (MAKING.stream().anyMatch(m -> m.endsWith("-") ? plain.startsWith(m) : key.equals(m))) {
      line.drop("-cpu " + part, "models are Vesper's own");
      return "";
    }
    if (plain.equals("tsc-frequency") || plain.equals("tsc-freq")) {
      line.drop(
          "-cpu " + part, "the counter has 1 GHz; with secure-tsc=on say tsc-frequency there");
      return "";
    }
    if (eq < 0 || key.equals("phys-bits")) {
      return part;
    }
    String v = part.substring(eq + 1);
    if (KeyValues.isOn(v)) {
      return "+" + key;
    }
    if (List.of("off", "no", "false", "n").contains(v)) {
      return "-" + key;
    }
    line.refuse(
        "-cpu %s: a model has +NAME, -NAME, NAME=on, NAME=off, phys-bits=N".formatted(part));
    return "";
  }

  /** {@code -smp}. */
  void count(String value) {
    KeyValues k = new KeyValues(value, "cpus");
    String cpus = k.take("cpus");
    int product = 1;
    List<String> topology = new ArrayList<>();
    for (String key :
        List.of("drawers", "books", "sockets", "dies", "clusters", "cores", "threads")) {
      String v = k.take(key);
      if (v != null) {
        topology.add(key + "=" + v);
        product *= v.matches("\\d{1,2}") ? Integer.parseInt(v) : 1;
      }
    }
    String most = k.take("maxcpus");
    if (most != null && !most.equals(cpus)) {
      line.drop("-smp maxcpus=" + most, "no processor is plugged in later");
    }
    line.drop("-smp", topology, "CPUID says what the model says");
    line.refuseRest("-smp", k);
    line.set("-smp", cpus != null ? cpus : most != null ? most : String.valueOf(product));
  }

  /** {@code -m}. */
  void memory(String value) {
    KeyValues k = new KeyValues(value, "size");
    String size = k.take("size", "");
    line.drop("-m", k.takeAny(List.of("slots", "maxmem")), "no memory is plugged in later");
    line.refuseRest("-m", k);
    line.set("-m", size(size));
  }

  /** {@return a size as Vesper takes it; what is none, or no whole MiB, as it is} */
  private static String size(String text) {
    String t = text.toUpperCase(Locale.ROOT);
    Matcher m = SIZE.matcher(t);
    if (t.matches("[0-9]{1,6}[MG]?") || !m.matches()) {
      return text;
    }
    int shift = 10 * "BKMGT".indexOf(m.group(2).isEmpty() ? "M" : m.group(2));
    BigDecimal bytes = new BigDecimal(m.group(1)).multiply(BigDecimal.valueOf(1L << shift));
    BigDecimal[] mib = bytes.divideAndRemainder(BigDecimal.valueOf(1L << 20));
    return mib[1].signum() == 0 ? mib[0].toBigInteger() + "M" : text;
  }
}
