package dev.vesper.machine.sev;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.QueuedEvents;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;
import dev.vesper.x86.Assembler;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** VMRUN of guests with SEV-SNP, and what each SEV_FEATURE does (spec: snp 1.6 and section 2). */
@ParameterizedClass(name = "execution {0}")
@MethodSource("executions")
final class SnpVcpuTest {
  private static final long C_BIT = 1L << 51;
  private static final int ASID = 3;
  private static final int CODE = 0x4000;
  private static final int IDT = 0x5000;
  private static final int OWN_VMSA = 0x9000;
  private static final int FRAMES = 64;
  private static final int LAUNCHED = 12;
  private static final int MMIO = 0x31;
  private static final int INVALID = -1;
  private static final int HLT = 0x78;
  private static final int VMGEXIT = 0x403;
  private static final long SNP = 1;

  private final PhysicalMemory memory = new PhysicalMemory(FRAMES << 12, 8);
  private final int key = memory.createKey(3);
  private final Rmp rmp = memory.protect(key);
  private final Cpu cpu;
  private final EncryptedVcpu vcpu;

  SnpVcpuTest(int execution) {
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map =
        frame ->
            frame == MMIO
                ? NestedMap.MMIO
                : frame >= 0 && frame < FRAMES ? NestedMap.RAM : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    Execution.choose(cpu, f, execution);
    cpu.configureEncryption(key, C_BIT);
    vcpu = new EncryptedVcpu(cpu, memory, key);
  }

  static int[] executions() {
    return Execution.andNative(0, 1);
  }

  @BeforeEach
  void controls() {
    Vmcb v = vcpu.vmcb();
    v.set(Vmcb.ASID, ASID);
    v.set(Vmcb.NESTED_CTL, 7);
    v.set(Vmcb.VIRT_EXT, 1);
    v.setInt(Vmcb.INTERCEPT_VECTOR3, 1 << 24 | 1 << 31);
    v.setInt(Vmcb.INTERCEPT_VECTOR4, 1);
  }

  /** Pages from 0 to {@link #LAUNCHED} with tables and code; handlers of exceptions that halt. */
  private LaunchState prepare(String source, long features) {
    long c = SevFeature.VTOM.in(features) ? 0 : C_BIT;
    page(1).put64(0, 0x2007L | c);
    page(2).put64(0, 0x3007L | c);
    page(3).put64(0, 0x6007L | c);
    for (int f = 0; f < FRAMES; f++) {
      page(6).put64(8 * f, (long) f << 12 | 7 | c);
    }
    byte[] code = Assembler.assemble(64, source + "\nhlt");
    page(CODE >> 12).copyFrom(0, code, 0, code.length);
    // A flat code segment, and gates to handlers that put the vector into RDI and halt.
    page(7).put64(8 * 2, 0x00AF_9B00_0000_FFFFL);
    for (int v = 0; v < 32; v++) {
      byte[] h = Assembler.assemble(64, "mov edi, " + v + "\npop r15\nhlt");
      page(8).copyFrom(32 * v, h, 0, h.length);
      page(IDT >> 12).put64(16 * v, 0x8E00L << 32 | 0x10L << 16 | 0x8000 + 32L * v);
    }
    for (int f = 0; f < LAUNCHED; f++) {
      long gpa = (long) f << 12;
      assertThat(rmp.update(gpa, RmpEntry.guest(gpa, ASID).forFirmware()))
          .isEqualTo(RmpResult.SUCCESS);
      rmp.launch(gpa, 0, false);
    }
    LaunchState s = new LaunchState().flat(0x10, 0xA9B, 0x18);
    s.segment(VmsaField.IDTR, 0, 0, 0xFFF, IDT).segment(VmsaField.GDTR, 0, 0, 0xFFF, 0x7000);
    s.set(VmsaField.CR0, 0x8000_0011L).set(VmsaField.CR4, 0x220).set(VmsaField.CR3, 0x1000);
    s.set(VmsaField.EFER, 0x1500).set(VmsaField.RIP, CODE).set(VmsaField.RSP, 0xB000);
    return s.set(VmsaField.SEV_FEATURES, features);
  }

  private Page page(int frame) {
    return memory.page(frame, Page.SHARED);
  }

  private void launch(String source, long features) {
    vcpu.launch(prepare(source, features));
  }

  private int run() {
    vcpu.run(vcpu.now() + 10_000);
    return vcpu.vmcb().exitCode();
  }

  private byte[] area() {
    byte[] b = new byte[Page.SIZE];
    vcpu.state(b);
    return b;
  }

  private long saved(VmsaField f) {
    vcpu.settle();
    return (long) Page.LONG.get(area(), f.offset);
  }

  @Test
  void theGuestReadsItsFeatures() {
    launch("mov ecx, 0xc0010131\nrdmsr", SNP | SevFeature.DEBUG_SWAP.mask);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RAX)).isEqualTo(3 | 0x21 << 2);
    assertThat(vcpu.vmcb().get(Vmcb.GUEST_SEV_FEATURES)).isEqualTo(0x21);
  }

  // ---- what VMRUN refuses

  @ParameterizedTest
  @EnumSource(SevFeature.class)
  void eachFeatureIsTakenOrRefusedByName(SevFeature f) {
    launch("nop", SNP | f.mask);
    assertThat(run()).isEqualTo(f.supported ? HLT : INVALID);
    assertThat(SevFeature.refused(SNP | f.mask))
        .allMatch(l -> l.contains(f.title))
        .hasSize(f.supported ? 0 : 1);
  }

  /** The rest of the 64 bits, each. */
  @Test
  void whatHasNoNameIsReserved() {
    long known =
        Arrays.stream(SevFeature.values()).mapToLong(f -> f.mask).reduce(0, (a, b) -> a | b);
    assertThat(known).isEqualTo(0x21_FFFF);
    for (int bit = 0; bit < 64; bit++) {
      long mask = 1L << bit;
      if ((known & mask) == 0) {
        assertThat(SevFeature.refused(SNP | mask))
            .containsExactly("bits 0x" + Long.toHexString(mask) + " are reserved");
      }
    }
  }

  @Test
  void reservedFeaturesAreRefused() {
    launch("nop", SNP | 1L << 40);
    assertThat(run()).isEqualTo(INVALID);
    assertThat(SevFeature.refused(1L << 40)).containsExactly("bits 0x10000000000 are reserved");
  }

  @Test
  void featuresThatNeedSnpAreRefusedWithoutIt() {
    assertThat(SevFeature.refused(SevFeature.VTOM.mask))
        .containsExactly("vTOM (0x2) needs SNPActive");
    assertThat(SevFeature.accepts(SevFeature.DEBUG_SWAP.mask)).isTrue();
  }

  @Test
  void theHostMayAllowFewerFeatures() {
    launch("nop", SNP | SevFeature.DEBUG_SWAP.mask);
    vcpu.vmcb().set(Vmcb.ALLOWED_SEV_FEATURES, 1L << 63 | SNP);
    assertThat(run()).isEqualTo(INVALID);
    vcpu.vmcb().set(Vmcb.ALLOWED_SEV_FEATURES, 1L << 63 | 0x21);
    assertThat(run()).isEqualTo(HLT);
  }

  @Test
  void thereAreFourLevels() {
    LaunchState s = prepare("nop", SNP);
    vcpu.launch(s.set(VmsaField.VMPL, 4));
    assertThat(run()).isEqualTo(INVALID);
  }

  @Test
  void theLaunchedSaveAreaIsTheGuests() {
    launch("nop", SNP);
    long at = vcpu.vmcb().get(Vmcb.VMSA_PTR);
    memory.hostView().write(at + VmsaField.RIP.offset, 8, 0);
    assertThat(run()).as("nothing was written").isEqualTo(HLT);
    assertThat(rmp.update(at, RmpEntry.HYPERVISOR)).isEqualTo(RmpResult.SUCCESS);
    assertThat(run()).isEqualTo(INVALID);
  }

  // ---- save areas that guests make

  private static final String MAKE_AREA =
      """
      mov rax, 0x9000
      xor ecx, ecx
      mov edx, 0x10001
      rmpadjust
      mov ebp, eax
      hlt
      mov rax, 0x9000
      mov edx, 1
      rmpadjust
      mov ebp, eax
      hlt
      """;

  @Test
  void aSaveAreaThatTheGuestMadeIsTaken() {
    LaunchState s = prepare(MAKE_AREA, SNP);
    Page p = memory.page(OWN_VMSA >> 12, key);
    vcpu.launch(s);
    p.copyFrom(0, s.page, 0, Page.SIZE);
    byte[] program = Assembler.assemble(64, "mov ebx, 77\nhlt\nmov ebx, 78\nhlt");
    memory.page(10, key).copyFrom(0, program, 0, program.length);
    p.put64(VmsaField.RIP.offset, 0xA000);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RBP)).as("RMPADJUST").isZero();
    long launched = vcpu.vmcb().get(Vmcb.VMSA_PTR);
    vcpu.vmcb().set(Vmcb.VMSA_PTR, OWN_VMSA);
    assertThat(run()).isEqualTo(HLT);
    assertThat(p.get64(VmsaField.RBX.offset)).as("in the guest's own memory").isEqualTo(77);
    // The guest looks at the area of a processor that stands still, and changes it.
    p.put64(VmsaField.RIP.offset, 0xA000);
    assertThat(run()).isEqualTo(HLT);
    assertThat(p.get64(VmsaField.RBX.offset)).isEqualTo(77);
    vcpu.vmcb().set(Vmcb.VMSA_PTR, launched);
    assertThat(run()).as("the first goes on behind its HLT").isEqualTo(HLT);
    vcpu.vmcb().set(Vmcb.VMSA_PTR, OWN_VMSA);
    assertThat(run()).as("the flag is gone").isEqualTo(INVALID);
  }

  @ParameterizedTest
  @ValueSource(longs = {0xA000, 0x2_0000, 0x8000_0000L, -4096})
  void pagesThatAreNoSaveAreasAreRefused(long at) {
    launch("nop", SNP);
    vcpu.vmcb().set(Vmcb.VMSA_PTR, at);
    assertThat(run()).isEqualTo(INVALID);
  }

  /** A processor that runs from a page cannot have the page's flag taken. */
  @Test
  void aSaveAreaInUseKeepsItsFlag() {
    LaunchState s = prepare(MAKE_AREA, SNP);
    vcpu.launch(s);
    Page p = memory.page(OWN_VMSA >> 12, key);
    p.copyFrom(0, s.page, 0, Page.SIZE);
    byte[] program =
        Assembler.assemble(64, "mov eax, 0x9000\nxor ecx, ecx\nmov edx, 1\nrmpadjust\nhlt");
    memory.page(10, key).copyFrom(0, program, 0, program.length);
    p.put64(VmsaField.RIP.offset, 0xA000);
    assertThat(run()).isEqualTo(HLT);
    vcpu.vmcb().set(Vmcb.VMSA_PTR, OWN_VMSA);
    assertThat(run()).isEqualTo(HLT);
    assertThat(p.get64(VmsaField.RAX.offset)).isEqualTo(RmpResult.FAIL_INUSE.eax);
    assertThat(rmp.update(OWN_VMSA, RmpEntry.HYPERVISOR))
        .as("it no longer runs")
        .isEqualTo(RmpResult.SUCCESS);
  }

  /** The processor pauses inside VMRUN, where neither of its pages can change hands. */
  @Test
  void vmcbAndSaveAreaAreInUseWhileTheGuestRuns() {
    launch("nop\nnop\nnop", SNP);
    long area = vcpu.vmcb().get(Vmcb.VMSA_PTR);
    long vmcb = (long) vcpu.vmcbFrame << 12;
    vcpu.pauseAt(vcpu.instructions() + 1);
    assertThat(vcpu.run(vcpu.now() + 10_000)).as("paused").isFalse();
    for (long page : new long[] {area, vmcb}) {
      assertThat(rmp.update(page, RmpEntry.guest(0x9000, ASID))).isEqualTo(RmpResult.FAIL_INUSE);
    }
    vcpu.pauseAt(Long.MAX_VALUE);
    assertThat(vcpu.goOn()).isTrue();
    assertThat(vcpu.vmcb().exitCode()).isEqualTo(HLT);
    assertThat(rmp.update(vmcb, RmpEntry.guest(0x9000, ASID))).isEqualTo(RmpResult.SUCCESS);
    assertThat(rmp.update(vmcb, RmpEntry.HYPERVISOR)).isEqualTo(RmpResult.SUCCESS);
  }

  /** An observer that looks at registers is no processor that runs, and leaves no trace. */
  @Test
  void lookingAtASaveAreaIsNoUseOfIt() throws NoSuchAlgorithmException {
    LaunchState s = prepare(MAKE_AREA, SNP);
    Page p = memory.page(OWN_VMSA >> 12, key);
    vcpu.launch(s);
    p.copyFrom(0, s.page, 0, Page.SIZE);
    p.put64(VmsaField.RBX.offset, 79);
    assertThat(run()).isEqualTo(HLT);
    vcpu.vmcb().set(Vmcb.VMSA_PTR, OWN_VMSA);
    byte[] before = digest();
    assertThat(GuestRegisters.<Long>look(vcpu, c -> c.r[3])).isEqualTo(79);
    assertThat(digest()).isEqualTo(before);
    assertThat(rmp.adjust(OWN_VMSA >> 12, false, ASID, 0, 1, 0, false).result())
        .isEqualTo(RmpResult.SUCCESS);
  }

  private byte[] digest() throws NoSuchAlgorithmException {
    MessageDigest d = MessageDigest.getInstance("SHA-256");
    vcpu.digest(d);
    return d.digest();
  }

  @Test
  void theSaveAreaSaysTheLevel() {
    LaunchState s = prepare("mov eax, 0x4000\nxor ecx, ecx\nmov edx, 1\nrmpadjust", SNP);
    for (int f = 0; f < LAUNCHED; f++) {
      rmp.setPermissions((long) f << 12, RmpEntry.ALL | RmpEntry.ALL << 16);
    }
    vcpu.launch(s.set(VmsaField.VMPL, 2));
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RAX)).isEqualTo(RmpResult.FAIL_PERMISSION.eax);
  }

  // ---- #VC

  private static final String TOUCH = "mov ebx, 0x20123\nmov rax, [rbx]";

  @Test
  void aPageNotValidatedIsDeliveredAsVc() {
    launch(TOUCH, SNP);
    rmp.update(0x2_0000, RmpEntry.guest(0x2_0000, ASID));
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).as("vector").isEqualTo(29);
    assertThat(saved(VmsaField.R15)).as("error code").isEqualTo(0x404);
    assertThat(saved(VmsaField.CR2)).isEqualTo(0x2_0123);
  }

  /** A handler whose stack is not validated: #VC within #VC is a double fault, and then the end. */
  @Test
  void vcInTheDeliveryOfVcEndsInShutdown() {
    LaunchState s = prepare(TOUCH, SNP);
    vcpu.launch(s.set(VmsaField.RSP, 0x2_1000));
    rmp.update(0x2_0000, RmpEntry.guest(0x2_0000, ASID));
    assertThat(run()).isEqualTo(0x7F);
  }

  @Test
  void reflectedVcIsAnExitThatOnlyHigherLevelsUnderstand() {
    launch("nop\ncpuid", SNP | SevFeature.REFLECT_VC.mask);
    assertThat(run()).isEqualTo(0x5D);
    assertThat(vcpu.vmcb().get(Vmcb.EXITINFO1)).isZero();
    assertThat(saved(VmsaField.GUEST_EXITCODE)).isEqualTo(0x72);
    assertThat(saved(VmsaField.RIP)).isEqualTo(CODE + 1);
    assertThat(saved(VmsaField.GUEST_NRIP)).isEqualTo(CODE + 3);
  }

  @Test
  void aReflectedPortAccessSaysWhichInTheSaveArea() {
    launch("out 0x80, al", SNP | SevFeature.REFLECT_VC.mask);
    assertThat(run()).isEqualTo(0x5D);
    assertThat(saved(VmsaField.GUEST_EXITCODE)).isEqualTo(0x7B);
    assertThat(saved(VmsaField.GUEST_EXITINFO1) >>> 16).isEqualTo(0x80);
  }

  // ---- injection

  private void inject(long event) {
    vcpu.vmcb().set(Vmcb.EVENTINJ, event);
  }

  @ParameterizedTest
  @ValueSource(longs = {0x8000_0020L, 0x8000_0202L, 0x8000_030DL, 0x8000_0B1CL, 0x8000_001CL})
  void restrictedInjectionRefusesAllButHv(long event) {
    launch("nop\nnop", SNP | SevFeature.RESTRICTED_INJECTION.mask);
    inject(event);
    assertThat(run()).isEqualTo(INVALID);
  }

  @Test
  void restrictedInjectionHasHv() {
    launch("nop\nnop", SNP | SevFeature.RESTRICTED_INJECTION.mask);
    inject(0x8000_031CL);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(28);
    assertThat(saved(VmsaField.R15)).as("RIP: there is no error code").isEqualTo(CODE);
    vcpu.vmcb().set(Vmcb.V_INTR, Vmcb.V_IRQ);
    assertThat(run()).as("virtual interrupts").isEqualTo(INVALID);
  }

  // ---- the other features

  @Test
  void debugSwapHasDebugRegistersInTheSaveArea() {
    LaunchState s = prepare("mov rax, dr1\nmov ebx, 0x1234\nmov dr2, rbx", SNP | 0x20);
    vcpu.launch(s.set(VmsaField.DR1, 0x5678));
    cpu.dr[1] = 0x9999;
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RAX)).isEqualTo(0x5678);
    assertThat(saved(VmsaField.DR2)).isEqualTo(0x1234);
  }

  @Test
  void vmgexitParameterTellsTheHostRaxAndCpl() {
    launch("mov eax, 0x1234\nvmgexit", SNP | SevFeature.VMGEXIT_PARAMETER.mask);
    vcpu.vmcb().set(Vmcb.VMGEXIT_CPL, 9);
    assertThat(run()).isEqualTo(VMGEXIT);
    assertThat(vcpu.vmcb().get(Vmcb.VMGEXIT_RAX)).isEqualTo(0x1234);
    assertThat(vcpu.vmcb().get(Vmcb.VMGEXIT_CPL)).isZero();
  }

  @Test
  void withoutItTheHostIsNotTold() {
    launch("mov eax, 0x1234\nvmgexit", SNP);
    assertThat(run()).isEqualTo(VMGEXIT);
    assertThat(vcpu.vmcb().get(Vmcb.VMGEXIT_RAX)).isZero();
  }

  // ---- AlternateInjection

  private static final long ALTERNATE = SNP | SevFeature.ALTERNATE_INJECTION.mask;
  private static final int MAY_BE_INTERRUPTED = 0x202;
  private static final long QUEUED_20 =
      QueuedEvents.V_IRQ | 4 << 16 | QueuedEvents.V_GIF | 20L << 32;

  private void launchQueued(String source, long control, long event) {
    LaunchState s = prepare(source, ALTERNATE);
    vcpu.launch(
        s.set(VmsaField.VINTR_CTRL, control)
            .set(VmsaField.EVENTINJ, event)
            .set(VmsaField.RFLAGS, MAY_BE_INTERRUPTED));
  }

  @ParameterizedTest
  @ValueSource(longs = {0x8000_0014L, 0x8000_0302L, 0x8000_030DL, 0x8000_0403L})
  void whatTheHostInjectsIsIgnored(long event) {
    launchQueued("nop\nnop", 0, 0);
    inject(event);
    vcpu.vmcb().set(Vmcb.V_INTR, Vmcb.V_IRQ | 1 << 20 | 0x15L << 32 | 7);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isZero();
    assertThat(vcpu.vmcb().get(Vmcb.V_INTR) & 15).as("nor is its task priority").isEqualTo(7);
  }

  @ParameterizedTest
  @CsvSource({"0x80000014, 20, 0x4000", "0x8000030E, 14, 0x4000", "0x123480000B0D, 13, 0x1234"})
  void theSaveAreaInjects(long event, int vector, long top) {
    launchQueued("nop\nnop", 0, event);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(vector);
    assertThat(saved(VmsaField.R15)).as("error code or RIP").isEqualTo(top);
    assertThat(saved(VmsaField.EVENTINJ)).as("once").isZero();
  }

  @ParameterizedTest
  @ValueSource(longs = {0x8000_0303L, 0x8000_0420L, 0x8000_0720L})
  void whatNobodyMayInjectTheSaveAreaMayNot(long event) {
    launchQueued("nop", 0, event);
    assertThat(run()).isEqualTo(INVALID);
  }

  /**
   * What is queued, whether the host has the global interrupt flag virtual, the guest's code, and
   * the vector that it takes with the address where, or 0.
   */
  @ParameterizedTest
  @CsvSource({
    "0x1400040300, false, 'nop\nnop', 20, 0x4000",
    "0x1400040100, false, 'nop\nnop', 20, 0x4000",
    "0x1400040100, true, 'nop\nnop', 0, 0",
    "0x1400040300, true, 'nop\nnop', 20, 0x4000",
    "0x1400040500, false, 'nop\nnop', 20, 0x4001",
    "0x1400040105, false, 'nop\nnop', 0, 0",
    "0x1400040104, false, 'nop\nnop', 0, 0",
    "0x1400040103, false, 'nop\nnop', 20, 0x4000",
    "0x1400140105, false, 'nop\nnop', 20, 0x4000",
    "0x1400040105, false, 'nop\nmov cr8, rbx\nnop', 20, 0x4005",
    "0x1400040100, false, 'cli', 20, 0x4000",
    "0x1400040500, false, 'cli\nnop\nsti\nnop\nnop', 20, 0x4004",
    "0x4000800, false, 'nop\nnop', 2, 0x4000",
    "0x0000800, false, 'nop\nnop', 0, 0",
    "0x4001800, false, 'nop\nnop', 0, 0",
    "0x4000800, true, 'nop\nnop', 0, 0",
    "0x4000C00, false, 'nop\nnop', 2, 0x4001"
  })
  void theSaveAreaQueues(long control, boolean gif, String source, int vector, long at) {
    launchQueued(source, control, 0);
    vcpu.vmcb().set(Vmcb.V_INTR, gif ? Vmcb.V_GIF_ENABLE : 0);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(vector);
    assertThat(vector == 0 ? 0 : saved(VmsaField.R15)).isEqualTo(at);
    long left = saved(VmsaField.VINTR_CTRL);
    long events = QueuedEvents.V_IRQ | QueuedEvents.V_NMI;
    assertThat(left & events).as("events left").isEqualTo(vector == 0 ? control & events : 0);
    assertThat(left & QueuedEvents.INTERRUPT_SHADOW).isZero();
    assertThat(left >>> 32).as("vector").isEqualTo(control >>> 32);
    boolean inHandler = vector == 2 || (control & QueuedEvents.V_NMI_MASK) != 0;
    assertThat((left & QueuedEvents.V_NMI_MASK) != 0).as("NMI masked").isEqualTo(inHandler);
  }

  @Test
  void theTaskPriorityIsInTheSaveArea() {
    launchQueued("mov eax, 9\nmov cr8, rax", 5, 0);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.VINTR_CTRL)).isEqualTo(9);
  }

  /** An NMI waits for the end of the handler of the one before. */
  @Test
  void aVirtualNmiFollowsIret() {
    LaunchState s =
        prepare("mov rax, rsp\npush 0\npush rax\npush 2\npush 0x10\npush 0x4100\niretq", ALTERNATE);
    page(4).copyFrom(0x100, new byte[] {(byte) 0x90, (byte) 0x90, (byte) 0xF4}, 0, 3);
    vcpu.launch(s.set(VmsaField.VINTR_CTRL, 0x4001800));
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(2);
    assertThat(saved(VmsaField.R15)).isEqualTo(0x4100);
  }

  @Test
  void aHostMayWaitForTheInterruptToBeTaken() {
    launchQueued("nop\nnop", QUEUED_20, 0);
    Vmcb v = vcpu.vmcb();
    v.setInt(Vmcb.INTERCEPT_VECTOR3, v.getInt(Vmcb.INTERCEPT_VECTOR3) | 1 << 4);
    assertThat(run()).isEqualTo(0x64);
    assertThat(saved(VmsaField.GUEST_EXITCODE)).isEqualTo(0x64);
    assertThat(saved(VmsaField.VINTR_CTRL)).isEqualTo(QUEUED_20);
  }

  @Test
  void aBusySaveAreaDoesNotRun() {
    launchQueued("nop", QueuedEvents.BUSY, 0);
    assertThat(run()).isEqualTo(-2);
    assertThat(run()).isEqualTo(-2);
    assertThat(saved(VmsaField.RIP)).isEqualTo(CODE);
  }

  @ParameterizedTest
  @CsvSource({"0x19, 0", "0x11, 0x80000000", "0x9, 0x80000000"})
  void whatExcludesEachOtherIsRefused(long features, long interrupts) {
    launch("nop", features);
    vcpu.vmcb().set(Vmcb.V_INTR, interrupts);
    assertThat(run()).isEqualTo(INVALID);
  }

  @Test
  void theTwoWaysOfInjectionAreRefusedByName() {
    assertThat(SevFeature.refused(0x19))
        .containsExactly(
            "RestrictedInjection (0x8) and AlternateInjection (0x10) exclude each other");
  }

  /** The map of MSRs, which intercepts none here, has no say. */
  @ParameterizedTest
  @CsvSource({"0x11, 0x800, 29", "0x11, 0x8FF, 29", "0x11, 0x7FF, 13", "0x1, 0x80B, 13"})
  void accessesOfX2ApicAreIntercepted(long features, int msr, int vector) {
    launch("mov ecx, " + msr + "\nrdmsr", features);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(vector);
  }

  // ---- ReflectVC

  /** An instruction, and what a more privileged level finds about it: code, info, NRIP. */
  @ParameterizedTest
  @CsvSource({
    "'cpuid', 0x72, 0, 2",
    "'out 0x80, al', 0x7B, 0x800210, 2",
    "'in eax, dx', 0x7B, 0x241, 1",
    "'rdmsr', 0x7C, 0, 2",
    "'wrmsr', 0x7C, 1, 2",
    "'rdtsc', 0x6E, 0, 2",
    "'rdtscp', 0x87, 0, 3",
    "'rdpmc', 0x6F, 0, 2",
    "'invd', 0x76, 0, 2",
    "'wbinvd', 0x89, 0, 2",
    "'vmmcall', 0x81, 0, 3",
    "'xsetbv', 0x8D, 0, 3",
    "'mov rax, dr7', 0x27, 0, 3",
    "'mov dr7, rax', 0x37, 0, 3",
    "'mov rax, [rbx]', 0x404, 0, 3",
    "'mov [rsi], al', 0x400, 0x50000000F, 2",
    "'mov eax, [rsi]', 0x400, 0x50000000D, 2"
  })
  void eachVcIsReflected(String instruction, int code, long info, int bytes) {
    LaunchState s = prepare("nop\n" + instruction, SNP | SevFeature.REFLECT_VC.mask);
    vcpu.launch(
        s.set(VmsaField.RBX, 0x2_0123)
            .set(VmsaField.RSI, (long) MMIO << 12)
            .set(VmsaField.RCX, 0x4B56_4D00));
    rmp.update(0x2_0000, RmpEntry.guest(0x2_0000, ASID));
    Vmcb v = vcpu.vmcb();
    v.setInt(Vmcb.INTERCEPT_VECTOR3, -1 & ~(1 << 4));
    v.setInt(Vmcb.INTERCEPT_VECTOR4, 0x7FFF);
    v.setInt(Vmcb.INTERCEPT_DR, -1);
    assertThat(run()).isEqualTo(0x5D);
    assertThat(v.get(Vmcb.EXITINFO1)).as("the host learns nothing").isZero();
    assertThat(v.get(Vmcb.EXITINFO2)).isZero();
    assertThat(saved(VmsaField.GUEST_EXITCODE)).isEqualTo(code);
    assertThat(saved(VmsaField.GUEST_EXITINFO1)).isEqualTo(info);
    assertThat(saved(VmsaField.RIP)).isEqualTo(CODE + 1);
    assertThat(saved(VmsaField.GUEST_NRIP)).isEqualTo(CODE + 1 + bytes);
    assertThat(saved(VmsaField.GUEST_EXITINTINFO)).isZero();
  }

  /** What is no #VC is as ever, and told in the save area too. */
  @ParameterizedTest
  @CsvSource({"'hlt', 0x78", "'vmgexit', 0x403", "'pause', 0x77"})
  void automaticExitsAreTheHosts(String instruction, int code) {
    launch("cpuid", SNP | SevFeature.REFLECT_VC.mask);
    assertThat(run()).isEqualTo(0x5D);
    launch(instruction, SNP | SevFeature.REFLECT_VC.mask);
    vcpu.vmcb().setInt(Vmcb.INTERCEPT_VECTOR3, 1 << 24 | 1 << 23 | 1 << 31);
    vcpu.vmcb().setInt(Vmcb.CLEAN, 0);
    assertThat(run()).isEqualTo(code);
    assertThat(saved(VmsaField.GUEST_EXITCODE)).isEqualTo(code);
  }

  /** The stack of the handler is not validated: the event is in GUEST_EXITINTINFO. */
  @ParameterizedTest
  @ValueSource(longs = {0x4, 0x14})
  void anEventThatIsReflectedOnItsWayIsTold(long more) {
    long features = SNP | more;
    boolean alternate = SevFeature.ALTERNATE_INJECTION.in(features);
    LaunchState s = prepare("nop", features);
    vcpu.launch(
        s.set(VmsaField.RSP, 0x2_1000).set(VmsaField.EVENTINJ, alternate ? 0x8000_0014L : 0));
    rmp.update(0x2_0000, RmpEntry.guest(0x2_0000, ASID));
    inject(0x8000_0014L);
    assertThat(run()).isEqualTo(0x5D);
    assertThat(saved(VmsaField.GUEST_EXITCODE)).isEqualTo(0x404);
    assertThat(saved(VmsaField.GUEST_EXITINTINFO)).isEqualTo(0x8000_0014L);
    assertThat(saved(VmsaField.GUEST_NRIP)).as("no instruction is skipped").isEqualTo(CODE);
    assertThat(saved(VmsaField.VINTR_CTRL)).isEqualTo(alternate ? QueuedEvents.BUSY : 0);
    assertThat(saved(VmsaField.EVENTINJ)).isZero();
    assertThat(run()).as("busy until somebody has seen to it").isEqualTo(alternate ? -2 : HLT);
  }

  /** The host mends what holds up the delivery, and the event comes by itself. */
  @Test
  void anEventThatTheHostHoldsUpIsInjectedAgain() {
    LaunchState s = prepare("nop", ALTERNATE);
    vcpu.launch(s.set(VmsaField.RSP, 0x2_1000).set(VmsaField.EVENTINJ, 0x8000_0014L));
    assertThat(run()).as("the stack is nobody's").isEqualTo(0x400);
    assertThat(saved(VmsaField.EVENTINJ)).isEqualTo(0x8000_0014L);
    rmp.update(0x2_0000, RmpEntry.guest(0x2_0000, ASID).forFirmware());
    rmp.launch(0x2_0000, 0, false);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(20);
  }

  // ---- Secure TSC

  private static final SecureTsc THREE_GIGAHERTZ = SecureTsc.ofKilohertz(3_000_000);

  /** Launches a guest with Secure TSC at 3 GHz and an offset, and a host that would move it. */
  private void launchWithTsc(String source) {
    LaunchState s = prepare(source, SNP | SevFeature.SECURE_TSC.mask);
    vcpu.launch(
        s.set(VmsaField.GUEST_TSC_SCALE, THREE_GIGAHERTZ.scale())
            .set(VmsaField.GUEST_TSC_OFFSET, 0x7_0000_0000L));
    vcpu.vmcb().set(Vmcb.TSC_OFFSET, 0x55_0000_0000L);
    // So that scale matters.
    vcpu.idleUntil(1_000_000);
  }

  private static final String SUM = "shl rdx, 32\nor rax, rdx\n";

  @ParameterizedTest
  @ValueSource(strings = {"rdtsc", "rdtscp", "mov ecx, 0x10\nrdmsr"})
  void itsOwnSaveAreaCountsTheGuestsTime(String read) {
    launchWithTsc(read + "\n" + SUM);
    assertThat(run()).isEqualTo(HLT);
    long instructions = read.lines().count() - 1;
    assertThat(saved(VmsaField.RAX))
        .isEqualTo(0x7_0000_0000L + THREE_GIGAHERTZ.at(1_000_000 + instructions));
    assertThat(THREE_GIGAHERTZ.at(1_000_000)).as("0.2 % slower than it says").isEqualTo(2_994_000);
  }

  @Test
  void theGuestReadsHowFastItsCounterIs() {
    launchWithTsc("mov ecx, 0xc0010134\nrdmsr\n" + SUM);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RAX)).isEqualTo(3000);
  }

  @Test
  void nobodyWritesHowFastItIs() {
    launchWithTsc("mov ecx, 0xc0010134\nwrmsr");
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(13);
  }

  @Test
  void withoutSecureTscNothingSaysHowFastTheCounterIs() {
    launch("mov ecx, 0xc0010134\nrdmsr", SNP);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(13);
  }

  /** A host may intercept still; guests take that for an attack. */
  @ParameterizedTest
  @CsvSource({"rdtsc, 0x6E", "rdtscp, 0x87"})
  void anInterceptedReadIsVc(String read, int code) {
    launchWithTsc(read);
    Vmcb v = vcpu.vmcb();
    v.setInt(Vmcb.INTERCEPT_VECTOR3, v.getInt(Vmcb.INTERCEPT_VECTOR3) | 1 << 14);
    v.setInt(Vmcb.INTERCEPT_VECTOR4, v.getInt(Vmcb.INTERCEPT_VECTOR4) | 1 << 7);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(29);
    assertThat(saved(VmsaField.R15)).isEqualTo(code);
  }

  // ---- the virtual top of memory

  private void launchWithTop(String source) {
    LaunchState s = prepare(source, SNP | SevFeature.VTOM.mask);
    vcpu.launch(s.set(VmsaField.VIRTUAL_TOM, 0x20_0000));
  }

  @Test
  void belowTheTopAllIsPrivate() {
    launchWithTop("mov ebx, 0x9000\nmov qword [rbx], 0x77\nmov ecx, 0xc0010135\nrdmsr");
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RAX)).isEqualTo(0x20_0000);
    assertThat(memory.peek(0x9000, 8, key)[0]).isEqualTo((byte) 0x77);
    assertThat(memory.hostView().read(0x9000, 8)).isNotEqualTo(0x77);
  }

  /** The guest lowers it to nothing: data are shared, code and page tables stay private. */
  @Test
  void aboveTheTopDataAreShared() {
    launchWithTop(
        """
        mov ecx, 0xc0010135
        xor eax, eax
        xor edx, edx
        wrmsr
        mov ebx, 0x30000
        mov qword [rbx], 0x66
        mov ebx, 0x9000
        mov qword [rbx], 0x77
        """);
    assertThat(run()).isEqualTo(0x400);
    assertThat(memory.hostView().read(0x3_0000, 8)).isEqualTo(0x66);
    assertThat(vcpu.vmcb().get(Vmcb.EXITINFO2)).isEqualTo(0x9000);
    assertThat(vcpu.vmcb().get(Vmcb.EXITINFO1) & Rmp.ENCRYPTED).isZero();
    assertThat(saved(VmsaField.VIRTUAL_TOM)).isZero();
  }

  @Test
  void theCBitIsReservedThen() {
    launchWithTop("mov ebx, 0x6000\nbts qword [rbx+0x48], 51\nmov ebx, 0x9000\nmov rax, [rbx]");
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(14);
    assertThat(saved(VmsaField.R15)).as("reserved bit").isEqualTo(9);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mov eax, 0x1000\nxor edx, edx", "xor eax, eax\nmov edx, 0x100000"})
  void theTopIsAMultipleOf2Mebibytes(String value) {
    launchWithTop("mov ecx, 0xc0010135\n" + value + "\nwrmsr");
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(13);
  }

  @Test
  void withoutTheFeatureThereIsNoSuchRegister() {
    launch("mov ecx, 0xc0010135\nrdmsr", SNP);
    assertThat(run()).isEqualTo(HLT);
    assertThat(saved(VmsaField.RDI)).isEqualTo(13);
  }
}
