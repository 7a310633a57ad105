package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.LogItem;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.BootOptions;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** What the command line of {@code run} says, for who runs. */
final class RunOptions {
  /** What QEMU calls the exit port that every board has. */
  static final String DEBUG_EXIT = "isa-debug-exit,iobase=0xf4,iosize=0x4";

  static final String FILE = "file:";
  static final String STDERR = "stderr";
  static final String ROM_FILE = "std,romfile=";

  final GuestOptions guest = new GuestOptions();
  final SnpRunOptions snp = new SnpRunOptions();
  final DebugOptions debug = new DebugOptions();
  final SnapshotOptions snapshots = new SnapshotOptions();
  final MonitorOptions monitor = new MonitorOptions();
  String serial = "stdio";
  List<String> drive = List.of();
  List<String> nic = List.of();
  List<String> device = List.of();
  List<String> share = List.of();
  String vga = "none";
  @Nullable Path screenshot;
  boolean snapshot;
  Reboots.Action reboot = Reboots.Action.AUTO;
  boolean noShutdown;
  List<String> items = List.of();
  List<String> boot = List.of();
  String debugcon = "stderr";
  String rtc = "";
  String virtioConsole = "none";
  boolean executeOnly;
  List<String> intercept = new ArrayList<>();
  List<Path> trace = new ArrayList<>();
  @Nullable Path symbolFile;
  boolean check;
  final CheckOptions checkOptions = new CheckOptions();
  final BreakOn breakOn = new BreakOn();
  final PageOptions pages = new PageOptions();
  final HostileOptions hostile = new HostileOptions();
  final OracleOptions oracle = new OracleOptions();
  List<Path> coverage = new ArrayList<>();
  String log = "";
  @Nullable Path logFile;
  List<String> hostFaults = new ArrayList<>();
  List<String> secret = List.of();
  boolean measureOnly;
  String translator = "";
  String codeCache = "";
  @Nullable Integer translateAfter;
  long limitInsns = Long.MAX_VALUE;
  double timeout;
  @Nullable Double silence;
  @Nullable String memoryLimit;
  String maxOutput = OutputLimit.DEFAULT;
  @Nullable Integer successStatus;
  String json = "";
  String exitStatus = "guest";
  boolean verbose;
  @Nullable Path record;

  /** Nothing of a virtio console that is there is shown. */
  boolean virtioConsoleMuted;

  final Sandbox sandbox;

  /** What was said, by the first name of each option, empty of what stands for itself. */
  final Map<String, List<?>> given = new LinkedHashMap<>();

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  RunOptions(@Nullable Function<Policy, Confinement> confine) {
    sandbox = new Sandbox(confine);
  }

  /** Adds all options but what stands for itself on the command line. */
  Options addTo(Options o) {
    o.plain(PlainWords::are);
    o.tell((names, values) -> given.put(names.isEmpty() ? "" : names.get(0), values));
    guest.addTo(o, GuestOptions.Style.RUN);
    o.text(
        "WHERE",
        "where COM1 leads: stdio (at a terminal Ctrl-A h is help), stderr, file:F, none;"
            + " tcp:[127.0.0.1]:PORT or unix:PATH connects, and with ,server listens, waiting for"
            + " somebody unless ,wait=off; pty is a new pseudo terminal (default: stdio)",
        v -> serial = v,
        "-serial",
        "--serial");
    o.phrases(
        "file=F[,KEY=VALUE...]",
        "a disk: format=raw or qcow2 (default: what the file is, but a guest may not make its raw"
            + " disk look otherwise), if=virtio or ide (default: virtio), media=cdrom (a CD-ROM"
            + " drive, ide by default), readonly=on, bootindex=N (firmware tries the least first),"
            + " snapshot=on (what the guest writes is forgotten at the end); may be repeated",
        v -> drive = v,
        "-drive",
        "--drive");
    o.phrases(
        "user[,...]|none",
        "a virtio network adapter: user is a network with a gateway that gives"
            + " addresses by DHCP and answers pings; hostfwd=tcp:[127.0.0.1]:PORT-[ADDRESS]:PORT"
            + " lets 127.0.0.1 of the computer in, guestfwd=tcp:10.0.2.2:PORT-tcp:127.0.0.1:PORT"
            + " the guest out, and nothing else is behind it; may be repeated (default: none)",
        v -> nic = v,
        "-nic",
        "--nic");
    o.text(
        "std|none",
        "a screen for profile kvm: QEMU's standard VGA; std,romfile=F names the VGA BIOS that"
            + " SeaBIOS needs (default: none)",
        v -> vga = v,
        "-vga",
        "--vga");
    o.phrases(
        "pc-testdev",
        "QEMU's test device of ports, interrupt lines and memory, for profile kvm;"
            + " isa-debug-exit,iobase=0xf4,iosize=0x4 is taken too, which every board has; may be"
            + " repeated",
        v -> device = v,
        "-device",
        "--device");
    o.path(
        "F",
        "write what the screen shows at the end: .png for graphics, .txt for text",
        v -> screenshot = v,
        "--screenshot");
    o.phrases(
        "path=DIR,tag=TAG",
        "a folder that the guest can mount: mount -t virtiofs TAG /mnt; readonly=on; profile kvm;"
            + " may be repeated",
        v -> share = v,
        "--share");
    o.flag(
        "disks and variable store stay as they are: what the guest writes is forgotten at the end",
        () -> snapshot = true,
        "-snapshot",
        "--snapshot");
    o.flag(
        "a reset of the guest ends the run; without, a guest of --sev off, or of sev with firmware,"
            + " starts again, twice at most if each time takes less than a minute",
        () -> reboot = Reboots.Action.SHUTDOWN,
        "-no-reboot",
        "--no-reboot");
    o.flag(
        "a guest that powers off stays as it is, until Ctrl-A x, a signal or --timeout ends the"
            + " run",
        () -> noShutdown = true,
        "-no-shutdown",
        "--no-shutdown");
    o.texts(
        "reboot=reset|shutdown",
        "what a reset of the guest does: it starts again as often as it likes, or -no-reboot; and"
            + " shutdown=poweroff|pause what it does by powering off: the end, or -no-shutdown",
        this::action,
        "-action",
        "--action");
    o.text(
        "stderr|file:F|none",
        "where a virtio console goes (default: none)",
        v -> virtioConsole = v,
        "--virtio-console");
    o.text(
        "stderr|stdio|file:F|none",
        "where the debug ports 0xe9 and 0x402 lead (default: stderr)",
        v -> debugcon = v,
        "-debugcon",
        "--debugcon");
    o.phrases(
        "name=opt/NAME,string=S|file=F",
        "an item of the firmware configuration device of -M pc and q35, which Linux shows in"
            + " /sys/firmware/qemu_fw_cfg; may be repeated",
        v -> items = v,
        "-fw_cfg",
        "--fw-cfg");
    o.phrases(
        "[order=]DEVICES[,KEY=VALUE...]",
        "what firmware of -M pc and q35 is told about booting: an order for SeaBIOS of c (disk), d"
            + " (CD-ROM), n and a; once=DEVICES up to the first reset; menu=on,splash-time=MS;"
            + " reboot-timeout=MS; strict=on. -drive has bootindex=N, by which OVMF goes too; may"
            + " be repeated",
        v -> boot = v,
        "-boot",
        "--boot");
    o.text(
        "base=utc|localtime|DATE",
        "what the clock says at the start, as in base=2026-06-17T16:01:21; utc and localtime take"
            + " it from the computer, so that runs differ (default: 2027-01-01)",
        v -> rtc = v,
        "-rtc",
        "--rtc");
    o.flag(
        "data reads of the image's text fault while paging is on",
        () -> executeOnly = true,
        "--execute-only");
    o.texts(
        "NAME",
        "intercept more than the profile does: rdtsc, rdtscp, rdpmc, wbinvd, invd, vmmcall, dr7,"
            + " monitor, mwait",
        v -> intercept = v,
        "--intercept");
    o.paths(
        "F",
        "write every event to a file: .jsonl (JSON Lines), .perfetto (Perfetto UI), .pcapng"
            + " (Wireshark), .html (report) or .txt; .jsonl.gz and .txt.gz are packed; may be"
            + " repeated",
        v -> trace = v,
        "--trace");
    o.path(
        "F",
        "names of the guest's code: an ELF file (with DWARF for source lines) or a System.map; a"
            + " Linux kernel that KASLR has moved is found by itself",
        v -> symbolFile = v,
        "--symbols");
    o.flag(
        "hold guest and hypervisor to the GHCB protocol; status 4 if one breaks it",
        () -> check = true,
        "--check");
    checkOptions.addTo(o);
    breakOn.addTo(o);
    pages.addTo(o);
    o.paths(
        "F",
        "write which code of the guest was executed: .info (lcov, needs source lines) or .drcov;"
            + " may be repeated",
        v -> coverage = v,
        "--coverage");
    o.texts(
        "NAME",
        "let the hypervisor break the protocol: no-valid-bits, stale-info, touch-save-area,"
            + " touch-private, msr-code, msr-register, xsave-size, bad-exception, refuse,"
            + " fatal-unknown, cpuid-leaf, read-private, under --sev snp page-state-undone,"
            + " page-state-stuck, page-state-invalid, take-page; vc:CODE@N, which injects #VC after"
            + " N instructions; and under --sev snp take:GPA@N, remap:GPA@N, swap:GPA:GPA@N,"
            + " foreign-asid:GPA@N, moved:GPA@N, immutable:GPA@N, mapping-size:GPA@N and"
            + " no-permissions:GPA@N, which do that to pages of the guest",
        v -> hostFaults = v,
        "--host-fault");
    hostile.addTo(o);
    oracle.addTo(o);
    o.text(
        "ITEMS",
        "log as QEMU does: some of int, cpu_reset, in_asm, exec, cpu, fpu, guest_errors with commas"
            + " between them; -d help lists them",
        v -> log = v,
        "-d");
    o.path("F", "where -d logs to (default: stderr)", v -> logFile = v, "-D");
    debug.addTo(o);
    o.path(
        "F",
        "write what reaches the guest from outside to a file, with which 'vesper replay F' has the"
            + " same run again",
        v -> record = v,
        "--record");
    snapshots.addTo(o);
    monitor.addTo(o);
    guest.addLaunchTo(o);
    snp.addTo(o);
    o.texts(
        "F",
        "put a secret into the area that the firmware publishes: a file, GUID=FILE for an entry of"
            + " the table that efi_secret reads (may be repeated), or HEADER,PAYLOAD as sevctl"
            + " seals them",
        v -> secret = v,
        "--secret");
    o.flag(
        "launch, print digest and measurement, and end",
        () -> measureOnly = true,
        "--measure-only");
    o.text(
        "native|regions|none",
        "execute guest code by native code, by methods of the JVM that are made of hot code, or by"
            + " the interpreter alone (default: native, or regions where there can be no native"
            + " code; -v says why); results are the same",
        v -> translator = v,
        "--translator");
    o.text(
        "DIR|off",
        "keep native code between runs in a folder of your own, so that the next boot of a kernel"
            + " need not make it again (default: $XDG_CACHE_HOME/vesper/code, or"
            + " ~/.cache/vesper/code); results are the same",
        v -> codeCache = v,
        "--code-cache");
    o.integer(
        "N",
        "without native code, translate a block of code when it has been interpreted N times"
            + " (default: 10000); 1 translates everything, 0 nothing; results are the same",
        v -> translateAfter = v,
        "--translate-after");
    o.count(
        "N",
        "end after N instructions, status 124; 10M is ten million",
        v -> limitInsns = v,
        "--limit-insns");
    o.duration(
        "S", "end after S seconds, status 124; or 90s, 2m, 1h", v -> timeout = v, "--timeout");
    o.duration(
        "S",
        "say what the guest does that has printed nothing for S seconds; 0 does not (default: 10)",
        v -> silence = v,
        "--silence");
    o.text(
        "SIZE",
        "memory that the whole process may take, as in 900M or 2G: that of the guest and at least"
            + " 448M besides (default: about 1G besides)",
        v -> memoryLimit = v,
        "--memory-limit");
    o.text(
        "SIZE",
        "most that is written to the console, to a virtio console, to the debug ports' output, to"
            + " stderr by -v and to each trace; what is more is left out, but for the end of a"
            + " trace (default: "
            + OutputLimit.DEFAULT
            + ")",
        v -> maxOutput = v,
        "--max-output");
    o.integer(
        "N",
        "a guest's exit status that means success and becomes 0 (default: 33, a write of 0x10 to"
            + " port 0xf4, for the reference guest; none otherwise)",
        v -> successStatus = v,
        "--success-status");
    sandbox.addTo(o);
    o.text(
        "guest|outcome",
        "whose the exit status is: guest, the one that the guest chooses by port 0xf4 if it does,"
            + " which may be any odd one; outcome, Vesper's alone, where such an end is 1, or 0"
            + " if it is --success-status, and --json has the value (default: guest)",
        v -> exitStatus = v,
        "--exit-status");
    o.optional(
        "stderr|F.json",
        "write a summary as JSON at the end; --json alone writes it to stderr",
        "stderr",
        v -> v.endsWith(".json"),
        v -> json = v,
        "--json");
    o.flag(
        "a line on stderr for each #VC, VMGEXIT, write trap and automatic exit",
        () -> verbose = true,
        "-v");
    return o;
  }

  private void action(List<String> all) {
    for (String a : all) {
      switch (a) {
        case "reboot=reset" -> reboot = Reboots.Action.RESET;
        case "reboot=shutdown" -> reboot = Reboots.Action.SHUTDOWN;
        case "shutdown=poweroff" -> noShutdown = false;
        case "shutdown=pause" -> noShutdown = true;
        default ->
            throw new UserError(
                "-action takes reboot=reset, reboot=shutdown, shutdown=poweroff or shutdown=pause,"
                    + " not '"
                    + a
                    + "'");
      }
    }
  }

  /**
   * {@return what guest code is executed by, or null if nothing is said}
   *
   * @throws UserError if it is not understood
   */
  @Nullable Translator translation() {
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

  /**
   * {@return the folder of native code, or null if none is to be kept or executed} In a process of
   * others, as of tests, it is kept only if a folder is named.
   */
  @Nullable Path codeFolder() {
    Translator t = translation();
    if (codeCache.equals("off")
        || measureOnly
        || translateAfter != null
        || t != null && t != Translator.NATIVE
        || !codeFolderIsNamed() && !sandbox.isAlone()) {
      return null;
    }
    return codeFolderIsNamed()
        ? UserFiles.path(codeCache).toAbsolutePath()
        : Caches.folder().resolve("code");
  }

  /** {@return whether it is one that the user has named} */
  boolean codeFolderIsNamed() {
    return !codeCache.isEmpty();
  }

  /**
   * Looks at what the options say together, before anything is done.
   *
   * @throws UserError if they cannot be meant
   */
  void validate() {
    sandbox.validate();
    guest.validate();
    SevMode mode = guest.mode();
    if (limitInsns < 0 || timeout < 0 || silence != null && silence < 0) {
      throw new UserError("limits must not be negative");
    }
    if (!List.of("", "off").contains(codeCache)) {
      Path folder = UserFiles.path(codeCache);
      if (Files.exists(folder) && !Files.isDirectory(folder)) {
        throw new UserError("--code-cache " + folder + " is no folder: name one, or off");
      }
      UserFiles.requireFolder(folder.toAbsolutePath());
    }
    if (translateAfter != null && translateAfter < 0) {
      throw new UserError("--translate-after must not be negative");
    }
    Translator t = translation();
    if (translateAfter != null && t != null && t != Translator.REGIONS) {
      throw new UserError("--translate-after is for --translator regions, not " + translator);
    }
    if (!List.of("guest", "outcome").contains(exitStatus)) {
      throw new UserError("--exit-status takes guest or outcome, not '" + exitStatus + "'");
    }
    if (!json.isEmpty() && !json.equals(STDERR) && !json.endsWith(".json")) {
      throw new UserError("--json=" + json + ": the name must end in .json");
    }
    if (mode == SevMode.OFF && (measureOnly || !secret.isEmpty())) {
      throw new UserError("--measure-only and --secret are for a launch: use --sev sev or es");
    }
    Map<String, String> consoles =
        Map.of("-serial", serial, "--virtio-console", virtioConsole, "-debugcon", debugcon);
    debug.validate(consoles, monitor.isWanted());
    Map<String, String> taken = new TreeMap<>(consoles);
    taken.put("-gdb", debug.where());
    monitor.validate(taken);
    snapshots.validate(this);
    snp.validate(mode == SevMode.SNP);
    if (mode == SevMode.SNP && !secret.isEmpty()) {
      throw new UserError("--secret: an SNP launch has none; use --sev sev or es");
    }
    if (checkOptions.given() && !check) {
      throw new UserError("--allow, --baseline, --write-baseline and --report need --check");
    }
    if (check && !mode.encryptsState()) {
      throw new UserError("--check judges the GHCB protocol, which only --sev es and snp have");
    }
    checkOptions.validate();
    oracle.validate(mode.encryptsState());
    breakOn.validate(check);
    pages.validate();
    if (pages.wantsEvents() && mode == SevMode.OFF) {
      throw new UserError("--page is about memory that is private or shared: use --sev es or snp");
    }
    if (pages.wantsMap() && mode != SevMode.SNP) {
      throw new UserError("--memory-map shows the reverse map table, which only --sev snp has");
    }
    if (!share.isEmpty() && !guest.kvm()) {
      throw new UserError("--share: profile openbsd has no shared folders; use kvm");
    }
    validateScreenshot();
    validateRecord();
    logItems();
    if (logFile != null && log.isEmpty()) {
      throw new UserError("-D " + logFile + ": say what is to be logged, as in -d int");
    }
    coverage.forEach(RunOptions::validateCoverage);
    coverage.forEach(UserFiles::requireFolder);
  }

  /** {@return what is to be logged} */
  Set<LogItem> logItems() {
    return log.isEmpty() ? Set.of() : UserError.of(() -> LogItem.of(log));
  }

  List<Hardware.ConfigItem> items() {
    if (!items.isEmpty() && !guest.kvm()) {
      throw new UserError("-fw_cfg: profile openbsd has no fw_cfg; use kvm");
    }
    return items.stream().map(i -> UserError.of(() -> HardwareOptions.item("-fw_cfg", i))).toList();
  }

  /** {@return what firmware is told about booting, or null if nothing is said} */
  @Nullable BootOptions boot() {
    if (boot.isEmpty()) {
      return null;
    }
    if (!guest.kvm()) {
      throw new UserError("-boot: profile openbsd has no fw_cfg; use kvm");
    }
    return UserError.of(() -> HardwareOptions.boot("-boot", String.join(",", boot)));
  }

  /** {@return the files that are read, or have been} */
  List<Path> read() {
    List<Path> all = machineFiles();
    all.addAll(checkOptions.read());
    if (hostile.file() != null) {
      all.add(hostile.file());
    }
    if (symbolFile != null) {
      all.add(symbolFile);
    }
    return all;
  }

  /** {@return the files that the machine is made of, in an order that the options alone decide} */
  List<Path> machineFiles() {
    List<Path> all = new ArrayList<>(guest.files());
    all.addAll(LaunchSecrets.files(secret));
    all.addAll(snp.files());
    if (vga.startsWith(ROM_FILE)) {
      all.add(UserFiles.path(vga.substring(ROM_FILE.length())));
    }
    for (String i : items) {
      Path file = HardwareOptions.itemFile(i);
      if (file != null) {
        all.add(file);
      }
    }
    drive.forEach(d -> all.add(UserError.of(() -> HardwareOptions.driveFile("-drive", d))));
    Path snapshot = snapshots.load();
    if (snapshot != null) {
      all.add(snapshot);
    }
    return all;
  }

  /** {@return whether disks and variable store stay as they are} */
  boolean forgets() {
    return snapshot || snapshots.areGiven();
  }

  /** {@return the files that are written} */
  List<Path> written() {
    List<Path> all = new ArrayList<>(trace);
    all.addAll(wholeFiles());
    if (guest.nvram() != null && !forgets()) {
      all.add(guest.nvram());
    }
    if (logFile != null) {
      all.add(logFile);
    }
    if (record != null) {
      all.add(record);
    }
    for (String d : drive) {
      if (UserError.of(() -> HardwareOptions.driveIsWritten("-drive", d, forgets()))) {
        all.add(UserError.of(() -> HardwareOptions.driveFile("-drive", d)));
      }
    }
    for (String where : List.of(serial, virtioConsole, debugcon)) {
      if (where.startsWith(FILE)) {
        all.add(UserFiles.path(where.substring(FILE.length())));
      }
    }
    return all;
  }

  /** {@return the files that are written at the end, as a whole} */
  List<Path> wholeFiles() {
    List<Path> all = new ArrayList<>(coverage);
    all.addAll(checkOptions.written());
    if (screenshot != null) {
      all.add(screenshot);
    }
    if (json.endsWith(".json")) {
      all.add(Path.of(json));
    }
    Path snapshot = snapshots.out();
    if (snapshot != null) {
      all.add(snapshot);
    }
    return all;
  }

  Hardware.@Nullable Screen screen() {
    if (vga.equals("none")) {
      return null;
    }
    if (!vga.equals("std") && !vga.startsWith(ROM_FILE)) {
      throw new UserError("-vga takes none, std or std,romfile=F, not '" + vga + "'");
    }
    if (!guest.kvm()) {
      throw new UserError("-vga: profile openbsd has no screen; use kvm");
    }
    return new Hardware.Screen(
        vga.equals("std")
            ? new byte[0]
            : UserFiles.read(UserFiles.path(vga.substring(ROM_FILE.length())), "VGA BIOS"));
  }

  /** Refuses what a replay could not have again. */
  private void validateRecord() {
    Path p = record;
    if (p == null) {
      return;
    }
    UserFiles.requireFolder(p);
    if (!share.isEmpty()) {
      throw new UserError(
          "--record and --share: what a folder has is not recorded; give the guest a disk, by"
              + " -drive file=F,readonly=on");
    }
    if (measureOnly) {
      throw new UserError("--record and --measure-only: nothing runs that could be recorded");
    }
    for (String d : drive) {
      if (UserError.of(() -> HardwareOptions.driveIsWritten("-drive", d, forgets()))) {
        throw new UserError(
            "--record: the guest may write to "
                + HardwareOptions.driveFile("-drive", d)
                + ", which a replay needs as it is now: add -snapshot, or snapshot=on to the"
                + " drive");
      }
    }
    if (guest.nvram() != null && !forgets()) {
      throw new UserError(
          "--record: "
              + guest.nvram()
              + " is written at the end, and a replay needs it as it is now: add -snapshot");
    }
  }

  private void validateScreenshot() {
    Path p = screenshot;
    if (p == null) {
      return;
    }
    if (!p.toString().endsWith(".txt") && !p.toString().endsWith(".png")) {
      throw new UserError("--screenshot " + p + ": the name must end in .png or .txt");
    }
    if (vga.equals("none")) {
      throw new UserError("--screenshot needs a screen: -vga std");
    }
    UserFiles.requireFolder(p);
  }

  /** {@return whether a -device option asks for the test device} */
  boolean testDevice() {
    boolean any = false;
    for (String d : device) {
      String plain = d.replace(" ", "");
      if (plain.equals("pc-testdev")) {
        any = true;
      } else if (!plain.equals(DEBUG_EXIT)) {
        throw new UserError("-device takes pc-testdev or " + DEBUG_EXIT + ", not '" + d + "'");
      }
    }
    if (any && !guest.kvm()) {
      throw new UserError("-device pc-testdev is for profile kvm");
    }
    return any;
  }

  private static void validateCoverage(Path p) {
    if (!p.toString().endsWith(".info") && !p.toString().endsWith(".drcov")) {
      throw new UserError("--coverage " + p + ": the name must end in .info or .drcov");
    }
  }

  /** Refuses coverage by line before anything runs. */
  void requireLines(Symbols names) {
    for (Path p : coverage) {
      if (p.toString().endsWith(".info") && names.lines().all().isEmpty()) {
        throw new UserError(
            "--coverage "
                + p
                + ": the image has no DWARF lines; name a file that has with --symbols");
      }
    }
  }

  static String title(@Nullable Path file, SevMode mode) {
    return (file == null ? "locore" : file.getFileName().toString())
        + " --sev "
        + mode.name().toLowerCase(Locale.ROOT);
  }

  Symbols symbols(byte[] bytes) {
    try {
      return Machine.readSymbols(String.valueOf(symbolFile), bytes);
    } catch (BootException e) {
      throw new UserError("--symbols: " + e.getMessage());
    }
  }
}
