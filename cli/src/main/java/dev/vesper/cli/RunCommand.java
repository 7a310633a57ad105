package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.cli.gdb.GdbServer;
import dev.vesper.cli.monitor.Control;
import dev.vesper.cli.qemu.QemuLine;
import dev.vesper.cli.qemu.Translation;
import dev.vesper.cli.tty.RawTerminal;
import dev.vesper.guest.Locore;
import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Restarts;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.format.PackedEvents;
import dev.vesper.machine.observe.format.TraceWriter;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.ResetPolicy;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.FileDescriptor;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** {@code vesper run}. */
final class RunCommand implements Options.Command {
  /** Status of a command of {@code boot} that has none, as of other programs that reach out. */
  private static final int UNKNOWN = 255;

  /** Ctrl-D ends a line without its end, and then the input, of a terminal's reader. */
  private static final byte[] END_OF_INPUT = {4, 4};

  /** Between looks at what is asked for while a guest is kept that is off. */
  private static final long LOOK_MS = 100;

  private final RunOptions said;

  /** Of QEMU's options, what has no effect. */
  private String notice = "";

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  RunCommand(@Nullable Function<Policy, Confinement> confine) {
    said = new RunOptions(confine);
  }

  /** {@return the same command, whose guest waits for a debugger} */
  RunCommand debugged() {
    said.debug.begin();
    return this;
  }

  /** {@return the same command, which has a recorded run again} */
  RunCommand replay() {
    replays = true;
    return this;
  }

  /** The machine that runs. */
  private volatile @Nullable Machine running;

  private @Nullable ConsoleUser user;

  /** The command is a replay. */
  private boolean replays;

  /** A replay may be of another machine than the recording. */
  private boolean changed;

  private @Nullable Path recording;
  private @Nullable Replay replay;
  private @Nullable Recorder recorder;
  private @Nullable EventDigest digest;

  /** What {@code boot} has prepared; null in a run. */
  private @Nullable Boot boot;

  private boolean translatorSaid;
  private @Nullable CodeFolder codeFolder;
  private @Nullable SnapshotRun snapshotRun;

  /** What a snapshot says of what has happened, or null. */
  private @Nullable PackedEvents told;

  /** Who has to know what happened before a snapshot, or null. */
  private @Nullable EventSink knowing;

  /** Who looks for breaches, and goes back where the machine does. */
  private @Nullable Checker judge;

  /** What the first machine goes on from, or null. */
  private @Nullable SeekableByteChannel goesOnFrom;

  /** The guest's state is from a file. */
  private boolean resumed;

  private @Nullable GdbServer debugger;
  private @Nullable Control control;

  /** What was typed. */
  private List<String> commandLine = List.of();

  @Override
  public void typed(List<String> words) {
    commandLine = words;
  }

  @Override
  public Options options() {
    if (replays) {
      Options o = Replay.options();
      o.positional("RECORDING", "what --record has written", v -> recording = v);
      o.flag(
          "replay with files and options that are not the recording's, up to where the run differs",
          () -> changed = true,
          "--changed");
      return addTo(o);
    }
    Options o =
        new Options(
            said.debug.isWanted()
                ? "Runs an image as a guest that waits for gdb."
                : "Runs an image as a guest; with no image, the embedded reference guest.",
            "",
            "The console is on stdout, everything else on stderr.",
            "QEMU's options are taken too, or refused in a line that says what there is instead.",
            said.debug.isWanted()
                ? "Example: vesper debug -kernel vmlinuz -append nokaslr; gdb -ex 'target remote"
                    + " :1234'"
                : "Example: vesper run -kernel vmlinuz -initrd initramfs.cpio -append"
                    + " console=ttyS0");
    o.positional("IMAGE", "bzImage, multiboot, PVH, OpenBSD or ELF64 image", said.guest::image);
    return addTo(o);
  }

  /** Adds all options but what stands for itself on the command line. */
  Options addTo(Options o) {
    return said.addTo(o);
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
    return said.guest.file();
  }

  /** Runs a kernel that {@code boot} has prepared; {@return the program's exit status} */
  Integer boot(Boot b) {
    if (said.record != null) {
      throw new UserError(
          "--record: boot makes an initial RAM disk that is in no file: use 'vesper run --record F"
              + " -kernel K -initrd I'");
    }
    boot = b;
    said.guest.boot(b.kernel, b.initrd, b.arguments);
    if (b.share != null) {
      said.share = new ArrayList<>(said.share);
      said.share.add(b.share);
    }
    return call();
  }

  @Override
  public Integer call() {
    try {
      return start();
    } catch (IOException e) {
      throw new OutputError("an output of the run", e);
    } catch (UserError e) {
      throw e;
    } catch (RuntimeException | StackOverflowError e) {
      if (!resumed) {
        throw e;
      }
      throw new UserError(
          "-loadvm "
              + said.snapshots.load()
              + ": the snapshot has a state that no machine can be in");
    }
  }

  /** {@return what the machine asks for what comes from outside, or null if it is not kept} */
  private @Nullable InputLog inputs(MachineSpec whole) {
    if (replay != null) {
      return replay.begin(whole);
    }
    if (recorder != null) {
      return recorder.begin(whole);
    }
    return said.debug.goesBack() || keepsStates() ? InputLog.kept() : null;
  }

  /** {@return what the bytes of the recording come to, or empty while it is written} */
  private String recordingSha256() {
    Recorder r = recorder;
    Replay again = replay;
    return r != null ? r.sha256() : again != null ? again.sha256() : "";
  }

  /** {@return the outcome of a life, of which a recording tells or is told} */
  private Outcome recorded(Machine last, Outcome life) {
    EventDigest d = digest;
    String hex = d == null ? "" : d.hex();
    if (recorder != null) {
      recorder.end(last, life, hex);
    }
    return replay == null ? life : replay.conclude(last, life, hex);
  }

  private int start() throws IOException {
    replay = replays ? Replay.prepare(recording, said, options(), changed) : null;
    said.validate();
    SevMode mode = said.guest.mode();
    boolean reference = said.guest.reference();
    Path started = said.guest.started();
    long end = said.timeout > 0 ? System.nanoTime() + (long) (said.timeout * 1e9) : Long.MAX_VALUE;
    MachineSpec options =
        said.snp.addTo(LaunchSecrets.of(said.secret, said.guest).addTo(said.guest.read()));
    byte @Nullable [] initrd = options.boot().initrd();
    // Firmware may be handed one of no bytes, whose hash is measured.
    if (initrd != null && initrd.length == 0 && options.boot().firmware() == null) {
      throw new UserError("the initrd is empty: leave -initrd out");
    }
    byte @Nullable [] symbols =
        said.symbolFile == null ? null : UserFiles.read(said.symbolFile, "symbol file");
    Script script = said.hostile.read();
    MemoryLimit.check(said.memoryLimit, options.memoryBytes(), MemoryLimit.room());
    Checker checker = new Checker();
    Ending ending = new Ending();
    OutputLimit limit = new OutputLimit(said.maxOutput);
    // Before anything is made that would be left behind.
    try (Signals signals = said.sandbox.isAlone() ? new Signals(ending) : null;
        Shares shares = new Shares(said.share, said.read(), said.written());
        Outputs outputs = new Outputs();
        SerialLine line =
            SerialLine.open(said.serial, () -> ending.isWanted() || System.nanoTime() - end > 0);
        OutputStream console =
            limit.limited(
                "console", line != null ? line.output() : output("-serial", said.serial, outputs));
        OutputStream debug = limit.limited("debug ports", debugOutput(outputs));
        OutputStream second =
            limit.limited(
                "virtio console",
                output(
                    "--virtio-console",
                    said.virtioConsoleMuted ? "none" : said.virtioConsole,
                    outputs));
        OutputStream log = limit.limited("log", logOutput(outputs));
        Drives drives = new Drives(said.drive, said.snapshot, said.snapshots.areGiven());
        SeekableByteChannel loaded = said.snapshots.open();
        Forwards networks = new Forwards(said.nic, replay != null);
        TraceFiles files =
            new TraceFiles(
                said.trace,
                RunOptions.title(started, mode),
                commandLine,
                checker,
                said.checkOptions::verdict,
                outputs,
                limit,
                ending::lost);
        Screenshots pictures = said.screenshot == null ? null : new Screenshots(said.screenshot);
        TimeLimit time = new TimeLimit(end, halt());
        HeapWatch heap = new HeapWatch(this::touched);
        Silence quiet = new Silence(silence(), Terminal.isSeen());
        DebugOptions.Door door = said.debug.open();
        CodeFolder code = new CodeFolder(said, options, shares);
        Control talk = control(ending, door);
        Closeable monitors =
            said.monitor.open(talk, () -> ending.isWanted() || System.nanoTime() - end > 0);
        Closeable terminal = RawTerminal::restore) {
      open(outputs);
      Path kept = said.record;
      Path shows = replays ? recording : kept;
      if (shows != null) {
        said.checkOptions.recordedIn(shows, this::recordingSha256);
      }
      recorder = kept == null ? null : new Recorder(outputs.stream(kept), said, ending);
      codeFolder = code;
      debugger = door == null ? null : door.server();
      if (debugger != null && said.check) {
        debugger.judgedBy(checker);
      }
      said.breakOn.of(checker, debugger);
      if (signals != null) {
        signals.hurry(() -> outputs.deadline(System.nanoTime()));
      }
      Hardware h =
          new Hardware(
                  options.hardware().board(),
                  drives.list(),
                  networks.list(),
                  !said.virtioConsole.equals("none"),
                  shares.list(),
                  said.screen())
              .withTestDevice(said.testDevice())
              .withSmbios(options.hardware().smbios())
              .withItems(said.items())
              .withBoot(said.boot())
              .withClock(UserError.of(() -> HardwareOptions.clock("-rtc", said.rtc)));
      if (h.board() == Hardware.Board.MINIMAL && h.needsPci()) {
        throw new UserError(
            "-M minimal has no PCI devices and no fw_cfg: take -M pc or q35, or leave -M out");
      }
      said.snapshots.sayDisks(said.drive);
      // Everything is open that is named, and nothing that a guest brings with it has been read.
      confine(
          networks.list(),
          shares.list(),
          line != null && line.accepts() || said.debug.accepts() || said.monitor.accepts());
      Symbols names = symbols == null ? null : said.symbols(symbols);
      user = new ConsoleUser(h.screen() != null, pictures, ending, talk);
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
              .executeOnly(said.executeOnly)
              .intercepts(said.intercept.toArray(String[]::new))
              .hostFaults(said.hostFaults.toArray(String[]::new))
              .hostile(script)
              .holdsLaunch(said.debug.isStanding() || replays)
              .ports(ports)
              .resets(said.guest.kvm() ? new Reboots(said.reboot) : ResetPolicy.END)
              .build();
      InputLog heardBefore = inputs(whole);
      whole = heardBefore == null ? whole : whole.toBuilder().inputs(heardBefore).build();
      if (said.snapshots.out() != null) {
        told = isJudged() ? new PackedEvents() : null;
        snapshotRun =
            new SnapshotRun(
                said.snapshots,
                recorder != null,
                outputs,
                ending,
                told,
                said.breakOn,
                () -> time.ended(Outcome.LIMIT));
      }
      Machine first = begin(whole, names, ending);
      if (said.verbose) {
        first.launchCommands().forEach(c -> Terminal.err("[launch] " + c));
      }
      if (!notice.isEmpty()) {
        Terminal.say(notice);
      }
      if (said.measureOnly) {
        RunResults.printMeasurement(first);
        return 0;
      }
      said.requireLines(first.symbols());
      TraceWriter lines = limit.trace("-v", Terminal.errStream(), Terminal::lines);
      EventSink sink = sink(files, checker, lines);
      outputs.deadline(end);
      goesOnFrom = loaded;
      Outcome life = runs(first, whole, names, sink, log, end, quiet, ending);
      if (resumed && life.is(Outcome.USAGE)) {
        throw new UserError("-loadvm " + said.snapshots.load() + ": " + life.reason());
      }
      life = recorded(Objects.requireNonNull(running), life);
      talk.ended(life);
      Outcome o = kept(life, end, quiet, ending);
      if (door != null) {
        door.server().conclude(o);
      }
      talk.close();
      time.ended(o.status());
      // What is written now may take its time, and Ctrl-C is nobody's but ours.
      RawTerminal.restore();
      Machine last = Objects.requireNonNull(running);
      RunResults results = new RunResults(said, outputs);
      ending.write("the variable store", () -> results.keepVariables(options, last));
      ending.write("the screenshot", () -> results.writeScreenshot(last));
      ending.write("the console", console::close);
      ending.write("the virtio console", second::close);
      ending.write("the debug port", debug::close);
      ending.write("the log", log::close);
      Terminal.flush();
      int success =
          said.successStatus != null ? said.successStatus : reference ? Locore.PASS << 1 | 1 : -1;
      Outcome shown = shown(o, success);
      if (sink != null) {
        ending.write("the trace", files::close);
        String path = started == null ? "locore" : started.toString();
        ending.write("the coverage", () -> results.writeCoverage(last, path));
      }
      Outcome result = ending.after(shown);
      boolean own = boot != null && result.guestValue() != null;
      ending.write("what happened to pages", () -> results.sayPages(last));
      ending.write("what the script did", () -> results.sayHostile(last));
      ending.write("what the oracle found", results::sayFlows);
      ending.write("the summary", () -> results.report(last, result, mode, own));
      RunResults.sayTouched(talk.touched());
      limit.tell(Terminal::say);
      code.save();
      int[] found = {0};
      if (said.check) {
        ending.write("the reports", () -> found[0] = said.checkOptions.conclude(checker, outputs));
      }
      shown = ending.after(shown);
      boolean worse = ending.isReasonOf(shown) || shown.is(Outcome.DEFECT);
      int status =
          worse
              ? shown.status()
              : said.oracle.status(HostileOptions.status(last.hostile(), shown.status()));
      return found[0] != 0 && !worse ? found[0] : status;
    }
  }

  /** {@return the outcome with the status that the command ends with} */
  private Outcome shown(Outcome o, int success) {
    Boot b = boot;
    Integer value = o.guestValue();
    if (b != null && value != null && !said.exitStatus.equals("outcome")) {
      return new Outcome(value, "the command has ended with status " + value, value);
    }
    if (b != null && b.command && o.is(Outcome.POWER_OFF)) {
      return new Outcome(UNKNOWN, "the guest has ended before the command did: " + o.reason());
    }
    if (o.status() == success) {
      return new Outcome(Outcome.POWER_OFF, o.reason(), o.guestValue());
    }
    return o.guestValue() != null && said.exitStatus.equals("outcome")
        ? new Outcome(Outcome.GUEST_EXIT, o.reason(), o.guestValue())
        : o;
  }

  private OutputStream debugOutput(Outputs outputs) {
    if (!said.debugcon.equals(RunOptions.STDERR)) {
      return output("-debugcon", said.debugcon, outputs);
    }
    // What is said after the run goes there too.
    return new FilterOutputStream(Terminal.errStream()) {
      @Override
      public void close() throws IOException {
        flush();
      }
    };
  }

  private OutputStream logOutput(Outputs outputs) {
    Path p = said.logFile;
    return p == null
        ? new StandardOutput(FileDescriptor.err, "the log to stderr")
        : new BufferedOutputStream(outputs.stream(p), 1 << 16);
  }

  private void open(Outputs outputs) {
    said.wholeFiles().forEach(outputs::open);
    if (said.guest.nvram() != null && !said.forgets()) {
      outputs.openIfWritable(said.guest.nvram());
    }
  }

  /** {@return whether monitors, that of a debugger too, can have states kept} */
  private boolean keepsStates() {
    return (said.monitor.isWanted() || said.debug.isWanted()) && !replays;
  }

  /** {@return the run as monitors and debuggers have it} */
  private Control control(Ending ending, DebugOptions.@Nullable Door door) {
    Map<String, String> places = new TreeMap<>();
    places.put("serial0", said.serial);
    places.put("debugcon", said.debugcon);
    places.put("virtioconsole0", said.virtioConsole);
    Path started = said.guest.started();
    String name = started == null ? "" : String.valueOf(started.getFileName());
    Control c = new Control(new Control.Facts(name, places), said.monitor.files(), ending::end);
    control = c;
    if (door != null) {
      door.server().servedBy(c);
    } else if (said.debug.isStanding()) {
      c.beginHeld();
    }
    if (keepsStates()) {
      c.keepStates();
    }
    return c;
  }

  /** Gives up what the run does not need. */
  private void confine(List<Network> networks, List<Hardware.Share> shares, boolean visitors) {
    Policy.Builder b = new Policy.Builder();
    if (visitors) {
      b.visitors();
    }
    shares.forEach(s -> b.folder(s.server().root(), s.server().readOnly()));
    said.monitor.grant(b);
    for (Network n : networks) {
      Network.Sockets s = n.sockets();
      if (s.accepts()) {
        b.visitors();
      }
      s.connects().forEach(b::connection);
    }
    Confinement c = said.sandbox.enter(b.build());
    if (said.verbose && c != null) {
      Terminal.err("[sandbox] " + c.files() + "; " + c.calls());
    }
  }

  /** Says, once for all runs, by what guest code is executed. */
  private void sayTranslator(Machine m) {
    if (!said.verbose || translatorSaid) {
      return;
    }
    translatorSaid = true;
    Translator wanted = said.translation();
    boolean regions = wanted == Translator.REGIONS || said.translateAfter != null;
    String lack = regions ? null : Machine.lackOfNativeCode();
    Terminal.err(
        "[translator] "
            + switch (m.translator()) {
              case NATIVE -> "native code";
              case REGIONS -> "regions" + (lack == null ? "" : ": no native code here: " + lack);
              case NONE -> "none";
            });
  }

  /** {@return what ends the process; where it is not this run's alone, nothing does} */
  private IntConsumer halt() {
    if (!said.sandbox.isAlone()) {
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
    if (!said.serial.equals("stdio") || replay != null) {
      return ConsoleInput.NONE;
    }
    ConsoleUser u = user;
    // In a process of others, as of tests, the terminal is not for us to take.
    boolean own = said.sandbox.isAlone();
    return StandardInput.read(
        u != null && own && RawTerminal.enter() ? new EscapeKey(u) : null,
        boot == null || boot.terminal ? new byte[0] : END_OF_INPUT);
  }

  /** {@return after how many seconds a silent guest is spoken of} A command's guest is quiet. */
  private double silence() {
    if (said.debug.isWanted() || said.debug.isStanding() || replays) {
      return 0;
    }
    return said.silence != null ? said.silence : boot != null && boot.command ? 0 : Silence.USUAL;
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

  /** Launches the guest, and has whoever may end the run know it. */
  private Machine begin(MachineSpec spec, @Nullable Symbols names, Ending ending) {
    Machine m = launch(spec, names);
    running = m;
    ending.of(m);
    return m;
  }

  /** Runs a guest, and again for each time that vmd(8) restarts it. */
  private Outcome runs(
      Machine first,
      MachineSpec spec,
      @Nullable Symbols names,
      @Nullable EventSink sink,
      OutputStream log,
      long end,
      Silence quiet,
      Ending ending) {
    Restarts restarts = new Restarts(spec.profile(), said.reboot != Reboots.Action.SHUTDOWN);
    Machine m = first;
    long executed = 0;
    for (; ; ) {
      if (sink != null) {
        if (judge != null) {
          m.judge(judge);
        }
        m.trace(sink, !said.trace.isEmpty());
      }
      if (!said.log.isEmpty()) {
        m.log(said.logItems(), lines -> write(log, lines, ending));
      }
      SeekableByteChannel file = goesOnFrom;
      if (file != null) {
        goesOnFrom = null;
        said.snapshots.load(m, file, knowing);
        resumed = true;
      }
      Outcome o = run(m, said.limitInsns - executed, end, quiet, ending);
      if (!restarts.isReset(o)) {
        return o;
      }
      if (!restarts.again(m.virtualTime())) {
        return new Outcome(Outcome.SHUTDOWN, o.reason() + "; vmd(8): restarted too quickly");
      }
      Terminal.say(o.reason() + ": vmd(8) resets the VM");
      executed += m.instructions();
      m = begin(spec, names, ending);
    }
  }

  /**
   * {@return how the run ends} With -no-shutdown a guest that is off is kept until somebody comes.
   */
  private Outcome kept(Outcome o, long end, Silence quiet, Ending ending) {
    if (!said.noShutdown || !o.is(Outcome.POWER_OFF)) {
      return o;
    }
    quiet.close();
    Terminal.say(o.reason() + ": kept as it is (-no-shutdown); Ctrl-A x or a signal ends the run");
    Machine m = Objects.requireNonNull(running);
    Supplier<@Nullable Outcome> over =
        () -> {
          serveUser(m);
          return over(end, ending);
        };
    GdbServer gdb = debugger;
    if (gdb != null) {
      return gdb.keep(m, o, over);
    }
    for (; ; ) {
      Control c = control;
      if (c == null) {
        ending.await(LOOK_MS);
      } else {
        c.waitAndServe();
      }
      Outcome why = over.get();
      if (why != null) {
        return why;
      }
    }
  }

  private void serveUser(Machine m) {
    ConsoleUser u = user;
    if (u != null) {
      u.serve(m);
    }
  }

  /** {@return how a run ends in which the guest stands still, or null if it does not yet} */
  private static @Nullable Outcome over(long end, Ending ending) {
    if (ending.isWanted()) {
      return ending.await(0);
    }
    boolean late = end != Long.MAX_VALUE && System.nanoTime() - end >= 0;
    return late ? new Outcome(Outcome.LIMIT, "time limit reached") : null;
  }

  private Outcome run(Machine m, long instructions, long end, Silence quiet, Ending ending) {
    SnapshotRun snapshots = snapshotRun;
    if (snapshots == null) {
      m.limit(instructions, end);
    }
    quiet.of(m);
    ConsoleUser u = user;
    if (u != null) {
      u.serves(m);
    }
    Translator t = said.translation();
    if (t != null) {
      m.translator(t);
    }
    if (said.translateAfter != null) {
      m.translateAfter(said.translateAfter);
    }
    sayTranslator(m);
    if (codeFolder != null) {
      codeFolder.addTo(m);
    }
    Control c = Objects.requireNonNull(control);
    c.serves(m, said.monitor.isWanted() || said.debug.isWanted());
    Runnable between =
        () -> {
          quiet.serve(m);
          serveUser(m);
          c.serve();
        };
    Supplier<@Nullable Outcome> over =
        () -> {
          serveUser(m);
          return over(end, ending);
        };
    said.oracle.watch(m);
    said.breakOn.begins(m);
    try {
      GdbServer gdb = debugger;
      if (gdb != null) {
        return gdb.run(m, over, between);
      }
      if (snapshots != null) {
        c.stand(over);
        Runnable standing =
            () -> {
              between.run();
              c.stand(over);
            };
        return snapshots.run(m, instructions, end, () -> over(end, ending), standing);
      }
      for (; ; ) {
        // Whatever ends it while it stands still ends it as if it ran.
        c.stand(over);
        Outcome o = said.breakOn.run(m);
        if (!m.stopped()) {
          return o;
        }
        between.run();
      }
    } catch (UserError e) {
      throw e;
    } catch (RuntimeException | StackOverflowError | OutOfMemoryError | LinkageError e) {
      RunResults.dump(m);
      throw e;
    }
  }

  /** {@return who sees what happens, or null if nobody wants to} */
  private @Nullable EventSink sink(TraceFiles files, Checker checker, TraceWriter lines) {
    boolean judged = isJudged();
    boolean pages = said.pages.wantsEvents();
    digest = said.trace.isEmpty() || recorder == null && replay == null ? null : new EventDigest();
    EventDigest d = digest;
    if (!judged && !pages && said.trace.isEmpty() && !said.verbose && said.coverage.isEmpty()) {
      return null;
    }
    PackedEvents t = told;
    judge = judged ? checker : null;
    EventSink knows =
        e -> {
          if (pages) {
            said.pages.accept(e);
          }
          if (t != null) {
            t.accept(e);
          }
        };
    knowing =
        judged || pages
            ? e -> {
              if (judged) {
                checker.accept(e);
              }
              knows.accept(e);
            }
            : null;
    return e -> {
      if (said.verbose) {
        lines.accept(e);
      }
      knows.accept(e);
      if (d != null) {
        d.accept(e);
      }
      files.accept(e);
    };
  }

  private boolean isJudged() {
    return said.check || TraceFiles.showsFindings(said.trace);
  }

  private static OutputStream output(String option, String where, Outputs outputs) {
    if (where.equals("stdio")) {
      return new StandardOutput(FileDescriptor.out, "the console to stdout");
    }
    if (where.equals(RunOptions.STDERR)) {
      return new StandardOutput(FileDescriptor.err, "a console to stderr");
    }
    if (where.equals("none")) {
      return OutputStream.nullOutputStream();
    }
    if (where.startsWith(RunOptions.FILE)) {
      return new BufferedOutputStream(
          outputs.stream(UserFiles.path(where.substring(RunOptions.FILE.length()))));
    }
    throw new UserError(
        option
            + " takes "
            + (option.equals("-serial") ? SerialLine.FORMS : "stdio, stderr, file:F or none")
            + ", not '"
            + where
            + "'");
  }

  private static void write(OutputStream log, String lines, Ending ending) {
    byte[] b = lines.getBytes(StandardCharsets.UTF_8);
    ending.write("the log", () -> log.write(b, 0, b.length));
  }

  /** Hands on what a guest has written; when nobody takes it the run ends. */
  private static void write(OutputStream out, int b, Ending ending) {
    ending.write("what the guest has written", () -> out.write(b));
  }
}
