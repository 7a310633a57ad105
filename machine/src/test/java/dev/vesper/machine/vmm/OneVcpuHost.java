package dev.vesper.machine.vmm;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.device.Uart16550;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.SecureProcessor;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import dev.vesper.machine.trace.Tracer;
import java.util.List;

/** A guest of 1 MiB with one vCPU, and the host of a profile with its minimal board. */
final class OneVcpuHost {
  private static final int MEMORY = 1 << 20;
  private static final Interpreter INTERPRETER = new Interpreter(CpuFeatures.ALL);

  private final PhysicalMemory memory = new PhysicalMemory(MEMORY, 64);
  private final Cpu cpu;
  final HostView view;
  final VirtualCpu vcpu;
  private final SevMode mode;

  private final SnpLaunch snp;

  OneVcpuHost(SevMode mode) {
    this(mode, SnpLaunch.DEFAULT);
  }

  OneVcpuHost(SevMode mode, SnpLaunch snp) {
    this.mode = mode;
    this.snp = snp;
    view = memory.hostView();
    NestedMap map = frame -> frame < MEMORY >> 12 ? NestedMap.RAM : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, CpuFeatures.ALL, INTERPRETER, 1);
    int key = memory.createKey(1);
    if (mode == SevMode.SNP) {
      memory.protect(key);
    }
    vcpu =
        mode.encryptsState()
            ? new EncryptedVcpu(cpu, memory, key)
            : new PlainVcpu(cpu, memory, mode == SevMode.SEV);
    vcpu.vmcb().set(Vmcb.ASID, SecureProcessor.FIRST_ES_ASID);
  }

  /** {@return what turns all that a host does into events} */
  Tracer trace(Hypervisor host, EventSink sink) {
    Tracer t = new Tracer(sink, e -> {}, false);
    t.attach(List.of(cpu), Symbols.NONE);
    memory.observe(t.memory());
    host.observe(t.host());
    return t;
  }

  /** {@return a host that has just been started} */
  Hypervisor start(Profile profile, CpuModel model, boolean localApics, Uart16550.Sink console) {
    Platform platform =
        profile.platform(
            new Platform.Parts(
                vcpu::now,
                (address, data) -> {},
                view,
                mode != SevMode.OFF,
                1,
                console,
                b -> {},
                b -> {},
                Hardware.NONE,
                Hardware.Board.MINIMAL,
                new MmioMap(),
                1,
                0,
                null));
    return new Hypervisor(
        List.of(vcpu),
        localApics,
        view,
        (clock, messages) -> platform,
        profile,
        model,
        mode,
        snp,
        new MmioMap(),
        new Inputs(InputLog.live(), ConsoleInput.NONE));
  }
}
