package dev.vesper.machine;

import dev.vesper.machine.assembly.Assembly;
import dev.vesper.machine.assembly.Kept;
import dev.vesper.machine.assembly.LaunchSequence;
import dev.vesper.machine.assembly.Outlet;
import dev.vesper.machine.assembly.Snapshot;
import dev.vesper.machine.assembly.Tiers;
import dev.vesper.machine.boot.FirmwareImage;
import dev.vesper.machine.boot.FirmwareTable;
import dev.vesper.machine.boot.SymbolFile;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuObserver;
import dev.vesper.machine.cpu.Unimplemented;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.OverlayDisk;
import dev.vesper.machine.device.display.Vga;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.flow.FlowTracker;
import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.host.HypervisorProgram;
import dev.vesper.machine.hostile.Firing;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.hostile.ScriptReport;
import dev.vesper.machine.hostile.ScriptRunner;
import dev.vesper.machine.hostile.Silicon;
import dev.vesper.machine.hostile.Trigger;
import dev.vesper.machine.hostile.Watcher;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.input.RunEnd;
import dev.vesper.machine.launch.CpuidPage;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.launch.SecretsPage;
import dev.vesper.machine.launch.SevReport;
import dev.vesper.machine.launch.SnpPageType;
import dev.vesper.machine.memory.MemoryObserver;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.observe.LogItem;
import dev.vesper.machine.observe.OperandListener;
import dev.vesper.machine.observe.PageUses;
import dev.vesper.machine.observe.RmpMap;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.Tally;
import dev.vesper.machine.observe.flow.FlowFinding;
import dev.vesper.machine.observe.flow.FlowOptions;
import dev.vesper.machine.observe.format.PackedEvents;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.GuestRegisters;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.snapshot.MachineDescription;
import dev.vesper.machine.snapshot.SnapshotFile;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import dev.vesper.machine.trace.BothHostObservers;
import dev.vesper.machine.trace.BothMemoryObservers;
import dev.vesper.machine.trace.BothProcessorObservers;
import dev.vesper.machine.trace.CodeCoverage;
import dev.vesper.machine.trace.ExecutionLog;
import dev.vesper.machine.trace.GarbledPages;
import dev.vesper.machine.trace.OperandWatch;
import dev.vesper.machine.trace.Tracer;
import dev.vesper.machine.vmm.RunLoop;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * One virtual machine: silicon, hypervisor and a guest that is launched and may run.
 *
 * <p>A run may be stopped anywhere, looked at, and continued; what the guest does is the same as if
 * it had never stood still. Not thread-safe but for {@link #stop}.
 *
 * {@snippet :
 * try (Machine m = new Machine(spec)) {
 *   m.on(Event.VcRaised.class, v -> counts.merge(v.exit(), 1, Integer::sum));
 *   Stop s = m.run(Until.symbol("start_kernel").or(Until.instructions(500_000_000)));
 *   System.out.println(s.description() + ", CR3 " + m.observer().current().cr3());
 *   Outcome end = m.run();
 * }
 * }
 */
public final class Machine implements AutoCloseable {
  /** A file may have any text where a name is expected. */
  private static final int LONGEST_REASON = 500;

  private static final long PAGE = 4096;

  private final MachineSpec spec;
  private final Assembly parts;
  private final LaunchSequence launch;
  private final IntConsumer consoleOut;
  private final Changes changes;
  private final Observer observer;
  private final Stops stops;
  private final @Nullable ScriptRunner script;

  /** What the script has done in the launch, which nobody could be told of. */
  private final List<Firing> early = new ArrayList<>();

  private final List<EventSink> sinks = new CopyOnWriteArrayList<>();
  private final List<EventSink> listeners = new CopyOnWriteArrayList<>();
  private final List<EventSink> judges = new CopyOnWriteArrayList<>();
  private final Outlet console = new Outlet();
  private final Outlet traced = new Outlet();
  private final Outlet happened = new Outlet();
  private final Outlet logged = new Outlet();
  private boolean deep;
  private long limit = Long.MAX_VALUE;
  private @Nullable Tracer tracer;
  private @Nullable ExecutionLog log;
  private @Nullable Oracle oracle;

  /** What tracer, log and oracle see processors by, and who is told of operands besides. */
  private @Nullable CpuObserver lookingOn;

  private @Nullable OperandListener operands;
  private @Nullable PageUses pageUses;
  private long mostOperands;
  private Symbols symbols;
  private boolean started;

  /** Whether its state is from a file, which may say what no machine comes to. */
  private boolean loaded;

  /** The last checkpoint, which the next one shares with what has not changed. */
  private @Nullable Kept newest;

  private @Nullable Outcome ended;
  private boolean stopped;

  /** Where the last run has begun, and whether it has passed a breakpoint there. */
  private long began;

  private boolean passed = true;

  /** Why the last run has come back. */
  private RunLoop.Halt last = RunLoop.Halt.REQUESTED;

  /** How another thread, or a callback, wants the run to end. */
  private volatile @Nullable Outcome wanted;

  /** A callback or the machine has failed in the middle of a run: why it cannot go on. */
  private @Nullable String broken;

  /**
   * Builds the machine and launches the guest.
   *
   * @throws BootException if the image cannot be loaded
   * @throws dev.vesper.machine.launch.CommandFailed if the secure processor refuses the launch
   * @throws IllegalArgumentException if the description makes no machine
   */
  public Machine(MachineSpec description) throws BootException {
    spec = IgvmImage.settled(description);
    consoleOut = spec.ports().console();
    parts = new Assembly(spec, this::console);
    symbols = parts.guest.symbols();
    changes = new Changes(parts, this::launch, this::observer);
    observer = new Observer(parts, changes);
    stops = new Stops(parts, this::symbols);
    Script s = spec.hostile();
    script = s == null ? null : follow(s);
    launch = new LaunchSequence(parts, spec, this::launched);
  }

  private ScriptRunner follow(Script s) {
    Watcher watcher = new ScriptWatcher(parts, this::observer, stops);
    Silicon silicon = new BrokenSilicon(parts, changes, watcher);
    ScriptRunner r = new ScriptRunner(s, parts.host.program(), watcher, silicon, this::scriptFired);
    parts.host.loop().interruptAtCode(v -> r.reached(v, parts.cpus.get(v).codeAddress()));
    return r;
  }

  private void launched(Trigger.Step step) {
    ScriptRunner r = script;
    if (r != null && r.launches()) {
      parts.host.appoint(host -> r.launch(step, host));
    }
  }

  private void scriptFired(Firing f) {
    Tracer t = tracer;
    if (t == null) {
      if (!started) {
        early.add(f);
      }
    } else {
      t.fired(f);
    }
  }

  /** {@return what has become of the script so far, or null if there is none} */
  public @Nullable ScriptReport hostile() {
    ScriptRunner r = script;
    Outcome o = ended != null ? ended : parts.host.outcome();
    return r == null ? null : r.report(o == null ? Outcome.LIMIT : o.status());
  }

  /** {@return what it is made of} */
  public MachineSpec spec() {
    return spec;
  }

  // ---- launch

  /** {@return what LAUNCH_MEASURE returned, or null without SEV} */
  public @Nullable Measurement measurement() {
    return launch.measurement();
  }

  /**
   * DBG_DECRYPT: {@return private memory as the host may ask for it}
   *
   * @throws dev.vesper.machine.launch.CommandFailed if the policy forbids it
   */
  public byte[] debugDecrypt(long address, int length) {
    return launch.processor().dbgDecrypt(launch.handle(), address, length);
  }

  /**
   * {@return whether the launch waits for the first run to be finished, and secrets may be
   * injected}
   */
  public boolean isLaunchOpen() {
    return launch.isOpen();
  }

  /**
   * LAUNCH_SECRET: puts a secret into the private memory of a guest whose launch is {@linkplain
   * #isLaunchOpen open}.
   *
   * @param packet as the guest's owner has made it
   * @param address guest physical, a multiple of 16
   * @throws dev.vesper.machine.launch.CommandFailed if the secure processor refuses it
   */
  public void injectSecret(LaunchSecret packet, long address) {
    changes.secret(packet, address);
  }

  /** {@return where firmware wants secrets, or -1 if there is none that says so} */
  public long secretAddress() {
    FirmwareTable.Area a = LaunchSequence.secretArea(spec);
    return a == null ? -1 : a.address();
  }

  /**
   * ATTESTATION of a guest under SEV or SEV-ES: {@return its report, signed by the platform's PEK}
   *
   * @param nonce 16 bytes of whoever asks
   * @throws dev.vesper.machine.launch.CommandFailed if there is no such guest
   */
  public SevReport attestation(byte[] nonce) {
    return launch.processor().attestation(launch.handle(), nonce);
  }

  /** {@return the secure processor's commands of the launch, in order; empty without SEV} */
  public List<String> launchCommands() {
    return launch.commands();
  }

  /** {@return the launch digest in hex, empty without SEV} */
  public String launchDigest() {
    return launch.digest();
  }

  /** {@return what the image was recognised as} */
  public String format() {
    return parts.guest.format();
  }

  // ---- before a run

  /**
   * Chooses by what guest code is executed: speed changes, results do not. Native code if nothing
   * is chosen, where there can be any (see {@link #lackOfNativeCode}). Before the run only.
   */
  public void translator(Translator t) {
    parts.translateBy(t);
  }

  /**
   * Uses native code that earlier runs have made of the same bytes, and adds what this one makes to
   * it: results are the same. Before the run only.
   *
   * @param cache of machines with the same processors
   */
  public void use(CodeCache cache) {
    parts.keepCode(cache.code());
  }

  /** {@return by what guest code is executed, here and as things are} */
  public Translator translator() {
    return parts.translator();
  }

  /** {@return why guest code cannot be native code on this computer, or null if it can} */
  public static @Nullable String lackOfNativeCode() {
    return Tiers.lack();
  }

  /**
   * Has the edges counted that guest code takes from here on. It changes nothing that the guest or
   * an observer sees, and costs time. Going back to a checkpoint has the next edge come from where
   * it came from there; the map stays as it is.
   *
   * @param map takes the counts, in place of another one; or null to count no more
   */
  public void coverage(@Nullable EdgeCoverage map) {
    parts.cover(map == null ? null : map.map);
  }

  /**
   * Has hot code translated to methods of the JVM, and none to native code, and sets how often a
   * block of code is interpreted before: speed changes, results do not. Before the run only.
   *
   * @param times 0 for never
   * @throws IllegalArgumentException if it is negative
   */
  public void translateAfter(int times) {
    if (times < 0) {
      throw new IllegalArgumentException("a number of times is not negative, as " + times + " is");
    }
    parts.translateAfter(times);
  }

  /**
   * Limits all runs. Unlike what {@link Until} says this is part of the machine: the hypervisor
   * takes the processor back there.
   *
   * @param instructions of all vCPUs together since the machine began
   * @param realNanoTime a point of {@link System#nanoTime}, or {@link Long#MAX_VALUE}
   */
  public void limit(long instructions, long realNanoTime) {
    limit = instructions;
    parts.host.loop().limit(instructions, realNanoTime);
  }

  private void console(int b) {
    if (console.opens()) {
      consoleOut.accept(b);
    }
    stops.console(b);
    if (script != null) {
      script.console(b);
    }
    if (tracer != null) {
      tracer.console(b);
    }
  }

  /**
   * {@return names from a file beside the image: ELF with a symbol table and DWARF, or System.map}
   *
   * @param name of the file, for messages
   * @throws BootException if it is neither
   */
  public static Symbols readSymbols(String name, byte[] bytes) throws BootException {
    return SymbolFile.read(name, bytes);
  }

  /** Names the guest's code otherwise than its image does. Before the run only. */
  public void name(Symbols names) {
    symbols = names;
  }

  /**
   * Tells a sink of everything that happens. What is the same for pages that follow each other is
   * one event, which is told when another comes or the run stops. Before the run only.
   *
   * @param withAccesses also watches what the guest itself does with its GHCB, which the checker
   *     needs
   * @throws IllegalStateException if the machine has run
   */
  public void trace(EventSink sink, boolean withAccesses) {
    requireNoRun();
    deep |= withAccesses;
    sinks.add(sink);
  }

  /**
   * Tells a checker, or whoever draws conclusions from what came before, of everything that happens
   * as {@link #trace} does with accesses. It is part of the present: a checkpoint has its state, it
   * goes back with the machine, and is told again of what happens again. Before the run only.
   *
   * @param judge its state is what is found in objects of this module, from its fields on
   * @throws IllegalStateException if the machine has run
   */
  public void judge(EventSink judge) {
    requireNoRun();
    deep = true;
    judges.add(judge);
  }

  private boolean isTraced() {
    return !sinks.isEmpty() || !listeners.isEmpty() || !judges.isEmpty();
  }

  private void requireNoRun() {
    if (started) {
      throw new IllegalStateException("events are those of a whole run: ask before it begins");
    }
  }

  /**
   * Tells of events of a type, while they happen; of a machine that has run, of those from now on.
   *
   * @return closing it ends that
   */
  public <E extends Event> Registration on(Class<E> type, Consumer<? super E> listener) {
    EventSink s =
        e -> {
          if (type.isInstance(e)) {
            listener.accept(type.cast(e));
          }
        };
    listeners.add(s);
    return () -> listeners.remove(s);
  }

  /**
   * Writes what processors and host do, in the words of QEMU's log. Blocks of code that are to be
   * told of one by one are interpreted, whatever {@link #translator} says; results are the same.
   * Before the run only.
   *
   * @param lines takes whole lines, each with its end
   * @throws IllegalStateException if the machine has run
   */
  public void log(Set<LogItem> items, Consumer<String> lines) {
    if (started) {
      throw new IllegalStateException("a log is that of a whole run: ask before it begins");
    }
    log =
        new ExecutionLog(
            items,
            line -> {
              if (logged.opens()) {
                lines.accept(line);
              }
            },
            parts.cpus,
            (vcpu, to) ->
                GuestRegisters.look(
                    parts.vcpus.get(vcpu),
                    c -> {
                      to.accept(c);
                      return c;
                    }),
            this::symbols);
  }

  /**
   * Has values followed from now on: which private bytes reach the host, and which values of the
   * host's the guest uses unchecked. Each instruction is interpreted by itself, whatever {@link
   * #translator} says, which takes a hundred times as long as native code; what the guest does is
   * the same. Between runs: of what was there before nothing is known but that it is private, or
   * that it is shared. What is followed does not go back with {@link #restore}, and is in no file.
   * It is so for good: translated code does not come back.
   *
   * @throws IllegalStateException if there is an oracle already
   * @throws IllegalArgumentException if the host sees all of the guest's state anyway
   */
  public Oracle oracle(FlowOptions wanted) {
    Oracle o = oracle(wanted, symbols(), f -> {});
    parts.cpus.forEach(Cpu::followAll);
    return o;
  }

  /**
   * Has values followed from now on as {@link #oracle(FlowOptions)} does, until {@link #endOracle}:
   * the guest is as fast then as it was before.
   *
   * @param names of the guest's code where it stands: a kernel's own take long to find
   * @param told of each finding the first time, while the instruction is in execution, or while the
   *     host has the vCPU's turn
   * @throws IllegalStateException if there is an oracle already
   * @throws IllegalArgumentException if the host sees all of the guest's state anyway
   */
  public Oracle oracle(FlowOptions wanted, Symbols names, Consumer<? super FlowFinding> told) {
    if (oracle != null) {
      throw new IllegalStateException("a machine has one oracle");
    }
    if (!spec.mode().encryptsState()) {
      throw new IllegalArgumentException(
          "a host sees all that a guest without SEV-ES has: nothing can leak");
    }
    Consumer<FlowFinding> all =
        f -> {
          flows(f);
          told.accept(f);
        };
    FlowTracker t = new FlowTracker(wanted, parts.cpus, names, FlowTracker.mostLabels(), all);
    Oracle o = new Oracle(t);
    oracle = o;
    if (started) {
      t.beginLate();
      observe();
    }
    return o;
  }

  /** Has values followed no longer, if they are. Between runs. What was found can still be read. */
  public void endOracle() {
    if (oracle != null) {
      oracle = null;
      parts.cpus.forEach(c -> c.followAll(false));
      observe();
    }
  }

  /**
   * Has somebody told of pages that the guest uses as what they are not, and of what its kernel
   * executes, in place of whoever was. Between runs. Guest code is as fast as before.
   *
   * @param listener is told, or null for nobody
   */
  public void pageUses(@Nullable PageUses listener) {
    pageUses = listener;
    parts.cpus.forEach(c -> c.uses = listener);
    observe();
  }

  /** {@return whether the image says that it has code there which nobody writes} */
  public boolean isImageText(long gpa) {
    return parts.guest.text().stream()
        .anyMatch(r -> gpa >= (r.address() & -PAGE) && gpa < r.address() + r.length());
  }

  /** {@return whether the image says where it has such code} */
  public boolean tellsText() {
    return !parts.guest.text().isEmpty();
  }

  /**
   * Has somebody told of operands of guest instructions from now on, in place of whoever was.
   * Between runs. Each instruction is interpreted by itself as long as that lasts; results are the
   * same.
   *
   * @param listener takes them, or null for nobody
   * @param most instructions of each vCPU that are looked at: what comes behind them runs as before
   */
  public void operands(@Nullable OperandListener listener, long most) {
    for (Cpu c : parts.cpus) {
      c.watch(listener != null);
    }
    operands = listener;
    mostOperands = most;
    observeProcessors();
  }

  private void flows(FlowFinding f) {
    Tracer t = tracer;
    if (t != null) {
      t.flows(f);
    }
  }

  /** Has everybody told who looks on: the events' tracer, the log, the oracle. */
  private void observe() {
    Tracer t = tracer;
    ExecutionLog l = log;
    CpuObserver processor = l;
    HostObserver host = l;
    MemoryObserver ram = null;
    if (t != null) {
      processor = l == null ? t.processor() : new BothProcessorObservers(t.processor(), l);
      host = l == null ? t.host() : new BothHostObservers(t.host(), l);
      ram = t.memory();
    }
    Oracle o = oracle;
    if (o != null) {
      FlowTracker f = o.tracker();
      parts.cpus.forEach(c -> c.followAll(true));
      processor = processor == null ? f : new BothProcessorObservers(f, processor);
      host = host == null ? f : new BothHostObservers(f, host);
      ram = ram == null ? f : new BothMemoryObservers(f, ram);
    }
    PageUses u = pageUses;
    if (u != null) {
      MemoryObserver garbled = new GarbledPages(u, parts.memory);
      ram = ram == null ? garbled : new BothMemoryObservers(garbled, ram);
    }
    lookingOn = processor;
    observeProcessors();
    parts.host.observe(host);
    parts.memory.observe(ram);
  }

  private void observeProcessors() {
    OperandListener to = operands;
    CpuObserver others = lookingOn;
    for (Cpu c : parts.cpus) {
      CpuObserver w = to == null ? null : new OperandWatch(to, parts.memory, mostOperands);
      c.observer = w == null ? others : others == null ? w : new BothProcessorObservers(others, w);
    }
  }

  private void beginLog(ExecutionLog l) {
    observe();
    if (l.followsBlocks()) {
      parts.cpus.forEach(Cpu::followBlocks);
    }
    l.starts();
  }

  /**
   * Has the run traced.
   *
   * @param fromStart whether it is to begin with the launch
   */
  private void attach(boolean fromStart) {
    Tracer t = new Tracer(this::traces, this::happens, deep);
    tracer = t;
    t.attach(parts.cpus, symbols);
    observe();
    Measurement m = launch.measurement();
    if (!launchDigest().isEmpty() && fromStart) {
      t.launched(launch.policyText(), launchDigest(), m);
      launch
          .pages()
          .forEach(
              r -> {
                t.launchedPages(r.type() + ", " + r.what(), r.address(), r.length());
                if (r.type() == SnpPageType.SECRETS) {
                  t.launchedSecrets(observer().readPrivate(r.address(), SecretsPage.BYTES));
                }
                if (r.type() == SnpPageType.CPUID) {
                  byte[] page = observer().readPrivate(r.address(), CpuidPage.BYTES);
                  t.launchedCpuid(r.address(), Arrays.copyOf(page, CpuidPage.used(page)));
                }
              });
    }
    early.forEach(t::fired);
    early.clear();
  }

  private void traces(Event e) {
    judges.forEach(s -> s.accept(e));
    if (traced.opens()) {
      sinks.forEach(s -> s.accept(e));
    }
  }

  private void happens(Event e) {
    if (happened.opens()) {
      listeners.forEach(s -> s.accept(e));
    }
    stops.happened(e);
  }

  // ---- runs

  /**
   * Runs the guest to its end, or to a limit of {@link #limit}, behind which it may be run on.
   *
   * @throws IllegalStateException if a callback has thrown in an earlier run
   */
  public Outcome run() {
    return outcome(go(Until.end(), RunLoop.Goal.END));
  }

  /**
   * Runs the guest on until something happens.
   *
   * @throws IllegalStateException if a callback has thrown in an earlier run
   */
  public Stop run(Until until) {
    long real =
        until.realNanos == Long.MAX_VALUE ? until.realNanos : System.nanoTime() + until.realNanos;
    return stop(go(until, RunLoop.Goal.of(until.instructions, until.virtualTime, real)));
  }

  /**
   * Runs the machine until a vCPU has executed one more instruction; others run meanwhile as their
   * turns come.
   *
   * @throws IllegalStateException if a callback has thrown in an earlier run
   */
  public Stop step(int vcpu) {
    long count = observer.vcpu(vcpu).instructions() + 1;
    return stop(go(Until.end(), RunLoop.Goal.ofVcpu(vcpu, count)));
  }

  /** Has the run that is under way, or else the next one, come back soon; from any thread. */
  public void stop() {
    parts.host.loop().stop();
  }

  /**
   * Takes back what {@link #stop} has asked the next run for, while none is under way: whoever
   * asked has been heard otherwise. An {@linkplain #end end} is not taken back.
   */
  public void forgetStop() {
    synchronized (stops) {
      if (wanted == null) {
        parts.host.loop().forgetStop();
      }
    }
  }

  /**
   * Ends the run that is under way, or else the next one, soon and for good; from any thread. The
   * first one who calls it says how; nothing happens if the guest comes to its own end before.
   *
   * @param as the outcome of the run, with which traces end
   */
  public void end(Outcome as) {
    synchronized (stops) {
      if (wanted == null) {
        wanted = as;
      }
      stop();
    }
  }

  /** {@return whether the last run has come back because {@link #stop} was called} */
  public boolean stopped() {
    return stopped;
  }

  /**
   * Runs the guest on until something happens.
   *
   * @param past whether the next instruction is executed although a breakpoint is there
   */
  Stop run(Until until, boolean past) {
    RunLoop.Goal g = RunLoop.Goal.of(until.instructions, until.virtualTime, Long.MAX_VALUE);
    boolean passes = past && passes();
    return stop(go(until, again -> parts.host.loop().run(g, passes && !again)));
  }

  /**
   * Runs the guest on until a vCPU is about to execute an instruction.
   *
   * @return null, or why the run has come back before
   */
  @Nullable Stop settle() {
    RunLoop.Halt h = go(Until.end(), again -> parts.host.loop().settle());
    return h == RunLoop.Halt.EVENT ? null : stop(h);
  }

  /**
   * {@return whether there can be a {@link Timeline}: what the machine is given from outside can be
   * given to it again, because nobody is there or its inputs are kept} A recording has one future:
   * a run that is recorded does not go back.
   */
  public boolean canGoBack() {
    return inputs().isKept()
        || !inputs().isRecorded()
            && spec.ports().input().closed()
            && spec.hardware().networks().isEmpty();
  }

  /**
   * Gives a present that the machine was taken back to another future than it had: those outside
   * are asked anew, and hear what the machine says from here on.
   *
   * @throws IllegalStateException if it is a replay, which has one future
   */
  public void branch() {
    if (inputs().isFixed() && !inputs().isRecorded()) {
      throw new IllegalStateException(
          "a replay is what its recording has, and has no other future");
    }
    if (inputs().isKept()) {
      inputs().forgetFuture();
    }
    List.of(console, traced, happened, logged).forEach(Outlet::branch);
    parts.branch();
  }

  /** {@return whether there are breakpoints or watchpoints} */
  boolean hasStops() {
    return stops.any();
  }

  /** Runs the machine until a vCPU has executed so many instructions of its own. */
  Stop stepTo(int vcpu, long count) {
    return stop(go(Until.end(), RunLoop.Goal.ofVcpu(vcpu, count)));
  }

  /** {@return the access that an observer waits for and that the last instruction has made} */
  @Nullable Stop access() {
    VcpuView v = observer.current();
    return stops.hasAccess(v) ? stops.watchpoint(v) : null;
  }

  private RunLoop.Halt go(Until until, RunLoop.Goal goal) {
    boolean passes = passes();
    return go(until, again -> parts.host.loop().run(goal, passes && !again));
  }

  /**
   * {@return whether the next instruction is executed although a breakpoint is there} A run that
   * {@link #stop} has ended may have come to one that nobody was told of.
   */
  private boolean passes() {
    long here = instructions();
    passed = last != RunLoop.Halt.REQUESTED || here == began && passed;
    began = here;
    return passed;
  }

  /** A piece of a run. */
  private interface Piece {
    /**
     * Runs the guest on.
     *
     * @param again the run has come back for names that have become known, and goes on
     */
    RunLoop.Halt run(boolean again);
  }

  /** Runs a piece, and makes the changes that a recording has on its way. */
  private RunLoop.Halt run(Piece piece, boolean again) {
    long from = instructions();
    RunLoop.Halt h = piece.run(again);
    while (h == RunLoop.Halt.CHANGE) {
      changes.again();
      h = piece.run(again || instructions() > from);
    }
    return h;
  }

  private RunLoop.Halt go(Until until, Piece piece) {
    requireWhole();
    stopped = false;
    if (ended != null || parts.host.outcome() != null) {
      return RunLoop.Halt.ENDED;
    }
    while (launch.isOpen() && inputs().isChangeDue(false)) {
      changes.again();
    }
    launch.finish();
    stops.begin(until);
    begin(isTraced() || stops.needEvents());
    broken = "a callback has thrown in the middle of a run";
    RunLoop.Halt h;
    try {
      stops.apply();
      h = run(piece, false);
      while (h == RunLoop.Halt.EVENT && stops.waitsForNames()) {
        // Names that have just become known may be where to stop.
        stops.apply();
        h = run(piece, true);
      }
    } catch (Unimplemented u) {
      ended = new Outcome(Outcome.DEFECT, "not implemented: " + u.getMessage());
      h = RunLoop.Halt.ENDED;
    } catch (RuntimeException | Error e) {
      if (!loaded || !isOwn(e)) {
        closeTrace(e);
        throw e;
      }
      // Its parts are sound one by one, and do not fit each other.
      ended = new Outcome(Outcome.USAGE, "the snapshot has a state that no machine can be in");
      h = RunLoop.Halt.ENDED;
    }
    broken = null;
    last = h;
    if (h == RunLoop.Halt.REQUESTED && wanted != null) {
      ended = wanted;
      h = RunLoop.Halt.ENDED;
    }
    if (h == RunLoop.Halt.RECORDED) {
      ended = RunEnds.outcome(parts.host.inputs().log());
      h = RunLoop.Halt.ENDED;
    }
    stopped = h == RunLoop.Halt.REQUESTED;
    if (tracer != null && isEnd(h)) {
      Outcome o = outcome(h);
      tracer.ended(o.status(), o.reason());
    }
    return h;
  }

  /** {@return whether a failure is the machine's, and not that of a callback} */
  private static boolean isOwn(Throwable e) {
    if (!(e instanceof RuntimeException
        || e instanceof AssertionError
        || e instanceof StackOverflowError)) {
      return false;
    }
    for (StackTraceElement f : e.getStackTrace()) {
      String c = f.getClassName();
      if (!c.startsWith("java.") && !c.startsWith("jdk.")) {
        return c.startsWith(Machine.class.getPackageName() + ".");
      }
    }
    return true;
  }

  /**
   * The machine's life begins, or goes on.
   *
   * @param events whether somebody may want to be told of them
   */
  private void begin(boolean events) {
    if (log != null && !started) {
      beginLog(log);
    } else if (oracle != null && !started) {
      observe();
    }
    if (tracer == null && events) {
      attach(!started);
    }
    started = true;
  }

  /** What was traced shall say how it ended, whatever has failed. */
  private void closeTrace(Throwable failure) {
    if (tracer == null) {
      return;
    }
    try {
      tracer.ended(Outcome.DEFECT, "the machine or a callback has failed: " + failure);
    } catch (RuntimeException | Error e) {
      // The sink itself may be what fails.
      failure.addSuppressed(e);
    }
  }

  private static boolean isEnd(RunLoop.Halt h) {
    return switch (h) {
      case ENDED, INSTRUCTION_LIMIT, TIME_LIMIT -> true;
      default -> false;
    };
  }

  private Outcome outcome(RunLoop.Halt h) {
    Outcome o = ended != null ? ended : parts.host.outcome();
    if (o != null) {
      return o.is(Outcome.PAGE_REFUSED) ? placed(o) : o;
    }
    return new Outcome(
        Outcome.LIMIT,
        switch (h) {
          case TIME_LIMIT -> "time limit reached";
          case INSTRUCTION_LIMIT -> "instruction limit of " + limit + " reached";
          default -> stop(h).description();
        });
  }

  /** {@return the same end with what no host sees: where the guest is} */
  private Outcome placed(Outcome o) {
    VcpuView v = observer.current();
    String name = symbols.at(v.rip());
    return new Outcome(
        o.status(),
        o.reason()
            + "; vCPU "
            + v.id()
            + ", RIP 0x"
            + Long.toHexString(v.rip())
            + (name.isEmpty() ? "" : " <" + name + ">"),
        o.guestValue());
  }

  private Stop stop(RunLoop.Halt h) {
    return switch (h) {
      case ENDED, RECORDED -> new Stop.Ended(outcome(h));
      case INSTRUCTION_LIMIT, INSTRUCTIONS -> new Stop.Limit(Stop.Measure.INSTRUCTIONS);
      case VIRTUAL_TIME -> new Stop.Limit(Stop.Measure.VIRTUAL_TIME);
      case TIME_LIMIT, REAL_TIME -> new Stop.Limit(Stop.Measure.REAL_TIME);
      case VCPU_INSTRUCTIONS -> new Stop.Stepped(observer.current().id());
      case CODE -> stops.breakpoint(observer.current());
      case DATA -> stops.watchpoint(observer.current());
      case EVENT, CHANGE -> stops.event();
      case REQUESTED -> new Stop.Requested();
    };
  }

  /**
   * Stops runs before the instruction at a linear address is executed, by any vCPU.
   *
   * @return closing it takes the breakpoint away
   */
  public Registration breakpoint(long linear) {
    return stops.add(linear);
  }

  /**
   * Stops runs behind an instruction that accesses data.
   *
   * @param linear address of the first byte
   * @param bytes how many, at least 1
   * @return closing it takes the watchpoint away
   * @throws IllegalArgumentException if there is no byte to watch
   */
  public Registration watchpoint(long linear, long bytes, Access access) {
    return stops.add(linear, bytes, access);
  }

  /**
   * Stops runs behind an instruction of the guest's that writes to a page which its page tables
   * have as shared, so that the host can read what was written. The stop is a {@link
   * Stop.Watchpoint}.
   *
   * @param gpa guest physical address of the first byte; whole pages are watched
   * @param bytes how many, at least 1
   * @return closing it ends that
   * @throws IllegalArgumentException if there is no byte to watch
   */
  public Registration sharedWrites(long gpa, long bytes) {
    return stops.addShared(gpa, bytes);
  }

  // ---- moments to come back to

  /**
   * {@return the present, which the machine can be taken back to} What it does from there is the
   * same as if it had never gone further. What is outside does not go back: what was written to
   * consoles, disks and networks is written, and what listeners were told is not told again; but
   * who {@linkplain #judge judges} goes back too. A machine that has not run counts as one that
   * has: who traces it must have asked before.
   *
   * @throws IllegalStateException if a callback has thrown in an earlier run
   */
  public Checkpoint checkpoint() {
    requireWhole();
    // What was told is counted from here on, so that who comes later hears nothing twice; and who
    // looks on is part of the moment, because going back takes observers back too.
    begin(true);
    return kept();
  }

  /**
   * {@return the same of a machine that nobody is going to observe} Where nothing has asked for
   * events yet, nothing begins to note them, which takes longer than what the guest does. Who asks
   * behind it, by {@link #on} or an {@link Until#needsEvents Until that needs them}, is not taken
   * back with the machine.
   *
   * @throws IllegalStateException if a callback has thrown in an earlier run
   */
  public Checkpoint checkpointUnobserved() {
    requireWhole();
    begin(!sinks.isEmpty() || !listeners.isEmpty());
    return kept();
  }

  private Checkpoint kept() {
    List<Object> all = roots();
    all.addAll(judges);
    Checkpoint c = new Checkpoint(this, Kept.now(parts, all, newest), parts.edges());
    newest = c.kept;
    return c;
  }

  /**
   * Takes the machine back to a moment. Checkpoints that were made behind it are no more.
   *
   * @throws IllegalArgumentException if it is another machine's, or is no more
   * @throws IllegalStateException if a callback has thrown in an earlier run
   */
  public void restore(Checkpoint to) {
    requireWhole();
    if (!to.isOf(this)) {
      throw new IllegalArgumentException("a checkpoint of another machine");
    }
    to.kept.restore();
    parts.edges(to.edges);
    newest = to.kept;
    ended = null;
    stopped = false;
    began = instructions();
    passed = true;
    stops.restored();
    if (script != null) {
      script.restored();
    }
  }

  /**
   * Writes the machine as it is, between runs, so that another process can run it on. What is
   * written and what is not: docs/snapshots.md.
   *
   * @param to takes the file; it is not closed
   * @throws IOException if it cannot be written
   * @throws IllegalStateException if the guest's life is over, a callback has thrown in an earlier
   *     run, or a part of the machine has no form in a file
   */
  public void save(OutputStream to) throws IOException {
    save(to, null);
  }

  /**
   * Writes the machine as {@link #save(OutputStream)} does, and what has happened in it.
   *
   * @param told was told of all events since the machine began, for who looks on in another process
   *     and has to know them; null if nobody has to
   * @throws IOException if it cannot be written
   * @throws IllegalStateException as the other one
   */
  public void save(OutputStream to, @Nullable PackedEvents told) throws IOException {
    requireSavable();
    Snapshot.write(parts, roots(), description(), told, to);
  }

  private void requireSavable() {
    requireWhole();
    if (ended != null || parts.host.outcome() != null) {
      throw new IllegalStateException("the guest has come to its end");
    }
    String lack = lackOfSnapshots();
    if (lack != null) {
      throw new IllegalStateException(lack);
    }
  }

  /**
   * Writes the machine to a file as {@link #save(OutputStream, PackedEvents)} does. If that is cut
   * short, by the end of the process too, {@link #load} says so.
   *
   * @param to what it had is no more, from the beginning on; it is not closed
   */
  public void save(SeekableByteChannel to, @Nullable PackedEvents told) throws IOException {
    // What the file had is still there if there is nothing to be written.
    requireSavable();
    SnapshotFile.write(to, out -> save(out, told));
  }

  /** {@return where all state is found from, that of the observers included} */
  private List<Object> roots() {
    List<Object> all = new ArrayList<>(List.of(parts, launch, console, traced, happened, logged));
    if (script != null) {
      all.add(script);
    }
    if (tracer != null) {
      all.add(tracer);
    }
    return all;
  }

  /**
   * {@return the same for a snapshot that is read} What its observers knew is for observers that
   * are like them; for others, who begin there, it is read and forgotten.
   */
  private List<Object> rootsOf(MachineDescription file) {
    // What the script has done in this launch is what it had done in that one.
    early.clear();
    if (isTraced()) {
      attach(false);
    }
    String observers = String.valueOf(file.word(MachineDescription.OBSERVERS));
    List<Object> all = roots();
    if (!observers.equals(observers()) && tracer != null) {
      all.removeLast();
    }
    if (!observers.equals(MachineDescription.NOBODY) && !observers.equals(observers())) {
      Tracer nobody = new Tracer(e -> {}, e -> {}, observers.equals(MachineDescription.DEEP));
      nobody.attach(List.of(), symbols);
      all.add(nobody);
    }
    return all;
  }

  private String observers() {
    return tracer == null
        ? MachineDescription.NOBODY
        : deep ? MachineDescription.DEEP : MachineDescription.EVENTS;
  }

  /**
   * {@return why the machine cannot be {@linkplain #save saved}, whatever it does, or null} What is
   * outside of it, and changes, is in no file.
   */
  public @Nullable String lackOfSnapshots() {
    Hardware h = spec.hardware();
    if (!h.shares().isEmpty()) {
      return "the shared folder "
          + h.shares().get(0).tag()
          + " is outside of the machine, and a snapshot cannot hold it";
    }
    if (h.networks().stream().anyMatch(Network::live)) {
      return "a network leads out of the machine, and a snapshot cannot hold its connections";
    }
    for (Hardware.Drive d : h.drives()) {
      Disk disk = d.disk();
      if (!disk.readOnly() && !(disk instanceof OverlayDisk)) {
        return "the disk "
            + disk.name()
            + " is written to, and a snapshot cannot hold it: put an OverlayDisk over it";
      }
    }
    return null;
  }

  private MachineDescription description() throws IOException {
    return MachineDescription.of(spec, launchDigest(), instructions(), virtualTime(), observers());
  }

  /**
   * Has the machine be what another one was when it was saved; it does from there what that one
   * would have done. Before the run only.
   *
   * @param file as {@link #save} has written it, of a machine with the same description
   * @throws IOException if it cannot be read
   * @throws SnapshotException if it is damaged or of another machine; if it was found late, this
   *     machine cannot run. That the parts of a file do not fit each other may be found only when
   *     the machine runs, which then ends with {@link Outcome#USAGE}
   * @throws IllegalStateException if the machine has run
   */
  public void load(Path file) throws IOException, SnapshotException {
    try (SeekableByteChannel c = Files.newByteChannel(file, StandardOpenOption.READ)) {
      load(c);
    }
  }

  /**
   * Has the machine be what another one was, as {@link #load(Path)} does.
   *
   * @param file is read from its beginning, and not closed
   */
  public void load(SeekableByteChannel file) throws IOException, SnapshotException {
    load(file, null);
  }

  /**
   * Has the machine be what another one was, as {@link #load(Path)} does, and tells what happened
   * in that one before.
   *
   * @param file is read from its beginning, and not closed
   * @param past is told the events that were written with it, if there are any; null for nobody.
   *     What happens from here on is told to those who {@linkplain #trace trace} the machine
   * @return whether the file has events
   */
  public boolean load(SeekableByteChannel file, @Nullable EventSink past)
      throws IOException, SnapshotException {
    requireWhole();
    if (started) {
      throw new IllegalStateException("a snapshot is read into a machine that has not run");
    }
    String lack = lackOfSnapshots();
    if (lack != null) {
      throw new IllegalStateException(lack);
    }
    try {
      file.position(0);
      Snapshot.verify(description(), Channels.newInputStream(file));
      broken = "its snapshot could not be read";
      file.position(0);
      boolean told = Snapshot.read(parts, this::rootsOf, past, Channels.newInputStream(file));
      if (script != null) {
        script.restored();
      }
      broken = null;
      loaded = true;
      return told;
    } catch (Damaged e) {
      // It may say what the file says.
      String why = Visible.of(String.valueOf(e.getMessage()));
      throw new SnapshotException(
          why.length() > LONGEST_REASON ? why.substring(0, LONGEST_REASON) + "..." : why);
    }
  }

  /**
   * {@return a second machine that is what this one is now, and goes its own way from here} They
   * share nothing that a guest could see: what the one does is not to be noticed in the other.
   * Breakpoints, observers, and what has been said to them are not taken along, nor is code that
   * was made of the guest's.
   *
   * @param other the same machine, with consoles, inputs, networks and disks of its own
   * @throws IOException if a disk cannot be read, by which it is known
   * @throws SnapshotException if it is another machine, saying by what
   * @throws BootException if its image cannot be loaded
   * @throws IllegalArgumentException if both have a disk that is written to
   * @throws IllegalStateException as {@link #save(OutputStream)}
   */
  public Machine fork(MachineSpec other) throws IOException, SnapshotException, BootException {
    requireSavable();
    for (Hardware.Drive d : other.hardware().drives()) {
      if (!d.disk().readOnly()
          && spec.hardware().drives().stream().anyMatch(o -> o.disk() == d.disk())) {
        throw new IllegalArgumentException(
            "the disk " + d.disk().name() + " is written to by both: give each an OverlayDisk");
      }
    }
    Machine m = new Machine(other);
    String lack = m.lackOfSnapshots();
    if (lack != null) {
      throw new IllegalStateException(lack);
    }
    try {
      String difference = description().difference(m.description());
      if (difference != null) {
        throw new Damaged(difference);
      }
      m.broken = "it could not be made of another";
      Snapshot.copy(parts, roots(), m.parts, m.rootsOf(description()));
    } catch (Damaged e) {
      throw new SnapshotException(Visible.of(String.valueOf(e.getMessage())));
    }
    if (m.script != null) {
      m.script.restored();
    }
    m.broken = null;
    return m;
  }

  private void requireWhole() {
    if (broken != null) {
      throw new IllegalStateException("the machine cannot go on: " + broken);
    }
  }

  // ---- what comes from outside

  /** {@return where the machine asks for what comes from outside} */
  public InputLog inputs() {
    return parts.host.inputs().log();
  }

  private LaunchSequence launch() {
    return launch;
  }

  /**
   * {@return whether a debugger may change registers and memory} A replay is what its recording
   * says; a run that is recorded has changes written down, up to its end.
   */
  public boolean canBeChanged() {
    return changes.lack() == null;
  }

  /** {@return in a line why the machine cannot be changed where it is, or null if it can} */
  public @Nullable String lackOfChanges() {
    return changes.lack();
  }

  /**
   * {@return how the run has ended, as a recording has it; between runs}
   *
   * @param o the outcome of the last run
   * @param traceDigest SHA-256 of all events, in hex; empty if they are not digested
   */
  public RunEnd end(Outcome o, String traceDigest) {
    return RunEnds.of(this, parts.host.loop().inTurn(), last, o, traceDigest);
  }

  /**
   * {@return in a line what of the end of a replay is not what was recorded, or null if all is}
   *
   * @param o the outcome of the last run
   * @param traceDigest as of {@link #end}
   */
  public @Nullable String unlikeRecorded(Outcome o, String traceDigest) {
    return isRecordedEnd() ? RunEnds.difference(inputs().recordedEnd(), end(o, traceDigest)) : null;
  }

  /** {@return whether a replay has ended by itself, and nobody has ended it before} */
  public boolean isRecordedEnd() {
    return inputs().recordedEnd() != null
        && last != RunLoop.Halt.REQUESTED
        && last != RunLoop.Halt.TIME_LIMIT;
  }

  // ---- views

  /** {@return who sees registers and plaintext} */
  public Observer observer() {
    return observer;
  }

  /** {@return what the host sees of memory} */
  public HostMemory hostView() {
    return parts.memory.hostView();
  }

  /** {@return the hypervisor, for a program that takes part in it} */
  public HypervisorProgram hypervisor() {
    return parts.host.program();
  }

  /** {@return the firmware's variable store as it is now, empty if there is none} */
  public byte[] variables() {
    MachineSpec.Firmware flash = spec.boot().firmware();
    byte[] b = new byte[flash == null ? 0 : flash.variables().length];
    if (flash != null) {
      parts
          .memory
          .hostView()
          .read(FirmwareImage.base(flash.code(), flash.variables()), b, 0, b.length);
    }
    return b;
  }

  /**
   * A key of the PS/2 keyboard goes down or up, while the guest stands still: between runs, or in a
   * callback. The keyboard keeps 16 bytes of codes until the guest takes them.
   *
   * @param scanCode the key's make code of scan code set 1, as 0x1E for A; keys whose code has a
   *     prefix have it above, as 0xE053 for Delete. The guest sees set 1 or 2, as it has chosen
   * @return whether the board has a keyboard, as QEMU's boards have
   * @throws IllegalArgumentException if it is no make code
   */
  public boolean key(int scanCode, boolean down) {
    if ((scanCode & ~0x7F) != 0 && (scanCode & ~0x7F) != 0xE000 || (scanCode & 0x7F) == 0) {
      throw new IllegalArgumentException(
          "make codes are 0x01 to 0x7f and 0xe001 to 0xe07f, not 0x"
              + Integer.toHexString(scanCode));
    }
    parts.host.inputs().key(scanCode, down);
    return parts.host.hasKeyboard();
  }

  /** {@return the text on the screen, or null if there is no screen} */
  public @Nullable String screenText() {
    Vga v = parts.host.screen();
    return v == null ? null : v.text();
  }

  /** {@return the picture on the screen as a PNG file, or null if it shows none} */
  public byte @Nullable [] screenPng() {
    Vga v = parts.host.screen();
    return v == null ? null : v.png();
  }

  /** {@return the picture on the screen as a binary PPM file, or null if it shows none} */
  public byte @Nullable [] screenPpm() {
    Vga v = parts.host.screen();
    return v == null ? null : v.ppm();
  }

  /** {@return the board, for whoever sits before it} */
  public Board board() {
    return new Board(parts.host, changes, parts.vcpus.size());
  }

  /** {@return the guest's policy in words, empty without SEV} */
  public String policy() {
    return spec.mode() == SevMode.OFF ? "" : launch.policyText();
  }

  /** {@return the guest's policy as the launch command has it, 0 without SEV} */
  public long policyBits() {
    return spec.mode() == SevMode.OFF ? 0 : launch.policyBits();
  }

  /** {@return the handle that the secure processor has given the guest, 0 without one} */
  public int handle() {
    return spec.mode() == SevMode.OFF ? 0 : launch.handle();
  }

  /** {@return the number of the address bit that makes a page private, or -1 without SEV} */
  public int cBit() {
    return spec.mode() == SevMode.OFF ? -1 : Long.numberOfTrailingZeros(parts.cpus.getFirst().cBit);
  }

  /** {@return the system physical address of the VMSA page, or -1} */
  public long vmsaAddress() {
    return parts.vcpus.get(0) instanceof EncryptedVcpu e ? e.vmcb().get(Vmcb.VMSA_PTR) : -1;
  }

  /** {@return V_TPR of the boot processor's VMCB: the task priority as the host can see it} */
  public int virtualTpr() {
    return (int) parts.vcpus.get(0).vmcb().get(Vmcb.V_INTR) & 15;
  }

  /**
   * {@return bytes of memory that were touched so far, which the computer has to have; from any
   * thread}
   */
  public long touchedBytes() {
    return (long) parts.memory.touchedPages() << 12;
  }

  /** {@return instructions executed by all vCPUs} */
  public long instructions() {
    return parts.cpus.stream().mapToLong(c -> c.icount).sum();
  }

  /** {@return virtual time in nanoseconds} */
  public long virtualTime() {
    return parts.cpus.stream().mapToLong(Cpu::now).max().orElse(0);
  }

  /** {@return SHA-256 over memory as the bus carries it and over the processor's state, in hex} */
  public String stateHash() {
    try {
      MessageDigest d = MessageDigest.getInstance("SHA-256");
      Map<Integer, Integer> stale = new HashMap<>();
      parts.vcpus.forEach(v -> v.stale(stale));
      parts.memory.digest(d, stale);
      parts.vcpus.forEach(v -> v.digest(d));
      return HexFormat.of().formatHex(d.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }

  /**
   * {@return what has happened until the moment that the machine is at, since there was a
   * {@linkplain #trace trace} or a {@linkplain #on listener}} In a callback it counts the event
   * that it is told of.
   */
  public Tally tally() {
    return tracer == null ? Tally.NONE : tracer.tally();
  }

  /** {@return names of the image's places; of a traced run, moved to where the guest runs} */
  public Symbols symbols() {
    return tracer == null ? symbols : tracer.symbols();
  }

  /**
   * {@return the names that hold for a vCPU's code} A Linux kernel's own names are found in a run
   * that is not traced too, which takes a tenth of a second.
   */
  public Symbols symbols(VcpuView v) {
    Symbols now = symbols();
    return tracer != null
        ? now
        : GuestRegisters.look(parts.vcpus.get(v.id()), c -> Tracer.symbols(c, now));
  }

  /**
   * {@return the name of the code that a vCPU is to execute next, as in {@code native_halt+0xe},
   * empty if it has none} It takes as long as {@link #symbols(VcpuView)}.
   */
  public String codeName(VcpuView v) {
    return symbols(v).at(v.rip());
  }

  /**
   * {@return which lines of source a traced run has executed, as an lcov tracefile}
   *
   * @throws IllegalStateException if the run is not traced
   */
  public String lcov() {
    return coverage().lcov(symbols());
  }

  /**
   * {@return which code a traced run has executed, as a drcov file of one module}
   *
   * @param path of the image
   * @throws IllegalStateException if the run is not traced
   */
  public byte[] drcov(String path) {
    return coverage().drcov(path);
  }

  /**
   * {@return whether a traced run has come to the code that a symbol names} What is known is which
   * blocks of code the processor has come to: the one that it stands at counts, and one that it
   * leaves by a fault counts as a whole.
   *
   * @throws IllegalStateException if the run was not traced
   */
  public boolean reached(String symbol) {
    CodeCoverage c = coverage();
    Symbols names = symbols();
    return names.all().stream()
        .filter(s -> s.name().equals(symbol))
        .anyMatch(s -> LongStream.of(names.running(s.address())).anyMatch(c::executed));
  }

  private CodeCoverage coverage() {
    if (tracer == null) {
      throw new IllegalStateException("coverage is that of a traced run");
    }
    return tracer.coverage();
  }

  /**
   * {@return memory by the states that the reverse map table has for it now; empty without SEV-SNP}
   * Guest memory is at its guest physical addresses, and so is a save area that was launched; pages
   * of the firmware's are where they are in system memory.
   */
  public RmpMap memoryMap() {
    return Tracer.memoryMap(parts.memory);
  }

  /** {@return registers and the instruction at RIP, for people} */
  public String dump() {
    return GuestRegisters.look(parts.vcpus.get(0), c -> Tracer.dump(c, symbols()));
  }

  /**
   * Closes the disks, networks and folders that the guest was given.
   *
   * @throws IOException if one cannot be closed; the others are
   */
  @Override
  public void close() throws IOException {
    broken = "it is closed";
    List<Closeable> all = new ArrayList<>();
    spec.hardware().drives().forEach(d -> all.add(d.disk()::close));
    spec.hardware().networks().forEach(n -> all.add(n::close));
    spec.hardware().shares().forEach(f -> all.add(f.server()::close));
    IOException first = null;
    for (Closeable c : all) {
      try {
        c.close();
      } catch (IOException e) {
        first = first == null ? e : first;
      }
    }
    if (first != null) {
      throw first;
    }
  }
}
