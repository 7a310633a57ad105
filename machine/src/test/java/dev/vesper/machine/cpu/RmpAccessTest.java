package dev.vesper.machine.cpu;

import static dev.vesper.machine.cpu.SnpWorld.ASID;
import static dev.vesper.machine.cpu.SnpWorld.SHARED;
import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PageOwnership;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpFault;
import dev.vesper.machine.memory.RmpResult;
import dev.vesper.x86.Assembler;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Who may touch which page: the rows of the table of checks by the reverse map table (AMD APM
 * volume 2, table 15-39; spec: snp 1.3), each met by guest code.
 */
@ParameterizedClass(name = "execution {0}")
@MethodSource("executions")
final class RmpAccessTest {
  private static final long NPF = 0x400;
  private static final int PAGE = 0x20_0000;
  private static final int FRAME = PAGE >> 12;
  private static final long P = 1;
  private static final long W = 2;
  private static final long U = 4;
  private static final long X = 0x10;
  private static final long FINAL = 1L << 32;
  private static final long WALK = 1L << 33;
  private static final long DATA = Rmp.VIOLATION | P | U | FINAL | Rmp.ENCRYPTED;

  private final SnpWorld w;
  private final Cpu c;

  RmpAccessTest(int execution) {
    w = new SnpWorld(2, execution);
    c = w.cpus.get(0);
  }

  static int[] executions() {
    return Execution.andNative(0, 1);
  }

  private void load(long address) {
    w.run(c, "mov rbx, " + address + "\nmov rax, [rbx]");
  }

  private void store(long address) {
    w.run(c, "mov rbx, " + address + "\nmov qword [rbx], 0x55");
  }

  private void fetch(long address) {
    w.run(c, "mov rbx, " + address + "\njmp rbx");
  }

  private void halted() {
    assertThat(c.exitCode).isEqualTo(0x78);
  }

  private void refused(long info) {
    assertThat(c.exitCode).isEqualTo(NPF);
    assertThat(Long.toHexString(c.exitInfo1)).isEqualTo(Long.toHexString(info));
    assertThat(c.exitInfo2).isEqualTo(PAGE);
  }

  private void notValidated(long la) {
    assertThat(SnpWorld.vc(c)).isEqualTo(0x404);
    assertThat(c.cr2).isEqualTo(la);
  }

  /** Loads, stores and fetches are refused alike. */
  private void refusedAll(long why) {
    load(PAGE);
    refused(DATA | why);
    store(PAGE);
    refused(DATA | W | why);
    fetch(PAGE);
    refused(DATA | X | why);
  }

  @Test
  void aValidPageOfTheGuestIsItsToReadWriteAndExecute() {
    w.assign(PAGE);
    w.validate(PAGE);
    store(PAGE);
    halted();
    load(PAGE);
    halted();
    assertThat(c.r[0]).isEqualTo(0x55);
    w.program(PAGE, "mov eax, 7");
    fetch(PAGE);
    halted();
    assertThat(c.r[0]).isEqualTo(7);
  }

  @Test
  void aPageNotValidatedIsVcBeforeTheInstructionHasBegun() {
    w.assign(PAGE);
    load(PAGE + 0x123);
    notValidated(PAGE + 0x123);
    store(PAGE);
    notValidated(PAGE);
    fetch(PAGE);
    notValidated(PAGE);
    assertThat(c.rip).isEqualTo(PAGE);
  }

  @Test
  void aPageOfTheHypervisorsIsNoPrivateOne() {
    refusedAll(0);
    assertThat(w.memory.domain(FRAME)).as("nobody has touched it").isEqualTo(Page.SHARED);
  }

  @Test
  void aPageOfAnotherGuestIsRefused() {
    w.rmp.update(PAGE, RmpEntry.guest(PAGE, ASID + 1));
    refusedAll(0);
  }

  @Test
  void aPageThatWasMovedIsRefused() {
    w.rmp.update(PAGE, RmpEntry.guest(PAGE + 0x1000, ASID));
    refusedAll(0);
  }

  @Test
  void anImmutablePageIsRefused() {
    w.rmp.update(PAGE, RmpEntry.guest(PAGE, ASID).forFirmware());
    refusedAll(0);
  }

  /** What hosts can do to a page that was in use a moment ago. */
  @ParameterizedTest
  @EnumSource(RmpFault.class)
  void eachThingThatHostsCanDoIsNoticed(RmpFault fault) {
    assertThat(w.rmp.inject(PAGE, fault)).isEqualTo(RmpResult.FAIL_INPUT);
    for (boolean large : new boolean[] {false, true}) {
      if (large) {
        w.rmp.update(PAGE, RmpEntry.HYPERVISOR);
        w.assignLarge(PAGE);
      } else {
        w.assign(PAGE);
      }
      w.validate(PAGE);
      store(PAGE);
      halted();
      assertThat(w.rmp.inject(PAGE, fault)).isEqualTo(RmpResult.SUCCESS);
      refusedAll(fault == RmpFault.NO_PERMISSIONS ? Rmp.PRIVILEGE_LEVEL : 0);
      if (fault == RmpFault.IMMUTABLE) {
        w.rmp.reclaim(PAGE);
      }
    }
  }

  /** A page that comes back is the guest's again, but not valid; a mapping that was mended is. */
  @Test
  void aPageThatComesBackIsNotTrusted() {
    w.assign(PAGE);
    w.validate(PAGE);
    store(PAGE);
    w.rmp.inject(PAGE, RmpFault.MOVED);
    w.assign(PAGE);
    load(PAGE);
    notValidated(PAGE);
  }

  @Test
  void aPageBehindTheTableIsRefused() {
    assertThat(w.rmp.check(1 << 20, ASID, 0, RmpEntry.READ, false)).isEqualTo(Rmp.VIOLATION);
    assertThat(w.rmp.check(-1, ASID, 0, RmpEntry.READ, false)).isEqualTo(Rmp.VIOLATION);
    assertThat(w.rmp.hypervisorOwns(1 << 20)).isTrue();
  }

  /** Sizes of nested mapping and entry must agree, either way round. */
  @Test
  void theNestedMappingHasTheEntrysSize() {
    w.assignLarge(PAGE);
    w.validate(PAGE);
    load(PAGE);
    halted();
    w.oddlyMapped.add(FRAME >> 9);
    c.flushTlb(true);
    refusedAll(0);
    w.oddlyMapped.clear();
    w.rmp.psmash(PAGE);
    load(PAGE);
    halted();
    w.oddlyMapped.add(FRAME >> 9);
    c.flushTlb(true);
    refusedAll(0);
  }

  @Test
  void theLevelsPermissionsAreCheckedLast() {
    int level1 = RmpEntry.READ << 8;
    w.assign(PAGE);
    w.rmp.setPermissions(PAGE, 0);
    load(PAGE);
    notValidated(PAGE);
    w.validate(PAGE);
    refusedAll(Rmp.PRIVILEGE_LEVEL);
    w.rmp.setPermissions(PAGE, RmpEntry.ALL | level1);
    load(PAGE);
    halted();
    w.rmp.setPermissions(PAGE, RmpEntry.READ);
    load(PAGE);
    halted();
    store(PAGE);
    refused(DATA | W | Rmp.PRIVILEGE_LEVEL);
    w.rmp.setPermissions(PAGE, RmpEntry.WRITE);
    store(PAGE);
    refused(DATA | W | Rmp.PRIVILEGE_LEVEL);
    load(PAGE);
    refused(DATA | Rmp.PRIVILEGE_LEVEL);
  }

  /**
   * A page is readable before it is known to be writable: the right to load is no right to store.
   */
  @Test
  void aLoadFillsNoRightToStore() {
    w.assign(PAGE);
    w.validate(PAGE);
    w.rmp.setPermissions(PAGE, RmpEntry.READ);
    w.run(c, "mov rbx, " + PAGE + "\nmov rax, [rbx]\nmov [rbx], rax");
    refused(DATA | W | Rmp.PRIVILEGE_LEVEL);
  }

  @Test
  void fetchesOfUsersAndSupervisorsHaveRightsOfTheirOwn() {
    w.assign(PAGE);
    w.validate(PAGE);
    w.program(PAGE, "ud2");
    w.rmp.setPermissions(PAGE, RmpEntry.READ | RmpEntry.EXECUTE_USER);
    fetch(PAGE);
    refused(DATA | X | Rmp.PRIVILEGE_LEVEL);
    w.user(c, true);
    fetch(PAGE);
    assertThat(SnpWorld.vc(c)).isEqualTo(SnpWorld.UD);
    w.rmp.setPermissions(PAGE, RmpEntry.READ | RmpEntry.EXECUTE_SUPERVISOR);
    fetch(PAGE);
    refused(DATA | X | Rmp.PRIVILEGE_LEVEL);
    w.user(c, false);
    fetch(PAGE);
    assertThat(SnpWorld.vc(c)).isEqualTo(SnpWorld.UD);
  }

  @Test
  void otherLevelsHaveNothingUntilTheyAreGivenIt() {
    for (int p = 0; p < SnpWorld.LAUNCHED; p += 4096) {
      w.rmp.setPermissions(p, RmpEntry.ALL | RmpEntry.ALL << 16);
    }
    w.assign(PAGE);
    w.validate(PAGE);
    w.level(c, 2);
    load(PAGE);
    refused(DATA | Rmp.PRIVILEGE_LEVEL);
    w.rmp.setPermissions(PAGE, RmpEntry.ALL | RmpEntry.READ << 16);
    load(PAGE);
    halted();
    store(PAGE);
    refused(DATA | W | Rmp.PRIVILEGE_LEVEL);
  }

  // ---- the C-bit clear

  @Test
  void aStoreWithoutTheCBitNeedsAPageOfTheHypervisors() {
    store(SHARED + PAGE);
    halted();
    assertThat(w.host.read(PAGE, 8)).isEqualTo(0x55);
    w.assign(PAGE);
    store(SHARED + PAGE);
    refused((DATA | W) & ~Rmp.ENCRYPTED);
    w.run(c, "mov rbx, " + (SHARED + PAGE) + "\nmov rax, [rbx]\nmov [rbx], rax");
    refused((DATA | W) & ~Rmp.ENCRYPTED);
  }

  /** Nobody checks it; there is ciphertext. */
  @Test
  void aLoadWithoutTheCBitReadsCiphertext() {
    w.assign(PAGE);
    w.validate(PAGE);
    store(PAGE);
    load(SHARED + PAGE);
    halted();
    assertThat(c.r[0]).isNotIn(0L, 0x55L).isEqualTo(w.host.read(PAGE, 8));
    load(PAGE);
    assertThat(c.r[0]).as("and the page is as it was").isEqualTo(0x55);
  }

  /** Fetches are private, whatever the tables say. */
  @Test
  void aFetchIsPrivateWithoutTheCBitToo() {
    fetch(SHARED + PAGE);
    refused(DATA | X);
    w.assign(PAGE);
    fetch(SHARED + PAGE);
    notValidated(SHARED + PAGE);
  }

  @Test
  void aLargeMappingOfTheHypervisorsHasNoPageOfAnybodysElse() {
    w.assign(PAGE + 0x3000);
    assertThat(w.rmp.hypervisorOwns(FRAME, false)).isTrue();
    assertThat(w.rmp.hypervisorOwns(FRAME, true)).isFalse();
    w.oddlyMapped.add(FRAME >> 9);
    store(SHARED + PAGE);
    refused((DATA | W) & ~Rmp.ENCRYPTED);
    w.rmp.update(PAGE + 0x3000, RmpEntry.HYPERVISOR);
    store(SHARED + PAGE);
    halted();
  }

  // ---- the guest's page tables

  /** Has the private region's third 2 MiB be mapped by a table in the page. */
  private void tableInPage() {
    w.memory.page(3, w.key).put64(0x10, PAGE | 7L | SnpWorld.C_BIT);
    c.flushTlb(true);
  }

  @Test
  void aWalkReadsPrivately() {
    tableInPage();
    load(0x40_0000);
    refused(Rmp.VIOLATION | P | U | WALK | Rmp.ENCRYPTED);
    w.assign(PAGE);
    load(0x40_0123);
    notValidated(0x40_0123);
    w.validate(PAGE);
    load(0x40_0000);
    assertThat(SnpWorld.vc(c)).as("there is no entry in it").isEqualTo(SnpWorld.PF);
    w.rmp.setPermissions(PAGE, 0);
    load(0x40_0000);
    refused(Rmp.VIOLATION | P | U | WALK | Rmp.ENCRYPTED | Rmp.PRIVILEGE_LEVEL);
  }

  @Test
  void aWalkWritesAccessedAndDirtyBits() {
    tableInPage();
    w.assign(PAGE);
    w.validate(PAGE);
    w.memory.page(FRAME, w.key).put64(0, 0x30_0007L | SnpWorld.C_BIT);
    w.assign(0x30_0000);
    w.validate(0x30_0000);
    w.rmp.setPermissions(PAGE, RmpEntry.READ);
    load(0x40_0000);
    refused(Rmp.VIOLATION | P | W | U | WALK | Rmp.ENCRYPTED | Rmp.PRIVILEGE_LEVEL);
    w.rmp.setPermissions(PAGE, RmpEntry.ALL);
    store(0x40_0000);
    halted();
    assertThat(w.memory.page(FRAME, w.key).get8(0) & 0x60).isEqualTo(0x60);
  }

  /** Whatever else is wrong with an access is told first. */
  @Test
  void pagingComesBeforeTheTable() {
    w.memory.page(3, w.key).put64(0x10, 0);
    c.flushTlb(true);
    load(0x40_0000);
    assertThat(SnpWorld.vc(c)).isEqualTo(SnpWorld.PF);
    w.absent.add(FRAME);
    load(PAGE);
    assertThat(c.exitCode).isEqualTo(NPF);
    assertThat(c.exitInfo1).isEqualTo(U | FINAL | Rmp.ENCRYPTED);
    load(SHARED + PAGE);
    assertThat(c.exitInfo1).isEqualTo(U | FINAL);
  }

  // ---- others

  @Test
  void aGuestWithoutSnpWritesAndWalksInPagesOfTheHypervisors() {
    c.configureSnp(false, ASID, 0, Mmu.NO_VTOM);
    c.rip = SnpWorld.CODE;
    w.go(c);
    assertThat(c.exitCode).isEqualTo(NPF);
    assertThat(c.exitInfo1).isEqualTo(Rmp.VIOLATION | P | U | WALK);
    assertThat(c.exitInfo2).isEqualTo(0x1000);
  }

  /** The host's own fault: nothing is written, and it can ask before. */
  @Test
  void theHostWritesNowhereButInItsOwnPages() {
    w.host.write(PAGE, 4, 77);
    w.assign(PAGE);
    w.validate(PAGE);
    store(PAGE);
    assertThat(w.host.mayWrite(PAGE - 8, 16)).isFalse();
    assertThat(w.host.mayWrite(PAGE - 8, 8)).isTrue();
    w.host.write(PAGE, 8, -1);
    w.memory.deviceView().write(PAGE - 8, new byte[16], 0, 16);
    load(PAGE);
    assertThat(c.r[0]).isEqualTo(0x55);
  }

  // ---- contents

  @Test
  void ownersDoNotExchangeBytes() {
    w.host.write(PAGE, 8, 0x1234);
    w.assign(PAGE);
    w.validate(PAGE);
    load(PAGE);
    assertThat(c.r[0]).as("zeros, not what was shared").isZero();
    store(PAGE);
    w.rmp.update(PAGE, RmpEntry.HYPERVISOR);
    assertThat(w.host.read(PAGE, 8)).as("neither what was private nor what was shared").isZero();
    w.assign(PAGE);
    load(PAGE);
    notValidated(PAGE);
    w.validate(PAGE);
    load(PAGE);
    assertThat(c.r[0]).as("zeros, not what was private").isZero();
  }

  @Test
  void aLaunchedPageHasWhatTheHostWrote() {
    w.host.write(PAGE, 8, 0x1234);
    w.launch(PAGE, 0);
    assertThat(w.rmp.read(PAGE).state()).isEqualTo(PageOwnership.GUEST_VALID);
    load(PAGE);
    assertThat(c.r[0]).isEqualTo(0x1234);
    assertThat(w.host.read(PAGE, 8)).isNotEqualTo(0x1234);
  }

  // ---- changes under running code

  /** Each kind of change takes effect at the next access, though the page was just used. */
  @Test
  void aChangeTakesWhatProcessorsHold() {
    w.assign(PAGE);
    w.validate(PAGE);
    String loop = "mov rbx, " + PAGE + "\nmov ecx, 50\nL: inc qword [rbx]\nloop L\n";
    w.run(c, loop + "mov rax, rbx\nxor ecx, ecx\nxor edx, edx\npvalidate\ninc qword [rbx]");
    notValidated(PAGE);
    assertThat(c.r[0]).isZero();
    w.validate(PAGE);
    w.run(c, loop);
    halted();
    assertThat(w.plain(FRAME)[0]).isEqualTo((byte) 100);
    w.rmp.update(PAGE, RmpEntry.HYPERVISOR);
    w.run(c, loop);
    refused(DATA | W);
  }

  @Test
  void anotherProcessorLosesThePageToo() {
    Cpu other = w.cpus.get(1);
    w.assign(PAGE);
    w.validate(PAGE);
    w.program(PAGE, "inc eax\njmp back\nback: mov rbx, " + SnpWorld.CODE + "\njmp rbx");
    w.program(SnpWorld.CODE, "nop");
    other.rip = PAGE;
    w.go(other);
    assertThat(other.exitCode).isEqualTo(0x78);
    w.program(SnpWorld.CODE, "mov eax, " + PAGE + "\nxor ecx, ecx\nxor edx, edx\npvalidate");
    c.rip = SnpWorld.CODE;
    w.go(c);
    halted();
    other.rip = PAGE;
    w.go(other);
    assertThat(SnpWorld.vc(other)).isEqualTo(0x404);
    assertThat(other.rip).isEqualTo(PAGE);
  }

  /** Code that takes its own page away ends behind the instruction that does. */
  @Test
  void codeThatInvalidatesItsOwnPageIsNotGoneOnWith() {
    w.assign(PAGE);
    w.validate(PAGE);
    String source = "mov eax, " + PAGE + "\nxor ecx, ecx\nxor edx, edx\npvalidate";
    w.program(PAGE, source + "\nmov ebx, 99");
    c.r[3] = 1;
    c.rip = PAGE;
    w.go(c);
    int behind = Assembler.assemble(64, source).length;
    notValidated(PAGE + behind);
    assertThat(c.r[3]).isEqualTo(1);
    assertThat(c.rip).isEqualTo(PAGE + behind);
  }

  /** The same where the processor knows from before what comes next. */
  @Test
  void whatFollowedOftenDoesNotFollowWhenThePageIsGone() {
    w.assign(PAGE);
    w.validate(PAGE);
    String source = "mov eax, " + PAGE + "\nxor ecx, ecx\nmov edx, esi\npvalidate";
    w.program(PAGE, source + "\ninc ebx");
    c.r[3] = 0;
    for (int i = 0; i < 8; i++) {
      c.r[6] = 1;
      c.rip = PAGE;
      w.go(c);
      halted();
    }
    c.r[6] = 0;
    c.rip = PAGE;
    w.go(c);
    notValidated(PAGE + Assembler.assemble(64, source).length);
    assertThat(c.r[3]).isEqualTo(8);
  }

  /** As above, but the code that runs into the page comes from the one before it by a jump. */
  @Test
  void jumpsThatWereTakenOftenLeadNowhereAfterAChange() {
    w.assign(PAGE);
    w.validate(PAGE);
    w.program(PAGE, "inc edx\njmp rsi");
    String loop =
        """
        mov ecx, 200
        mov ebx, 0x200000
        lea rsi, [rip+2]
        L: jmp rbx
        dec ecx
        jnz L
        """;
    w.run(c, loop);
    halted();
    w.rmp.update(PAGE, RmpEntry.guest(PAGE, ASID + 1));
    w.run(c, loop);
    refused(DATA | X);
    assertThat(w.rmp.update(PAGE, RmpEntry.guest(PAGE, ASID))).isEqualTo(RmpResult.SUCCESS);
    w.run(c, loop);
    notValidated(PAGE);
  }
}
