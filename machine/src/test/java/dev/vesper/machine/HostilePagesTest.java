package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpFault;
import dev.vesper.machine.memory.RmpResult;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a host does to a page of a guest under SEV-SNP that is running: nothing, or what the guest
 * notices. The guest writes an old number, then a new one, and reads it over and over.
 */
final class HostilePagesTest {
  private static final long PAGE = 0x30_0000;
  private static final int ASID = 1;
  private static final long NEW = 0x5555_6666_7777_8888L;
  private static final String GUEST =
      """
          mov rbx, 0x300000
          mov rax, 0x1111222233334444
          mov rdx, 0x5555666677778888
          mov [rbx], rax
      old:
          mov [rbx], rdx
      again:
          xor ecx, ecx
          mov rcx, [rbx]
          jmp short again
      """;

  private final Machine m;
  private final HostRmp rmp;
  private final byte[] old;
  private final List<Integer> raised = new ArrayList<>();
  private final List<Long> told = new ArrayList<>();

  /**
   * Runs the guest to where it reads the new number, and keeps what the host saw of the old one.
   */
  HostilePagesTest() throws BootException {
    m = machine();
    m.on(Event.VcRaised.class, v -> raised.add(v.exit()));
    m.on(
        Event.HostAccess.class,
        e -> {
          if (e.write()) {
            told.add(e.gpa());
          }
        });
    rmp = Objects.requireNonNull(((HostView) m.hostView()).rmp());
    m.run(Until.symbol("old"));
    old = m.hostView().bytes(PAGE, 4096);
    goOn();
    assertThat(read()).isEqualTo(NEW);
  }

  private static Machine machine(String... faults) throws BootException {
    return new Machine(
        MachineSpec.builder(SevMode.SNP, FlatGuest.image(GUEST), b -> {})
            .memoryBytes(8 << 20)
            .hostFaults(faults)
            .build());
  }

  private long read() {
    return m.observer().current().gpr(VcpuView.RCX);
  }

  /** Goes on for many rounds, to where a number has been read. */
  private void goOn() {
    m.run(Until.instructions(3000));
    while (read() == 0) {
      m.step(0);
    }
  }

  @Test
  void writesOfTheHostsToAPageOfTheGuestsChangeNothing() {
    assertThat(((HostView) m.hostView()).mayWrite(PAGE, 8)).isFalse();
    byte[] seen = m.hostView().bytes(PAGE, 4096);
    assertThat(seen).as("ciphertext").isNotEqualTo(old);
    m.hostView().write(PAGE, old, 0, old.length);
    m.hostView().write(PAGE + 8, 8, -1);
    assertThat(told).containsExactly(PAGE, PAGE + 8);
    assertThat(m.hostView().bytes(PAGE, 4096)).isEqualTo(seen);
    goOn();
    assertThat(read()).isEqualTo(NEW);
  }

  /** With the bytes that it had, which the host may write once it has taken the page. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aPageThatWasTakenIsNotBelieved(boolean givenBack) {
    assertThat(rmp.update(PAGE, RmpEntry.HYPERVISOR)).isEqualTo(RmpResult.SUCCESS);
    m.hostView().write(PAGE, old, 0, old.length);
    if (givenBack) {
      assertThat(rmp.update(PAGE, RmpEntry.guest(PAGE, ASID))).isEqualTo(RmpResult.SUCCESS);
    }
    // It has no table of handlers.
    assertThat(m.run().status()).isEqualTo(Outcome.SHUTDOWN);
    assertThat(raised).containsExactly(ExitCode.PAGE_NOT_VALIDATED);
    assertThat(read()).as("nothing was read").isZero();
  }

  @ParameterizedTest
  @EnumSource(RmpFault.class)
  void aPageThatIsNotWhatItWasEndsTheRun(RmpFault fault) {
    assertThat(rmp.inject(PAGE, fault)).isEqualTo(RmpResult.SUCCESS);
    Outcome o = m.run();
    assertThat(o.status()).isEqualTo(Outcome.PAGE_REFUSED);
    assertThat(o.reason())
        .startsWith("the reverse map table refuses the guest a private data read")
        .contains(" at GPA 0x300000, ");
    assertThat(read()).as("nothing was read").isZero();
  }

  /** What a user can have the host do: the guest never reads an old number, or a foreign one. */
  @ParameterizedTest
  @CsvSource({
    "take:0x300000@2000, 5, private",
    "remap:0x300000@2000, 5, private",
    "swap:0x300000:0x301000@2000, 7, private data read",
    "swap:0x100000:0x300000@2000, 7, private",
    "foreign-asid:0x300000@2000, 7, private data read",
    "moved:0x300000@2000, 7, private data read",
    "immutable:0x300000@2000, 7, private data read",
    "mapping-size:0x300000@2000, 7, private data read",
    "no-permissions:0x300000@2000, 7, private data read"
  })
  void aPageIsTamperedWithWhenAUserSaysSo(String fault, int status, String reason)
      throws BootException {
    Machine hostile = machine(fault);
    List<Integer> codes = new ArrayList<>();
    hostile.on(Event.VcRaised.class, v -> codes.add(v.exit()));
    assertThat(hostile.run(Until.instructions(1999)))
        .as("nothing is done before")
        .isEqualTo(new Stop.Limit(Stop.Measure.INSTRUCTIONS));
    Outcome o = hostile.run();
    assertThat(o.status()).isEqualTo(status);
    assertThat(codes)
        .containsExactlyElementsOf(
            status == Outcome.SHUTDOWN ? List.of(ExitCode.PAGE_NOT_VALIDATED) : List.of());
    if (status == Outcome.PAGE_REFUSED) {
      assertThat(o.reason()).contains(reason);
    }
    assertThat(hostile.observer().current().gpr(VcpuView.RCX)).isIn(0L, NEW);
  }

  @ParameterizedTest
  @CsvSource({
    "take:0x800000@2000, cannot take what is not the guest's own",
    "swap:0x300000:0x7ff00000@2000, cannot swap what is not the guest's own"
  })
  void aPageThatIsNotTheGuestsIsNotTamperedWith(String fault, String reason) throws BootException {
    Outcome o = machine(fault).run();
    assertThat(o.status()).isEqualTo(Outcome.GAVE_UP);
    assertThat(o.reason()).contains(reason).contains("GPA 0x");
  }
}
