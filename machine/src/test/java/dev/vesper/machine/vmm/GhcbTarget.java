package dev.vesper.machine.vmm;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.NaeEvent;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import dev.vesper.x86.Assembler;
import dev.vesper.x86.Msr;
import java.io.ByteArrayOutputStream;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Exits of a guest: a byte says whose host it is and another what the guest is, then come requests
 * by the MSR protocol and by the GHCB page, with fields in any order and bytes for the shared
 * buffer, and exits of a guest whose registers the host sees.
 */
public final class GhcbTarget implements FuzzTarget {
  private static final long GHCB = 0x5000;
  private static final long CODE = 0x4000;
  private static final long MAPS = 0x1_0000;
  private static final String[] PROFILES = {
    "kvm", "openbsd:2025-06", "openbsd:2025-09", "openbsd:2026", "openbsd"
  };
  private static final SevMode[] MODES = SevMode.values();
  private static final String[] MODELS = {"vesper-min", "EPYC-Genoa", "EPYC-Milan"};
  private static final int MOST_REQUESTS = 64;

  /** Bits of the second byte: two of the mode, local APICs, two of the model. */
  private static final int APICS = 4;

  private static final int MODEL_SHIFT = 3;

  /** Bits of the second byte, of the host of a guest under SEV-SNP. */
  private static final int RESTRICTED = 0x20;

  private static final int OFFERS = 0x40;

  /** What a guest does; in seeds and in inputs. */
  private static final int MSR_PROTOCOL = 0;

  private static final int PAGE = 1;
  private static final int EXIT = 2;
  private static final int INSTRUCTION = 3;
  private static final int RELEASE = 4;
  private static final int KINDS = 5;

  /** General registers in exits: RAX, RCX, RDX, RBX, RSI. */
  private static final int[] REGISTERS = {0, 1, 2, 3, 6};

  @Override
  public String name() {
    return "ghcb";
  }

  /** What runs a guest's code is not reached by exits alone. */
  @Override
  public List<String> covers() {
    String at = "dev.vesper.machine.vmm.";
    return Stream.concat(
            Stream.of("dev.vesper.ghcb."),
            Stream.of(
                    "Ghcb",
                    "Snp",
                    "PageStates",
                    "ApCreator",
                    "Vmm",
                    "KvmClock",
                    "KvmHandlers",
                    "KvmHypercalls",
                    "KvmMsrs",
                    "KvmProfile",
                    "KvmVcpu",
                    "GuestAccess",
                    "CpuidService",
                    "MachineCheckBanks",
                    "MtrrState",
                    "OpenBsdProfile",
                    "PerformanceCounters",
                    "ApCreator",
                    "PageStates",
                    "RefusedAccess",
                    "RestrictedInjection",
                    "SnpService",
                    "Vmpl")
                .map(at::concat))
        .toList();
  }

  @Override
  public int longest() {
    return 4096;
  }

  @Override
  public int inputs() {
    return 4000;
  }

  /** What a guest does, in the form that inputs have. */
  private static final class Guest {
    private final ByteArrayOutputStream to = new ByteArrayOutputStream();

    Guest(int profile, SevMode mode, boolean apics, int model) {
      this(profile, mode, apics, model, 0);
    }

    Guest(int profile, SevMode mode, boolean apics, int model, int host) {
      to.write(profile);
      to.write(mode.ordinal() | (apics ? APICS : 0) | model << MODEL_SHIFT | host);
    }

    private void number(int bytes, long v) {
      for (int i = 0; i < bytes; i++) {
        to.write((int) (v >> 8 * i));
      }
    }

    Guest msr(long v) {
      to.write(MSR_PROTOCOL);
      number(8, v);
      return this;
    }

    Guest page(int code, long info1, long info2, long... registers) {
      return page(code, info1, info2, new byte[0], registers);
    }

    /** The event that changes states, with entries in the buffer. */
    Guest states(long header, long... entries) {
      ByteBuffer b = ByteBuffer.allocate(8 + 8 * entries.length).order(ByteOrder.LITTLE_ENDIAN);
      b.putLong(header);
      Arrays.stream(entries).forEach(b::putLong);
      return page(ExitCode.SNP_PAGE_STATE_CHANGE, 0, 0, b.array());
    }

    private Guest page(int code, long info1, long info2, byte[] buffer, long... registers) {
      GhcbField[] fields = {
        GhcbField.RAX, GhcbField.RCX, GhcbField.RDX, GhcbField.RBX, GhcbField.CPL, GhcbField.XCR0
      };
      to.write(PAGE);
      number(4, code);
      number(8, info1);
      number(8, info2);
      number(8, GHCB + 0x800);
      to.write(registers.length);
      for (int i = 0; i < registers.length; i++) {
        to.write(fields[i].ordinal());
        number(8, registers[i]);
      }
      to.write(buffer.length);
      to.writeBytes(buffer);
      return this;
    }

    Guest exit(int code, long info1, long info2, long... registers) {
      to.write(EXIT);
      number(4, code);
      number(8, info1);
      number(8, info2);
      for (int i = 0; i < REGISTERS.length; i++) {
        number(8, i < registers.length ? registers[i] : 0);
      }
      return this;
    }

    Guest instruction(String text) {
      byte[] b = Assembler.assemble(32, text);
      to.write(INSTRUCTION);
      to.write(b.length);
      to.writeBytes(b);
      return this;
    }

    Guest released() {
      to.write(RELEASE);
      return this;
    }

    byte[] done() {
      return to.toByteArray();
    }
  }

  private static List<Integer> msrs() throws IllegalAccessException {
    List<Integer> all = new ArrayList<>();
    for (Field f : Msr.class.getFields()) {
      if (f.getType() == int.class) {
        all.add(f.getInt(null));
      }
    }
    return all;
  }

  private static long[] leaves() {
    return new long[] {
      0,
      1,
      2,
      5,
      6,
      7,
      0xA,
      0xB,
      0xD,
      0x15,
      0x16,
      0x4000_0000,
      0x4000_0001,
      0x4000_0100,
      0x4000_0101,
      0x8000_0000L,
      0x8000_0001L,
      0x8000_0002L,
      0x8000_0007L,
      0x8000_0008L,
      0x8000_000AL,
      0x8000_001DL,
      0x8000_001EL,
      0x8000_001FL,
      0x8000_0022L,
      0x9000_0000L,
      99
    };
  }

  @Override
  public List<byte[]> seeds() throws IllegalAccessException {
    List<byte[]> all = new ArrayList<>();
    for (int profile = 0; profile < PROFILES.length; profile++) {
      for (int model = 0; model < MODELS.length; model++) {
        encrypted(profile, model, all);
        plain(profile, model, all);
      }
    }
    owned(all);
    return all;
  }

  /** Requests under SEV-SNP, behind the registration without which no event is served. */
  private static void owned(List<byte[]> all) {
    for (NaeEvent e : NaeEvent.values()) {
      all.add(registered().page(e.code, 0x1_0000_0001L, 0x6000, 1, 0, 0, 0, 0, 7).done());
      all.add(registered().page(e.code, 0x6000, 0x7000, 0x8000, 1, 0, 0).done());
    }
    for (int operation = 0; operation < 5; operation++) {
      for (long gfn : new long[] {0, 5, 8, 0x200, 0xF_FFFF_FFFFL}) {
        long entry = gfn << 12 | (long) operation << 52;
        all.add(registered().msr(MsrRequest.pageState(gfn, operation)).done());
        all.add(registered().states(0x1_0000, entry, entry | 1L << 56).done());
        all.add(registered().states(0x2_0001, entry, entry | 1, entry | 0x201).done());
      }
    }
    for (long header : new long[] {0xFD_0000, 0xFFFF_0000L, 0xFFFF, 0x1_0002, -1}) {
      all.add(registered().states(header, 0x10_0000_0000_8000L).done());
    }
    long violation = 1L << 31;
    for (long info1 : new long[] {violation, violation | 1L << 34, -1L}) {
      all.add(registered().exit(ExitCode.NPF, info1, 0x8000).exit(ExitCode.NPF, info1, -1).done());
    }
    all.add(
        registered()
            .page(ExitCode.SNP_AP_CREATION, 0, 0x8000, 0)
            .page(ExitCode.SNP_AP_CREATION, 1, 0x8000, 1)
            .page(ExitCode.SNP_AP_CREATION, 2, 0, 0)
            .done());
  }

  private static Guest registered() {
    return new Guest(0, SevMode.SNP, true, 2).msr(GHCB | MsrRequest.REGISTER_GHCB_REQ);
  }

  /** A request a seed where a host may end the guest for it. */
  private static void encrypted(int profile, int model, List<byte[]> all)
      throws IllegalAccessException {
    boolean apics = model == 1;
    for (int code = 0; code < 0xA7; code++) {
      all.add(start(profile, model, apics).page(code, 0x3F8L << 16 | 0x11, 1, 0x10, 1, 0).done());
      all.add(start(profile, model, apics).exit(code, 1, 1).done());
    }
    for (NaeEvent e : NaeEvent.values()) {
      all.add(start(profile, model, apics).page(e.code, 0x100, 4, 11, 0, 0, 0, 0, 7).done());
      all.add(start(profile, model, apics).page(e.code, 0xFEE0_0020L, 4, 0xD, 1, 0, 0).done());
    }
    for (long info : new long[] {0x15, 0x10, 0x54, 0x41, 0x40, 0x5, 0x1D}) {
      all.add(
          start(profile, model, apics)
              .page(ExitCode.IOIO, 0x3F8L << 16 | info, 4, 0x41)
              .page(ExitCode.IOIO, 0x3F8L << 16 | info, 0x1000, 0x41)
              .done());
    }
    for (int info = 0; info < 0x20; info++) {
      all.add(start(profile, model, apics).msr(info).done());
      all.add(start(profile, model, apics).msr(GHCB | info).done());
      all.add(start(profile, model, apics).msr(0x100 | info).done());
    }
    Guest jumps = start(profile, model, apics).page(ExitCode.AP_JUMP_TABLE, 0, 0x6000);
    all.add(jumps.page(ExitCode.AP_JUMP_TABLE, 1, 0).page(ExitCode.NMI_COMPLETE, 0, 0).done());
    all.add(
        start(profile, model, apics)
            .page(ExitCode.AP_RESET_HOLD, 0, 0)
            .released()
            .msr(MsrRequest.AP_RESET_HOLD_REQ)
            .released()
            .done());
    for (long leaf : leaves()) {
      Guest g = start(profile, model, apics);
      for (int subleaf = 0; subleaf < 4; subleaf++) {
        g.page(ExitCode.CPUID, 0, 0, leaf, subleaf, 0, 0, 0, 7);
        g.msr(MsrRequest.cpuidRequest((int) leaf, subleaf));
      }
      all.add(g.done());
    }
    if (profile == 0) {
      protectedGuest(model, apics, all);
    }
    List<Integer> msrs = msrs();
    for (int i = 0; i < msrs.size(); i += 8) {
      Guest g = start(profile, model, apics);
      for (int msr : msrs.subList(i, Math.min(i + 8, msrs.size()))) {
        g.page(ExitCode.MSR, 0, 0, 0, msr, 0);
        g.page(ExitCode.MSR, 1, 0, 0x1001, msr, 0).page(ExitCode.MSR, 1, 0, -1, msr, -1);
      }
      all.add(g.done());
    }
  }

  /** What only guests under SEV-SNP ask for, twice: each state is left as well as entered. */
  private static void protectedGuest(int model, boolean apics, List<byte[]> all) {
    for (int host : new int[] {0, RESTRICTED, OFFERS, RESTRICTED | OFFERS}) {
      for (int page : new int[] {0x6000, 0x7008, 0x41_0000}) {
        Guest g = new Guest(0, SevMode.SNP, apics, model, host);
        for (int i = 0; i < 4; i++) {
          g.page(ExitCode.HV_DOORBELL_PAGE, i, page);
        }
        g.page(ExitCode.HV_DOORBELL_PAGE, 1, page).page(ExitCode.HV_IPI, 0x4_0050, 0);
        g.page(ExitCode.HV_IPI, 0x400, 0).page(ExitCode.RDPMC, 0, 0, 0, 99);
        g.page(ExitCode.APIC_ID_LIST, page, 0, 1).page(ExitCode.SNP_AP_CREATION, 0x2_0000, page, 1);
        g.page(ExitCode.SNP_RUN_VMPL, 2, 0).msr(GHCB | MsrRequest.REGISTER_GHCB_REQ);
        g.page(ExitCode.SNP_AP_CREATION, 2, 0).page(ExitCode.SNP_AP_CREATION, 0x2_0001, page, 1);
        g.msr(MsrRequest.runVmpl(0)).msr(MsrRequest.runVmpl(3));
        g.page(ExitCode.SNP_GUEST_REQUEST, page, 0x8000).page(ExitCode.HV_FEATURES, 0, 0);
        for (int operation = 1; operation < 4; operation++) {
          g.msr(MsrRequest.pageState(page >> 12, operation));
          g.page(ExitCode.SNP_PAGE_STATE_CHANGE, 0, 0);
        }
        for (long info1 : new long[] {0x5_8000_0004L, 0x1_8000_0006L, 0xD_8000_0004L, -1}) {
          g.exit(ExitCode.NPF, info1, page);
        }
        all.add(g.done());
      }
    }
  }

  private static Guest start(int profile, int model, boolean apics) {
    return new Guest(profile, SevMode.ES, apics, model);
  }

  private static Guest open(int profile, int model) {
    SevMode mode = model == 0 ? SevMode.SEV : SevMode.OFF;
    return new Guest(profile, mode, model == 1, model);
  }

  private static void plain(int profile, int model, List<byte[]> all)
      throws IllegalAccessException {
    for (int code = 0; code < 0xA7; code++) {
      all.add(open(profile, model).exit(code, 0x3F8L << 16 | 0x11, 1, 5, 1, 0).done());
      all.add(open(profile, model).exit(code, 0x3F8L << 16 | 0x10, 1, 3, 0, 0).done());
    }
    all.add(open(profile, model).exit(ExitCode.VMMCALL, 0, 0, -1).done());
    for (int call = 0; call < 13; call++) {
      all.add(open(profile, model).exit(ExitCode.VMMCALL, 0, 0, call, 1, 0x41, 0x7000).done());
    }
    all.add(open(profile, model).exit(ExitCode.XSETBV, 0, 0, 2, 0).done());
    all.add(
        open(profile, model)
            .exit(ExitCode.NPF, 4, 0xFEC0_0000L)
            .instruction("mov eax, [0xfec00000]")
            .exit(ExitCode.NPF, 4, 0xFEC0_0000L)
            .instruction("mov dword [0xfee00080], eax")
            .exit(ExitCode.NPF, 4, 0xFEE0_0080L)
            .exit(ExitCode.NPF, 4, 0xFEE0_0080L)
            .instruction("mov eax, [0xfee00080]")
            .exit(ExitCode.NPF, 4, 0xFEE0_0080L)
            .instruction("out dx, al")
            .exit(ExitCode.IOIO, 0x3F8L << 16 | 0x14, 0)
            .instruction("in al, dx")
            .exit(ExitCode.IOIO, 0x3F8L << 16 | 0x15, 0)
            .done());
    for (long leaf : leaves()) {
      Guest g = open(profile, model);
      for (int subleaf = 0; subleaf < 10; subleaf++) {
        g.exit(ExitCode.CPUID, 0, 0, leaf, subleaf);
      }
      all.add(g.done());
    }
    List<Integer> msrs = msrs();
    for (int i = 0; i < msrs.size(); i += 8) {
      Guest g = open(profile, model);
      for (int msr : msrs.subList(i, Math.min(i + 8, msrs.size()))) {
        g.exit(ExitCode.MSR, 1, 0, 0x1001, msr, 0).exit(ExitCode.MSR, 0, 0, 0, msr, 0);
        for (long v : new long[] {0, 1, 0x0006_0406, 0x7040_6000_7040_6L, -1}) {
          g.exit(ExitCode.MSR, 1, 0, v & 0xFFFF_FFFFL, msr, v >>> 32);
        }
      }
      all.add(g.done());
    }
  }

  /** What a trace would say of a request must be said of any. */
  private static void explain(long msr, int code, GhcbPage page) {
    MsrRequest.explain(msr);
    MsrRequest.name(msr);
    String name = ExitCode.name(code);
    if (ExitCode.of(name).orElse(~code) != code) {
      throw new IllegalStateException(name + " is another exit's name");
    }
    NaeEvent e = NaeEvent.of(code);
    if (e != null) {
      Set<GhcbField> allowed = e.allowed(page::get);
      if (!allowed.containsAll(e.required(page::get))) {
        throw new IllegalStateException(e + " needs what it may not have");
      }
      e.answered(page::get);
    }
    page.values();
    page.usage();
    page.protocolVersion();
  }

  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    Profile profile = Profile.named(PROFILES[in.u8() % PROFILES.length]);
    int how = in.u8();
    SevMode asked = MODES[(how & 3) % MODES.length];
    // vmd launches none.
    SevMode mode = profile.isVmd() && asked == SevMode.SNP ? SevMode.ES : asked;
    CpuModel model = CpuModel.named(MODELS[(how >> MODEL_SHIFT & 3) % MODELS.length]);
    OneVcpuHost guest = new OneVcpuHost(mode, snp(how));
    if (guest.vcpu instanceof PlainVcpu p) {
      p.launch(
          new LaunchState()
              .flat(0x10, 0xC9B, 0x18)
              .set(VmsaField.CR0, 0x11)
              .set(VmsaField.RIP, CODE));
    }
    profile.configure(guest.vcpu, mode, 0, model, guest.view, MAPS);
    Hypervisor host = guest.start(profile, model, (how & APICS) != 0 && !profile.isVmd(), b -> {});
    HostVcpu vcpu = host.vcpus.get(0);
    if (mode == SevMode.SNP) {
      guest.vcpu.vmcb().set(Vmcb.GHCB_GPA, GHCB | MsrRequest.REGISTER_GHCB_REQ);
      host.handlers.vmgexit(vcpu);
    }
    for (int i = 0; i < MOST_REQUESTS && in.more() && host.outcome() == null; i++) {
      guest.vcpu.vmcb().set(Vmcb.EVENTINJ, 0);
      int kind = in.u8() % KINDS;
      switch (kind) {
        case MSR_PROTOCOL, PAGE -> {
          byte[] bytes = new byte[4096];
          GhcbPage page = new GhcbPage(bytes);
          if (kind == PAGE) {
            request(in, bytes, page);
          }
          long msr = kind == PAGE ? GHCB : in.number(8);
          explain(msr, (int) page.get(GhcbField.SW_EXITCODE), page);
          if (mode.encryptsState()) {
            guest.view.write(GHCB, bytes, 0, bytes.length);
            guest.vcpu.vmcb().set(Vmcb.GHCB_GPA, msr);
            host.handlers.vmgexit(vcpu);
          }
        }
        case EXIT -> exit(in, host, vcpu);
        case INSTRUCTION -> {
          byte[] code = in.bytes(in.u8() & 15);
          guest.view.write(CODE, code, 0, code.length);
        }
        default -> release(host, vcpu);
      }
      if (mode == SevMode.SNP) {
        enter(host, vcpu);
      }
    }
  }

  /** What is done between an exit and the next VMRUN. */
  private static void enter(Hypervisor host, HostVcpu vcpu) {
    if (host.restricted != null) {
      host.restricted.exited(vcpu);
    }
    Vmpls.entering(vcpu);
    host.interrupts.prepare(vcpu);
  }

  private static SnpLaunch snp(int how) {
    long features = (how & RESTRICTED) != 0 ? 1 | SevFeature.RESTRICTED_INJECTION.mask : 1;
    return SnpLaunch.DEFAULT
        .withFeatures(features)
        .withHost(SnpHost.KVM.offering((how & OFFERS) != 0 ? SnpHost.OPTIONAL : 0));
  }

  private static void request(FuzzInput in, byte[] bytes, GhcbPage p) {
    p.set(GhcbField.SW_EXITCODE, in.number(4));
    p.set(GhcbField.SW_EXITINFO1, in.number(8));
    p.set(GhcbField.SW_EXITINFO2, in.number(8));
    p.set(GhcbField.SW_SCRATCH, in.number(8));
    for (int n = in.u8() % 16; n > 0; n--) {
      p.set(GhcbField.values()[in.u8() % GhcbField.values().length], in.number(8));
    }
    byte[] buffer = in.bytes(in.u8());
    System.arraycopy(buffer, 0, bytes, 0x800, buffer.length);
  }

  /** An exit as the processor reports it, with registers that it leaves the host. */
  private static void exit(FuzzInput in, Hypervisor host, HostVcpu vcpu) {
    int code = in.i32();
    long info1 = in.number(8);
    long info2 = in.number(8);
    Vmcb b = vcpu.cpu.vmcb();
    b.set(Vmcb.EXITCODE, code);
    b.set(Vmcb.EXITINFO1, info1);
    b.set(Vmcb.EXITINFO2, info2);
    for (int r : REGISTERS) {
      long v = in.number(8);
      if (vcpu.cpu instanceof PlainVcpu p) {
        p.setGpr(r, v);
        b.set(Vmcb.NRIP, CODE);
        b.save(VmsaField.RIP, CODE);
      }
    }
    // What the loop serves itself never comes here.
    if (code != ExitCode.VMGEXIT) {
      host.handlers.exit(vcpu, code, info1, info2);
    }
  }

  private static void release(Hypervisor host, HostVcpu vcpu) {
    if (vcpu.state == HostVcpu.State.RESET_HOLD_EVENT
        || vcpu.state == HostVcpu.State.RESET_HOLD_MSR) {
      host.handlers.released(vcpu);
      vcpu.state = HostVcpu.State.RUNNABLE;
    }
  }
}
