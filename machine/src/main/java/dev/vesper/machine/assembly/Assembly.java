package dev.vesper.machine.assembly;

import dev.vesper.machine.boot.FirmwareImage;
import dev.vesper.machine.boot.LoadedGuest;
import dev.vesper.machine.boot.WakingVector;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.EdgeMap;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.PausePoints;
import dev.vesper.machine.cpu.TimeStampCounter;
import dev.vesper.machine.cpu.emit.KeptCode;
import dev.vesper.machine.cpu.emit.NativeCode;
import dev.vesper.machine.cpu.emit.NativeXex;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.cpu.jit.RegionTranslator;
import dev.vesper.machine.device.disk.OverlayDisk;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.host.NestedPaging;
import dev.vesper.machine.igvm.IgvmFile;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.XexCipher;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import dev.vesper.machine.vmm.ExtraIntercepts;
import dev.vesper.machine.vmm.HostFaults;
import dev.vesper.machine.vmm.Hypervisor;
import dev.vesper.machine.vmm.Inputs;
import dev.vesper.machine.vmm.MmioMap;
import dev.vesper.machine.vmm.NestedTable;
import dev.vesper.machine.vmm.Platform;
import dev.vesper.machine.vmm.Profile;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/** The parts of one machine, connected, with the guest loaded but not launched. */
public final class Assembly {
  /** Per vCPU: VMCB, VMSA and five pages of permission maps. */
  private static final int HOST_PAGES = 8;

  /** What the firmware knows of a guest under SEV-SNP, a message to it, and its answer. */
  private static final int SNP_PAGES = 3;

  /** Pages below 4 GiB, where firmware ends. */
  public static final int BELOW_4G = 1 << 20;

  public final PhysicalMemory memory;
  public final List<Cpu> cpus = new ArrayList<>();
  public final List<VirtualCpu> vcpus = new ArrayList<>();
  public final Hypervisor host;

  /**
   * What guests have written to disks whose images stay as they are: state, which is found here.
   */
  @SuppressWarnings("UnusedVariable")
  private final List<OverlayDisk> overlays;

  public final transient LoadedGuest guest;
  public final Profile profile;

  /** Where observers have the processors pause. */
  public final transient PausePoints pausePoints = new PausePoints();

  /** The guest's key, or {@link Page#SHARED} without SEV. */
  public final int key;

  private final Outlet debug = new Outlet();
  private final Outlet virtioConsole = new Outlet();

  /** What the processors have. */
  private final transient CpuFeatures features;

  /** The native code that they execute, or null. */
  private transient @Nullable NativeCode natives;

  /** Where native code outlives the run, or null. */
  private transient @Nullable KeptCode keptCode;

  /** By what the processors execute guest code. */
  private transient Translator translator = Translator.NONE;

  /** The flag of processors that have it, as models call it. */
  private static final String SECURE_TSC = "secure-tsc";

  /** {@return why a processor runs no guest under SEV-SNP, whose launch can be computed for it} */
  private static String withoutSnp(CpuModel model) {
    return model.name()
        + " has no SEV-SNP, as no processor before Milan has: take -cpu "
        + String.join(
            " or ", CpuModel.names().stream().filter(n -> CpuModel.named(n).hasSnp()).toList());
  }

  /** {@return why a processor has no guest count its time by itself} */
  private static String withoutSecureTsc(CpuModel model) {
    return model.name()
        + " has no SecureTSC, which SEV_FEATURES ask for (0x200): take -cpu "
        + String.join(
            " or ",
            CpuModel.names().stream().filter(n -> CpuModel.named(n).has(SECURE_TSC)).toList());
  }

  /**
   * Builds the parts and loads the guest.
   *
   * @param console takes what COM1 writes
   * @throws BootException if the image cannot be loaded
   * @throws IllegalArgumentException if the description makes no machine
   */
  public Assembly(MachineSpec o, IntConsumer console) throws BootException {
    profile = Profile.named(o.profile());
    check(o, profile);
    overlays = overlays(o.hardware());
    CpuModel model = CpuModel.named(o.cpuModel());
    if (o.mode() == SevMode.SNP && !model.hasSnp()) {
      throw new IllegalArgumentException(withoutSnp(model));
    }
    if (o.mode() == SevMode.SNP
        && SevFeature.SECURE_TSC.in(o.snp().features())
        && !model.has(SECURE_TSC)) {
      throw new IllegalArgumentException(withoutSecureTsc(model));
    }
    MachineSpec.Firmware firmware = o.boot().firmware();
    Hardware.Board board = GuestLoader.board(o, profile);
    memory =
        new PhysicalMemory(
            GuestLoader.ram(o, profile),
            firmware == null && o.hardware().screen() == null ? 0 : BELOW_4G,
            HOST_PAGES * o.processors() + SNP_PAGES);
    MmioMap mmio = new MmioMap();
    boolean encrypted = o.mode() != SevMode.OFF;
    XexCipher.Maker ciphers = encrypted ? NativeXex.maker() : null;
    if (ciphers != null) {
      memory.encryptBy(ciphers);
    }
    key = encrypted ? memory.createKey(o.seed()) : Page.SHARED;
    if (o.mode() == SevMode.SNP) {
      memory.protect(key);
    }
    long cBit = GuestLoader.cBit(o.mode(), model);
    HostView view = memory.hostView();
    NestedMap nested = nested(memory, mmio);
    features = new CpuFeatures(model.features());
    Interpreter interpreter = new Interpreter(features);
    TimeStampCounter tsc = new TimeStampCounter();
    for (int i = 0; i < o.processors(); i++) {
      Cpu c = new Cpu(memory, nested, features, interpreter, o.seed() + i);
      c.configureEncryption(key, cBit);
      c.configurePhysicalBits(model.physicalBits());
      c.timeStampCounter = tsc;
      tsc.addUser();
      c.pausePoints = pausePoints;
      cpus.add(c);
      VirtualCpu v =
          o.mode().encryptsState()
              ? new EncryptedVcpu(c, memory, key)
              : new PlainVcpu(c, memory, encrypted);
      int maps = memory.allocateHostPage();
      for (int p = 1; p < 5; p++) {
        memory.allocateHostPage();
      }
      long sevFeatures = o.mode() == SevMode.SNP ? o.snp().features() : 0;
      profile.configure(v, o.mode(), sevFeatures, model, view, (long) maps << 12);
      ExtraIntercepts.add(v, o.intercepts());
      vcpus.add(v);
    }
    translateBy(Tiers.standard());
    InputLog inputs = o.inputs() == null ? InputLog.live() : o.inputs();
    o.hardware().networks().forEach(n -> n.log(inputs));
    guest = GuestLoader.load(o, profile, model, view);
    MachineSpec.Ports p = o.ports();
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
                        b -> console.accept(b),
                        b -> let(debug, p.debug(), b),
                        b -> let(virtioConsole, p.virtioConsole(), b),
                        o.hardware(),
                        board,
                        mmio,
                        o.seed(),
                        guest.apJumpTable(),
                        firmware == null ? null : firmware(o, firmware, guest))),
            profile,
            model,
            o.mode(),
            o.snp(),
            mmio,
            new Inputs(inputs, p.input()));
    boolean afterBios = guest.bios() && board != Hardware.Board.MINIMAL;
    if (afterBios) {
      host.afterBios();
    }
    mmio.onChange(() -> cpus.forEach(c -> c.flushTlb(true)));
    host.program().nested().onUse(() -> changeNested(nested));
    host.resumesAt(firmware == null ? () -> WakingVector.state(view) : guest::state);
    host.resets(o.resets());
    if (o.mode() == SevMode.OFF || o.mode() == SevMode.SEV && firmware != null) {
      host.startsAgainBy(
          () -> GuestLoader.again(o, profile, model, view, guest)::stateOf, afterBios);
    }
    HostFaults.commit(o.hostFaults(), host.program(), view.rmp());
    if (o.executeOnly()) {
      BitSet text = textFrames(guest);
      cpus.forEach(c -> c.executeOnly = text);
    }
  }

  /** What the machine says from here on it has not said before. */
  public void branch() {
    debug.branch();
    virtioConsole.branch();
  }

  private static void let(Outlet out, IntConsumer to, int b) {
    if (out.opens()) {
      to.accept(b);
    }
  }

  private static List<OverlayDisk> overlays(Hardware h) {
    return h.drives().stream()
        .map(Hardware.Drive::disk)
        .filter(OverlayDisk.class::isInstance)
        .map(OverlayDisk.class::cast)
        .toList();
  }

  /**
   * Refuses what makes no machine.
   *
   * @throws IllegalArgumentException saying what and how to mend it
   */
  public static void check(MachineSpec o, Profile profile) {
    if (o.memoryBytes() < 1 << 20
        || o.memoryBytes() > MachineSpec.MAX_MEMORY
        || (o.memoryBytes() & 0xF_FFFF) != 0) {
      throw new IllegalArgumentException(
          "guest memory must be 1 to "
              + (MachineSpec.MAX_MEMORY >> 20)
              + " MiB in whole MiB, not "
              + o.memoryBytes()
              + " bytes");
    }
    if (o.mode() == SevMode.SNP && profile.isVmd()) {
      throw new IllegalArgumentException(
          "profile " + profile.name() + " launches SEV-ES guests: take kvm for SEV-SNP");
    }
    int bits = CpuModel.named(o.cpuModel()).physicalBits();
    if (GuestLoader.ram(o, profile).end() > 1L << bits) {
      throw new IllegalArgumentException(
          "guest memory of "
              + (o.memoryBytes() >> 20)
              + " MiB ends behind what a processor with phys-bits="
              + bits
              + " can address: give it less, or the processor more");
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
    if (profile.board(o.hardware().board()) == Hardware.Board.MINIMAL
        && !profile.isVmd()
        && (o.hardware().needsPci() || o.boot().firmware() != null)) {
      throw new IllegalArgumentException(
          "board minimal has no PCI devices, no fw_cfg and no firmware: take pc or q35");
    }
  }

  private static Platform.PlacedFirmware firmware(
      MachineSpec o, MachineSpec.Firmware f, LoadedGuest guest) {
    MachineSpec.Boot b = o.boot();
    boolean igvm = IgvmFile.isOne(f.code());
    long base = igvm ? guest.firmwareBase() : FirmwareImage.base(f.code(), f.variables());
    return new Platform.PlacedFirmware(
        base,
        (int) (GuestRam.FOUR_GIB - base),
        f.variables().length,
        igvm,
        b.image().length == 0 ? null : b.image(),
        b.initrd(),
        b.commandLine());
  }

  /** Has the processors execute guest code by what was chosen. */
  public void translateBy(Translator t) {
    natives = Tiers.choose(cpus, features, t);
    useKept();
    translator = t == Translator.NATIVE && Tiers.lack() != null ? Translator.REGIONS : t;
  }

  /** Has native code that is kept used, and what is made added to it; no more with null. */
  public void keepCode(@Nullable KeptCode kept) {
    keptCode = kept;
    useKept();
  }

  private void useKept() {
    if (natives != null) {
      natives.keepIn(keptCode);
    }
  }

  /**
   * Has them execute it by regions.
   *
   * @param times how often a block is interpreted before; 0 for never
   */
  public void translateAfter(int times) {
    cpus.forEach(
        c -> {
          c.runNatively(null);
          RegionTranslator.attach(c, times);
        });
    translator = times == 0 ? Translator.NONE : Translator.REGIONS;
  }

  /** Has processors count where control goes, or no more with null. */
  public void cover(@Nullable EdgeMap map) {
    cpus.forEach(c -> c.cover(map));
  }

  /** {@return where the next edge of each processor comes from} */
  public int[] edges() {
    return cpus.stream().mapToInt(Cpu::edgeFrom).toArray();
  }

  /** Sets what {@link #edges()} has returned. */
  public void edges(int[] from) {
    for (int i = 0; i < from.length; i++) {
      cpus.get(i).edgeFrom(from[i]);
    }
  }

  /** {@return by what they execute it} */
  public Translator translator() {
    return translator;
  }

  /** Maps pages of 2 MiB where the reverse map table has entries of 2 MiB, as hosts do. */
  private static NestedMap nested(PhysicalMemory memory, MmioMap mmio) {
    GuestRam ram = memory.ram();
    Rmp rmp = memory.rmp();
    return new NestedMap() {
      @Override
      public int type(long frame) {
        return ram.hasPage(frame) && !mmio.window(frame) || mmio.backed(frame)
            ? RAM
            : mmio.readOnly(frame) ? ROM : mmio.installed(frame) ? MMIO : ABSENT;
      }

      @Override
      public boolean large(long frame) {
        return rmp != null && rmp.isLarge(frame);
      }
    };
  }

  /** Has processors ask for what a hypervisor program has changed, too. */
  private void changeNested(NestedMap standard) {
    NestedTable table = host.program().nested();
    NestedMap all =
        new NestedMap() {
          @Override
          public int type(long frame) {
            return combined(standard.type(frame), table.mapping(frame));
          }

          @Override
          public boolean large(long frame) {
            return table.frame(frame) == frame && standard.large(frame);
          }

          @Override
          public long backing(long frame) {
            return table.frame(frame);
          }
        };
    cpus.forEach(c -> c.nested = all);
  }

  private static int combined(int type, NestedPaging.Mapping m) {
    boolean memory = type == NestedMap.RAM || type == NestedMap.ROM;
    return switch (m) {
      case PRESENT -> type;
      case ABSENT -> NestedMap.ABSENT;
      case MMIO -> NestedMap.MMIO;
      case READ_ONLY -> memory ? NestedMap.READ_ONLY : type;
      case READ_ONLY_NO_EXECUTE -> memory ? NestedMap.READ_ONLY_NO_EXECUTE : type;
      case NO_EXECUTE ->
          switch (type) {
            case NestedMap.RAM -> NestedMap.NO_EXECUTE;
            case NestedMap.ROM -> NestedMap.READ_ONLY_NO_EXECUTE;
            default -> type;
          };
    };
  }

  private static BitSet textFrames(LoadedGuest guest) {
    BitSet frames = new BitSet();
    for (LoadedGuest.Range r : guest.text()) {
      frames.set((int) (r.address() >>> 12), (int) (r.address() + r.length() + 0xFFF >>> 12));
    }
    return frames;
  }
}
