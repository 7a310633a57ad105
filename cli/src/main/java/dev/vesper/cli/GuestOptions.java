package dev.vesper.cli;

import dev.vesper.guest.Locore;
import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.IgvmImage;
import dev.vesper.machine.SmbiosOptions;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSession;
import dev.vesper.machine.launch.SevCertificate;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Smbios;
import dev.vesper.machine.spec.SnpLaunch;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What is launched and how: the options that {@code run} and {@code measure} share. */
final class GuestOptions {
  private static final String SESSION = "launch session";
  private static final String CERTIFICATE = "DH certificate";

  private @Nullable Path image;
  private @Nullable Path kernel;
  private @Nullable Path bios;
  private @Nullable Path igvm;
  private @Nullable Path nvram;
  private @Nullable Path initrd;
  private byte @Nullable [] made;
  private @Nullable String append;
  private String sev = "es";
  private Style style = Style.RUN;
  private String profile = "kvm";
  private @Nullable String cpu;
  private String entry = "64";
  private String memory = "512M";
  private @Nullable Integer smp;
  private String board = "auto";
  private List<String> smbios = List.of();
  private @Nullable String uuid;
  private long seed = 1;
  private @Nullable Long policy;
  private String hashes = "auto";
  private String reset = "init2";
  private @Nullable Path certificate;
  private @Nullable Path session;

  /** What a command adds to the names, and to the choice of what is launched. */
  enum Style {
    /** QEMU's and Vesper's names. */
    RUN,
    /** Those of sev-snp-measure besides. */
    MEASURE;

    private String[] names(List<String> common, String... measure) {
      return this == RUN
          ? common.toArray(new String[0])
          : Stream.concat(common.stream(), List.of(measure).stream()).toArray(String[]::new);
    }
  }

  /** The image that stands for itself on the command line. */
  void image(Path p) {
    image = p;
  }

  /**
   * Launches a kernel with an initial RAM disk that is in no file.
   *
   * @param arguments of the kernel, before those that are given
   * @throws UserError if another one is named
   */
  void boot(Path file, byte[] disk, String arguments) {
    if (initrd != null || firmware() != null) {
      throw new UserError("boot makes the initrd and takes no firmware: use 'vesper run' for them");
    }
    kernel = file;
    made = disk;
    append = append == null ? arguments : arguments + " " + append;
    board = board.equals("auto") ? "pc" : board;
  }

  /** Adds what is launched. */
  void addTo(Options o, Style style) {
    addTo(o, style, v -> cpu = v);
  }

  /**
   * Adds what is launched.
   *
   * @param model takes the CPU model, of which it hands back what a machine can be
   */
  void addTo(Options o, Style style, Consumer<String> model) {
    this.style = style;
    o.path("F", "the same as IMAGE", v -> kernel = v, "-kernel", "--kernel");
    o.path(
        "F",
        "firmware in a ROM below 4 GiB, for profile kvm; it is handed -kernel, -initrd and"
            + " -append",
        v -> bios = v,
        style.names(List.of("-bios", "--bios"), "--ovmf"));
    o.path(
        "F",
        "an IGVM file, which says itself what is launched and with what registers; it is handed the"
            + " same",
        v -> igvm = v,
        style.names(List.of("-igvm", "--igvm")));
    o.path(
        "F",
        "variable store in a flash in front of the firmware, as OVMF_VARS.fd is; it is not"
            + " encrypted; run writes back what the guest has changed, as a whole, at the end",
        v -> nvram = v,
        "--nvram");
    o.path("F", "initial RAM disk or multiboot module", v -> initrd = v, "-initrd", "--initrd");
    o.text("S", "kernel command line", v -> append = v, "-append", "--append");
    if (style == Style.RUN) {
      o.text("off|sev|es|snp", "protection of the guest (default: es)", v -> sev = v, "--sev");
    } else {
      o.text(
          "sev|es|snp",
          "protection of the guest (default: es; seves is another name of it); snp:ovmf-hash is the"
              + " digest of the firmware's own pages",
          v -> sev = v,
          "--sev",
          "--mode");
    }
    o.text(
        "kvm|openbsd",
        "hypervisor to behave as: kvm, openbsd:2025-06, openbsd:2025-09, openbsd:2026,"
            + " openbsd:2026-08 or openbsd, which is the newest; ,cr8=trap or ,cr8=native after an"
            + " openbsd one (default: kvm)",
        v -> profile = v,
        "--profile");
    o.text(
        "MODEL",
        "CPU model with features added or taken away, as in vesper-min,+xsave,-rdrand (default:"
            + " vesper-min; vesper-min,+xsave for the reference guest)",
        model,
        style.names(List.of("-cpu", "--cpu"), "--vcpu-type"));
    o.text("32|64", "entry of a bzImage (default: 64)", v -> entry = v, "-entry", "--entry");
    o.text("512M", "guest memory (default: 512M)", v -> memory = v, "-m", "--memory");
    o.text(
        "minimal|pc|q35",
        "board under kvm: pc and q35 are QEMU's with ACPI and PCI, minimal has 8259, 8254, COM1 and"
            + " a clock (default: pc)",
        v -> board = v,
        "-M",
        "-machine",
        "--machine");
    o.phrases(
        "type=N,KEY=VALUE|file=F",
        "SMBIOS tables for -M pc and q35 with what is said of them: types 0, 1, 2, 3, 4, 11 and 17,"
            + " or a structure from a file; may be repeated (default: no tables)",
        v -> smbios = v,
        "-smbios",
        "--smbios");
    o.text(
        "UUID",
        "the machine's UUID, in SMBIOS tables and fw_cfg",
        v -> uuid = v,
        "-uuid",
        "--uuid");
    o.integer(
        "N",
        "processors, up to 64 under kvm (default: 1; 2 for the reference guest under kvm)",
        v -> smp = v,
        style.names(List.of("-smp", "--smp"), "--vcpus"));
  }

  /** Adds how it is launched. */
  void addLaunchTo(Options o) {
    o.number("N", "decides keys and RDRAND (default: 1)", v -> seed = v, "--seed");
    o.number(
        "N",
        "guest policy: 1 no debugging, 2 no key sharing, 4 encrypted state, 8 no sending, 16"
            + " domain, 32 SEV (default: the profile's)",
        v -> policy = v,
        "--policy");
    o.text(
        "auto|on|off",
        "measure the hashes of what firmware is handed: if it has a place for them, or fail, or"
            + " never (default: auto)",
        v -> hashes = v,
        "--kernel-hashes");
    o.text(
        "init2|init",
        "FPU of the save areas of firmware: as KVM_SEV_INIT2 leaves it, or zero as the older"
            + " KVM_SEV_ES_INIT (default: init2)",
        v -> reset = v,
        "--fpu-reset");
    o.path(
        "F",
        "certificate of the owner's Diffie-Hellman key, binary or base64; with --session-file",
        v -> certificate = v,
        "--dh-cert-file");
    o.path(
        "F",
        "the owner's launch session, binary or base64; 'vesper session' makes both",
        v -> session = v,
        "--session-file");
  }

  /** Chooses the CPU model. */
  void cpu(String model) {
    cpu = model;
  }

  SevMode mode() {
    return switch (sev.toLowerCase(Locale.ROOT)) {
      case "off" -> SevMode.OFF;
      case "sev" -> SevMode.SEV;
      case "es", "seves", "sev-es" -> SevMode.ES;
      case "snp", "sev-snp" -> SevMode.SNP;
      case "snp:ovmf-hash" -> {
        if (style == Style.RUN) {
          throw new UserError("--sev snp:ovmf-hash is for 'vesper measure'; use --sev snp");
        }
        yield SevMode.SNP;
      }
      case "snp:svsm" ->
          throw new UserError(
              "--mode snp:svsm: an SVSM is launched by its IGVM file; use --mode snp --igvm F");
      default -> throw new UserError("--sev takes off, sev, es or snp, not '" + sev + "'");
    };
  }

  /** {@return whether only the firmware's own pages are measured} */
  boolean firmwareAlone() {
    return sev.equals("snp:ovmf-hash");
  }

  private Hardware.Board board() {
    return switch (board) {
      case "auto" -> Hardware.Board.AUTO;
      case "minimal" -> Hardware.Board.MINIMAL;
      case "pc" -> Hardware.Board.PC;
      case "q35" -> Hardware.Board.Q35;
      default -> throw new UserError("-M takes minimal, pc or q35, not '" + board + "'");
    };
  }

  boolean kvm() {
    return profile.equals("kvm");
  }

  long seed() {
    return seed;
  }

  void seed(long s) {
    seed = s;
  }

  /** {@return what the processor starts in before any kernel, or null} */
  private @Nullable Path firmware() {
    return bios != null ? bios : igvm;
  }

  /** {@return whether the embedded reference guest is launched} */
  boolean reference() {
    return file() == null && firmware() == null;
  }

  /** {@return the files that {@link #read} reads} */
  List<Path> files() {
    List<Path> all =
        new ArrayList<>(
            Stream.of(image, kernel, bios, igvm, nvram, initrd, certificate, session)
                .filter(Objects::nonNull)
                .toList());
    for (String s : smbios) {
      Path file = SmbiosOptions.file(s);
      if (file != null) {
        all.add(file);
      }
    }
    return all;
  }

  /** {@return the file of the variable store, or null} */
  @Nullable Path nvram() {
    return nvram;
  }

  /** {@return the kernel or image, or null} */
  @Nullable Path file() {
    return image != null ? image : kernel;
  }

  /** {@return what the processor starts in, or null for the reference guest} */
  @Nullable Path started() {
    return file() != null ? file() : firmware();
  }

  /** Refuses what makes no launch before any file is read. */
  void validate() {
    SevMode mode = mode();
    if (!entry.equals("32") && !entry.equals("64")) {
      throw new UserError("-entry takes 32 or 64, not '" + entry + "'");
    }
    if (board() != Hardware.Board.AUTO && !kvm()) {
      throw new UserError("-M: profile openbsd has vmd's board; use kvm to choose one");
    }
    if (board() == Hardware.Board.MINIMAL && firmware() != null) {
      throw new UserError("-M minimal: firmware needs -M pc or q35");
    }
    if (!smbios.isEmpty() || uuid != null) {
      String option = smbios.isEmpty() ? "-uuid" : "-smbios";
      if (!kvm()) {
        throw new UserError(option + ": profile openbsd has no SMBIOS tables; use kvm");
      }
      if (board() == Hardware.Board.MINIMAL) {
        throw new UserError("-M minimal has no SMBIOS tables: " + option + " needs -M pc or q35");
      }
    }
    if (image != null && kernel != null) {
      throw new UserError("give the image once: as IMAGE or with -kernel");
    }
    if (bios != null && igvm != null) {
      throw new UserError("-bios and -igvm: firmware of a guest with an IGVM file is in that file");
    }
    if (firmware() != null && !kvm()) {
      throw new UserError(
          (bios != null ? "-bios" : "-igvm")
              + ": profile openbsd starts kernels without firmware; use kvm");
    }
    if (file() == null && (initrd != null || append != null)) {
      throw new UserError(
          (initrd != null ? "-initrd" : "-append")
              + ": name the kernel that it is for with -kernel");
    }
    if (nvram != null && bios == null) {
      throw new UserError("--nvram: name the firmware that uses it with -bios");
    }
    if (hashes.equals("on") && (file() == null || bios == null)) {
      throw new UserError(
          "--kernel-hashes on: name the firmware with -bios and the kernel with -kernel");
    }
    if ((certificate == null) != (session == null)) {
      throw new UserError("--dh-cert-file and --session-file belong together: give both");
    }
    if (mode == SevMode.SNP) {
      validateSnp();
      return;
    }
    boolean launched = policy != null || session != null;
    if (mode == SevMode.OFF && launched) {
      throw new UserError("--policy and --session-file are for a launch: use --sev sev or es");
    }
    Long p = policy;
    if (p == null) {
      return;
    }
    if (p < 0 || p > 0xFFFF_FFFFL) {
      throw new UserError("--policy takes 32 bits, not " + p);
    }
    boolean es = new GuestPolicy(p.intValue()).has(GuestPolicy.ES);
    if (es != (mode == SevMode.ES)) {
      throw new UserError(
          "--policy "
              + new GuestPolicy(p.intValue())
              + (es
                  ? " asks for encrypted state (ES, 4): use --sev es"
                  : " is not for encrypted state (ES, 4 is missing), which --sev es is"));
    }
  }

  private void validateSnp() {
    if (!kvm()) {
      throw new UserError("--sev snp: profile openbsd launches SEV-ES guests; use kvm or --sev es");
    }
    if (session != null) {
      throw new UserError("--session-file: an SNP launch has no session; use --sev sev or es");
    }
    if (nvram != null) {
      throw new UserError(
          "--nvram: a flash cannot be private memory, which firmware under SNP is; leave it out");
    }
    if (sev.equals("snp:ovmf-hash") && bios == null) {
      throw new UserError("--mode snp:ovmf-hash: name the firmware with --ovmf");
    }
    Long p = policy;
    if (p != null
        && !(new SnpPolicy(p).defined() && new SnpPolicy(p).has(SnpPolicy.RESERVED_ONE))) {
      throw new UserError(
          "--policy 0x"
              + Long.toHexString(p)
              + ": a policy of SNP has bits 0 to 25, and bit 17 is set, as in 0x30000");
    }
  }

  private KernelHashing hashes(byte[] kernelBytes) {
    return switch (hashes) {
      case "off" -> KernelHashing.OFF;
      case "on" -> KernelHashing.ON;
      case "auto" ->
          // A kernel of no bytes is one too.
          file() != null && kernelBytes.length == 0 ? KernelHashing.ON : KernelHashing.AUTO;
      default -> throw new UserError("--kernel-hashes takes auto, on or off, not '" + hashes + "'");
    };
  }

  private ResetState reset() {
    return switch (reset) {
      case "init2" -> ResetState.QEMU;
      case "init" -> ResetState.QEMU_INIT;
      default -> throw new UserError("--fpu-reset takes init2 or init, not '" + reset + "'");
    };
  }

  /** {@return what a file of the owner's holds: bytes, or base64 as tools write it} */
  private static byte[] decoded(Path p, String what, int bytes) {
    byte[] b = UserFiles.read(p, what);
    if (b.length == bytes) {
      return b;
    }
    try {
      byte[] d =
          Base64.getMimeDecoder().decode(new String(b, java.nio.charset.StandardCharsets.US_ASCII));
      if (d.length == bytes) {
        return d;
      }
    } catch (IllegalArgumentException e) {
      // neither form
    }
    throw new UserError(
        "the " + what + " " + p + " is not " + bytes + " bytes, plain or in base64");
  }

  /** {@return what is said of SMBIOS tables, or null if nothing is} */
  private @Nullable Smbios smbios() {
    String u = uuid;
    if (smbios.isEmpty() && u == null) {
      return null;
    }
    return UserError.of(
        () ->
            SmbiosOptions.read(
                "-smbios", smbios, u == null ? null : SmbiosOptions.uuid("-uuid", u)));
  }

  private MachineSpec.@Nullable Session owner() {
    Path c = certificate;
    Path s = session;
    if (c == null || s == null) {
      return null;
    }
    try {
      return new MachineSpec.Session(
          SevCertificate.parse(decoded(c, CERTIFICATE, SevCertificate.BYTES)),
          LaunchSession.parse(decoded(s, SESSION, LaunchSession.BYTES)));
    } catch (IllegalArgumentException e) {
      throw new UserError("--dh-cert-file " + c + ": " + e.getMessage());
    }
  }

  /** {@return options of a machine, read from the files; ports are for the caller to connect} */
  MachineSpec read() {
    validate();
    Path file = file();
    Path firmwareFile = firmware();
    byte[] bytes =
        reference() ? Locore.image() : file == null ? new byte[0] : UserFiles.read(file, "image");
    MachineSpec.Firmware firmware = null;
    if (firmwareFile != null) {
      byte[] code = UserFiles.read(firmwareFile, bios != null ? "firmware" : "IGVM file");
      if (IgvmImage.isOne(code) != (igvm != null)) {
        throw new UserError(
            igvm != null
                ? "-igvm " + igvm + " is no IGVM file: firmware as it is goes with -bios"
                : "-bios " + bios + " is an IGVM file: name it with -igvm");
      }
      firmware =
          nvram == null
              ? MachineSpec.Firmware.of(code)
              : new MachineSpec.Firmware(code, UserFiles.read(nvram, "variable store"));
    }
    MachineSpec.Boot boot =
        new MachineSpec.Boot(
            bytes,
            file == null ? "locore" : file.getFileName().toString(),
            initrd == null ? made : UserFiles.read(initrd, "initrd"),
            append == null ? "" : append,
            entry.equals("32"),
            firmware);
    String model =
        cpu != null
            ? cpu
            : mode() == SevMode.SNP
                ? "EPYC-Milan"
                : reference() ? "vesper-min,+xsave" : "vesper-min";
    Long p = policy;
    boolean snp = mode() == SevMode.SNP;
    return MachineSpec.builder()
        .snp(snp && p != null ? SnpLaunch.DEFAULT.withPolicy(new SnpPolicy(p)) : SnpLaunch.DEFAULT)
        .mode(mode())
        .profile(profile)
        .processors(smp != null ? smp : reference() && kvm() ? 2 : 1)
        .memoryBytes(UserError.of(() -> HardwareOptions.memory("-m", memory)))
        .boot(boot)
        .cpuModel(model)
        .seed(seed)
        .launch(
            new MachineSpec.Launch(
                snp || p == null ? null : new GuestPolicy(p.intValue()),
                reset(),
                null,
                hashes(bytes),
                owner(),
                MachineSpec.Launch.DEFAULT.secret()))
        .hardware(Hardware.NONE.withBoard(board()).withSmbios(smbios()))
        .build();
  }
}
