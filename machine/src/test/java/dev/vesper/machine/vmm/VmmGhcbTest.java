package dev.vesper.machine.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.EdgeNumbers;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** svm_handle_vmgexit in its four states: what is served, and how everything else ends. */
final class VmmGhcbTest {
  private static final String OLD = "openbsd:2025-06";
  private static final String RELEASE = "openbsd:2025-09";
  private static final String NEW = "openbsd:2026-08";
  private static final String FEBRUARY = "openbsd:2026";
  private static final long GHCB = 0x5000;
  private static final long OTHER = 0x7000;

  private final OneVcpuHost guest = new OneVcpuHost(SevMode.ES);
  private final HostView view = guest.view;
  private final VirtualCpu vcpu = guest.vcpu;
  private Hypervisor host;
  private final HostVcpu hostVcpu;
  private VmmHandlers handlers;
  private final byte[] page = new byte[4096];
  private final GhcbPage ghcb = new GhcbPage(page);

  VmmGhcbTest() {
    hostVcpu = new HostVcpu(0, vcpu, null, CpuModel.named("vesper-min"), 0, null);
    start(NEW);
  }

  private void start(String name) {
    OpenBsdProfile profile = (OpenBsdProfile) Profile.named(name);
    host = guest.start(profile, CpuModel.named("vesper-min"), false, b -> {});
    handlers = new VmmHandlers(host, profile);
    handlers.created(hostVcpu);
    vcpu.vmcb().set(Vmcb.EVENTINJ, 0);
  }

  private void request(long code, long info1) {
    java.util.Arrays.fill(page, (byte) 0);
    ghcb.set(GhcbField.SW_EXITCODE, code & 0xFFFF_FFFFL);
    ghcb.set(GhcbField.SW_EXITINFO1, info1);
    ghcb.set(GhcbField.SW_EXITINFO2, 0);
  }

  private void exit(long at) {
    view.write(at, page, 0, 4096);
    vcpu.vmcb().set(Vmcb.GHCB_GPA, at);
    handlers.vmgexit(hostVcpu);
    view.read(at, page, 0, 4096);
  }

  private long msr(long v) {
    vcpu.vmcb().set(Vmcb.GHCB_GPA, v);
    handlers.vmgexit(hostVcpu);
    return vcpu.vmcb().get(Vmcb.GHCB_GPA);
  }

  /** {@return whether the run goes on} */
  private boolean running() {
    return host.outcome() == null;
  }

  private Outcome ended() {
    return Objects.requireNonNull(host.outcome());
  }

  private long injected() {
    return vcpu.vmcb().get(Vmcb.EVENTINJ);
  }

  @ParameterizedTest
  @ValueSource(strings = {OLD, RELEASE, FEBRUARY, NEW})
  void cpuidByTheMsrProtocol(String profile) {
    start(profile);
    assertThat(vcpu.vmcb().get(Vmcb.GHCB_GPA)).as("nothing unsolicited").isZero();
    assertThat(msr(MsrRequest.cpuidRequest(0x8000_001F, 1))).isEqualTo(0x0000_0073_4000_0005L);
    assertThat(msr(MsrRequest.cpuidRequest(0x4000_0000, 1))).isEqualTo(0x6E65_704F_4000_0005L);
    assertThat(msr(0x0000_0001_0ABC_D004L) & 0xFFF).as("reserved bits go").isEqualTo(5);
    assertThat(vcpu.vmcb().get(Vmcb.GHCB_GPA) & 0x3FFF_F000L).isZero();
    assertThat(running()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "2, SEV_INFO_REQ",
    "6, AP_RESET_HOLD_REQ",
    "0x10, PREFERRED_GHCB_REQ",
    "0x5012, REGISTER_GHCB_REQ",
    "0x80, HV_FEATURES_REQ",
    "0xABC, unknown request"
  })
  void otherRequestsEndTheVm(String request, String name) {
    start(NEW);
    msr(Long.decode(request));
    assertThat(ended().status()).isEqualTo(Outcome.GAVE_UP);
    assertThat(ended().reason()).contains("EINVAL").contains(name);
  }

  @Test
  void terminationIsSaidInWords() {
    start(NEW);
    msr(0x1_0100);
    assertThat(ended().status()).isEqualTo(Outcome.GUEST_TERMINATED);
    assertThat(ended().reason()).contains("protocol range not supported");
  }

  @ParameterizedTest
  @ValueSource(strings = {OLD, RELEASE, FEBRUARY, NEW})
  void cpuidMarksFourRegistersAndTheInfos(String profile) {
    start(profile);
    request(ExitCode.CPUID, 0);
    ghcb.set(GhcbField.RAX, 0);
    ghcb.set(GhcbField.RCX, 0);
    page[0x900] = 0x55;
    exit(GHCB);
    assertThat(ghcb.get(GhcbField.RBX)).isEqualTo(0x6874_7541L);
    assertThat(ghcb.valid())
        .containsExactlyInAnyOrder(
            GhcbField.RAX,
            GhcbField.RBX,
            GhcbField.RCX,
            GhcbField.RDX,
            GhcbField.SW_EXITINFO1,
            GhcbField.SW_EXITINFO2);
    // Until 2026 the whole page was cleared, since then only the bitmap.
    boolean wiped = !profile.equals(NEW) && !profile.equals(FEBRUARY);
    assertThat(page[0x900]).isEqualTo((byte) (wiped ? 0 : 0x55));
    assertThat(ghcb.get(GhcbField.SW_EXITCODE)).isEqualTo(wiped ? 0 : ExitCode.CPUID);
  }

  @Test
  void portsGoBothWays() {
    start(NEW);
    request(ExitCode.IOIO, 0x3FBL << 16 | 0x10);
    ghcb.set(GhcbField.RAX, 0x5A);
    exit(GHCB);
    assertThat(ghcb.valid())
        .containsExactlyInAnyOrder(GhcbField.SW_EXITINFO1, GhcbField.SW_EXITINFO2);
    request(ExitCode.IOIO, 0x3FBL << 16 | 0x11);
    exit(GHCB);
    assertThat(ghcb.get(GhcbField.RAX)).isEqualTo(0x5A);
    assertThat(running()).isTrue();
  }

  @Test
  void anUnknownMsrIsGpByInjectionWithStaleRegisters() {
    start(NEW);
    request(ExitCode.MSR, 0);
    ghcb.set(GhcbField.RCX, 0xC001_1029L);
    exit(GHCB);
    assertThat(ghcb.get(GhcbField.RAX)).isEqualTo(2);
    request(ExitCode.MSR, 0);
    ghcb.set(GhcbField.RCX, 0xC001_1FFFL);
    exit(GHCB);
    assertThat(injected()).isEqualTo(0x8000_0B0DL);
    assertThat(ghcb.get(GhcbField.SW_EXITINFO1)).as("no error answer").isZero();
    assertThat(ghcb.get(GhcbField.RAX)).as("what was there before").isEqualTo(2);
    assertThat(ghcb.isValid(GhcbField.RDX)).isTrue();
  }

  @ParameterizedTest
  @CsvSource({NEW + ", true", RELEASE + ", false"})
  void sysCfgReadsAsZeroSince2026(String profile, boolean zero) {
    start(profile);
    request(ExitCode.MSR, 0);
    ghcb.set(GhcbField.RCX, 0xC001_0010L);
    exit(GHCB);
    assertThat(injected() == 0).isEqualTo(zero);
  }

  @ParameterizedTest
  @ValueSource(
      longs = {
        0x89,
        0x6E,
        0x87,
        0x81,
        0x37,
        0x80000001L,
        0x80000002L,
        0x80000005L,
        0x80000003L,
        0x8000FFFFL,
        0x400
      })
  void otherEventsEndTheVm(long code) {
    start(NEW);
    request(code, 0);
    ghcb.set(GhcbField.RAX, 0);
    exit(GHCB);
    assertThat(ended().status()).isEqualTo(Outcome.GAVE_UP);
    assertThat(ended().reason()).contains("EINVAL").contains(ExitCode.name((int) code));
  }

  @Test
  void missingRegistersEndTheVm() {
    start(NEW);
    request(ExitCode.CPUID, 0);
    ghcb.set(GhcbField.RAX, 0);
    exit(GHCB);
    assertThat(ended().reason()).contains("RCX");
  }

  @Test
  void stringPortAccessEndsVmd() {
    start(NEW);
    request(ExitCode.IOIO, 0x3F8L << 16 | 0x1C);
    ghcb.set(GhcbField.RAX, 0);
    exit(GHCB);
    assertThat(ended().reason()).contains("vmd(8) aborts").contains("0x3f8");
  }

  /** 1.64 kept the first GHCB for ever; 1.65 (2025-10-28) takes the one that is named. */
  @ParameterizedTest
  @CsvSource({OLD + ", false", RELEASE + ", false", NEW + ", true"})
  void aSecondGhcb(String profile, boolean served) {
    start(profile);
    request(ExitCode.IOIO, 0x3FFL << 16 | 0x11);
    exit(GHCB);
    assertThat(running()).isTrue();
    view.write(GHCB + 0x3F0, 8, 0);
    view.write(GHCB + 0x3F8, 8, 0);
    request(ExitCode.IOIO, 0x3FFL << 16 | 0x11);
    exit(OTHER);
    assertThat(ghcb.isValid(GhcbField.RAX)).isEqualTo(served);
    assertThat(running()).as("the first page is empty now").isEqualTo(served);
  }

  /** Since 2026-02-16 an empty page, or none at all, is #UD; before, it ended the VM. */
  @ParameterizedTest
  @CsvSource({OLD + ", false", RELEASE + ", false", NEW + ", true"})
  void anEmptyOrMissingGhcb(String profile, boolean undefined) {
    for (long at : new long[] {0, GHCB}) {
      start(profile);
      java.util.Arrays.fill(page, (byte) 0);
      exit(at);
      assertThat(injected()).isEqualTo(undefined ? 0x8000_0306L : 0);
      assertThat(running()).isEqualTo(undefined);
    }
  }

  @Test
  void aGhcbOutsideMemoryEndsTheVm() {
    start(NEW);
    vcpu.vmcb().set(Vmcb.GHCB_GPA, 0x40_0000_0000L);
    handlers.vmgexit(hostVcpu);
    assertThat(ended().reason()).contains("no page is mapped at GHCB address 0x4000000000");
  }

  /** #UD had an error code until 2026. */
  @ParameterizedTest
  @CsvSource({RELEASE + ", 0x80000B06", NEW + ", 0x80000306"})
  void undefinedInstructions(String profile, String event) {
    start(profile);
    handlers.injectUndefined(hostVcpu);
    assertThat(injected()).isEqualTo(Long.decode(event));
  }

  /** svm_handle_efercr: the shadow follows, CR8 has none. */
  @Test
  void writeTrapsReachTheShadow() {
    start(OLD);
    handlers.exit(hostVcpu, ExitCode.EFER_WRITE_TRAP, 0xD01, 0);
    handlers.exit(hostVcpu, ExitCode.CR0_WRITE_TRAP, 0x8001_0033L, 0);
    handlers.exit(hostVcpu, ExitCode.CR0_WRITE_TRAP + 4, 0x4_06B0, 0);
    Vmcb v = vcpu.vmcb();
    assertThat(v.saved(VmsaField.EFER)).as("SVME is put back").isEqualTo(0x1D01);
    assertThat(v.saved(VmsaField.CR0)).isEqualTo(0x8001_0033L);
    assertThat(v.saved(VmsaField.CR4)).isEqualTo(0x4_06B0);
    byte[] before = new byte[4096];
    byte[] after = new byte[4096];
    for (int i = 0; i < 512; i++) {
      java.nio.ByteBuffer.wrap(before).putLong(8 * i, v.get(8 * i));
    }
    handlers.exit(hostVcpu, ExitCode.CR0_WRITE_TRAP + 8, 5, 0);
    for (int i = 0; i < 512; i++) {
      java.nio.ByteBuffer.wrap(after).putLong(8 * i, v.get(8 * i));
    }
    assertThat(after).isEqualTo(before);
    assertThat(running()).isTrue();
    handlers.exit(hostVcpu, ExitCode.CR0_WRITE_TRAP + 3, 0, 0);
    assertThat(ended().reason()).contains("no state for SVM_VMEXIT_CR3_WRITE_TRAP");
  }

  @Test
  void cpuidAsTheTableHasIt() {
    start(NEW);
    CpuModel.Leaf one = handlers.cpuid(hostVcpu, 1, 0);
    assertThat(one.edx() & (1 << 9 | 1 << 12 | 1 << 7)).as("APIC, MTRR, MCE").isZero();
    assertThat(one.ecx() >>> 31).as("hypervisor").isEqualTo(1);
    assertThat(one.ebx() >>> 16).as("only the lower half").isZero();
    hostVcpu.shadowCr4 = 1 << 18;
    assertThat(handlers.cpuid(hostVcpu, 1, 0).ecx() >>> 27 & 1).as("OSXSAVE").isEqualTo(1);
    assertThat(handlers.cpuid(hostVcpu, 0x8000_0001, 0).edx() >>> 27 & 1).as("RDTSCP").isZero();
    assertThat(handlers.cpuid(hostVcpu, 0x8000_001F, 0))
        .as("the host's own")
        .isEqualTo(CpuModel.named("vesper-min").leaf(0x8000_001F, 0));
    assertThat(handlers.cpuid(hostVcpu, 0, 0).eax()).as("invariant TSC").isEqualTo(0x15);
    assertThat(handlers.cpuid(hostVcpu, 0x15, 0))
        .isEqualTo(new CpuModel.Leaf(1, 100, 10_000_000, 0));
    assertThat(handlers.cpuid(hostVcpu, 0x99, 0))
        .as("out of range is the highest basic leaf")
        .isEqualTo(handlers.cpuid(hostVcpu, 0x15, 0));
    assertThat(handlers.cpuid(hostVcpu, 0x4000_0100, 0).ebx()).isEqualTo(0x4B4D_564B);
    assertThat(handlers.cpuid(hostVcpu, 0x4000_0101, 0).eax()).isEqualTo(0x0100_000A);
  }

  @Test
  void pvclockIsWrittenToSharedMemory() {
    start(NEW);
    request(ExitCode.MSR, 1);
    ghcb.set(GhcbField.RCX, 0x4B56_4D01L);
    ghcb.set(GhcbField.RAX, 0x9001);
    ghcb.set(GhcbField.RDX, 0);
    exit(GHCB);
    assertThat(view.read(0x9000, 4)).as("version").isEqualTo(2);
    assertThat(view.read(0x9018, 4)).as("multiplier").isEqualTo(1 << 20);
    assertThat(view.read(0x901C, 1)).as("shift").isEqualTo(12);
    handlers.entering(hostVcpu);
    assertThat(view.read(0x9000, 4)).isEqualTo(4);
  }

  private void writeMsr(long number, long value) {
    request(ExitCode.MSR, 1);
    ghcb.set(GhcbField.RCX, number);
    ghcb.set(GhcbField.RAX, value & 0xFFFF_FFFFL);
    ghcb.set(GhcbField.RDX, value >>> 32);
    exit(GHCB);
  }

  /** vmm_pv_wall_clock: an even version that grows, and when the host was booted. */
  @Test
  void theWallClockIsWhenTheHostWasBooted() {
    start(NEW);
    view.write(0x9000, 4, 6);
    writeMsr(0x4B56_4D00L, 0x9000);
    assertThat(view.read(0x9000, 4)).isEqualTo(8);
    assertThat(view.read(0x9004, 4)).isEqualTo(Hardware.NONE.startSeconds());
    assertThat(view.read(0x9008, 4)).isZero();
    writeMsr(0x4B56_4D00L, 0x9000);
    assertThat(view.read(0x9000, 4)).isEqualTo(10);
    assertThat(injected()).isZero();
  }

  /** Records outside memory, at its very end or across pages are #GP. */
  @ParameterizedTest
  @CsvSource({
    "0x4B564D00, 0x9FF8",
    "0x4B564D00, 0xFFFF4",
    "0x4B564D00, 0x4000000000",
    "0x4B564D01, 0x9FF1",
    "0x4B564D01, 0xFFFE1",
    "0x4B564D01, 0x4000000001"
  })
  void clockRecordsThatDoNotFitAreRefused(String msr, String address) {
    start(NEW);
    writeMsr(Long.decode(msr), Long.decode(address));
    assertThat(injected()).isEqualTo(0x8000_0B0DL);
    assertThat(running()).isTrue();
  }

  /** svm_handle_msr compares all of RCX. */
  @Test
  void anMsrNumberWithAnythingAboveEcxIsUnknown() {
    start(NEW);
    request(ExitCode.MSR, 0);
    ghcb.set(GhcbField.RCX, 0x1_C001_1029L);
    exit(GHCB);
    assertThat(injected()).isEqualTo(0x8000_0B0DL);
  }

  private long cpuid(int leaf, int register) {
    return msr(MsrRequest.cpuidRequest(leaf, register)) >>> 32;
  }

  /** The signature of KVM and its clock at 0x40000100; what lies between is empty, not clamped. */
  @ParameterizedTest
  @ValueSource(strings = {OLD, RELEASE, FEBRUARY, NEW})
  void kvmsClockHasLeavesOfItsOwn(String profile) {
    start(profile);
    assertThat(cpuid(0x4000_0100, 0)).isEqualTo(0x4000_0101);
    assertThat(cpuid(0x4000_0100, 1)).isEqualTo(0x4B4D_564BL);
    assertThat(cpuid(0x4000_0101, 0)).isEqualTo(1 << 24 | 1 << 3 | 1 << 1);
    assertThat(cpuid(0x4000_0001, 0)).isEqualTo(1 << 24 | 1 << 3);
    assertThat(cpuid(0x4000_0102, 0)).isZero();
    assertThat(cpuid(0x5000_0000, 0)).isZero();
    assertThat(cpuid(0x8000_0000, 1)).as("no vendor").isZero();
  }

  /** Whatever the page holds: an answer, an injection, or a named end. */
  @Test
  void randomPagesNeverThrow() {
    Random r = new Random(11);
    int served = 0;
    for (int i = 0; i < 20_000; i++) {
      if (!running()) {
        start(i % 2 == 0 ? NEW : RELEASE);
      }
      r.nextBytes(page);
      if (r.nextInt(4) != 0) {
        request(
            new long[] {0x72, 0x7B, 0x7C, 0x403}[r.nextInt(4)],
            r.nextInt(4) == 0 ? 1 : r.nextLong());
        for (GhcbField f : List.of(GhcbField.RAX, GhcbField.RCX, GhcbField.RDX)) {
          if (r.nextInt(8) != 0) {
            ghcb.set(
                f,
                switch (r.nextInt(3)) {
                  case 0 -> r.nextInt(16);
                  case 1 -> EdgeNumbers.next(r, 0xC000_0000L);
                  default -> r.nextLong();
                });
          }
        }
      }
      vcpu.vmcb().set(Vmcb.EVENTINJ, 0);
      exit(GHCB);
      served += running() ? 1 : 0;
    }
    assertThat(served).isGreaterThan(2000);
  }
}
