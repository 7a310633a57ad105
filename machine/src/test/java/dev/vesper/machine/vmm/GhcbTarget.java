package dev.vesper.machine.vmm;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;

/**
 * VMGEXITs of an SEV-ES guest: a byte says whose host it is, then come requests by the MSR protocol
 * and by the GHCB page, with fields in any order and bytes for the shared buffer.
 */
public final class GhcbTarget implements FuzzTarget {
  private static final long GHCB = 0x5000;
  private static final int MEMORY = 1 << 20;
  private static final String[] PROFILES = {"kvm", "openbsd:2025-06", "openbsd:2025-09", "openbsd"};
  private static final int[] CODES = {
    ExitCode.CPUID,
    ExitCode.IOIO,
    ExitCode.MSR,
    ExitCode.MMIO_READ,
    ExitCode.MMIO_WRITE,
    ExitCode.RDTSC,
    ExitCode.RDPMC,
    ExitCode.VMMCALL,
    ExitCode.DR7_WRITE,
    ExitCode.AP_JUMP_TABLE,
    ExitCode.HV_FEATURES,
    ExitCode.NMI_COMPLETE,
    ExitCode.MONITOR,
    ExitCode.MWAIT,
    ExitCode.RDTSCP,
    ExitCode.WBINVD,
    ExitCode.AP_RESET_HOLD
  };

  private static final int MOST_REQUESTS = 16;

  private final Interpreter interpreter = new Interpreter(CpuFeatures.ALL);

  @Override
  public String name() {
    return "ghcb";
  }

  @Override
  public List<String> covers() {
    String at = "dev.vesper.machine.vmm.";
    return List.of(
        at + "Ghcb",
        at + "Vmm",
        at + "Kvm",
        at + "GuestAccess",
        at + "CpuidService",
        "dev.vesper.ghcb.");
  }

  @Override
  public int longest() {
    return 2048;
  }

  @Override
  public int inputs() {
    return 4000;
  }

  private static void number(ByteArrayOutputStream to, int bytes, long v) {
    for (int i = 0; i < bytes; i++) {
      to.write((int) (v >> 8 * i));
    }
  }

  private static void page(ByteArrayOutputStream to, int code, long info1, long info2, long rax) {
    to.write(1);
    number(to, 4, code);
    number(to, 8, info1);
    number(to, 8, info2);
    number(to, 8, GHCB + 0x800);
    to.write(3);
    for (GhcbField f : List.of(GhcbField.RAX, GhcbField.RCX, GhcbField.RDX)) {
      to.write(f.ordinal());
      number(to, 8, rax);
    }
    to.write(0);
  }

  @Override
  public List<byte[]> seeds() {
    List<byte[]> all = new ArrayList<>();
    for (int p = 0; p < PROFILES.length; p++) {
      for (int code : CODES) {
        ByteArrayOutputStream b = new ByteArrayOutputStream();
        b.write(p);
        page(b, code, 0x3F8L << 16 | 0x11, 1, 0x10);
        all.add(b.toByteArray());
      }
      for (long msr : new long[] {MsrRequest.cpuidRequest(0, 0), 2, 6, 0x10, 0x80, 0x5012, 0x100}) {
        ByteArrayOutputStream b = new ByteArrayOutputStream();
        b.write(p);
        b.write(0);
        number(b, 8, msr);
        all.add(b.toByteArray());
      }
    }
    return all;
  }

  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    Profile profile = Profile.named(PROFILES[in.u8() % PROFILES.length]);
    PhysicalMemory memory = new PhysicalMemory(MEMORY, 8);
    HostView view = memory.hostView();
    NestedMap map = frame -> frame < 256 ? NestedMap.RAM : NestedMap.ABSENT;
    EncryptedVcpu vcpu =
        new EncryptedVcpu(
            new Cpu(memory, map, CpuFeatures.ALL, interpreter, 1), memory, memory.createKey(1));
    CpuModel model = CpuModel.named("vesper-min");
    Platform platform =
        profile.platform(
            new Platform.Parts(
                vcpu::now,
                (address, data) -> {},
                view,
                true,
                1,
                b -> {},
                b -> {},
                b -> {},
                Hardware.NONE,
                Hardware.Board.MINIMAL,
                new MmioMap(),
                1,
                0,
                null));
    Hypervisor host =
        new Hypervisor(
            List.of(vcpu),
            false,
            view,
            (clock, messages) -> platform,
            profile,
            model,
            SevMode.ES,
            new MmioMap(),
            ConsoleInput.NONE);
    HostVcpu hostVcpu = host.vcpus.get(0);
    for (int i = 0; i < MOST_REQUESTS && in.more() && host.outcome() == null; i++) {
      vcpu.vmcb().set(Vmcb.EVENTINJ, 0);
      if (in.u8() % 2 == 0) {
        vcpu.vmcb().set(Vmcb.GHCB_GPA, in.number(8));
      } else {
        byte[] bytes = new byte[4096];
        GhcbPage p = new GhcbPage(bytes);
        p.set(GhcbField.SW_EXITCODE, in.number(4));
        p.set(GhcbField.SW_EXITINFO1, in.number(8));
        p.set(GhcbField.SW_EXITINFO2, in.number(8));
        p.set(GhcbField.SW_SCRATCH, in.number(8));
        for (int n = in.u8() % 16; n > 0; n--) {
          p.set(GhcbField.values()[in.u8() % GhcbField.values().length], in.number(8));
        }
        byte[] buffer = in.bytes(in.u8());
        System.arraycopy(buffer, 0, bytes, 0x800, buffer.length);
        view.write(GHCB, bytes, 0, bytes.length);
        vcpu.vmcb().set(Vmcb.GHCB_GPA, GHCB);
      }
      host.handlers.vmgexit(hostVcpu);
    }
  }
}
