package dev.vesper.machine.cpu;

import static dev.vesper.machine.cpu.SnpWorld.ASID;
import static dev.vesper.machine.cpu.SnpWorld.GP;
import static dev.vesper.machine.cpu.SnpWorld.PF;
import static dev.vesper.machine.cpu.SnpWorld.SHARED;
import static dev.vesper.machine.cpu.SnpWorld.UD;
import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.PageOwnership;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the instructions of SEV-SNP return and raise (spec: snp 1.4 and 1.5), row by row. */
@ParameterizedClass(name = "execution {0}")
@MethodSource("executions")
final class RmpInstructionsTest {
  private static final long NPF = 0x400;
  private static final int PAGE = 0x20_0000;
  private static final int FRAME = PAGE >> 12;
  private static final long REFUSED = Rmp.VIOLATION | 1 | 4 | 1L << 32 | Rmp.ENCRYPTED;
  private static final int VMSA = 0x1_0000;

  /** OF, SF, ZF, AF, PF and CF. */
  private static final int FLAGS = 0x8D5;

  private final SnpWorld w;
  private final Cpu c;

  RmpInstructionsTest(int execution) {
    w = new SnpWorld(1, execution);
    c = w.cpus.get(0);
  }

  static int[] executions() {
    return Execution.andNative(0, 1);
  }

  private void execute(String instruction, long rax, long rcx, long rdx) {
    w.run(
        c, "mov rax, %d\nmov rcx, %d\nmov rdx, %d\nstc\n%s".formatted(rax, rcx, rdx, instruction));
  }

  private void pvalidate(long address, int size, int validate) {
    execute("pvalidate", address, size, validate);
  }

  private void rmpadjust(long address, long size, long what) {
    execute("rmpadjust", address, size, what);
  }

  /** EAX, with the flags of a logical instruction and CF. */
  private void result(RmpResult r, boolean carry) {
    assertThat(c.exitCode).isEqualTo(0x78);
    assertThat(c.r[0]).as("RAX, zero-extended").isEqualTo(r.eax);
    boolean even = Integer.bitCount(r.eax) % 2 == 0;
    int expected = (r.eax == 0 ? 0x40 : 0) | (even ? 4 : 0) | (carry ? 1 : 0);
    assertThat(c.flags() & FLAGS).as("flags").isEqualTo(expected);
  }

  private void result(RmpResult r) {
    result(r, false);
  }

  private void refused(long info) {
    assertThat(c.exitCode).isEqualTo(NPF);
    assertThat(Long.toHexString(c.exitInfo1)).isEqualTo(Long.toHexString(info));
    assertThat(c.exitInfo2 & -4096).isEqualTo(PAGE);
  }

  private PageOwnership state(long gpa) {
    return w.rmp.read(gpa).state();
  }

  // ---- who may execute them

  @ParameterizedTest
  @ValueSource(strings = {"pvalidate", "rmpadjust", "rmpquery"})
  void theyAreThereInGuestsWithSnpForCpl0(String instruction) {
    w.assign(PAGE);
    w.user(c, true);
    execute(instruction, PAGE, 0, 1);
    assertThat(SnpWorld.vc(c)).isEqualTo(GP);
    assertThat(c.guestExitInfo1).as("error code").isZero();
    w.user(c, false);
    execute("lock " + instruction, PAGE, 0, 1);
    assertThat(SnpWorld.vc(c)).isEqualTo(UD);
  }

  @ParameterizedTest
  @ValueSource(strings = {"pvalidate", "rmpadjust", "rmpquery", "rmpupdate", "psmash", "rmpread"})
  void elsewhereTheyAreUndefined(String instruction) {
    NativeWorld plain = new NativeWorld(64, null);
    plain.program(NativeWorld.START, instruction);
    plain.cpu.run(plain.cpu.icount + 5);
    assertThat(plain.cpu.exitCode).isEqualTo(UD);
  }

  @ParameterizedTest
  @ValueSource(strings = {"rmpupdate", "psmash", "rmpread"})
  void thoseOfHostsAreUndefinedInGuests(String instruction) {
    execute(instruction, PAGE, 0, 0);
    assertThat(SnpWorld.vc(c)).isEqualTo(UD);
  }

  // ---- PVALIDATE

  @Test
  void pvalidateSaysWhetherItChangedAnything() {
    w.assign(PAGE);
    pvalidate(PAGE, 0, 1);
    result(RmpResult.SUCCESS, false);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.GUEST_VALID);
    pvalidate(PAGE + 0xFFF, 0, 1);
    result(RmpResult.SUCCESS, true);
    w.memory.page(FRAME, w.key).put8(5, 0x77);
    pvalidate(PAGE, 0, 0);
    result(RmpResult.SUCCESS, false);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.GUEST_INVALID);
    pvalidate(PAGE, 0, 0);
    result(RmpResult.SUCCESS, true);
    pvalidate(PAGE, 0, 1);
    assertThat(w.plain(FRAME)[5]).as("it does not touch data").isEqualTo((byte) 0x77);
  }

  @ParameterizedTest
  @CsvSource({"2, 1", "3, 0", "-1, 0"})
  void pvalidateRefusesASizeWithoutMeaning(int size, int validate) {
    execute("pvalidate", 0x1234_5678_0000L, size, validate);
    result(RmpResult.FAIL_INPUT);
  }

  /** Linux 6.12 sets DL alone. */
  @Test
  void pvalidateLooksAtOneBitOfEdx() {
    w.assign(PAGE);
    pvalidate(PAGE, 0, 0x5A5A_5A01);
    result(RmpResult.SUCCESS, false);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.GUEST_VALID);
    pvalidate(PAGE, 0, -2);
    result(RmpResult.SUCCESS, false);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.GUEST_INVALID);
  }

  /** Only the low half of RCX and RDX counts. */
  @Test
  void pvalidateTakes32BitsOfItsOperands() {
    w.assign(PAGE);
    execute("pvalidate", PAGE, 1L << 32, 1L << 40 | 1);
    result(RmpResult.SUCCESS);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.GUEST_VALID);
  }

  @Test
  void pvalidateWantsThePageMapped() {
    pvalidate(0x70_0123, 0, 1);
    assertThat(SnpWorld.vc(c)).isEqualTo(PF);
    assertThat(c.cr2).isEqualTo(0x70_0123);
    assertThat(c.guestExitInfo1).as("a load's error code").isZero();
    w.absent.add(FRAME);
    pvalidate(PAGE, 0, 1);
    refused(4 | 1L << 32 | Rmp.ENCRYPTED);
    execute("pvalidate", 1L << 62, 0, 1);
    assertThat(SnpWorld.vc(c)).isEqualTo(GP);
  }

  @Test
  void pvalidateWantsTheCBit() {
    w.assign(PAGE);
    pvalidate(SHARED + PAGE, 0, 1);
    result(RmpResult.FAIL_INPUT);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.GUEST_INVALID);
  }

  @Test
  void pvalidateOfLevelsAboveZeroIsGp() {
    for (int p = 0; p < SnpWorld.LAUNCHED; p += 4096) {
      w.rmp.setPermissions(p, RmpEntry.ALL | RmpEntry.ALL << 8);
    }
    w.assign(PAGE);
    w.level(c, 1);
    pvalidate(PAGE, 0, 1);
    assertThat(SnpWorld.vc(c)).isEqualTo(GP);
  }

  /** A host may assign the page then, and the guest never notices. */
  @Test
  void pvalidateOfAPageThatIsNotTheGuestsIsANestedFault() {
    pvalidate(PAGE, 0, 1);
    refused(REFUSED);
    w.assign(PAGE);
    w.go(c);
    result(RmpResult.SUCCESS);
    w.rmp.update(PAGE, RmpEntry.guest(PAGE, ASID + 1));
    pvalidate(PAGE, 0, 1);
    refused(REFUSED);
    w.rmp.update(PAGE, RmpEntry.guest(PAGE + 4096, ASID));
    pvalidate(PAGE, 0, 1);
    refused(REFUSED);
    w.rmp.update(PAGE, RmpEntry.guest(PAGE, ASID).forFirmware());
    pvalidate(PAGE, 0, 1);
    refused(REFUSED);
  }

  @Test
  void pvalidateOf2MebibytesValidatesAll() {
    w.assignLarge(PAGE);
    pvalidate(PAGE + 0x1000, 1, 1);
    result(RmpResult.FAIL_INPUT);
    pvalidate(PAGE, 1, 1);
    result(RmpResult.SUCCESS);
    assertThat(state(PAGE + 0x1F_F000)).isEqualTo(PageOwnership.GUEST_VALID);
    pvalidate(PAGE, 1, 1);
    result(RmpResult.SUCCESS, true);
  }

  /** The host breaks the entry up and lets the guest go on, which gets what it asked for. */
  @Test
  void pvalidateOf4KibibytesInALargeEntryIsASizeFault() {
    w.assignLarge(PAGE);
    pvalidate(PAGE + 0x5000, 0, 1);
    assertThat(c.exitInfo1).isEqualTo(REFUSED | Rmp.SIZE_MISMATCH);
    assertThat(c.exitInfo2).isEqualTo(PAGE + 0x5000);
    assertThat(w.rmp.psmash(PAGE)).isEqualTo(RmpResult.SUCCESS);
    w.go(c);
    result(RmpResult.SUCCESS);
    assertThat(state(PAGE + 0x5000)).isEqualTo(PageOwnership.GUEST_VALID);
    assertThat(state(PAGE + 0x4000)).isEqualTo(PageOwnership.GUEST_INVALID);
  }

  @Test
  void pvalidateOf2MebibytesInSmallEntriesIsASizeMismatch() {
    w.assign(PAGE);
    pvalidate(PAGE, 1, 1);
    result(RmpResult.FAIL_SIZEMISMATCH);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.GUEST_INVALID);
  }

  // ---- RMPADJUST

  @Test
  void rmpadjustGivesWhatTheLevelHas() {
    w.assign(PAGE);
    w.validate(PAGE);
    rmpadjust(PAGE, 0, 1 | 3 << 8);
    result(RmpResult.SUCCESS);
    assertThat(w.rmp.read(PAGE).permissions()).isEqualTo(RmpEntry.ALL | 3 << 8);
    rmpadjust(PAGE, 0, 3 | 0x1F << 8);
    rmpadjust(PAGE, 0, 1);
    assertThat(w.rmp.read(PAGE).permissions()).isEqualTo(RmpEntry.ALL | RmpEntry.ALL << 24);
    w.rmp.setPermissions(PAGE, RmpEntry.READ);
    rmpadjust(PAGE, 0, 1 | 3 << 8);
    result(RmpResult.FAIL_PERMISSION);
  }

  /** How guests find out whether they have level 0. */
  @ParameterizedTest
  @CsvSource({"0, 1, SUCCESS", "0, 0, FAIL_PERMISSION", "1, 1, FAIL_PERMISSION", "1, 2, SUCCESS"})
  void rmpadjustTellsALevel(int level, int target, RmpResult expected) {
    for (int p = 0; p < SnpWorld.LAUNCHED; p += 4096) {
      w.rmp.setPermissions(p, RmpEntry.ALL | RmpEntry.ALL << 8);
    }
    w.level(c, level);
    rmpadjust(SnpWorld.CODE, 0, target);
    result(expected);
  }

  @ParameterizedTest
  @CsvSource({"2, 1", "0, 4", "0, 0x20001", "0, 0x2001", "0, 0x100000001", "0x100000000, 1"})
  void rmpadjustRefusesOperandsWithoutMeaning(String size, String what) {
    rmpadjust(PAGE, Long.decode(size), Long.decode(what));
    result(RmpResult.FAIL_INPUT);
  }

  @Test
  void rmpadjustFaultsAsALoadDoes() {
    rmpadjust(PAGE, 0, 1);
    refused(REFUSED);
    w.assign(PAGE);
    rmpadjust(PAGE + 0x10, 0, 1);
    assertThat(SnpWorld.vc(c)).isEqualTo(0x404);
    assertThat(c.cr2).isEqualTo(PAGE + 0x10);
    w.validate(PAGE);
    w.rmp.setPermissions(PAGE, 0);
    rmpadjust(PAGE, 0, 1);
    refused(REFUSED | Rmp.PRIVILEGE_LEVEL);
    rmpadjust(0x70_0000, 0, 1);
    assertThat(SnpWorld.vc(c)).isEqualTo(PF);
    rmpadjust(SHARED + PAGE, 0, 1);
    result(RmpResult.FAIL_INPUT);
  }

  @Test
  void rmpadjustHasTheSizesOfPvalidate() {
    w.assignLarge(PAGE);
    w.validate(PAGE);
    rmpadjust(PAGE, 0, 1);
    refused(REFUSED | Rmp.SIZE_MISMATCH);
    rmpadjust(PAGE + 0x1000, 1, 1);
    result(RmpResult.FAIL_INPUT);
    rmpadjust(PAGE, 1, 1 | 1 << 8);
    result(RmpResult.SUCCESS);
    assertThat(w.rmp.read(PAGE + 0x7000).permissions(1)).isEqualTo(RmpEntry.READ);
    w.rmp.psmash(PAGE);
    rmpadjust(PAGE, 1, 1);
    result(RmpResult.FAIL_SIZEMISMATCH);
  }

  /** A save area that runs may be any page of those that one entry is for. */
  @Test
  void aLargeEntryIsInUseIfOneOfItsPagesIs() {
    w.assignLarge(PAGE);
    w.validate(PAGE);
    w.rmp.use(FRAME + 5, true);
    rmpadjust(PAGE, 1, 1 | VMSA);
    result(RmpResult.FAIL_INUSE);
    assertThat(w.rmp.isSaveArea(FRAME + 5, ASID, PAGE + 0x5000)).isFalse();
    w.rmp.use(FRAME + 5, false);
    rmpadjust(PAGE, 1, 1 | VMSA);
    result(RmpResult.SUCCESS);
    assertThat(w.rmp.isSaveArea(FRAME + 5, ASID, PAGE + 0x5000)).isTrue();
  }

  @Test
  void theFlagOfASaveAreaIsLevelZeros() {
    w.assign(PAGE);
    w.validate(PAGE);
    rmpadjust(PAGE, 0, 1 | VMSA);
    result(RmpResult.SUCCESS);
    assertThat(w.rmp.isSaveArea(FRAME, ASID, PAGE)).isTrue();
    assertThat(w.rmp.isSaveArea(FRAME, ASID + 1, PAGE)).isFalse();
    w.run(c, "mov ebx, " + PAGE + "\nmov qword [rbx], 3");
    assertThat(c.exitCode).as("it stays memory").isEqualTo(0x78);
    w.rmp.use(FRAME, true);
    rmpadjust(PAGE, 0, 1);
    result(RmpResult.FAIL_INUSE);
    rmpadjust(PAGE, 0, 1 | VMSA | 1 << 8);
    result(RmpResult.SUCCESS);
    w.rmp.use(FRAME, false);
    for (int p = 0; p < SnpWorld.LAUNCHED; p += 4096) {
      w.rmp.setPermissions(p, RmpEntry.ALL | RmpEntry.ALL << 8);
    }
    w.level(c, 1);
    rmpadjust(PAGE, 0, 2);
    result(RmpResult.SUCCESS);
    assertThat(w.rmp.read(PAGE).vmsa()).as("other levels' bit is ignored").isTrue();
    w.level(c, 0);
    rmpadjust(PAGE, 0, 1);
    assertThat(w.rmp.read(PAGE).vmsa()).isFalse();
  }

  // ---- RMPQUERY

  @Test
  void rmpqueryReadsAnEntry() {
    w.assign(PAGE);
    w.validate(PAGE);
    rmpadjust(PAGE, 0, 2 | 5 << 8 | VMSA);
    execute("rmpquery", PAGE, -1, 2);
    result(RmpResult.SUCCESS);
    assertThat(c.r[2]).isEqualTo(2 | 5 << 8 | VMSA);
    assertThat(c.r[1]).isZero();
    execute("rmpquery", PAGE, 7, 0);
    result(RmpResult.FAIL_PERMISSION);
    assertThat(c.r[1]).as("unchanged").isEqualTo(7);
    execute("rmpquery", PAGE, 7, 4);
    result(RmpResult.FAIL_PERMISSION);
  }

  @Test
  void rmpqueryFaultsAsALoadDoes() {
    execute("rmpquery", PAGE, 0, 1);
    refused(REFUSED);
    w.assign(PAGE);
    execute("rmpquery", PAGE, 0, 1);
    assertThat(SnpWorld.vc(c)).isEqualTo(0x404);
    w.rmp.update(PAGE, RmpEntry.HYPERVISOR);
    w.assignLarge(PAGE);
    w.validate(PAGE);
    execute("rmpquery", PAGE + 0x1000, 0, 1);
    result(RmpResult.SUCCESS);
    assertThat(c.r[1]).as("the entry's size").isEqualTo(1);
  }

  // ---- instructions of hosts

  @Test
  void rmpupdateAssignsAndTakes() {
    HostRmp host = w.rmp;
    assertThat(w.host.rmp()).as("hosts have it").isSameAs(host);
    assertThat(host.read(PAGE)).isEqualTo(RmpEntry.HYPERVISOR);
    w.assign(PAGE);
    assertThat(host.read(PAGE))
        .isEqualTo(new RmpEntry(true, false, false, PAGE, ASID, false, false, RmpEntry.ALL));
    w.validate(PAGE);
    w.assign(PAGE);
    assertThat(state(PAGE)).as("nothing changes").isEqualTo(PageOwnership.GUEST_VALID);
    host.update(PAGE, RmpEntry.guest(PAGE + 0x1000, ASID));
    host.update(PAGE, RmpEntry.guest(PAGE, ASID));
    assertThat(state(PAGE)).as("any change").isEqualTo(PageOwnership.GUEST_INVALID);
    host.update(PAGE, RmpEntry.HYPERVISOR);
    assertThat(host.read(PAGE)).isEqualTo(RmpEntry.HYPERVISOR);
  }

  @ParameterizedTest
  @CsvSource({
    "0x200001, true, false, false, 0x200000, 5",
    "0x7000000, true, false, false, 0x200000, 5",
    "-4096, true, false, false, 0x200000, 5",
    "0x201000, true, true, false, 0x200000, 5",
    "0x200000, true, true, false, 0x201000, 5",
    "0x200000, true, false, false, 0x200001, 5",
    "0x200000, true, false, false, 0x200000, 1024",
    "0x200000, true, false, false, 0x200000, 0",
    "0x200000, true, false, true, 0x200000, 0",
    "0x200000, false, false, true, 0, 0"
  })
  void rmpupdateRefusesWhatIsNoEntryOfAHosts(
      String at, boolean assigned, boolean large, boolean immutable, String gpa, int asid) {
    RmpEntry e = new RmpEntry(assigned, large, immutable, Long.decode(gpa), asid, false, false, 0);
    assertThat(w.rmp.update(Long.decode(at), e)).isEqualTo(RmpResult.FAIL_INPUT);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.HYPERVISOR);
  }

  @Test
  void rmpupdateRespectsWhoHoldsThePage() {
    RmpEntry mine = RmpEntry.guest(PAGE, ASID);
    w.rmp.update(PAGE, mine.forFirmware());
    assertThat(state(PAGE)).isEqualTo(PageOwnership.PRE_GUEST);
    assertThat(w.rmp.update(PAGE, RmpEntry.HYPERVISOR)).isEqualTo(RmpResult.FAIL_PERMISSION);
    assertThat(w.rmp.update(PAGE, mine.ofTwoMebibytes())).isEqualTo(RmpResult.FAIL_PERMISSION);
    w.rmp.reclaim(PAGE);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.GUEST_INVALID);
    assertThat(w.rmp.update(PAGE, mine.ofTwoMebibytes())).isEqualTo(RmpResult.FAIL_OVERLAP);
    w.rmp.use(FRAME, true);
    assertThat(w.rmp.update(PAGE, RmpEntry.HYPERVISOR)).isEqualTo(RmpResult.FAIL_INUSE);
    w.rmp.use(FRAME, false);
    w.rmp.update(PAGE, RmpEntry.HYPERVISOR);
    w.assignLarge(PAGE);
    assertThat(w.rmp.update(PAGE + 4096, RmpEntry.HYPERVISOR)).isEqualTo(RmpResult.FAIL_OVERLAP);
    assertThat(w.rmp.update(PAGE, RmpEntry.HYPERVISOR.ofTwoMebibytes()))
        .isEqualTo(RmpResult.SUCCESS);
    assertThat(w.rmp.assignedNear(PAGE)).isFalse();
  }

  @Test
  void pagesOfTheFirmwareAreReclaimed() {
    RmpEntry firmware = new RmpEntry(true, false, true, 0, 0, false, false, 0);
    assertThat(w.rmp.update(PAGE, firmware)).isEqualTo(RmpResult.SUCCESS);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.FIRMWARE);
    assertThat(w.host.mayWrite(PAGE, 1)).isFalse();
    w.rmp.reclaim(PAGE);
    assertThat(state(PAGE)).isEqualTo(PageOwnership.RECLAIM);
    assertThat(w.rmp.update(PAGE, RmpEntry.HYPERVISOR)).isEqualTo(RmpResult.SUCCESS);
  }

  @Test
  void psmashKeepsEverythingButTheSize() {
    w.assignLarge(PAGE);
    w.validate(PAGE);
    rmpadjust(PAGE, 1, 1 | 3 << 8);
    assertThat(w.rmp.read(PAGE + 0x9000).gpa()).isEqualTo(PAGE + 0x9000);
    assertThat(w.rmp.psmash(PAGE)).isEqualTo(RmpResult.SUCCESS);
    assertThat(w.rmp.read(PAGE + 0x9000))
        .isEqualTo(
            new RmpEntry(
                true, false, false, PAGE + 0x9000, ASID, false, true, RmpEntry.ALL | 3 << 8));
    assertThat(w.rmp.psmash(PAGE)).isEqualTo(RmpResult.FAIL_NOT_LARGE);
    assertThat(w.rmp.psmash(PAGE + 0x1000)).isEqualTo(RmpResult.FAIL_INPUT);
    assertThat(w.rmp.psmash(1L << 40)).isEqualTo(RmpResult.FAIL_INPUT);
    w.rmp.update(PAGE + 0x9000, RmpEntry.HYPERVISOR);
    assertThat(w.rmp.assignedNear(PAGE)).isTrue();
  }

  @Test
  void psmashRespectsWhoHoldsThePage() {
    w.assignLarge(PAGE);
    w.rmp.use(FRAME + 3, true);
    assertThat(w.rmp.psmash(PAGE)).isEqualTo(RmpResult.FAIL_INUSE);
    w.rmp.use(FRAME + 3, false);
    w.rmp.update(PAGE, RmpEntry.guest(PAGE, ASID).ofTwoMebibytes().forFirmware());
    assertThat(w.rmp.psmash(PAGE)).isEqualTo(RmpResult.FAIL_PERMISSION);
  }

  @Test
  void aLaunchedEntryOf2MebibytesIsThePlaintextOfAll() {
    w.host.write(PAGE + 0x1F_F008, 8, 0x4321);
    w.rmp.update(PAGE, RmpEntry.guest(PAGE, ASID).ofTwoMebibytes().forFirmware());
    w.rmp.launch(PAGE, RmpEntry.READ << 8, false);
    w.run(c, "mov ebx, " + (PAGE + 0x1F_F008) + "\nmov rax, [rbx]");
    assertThat(c.r[0]).isEqualTo(0x4321);
    assertThat(w.rmp.read(PAGE).permissions(1)).isEqualTo(RmpEntry.READ);
  }

  // ---- what goes with them

  /** CPUID and ports are intercepted whatever the host says. */
  @Test
  void cpuidAndPortsAreVcWithoutInterceptsToo() {
    c.intercepts.vector3 = 1 << 24;
    w.run(c, "cpuid");
    assertThat(SnpWorld.vc(c)).isEqualTo(0x72);
    w.run(c, "out 0x80, al");
    assertThat(SnpWorld.vc(c)).isEqualTo(0x7B);
    w.run(c, "mov ecx, 1\nmov esi, 0x8000\nrep outsb");
    assertThat(SnpWorld.vc(c)).isEqualTo(0x7B);
  }
}
