package dev.vesper.cli;

import dev.vesper.fuzz.Harness;
import dev.vesper.fuzz.Oracles;
import dev.vesper.fuzz.SiteFilter;
import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.Until;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.device.share.ShareBoundary;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What a campaign executes: the guest, from where to where, and which answers may be changed. */
final class FuzzOptions implements AutoCloseable {
  private static final String CONSOLE = "console:";
  private static final long LIMIT = 20_000_000;

  private final GuestOptions guest = new GuestOptions();
  private final List<Drives> open = new ArrayList<>();
  private List<String> drive = List.of();
  private List<String> nic = List.of();
  private List<String> share = List.of();
  private @Nullable String from;
  private @Nullable String until;
  private long limit = LIMIT;
  private String only = "";
  private String not = "";
  private String translator = "";
  private @Nullable String oracle;

  /** Adds the options to a command's. */
  void addTo(Options o) {
    guest.addTo(o, GuestOptions.Style.RUN);
    o.number("N", "decides keys and RDRAND (default: 1)", v -> guest.seed(v), "--seed");
    o.phrases(
        "file=F[,if=virtio]",
        "a disk, which is only read; may be repeated",
        v -> drive = v,
        "-drive",
        "--drive");
    o.phrases(
        "user|none",
        "a virtio network adapter whose gateway gives addresses and answers pings; nothing is"
            + " behind it; may be repeated",
        v -> nic = v,
        "-nic",
        "--nic");
    o.phrases(
        "path=DIR,tag=TAG",
        "a folder that the guest can mount, as it is when the campaign begins: nobody writes to it;"
            + " at most 64 MiB; profile kvm; may be repeated",
        v -> share = v,
        "--share");
    o.text(
        "N|SYMBOL|console:TEXT",
        "where executions begin: behind N instructions, before a symbol, or when the console says"
            + " TEXT (default: before the first answer that may be changed)",
        v -> from = v,
        "--from");
    o.text(
        "N|SYMBOL|console:TEXT",
        "where they end, if they do not end before; an execution that does not come there is a"
            + " hang",
        v -> until = v,
        "--until");
    o.count(
        "N", "instructions of one execution (default: 20000000)", v -> limit = v, "--limit-insns");
    o.text(
        "LIST",
        "change these answers alone: cpuid, msr, port, pci, mmio, proto, vc with a number or range"
            + " as in port:0x60-0x64, or virtio, fw_cfg, shared, irq, inject, time,"
            + " error",
        v -> only = v,
        "--only");
    o.text("LIST", "do not change these answers", v -> not = v, "--not");
    o.text(
        "LIST",
        "look for more than guests that fail: cbit for private memory that is used as shared, or"
            + " the reverse; rip for code that was none; leak for private bytes that reach the"
            + " host, of secret=SYMBOL or secret=ADDRESS+LENGTH alone if need be, and taint for"
            + " values of the host's that are used unchecked, which take up to half of the time"
            + " (docs/campaigns.md)",
        v -> oracle = v,
        FlowWords.OPTION);
    o.text(
        "native|regions|none",
        "by what guest code is executed (default: what is fastest here)",
        v -> translator = v,
        "--translator");
  }

  /** The image that stands for itself on the command line. */
  void image(Path p) {
    guest.image(p);
  }

  /** {@return what is fuzzed, for people} */
  String title() {
    Path p = guest.started();
    return p == null ? "locore" : String.valueOf(p.getFileName());
  }

  /**
   * {@return what is executed}
   *
   * @param written where the command writes, which the guest shares nothing of
   * @throws UserError if the options or files are not understood
   */
  Harness harness(List<Path> written) {
    Oracles oracles = FuzzOracles.read(oracle);
    SevMode mode = guest.mode();
    if (mode != SevMode.ES && mode != SevMode.SNP) {
      throw new UserError(
          "fuzz changes answers that a guest gets by its GHCB: take --sev es or snp");
    }
    if (limit < 1) {
      throw new UserError("--limit-insns: an execution has at least 1 instruction");
    }
    MachineSpec spec = guest.read();
    for (String d : drive) {
      UserError.of(() -> HardwareOptions.driveFile("-drive", d));
    }
    nic.forEach(FuzzOptions::network);
    List<Hardware.Share> shares = shares(written);
    SiteFilter sites;
    try {
      sites = SiteFilter.of(only, not);
    } catch (CampaignException e) {
      throw new UserError(String.valueOf(e.getMessage()));
    }
    return new Harness(
        () -> own(spec, shares),
        place("--from", from),
        place("--until", until),
        limit,
        sites,
        translation(),
        oracles);
  }

  /** {@return a network that leads nowhere, or null for none} */
  private static @Nullable Network network(String option) {
    Network n = UserError.of(() -> HardwareOptions.nic("-nic", option, false));
    if (n != null && n.live()) {
      throw new UserError(
          "-nic " + option + ": executions of a campaign reach nobody outside: take -nic user");
    }
    return n;
  }

  /** {@return folders as they are now, which all machines have} */
  private List<Hardware.Share> shares(List<Path> written) {
    if (!share.isEmpty() && !guest.kvm()) {
      throw new UserError("--share: profile openbsd has no shared folders; use kvm");
    }
    return UserError.of(
        () -> {
          List<Hardware.Share> all =
              share.stream().map(s -> HardwareOptions.frozenShare("--share", s)).toList();
          ShareBoundary b = new ShareBoundary(all.stream().map(Hardware.Share::server).toList());
          // What a campaign writes would be in the folder of who does a finding again.
          written.forEach(b::requireWritable);
          return all;
        });
  }

  /** A machine's disks and networks are its own: what it writes to them goes nowhere. */
  private synchronized MachineSpec own(MachineSpec spec, List<Hardware.Share> shares) {
    Hardware h = spec.hardware().withShares(shares);
    if (!drive.isEmpty()) {
      Drives d = new Drives(drive, false, true);
      open.add(d);
      h = h.withDrives(d.list());
    }
    h = h.withNetworks(nic.stream().flatMap(n -> Stream.ofNullable(network(n))).toList());
    return spec.toBuilder().hardware(h).build();
  }

  private static @Nullable Until place(String option, @Nullable String said) {
    if (said == null) {
      return null;
    }
    if (said.startsWith(CONSOLE)) {
      return Until.console(said.substring(CONSOLE.length()));
    }
    if (!said.isEmpty() && Character.isDigit(said.charAt(0))) {
      return UserError.of(
          () -> {
            try {
              return Until.instructions(Quantities.count(said));
            } catch (IllegalArgumentException e) {
              throw new IllegalArgumentException(
                  option + " '" + said + "' is no count of instructions", e);
            }
          });
    }
    if (said.isEmpty()) {
      throw new UserError(option + ": name a symbol, a count of instructions or console:TEXT");
    }
    return Until.symbol(said);
  }

  private @Nullable Translator translation() {
    return switch (translator) {
      case "" -> null;
      case "native" -> Translator.NATIVE;
      case "regions" -> Translator.REGIONS;
      case "none" -> Translator.NONE;
      default ->
          throw new UserError(
              "--translator takes native, regions or none, not '" + translator + "'");
    };
  }

  @Override
  public void close() {
    for (Drives d : open) {
      try {
        d.close();
      } catch (IOException e) {
        throw new UserError("a disk cannot be closed: " + UserError.reason(e));
      }
    }
  }
}
