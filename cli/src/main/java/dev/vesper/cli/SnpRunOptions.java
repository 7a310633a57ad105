package dev.vesper.cli;

import dev.vesper.ghcb.HvFeatures;
import dev.vesper.machine.launch.IdAuthentication;
import dev.vesper.machine.launch.IdBlock;
import dev.vesper.machine.launch.SecretsPage;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.spec.HostCertificates;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What {@code run} takes for guests under SEV-SNP alone: of the launch by the names of QEMU's
 * sev-snp-guest, and how the hypervisor treats pages.
 */
final class SnpRunOptions {
  private static final String RMP = "--rmp";
  private static final String LARGE = "--rmp-2m";
  private static final String OFFERED = "--hv-features";
  private static final String BLOCK = "--id-block";
  private static final String AUTHENTICATION = "--id-auth";
  private static final String AUTHOR = "--author-key-enabled";
  private static final String HOST_DATA = "--host-data";
  private static final String VCEK = "--vcek-disabled";
  private static final String VLEK = "--vlek";
  private static final String CERTIFICATES = "--certs";
  private static final String TSC = "--tsc-frequency";
  private static final long HERTZ_PER_KILOHERTZ = 1000;
  private static final long LEAST_TSC = 1_000_000;
  private static final long MOST_TSC = SecureTsc.MOST_KILOHERTZ * HERTZ_PER_KILOHERTZ;
  private static final String SERVICE = SnpOptions.SERVICE;
  private static final String WORKAROUNDS = "--guest-visible-workarounds";

  /**
   * The certificates of {@code --certs}, once their file was read: it may be one that is read once.
   */
  private @Nullable HostCertificates certificates;

  /** What was said, by option. */
  private final Map<String, String> said = new LinkedHashMap<>();

  void addTo(Options o) {
    add(o, "HEX", "SEV_FEATURES of the guest under snp (default: 0x1)", SnpOptions.FEATURES);
    add(
        o,
        "HZ",
        "frequency of the time-stamp counter of a guest under snp with SecureTSC, --guest-features"
            + " 0x201 (default: 1000000000)",
        TSC);
    add(
        o,
        "kvm|strict",
        "what becomes of a page that a guest under snp uses as what it is not, private or shared,"
            + " without having asked: kvm has it converted, strict ends the run (default: kvm)",
        RMP);
    add(
        o,
        "on|off",
        "entries of 2 MiB in the reverse map table, where launch and guest allow it (default: off)",
        LARGE);
    add(
        o,
        "NAMES",
        "what the hypervisor offers guests under snp besides SNP and AP creation: apic-id-list,"
            + " multi-vmpl (default: nothing)",
        OFFERED);
    add(
        o,
        "BASE64",
        "the ID block that SNP_LAUNCH_FINISH checks, as 'vesper measure --idkey' prints it",
        BLOCK);
    add(o, "BASE64", "its authentication", AUTHENTICATION);
    add(o, "on|off", "the author key must have signed the ID key (default: off)", AUTHOR);
    add(o, "on|off", "the chip's key signs no reports and derives no keys (default: off)", VCEK);
    add(
        o,
        "test|off",
        "a key of Vesper's test chain that stands for one that AMD lends to providers signs reports"
            + " instead of the chip's, unless the guest asks for that (default: off)",
        VLEK);
    add(o, "BASE64", "32 bytes of the host's for the guest's report (default: zeros)", HOST_DATA);
    add(
        o,
        "F|test",
        "certificates that a guest under snp has with an extended report: a table of the GHCB"
            + " specification in F, or those of Vesper's test chain (default: none)",
        CERTIFICATES);
    add(o, "on|off", SnpOptions.SERVICE_HELP, SERVICE);
    add(
        o,
        "BASE64",
        "GOSVW, 16 bytes that the secrets page tells the guest (default: zeros)",
        WORKAROUNDS);
  }

  private void add(Options o, String label, String description, String name) {
    o.text(label, description, v -> said.put(name, v), name);
  }

  /** Refuses what cannot be meant. */
  void validate(boolean snp) {
    if (!snp && !said.isEmpty()) {
      throw new UserError(said.keySet().iterator().next() + " is for --sev snp");
    }
    if (said.containsKey(AUTHENTICATION) && !said.containsKey(BLOCK)) {
      throw new UserError("--id-auth is of an ID block: give it with --id-block");
    }
    if (said.containsKey(AUTHOR) && !said.containsKey(AUTHENTICATION)) {
      throw new UserError("--author-key-enabled: give the key's signature with --id-auth");
    }
    if (snp) {
      launch(SnpLaunch.DEFAULT);
    }
  }

  /** {@return the files that are read} */
  List<Path> files() {
    String certs = said.get(CERTIFICATES);
    return certs == null || certs.equals("test") ? List.of() : List.of(UserFiles.path(certs));
  }

  /** {@return the machine's description with what was said} */
  MachineSpec addTo(MachineSpec o) {
    return said.isEmpty() ? o : o.toBuilder().snp(launch(o.snp())).build();
  }

  private SnpLaunch launch(SnpLaunch plain) {
    SnpLaunch l = plain.withHost(host()).withVcekDisabled(isOn(VCEK));
    if (said.containsKey(SnpOptions.FEATURES)) {
      long features = SnpOptions.features(said(SnpOptions.FEATURES));
      List<String> why = SevFeature.refused(features);
      if (!why.isEmpty()) {
        throw new UserError(SnpOptions.FEATURES + ": " + String.join(", ", why));
      }
      l = l.withFeatures(features);
    }
    if (said.containsKey(TSC)) {
      if (!SevFeature.SECURE_TSC.in(l.features())) {
        throw new UserError(
            TSC + " is of SecureTSC: give it with " + SnpOptions.FEATURES + " 0x201");
      }
      l = l.withTscKilohertz(hertz(said(TSC)) / HERTZ_PER_KILOHERTZ);
    }
    if (said.containsKey(BLOCK)) {
      l =
          l.withIdBlock(
              bytes(BLOCK, IdBlock::parse),
              said.containsKey(AUTHENTICATION)
                  ? bytes(AUTHENTICATION, IdAuthentication::new)
                  : null,
              isOn(AUTHOR));
    }
    if (said.containsKey(HOST_DATA)) {
      l = l.withHostData(bytes(HOST_DATA, SnpLaunch.HOST_DATA_BYTES));
    }
    if (said.containsKey(WORKAROUNDS)) {
      l = l.withWorkarounds(bytes(WORKAROUNDS, SecretsPage.WORKAROUND_BYTES));
    }
    return isOn(SERVICE) ? SnpOptions.withService(l) : l;
  }

  private static long hertz(String text) {
    long v = text.matches("\\d{1,18}") ? Long.parseLong(text) : 0;
    if (v < LEAST_TSC || v > MOST_TSC) {
      throw new UserError(
          "%s takes hertz from %d to %d, not '%s'".formatted(TSC, LEAST_TSC, MOST_TSC, text));
    }
    return v;
  }

  private String said(String option) {
    return said.getOrDefault(option, "");
  }

  private SnpHost host() {
    String rmp = said(RMP);
    if (!List.of("", "kvm", "strict").contains(rmp)) {
      throw new UserError("--rmp takes kvm or strict, not '" + rmp + "'");
    }
    long features = 0;
    for (String name : said.containsKey(OFFERED) ? said(OFFERED).split(",", -1) : new String[0]) {
      long bit = HvFeatures.named(name) & SnpHost.OPTIONAL;
      if (bit == 0) {
        throw new UserError("--hv-features takes apic-id-list and multi-vmpl, not '" + name + "'");
      }
      features |= bit;
    }
    return new SnpHost(!rmp.equals("strict"), isOn(LARGE), features, certificates(), vlek());
  }

  private boolean vlek() {
    return switch (said(VLEK)) {
      case "test" -> true;
      case "", "off" -> false;
      default -> throw new UserError(VLEK + " takes test or off, not '" + said(VLEK) + "'");
    };
  }

  private HostCertificates certificates() {
    HostCertificates c = certificates;
    if (c == null) {
      c = readCertificates();
      certificates = c;
    }
    return c;
  }

  private HostCertificates readCertificates() {
    String from = said(CERTIFICATES);
    if (from.isEmpty() || from.equals("test")) {
      return from.isEmpty() ? HostCertificates.NONE : HostCertificates.TEST;
    }
    byte[] b = UserFiles.read(UserFiles.path(from), "table of certificates");
    try {
      return HostCertificates.of(b);
    } catch (IllegalArgumentException e) {
      throw new UserError(CERTIFICATES + " " + from + ": " + e.getMessage());
    }
  }

  private boolean isOn(String option) {
    return switch (said(option)) {
      case "on" -> true;
      case "", "off" -> false;
      default -> throw new UserError(option + " takes on or off, not '" + said(option) + "'");
    };
  }

  private byte[] bytes(String option, int length) {
    return bytes(
        option,
        b -> {
          if (b.length != length) {
            throw new IllegalArgumentException("it has " + length + " bytes, not " + b.length);
          }
          return b;
        });
  }

  private <T> T bytes(String option, Function<byte[], T> parse) {
    byte[] b;
    try {
      b = Base64.getDecoder().decode(said(option));
    } catch (IllegalArgumentException e) {
      throw new UserError(option + " takes bytes in base64: " + e.getMessage());
    }
    try {
      return parse.apply(b);
    } catch (IllegalArgumentException e) {
      throw new UserError(option + ": " + e.getMessage());
    }
  }
}
