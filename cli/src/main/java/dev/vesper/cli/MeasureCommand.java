package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.machine.IgvmImage;
import dev.vesper.machine.LaunchPlan;
import dev.vesper.machine.launch.ApiVersion;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** {@code vesper measure}: what a launch measures, and why. */
final class MeasureCommand implements Options.Command {
  /** Exit status of a comparison that found something. */
  static final int DIFFERENT = 1;

  private static final int NONCE_BYTES = 16;

  private final GuestOptions guest = new GuestOptions();
  private final SnpOptions snp = new SnpOptions();
  private List<Path> files = List.of();
  private @Nullable String model;
  private @Nullable Integer signature;
  private @Nullable Integer family;
  private @Nullable Integer modelNumber;
  private @Nullable Integer stepping;
  private String vmm = "QEMU";
  private String format = "hex";
  private @Nullable Path tik;
  private @Nullable String nonce;
  private int apiMajor = ApiVersion.CURRENT.major();
  private int apiMinor = ApiVersion.CURRENT.minor();
  private int build = ApiVersion.CURRENT.build();
  private boolean explain;
  private boolean diff;
  private boolean dump;
  private boolean json;
  private final Sandbox sandbox;

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  MeasureCommand(@Nullable Function<Policy, Confinement> confine) {
    sandbox = new Sandbox(confine);
  }

  @Override
  public Options options() {
    Options o =
        new Options(
            "Computes the launch digest of what 'run' with the same options launches; with the"
                + " owner's key also the measurement.",
            "",
            "Exit status of --diff: 0 the same, 1 different.",
            "Example: vesper measure --mode snp --vcpus 2 --vcpu-type EPYC-v4 --ovmf OVMF.fd");
    o.positionals("FILE", "an image as for 'run'; two files for --diff", v -> files = v);
    guest.addTo(o, GuestOptions.Style.MEASURE, v -> model = v);
    o.integer("N", "CPUID Fn1 EAX in the save areas of firmware", v -> signature = v, "--vcpu-sig");
    o.integer("N", "its family, with --vcpu-model", v -> family = v, "--vcpu-family");
    o.integer("N", "its model", v -> modelNumber = v, "--vcpu-model");
    o.integer("N", "its stepping (default: 0)", v -> stepping = v, "--vcpu-stepping");
    o.text(
        "QEMU|ec2|gce",
        "whose save areas of firmware they are (default: QEMU)",
        v -> vmm = v,
        "--vmm-type");
    guest.addLaunchTo(o);
    snp.addTo(o);
    o.text(
        "hex|base64",
        "how the digest is written (default: hex)",
        v -> format = v,
        "--output-format");
    o.path("F", "the owner's TIK, 16 bytes: compute the measurement", v -> tik = v, "--tik");
    o.text(
        "HEX", "MNONCE of the measurement, 16 bytes in hex or base64", v -> nonce = v, "--nonce");
    o.integer("N", "API of the platform (default: 1)", v -> apiMajor = v, "--api-major");
    o.integer("N", "(default: 55)", v -> apiMinor = v, "--api-minor");
    o.integer("N", "(default: 15)", v -> build = v, "--build-id");
    o.flag(
        "print every page and field that enters, in order, with the digest so far",
        () -> explain = true,
        "--explain");
    o.flag(
        "say what differs between two files that --explain --json wrote",
        () -> diff = true,
        "--diff");
    o.flag("write JSON", () -> json = true, "--json");
    o.flag(
        "write the save areas to vmsa0.bin, vmsa1.bin, ... here", () -> dump = true, "--dump-vmsa");
    sandbox.addTo(o);
    return o;
  }

  @Override
  public Integer call() {
    sandbox.validate();
    if (diff) {
      return compare();
    }
    if (files.size() > 1) {
      throw new UserError("give one image; two files are for --diff");
    }
    files.forEach(guest::image);
    // A type that is known by its signature alone makes no machine, but firmware sees no more of
    // it.
    if (model != null && (VcpuTypes.of(model) == null || MachineSpec.cpuModels().contains(model))) {
      guest.cpu(model);
    }
    if (guest.mode() == SevMode.OFF) {
      throw new UserError("a guest without SEV has no measurement: use --sev sev or es");
    }
    boolean isSnp = guest.mode() == SevMode.SNP;
    snp.validate(isSnp);
    if (dump && !guest.mode().encryptsState()) {
      throw new UserError("--dump-vmsa: a guest without encrypted state has no save areas");
    }
    if (isSnp && tik != null) {
      throw new UserError(
          "--tik: under SNP there is no measurement under a key; the digest is in the report");
    }
    if (!format.equals("hex") && !format.equals("base64")) {
      throw new UserError("--output-format takes hex or base64, not '" + format + "'");
    }
    if ((tik == null) != (nonce == null)) {
      throw new UserError("--tik and --nonce belong together: give both");
    }
    if (guest.reference()) {
      Terminal.say(
          "nothing is named, so this is the embedded reference guest: name what is launched with"
              + " -kernel or --ovmf");
    }
    LaunchPlan plan;
    MachineSpec options = choose(guest.read());
    byte @Nullable [] key = tik == null ? null : UserFiles.read(tik, "TIK");
    byte @Nullable [] firmware = snp.ovmfHash();
    SnpOptions.Signer signer = snp.signer();
    enter();
    try {
      options = IgvmImage.settled(options);
      plan = LaunchPlan.of(options);
      if (guest.firmwareAlone()) {
        plan = plan.firmware();
      } else if (firmware != null) {
        plan = plan.afterFirmware(firmware);
      }
    } catch (BootException | IllegalArgumentException e) {
      throw new UserError(String.valueOf(e.getMessage()));
    }
    Measurement measurement = measurement(plan, key);
    warn(options, plan);
    Manifest manifest = Manifest.of(plan, inputs(options, plan.policy()));
    dump(plan);
    if (json) {
      print(manifest, measurement);
    } else {
      if (explain) {
        explain(manifest);
      }
      Terminal.out(
          format.equals("hex")
              ? manifest.digest()
              : Base64.getEncoder().encodeToString(plan.digest()));
      signer.print(plan.digest(), options.snp().policy());
      if (measurement != null) {
        Terminal.out("measurement " + Base64.getEncoder().encodeToString(measurement.encode()));
      }
    }
    return 0;
  }

  private MachineSpec choose(MachineSpec o) {
    MachineSpec.Launch l = o.launch();
    ResetState reset =
        switch (vmm.toLowerCase(Locale.ROOT)) {
          case "qemu" -> l.reset();
          case "ec2" -> ResetState.EC2;
          case "gce" -> ResetState.GCE;
          default -> throw new UserError("--vmm-type takes QEMU, ec2 or gce, not '" + vmm + "'");
        };
    Integer chosen = signature;
    String named = model;
    if (named != null && VcpuTypes.of(named) != null && chosen == null) {
      chosen = VcpuTypes.of(named);
    }
    if (family != null || modelNumber != null) {
      if (family == null || modelNumber == null || signature != null) {
        throw new UserError(
            "--vcpu-family and --vcpu-model belong together, and --vcpu-sig replaces them");
      }
      int step = stepping == null ? 0 : stepping;
      if (family < 0 || family > 270 || (modelNumber & ~0xFF) != 0 || (step & ~15) != 0) {
        throw new UserError("a CPU has family 0 to 270, model 0 to 255 and stepping 0 to 15");
      }
      chosen = VcpuTypes.signature(family, modelNumber, step);
    }
    return o.toBuilder()
        .snp(snp.launch(o.snp()))
        .launch(
            new MachineSpec.Launch(l.policy(), reset, chosen, l.hashes(), l.owner(), l.secret()))
        .build();
  }

  private void warn(MachineSpec o, LaunchPlan plan) {
    boolean kernel = o.boot().firmware() != null && guest.file() != null;
    boolean hashed =
        plan.items().stream()
            .anyMatch(i -> i instanceof LaunchPlan.Data d && d.what().equals(LaunchPlan.HASHES));
    if (kernel && !hashed && o.launch().hashes() == KernelHashing.AUTO) {
      Terminal.say(
          "the firmware has no place for hashes: kernel, initrd and command line are not"
              + " measured");
    }
  }

  private static byte[] nonceBytes(String s) {
    try {
      byte[] b =
          s.length() == 2 * NONCE_BYTES
              ? HexFormat.of().parseHex(s)
              : Base64.getDecoder().decode(s);
      if (b.length == NONCE_BYTES) {
        return b;
      }
    } catch (IllegalArgumentException e) {
      // neither form
    }
    throw new UserError("--nonce takes 16 bytes in hex or base64, not '" + s + "'");
  }

  /** Gives up what is not needed any more: all files have been read, and none looked at. */
  private void enter() {
    Policy.Builder b = new Policy.Builder();
    sandbox.enter((dump ? b.folder(Path.of("."), false) : b).build());
  }

  private void dump(LaunchPlan plan) {
    if (!dump) {
      return;
    }
    for (LaunchPlan.Item i : plan.items()) {
      if (i instanceof LaunchPlan.Vmsa v) {
        Path p = Path.of("vmsa" + v.vcpu() + ".bin");
        try {
          Files.write(p, v.bytes());
        } catch (IOException e) {
          throw new OutputError(p.toString(), e);
        }
      }
    }
  }

  private @Nullable Measurement measurement(LaunchPlan plan, byte @Nullable [] k) {
    String n = nonce;
    if (k == null || n == null) {
      return null;
    }
    byte[] mnonce = nonceBytes(n);
    if (k.length != NONCE_BYTES) {
      throw new UserError("the TIK " + tik + " has " + k.length + " bytes, not 16");
    }
    if (((apiMajor | apiMinor | build) & ~0xFF) != 0) {
      throw new UserError("--api-major, --api-minor and --build-id are bytes");
    }
    return Measurement.of(
        new ApiVersion(apiMajor, apiMinor, build), plan.policy(), plan.digest(), mnonce, k);
  }

  private Map<String, String> inputs(MachineSpec o, GuestPolicy policy) {
    Map<String, String> in = new LinkedHashMap<>();
    boolean isSnp = o.mode() == SevMode.SNP;
    in.put("mode", isSnp ? "snp" : o.mode() == SevMode.ES ? "seves" : "sev");
    in.put("hypervisor", o.profile());
    in.put("policy", isSnp ? o.snp().policy().toString() : policy.toString());
    if (isSnp) {
      in.put("guest features", "0x" + Long.toHexString(o.snp().features()));
    }
    byte[] hash = snp.ovmfHash();
    if (hash != null) {
      in.put("firmware digest", HexFormat.of().formatHex(hash));
    }
    in.put("processors", String.valueOf(o.processors()));
    in.put("CPU model", model == null ? o.cpuModel() : model);
    MachineSpec.Firmware f = o.boot().firmware();
    if (f != null && IgvmImage.isOne(f.code())) {
      in.put("IGVM file", file(f.code()));
      in.put("memory", (o.memoryBytes() >> 20) + " MiB");
    } else if (f != null) {
      in.put("firmware", file(f.code()));
      in.put("save areas", o.launch().reset().name());
      in.put("kernel hashes", o.launch().hashes().name().toLowerCase(Locale.ROOT));
    } else {
      in.put("memory", (o.memoryBytes() >> 20) + " MiB");
      in.put("seed", String.valueOf(o.seed()));
      in.put("32-bit entry", String.valueOf(o.boot().entry32()));
    }
    if (f == null || guest.file() != null) {
      in.put("kernel", file(o.boot().image()));
      in.put("kernel command line", o.boot().commandLine());
    }
    byte[] initrd = o.boot().initrd();
    if (initrd != null) {
      in.put("initrd", file(initrd));
    }
    return in;
  }

  private static String file(byte[] b) {
    return b.length + " bytes, SHA-256 " + Manifest.sha256(b);
  }

  private void print(Manifest m, @Nullable Measurement measurement) {
    Json j = new Json().object().key("schema").value(Manifest.SCHEMA);
    m.write(j, explain);
    if (measurement != null) {
      j.key("measurement").value(HexFormat.of().formatHex(measurement.measure()));
      j.key("nonce").value(HexFormat.of().formatHex(measurement.nonce()));
    }
    Terminal.out(j.end().toString());
  }

  private static void explain(Manifest m) {
    m.inputs().forEach((k, v) -> Terminal.out(k + ": " + v));
    for (Manifest.Page p : m.pages()) {
      Terminal.out(
          String.format(
              "%-12s %4d bytes  %s%s  digest so far %s  %s",
              p.address(),
              p.bytes(),
              p.type().isEmpty() ? "" : p.type() + "  ",
              p.hash().isEmpty() ? "not measured" : p.hash(),
              p.running(),
              p.what()));
    }
    for (int i = 0; i < m.processors().size(); i++) {
      Map<String, String> fields = m.processors().get(i);
      Terminal.out(
          "VMSA of vCPU "
              + i
              + "  4096 bytes  "
              + fields.getOrDefault("sha256", fields.get("sha384"))
              + "  digest so far "
              + fields.get("running"));
      fields.forEach(
          (k, v) -> {
            if (v.startsWith("0x")) {
              Terminal.out("  " + k + " " + v);
            }
          });
    }
  }

  private int compare() {
    if (files.size() != 2) {
      throw new UserError("--diff takes two files that --explain --json wrote");
    }
    Path first = files.get(0);
    Path second = files.get(1);
    String x = UserFiles.text(first, "manifest");
    String y = UserFiles.text(second, "manifest");
    enter();
    Manifest a = Manifest.parse(first.toString(), x);
    Manifest b = Manifest.parse(second.toString(), y);
    List<String> found = ManifestDiff.of(a, b);
    found.forEach(Terminal::out);
    boolean same = a.digest().equals(b.digest());
    Terminal.out(
        same
            ? "the launch digests are equal: " + a.digest()
            : "the launch digests differ: " + a.digest() + " in A, " + b.digest() + " in B");
    return same && found.isEmpty() ? 0 : DIFFERENT;
  }
}
