package dev.vesper.cli.qemu;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Objects, and with them how the guest is protected: a {@code sev-guest} or {@code sev-snp-guest}
 * counts if the machine names it, by {@code confidential-guest-support=ID} or, as of old, {@code
 * memory-encryption=ID}.
 */
final class Protection {
  /** Bit of a policy that asks for encrypted state (SEV API, table 2). */
  private static final int ES = 4;

  private static final String OBJECT = "-object sev-guest";
  private static final String SNP_OBJECT = "-object sev-snp-guest";
  private static final String IGVM_OBJECT = "-object igvm-cfg";
  private static final String NOT_NAMED = "no -machine names it";

  /** The C-bit of every model that there is, as CPUID Fn8000_001F EBX gives it. */
  private static final String C_BIT = "51";

  private static final int SECURE_TSC = 1 << 9;

  /** Switches that are bits of SEV_FEATURES (AMD APM volume 2, table B-4). */
  private static final Map<String, Integer> FEATURES =
      Map.of("secure-tsc", SECURE_TSC, "debug-swap", 1 << 5);

  private final Line line;
  private final Map<String, Guest> guests = new LinkedHashMap<>();
  private String named = "";
  private final Map<String, KeyValues> igvmFiles = new LinkedHashMap<>();
  private String namedIgvm = "";

  /**
   * A kind of guest.
   *
   * @param object the option and its type, for messages
   */
  private record Guest(String object, KeyValues values) {}

  Protection(Line line) {
    this.line = line;
  }

  /** The machine names an object. */
  void name(String id) {
    named = id;
  }

  /** The machine names an IGVM file. */
  void nameIgvm(String id) {
    namedIgvm = id;
  }

  /** {@code -object}. */
  void object(String value) {
    KeyValues k = new KeyValues(value, "qom-type");
    String type = k.take("qom-type", "");
    String id = k.take("id", "");
    switch (type) {
      case "sev-guest" -> guests.put(id, new Guest(OBJECT, k));
      case "sev-snp-guest" -> guests.put(id, new Guest(SNP_OBJECT, k));
      case "igvm-cfg" -> igvmFiles.put(id, k);
      case "tdx-guest", "s390-pv-guest", "pef-guest" ->
          line.refuse("-object " + type + ": guests are AMD's; use sev-guest or --sev es");
      case "rng-random", "rng-builtin", "rng-egd" ->
          line.drop("-object " + type, "RDRAND and keys follow from --seed");
      case "memory-backend-ram", "memory-backend-file", "memory-backend-memfd" ->
          line.drop("-object " + type, "-m is all memory, and Java's");
      case "iothread", "throttle-group", "thread-context" ->
          line.drop("-object " + type, "devices work on the machine's one thread");
      case "secret" ->
          line.refuse(
              "-object secret: encrypted disks are not read; a guest's secret is --secret F");
      default -> line.refuse("-object " + type + ": there is sev-guest; see 'vesper run --help'");
    }
  }

  /** Puts all together. */
  void finish() {
    Guest guest = named.isEmpty() ? null : guests.remove(named);
    if (guest != null && guest.object.equals(SNP_OBJECT)) {
      launchSnp(guest.values);
    } else if (guest != null) {
      launch(guest.values);
    } else if (!named.isEmpty()) {
      line.refuse(
          "-machine confidential-guest-support=%s: no -object sev-guest has id=%s; or use --sev es"
              .formatted(named, named));
    }
    guests.forEach((id, g) -> line.drop(g.object + ",id=" + id, NOT_NAMED));
    finishIgvm();
  }

  private void finishIgvm() {
    KeyValues k = namedIgvm.isEmpty() ? null : igvmFiles.remove(namedIgvm);
    if (k == null && !namedIgvm.isEmpty()) {
      line.refuse(
          "-machine igvm-cfg=%s: no -object igvm-cfg has id=%s; or use -igvm F"
              .formatted(namedIgvm, namedIgvm));
    } else if (k != null) {
      take(k, "file", "-igvm");
      line.refuseRest(IGVM_OBJECT, k);
    }
    igvmFiles.forEach((id, f) -> line.drop(IGVM_OBJECT + ",id=" + id, NOT_NAMED));
  }

  private void launch(KeyValues k) {
    String text = k.take("policy", "0x1");
    Long policy = number(text);
    if (policy == null) {
      line.refuse(OBJECT + ",policy=" + text + ": a policy is a number of 32 bits, as in 0x5");
      return;
    }
    line.set("--sev", (policy & ES) != 0 ? "es" : "sev");
    line.set("--policy", text);
    take(k, "session-file", "--session-file");
    take(k, "dh-cert-file", "--dh-cert-file");
    takeCommon(OBJECT, k);
    String legacy = k.take("legacy-vm-type");
    if (legacy != null && !legacy.equals("auto")) {
      line.set("--fpu-reset", KeyValues.isOn(legacy) ? "init" : "init2");
    }
    line.refuseRest(OBJECT, k);
  }

  private void launchSnp(KeyValues k) {
    line.set("--sev", "snp");
    take(k, "policy", "--policy");
    takeCommon(SNP_OBJECT, k);
    for (String key : List.of("id-block", "id-auth", "host-data", "guest-visible-workarounds")) {
      take(k, key, "--" + key);
    }
    take(k, "certs-path", "--certs");
    takeFeatures(k);
    for (String key : List.of("author-key-enabled", "vcek-disabled")) {
      String v = k.take(key);
      if (v != null) {
        line.set("--" + key, KeyValues.isOn(v) ? "on" : "off");
      }
    }
    line.refuseRest(SNP_OBJECT, k);
  }

  /** SEV_FEATURES, and the frequency that goes with one of them. */
  private void takeFeatures(KeyValues k) {
    int features = 1;
    boolean any = false;
    for (Map.Entry<String, Integer> e : FEATURES.entrySet()) {
      String v = k.take(e.getKey());
      any |= v != null;
      features |= v != null && KeyValues.isOn(v) ? e.getValue() : 0;
    }
    if (any) {
      line.set("--guest-features", "0x" + Integer.toHexString(features));
    }
    String frequency = k.take("tsc-frequency");
    if (frequency != null && (features & SECURE_TSC) != 0) {
      line.set("--tsc-frequency", frequency);
    } else if (frequency != null) {
      line.drop(SNP_OBJECT + ",tsc-frequency=" + frequency, "it is of secure-tsc=on");
    }
  }

  /** What both kinds of guests have. */
  private void takeCommon(String object, KeyValues k) {
    String cBit = k.take("cbitpos", C_BIT);
    if (!cBit.equals(C_BIT)) {
      line.refuse(object + ",cbitpos=" + cBit + ": the processors here have it at " + C_BIT);
    }
    String hashes = k.take("kernel-hashes");
    if (hashes != null) {
      line.set("--kernel-hashes", KeyValues.isOn(hashes) ? "on" : "off");
    }
    String reduced = k.take("reduced-phys-bits", "1");
    if (!reduced.equals("1")) {
      line.drop(object + ",reduced-phys-bits=" + reduced, "the model says it: one");
    }
    line.drop(
        object, k.takeAny(List.of("sev-device", "handle")), "the secure processor is Vesper's own");
  }

  private void take(KeyValues k, String key, String option) {
    String v = k.take(key);
    if (v != null) {
      line.set(option, v);
    }
  }

  private static @Nullable Long number(String text) {
    try {
      long v = Long.decode(text);
      return v >= 0 && v <= 0xFFFF_FFFFL ? v : null;
    } catch (NumberFormatException e) {
      return null;
    }
  }
}
