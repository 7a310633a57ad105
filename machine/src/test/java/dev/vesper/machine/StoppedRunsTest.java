package dev.vesper.machine;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.guest.Locore;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A run that stops is one that has never stopped. The guest is the reference guest on two vCPUs,
 * which goes through interrupts, MMIO, #VC and AP start.
 */
final class StoppedRunsTest {
  private static final int PASSED = Locore.PASS << 1 | 1;
  private static final long MOST = 50_000_000L;

  private final ByteArrayOutputStream console = new ByteArrayOutputStream();

  private MachineSpec spec(SevMode mode) {
    return MachineSpec.builder(mode, Locore.image(), console::write)
        .memoryBytes(64L << 20)
        .processors(2)
        .cpuModel(mode == SevMode.SNP ? "EPYC-Milan" : "vesper-min,+xsave")
        .build();
  }

  private Machine machine(SevMode mode, int execution) throws Exception {
    Machine m = new Machine(spec(mode));
    Execution.choose(m, execution);
    m.limit(MOST, Long.MAX_VALUE);
    return m;
  }

  /** {@return trace and hash of a run that was driven somehow, without the trace's header} */
  private String[] record(SevMode mode, int execution, Driver driver) throws Exception {
    console.reset();
    Machine m = machine(mode, execution);
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    try (JsonLinesWriter w = new JsonLinesWriter(text)) {
      m.trace(w, true);
      driver.drive(m);
      assertThat(m.run().status()).as(console.toString()).isEqualTo(PASSED);
    }
    return new String[] {
      text.toString(UTF_8), m.stateHash(), m.instructions() + "", console.toString()
    };
  }

  private interface Driver {
    void drive(Machine m) throws IOException;
  }

  @ParameterizedTest
  @CsvSource({"ES, 0", "ES, 2", "OFF, 2", "SEV, 2", "ES, -1", "OFF, -1", "SNP, 2", "SNP, -1"})
  void stopsAndStepsChangeNothing(SevMode mode, int execution) throws Exception {
    String[] whole = record(mode, execution, m -> {});
    long all = Long.parseLong(whole[2]);
    Random random = new Random(11);
    String[] pieces =
        record(
            mode,
            execution,
            m -> {
              for (long at = 0; at < all - 2000; ) {
                at += 1 + random.nextInt(20_000);
                Stop s = m.run(Until.instructions(at));
                if (at < all) {
                  assertThat(s).isEqualTo(new Stop.Limit(Stop.Measure.INSTRUCTIONS));
                  assertThat(m.instructions()).isEqualTo(at);
                }
                m.observer().vcpus().forEach(v -> assertThat(v.registers()).isNotNull());
                if (random.nextInt(8) == 0) {
                  for (int i = 0; i < 5; i++, at = m.instructions()) {
                    m.step(0);
                  }
                }
              }
            });
    same(pieces, whole);
  }

  /**
   * In the middle of a turn memory has a save area of an earlier exit, and which one depends on who
   * has looked since: that is nothing that the guest or its host could ever see.
   */
  @ParameterizedTest
  @EnumSource(SevMode.class)
  void theHashInTheMiddleOfATurnDoesNotDependOnWhoHasLookedBefore(SevMode mode) throws Exception {
    List<String> asked = new ArrayList<>();
    List<String> looked = new ArrayList<>();
    try (Machine m = machine(mode, 2)) {
      m.on(Event.ConsoleLine.class, e -> looked.add(m.stateHash()));
      while (asked.size() < 12) {
        m.run(Until.instructions(m.instructions() + 60));
        if (!looked.isEmpty()) {
          asked.add(m.instructions() + " " + m.stateHash());
          looked.clear();
        }
      }
    }
    try (Machine m = machine(mode, 2)) {
      for (String a : asked) {
        m.run(Until.instructions(Long.parseLong(a.substring(0, a.indexOf(' ')))));
        assertThat(m.instructions() + " " + m.stateHash()).isEqualTo(a);
      }
    }
  }

  /** {@code Machine.end}: from a callback, from another thread, and before there is a run. */
  @Test
  void aRunThatIsEndedHasThatOutcomeAndItsTraceThatEnd() throws Exception {
    Outcome as = new Outcome(143, "SIGTERM has ended the run");
    List<Event> events = new ArrayList<>();
    try (Machine m = machine(SevMode.ES, 2)) {
      m.trace(events::add, true);
      m.on(Event.VcReturned.class, v -> m.end(as));
      assertThat(m.run()).isSameAs(as);
      assertThat(events.getLast()).isInstanceOf(Event.Ended.class);
      assertThat(((Event.Ended) events.getLast()).status()).isEqualTo(143);
      assertThat(events.stream().filter(Event.VcReturned.class::isInstance)).hasSize(1);
      // It is over: whoever calls later comes too late.
      m.end(new Outcome(1, "late"));
      long before = m.instructions();
      assertThat(m.run()).isSameAs(as);
      assertThat(m.instructions()).isEqualTo(before);
    }
    try (Machine m = machine(SevMode.OFF, 2)) {
      m.end(as);
      assertThat(m.run(Until.end())).isEqualTo(new Stop.Ended(as));
      assertThat(m.instructions()).isZero();
    }
    try (Machine m = machine(SevMode.SEV, 0)) {
      Thread t = new Thread(() -> m.end(as));
      m.on(
          Event.ConsoleLine.class,
          e -> {
            if (t.getState() == Thread.State.NEW) {
              t.start();
            }
          });
      Outcome o = m.run();
      t.join();
      // The guest may have been quicker.
      assertThat(o.status()).isIn(143, PASSED);
    }
  }

  /** A guest that ends by itself is not ended otherwise. */
  @Test
  void theGuestsOwnEndComesFirst() throws Exception {
    try (Machine m = machine(SevMode.OFF, 2)) {
      assertThat(m.run().status()).isEqualTo(PASSED);
      m.end(new Outcome(143, "late"));
      assertThat(m.run().status()).isEqualTo(PASSED);
    }
  }

  /** A failure shows the first line that differs, not two whole traces. */
  private static void same(String[] actual, String[] expected) {
    List<String> a = actual[0].lines().toList();
    List<String> e = expected[0].lines().toList();
    for (int i = 0; i < Math.min(a.size(), e.size()); i++) {
      assertThat(a.get(i)).as("line %d of the trace", i).isEqualTo(e.get(i));
    }
    assertThat(a.size()).isEqualTo(e.size());
    assertThat(actual[1]).as("state hash").isEqualTo(expected[1]);
    assertThat(actual[2]).as("instructions").isEqualTo(expected[2]);
    assertThat(actual[3]).as("console").isEqualTo(expected[3]);
  }

  @Test
  void breakpointsAndWatchpointsChangeNothing() throws Exception {
    for (int execution : Execution.andNative(0, 2)) {
      String[] whole = record(SevMode.ES, execution, m -> {});
      int[] stops = new int[2];
      String[] stopped =
          record(
              SevMode.ES,
              execution,
              m -> {
                m.breakpoint(m.symbols().running("ghcb_vmgexit"));
                long stack = m.symbols().running("tmpstk");
                m.watchpoint(stack - 4096, 4096, Access.READ_OR_WRITE);
                for (Stop s = m.run(Until.end());
                    !(s instanceof Stop.Ended);
                    s = m.run(Until.end())) {
                  stops[s instanceof Stop.Breakpoint ? 0 : 1]++;
                }
              });
      assertThat(stops[0]).isGreaterThan(50);
      assertThat(stops[1]).isGreaterThan(50);
      same(stopped, whole);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, Execution.NATIVE})
  void aBreakpointIsMetEachTimeAndNowhereElse(int execution) throws Exception {
    Machine stepped = machine(SevMode.ES, 0);
    long address = stepped.symbols().running("ghcb_vmgexit");
    List<Long> expected = new ArrayList<>();
    // One instruction of vCPU 0 at a time.
    stepped.run(Until.address(address));
    while (expected.size() < 40) {
      if (stepped.observer().vcpu(0).rip() == address) {
        expected.add(stepped.instructions());
      }
      stepped.step(0);
    }
    assertThat(expected).hasSizeGreaterThan(10);
    Machine m = machine(SevMode.ES, execution);
    List<Long> met = new ArrayList<>();
    while (met.size() < expected.size()) {
      Stop s = m.run(Until.address(address));
      assertThat(s).isInstanceOf(Stop.Breakpoint.class);
      assertThat(s.description()).contains("ghcb_vmgexit");
      assertThat(m.observer().current().rip()).isEqualTo(address);
      met.add(m.instructions());
    }
    assertThat(met).isEqualTo(expected);
  }

  @Test
  void aWatchpointStopsBehindTheInstructionThatAccesses() throws Exception {
    for (int execution : Execution.andNative(0, 1)) {
      Machine m = machine(SevMode.ES, execution);
      long variable = m.symbols().running("ghcb_masks");
      try (Registration w = m.watchpoint(variable, 8, Access.READ)) {
        Stop s = m.run(Until.end());
        assertThat(s).isInstanceOf(Stop.Watchpoint.class);
        Stop.Watchpoint hit = (Stop.Watchpoint) s;
        assertThat(hit.address()).isBetween(variable - 7, variable + 7);
        assertThat(hit.write()).isFalse();
        assertThat(m.observer().current().rip()).isNotEqualTo(hit.rip());
      }
      Stop s = m.run(Until.end());
      assertThat(s).isEqualTo(new Stop.Ended(Outcome.guestExit(Locore.PASS)));
    }
  }

  @Test
  void aStopMayBeAskedForByEventsConsoleAndVirtualTime() throws Exception {
    String[] at = new String[2];
    for (int translate = 0; translate < 2; translate++) {
      console.reset();
      Machine m = machine(SevMode.ES, translate);
      Stop vc = m.run(Until.event(Event.VcRaised.class, v -> v.exit() == ExitCode.CPUID));
      assertThat(vc).isInstanceOf(Stop.Happened.class);
      String where = m.instructions() + " ";
      assertThat(m.run(Until.event(Event.GhcbExchange.class)).description())
          .contains("GhcbExchange");
      where += m.instructions() + " ";
      Stop line = m.run(Until.console("self-test"));
      assertThat(line).isInstanceOf(Stop.Printed.class);
      assertThat(console.toString()).endsWith("self-test");
      where += m.instructions() + " ";
      long now = m.virtualTime();
      Stop time = m.run(Until.virtualTime(Duration.ofNanos(now + 777)));
      assertThat(time).isEqualTo(new Stop.Limit(Stop.Measure.VIRTUAL_TIME));
      where += m.instructions() + " " + m.virtualTime();
      at[translate] = where;
      assertThat(m.run().status()).isEqualTo(PASSED);
    }
    assertThat(at[0]).isEqualTo(at[1]);
  }

  @Test
  void anotherThreadStopsARunThatGoesOnLater() throws Exception {
    byte[] endless = KernelGuest.image("again:\njmp again");
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.OFF, endless, b -> {}).memoryBytes(16L << 20).build());
    m.stop();
    assertThat(m.run(Until.end())).isEqualTo(new Stop.Requested());
    Thread t =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (m.virtualTime() < 1_000_000) {
                    Thread.onSpinWait();
                  }
                  m.stop();
                });
    assertThat(m.run(Until.end())).isEqualTo(new Stop.Requested());
    t.join();
    long n = m.instructions();
    assertThat(m.run(Until.instructions(n + 10)))
        .isEqualTo(new Stop.Limit(Stop.Measure.INSTRUCTIONS));
    assertThat(m.instructions()).isEqualTo(n + 10);
    assertThat(m.run(Until.end().within(Duration.ofMillis(50))))
        .isEqualTo(new Stop.Limit(Stop.Measure.REAL_TIME));
  }

  /** Wherever the stop comes, which is before a breakpoint every second time. */
  @Test
  void aStopFromOutsideLosesNoBreakpoint() throws Exception {
    byte[] endless = KernelGuest.image("again:\ninc eax\njmp again");
    try (Machine m =
        new Machine(
            MachineSpec.builder(SevMode.OFF, endless, b -> {}).memoryBytes(16L << 20).build())) {
      m.run(Until.instructions(m.instructions() + 1_000_000));
      long first = m.observer().vcpu(0).rip();
      for (int i = 0; i < 20; i++) {
        long began = m.instructions();
        Thread stopper = Thread.ofPlatform().start(m::stop);
        Stop s = m.run(Until.end());
        stopper.join();
        assertThat(s).isEqualTo(new Stop.Requested());
        long at = m.observer().vcpu(0).rip();
        long before = m.instructions();
        try (Registration b = m.breakpoint(at)) {
          assertThat(m.run(Until.end())).isInstanceOf(Stop.Breakpoint.class);
          assertThat(m.instructions()).isEqualTo(before > began ? before : before + 2);
          assertThat(at).isBetween(first - 8, first + 8);
        }
      }
    }
  }

  @Test
  void aPointIsTakenBackOnceThoughAnotherIsEqual() throws Exception {
    Machine m = machine(SevMode.ES, 0);
    long there = m.symbols().running("ghcb_vmgexit");
    try (Registration first = m.breakpoint(there)) {
      m.breakpoint(there);
      first.close();
      first.close();
    }
    assertThat(m.run(Until.end())).isInstanceOf(Stop.Breakpoint.class);
  }

  @Test
  void aLimitThatIsRaisedLetsARunGoOn() throws Exception {
    Machine m = machine(SevMode.ES, 1);
    m.limit(10, Long.MAX_VALUE);
    assertThat(m.run().reason()).isEqualTo("instruction limit of 10 reached");
    assertThat(m.instructions()).isEqualTo(10);
    m.limit(20, Long.MAX_VALUE);
    assertThat(m.run().reason()).isEqualTo("instruction limit of 20 reached");
    assertThat(m.instructions()).isEqualTo(20);
    m.limit(MOST, Long.MAX_VALUE);
    assertThat(m.run().status()).isEqualTo(PASSED);
    assertThat(m.run().status()).as("again").isEqualTo(PASSED);
  }

  @Test
  void whatIsNotThereIsRefusedInWords() throws Exception {
    Machine m = machine(SevMode.ES, 1);
    m.run(Until.instructions(100_000));
    assertThatThrownBy(() -> m.observer().vcpu(2)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> m.observer().readPrivate(1L << 40, 16))
        .isInstanceOf(IndexOutOfBoundsException.class)
        .hasMessageContaining("do not lie in memory");
    assertThatThrownBy(() -> m.observer().readPrivate(-1, 16))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> m.observer().vcpu(0).gpr(16))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> m.observer().vcpu(0).read(0x7777_0000_0000L, 8))
        .hasMessageContaining("is not mapped at vCPU 0");
    assertThatThrownBy(() -> m.watchpoint(0, 0, Access.READ))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> m.translateAfter(-5)).isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, Execution.NATIVE})
  void aCallbackSeesTheRegistersOfItsEventAndChangesNothing(int execution) throws Exception {
    String[] whole = record(SevMode.ES, execution, m -> {});
    int[] seen = new int[2];
    String[] looked =
        record(
            SevMode.ES,
            execution,
            m -> {
              m.on(
                  Event.VcRaised.class,
                  v -> {
                    VcpuView cpu = m.observer().vcpu(v.at().vcpu());
                    assertThat(cpu.registers()).isEqualTo(v.registers());
                    assertThat(cpu.rip()).isEqualTo(v.at().rip());
                    seen[0]++;
                  });
              m.on(
                  Event.PageStateChanged.class,
                  p -> {
                    VcpuView cpu = m.observer().vcpu(p.at().vcpu());
                    assertThat(cpu.rip()).isEqualTo(p.at().rip());
                    assertThat(cpu.instructions()).isEqualTo(p.at().instructions());
                    assertThat(cpu.instruction()).isEqualTo(p.at().instruction());
                    seen[1]++;
                  });
            });
    assertThat(seen[0]).isGreaterThan(1000);
    assertThat(seen[1]).isPositive();
    same(looked, whole);
  }

  /** A trace that breaks off says why: it is what its reader has of the failure. */
  @Test
  void aTraceEndsThoughTheMachineFails() throws Exception {
    Machine m = machine(SevMode.ES, 1);
    List<Event> events = new ArrayList<>();
    m.trace(events::add, false);
    m.on(
        Event.PageStateChanged.class,
        p -> {
          throw new IndexOutOfBoundsException("on purpose");
        });
    assertThatThrownBy(m::run).isInstanceOf(IndexOutOfBoundsException.class);
    assertThat(events.getLast())
        .isInstanceOfSatisfying(
            Event.Ended.class,
            e -> {
              assertThat(e.status()).isEqualTo(Outcome.DEFECT);
              assertThat(e.reason()).contains("IndexOutOfBoundsException: on purpose");
            });
    assertThatThrownBy(m::run).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void aDebuggerMayChangeRegisters() throws Exception {
    for (SevMode mode : SevMode.values()) {
      Machine m = machine(mode, 1);
      m.run(Until.instructions(5000));
      VcpuView v = m.observer().vcpu(0);
      long rip = v.rip();
      v.setGpr(VcpuView.RSI, 0x1234_5678_9ABCL);
      v.setRflags(0x8D5);
      assertThat(v.gpr(VcpuView.RSI)).isEqualTo(0x1234_5678_9ABCL);
      assertThat(v.rflags() & 0x8D5).isEqualTo(0x8D5);
      assertThat(v.rip()).isEqualTo(rip);
    }
  }

  /** Whoever begins late hears of what comes, and the run stays what it is. */
  @Test
  void eventsAreHeardFromTheMiddleOfARun() throws Exception {
    Machine whole = machine(SevMode.ES, 2);
    List<Event> all = new ArrayList<>();
    whole.on(Event.GhcbExchange.class, all::add);
    whole.run();
    Machine late = machine(SevMode.ES, 2);
    late.run(Until.instructions(all.get(10).at().instructions()));
    List<Event> heard = new ArrayList<>();
    Registration r = late.on(Event.GhcbExchange.class, heard::add);
    late.run(Until.event(Event.GhcbExchange.class));
    assertThat(heard).hasSize(1);
    r.close();
    late.run();
    assertThat(heard).hasSize(1);
    assertThat(late.stateHash()).isEqualTo(whole.stateHash());
  }

  @Test
  void aTracedRunKnowsWhichCodeItHasComeTo() throws Exception {
    Machine m = machine(SevMode.ES, 2);
    assertThatThrownBy(() -> m.reached("ghcb_vmgexit"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("traced run");
    m.trace(e -> {}, false);
    m.run(Until.symbol("ghcb_vmgexit"));
    assertThat(m.reached("start")).isTrue();
    assertThat(m.reached("ghcb_vmgexit")).as("it stands there").isTrue();
    assertThat(m.reached("ap_main")).isFalse();
    m.run();
    assertThat(m.reached("ap_main")).isTrue();
    assertThat(m.reached("no_such_name")).isFalse();
  }
}
