package dev.vesper.machine.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.EdgeNumbers;
import dev.vesper.machine.device.Uart16550;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.SevMode;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The GHCB service: checks, error answers, events, and 100,000 random pages. */
final class GhcbServiceTest {
  private static final long GHCB = 0x5000;

  private final OneVcpuHost guest = new OneVcpuHost(SevMode.ES);
  private final HostView view = guest.view;
  private final VirtualCpu vcpu = guest.vcpu;
  private Hypervisor host;
  private GhcbService service;
  private HostVcpu hostVcpu;
  private final byte[] page = new byte[4096];
  private final GhcbPage ghcb = new GhcbPage(page);

  GhcbServiceTest() {
    reset(b -> {});
  }

  private void reset(Uart16550.Sink console) {
    CpuModel model = CpuModel.named("vesper-min");
    host = guest.start(new KvmProfile(), model, false, console);
    KvmMsrs msrs = new KvmMsrs(host);
    service =
        new GhcbService(
            host,
            new CpuidService(model, SevMode.ES, 1, false),
            msrs,
            new KvmHypercalls(host, msrs.clock),
            null);
    hostVcpu = new HostVcpu(0, vcpu, null, model, 0, null);
    service.created(hostVcpu);
  }

  private void exit() {
    view.write(GHCB, page, 0, 4096);
    vcpu.vmcb().set(Vmcb.GHCB_GPA, GHCB);
    service.vmgexit(hostVcpu);
    view.read(GHCB, page, 0, 4096);
  }

  private void request(int code, long info1, long info2) {
    java.util.Arrays.fill(page, (byte) 0);
    ghcb.set(GhcbField.SW_EXITCODE, code & 0xFFFF_FFFFL);
    ghcb.set(GhcbField.SW_EXITINFO1, info1);
    ghcb.set(GhcbField.SW_EXITINFO2, info2);
  }

  private void expectError(int reason) {
    assertThat(ghcb.isValid(GhcbField.SW_EXITINFO1)).isTrue();
    assertThat(ghcb.get(GhcbField.SW_EXITINFO1)).isEqualTo(2);
    assertThat(ghcb.get(GhcbField.SW_EXITINFO2)).isEqualTo(reason);
  }

  private long msr(long value) {
    vcpu.vmcb().set(Vmcb.GHCB_GPA, value);
    service.vmgexit(hostVcpu);
    return vcpu.vmcb().get(Vmcb.GHCB_GPA);
  }

  @Test
  void msrProtocol() {
    assertThat(vcpu.vmcb().get(Vmcb.GHCB_GPA)).isEqualTo(0x0002_0001_3300_0001L);
    assertThat(msr(MsrRequest.SEV_INFO_REQ)).isEqualTo(0x0002_0001_3300_0001L);
    assertThat(msr(MsrRequest.cpuidRequest(0x8000_001F, 1))).isEqualTo(0x0000_0073_4000_0005L);
    assertThat(msr(MsrRequest.HV_FEATURES_REQ)).isEqualTo(MsrRequest.HV_FEATURES_RESP);
    assertThat(msr(MsrRequest.PREFERRED_GHCB_REQ)).isEqualTo(MsrRequest.NO_PREFERENCE);
    assertThat(msr(0x5012)).isEqualTo(0x5013);
    assertThat(msr(0xABC)).as("an unknown request reads back").isEqualTo(0xABC);
  }

  @Test
  void cpuidReturnsFourValidRegisters() {
    request(ExitCode.CPUID, 0, 0);
    ghcb.set(GhcbField.RAX, 0);
    ghcb.set(GhcbField.RCX, 0);
    exit();
    assertThat(ghcb.get(GhcbField.RBX)).isEqualTo(0x6874_7541L);
    assertThat(ghcb.valid())
        .contains(
            GhcbField.RAX,
            GhcbField.RBX,
            GhcbField.RCX,
            GhcbField.RDX,
            GhcbField.SW_EXITINFO1,
            GhcbField.SW_EXITINFO2)
        .doesNotContain(GhcbField.SW_EXITCODE);
    assertThat(ghcb.get(GhcbField.SW_EXITINFO1)).isZero();
  }

  @Test
  void leafDNeedsXcr0() {
    request(ExitCode.CPUID, 0, 0);
    ghcb.set(GhcbField.RAX, 0xD);
    ghcb.set(GhcbField.RCX, 0);
    exit();
    expectError(4);
    assertThat(ghcb.get(GhcbField.RAX)).as("what was sent comes back").isEqualTo(0xD);
  }

  @Test
  void theSizesOfLeafDFollowXcr0AndXssAsTheGuestSaysThem() {
    CpuModel model = CpuModel.named("EPYC-Milan");
    CpuidService cpuid = new CpuidService(model, SevMode.ES, 1, false);
    KvmMsrs msrs = new KvmMsrs(host);
    service = new GhcbService(host, cpuid, msrs, new KvmHypercalls(host, msrs.clock), null);
    long[][] expected = {{0x207, 840}, {7, 832}, {3, 576}};
    for (long[] e : expected) {
      request(ExitCode.CPUID, 0, 0);
      ghcb.set(GhcbField.RAX, 0xD);
      ghcb.set(GhcbField.RCX, 1);
      ghcb.set(GhcbField.XCR0, e[0]);
      ghcb.set(GhcbField.XSS, 0);
      exit();
      assertThat(ghcb.get(GhcbField.RBX)).as("XCR0 0x%x", e[0]).isEqualTo(e[1]);
    }
  }

  @Test
  void hypercallsAreServed() {
    request(ExitCode.VMMCALL, 0, 0);
    ghcb.set(GhcbField.RAX, 11);
    ghcb.set(GhcbField.CPL, 0);
    exit();
    assertThat(ghcb.get(GhcbField.RAX)).as("SCHED_YIELD").isZero();
    request(ExitCode.VMMCALL, 0, 0);
    ghcb.set(GhcbField.RAX, 11);
    ghcb.set(GhcbField.CPL, 3);
    exit();
    assertThat(ghcb.get(GhcbField.RAX)).as("from user mode").isEqualTo(-1);
  }

  @Test
  void anUnknownMsrIsGp() {
    request(ExitCode.MSR, 0, 0);
    ghcb.set(GhcbField.RCX, 0x1234_5678);
    exit();
    assertThat(ghcb.get(GhcbField.SW_EXITINFO1)).isEqualTo(1);
    assertThat(ghcb.get(GhcbField.SW_EXITINFO2)).isEqualTo(0x8000_030DL);
  }

  @Test
  void usageValidBitsAndCodesAreChecked() {
    request(ExitCode.CPUID, 0, 0);
    page[GhcbPage.USAGE] = 1;
    exit();
    expectError(2);
    request(0x2E, 0, 0);
    exit();
    expectError(6);
    request(ExitCode.SNP_PAGE_STATE_CHANGE, 0, 0);
    exit();
    expectError(6);
    java.util.Arrays.fill(page, (byte) 0);
    ghcb.set(GhcbField.SW_EXITCODE, ExitCode.WBINVD);
    exit();
    expectError(4);
  }

  @ParameterizedTest
  @CsvSource({
    "0",
    "0x5000",
    "0x57FF",
    "0x5FF0",
    "0x9000",
    "-1",
    // The sum of the last ones with a length overflows.
    "0x8000000000004FFC",
    "0x80000000000057F8",
    "0x7FFFFFFFFFFFFFF8",
    "0xFFFFFFFFFFFFFFF8"
  })
  void scratchMustLieInTheSharedBuffer(String scratch) {
    long at = scratch.equals("-1") ? -1 : Long.parseUnsignedLong(scratch.replace("0x", ""), 16);
    request(ExitCode.IOIO, 0x3F8L << 16 | 0x14, 16);
    ghcb.set(GhcbField.SW_SCRATCH, at);
    exit();
    expectError(3);
    for (int code : new int[] {ExitCode.MMIO_READ, ExitCode.MMIO_WRITE}) {
      request(code, 0xFEC0_0000L, 8);
      ghcb.set(GhcbField.SW_SCRATCH, at & -8);
      exit();
      expectError(3);
    }
  }

  /** All fields that are addresses, lengths and counts, where sums overflow. */
  @Test
  void numbersAtTheEdgesNeverEscape() {
    Random r = new Random(63);
    int[] codes = {ExitCode.IOIO, ExitCode.MMIO_READ, ExitCode.MMIO_WRITE, ExitCode.MSR};
    for (int i = 0; i < 50_000; i++) {
      long port = (long) (r.nextBoolean() ? 0x60 + r.nextInt(32) : r.nextInt(0x1_0000)) << 16;
      int code = codes[r.nextInt(codes.length)];
      request(
          code,
          code == ExitCode.IOIO ? port | r.nextInt(0x80) : EdgeNumbers.next(r, GHCB),
          r.nextBoolean() ? r.nextInt(9) : EdgeNumbers.next(r, 0));
      for (GhcbField f : List.of(GhcbField.RAX, GhcbField.RCX, GhcbField.RDX)) {
        ghcb.set(f, EdgeNumbers.next(r, 0xC000_0000L));
      }
      ghcb.set(
          GhcbField.SW_SCRATCH,
          r.nextBoolean() ? GHCB + 0x800 + r.nextInt(0x800) : EdgeNumbers.next(r, GHCB));
      exit();
      assertThat(ghcb.get(GhcbField.SW_EXITINFO1)).isBetween(0L, 2L);
      if (i % 1000 == 999) {
        reset(b -> {});
      }
    }
  }

  @Test
  void stringOutputGoesThroughTheBuffer() {
    StringBuilder out = new StringBuilder();
    reset(b -> out.append((char) b));
    request(ExitCode.IOIO, 0x3F8L << 16 | 0x1C, 5);
    ghcb.set(GhcbField.SW_SCRATCH, GHCB + 0x800);
    System.arraycopy(
        "hello".getBytes(java.nio.charset.StandardCharsets.US_ASCII), 0, page, 0x800, 5);
    exit();
    assertThat(ghcb.get(GhcbField.SW_EXITINFO1)).isZero();
    assertThat(out).hasToString("hello");
  }

  @Test
  void mmioReadsAsOnes() {
    request(ExitCode.MMIO_READ, 0xFEC0_0000L, 4);
    ghcb.set(GhcbField.SW_SCRATCH, GHCB + 0x800);
    exit();
    assertThat(ghcb.get(GhcbField.SW_EXITINFO1)).isZero();
    assertThat(view.read(GHCB + 0x800, 4)).isEqualTo(0xFFFF_FFFFL);
    request(ExitCode.MMIO_READ, 0xFEC0_0000L, 16);
    ghcb.set(GhcbField.SW_SCRATCH, GHCB + 0x800);
    exit();
    expectError(5);
  }

  @Test
  void hundredThousandRandomExchangesNeverEscape() {
    Random r = new Random(2024);
    int[] codes = {
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
      ExitCode.WBINVD
    };
    for (int i = 0; i < 100_000; i++) {
      if (r.nextInt(4) == 0) {
        msr(r.nextLong() >>> r.nextInt(64));
      } else {
        r.nextBytes(page);
        if (r.nextBoolean()) {
          for (int k = 0; k < 16; k++) {
            page[GhcbPage.VALID_BITMAP + k] = (byte) 0xFF;
          }
        }
        if (r.nextInt(8) != 0) {
          ghcb.put(GhcbField.SW_EXITCODE, codes[r.nextInt(codes.length)] & 0xFFFF_FFFFL);
          java.util.Arrays.fill(page, GhcbPage.USAGE, 4096, (byte) 0);
        }
        if (r.nextBoolean()) {
          ghcb.put(GhcbField.SW_SCRATCH, GHCB + r.nextInt(0x1100));
          ghcb.put(GhcbField.SW_EXITINFO2, r.nextInt(3000));
        }
        exit();
        assertThat(ghcb.isValid(GhcbField.SW_EXITINFO1)).isTrue();
        assertThat(ghcb.get(GhcbField.SW_EXITINFO1)).isBetween(0L, 2L);
      }
      if (i % 1000 == 999) {
        reset(b -> {});
      }
    }
  }

  /** AP reset hold: the answer says 0 until a SIPI comes. */
  @Test
  void resetHoldIsReleasedBySipi() {
    request(ExitCode.AP_RESET_HOLD, 0, 0);
    exit();
    assertThat(hostVcpu.state).isEqualTo(HostVcpu.State.RESET_HOLD_EVENT);
    assertThat(ghcb.get(GhcbField.SW_EXITINFO2)).isZero();
    service.released(hostVcpu);
    assertThat(view.read(GHCB + GhcbField.SW_EXITINFO2.offset, 8)).isEqualTo(1);
    assertThat(msr(MsrRequest.AP_RESET_HOLD_REQ)).isEqualTo(MsrRequest.AP_RESET_HOLD_RESP);
    assertThat(hostVcpu.state).isEqualTo(HostVcpu.State.RESET_HOLD_MSR);
    service.released(hostVcpu);
    assertThat(vcpu.vmcb().get(Vmcb.GHCB_GPA)).isEqualTo(0x1007);
  }

  @Test
  void nmiCompleteOpensTheNmiWindow() {
    hostVcpu.nmiMasked = true;
    assertThat(hostVcpu.nmiBlocked()).isTrue();
    request(ExitCode.NMI_COMPLETE, 0, 0);
    exit();
    assertThat(hostVcpu.nmiBlocked()).isFalse();
  }

  @Test
  void theJumpTableIsWhatFirmwareOrTheGuestPublished() {
    service.jumpTable(0x9_F000);
    request(ExitCode.AP_JUMP_TABLE, 1, 0);
    exit();
    assertThat(ghcb.get(GhcbField.SW_EXITINFO2)).isEqualTo(0x9_F000);
    request(ExitCode.AP_JUMP_TABLE, 0, 0x8_8000);
    exit();
    request(ExitCode.AP_JUMP_TABLE, 1, 0);
    exit();
    assertThat(ghcb.get(GhcbField.SW_EXITINFO2)).isEqualTo(0x8_8000);
  }
}
