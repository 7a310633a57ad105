package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.hostile.Firing;
import dev.vesper.machine.hostile.HostValue;
import dev.vesper.machine.hostile.LawfulAction;
import dev.vesper.machine.hostile.Place;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.hostile.ScriptException;
import dev.vesper.machine.hostile.ScriptParser;
import dev.vesper.machine.hostile.ScriptSamples;
import dev.vesper.machine.hostile.Trigger;
import dev.vesper.machine.hostile.Value;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What scripts of a host that means harm do to guests: triggers, and what lawful hosts can do. */
final class HostileScriptTest {
  private static final long CALLEE = 0x11_0000;
  private static final long DATA = 0x32_0000;

  /**
   * Calls a function of another page a hundred times, which writes and reads a page of data. #VC
   * counts in R15 and leaves its error code in R11 and the address that it was raised at in R10.
   */
  static final String CALLS =
      """
      begin:
          mov ebx, 100
          mov r9d, 0x320000
          mov qword [r9], 0
      again:
          call callee
      returned:
          inc r14
          dec ebx
          jne again
          jmp end
      vc:
          inc r15
          pop r11
          mov r10, [rsp]
          iretq
      align 65536
      callee:
          mov r8, [r9]
          inc r8
      store:
          mov [r9], r8
      stored:
          mov r13, [r9]
          ret
      """;

  private final Machine[] made = new Machine[1];

  static MachineSpec.Builder spec(SevMode mode, String source) {
    return MachineSpec.builder(
            mode, mode == SevMode.SNP ? SnpGuest.image(source) : SnpGuest.esImage(source), b -> {})
        .memoryBytes(16 << 20);
  }

  private Machine machine(SevMode mode, Script s) throws BootException {
    Machine m = new Machine(spec(mode, CALLS).hostile(s).build());
    m.limit(5_000_000, Long.MAX_VALUE);
    made[0] = m;
    return m;
  }

  private long gpr(int n) {
    return made[0].observer().current().gpr(n);
  }

  private static List<Firing> firings(Machine m) {
    return Objects.requireNonNull(m.hostile()).firings();
  }

  private static Place page(long gpa) {
    return Place.gpa(gpa);
  }

  private static final LawfulAction VC = LawfulAction.Inject.vc(0x81);

  @ParameterizedTest
  @ValueSource(ints = {0, 2, Execution.NATIVE})
  void codeOfAPageIsInterruptedBeforeItsFirstInstruction(int execution) throws Exception {
    for (SevMode mode : List.of(SevMode.ES, SevMode.SNP)) {
      Machine m =
          machine(
              mode,
              Script.builder()
                  .lawful(new Trigger.Fetch(page(CALLEE)))
                  .times(3)
                  .note("rip", new Value.Register("rip"))
                  .perform(VC)
                  .build());
      Execution.choose(m, execution);
      assertThat(m.run().status()).as(m.dump()).isEqualTo(1);
      assertThat(gpr(15)).isEqualTo(3);
      assertThat(gpr(11)).isEqualTo(0x81);
      assertThat(gpr(10)).as("where").isEqualTo(CALLEE);
      assertThat(gpr(14)).as("nothing is lost").isEqualTo(100);
      assertThat(Objects.requireNonNull(m.hostile()).notes()).containsEntry("rip", CALLEE);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, Execution.NATIVE})
  void entriesOfAPageAreCountedAndNotItsInstructions(int execution) throws Exception {
    Machine m =
        machine(
            SevMode.ES,
            Script.builder()
                .lawful(new Trigger.Fetch(page(CALLEE)))
                .always()
                .perform(
                    new LawfulAction.Let(
                        "n",
                        new HostValue.Binary(
                            HostValue.Operator.PLUS, HostValue.named("n"), HostValue.of(1))))
                .build());
    Execution.choose(m, execution);
    assertThat(m.run().status()).isEqualTo(1);
    assertThat(firings(m)).hasSize(100);
    assertThat(firings(m).getLast().what()).isEqualTo("n = 0x64");
    assertThat(gpr(14)).isEqualTo(100);
  }

  @Test
  void aReturnIsCallerCalleeCaller() throws Exception {
    Place caller = page(0x10_0000);
    Machine m =
        machine(
            SevMode.ES,
            Script.builder()
                .lawful(new Trigger.FetchSequence(List.of(caller, page(CALLEE), caller)))
                .perform(VC)
                .build());
    assertThat(m.run().status()).isEqualTo(1);
    assertThat(gpr(15)).isEqualTo(1);
    long returned = address(m, "returned");
    assertThat(gpr(10)).isEqualTo(returned);
  }

  private static long address(Machine m, String name) {
    return m.symbols().all().stream()
        .filter(s -> s.name().equals(name))
        .findFirst()
        .orElseThrow()
        .address();
  }

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"ES", "SNP"})
  void writesAndReadsOfAPageAreToldOneByOne(SevMode mode) throws Exception {
    Machine m =
        machine(
            mode,
            Script.builder()
                .lawful(new Trigger.Write(page(DATA)))
                .times(5)
                .note("rip", new Value.Register("rip"))
                .perform()
                .lawful(new Trigger.Read(page(DATA)))
                .in("later")
                .times(4)
                .note("read", new Value.Register("rip"))
                .perform()
                .lawful(new Trigger.Write(page(DATA)))
                .in("later")
                .optional()
                .perform()
                .lawful(new Trigger.AfterInstruction(400))
                .perform(new LawfulAction.Goto("later"))
                .build());
    assertThat(m.run().status()).as(m.dump()).isEqualTo(1);
    assertThat(gpr(14)).isEqualTo(100);
    assertThat(gpr(13)).isEqualTo(100);
    assertThat(gpr(15)).isZero();
    var report = Objects.requireNonNull(m.hostile());
    assertThat(report.counts().subList(0, 2)).containsExactly(5L, 4L);
    assertThat(report.notes().get("rip")).isEqualTo(address(m, "store"));
    assertThat(report.notes().get("read")).isIn(CALLEE, address(m, "store"), address(m, "stored"));
    assertThat(report.fulfilled()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, Execution.NATIVE})
  void anEventIsInjectedBeforeTheInstructionThatIsNamed(int execution) throws Exception {
    Machine m =
        machine(
            SevMode.ES,
            Script.builder()
                .lawful(new Trigger.AtRip(Place.symbol("stored", 0)))
                .times(7)
                .perform(VC)
                .build());
    Execution.choose(m, execution);
    assertThat(m.run().status()).as(m.dump()).isEqualTo(1);
    assertThat(gpr(15)).isEqualTo(7);
    assertThat(gpr(10)).isEqualTo(address(m, "stored"));
    assertThat(gpr(14)).isEqualTo(100);
    assertThat(firings(m)).allMatch(Firing::aided);
  }

  @Test
  void theSameScriptMakesTheSameTrace() throws Exception {
    Script s =
        ScriptParser.parse(
            """
            when fetch 0x110000 times 5
              inject vc 0x81
            when write 0x320000 times 9
              let n = n + 1
            when rip symbol stored always
              note n = n
            when insn 900
              tsc hold
            """);
    List<String> traces = new ArrayList<>();
    for (int execution : new int[] {0, 0, 2, Execution.NATIVE}) {
      Machine m = machine(SevMode.ES, s);
      Execution.choose(m, execution);
      StringBuilder trace = new StringBuilder();
      m.trace(e -> trace.append(e).append('\n'), true);
      m.run();
      traces.add(trace.toString());
    }
    assertThat(traces.getFirst())
        .contains("HostileRule[", "trigger=fetch 0x110000", "what=EVENTINJ 0x8180000b1d");
    assertThat(traces).allMatch(traces.getFirst()::equals);
  }

  @Test
  void aMachineThatIsStoppedFollowsItsScriptAllTheSame() throws Exception {
    Script s =
        Script.builder()
            .lawful(new Trigger.AtRip(Place.symbol("stored", 0)))
            .times(20)
            .perform(VC)
            .build();
    Machine whole = machine(SevMode.ES, s);
    whole.run();
    Machine m = machine(SevMode.ES, s);
    for (long n = 100; n < 1500; n += 37) {
      m.run(Until.instructions(n));
    }
    m.run();
    assertThat(m.stateHash()).isEqualTo(whole.stateHash());
    assertThat(firings(m)).isEqualTo(firings(whole));
  }

  @ParameterizedTest
  @EnumSource(SevMode.class)
  void pagesAreWaitedForWhateverProtectsTheGuest(SevMode mode) throws Exception {
    String guest =
        """
            mov rsp, 0x180000
            mov r9d, 0x320000
            mov ecx, 5
        again:
            call callee
            dec ecx
            jne again
        stop:
            hlt
            jmp stop
        align 4096
        callee:
            inc r12
            mov [r9], r12
            mov r13, [r9]
            ret
        """;
    Script s =
        ScriptParser.parse(
            """
            when fetch 0x101000 always
            when write 0x320000 always
            when read 0x320001 always
            when insn 5
              note rcx = reg rcx
            """);
    MachineSpec spec =
        MachineSpec.builder(mode, FlatGuest.image(guest), b -> {})
            .memoryBytes(16 << 20)
            .hostile(s)
            .build();
    Machine m = new Machine(spec);
    m.limit(1000, Long.MAX_VALUE);
    made[0] = m;
    m.run();
    assertThat(gpr(12)).isEqualTo(5);
    assertThat(gpr(13)).isEqualTo(5);
    var report = Objects.requireNonNull(m.hostile());
    assertThat(report.counts()).containsExactly(5L, 5L, 10L, 1L);
    assertThat(report.notes()).containsEntry("rcx", 5L);
  }

  /** Its first instruction lies in two pages, both of which are waited for. */
  @ParameterizedTest
  @ValueSource(ints = {0, 2, Execution.NATIVE})
  void anInstructionInTwoPagesIsExecuted(int execution) throws Exception {
    String calls =
        CALLS
            .replace("callee:\n    inc r12", "callee:")
            .replace(
                "align 65536\n", "align 65536\ndq " + "0, ".repeat(510) + "0\ndd 0\ndb 0, 0, 0\n");
    Machine m =
        new Machine(
            spec(SevMode.ES, calls)
                .hostile(
                    Script.builder()
                        .lawful(new Trigger.Fetch(page(CALLEE)))
                        .always()
                        .perform()
                        .lawful(new Trigger.Fetch(page(CALLEE + 4096)))
                        .always()
                        .perform()
                        .build())
                .build());
    m.limit(5_000_000, Long.MAX_VALUE);
    made[0] = m;
    Execution.choose(m, execution);
    assertThat(address(m, "callee")).isEqualTo(CALLEE + 4095);
    assertThat(m.run().status()).as(m.dump()).isEqualTo(1);
    assertThat(gpr(13)).isEqualTo(100);
    assertThat(Objects.requireNonNull(m.hostile()).counts()).containsExactly(100L, 100L);
  }

  /** Whatever a stranger's script says, the machine comes to an end with a name. */
  @Test
  void damagedScriptsDoNotDamageTheMachine() throws Exception {
    Random r = new Random(Long.getLong("hostile.seed", 5));
    int ran = 0;
    while (ran < 150) {
      Script s;
      String text = ScriptSamples.mutated(r);
      try {
        s =
            ScriptParser.parse(
                r.nextBoolean()
                    ? text.replaceAll("when [a-z-]+ [^i]*", "when entry 2 always ")
                    : text.replaceAll("symbol [a-z]+", "symbol callee"));
      } catch (ScriptException e) {
        continue;
      }
      ran++;
      Machine m =
          new Machine(spec(ran % 2 == 0 ? SevMode.ES : SevMode.SNP, CALLS).hostile(s).build());
      m.limit(20_000, Long.MAX_VALUE);
      assertThat(m.run().status()).as(s.toString()).isNotEqualTo(Outcome.DEFECT);
      assertThat(m.hostile()).isNotNull();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, Execution.NATIVE})
  void anEventIsInjectedBehindTheInstructionThatIsNamed(int execution) throws Exception {
    Random r = new Random(7);
    List<Long> counts = r.longs(200, 700, 1190).boxed().sorted().distinct().toList();
    Script.Builder b = Script.builder();
    counts.forEach(
        n ->
            b.lawful(new Trigger.AfterInstruction(n))
                .note("rip", new Value.Register("rip"))
                .perform(VC));
    Machine m = machine(SevMode.ES, b.build());
    Execution.choose(m, execution);
    assertThat(m.run().status()).as(m.dump()).isEqualTo(1);
    assertThat(firings(m).stream().map(Firing::instructions).toList()).isEqualTo(counts);
    assertThat(gpr(15)).isEqualTo(counts.size());
    assertThat(gpr(14)).isEqualTo(100);
    if (execution != 0) {
      Machine other = machine(SevMode.ES, b.build());
      Execution.choose(other, 0);
      other.run();
      assertThat(m.stateHash()).isEqualTo(other.stateHash());
    }
  }
}
