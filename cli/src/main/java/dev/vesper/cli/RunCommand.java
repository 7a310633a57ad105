package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.cli.qemu.QemuLine;
import dev.vesper.cli.qemu.Translation;
import dev.vesper.cli.tty.RawTerminal;
import dev.vesper.guest.Locore;
import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Restarts;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.TraceWriter;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.ResetPolicy;
import dev.vesper.machine.spec.SevMode;
import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.FileDescriptor;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/** {@code vesper run}. */
final class RunCommand implements Options.Command {
  private final GuestOptions guest = new GuestOptions();

  /** What QEMU calls the exit port that every board has. */
  static final String DEBUG_EXIT = "isa-debug-exit,iobase=0xf4,iosize=0x4";

  private static final String FILE = "file:";
  private static final String STDERR = "stderr";
  private static final String ROM_FILE = "std,romfile=";

  /** Status of a command of {@code boot} that has none, as of other programs that reach out. */
  private static final int UNKNOWN = 255;

  /** Ctrl-D ends a line without its end, and then the input, of a terminal's reader. */
  private static final byte[] END_OF_INPUT = {4, 4};

  private String serial = "stdio";
  private List<String> drive = List.of();
  private List<String> nic = List.of();
  private List<String> device = List.of();
  private List<String> share = List.of();
  private String vga = "none";
  private @Nullable Path screenshot;
  private boolean snapshot;
  private Reboots.Action reboot = Reboots.Action.AUTO;
  private List<String> items = List.of();
  private String debugcon = "stderr";
  private String rtc = "";
  private String virtioConsole = "none";
  private boolean executeOnly;
  private List<String> intercept = new ArrayList<>();
  private List<Path> trace = new ArrayList<>();
  private @Nullable Path symbolFile;
  private boolean check;
  private final CheckOptions checkOptions = new CheckOptions();
  private List<Path> coverage = new ArrayList<>();
  private List<String> hostFaults = new ArrayList<>();
  private List<String> secret = List.of();
  private boolean measureOnly;
  private @Nullable Integer translateAfter;
  private long limitInsns = Long.MAX_VALUE;
  private double timeout;
  private double silence = Silence.USUAL;
  private @Nullable String memoryLimit;
  private String maxOutput = OutputLimit.DEFAULT;
  private @Nullable Integer successStatus;
  private String json = "";
  private String exitStatus = "guest";
  private String notice = "";
  private boolean verbose;
  private final Sandbox sandbox;

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  RunCommand(@Nullable Function<Policy, Confinement> confine) {
    sandbox = new Sandbox(confine);
  }

  /** The machine that runs. */
  private volatile @Nullable Machine running;

  private @Nullable ConsoleUser user;

  /** What {@code boot} has prepared; null in a run. */
  private @Nullable Boot boot;

  /** What was typed. */
  private List<String> commandLine = List.of();

  @Override
  public void typed(List<String> words) {
    commandLine = words;
  }

  @Override
  public Options options() {
    Options o =
        new Options(
            "Runs an image as a guest; with no image, the embedded reference guest.",
            "",
            "The console is on stdout, everything else on stderr.",
            "QEMU's options are taken too, or refused in a line that says what there is instead.",
            "Example: vesper run -kernel vmlinuz -initrd initramfs.cpio -append console=ttyS0");
    o.positional("IMAGE", "bzImage, multiboot, PVH, OpenBSD or ELF64 image", guest::image);
    return addTo(o);
  }

  /** Adds all options but what stands for itself on the command line. */
  Options addTo(Options o) {
    o.plain(PlainWords::are);
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
            + " disk look otherwise), if=virtio or ide (default: virtio), media=cdrom (a CD-ROM drive,"
            + " ide by default), readonly=on, snapshot=on (what the guest writes is forgotten at the"
            + " end); may be repeated",
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
    o.text(
        "reboot=reset|shutdown",
        "what a reset of the guest does: it starts again as often as it likes, or -no-reboot",
        v -> reboot = Reboots.action(v),
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
            + " fatal-unknown, or vc:CODE@N, which injects #VC after N instructions",
        v -> hostFaults = v,
        "--host-fault");
    guest.addLaunchTo(o);
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
    o.integer(
        "N",
        "translate a block of code when it has been interpreted N times (default: 10000); 1"
            + " translates everything, 0 nothing; results are the same",
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
        ".json",
        v -> json = v,
        "--json");
    o.flag(
        "a line on stderr for each #VC, VMGEXIT, write trap and automatic exit",
        () -> verbose = true,
        "-v");
    return o;
  }

  @Override
  public List<String> translated(List<String> args) {
    return translated(args, options());
  }

  /** {@return a line in the words of a command that has these options among its own} */
  List<String> translated(List<String> args, Options own) {
    Translation t = QemuLine.translate(args, own.names(), f -> Files.exists(Path.of(f)));
    if (t.list() != null) {
      throw new Answered(t.list());
    }
    if (!t.refusals().isEmpty()) {
      throw new UserError(t.refusals().get(0));
    }
    notice = t.notice();
    return t.words();
  }

  /**
   * A kernel whose initial RAM disk ends the run with the status of a program of its own.
   *
   * @param arguments of the kernel, before those that are given
   * @param share a shared folder as of {@code --share}, or null for none
   * @param command whether the run is that of a command, and fails if the guest ends before it
   * @param terminal whether somebody sits at the console; if not, it is a {@link CommandConsole}
   */
  record Boot(
      Path kernel,
      byte[] initrd,
      String arguments,
      @Nullable String share,
      boolean command,
      boolean terminal) {}

  /** {@return the kernel that an option names, or null} */
  @Nullable Path kernel() {
    return guest.file();
  }

  /** Runs a kernel that {@code boot} has prepared; {@return the program's exit status} */
  Integer boot(Boot b) {
    boot = b;
    guest.boot(b.kernel, b.initrd, b.arguments);
    if (b.share != null) {
      share = new ArrayList<>(share);
      share.add(b.share);
    }
    return call();
  }

  @Override
  public Integer call() {
    try {
      return start();
    } catch (IOException e) {
      throw new OutputError("an output of the run", e);
    }
  }

  private int start() throws IOException {
    sandbox.validate();
    guest.validate();
    SevMode mode = guest.mode();
    boolean reference = guest.reference();
    Path started = guest.started();
    if (limitInsns < 0 || timeout < 0 || silence < 0) {
      throw new UserError("limits must not be negative");
    }
    if (translateAfter != null && translateAfter < 0) {
      throw new UserError("--translate-after must not be negative");
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
    long end = timeout > 0 ? System.nanoTime() + (long) (timeout * 1e9) : Long.MAX_VALUE;
    MachineSpec options = LaunchSecrets.of(secret, guest).addTo(guest.read());
    byte @Nullable [] initrd = options.boot().initrd();
    // Firmware may be handed one of no bytes, whose hash is measured.
    if (initrd != null && initrd.length == 0 && options.boot().firmware() == null) {
      throw new UserError("the initrd is empty: leave -initrd out");
    }
    byte @Nullable [] symbols =
        symbolFile == null ? null : UserFiles.read(symbolFile, "symbol file");
    MemoryLimit.check(memoryLimit, options.memoryBytes(), Runtime.getRuntime().maxMemory());
    if (checkOptions.given() && !check) {
      throw new UserError("--allow, --baseline, --write-baseline and --report need --check");
    }
    if (check && mode != SevMode.ES) {
      throw new UserError("--check judges the GHCB protocol, which only --sev es has");
    }
    checkOptions.validate();
    if (!share.isEmpty() && !guest.kvm()) {
      throw new UserError("--share: profile openbsd has no shared folders; use kvm");
    }
    validateScreenshot();
    coverage.forEach(RunCommand::validateCoverage);
    coverage.forEach(UserFiles::requireFolder);
    Checker checker = new Checker();
    Ending ending = new Ending();
    OutputLimit limit = new OutputLimit(maxOutput);
    // Before anything is made that would be left behind.
    try (Signals signals = sandbox.isAlone() ? new Signals(ending) : null;
        Shares shares = new Shares(share, read(), written());
        Outputs outputs = new Outputs();
        SerialLine line =
            SerialLine.open(serial, () -> ending.isWanted() || System.nanoTime() - end > 0);
        OutputStream console =
            limit.limited(
                "console", line != null ? line.output() : output("-serial", serial, outputs));
        OutputStream debug = limit.limited("debug ports", debugOutput(outputs));
        OutputStream second =
            limit.limited("virtio console", output("--virtio-console", virtioConsole, outputs));
        Drives drives = new Drives(drive, snapshot);
        Forwards networks = networks();
        TraceFiles files =
            new TraceFiles(
                trace,
                title(started, mode),
                commandLine,
                checker,
                checkOptions::verdict,
                outputs,
                limit,
                ending::lost);
        Screenshots pictures = pictures();
        TimeLimit time = new TimeLimit(end, halt());
        HeapWatch heap = new HeapWatch(this::touched);
        Silence quiet = new Silence(silence, Silence.isSeen());
        Closeable terminal = RawTerminal::restore) {
      open(outputs);
      if (signals != null) {
        signals.hurry(() -> outputs.deadline(System.nanoTime()));
      }
      Hardware h =
          new Hardware(
                  options.hardware().board(),
                  drives.list(),
                  networks.list(),
                  !virtioConsole.equals("none"),
                  shares.list(),
                  screen())
              .withTestDevice(testDevice())
              .withSmbios(options.hardware().smbios())
              .withItems(items())
              .withClock(UserError.of(() -> HardwareOptions.clock("-rtc", rtc)));
      if (h.board() == Hardware.Board.MINIMAL && h.needsPci()) {
        throw new UserError(
            "-M minimal has no PCI devices and no fw_cfg: take -M pc or q35, or leave -M out");
      }
      // Everything is open that is named, and nothing that a guest brings with it has been read.
      confine(networks.list(), shares.list(), line != null && line.accepts());
      Symbols names = symbols == null ? null : symbols(symbols);
      user = new ConsoleUser(h.screen() != null, pictures, ending);
      ConsoleInput heard = line != null ? line.input() : input();
      CommandConsole command = boot == null || boot.terminal ? null : new CommandConsole(heard);
      quiet.typedBy(heard);
      MachineSpec.Ports ports =
          new MachineSpec.Ports(
              b -> {
                quiet.heard();
                write(command == null || command.takes(b) ? console : debug, b, ending);
              },
              b -> write(debug, b, ending),
              b -> write(second, b, ending),
              command == null ? heard : command);
      MachineSpec whole =
          options.toBuilder()
              .hardware(h)
              .executeOnly(executeOnly)
              .intercepts(intercept.toArray(String[]::new))
              .hostFaults(hostFaults.toArray(String[]::new))
              .ports(ports)
              .resets(guest.kvm() ? new Reboots(reboot) : ResetPolicy.END)
              .build();
      Machine m = launch(whole, names);
      running = m;
      ending.of(m);
      if (verbose) {
        m.launchCommands().forEach(c -> Terminal.err("[launch] " + c));
      }
      if (!notice.isEmpty()) {
        Terminal.say(notice);
      }
      if (measureOnly) {
        printMeasurement(m);
        return 0;
      }
      requireLines(m.symbols());
      TraceWriter lines = limit.trace("-v", Terminal.errStream(), Terminal::lines);
      boolean traced = trace(m, files, checker, lines);
      outputs.deadline(end);
      Restarts restarts = new Restarts(whole.profile(), reboot != Reboots.Action.SHUTDOWN);
      long executed = 0;
      Outcome o = run(m, limitInsns, end, quiet);
      while (restarts.isReset(o) && restarts.again(m.virtualTime())) {
        Terminal.say(o.reason() + ": vmd(8) resets the VM");
        executed += m.instructions();
        m = launch(whole, names);
        running = m;
        ending.of(m);
        trace(m, files, checker, lines);
        o = run(m, limitInsns - executed, end, quiet);
      }
      if (restarts.isReset(o)) {
        o = new Outcome(Outcome.SHUTDOWN, o.reason() + "; vmd(8): restarted too quickly");
      }
      time.ended(o.status());
      // What is written now may take its time, and Ctrl-C is nobody's but ours.
      RawTerminal.restore();
      Machine last = m;
      ending.write("the variable store", () -> keepVariables(options, last, outputs));
      ending.write("the screenshot", () -> writeScreenshot(last, outputs));
      ending.write("the console", console::close);
      ending.write("the virtio console", second::close);
      ending.write("the debug port", debug::close);
      Terminal.flush();
      int success = successStatus != null ? successStatus : reference ? Locore.PASS << 1 | 1 : -1;
      Outcome shown = shown(o, success);
      if (traced) {
        ending.write("the trace", files::close);
        String path = started == null ? "locore" : started.toString();
        ending.write("the coverage", () -> writeCoverage(last, path, outputs));
      }
      Outcome result = ending.after(shown);
      ending.write("the summary", () -> report(last, result, mode, outputs));
      limit.tell(Terminal::say);
      int[] found = {0};
      if (check) {
        ending.write("the reports", () -> found[0] = checkOptions.conclude(checker, outputs));
      }
      shown = ending.after(shown);
      boolean own = ending.isReasonOf(shown) || shown.is(Outcome.DEFECT);
      return found[0] != 0 && !own ? found[0] : shown.status();
    }
  }

  /** {@return the outcome with the status that the command ends with} */
  private Outcome shown(Outcome o, int success) {
    Boot b = boot;
    Integer value = o.guestValue();
    if (b != null && value != null && !exitStatus.equals("outcome")) {
      return new Outcome(value, "the command has ended with status " + value, value);
    }
    if (b != null && b.command && o.is(Outcome.POWER_OFF)) {
      return new Outcome(UNKNOWN, "the guest has ended before the command did: " + o.reason());
    }
    if (o.status() == success) {
      return new Outcome(Outcome.POWER_OFF, o.reason(), o.guestValue());
    }
    return o.guestValue() != null && exitStatus.equals("outcome")
        ? new Outcome(Outcome.GUEST_EXIT, o.reason(), o.guestValue())
        : o;
  }

  private List<Hardware.ConfigItem> items() {
    if (!items.isEmpty() && !guest.kvm()) {
      throw new UserError("-fw_cfg: profile openbsd has no fw_cfg; use kvm");
    }
    return items.stream().map(i -> UserError.of(() -> HardwareOptions.item("-fw_cfg", i))).toList();
  }

  private OutputStream debugOutput(Outputs outputs) {
    if (!debugcon.equals(STDERR)) {
      return output("-debugcon", debugcon, outputs);
    }
    // What is said after the run goes there too.
    return new FilterOutputStream(Terminal.errStream()) {
      @Override
      public void close() throws IOException {
        flush();
      }
    };
  }

  /** {@return the files that are read, or have been} */
  private List<Path> read() {
    List<Path> all = new ArrayList<>(guest.files());
    all.addAll(LaunchSecrets.files(secret));
    all.addAll(checkOptions.read());
    if (symbolFile != null) {
      all.add(symbolFile);
    }
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
    return all;
  }

  /** {@return the files that are written} */
  private List<Path> written() {
    List<Path> all = new ArrayList<>(trace);
    all.addAll(wholeFiles());
    if (guest.nvram() != null && !snapshot) {
      all.add(guest.nvram());
    }
    for (String d : drive) {
      if (UserError.of(() -> HardwareOptions.driveIsWritten("-drive", d, snapshot))) {
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
  private List<Path> wholeFiles() {
    List<Path> all = new ArrayList<>(coverage);
    all.addAll(checkOptions.written());
    if (screenshot != null) {
      all.add(screenshot);
    }
    if (json.endsWith(".json")) {
      all.add(Path.of(json));
    }
    return all;
  }

  private void open(Outputs outputs) {
    wholeFiles().forEach(outputs::open);
    if (guest.nvram() != null && !snapshot) {
      outputs.openIfWritable(guest.nvram());
    }
  }

  /** Gives up what the run does not need. */
  private void confine(List<Network> networks, List<Hardware.Share> shares, boolean visitors) {
    Policy.Builder b = new Policy.Builder();
    if (visitors) {
      b.visitors();
    }
    shares.forEach(s -> b.folder(s.server().root(), s.server().readOnly()));
    for (Network n : networks) {
      Network.Sockets s = n.sockets();
      if (s.accepts()) {
        b.visitors();
      }
      s.connects().forEach(b::connection);
    }
    Confinement c = sandbox.enter(b.build());
    if (verbose && c != null) {
      Terminal.err("[sandbox] " + c.files() + "; " + c.calls());
    }
  }

  /** {@return what ends the process; where it is not this run's alone, nothing does} */
  private IntConsumer halt() {
    if (!sandbox.isAlone()) {
      return status -> {};
    }
    return status -> {
      RawTerminal.restore();
      Runtime.getRuntime().halt(status);
    };
  }

  /**
   * {@return what the guest hears on its console} If somebody types it, the terminal is its own.
   */
  private ConsoleInput input() {
    if (!serial.equals("stdio")) {
      return ConsoleInput.NONE;
    }
    ConsoleUser u = user;
    // In a process of others, as of tests, the terminal is not for us to take.
    boolean own = sandbox.isAlone();
    return StandardInput.read(
        u != null && own && RawTerminal.enter() ? new EscapeKey(u) : null,
        boot == null || boot.terminal ? new byte[0] : END_OF_INPUT);
  }

  private long touched() {
    Machine m = running;
    return m == null ? 0 : m.touchedBytes();
  }

  private static Machine launch(MachineSpec o, @Nullable Symbols names) {
    try {
      Machine m = new Machine(o);
      if (names != null) {
        m.name(names);
      }
      return m;
    } catch (BootException | IllegalArgumentException | CommandFailed e) {
      throw new UserError(String.valueOf(e.getMessage()));
    }
  }

  private Outcome run(Machine m, long instructions, long end, Silence quiet) {
    m.limit(instructions, end);
    quiet.of(m);
    ConsoleUser u = user;
    if (u != null) {
      u.serves(m);
    }
    if (translateAfter != null) {
      m.translateAfter(translateAfter);
    }
    try {
      for (; ; ) {
        Outcome o = m.run();
        if (!m.stopped()) {
          return o;
        }
        quiet.serve(m);
        if (u != null) {
          u.serve(m);
        }
      }
    } catch (UserError e) {
      throw e;
    } catch (RuntimeException | StackOverflowError | OutOfMemoryError | LinkageError e) {
      dump(m);
      throw e;
    }
  }

  private Hardware.@Nullable Screen screen() {
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

  /** Writes what the screen shows at the end. */
  private void writeScreenshot(Machine m, Outputs outputs) {
    Path p = screenshot;
    if (p == null) {
      return;
    }
    byte[] picture = Screenshots.picture(m, p);
    if (picture == null) {
      throw new UserError(
          "--screenshot "
              + p
              + ": the screen shows text and nobody has loaded a font; name a .txt file");
    }
    outputs.write(p, picture);
  }

  /** {@return where somebody at the console may save what the screen shows, or null} */
  private @Nullable Screenshots pictures() {
    return screenshot == null ? null : new Screenshots(screenshot);
  }

  private Forwards networks() {
    return new Forwards(nic);
  }

  /** Writes the variable store back if the guest has changed it. */
  private void keepVariables(MachineSpec options, Machine m, Outputs outputs) {
    Path file = guest.nvram();
    MachineSpec.Firmware f = options.boot().firmware();
    if (file == null || f == null || snapshot) {
      return;
    }
    byte[] now = m.variables();
    if (!Arrays.equals(now, f.variables())) {
      outputs.write(file, now);
    }
  }

  private static void printMeasurement(Machine m) {
    Terminal.out("launch digest " + m.launchDigest());
    Measurement measured = m.measurement();
    if (measured != null) {
      Terminal.out("measurement   " + Base64.getEncoder().encodeToString(measured.encode()));
    }
  }

  private static void dump(Machine m) {
    Terminal.errLines(m.dump() + "\n");
  }

  private void report(Machine m, Outcome o, SevMode mode, Outputs outputs) {
    boolean own = boot != null && o.guestValue() != null;
    if (o.status() != 0 && !own || verbose) {
      Terminal.say(o.reason());
    }
    if (verbose || o.is(Outcome.DEFECT) || o.is(Outcome.SHUTDOWN)) {
      dump(m);
    }
    if (json.equals(STDERR)) {
      Terminal.err(summary(m, o, mode));
    } else if (!json.isEmpty()) {
      outputs.write(Path.of(json), (summary(m, o, mode) + "\n").getBytes(StandardCharsets.UTF_8));
    }
  }

  private static String summary(Machine m, Outcome o, SevMode mode) {
    return "{\"schema\":\"vesper.run/1\",\"status\":"
        + o.status()
        + (o.guestValue() == null ? "" : ",\"guest_value\":" + o.guestValue())
        + ",\"reason\":"
        + Json.quote(o.reason())
        + ",\"sev\":"
        + Json.quote(mode.name().toLowerCase(Locale.ROOT))
        + ",\"format\":"
        + Json.quote(m.format())
        + ",\"instructions\":"
        + m.instructions()
        + ",\"virtual_ns\":"
        + m.virtualTime()
        + ",\"launch_digest\":"
        + Json.quote(m.launchDigest())
        + ",\"state_hash\":"
        + Json.quote(m.stateHash())
        + "}";
  }

  /** {@return whether a -device option asks for the test device} */
  private boolean testDevice() {
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

  /** {@return whether anybody wants to see what happens} */
  private boolean trace(Machine m, TraceFiles files, Checker checker, TraceWriter lines) {
    boolean judged = check || TraceFiles.showsFindings(trace);
    boolean deep = judged || !trace.isEmpty();
    if (!deep && !verbose && coverage.isEmpty()) {
      return false;
    }
    m.trace(
        e -> {
          if (verbose) {
            lines.accept(e);
          }
          if (judged) {
            checker.accept(e);
          }
          files.accept(e);
        },
        deep);
    return true;
  }

  private static String title(@Nullable Path file, SevMode mode) {
    return (file == null ? "locore" : file.getFileName().toString())
        + " --sev "
        + mode.name().toLowerCase(Locale.ROOT);
  }

  private Symbols symbols(byte[] bytes) {
    try {
      return Machine.readSymbols(String.valueOf(symbolFile), bytes);
    } catch (BootException e) {
      throw new UserError("--symbols: " + e.getMessage());
    }
  }

  private static void validateCoverage(Path p) {
    if (!p.toString().endsWith(".info") && !p.toString().endsWith(".drcov")) {
      throw new UserError("--coverage " + p + ": the name must end in .info or .drcov");
    }
  }

  /** Refuses coverage by line before anything runs. */
  private void requireLines(Symbols names) {
    for (Path p : coverage) {
      if (p.toString().endsWith(".info") && names.lines().all().isEmpty()) {
        throw new UserError(
            "--coverage "
                + p
                + ": the image has no DWARF lines; name a file that has with --symbols");
      }
    }
  }

  private void writeCoverage(Machine m, String path, Outputs outputs) {
    for (Path p : coverage) {
      if (p.toString().endsWith(".drcov")) {
        outputs.write(p, m.drcov(path));
        continue;
      }
      outputs.write(p, m.lcov().getBytes(StandardCharsets.UTF_8));
    }
  }

  private static OutputStream output(String option, String where, Outputs outputs) {
    if (where.equals("stdio")) {
      return new StandardOutput(FileDescriptor.out, "the console to stdout");
    }
    if (where.equals(STDERR)) {
      return new StandardOutput(FileDescriptor.err, "a console to stderr");
    }
    if (where.equals("none")) {
      return OutputStream.nullOutputStream();
    }
    if (where.startsWith(FILE)) {
      return new BufferedOutputStream(
          outputs.stream(UserFiles.path(where.substring(FILE.length()))));
    }
    throw new UserError(
        option
            + " takes "
            + (option.equals("-serial") ? SerialLine.FORMS : "stdio, stderr, file:F or none")
            + ", not '"
            + where
            + "'");
  }

  /** Hands on what a guest has written; when nobody takes it the run ends. */
  private static void write(OutputStream out, int b, Ending ending) {
    ending.write("what the guest has written", () -> out.write(b));
  }
}
