package dev.vesper.machine;

import dev.vesper.machine.boot.FirmwareImage;
import dev.vesper.machine.boot.FirmwareTable;
import dev.vesper.machine.boot.LoadedGuest;
import dev.vesper.machine.boot.SymbolFile;
import dev.vesper.machine.boot.WakingVector;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.TimeStampCounter;
import dev.vesper.machine.cpu.Unimplemented;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.cpu.jit.RegionTranslator;
import dev.vesper.machine.device.display.Vga;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.SecureProcessor;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.trace.CodeCoverage;
import dev.vesper.machine.trace.Tracer;
import dev.vesper.machine.vmm.ExtraIntercepts;
import dev.vesper.machine.vmm.HostFaults;
import dev.vesper.machine.vmm.Hypervisor;
import dev.vesper.machine.vmm.MmioMap;
import dev.vesper.machine.vmm.OpenBsdProfile;
import dev.vesper.machine.vmm.Platform;
import dev.vesper.machine.vmm.Profile;
import dev.vesper.machine.vmm.RunLoop;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.List;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/** One virtual machine: silicon, hypervisor and a loaded guest. Not thread-safe. */
public final class Machine {
  /** Per vCPU: VMCB, VMSA and five pages of permission maps. */
  private static final int HOST_PAGES = 8;

  /** Pages below 4 GiB, where firmware ends. */
  static final int BELOW_4G = 1 << 20;

  private final PhysicalMemory memory;
  private final List<Cpu> cpus = new ArrayList<>();
  private final List<VirtualCpu> vcpus = new ArrayList<>();
  private final Hypervisor host;
  private final LoadedGuest guest;
  private final SecureProcessor processor;
  private final Profile profile;
  private final IntConsumer consoleOut;
  private final MachineSpec.@Nullable Firmware flash;
  private int handle;
  private long limit;
  private GuestPolicy policy = new GuestPolicy(0);
  private @Nullable Measurement measurement;
  private @Nullable Tracer tracer;
  private Symbols symbols;

  /**
   * Builds the machine and launches the guest.
   *
   * @throws BootException if the image cannot be loaded
   * @throws IllegalArgumentException if the options make no machine
   */
  public Machine(MachineSpec o) throws BootException {
    profile = Profile.named(o.profile());
    check(o, profile);
    CpuModel model = CpuModel.named(o.cpuModel());
    MachineSpec.Firmware firmware = o.boot().firmware();
    flash = firmware;
    Hardware.Board board = LaunchPlan.board(o, profile);
    memory =
        new PhysicalMemory(
            o.memoryBytes(),
            firmware == null && o.hardware().screen() == null ? 0 : BELOW_4G,
            HOST_PAGES * o.processors());
    MmioMap mmio = new MmioMap();
    boolean encrypted = o.mode() != SevMode.OFF;
    int key = encrypted ? memory.createKey(o.seed()) : Page.SHARED;
    long cBit = LaunchPlan.cBit(o.mode(), model);
    HostView view = memory.hostView();
    NestedMap nested = nested(memory.guestPages(), mmio);
    CpuFeatures features = new CpuFeatures(model.features());
    Interpreter interpreter = new Interpreter(features);
    TimeStampCounter tsc = new TimeStampCounter();
    for (int i = 0; i < o.processors(); i++) {
      Cpu c = new Cpu(memory, nested, features, interpreter, o.seed() + i);
      c.configureEncryption(key, cBit);
      c.configurePhysicalBits(model.physicalBits());
      c.timeStampCounter = tsc;
      RegionTranslator.attach(c, RegionTranslator.standard());
      cpus.add(c);
      VirtualCpu v =
          o.mode() == SevMode.ES
              ? new EncryptedVcpu(c, memory, key)
              : new PlainVcpu(c, memory, encrypted);
      int maps = memory.allocateHostPage();
      for (int p = 1; p < 5; p++) {
        memory.allocateHostPage();
      }
      profile.configure(v, o.mode(), model, view, (long) maps << 12);
      ExtraIntercepts.add(v, o.intercepts());
      vcpus.add(v);
    }
    guest = LaunchPlan.load(o, profile, model, view);
    MachineSpec.Ports p = o.ports();
    consoleOut = p.console();
    host =
        new Hypervisor(
            vcpus,
            o.processors() > 1 || board != Hardware.Board.MINIMAL,
            view,
            (clock, messages) ->
                profile.platform(
                    new Platform.Parts(
                        clock,
                        messages,
                        memory.deviceView(),
                        encrypted,
                        o.processors(),
                        this::console,
                        p.debug()::accept,
                        p.virtioConsole()::accept,
                        o.hardware(),
                        board,
                        mmio,
                        o.seed(),
                        guest.apJumpTable(),
                        firmware == null ? null : firmware(o, firmware))),
            profile,
            model,
            o.mode(),
            mmio,
            p.input());
    if (guest.bios() && board != Hardware.Board.MINIMAL) {
      host.afterBios();
    }
    mmio.onChange(() -> cpus.forEach(c -> c.flushTlb(true)));
    host.resumesAt(firmware == null ? () -> WakingVector.state(view) : guest::state);
    HostFaults.commit(o.hostFaults(), host.program());
    if (o.executeOnly()) {
      BitSet text = textFrames(guest);
      cpus.forEach(c -> c.executeOnly = text);
    }
    symbols = guest.symbols();
    processor = new SecureProcessor(memory, key, o.seed());
    launch(o);
    if (o.mode() == SevMode.ES && guest.apsParked()) {
      for (int i = 1; i < o.processors(); i++) {
        host.startedByFirmware(i);
      }
    }
  }

  static void check(MachineSpec o, Profile profile) {
    if (o.memoryBytes() < 1 << 20
        || o.memoryBytes() > MachineSpec.MAX_MEMORY
        || (o.memoryBytes() & 0xF_FFFF) != 0) {
      throw new IllegalArgumentException(
          "guest memory must be 1 to 3072 MiB in whole MiB, not " + o.memoryBytes() + " bytes");
    }
    if (o.processors() < 1 || o.processors() > profile.mostVcpus()) {
      throw new IllegalArgumentException(
          "profile "
              + profile.name()
              + " gives a guest "
              + (profile.mostVcpus() == 1
                  ? "1 processor"
                  : "1 to " + profile.mostVcpus() + " processors")
              + ", not "
              + o.processors());
    }
  }

  private static Platform.Firmware firmware(MachineSpec o, MachineSpec.Firmware f) {
    MachineSpec.Boot b = o.boot();
    return new Platform.Firmware(
        FirmwareImage.base(f.code(), f.variables()),
        f.code().length + f.variables().length,
        f.variables().length,
        b.image().length == 0 ? null : b.image(),
        b.initrd(),
        b.commandLine());
  }

  private static NestedMap nested(int guestPages, MmioMap mmio) {
    return frame ->
        frame >= 0 && frame < guestPages && !mmio.window(frame) || mmio.backed(frame)
            ? NestedMap.RAM
            : mmio.readOnly(frame)
                ? NestedMap.ROM
                : mmio.installed(frame) ? NestedMap.MMIO : NestedMap.ABSENT;
  }

  private static BitSet textFrames(LoadedGuest guest) {
    BitSet frames = new BitSet();
    for (LoadedGuest.Range r : guest.text()) {
      frames.set((int) (r.address() >>> 12), (int) (r.address() + r.length() + 0xFFF >>> 12));
    }
    return frames;
  }

  /** The secure processor's commands in the profile's order. */
  private void launch(MachineSpec o) {
    SevMode mode = o.mode();
    if (mode == SevMode.OFF) {
      for (int i = 0; i < vcpus.size(); i++) {
        if (vcpus.get(i) instanceof PlainVcpu p) {
          SecureProcessor.launchPlain(p, guest.stateOf(i));
        }
      }
      return;
    }
    boolean vmd = profile instanceof OpenBsdProfile;
    MachineSpec.Launch l = o.launch();
    policy = l.policy() != null ? l.policy() : new GuestPolicy(profile.policy(mode));
    int asid = mode == SevMode.ES ? 1 : SecureProcessor.MIN_SEV_ASID;
    vcpus.forEach(v -> v.vmcb().set(Vmcb.ASID, asid));
    processor.init();
    MachineSpec.Session owner = l.owner();
    handle =
        owner == null
            ? processor.launchStart(policy)
            : processor.launchStart(policy, owner.certificate(), owner.session());
    if (vmd) {
      processor.guestStatus(handle);
    }
    processor.dfFlush();
    processor.activate(handle, asid);
    if (vmd) {
      processor.guestStatus(handle);
    }
    for (LoadedGuest.Range r : guest.ranges()) {
      processor.launchUpdateData(handle, r.address(), r.length());
    }
    for (int i = 0; i < vcpus.size(); i++) {
      switch (vcpus.get(i)) {
        case EncryptedVcpu e -> processor.launchUpdateVmsa(handle, e, guest.stateOf(i));
        case PlainVcpu p -> SecureProcessor.launchPlain(p, guest.stateOf(i));
      }
    }
    Measurement m = processor.launchMeasure(handle);
    measurement = m;
    LaunchSecret secret = l.secret().answer(m);
    if (secret != null) {
      processor.launchSecret(handle, secret, secretArea(o, secret).address());
    }
    processor.launchFinish(handle);
    if (vmd) {
      processor.guestStatus(handle);
    }
  }

  private static FirmwareTable.Area secretArea(MachineSpec o, LaunchSecret secret) {
    MachineSpec.Firmware f = o.boot().firmware();
    FirmwareTable.Area a = f == null ? null : new FirmwareTable(f.code()).secrets();
    if (a == null) {
      throw new IllegalArgumentException(
          "there is no place for a launch secret: it takes firmware that publishes one, as OVMF"
              + " does");
    }
    if (secret.payload().length > a.length()) {
      throw new IllegalArgumentException(
          "the launch secret has "
              + secret.payload().length
              + " bytes, the firmware has room for "
              + a.length());
    }
    return a;
  }

  /** {@return what LAUNCH_MEASURE returned, or null without SEV} */
  public @Nullable Measurement measurement() {
    return measurement;
  }

  /**
   * DBG_DECRYPT: {@return private memory as the host may ask for it}
   *
   * @throws dev.vesper.machine.launch.CommandFailed if the policy forbids it
   */
  public byte[] debugDecrypt(long address, int length) {
    return processor.dbgDecrypt(handle, address, length);
  }

  /** {@return the secure processor's commands of the launch, in order; empty without SEV} */
  public List<String> launchCommands() {
    return processor.commands();
  }

  /** {@return what the image was recognised as} */
  public String format() {
    return guest.format();
  }

  /**
   * Sets how often a block of code is interpreted before it is translated: speed changes, results
   * do not. Before the run only.
   *
   * @param times 0 for never
   */
  public void translateAfter(int times) {
    cpus.forEach(c -> RegionTranslator.attach(c, times));
  }

  /** Ends the run after a number of instructions, or at a point of {@link System#nanoTime}. */
  public void limit(long instructions, long realNanoTime) {
    limit = instructions;
    host.loop().limit(instructions, realNanoTime);
  }

  private void console(int b) {
    consoleOut.accept(b);
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

  /** Names the guest's code otherwise than its image does. */
  public void name(Symbols names) {
    symbols = names;
  }

  /**
   * Tells a sink of everything that happens. Before the run only.
   *
   * @param deep also watches what the guest itself does with its GHCB, which the checker needs
   */
  public void trace(EventSink sink, boolean deep) {
    Tracer t = new Tracer(sink, deep);
    tracer = t;
    t.attach(cpus, symbols);
    cpus.forEach(c -> c.observer = t.processor());
    memory.observe(t.memory());
    host.observe(t.host());
    Measurement m = measurement;
    if (m != null) {
      t.launched(policy, launchDigest(), m);
    }
  }

  /** Runs the guest to its end. */
  public Outcome run() {
    Outcome o;
    try {
      o = outcome(host.loop().run(RunLoop.Goal.END));
    } catch (Unimplemented u) {
      o = new Outcome(Outcome.DEFECT, "not implemented: " + u.getMessage());
    }
    if (tracer != null) {
      tracer.ended(o.status(), o.reason());
    }
    return o;
  }

  private Outcome outcome(RunLoop.Halt halt) {
    Outcome o = host.outcome();
    return o != null
        ? o
        : new Outcome(
            Outcome.LIMIT,
            halt == RunLoop.Halt.TIME_LIMIT
                ? "time limit reached"
                : "instruction limit of " + limit + " reached");
  }

  /** {@return what the host sees of memory} */
  public HostView hostView() {
    return memory.hostView();
  }

  /**
   * {@return guest physical memory in plaintext as the guest sees its private pages: for observers}
   */
  public byte[] observePrivate(long address, int length) {
    return memory.peek(address, length, cpus.get(0).key);
  }

  /** {@return the firmware's variable store as it is now, empty if there is none} */
  public byte[] variables() {
    byte[] b = new byte[flash == null ? 0 : flash.variables().length];
    if (flash != null) {
      memory.hostView().read(FirmwareImage.base(flash.code(), flash.variables()), b, 0, b.length);
    }
    return b;
  }

  /** {@return the text on the screen, or null if there is no screen} */
  public @Nullable String screenText() {
    Vga v = host.screen();
    return v == null ? null : v.text();
  }

  /** {@return the picture on the screen as a PNG file, or null if it shows none} */
  public byte @Nullable [] screenPng() {
    Vga v = host.screen();
    return v == null ? null : v.png();
  }

  /** {@return the system physical address of the VMSA page, or -1} */
  public long vmsaAddress() {
    return vcpus.get(0) instanceof EncryptedVcpu e ? e.vmcb().get(Vmcb.VMSA_PTR) : -1;
  }

  /** {@return V_TPR of the boot processor's VMCB: the task priority as the host can see it} */
  public int virtualTpr() {
    return (int) vcpus.get(0).vmcb().get(Vmcb.V_INTR) & 15;
  }

  /** {@return instructions executed} */
  public long instructions() {
    return cpus.stream().mapToLong(c -> c.icount).sum();
  }

  /** {@return virtual time in nanoseconds} */
  public long virtualTime() {
    return cpus.stream().mapToLong(Cpu::now).max().orElse(0);
  }

  /** {@return SHA-256 over memory as the bus carries it and over the processor's state, in hex} */
  public String stateHash() {
    try {
      MessageDigest d = MessageDigest.getInstance("SHA-256");
      memory.digest(d);
      vcpus.forEach(v -> v.digest(d));
      return HexFormat.of().formatHex(d.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /** {@return the launch digest in hex, empty without SEV} */
  public String launchDigest() {
    return processor.digest(handle);
  }

  /** {@return names of the image's places; of a traced run, moved to where the guest runs} */
  public Symbols symbols() {
    return tracer == null ? symbols : tracer.symbols();
  }

  /** {@return which lines of source a traced run has executed, as an lcov tracefile} */
  public String lcov() {
    return coverage().lcov(symbols());
  }

  /**
   * {@return which code a traced run has executed, as a drcov file of one module}
   *
   * @param path of the image
   */
  public byte[] drcov(String path) {
    return coverage().drcov(path);
  }

  private CodeCoverage coverage() {
    if (tracer == null) {
      throw new IllegalStateException("coverage is that of a traced run");
    }
    return tracer.coverage();
  }

  /** {@return registers and the instruction at RIP, for people} */
  public String dump() {
    return Tracer.dump(cpus.get(0), symbols());
  }
}
