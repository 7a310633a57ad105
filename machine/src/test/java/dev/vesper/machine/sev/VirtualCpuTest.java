package dev.vesper.machine.sev;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.ExternalBus;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Assembler;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** VMRUN and #VMEXIT of guests in real mode, by AMD APM volume 2, 15.5 to 15.20. */
final class VirtualCpuTest {
  private static final int CODE = 0x4000;
  private static final int HLT = 0x78;
  private static final int INTR = 0x60;
  private static final long VALID = 1L << 31;

  private final PhysicalMemory memory = new PhysicalMemory(64 << 12, 16);
  private final int key = memory.createKey(3);
  private final Cpu cpu = processor();
  private final PlainVcpu plain = new PlainVcpu(cpu, memory, false);

  private Cpu processor() {
    NestedMap map = frame -> frame < 64 ? NestedMap.RAM : NestedMap.ABSENT;
    return new Cpu(memory, map, CpuFeatures.ALL, new Interpreter(CpuFeatures.ALL), 1);
  }

  @BeforeEach
  void controls() {
    Vmcb v = plain.vmcb();
    v.set(Vmcb.ASID, 1);
    v.set(Vmcb.NESTED_CTL, 1);
    v.setInt(Vmcb.INTERCEPT_VECTOR3, 1 << 24 | 1 << 27 | 1 << 31);
    v.setInt(Vmcb.INTERCEPT_VECTOR4, 1);
  }

  private LaunchState state() {
    LaunchState s = new LaunchState();
    s.segment(VmsaField.CS, 0, 0x9B, 0xFFFF, 0).set(VmsaField.RIP, CODE);
    return s.set(VmsaField.RSP, 0x8000);
  }

  private void launch(String source) {
    byte[] code = Assembler.assemble(16, source);
    memory.hostView().write(CODE, code, 0, code.length);
    plain.launch(state());
  }

  private void run() {
    assertThat(plain.run(plain.now() + 1000)).isTrue();
  }

  // ---- controls

  @Test
  void aGuestRunsToItsIntercept() {
    launch("mov ax, 0x1234\nmov bx, 7\nhlt");
    run();
    assertThat(plain.vmcb().exitCode()).isEqualTo(HLT);
    assertThat(plain.gpr(0) & 0xFFFF).isEqualTo(0x1234);
    assertThat(plain.gpr(3)).isEqualTo(7);
    assertThat(plain.rip()).isEqualTo(CODE + 6);
    assertThat(plain.vmcb().get(Vmcb.NRIP)).isEqualTo(CODE + 7);
    assertThat(plain.vmcb().getInt(Vmcb.CLEAN)).isEqualTo(3);
    assertThat(plain.instructions()).isEqualTo(2);
  }

  @ParameterizedTest
  @CsvSource({
    "0x090, 0x0",
    "0x058, 0x0",
    "0x010, 0x0",
    "0x090, 0x5",
    "0x090, 0x7",
    "0x008, 0x20000000"
  })
  void illegalControlsAreRefused(String offset, String value) {
    launch("hlt");
    plain.vmcb().setInt(Integer.decode(offset), Integer.decode(value));
    run();
    assertThat(plain.vmcb().exitCode()).isEqualTo(-1);
    assertThat(plain.instructions()).isZero();
  }

  @Test
  void aStateThatCannotBeIsRefused() {
    launch("hlt");
    plain.vmcb().set(Vmcb.SAVE_AREA + VmsaField.EFER.offset, 0);
    run();
    assertThat(plain.vmcb().exitCode()).isEqualTo(-1);
  }

  /** Type in bits 10:8: interrupt, NMI, exception, software interrupt; the others do not exist. */
  @ParameterizedTest
  @CsvSource({
    "0x080, true", "0x202, true", "0x306, true", "0x303, true", "0x304, true", "0x31F, true",
    "0x320, false", "0x302, false", "0x480, true", "0x180, false", "0x580, false", "0x780, false"
  })
  void eventsThatCannotBeInjectedAreRefused(String event, boolean legal) {
    launch("hlt");
    plain.vmcb().set(Vmcb.EVENTINJ, VALID | Integer.decode(event));
    run();
    assertThat(plain.vmcb().exitCode() != -1).isEqualTo(legal);
  }

  @Test
  void anEventThatIsNotValidIsNone() {
    launch("hlt");
    plain.vmcb().set(Vmcb.EVENTINJ, 0x780);
    run();
    assertThat(plain.vmcb().exitCode()).isEqualTo(HLT);
  }

  @Test
  void anInjectedEventIsDeliveredOnce() {
    memory.hostView().write(4 * 0x21, 4, CODE + 0x100);
    memory.hostView().write(CODE + 0x100, 1, 0xF4);
    launch("nop\nhlt");
    plain.vmcb().set(Vmcb.EVENTINJ, VALID | 0x21);
    run();
    assertThat(plain.rip()).isEqualTo(CODE + 0x100);
    assertThat(plain.vmcb().get(Vmcb.EVENTINJ)).isZero();
    assertThat(memory.hostView().read(0x7FFA, 2)).as("the return address").isEqualTo(CODE);
  }

  @Test
  void thePhysicalInterruptArrivesAtItsTime() {
    launch("again: jmp again");
    assertThat(plain.run(plain.now() + 100)).isTrue();
    assertThat(plain.vmcb().exitCode()).isEqualTo(INTR);
    assertThat(plain.instructions()).isEqualTo(100);
    long now = plain.now();
    assertThat(plain.run(now)).isTrue();
    assertThat(plain.vmcb().exitCode()).isEqualTo(INTR);
    assertThat(plain.now()).as("it was due already").isEqualTo(now);
  }

  @Test
  void interceptsAreReadAnewUnlessTheyAreSaidToBeClean() {
    launch("rdtsc\nhlt");
    plain.vmcb().setInt(Vmcb.CLEAN, 0);
    plain.vmcb().setInt(Vmcb.INTERCEPT_VECTOR3, 1 << 14 | 1 << 24 | 1 << 31);
    run();
    assertThat(plain.vmcb().exitCode()).isEqualTo(0x6E);
    launch("mov eax, cr0\nhlt");
    plain.vmcb().setInt(Vmcb.INTERCEPT_CR, 1);
    run();
    assertThat(plain.vmcb().exitCode()).as("the processor has what it had").isEqualTo(HLT);
    launch("mov eax, cr0\nhlt");
    plain.vmcb().setInt(Vmcb.CLEAN, 0);
    run();
    assertThat(plain.vmcb().exitCode()).isZero();
  }

  @Test
  void theMapOfPortsDecidesWhichExit() {
    int map = 0x1_0000;
    memory.hostView().write(map + 0x70 / 8, 1, 2);
    plain.vmcb().set(Vmcb.IOPM_BASE, map);
    launch("out 0x70, al\nout 0x71, al\nhlt");
    plain.vmcb().setInt(Vmcb.CLEAN, 0);
    run();
    assertThat(plain.vmcb().exitCode()).isEqualTo(0x7B);
    assertThat(plain.vmcb().get(Vmcb.EXITINFO1) >>> 16).isEqualTo(0x71);
  }

  @Test
  void theTimeStampCounterHasItsOffset() {
    launch("rdtsc\nhlt");
    plain.vmcb().set(Vmcb.TSC_OFFSET, 0x5_0000_0000L);
    run();
    assertThat(plain.gpr(2)).isEqualTo(5);
  }

  // ---- exits

  @Test
  void anInterruptShadowIsToldAndTakenBack() {
    launch("sti\nhlt");
    run();
    assertThat(plain.vmcb().interruptShadow()).isTrue();
    assertThat(plain.vmcb().interruptsEnabled()).as("told of encrypted guests only").isFalse();
    assertThat(plain.interruptsEnabled()).isTrue();
    plain.skip();
    assertThat(plain.vmcb().interruptShadow()).isFalse();
    launch("cli\nhlt");
    run();
    assertThat(plain.vmcb().interruptShadow()).isFalse();
    assertThat(plain.interruptsEnabled()).isFalse();
  }

  @Test
  void idleTimePassesForwardsOnly() {
    plain.idleUntil(5000);
    assertThat(plain.now()).isEqualTo(5000);
    plain.idleUntil(4000);
    assertThat(plain.now()).isEqualTo(5000);
  }

  /** V_IRQ with its intercept: the exit comes as soon as the guest takes interrupts. */
  @Test
  void aVirtualInterruptThatIsInterceptedExitsWhenTheGuestIsReady() {
    launch("cli\nnop\nsti\nnop\nnop\nhlt");
    plain.vmcb().setInt(Vmcb.INTERCEPT_VECTOR3, 1 << 4 | 1 << 24 | 1 << 31);
    plain.vmcb().set(Vmcb.V_INTR, Vmcb.V_IRQ | 3);
    run();
    assertThat(plain.vmcb().exitCode()).isEqualTo(0x64);
    assertThat(plain.rip()).as("behind the shadow of STI").isEqualTo(CODE + 4);
    assertThat(plain.vmcb().get(Vmcb.V_INTR) & 15).as("task priority").isEqualTo(3);
    plain.vmcb().setInt(Vmcb.INTERCEPT_VECTOR3, 1 << 24 | 1 << 31);
    run();
    assertThat(plain.vmcb().exitCode()).isEqualTo(HLT);
  }

  @Test
  void anNmiBlocksTheNextOne() {
    memory.hostView().write(4 * 2, 4, CODE + 0x100);
    memory.hostView().write(CODE + 0x100, 1, 0xF4);
    launch("nop\nhlt");
    plain.vmcb().set(Vmcb.EVENTINJ, VALID | 0x202);
    run();
    assertThat(plain.rip()).isEqualTo(CODE + 0x100);
    assertThat(plain.nmiBlocked()).isTrue();
  }

  @Test
  void whatTheHostWritesBetweenTwoRunsCounts() {
    launch("hlt\nhlt\nhlt");
    run();
    plain.vmcb().set(Vmcb.SAVE_AREA + VmsaField.RIP.offset, CODE + 2);
    run();
    assertThat(plain.rip()).isEqualTo(CODE + 2);
  }

  // ---- observers

  private byte[] digest() {
    try {
      MessageDigest d = MessageDigest.getInstance("SHA-256");
      plain.digest(d);
      return d.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void theDigestIsOfRegistersAndTime() {
    launch("nop\nhlt");
    byte[] first = digest();
    assertThat(digest()).as("looking changes nothing").isEqualTo(first);
    plain.setGpr(3, 5);
    byte[] other = digest();
    assertThat(other).isNotEqualTo(first);
    plain.setGpr(3, 0);
    assertThat(digest()).isEqualTo(first);
    plain.idleUntil(plain.now() + 5);
    assertThat(digest()).as("idle time").isNotEqualTo(first);
    byte[] here = digest();
    plain.launch(state().set(VmsaField.RIP, CODE + 1));
    assertThat(digest()).as("what both kinds of save area have").isNotEqualTo(here);
  }

  @Test
  void aPauseIsNoExit() {
    launch("nop\nnop\nmov bx, 9\nnop\nhlt");
    assertThat(plain.paused()).isNull();
    plain.pauseAt(plain.instructions() + 3);
    assertThat(plain.run(plain.now() + 1000)).isFalse();
    assertThat(plain.paused()).isNotNull();
    assertThat(GuestRegisters.<Long>look(plain, c -> c.r[3])).isEqualTo(9);
    GuestRegisters.change(plain, c -> c.r[3] = 7);
    plain.interrupt();
    assertThat(plain.paused()).isNull();
    assertThat(plain.vmcb().exitCode()).isEqualTo(INTR);
    assertThat(plain.gpr(3)).isEqualTo(7);
    assertThat(plain.rip()).isEqualTo(CODE + 5);
  }

  @Test
  void observersReachRegistersThatTheHostDoesNot() {
    EncryptedVcpu v = encrypted();
    assertThat(GuestRegisters.<Long>look(v, c -> c.rip)).isEqualTo(CODE);
    GuestRegisters.change(v, c -> c.r[3] = 0x1234);
    assertThat(GuestRegisters.<Long>look(v, c -> c.r[3])).isEqualTo(0x1234);
    v.run(v.now());
    assertThat(v.vmcb().exitCode()).as("the save area is whole").isEqualTo(INTR);
    assertThat(GuestRegisters.<Long>look(v, c -> c.r[3])).isEqualTo(0x1234);
  }

  @Test
  void retiredInstructionsAreCountedWhileSomebodyAsks() {
    assertThat(VirtualCpu.counts(0xC0)).isTrue();
    assertThat(VirtualCpu.counts(0xFFF)).isFalse();
    launch("nop\nnop\nhlt");
    plain.countEvents(true);
    run();
    assertThat(plain.events(0xC0, true, true, false)).isEqualTo(2);
    assertThat(plain.events(0xFFF, true, true, false)).isZero();
  }

  // ---- what a host does with a plain guest

  @Test
  void theHostReachesEachRegister() {
    launch("hlt");
    for (int i = 0; i < 16; i++) {
      plain.setGpr(i, 0x1_0000_0000L + i);
    }
    for (int i = 0; i < 16; i++) {
      assertThat(plain.gpr(i)).isEqualTo(0x1_0000_0000L + i);
    }
    assertThat(plain.vmcb().get(Vmcb.SAVE_AREA + 0x1F8)).as("RAX").isEqualTo(0x1_0000_0000L);
    assertThat(plain.vmcb().get(Vmcb.SAVE_AREA + 0x1D8)).as("RSP").isEqualTo(0x1_0000_0004L);
    plain.setXcr0(7);
    assertThat(plain.xcr0()).isEqualTo(7);
    plain.vmcb().set(Vmcb.SAVE_AREA + VmsaField.CR4.offset, 0x620);
    assertThat(plain.cr4()).isEqualTo(0x620);
    plain.vmcb().setInt(Vmcb.SAVE_AREA + 0x0C8, 0x0300_0000);
    assertThat(plain.cpl()).isEqualTo(3);
    assertThat(plain.wide()).isFalse();
    assertThat(plain.nmiBlocked()).isFalse();
  }

  @ParameterizedTest
  @CsvSource({"1, 0x123456789ABCDE11", "2, 0x123456789ABC2211", "4, 0x0000000044332211"})
  void aPartOfRaxKeepsTheRestButForFourBytes(int bytes, String result) {
    launch("hlt");
    plain.setGpr(0, 0x1234_5678_9ABC_DEF0L);
    int v = 0x4433_2211 & (bytes == 4 ? -1 : (1 << 8 * bytes) - 1);
    plain.setRaxPart(bytes, v);
    assertThat(plain.gpr(0)).isEqualTo(Long.decode(result));
  }

  @Test
  void skippingGoesToTheNextInstructionAndCountsThisOne() {
    launch("hlt\nmov ax, 5\nhlt");
    run();
    long before = plain.instructions();
    plain.vmcb().set(Vmcb.SAVE_AREA + VmsaField.RFLAGS.offset, 0x1_0002);
    assertThat(plain.skip()).as("no single step").isFalse();
    assertThat(plain.instructions()).isEqualTo(before + 1);
    assertThat(plain.rip()).isEqualTo(CODE + 1);
    assertThat(plain.vmcb().get(Vmcb.SAVE_AREA + VmsaField.RFLAGS.offset)).as("RF").isEqualTo(2);
    plain.vmcb().set(Vmcb.SAVE_AREA + VmsaField.RFLAGS.offset, 0x102);
    assertThat(plain.skip()).isTrue();
  }

  /** What an exit leaves in the processor is in the save area as soon as somebody looks there. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void registersAreTheSameWhetherTheSaveAreaWasLookedAtOrNot(boolean looked) {
    launch("mov ax, 7\nhlt\ninc ax\nhlt");
    run();
    if (looked) {
      assertThat(plain.vmcb().get(Vmcb.SAVE_AREA + VmsaField.RAX.offset) & 0xFFFF).isEqualTo(7);
      assertThat(plain.vmcb().saved(VmsaField.RIP)).isEqualTo(CODE + 3);
    }
    assertThat(plain.rip()).isEqualTo(CODE + 3);
    assertThat(plain.gpr(0) & 0xFFFF).isEqualTo(7);
    assertThat(plain.cpl()).isZero();
    plain.setGpr(0, 40);
    plain.skip();
    assertThat(plain.rip()).isEqualTo(CODE + 4);
    run();
    assertThat(plain.gpr(0) & 0xFFFF).isEqualTo(41);
    byte[] area = new byte[8];
    memory
        .hostView()
        .read(
            ((long) plain.vmcb().page.frame << 12) + Vmcb.SAVE_AREA + VmsaField.RAX.offset,
            area,
            0,
            8);
    assertThat(area[0]).as("in the host's memory").isEqualTo((byte) 41);
  }

  @Test
  void aStepIsReportedInDr6() {
    launch("hlt");
    plain.vmcb().set(Vmcb.SAVE_AREA + VmsaField.DR6.offset, 0xFFFF_0FFFL);
    plain.reportStep();
    assertThat(plain.vmcb().get(Vmcb.SAVE_AREA + VmsaField.DR6.offset)).isEqualTo(0xFFFF_4FF0L);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void launchAndResetForgetWhatWaited(boolean reset) {
    launch("hlt");
    cpu.nmiBlocked = true;
    plain.vmcb().set(Vmcb.EVENTINJ, VALID | 6);
    plain.vmcb().set(Vmcb.EXITINTINFO, VALID | 7);
    plain.vmcb().set(Vmcb.INTERRUPT_SHADOW, 1);
    if (reset) {
      plain.reset(state());
    } else {
      plain.launch(state());
    }
    assertThat(plain.nmiBlocked()).isFalse();
    assertThat(plain.vmcb().get(Vmcb.EVENTINJ)).isZero();
    assertThat(plain.vmcb().get(Vmcb.EXITINTINFO)).isZero();
    assertThat(plain.vmcb().get(Vmcb.INTERRUPT_SHADOW)).isZero();
    assertThat(plain.rip()).isEqualTo(CODE);
  }

  /** Writes down what the emulated instruction asks of devices. */
  private static final class Devices implements ExternalBus {
    final List<String> asked = new ArrayList<>();

    private void ask(String what, long at, long v) {
      asked.add(what + Long.toHexString(at) + "=" + Long.toHexString(v));
    }

    @Override
    public long readMemory(long address, int bytes) {
      ask("r" + bytes + ":", address, 0);
      return 0x77;
    }

    @Override
    public void writeMemory(long address, int bytes, long value) {
      ask("w" + bytes + ":", address, value);
    }

    @Override
    public int readPort(int port, int bytes) {
      ask("i" + bytes + ":", port, 0);
      return 0x66;
    }

    @Override
    public void writePort(int port, int bytes, int value) {
      ask("o" + bytes + ":", port, value);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "in al, 0x71 | i1:71=0 | 66",
        "mov ax, 5; out 0x80, ax | o2:80=5 | 5",
        "mov ax, 0x4000; mov ds, ax; mov al, [0x10] | r1:40010=0 | 77",
        "mov ax, 0x4000; mov ds, ax; mov [0x10], ax | w2:40010=4000 | 4000"
      })
  void theHostEmulatesWhatReachesADevice(String source, String asked, String al) {
    launch(source.replace(';', '\n') + "\nhlt");
    Devices d = new Devices();
    while (d.asked.isEmpty()) {
      assertThat(plain.emulate(d)).isTrue();
    }
    assertThat(d.asked).containsExactly(asked);
    assertThat(plain.gpr(0) & Long.parseLong(al, 16)).isEqualTo(Long.parseLong(al, 16));
    run();
    assertThat(plain.vmcb().exitCode()).isEqualTo(HLT);
  }

  /** Code behind memory cannot be fetched. */
  @Test
  void whatCannotBeFetchedIsNotEmulated() {
    launch("nop");
    plain.vmcb().set(Vmcb.SAVE_AREA + VmsaField.CS.offset + 8, 64 << 12);
    assertThat(plain.emulate(new Devices())).isFalse();
    assertThat(plain.rip()).isEqualTo(CODE);
  }

  /** A fault of the emulated instruction is the guest's. */
  @Test
  void faultsOfWhatIsEmulatedReachTheGuest() {
    memory.hostView().write(4 * 6, 4, CODE + 0x100);
    launch("ud2");
    assertThat(plain.emulate(new Devices())).isTrue();
    assertThat(plain.rip()).isEqualTo(CODE + 0x100);
  }

  /** The host lets the processor deliver what was on its way when a task switch exited. */
  @Test
  void anEventThatATaskSwitchHeldUpIsDelivered() {
    memory.hostView().write(4 * 6, 4, CODE + 0x100);
    memory.hostView().write(CODE + 0x100, 1, 0xF4);
    launch("nop\nhlt");
    plain.vmcb().set(Vmcb.EXITCODE, 0x7D);
    plain.vmcb().set(Vmcb.EXITINTINFO, VALID | 0x306);
    Devices d = new Devices();
    assertThat(plain.emulate(d)).isTrue();
    assertThat(plain.rip()).isEqualTo(CODE + 0x100);
    assertThat(plain.vmcb().get(Vmcb.EXITINTINFO)).isZero();
    assertThat(plain.instructions()).as("no instruction was executed").isZero();
    launch("nop\nhlt");
    plain.vmcb().set(Vmcb.EXITINTINFO, 0x306);
    assertThat(plain.emulate(d)).as("none was on its way").isTrue();
    assertThat(plain.rip()).isEqualTo(CODE + 1);
    launch("nop\nhlt");
    plain.vmcb().set(Vmcb.EXITCODE, HLT);
    plain.vmcb().set(Vmcb.EXITINTINFO, VALID | 0x306);
    plain.emulate(d);
    assertThat(plain.rip()).as("another exit").isEqualTo(CODE + 1);
  }

  // ---- guests with encrypted state

  private EncryptedVcpu encrypted() {
    EncryptedVcpu v = new EncryptedVcpu(processor(), memory, key);
    v.vmcb().set(Vmcb.ASID, 1);
    v.vmcb().set(Vmcb.NESTED_CTL, 7);
    v.vmcb().set(Vmcb.VIRT_EXT, 1);
    v.vmcb().setInt(Vmcb.INTERCEPT_VECTOR3, 1 << 24 | 1 << 31);
    v.vmcb().setInt(Vmcb.INTERCEPT_VECTOR4, 1);
    v.launch(state());
    return v;
  }

  /** The processor notices each byte of the save area that the host has written. */
  @ParameterizedTest
  @ValueSource(ints = {-1, 0, 8, 16, 24, 0x1F8, 0x7FF, 0xFF0, 0xFFF})
  void aSaveAreaThatTheHostHasWrittenToIsRefused(int at) {
    EncryptedVcpu v = encrypted();
    long page = v.vmcb().get(Vmcb.VMSA_PTR);
    assertThat(page).as("in the host's memory").isGreaterThanOrEqualTo(64 << 12);
    if (at >= 0) {
      memory.hostView().write(page + at, 1, memory.hostView().read(page + at, 1) ^ 1);
    }
    v.run(v.now() + 10);
    assertThat(v.vmcb().exitCode() == -1).isEqualTo(at >= 0);
  }

  @ParameterizedTest
  @CsvSource({
    "0x080, true",
    "0x202, true",
    "0x306, true",
    "0x303, false",
    "0x304, false",
    "0x480, false"
  })
  void softwareEventsAreNotForGuestsWithEncryptedState(String event, boolean legal) {
    EncryptedVcpu v = encrypted();
    v.vmcb().set(Vmcb.EVENTINJ, VALID | Integer.decode(event));
    v.run(v.now() + 10);
    assertThat(v.vmcb().exitCode() != -1).isEqualTo(legal);
  }

  @Test
  void encryptedStateNeedsEncryptionAndTheSavedBranches() {
    EncryptedVcpu v = encrypted();
    v.vmcb().set(Vmcb.NESTED_CTL, 5);
    v.run(v.now() + 10);
    assertThat(v.vmcb().exitCode()).isEqualTo(-1);
    v.vmcb().set(Vmcb.NESTED_CTL, 7);
    v.vmcb().set(Vmcb.VIRT_EXT, 0);
    v.run(v.now() + 10);
    assertThat(v.vmcb().exitCode()).isEqualTo(-1);
    v.vmcb().set(Vmcb.VIRT_EXT, 1);
    v.run(v.now() + 10);
    assertThat(v.vmcb().exitCode()).isNotEqualTo(-1);
    assertThat(v.vmcb().get(Vmcb.NRIP)).as("the host is not told").isZero();
  }

  @Test
  void whetherAnEncryptedGuestTakesInterruptsIsTold() {
    for (boolean enabled : new boolean[] {true, false}) {
      EncryptedVcpu v = new EncryptedVcpu(processor(), memory, Page.SHARED);
      v.vmcb().set(Vmcb.ASID, 1);
      v.vmcb().set(Vmcb.NESTED_CTL, 7);
      v.vmcb().set(Vmcb.VIRT_EXT, 1);
      v.vmcb().setInt(Vmcb.INTERCEPT_VECTOR4, 1);
      v.launch(state().set(VmsaField.RFLAGS, enabled ? 0x202 : 2));
      v.run(v.now());
      assertThat(v.vmcb().exitCode()).isEqualTo(INTR);
      assertThat(v.vmcb().interruptsEnabled()).isEqualTo(enabled);
    }
  }
}
