package dev.vesper.machine;

import dev.vesper.machine.boot.BootException;
import dev.vesper.machine.boot.BootOptions;
import dev.vesper.machine.boot.ImageLoader;
import dev.vesper.machine.boot.LoadedGuest;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.Unimplemented;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.SecureProcessor;
import dev.vesper.machine.sev.SevMode;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.vmm.CpuModel;
import dev.vesper.machine.vmm.Hypervisor;
import dev.vesper.machine.vmm.KvmProfile;
import dev.vesper.machine.vmm.MmioMap;
import dev.vesper.machine.vmm.Outcome;
import dev.vesper.machine.vmm.Platform;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** One virtual machine: silicon, hypervisor and a loaded guest. Not thread-safe. */
public final class Machine {
  private static final int HOST_PAGES = 16;

  private final PhysicalMemory memory;
  private final Cpu cpu;
  private final VirtualCpu vcpu;
  private final Hypervisor host;
  private final LoadedGuest guest;
  private final SecureProcessor processor;

  /**
   * Builds the machine and launches the guest.
   *
   * @throws BootException if the image cannot be loaded
   * @throws IllegalArgumentException if the options make no machine
   */
  public Machine(MachineOptions o) throws BootException {
    if (o.memoryBytes() < 1 << 20
        || o.memoryBytes() > MachineOptions.MAX_MEMORY
        || (o.memoryBytes() & 0xF_FFFF) != 0) {
      throw new IllegalArgumentException(
          "guest memory must be 1 to 3072 MiB in whole MiB, not " + o.memoryBytes() + " bytes");
    }
    CpuModel model = CpuModel.named(o.cpuModel());
    memory = new PhysicalMemory(o.memoryBytes(), HOST_PAGES);
    MmioMap mmio = new MmioMap();
    int guestPages = memory.guestPages();
    NestedMap nested =
        frame ->
            frame >= 0 && frame < guestPages
                ? NestedMap.RAM
                : mmio.installed(frame) ? NestedMap.MMIO : NestedMap.ABSENT;
    CpuFeatures features = CpuFeatures.ALL;
    cpu = new Cpu(memory, nested, features, new Interpreter(features), o.seed());
    boolean encrypted = o.mode() != SevMode.OFF;
    int key = encrypted ? memory.createKey(o.seed()) : Page.SHARED;
    long cBit = encrypted ? 1L << (model.leaf(0x8000_001F, 0).ebx() & 63) : 0;
    cpu.configureEncryption(key, cBit);
    vcpu =
        o.mode() == SevMode.ES
            ? new EncryptedVcpu(cpu, memory, key)
            : new PlainVcpu(cpu, memory, encrypted);
    HostView view = memory.hostView();
    int maps = memory.allocateHostPage();
    for (int i = 1; i < 5; i++) {
      memory.allocateHostPage();
    }
    KvmProfile.configure(vcpu, o.mode(), view, (long) maps << 12);
    Platform platform =
        new Platform(vcpu::now, o.memoryBytes(), o.console()::accept, o.debug()::accept);
    host = new Hypervisor(vcpu, view, platform, model, o.mode(), mmio, o.input());
    guest =
        ImageLoader.load(
            new BootOptions(
                o.imageName(), o.image(), o.initrd(), o.commandLine(), o.entry32(), cBit),
            view);
    processor = new SecureProcessor(memory, key);
    launch();
  }

  private void launch() {
    if (vcpu instanceof PlainVcpu p && cpu.key == Page.SHARED) {
      SecureProcessor.launchPlain(p, guest.state());
      return;
    }
    processor.launchStart();
    for (LoadedGuest.Range r : guest.ranges()) {
      processor.launchUpdateData(r.address(), r.length());
    }
    switch (vcpu) {
      case EncryptedVcpu e -> processor.launchUpdateVmsa(e, guest.state());
      case PlainVcpu p -> SecureProcessor.launchPlain(p, guest.state());
    }
    processor.launchMeasure();
    processor.launchFinish();
  }

  /** {@return what the image was recognised as} */
  public String format() {
    return guest.format();
  }

  /** Ends the run after a number of instructions, or at a point of {@link System#nanoTime}. */
  public void limit(long instructions, long realNanoTime) {
    host.limit(instructions, realNanoTime);
  }

  /** Writes events to a tracer. */
  public void trace(Tracer tracer) {
    tracer.attach(cpu);
    cpu.observer = tracer;
    host.observe(tracer);
  }

  /** Runs the guest to its end. */
  public Outcome run() {
    try {
      return host.run();
    } catch (Unimplemented u) {
      return new Outcome(Outcome.DEFECT, "not implemented: " + u.getMessage());
    }
  }

  /** {@return what the host sees of memory} */
  public HostView hostView() {
    return memory.hostView();
  }

  /**
   * {@return guest physical memory in plaintext as the guest sees its private pages: for observers}
   */
  public byte[] observePrivate(long address, int length) {
    byte[] out = new byte[length];
    byte[] page = new byte[Page.SIZE];
    for (int done = 0; done < length; ) {
      int in = (int) (address + done) & 0xFFF;
      int n = Math.min(length - done, Page.SIZE - in);
      memory.peek((int) (address + done >>> 12), cpu.key, page);
      System.arraycopy(page, in, out, done, n);
      done += n;
    }
    return out;
  }

  /** {@return the system physical address of the VMSA page, or -1} */
  public long vmsaAddress() {
    return vcpu instanceof EncryptedVcpu e ? e.vmcb().get(Vmcb.VMSA_PTR) : -1;
  }

  /** {@return instructions executed} */
  public long instructions() {
    return cpu.icount;
  }

  /** {@return virtual time in nanoseconds} */
  public long virtualTime() {
    return cpu.now();
  }

  /** {@return SHA-256 over memory as the bus carries it and over the processor's state, in hex} */
  public String stateHash() {
    try {
      MessageDigest d = MessageDigest.getInstance("SHA-256");
      memory.digest(d);
      vcpu.digest(d);
      return HexFormat.of().formatHex(d.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /** {@return the launch digest in hex, empty without SEV} */
  public String launchDigest() {
    byte[] d = processor.digest();
    return d == null ? "" : HexFormat.of().formatHex(d);
  }

  /** {@return registers and the instruction at RIP, for people} */
  public String dump() {
    return Tracer.dump(cpu);
  }
}
