package dev.vesper.machine.cpu;

import static dev.vesper.machine.cpu.SnpWorld.ASID;
import static dev.vesper.machine.cpu.SnpWorld.SHARED;
import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.memory.PageOwnership;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpFault;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.Event.Rmpquery;
import dev.vesper.machine.observe.RmpAccess;
import dev.vesper.machine.observe.RmpCause;
import dev.vesper.machine.observe.RmpCheck;
import dev.vesper.machine.observe.RmpState;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.trace.Tracer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What observers are told of the instructions of SEV-SNP, and of accesses that are refused. */
@ParameterizedClass(name = "execution {0}")
@MethodSource("executions")
final class RmpEventsTest {
  private static final int PAGE = 0x20_0000;
  private static final int VMSA = 0x1_0000;

  private final SnpWorld w;
  private final Cpu c;
  private final List<Event> events = new ArrayList<>();
  private final Tracer tracer = new Tracer(events::add, e -> {}, false);

  RmpEventsTest(int execution) {
    w = new SnpWorld(1, execution);
    c = w.cpus.get(0);
    tracer.attach(w.cpus, Symbols.NONE);
    c.observer = tracer.processor();
  }

  static int[] executions() {
    return Execution.andNative(0, 1);
  }

  private void execute(String instruction, long rax, long rcx, long rdx) {
    w.run(c, "mov rax, %d\nmov rcx, %d\nmov rdx, %d\n%s".formatted(rax, rcx, rdx, instruction));
  }

  /** {@return the events since the last call, of one type} */
  private <E extends Event> List<E> told(Class<E> type) {
    tracer.ended(0, "told");
    List<E> l = events.stream().filter(type::isInstance).map(type::cast).toList();
    events.clear();
    return l;
  }

  private <E extends Event> E one(Class<E> type) {
    List<E> l = told(type);
    assertThat(l).hasSize(1);
    return l.get(0);
  }

  private Pvalidate pvalidate(long address, int size, int validate) {
    execute("pvalidate", address, size, validate);
    return one(Pvalidate.class);
  }

  private Rmpadjust rmpadjust(long address, long size, long what) {
    execute("rmpadjust", address, size, what);
    return one(Rmpadjust.class);
  }

  // ---- PVALIDATE

  @Test
  void pvalidateSaysWhatItWasAndWhatItDid() {
    w.assign(PAGE);
    Pvalidate p = pvalidate(PAGE, 0, 1);
    assertThat(p.gva()).isEqualTo(PAGE);
    assertThat(p.gpa()).isEqualTo(PAGE);
    assertThat(p.validate()).isTrue();
    assertThat(p.large()).isFalse();
    assertThat(p.eax()).isZero();
    assertThat(p.carry()).isFalse();
    assertThat(p.why()).isEqualTo(RmpCheck.NONE);
    assertThat(p.before())
        .isEqualTo(
            new RmpState(RmpState.Kind.GUEST_INVALID, false, false, ASID, PAGE, RmpEntry.ALL));
    assertThat(p.at().instruction()).isEqualTo("pvalidate");
    Pvalidate again = pvalidate(PAGE, 0, 1);
    assertThat(again.carry()).isTrue();
    assertThat(again.why()).isEqualTo(RmpCheck.UNCHANGED);
    assertThat(again.before().kind()).isEqualTo(RmpState.Kind.GUEST_VALID);
    assertThat(pvalidate(PAGE, 0, 0).validate()).isFalse();
  }

  /** Each of a row of pages is told of, by one event. */
  @Test
  void pagesOfALoopAreOneEvent() {
    for (int i = 0; i < 16; i++) {
      w.assign(PAGE + 4096 * i);
    }
    w.rmp.pvalidate(PAGE + 4096 * 9 >> 12, false, ASID, true);
    w.run(
        c,
        """
        mov rbx, %d
        mov rdi, 16
        again:
        mov rax, rbx
        xor ecx, ecx
        mov edx, 1
        pvalidate
        add rbx, 4096
        dec rdi
        jnz again
        """
            .formatted(PAGE));
    assertThat(told(Pvalidate.class))
        .extracting(p -> p.gpa() - PAGE >> 12, Pvalidate::count, Pvalidate::why)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple(0L, 9L, RmpCheck.NONE),
            org.assertj.core.groups.Tuple.tuple(9L, 1L, RmpCheck.UNCHANGED),
            org.assertj.core.groups.Tuple.tuple(10L, 6L, RmpCheck.NONE));
  }

  @Test
  void aRefusedPvalidateNamesTheCheck() {
    Pvalidate size = pvalidate(PAGE, 2, 1);
    assertThat(size.why()).isEqualTo(RmpCheck.OPERAND_SIZE);
    assertThat(size.eax()).isEqualTo(1);
    assertThat(size.gpa()).isEqualTo(Event.NO_ADDRESS);
    w.assign(PAGE);
    assertThat(pvalidate(SHARED + PAGE, 0, 1).why()).isEqualTo(RmpCheck.SHARED_MAPPING);
    assertThat(pvalidate(PAGE + 0x1000, 1, 1).why()).isEqualTo(RmpCheck.ALIGNMENT);
    Pvalidate small = pvalidate(PAGE, 1, 1);
    assertThat(small.why()).isEqualTo(RmpCheck.SMALL_ENTRY);
    assertThat(small.eax()).isEqualTo(6);
  }

  private RmpCheck faults(RmpEntry e) {
    w.rmp.update(PAGE, e);
    execute("pvalidate", PAGE, 0, 1);
    tracer.ended(0, "told");
    Pvalidate p = (Pvalidate) events.get(0);
    RmpViolation v = (RmpViolation) events.get(1);
    assertThat(p.eax()).isEqualTo(-1);
    assertThat(v.why()).isEqualTo(p.why());
    assertThat(v.access()).isEqualTo(RmpAccess.OPERAND);
    assertThat(v.info1()).isEqualTo(c.exitInfo1);
    assertThat(v.at().rip()).isEqualTo(p.at().rip()).isEqualTo(c.exitRip);
    events.clear();
    return p.why();
  }

  @Test
  void aFaultOfPvalidateNamesTheCheck() {
    assertThat(faults(RmpEntry.HYPERVISOR)).isEqualTo(RmpCheck.ASSIGNED);
    assertThat(faults(RmpEntry.guest(PAGE, ASID + 1))).isEqualTo(RmpCheck.ASID);
    assertThat(faults(RmpEntry.guest(PAGE + 4096, ASID))).isEqualTo(RmpCheck.GPA);
    assertThat(faults(RmpEntry.guest(PAGE, ASID).forFirmware())).isEqualTo(RmpCheck.IMMUTABLE);
  }

  @Test
  void aPageOfTheFirmwaresIsNamedAsThat() {
    assertThat(faults(RmpEntry.guest(0, 0).forFirmware())).isEqualTo(RmpCheck.FIRMWARE);
  }

  @Test
  void aSizeConflictIsNamed() {
    w.assignLarge(PAGE);
    execute("pvalidate", PAGE + 0x5000, 0, 1);
    assertThat(told(Pvalidate.class))
        .extracting(Pvalidate::why)
        .containsExactly(RmpCheck.LARGE_ENTRY);
  }

  @Test
  void privilegeIsNamed() {
    w.assign(PAGE);
    w.user(c, true);
    Pvalidate p = pvalidate(PAGE, 0, 1);
    assertThat(p.why()).isEqualTo(RmpCheck.CPL);
    assertThat(p.eax()).isEqualTo(-1);
    w.user(c, false);
    for (int f = 0; f < SnpWorld.LAUNCHED; f += 4096) {
      w.rmp.setPermissions(f, RmpEntry.ALL | RmpEntry.ALL << 8);
    }
    w.level(c, 1);
    assertThat(pvalidate(PAGE, 0, 1).why()).isEqualTo(RmpCheck.VMPL);
  }

  // ---- RMPADJUST and RMPQUERY

  @Test
  void rmpadjustSaysWhatItGivesAndWhyNot() {
    w.assign(PAGE);
    w.validate(PAGE);
    Rmpadjust a = rmpadjust(PAGE, 0, 1 | 3 << 8 | VMSA);
    assertThat(a.vmpl()).isEqualTo(1);
    assertThat(a.permissions()).isEqualTo(3);
    assertThat(a.vmsa()).isTrue();
    assertThat(a.before().vmsa()).isFalse();
    assertThat(a.after().vmsa()).isTrue();
    assertThat(a.after().permissions()).isEqualTo(RmpEntry.ALL | 3 << 8);
    assertThat(a.eax()).isZero();
    assertThat(a.why()).isEqualTo(RmpCheck.NONE);
    w.rmp.use(PAGE >> 12, true);
    assertThat(rmpadjust(PAGE, 0, 1).why()).isEqualTo(RmpCheck.IN_USE);
    w.rmp.use(PAGE >> 12, false);
    assertThat(rmpadjust(PAGE, 0, 0).why()).isEqualTo(RmpCheck.TARGET_VMPL);
    assertThat(rmpadjust(PAGE, 0, 4).why()).isEqualTo(RmpCheck.RESERVED);
    assertThat(rmpadjust(PAGE, 3, 1).why()).isEqualTo(RmpCheck.OPERAND_SIZE);
    assertThat(rmpadjust(SHARED + PAGE, 0, 1).why()).isEqualTo(RmpCheck.SHARED_MAPPING);
    assertThat(rmpadjust(PAGE, 1, 1).why()).isEqualTo(RmpCheck.SMALL_ENTRY);
    w.rmp.setPermissions(PAGE, RmpEntry.READ);
    assertThat(rmpadjust(PAGE, 0, 1 | 3 << 8).why()).isEqualTo(RmpCheck.GRANTED_PERMISSIONS);
    w.rmp.update(PAGE, RmpEntry.HYPERVISOR);
    w.assign(PAGE);
    assertThat(rmpadjust(PAGE, 0, 1).why()).isEqualTo(RmpCheck.VALIDATED);
  }

  @Test
  void rmpquerySaysWhatItSees() {
    w.assign(PAGE);
    w.validate(PAGE);
    execute("rmpquery", PAGE, 0, 2);
    Rmpquery q = one(Rmpquery.class);
    assertThat(q.vmpl()).isEqualTo(2);
    assertThat(q.eax()).isZero();
    assertThat(q.state().kind()).isEqualTo(RmpState.Kind.GUEST_VALID);
    execute("rmpquery", PAGE, 0, 0);
    assertThat(one(Rmpquery.class).why()).isEqualTo(RmpCheck.TARGET_VMPL);
  }

  // ---- accesses

  private RmpViolation violation(String program) {
    w.run(c, program);
    return one(RmpViolation.class);
  }

  @Test
  void aPageThatIsNotValidatedIsVc404() {
    w.assign(PAGE);
    RmpViolation v = violation("mov byte ptr [%d], 1".formatted(PAGE + 8));
    assertThat(v.access()).isEqualTo(RmpAccess.WRITE);
    assertThat(v.encrypted()).isTrue();
    assertThat(v.gva()).isEqualTo(PAGE + 8);
    assertThat(v.gpa()).isEqualTo(PAGE + 8);
    assertThat(v.info1()).as("#VC").isZero();
    assertThat(v.why()).isEqualTo(RmpCheck.VALIDATED);
    assertThat(v.state().kind()).isEqualTo(RmpState.Kind.GUEST_INVALID);
    assertThat(v.at().rip()).as("the store").isEqualTo(SnpWorld.CODE);
  }

  @Test
  void accessesAreTold() {
    assertThat(violation("mov al, [%d]".formatted(PAGE)).access()).isEqualTo(RmpAccess.READ);
    RmpViolation fetch = violation("mov eax, %d\njmp rax".formatted(PAGE));
    assertThat(fetch.access()).isEqualTo(RmpAccess.FETCH);
    assertThat(fetch.at().rip()).isEqualTo(PAGE);
    assertThat(fetch.info1()).isEqualTo(c.exitInfo1);
    w.assign(PAGE);
    RmpViolation shared = violation("mov byte ptr [%d], 1".formatted(SHARED + PAGE));
    assertThat(shared.encrypted()).isFalse();
    assertThat(shared.why()).isEqualTo(RmpCheck.HYPERVISOR_OWNED);
    // The first table of pages: accepted by nobody any more.
    w.rmp.update(0x9000, RmpEntry.HYPERVISOR);
    RmpViolation walk = violation("mov al, [0x3000]");
    assertThat(walk.access()).isEqualTo(RmpAccess.WALK);
    assertThat(walk.gpa() & -4096).isEqualTo(0x9000);
  }

  @ParameterizedTest
  @EnumSource
  void whatAHostDoesToAPageIsNamedWhenTheGuestTouchesIt(RmpFault fault) {
    w.assign(PAGE);
    w.validate(PAGE);
    w.memory.observe(tracer.memory());
    w.rmp.inject(PAGE, fault);
    RmpChanged change = one(RmpChanged.class);
    assertThat(change.cause()).isEqualTo(RmpCause.HOST);
    assertThat(change.gpa()).isEqualTo(PAGE);
    assertThat(change.before().kind()).isEqualTo(RmpState.Kind.GUEST_VALID);
    assertThat(violation("mov al, [%d]".formatted(PAGE)).why())
        .isEqualTo(
            switch (fault) {
              case FOREIGN_ASID -> RmpCheck.ASID;
              case MOVED -> RmpCheck.GPA;
              case IMMUTABLE -> RmpCheck.IMMUTABLE;
              case MAPPING_SIZE -> RmpCheck.MAPPING_SIZE;
              case NO_PERMISSIONS -> RmpCheck.PERMISSIONS;
            });
  }

  @Test
  void hostsChangePagesInRows() {
    w.memory.observe(tracer.memory());
    for (int i = 0; i < 5; i++) {
      w.assign(PAGE + 4096 * i);
    }
    RmpChanged row = one(RmpChanged.class);
    assertThat(row.pages()).isEqualTo(5);
    assertThat(row.what()).isEqualTo("RMPUPDATE");
    assertThat(row.before()).isEqualTo(RmpState.HYPERVISOR);
    assertThat(row.after().kind()).isEqualTo(RmpState.Kind.GUEST_INVALID);
    w.assignLarge(PAGE + 0x20_0000);
    assertThat(one(RmpChanged.class).pages()).isEqualTo(512);
    w.rmp.psmash(PAGE + 0x20_0000);
    RmpChanged split = one(RmpChanged.class);
    assertThat(split.what()).isEqualTo("PSMASH");
    assertThat(split.before().large()).isTrue();
    assertThat(split.after().large()).isFalse();
  }

  @Test
  void theStatesAreThoseOfTheTable() {
    assertThat(Arrays.stream(RmpState.Kind.values()).map(Enum::name))
        .containsExactlyElementsOf(Arrays.stream(PageOwnership.values()).map(Enum::name).toList());
  }
}
