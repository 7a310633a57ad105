package dev.vesper.machine;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.Locore;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A machine that goes back is at each place what a machine is there that has only gone on. The
 * guest is the reference guest on two vCPUs.
 */
final class TimelineTest {
  private static final int PASSED = Locore.PASS << 1 | 1;
  private static final long MEMORY = 64L << 20;

  private final ByteArrayOutputStream console = new ByteArrayOutputStream();

  private Machine machine(SevMode mode, int execution) throws Exception {
    Machine m =
        new Machine(
            MachineSpec.builder(mode, Locore.image(), console::write)
                .memoryBytes(MEMORY)
                .processors(2)
                .cpuModel(mode == SevMode.SNP ? "EPYC-Milan" : "vesper-min,+xsave")
                .build());
    Execution.choose(m, execution);
    return m;
  }

  /** {@return what vCPUs have, and how far they are} */
  private static String registers(Machine m) {
    StringBuilder b = new StringBuilder();
    for (VcpuView v : m.observer().vcpus()) {
      b.append(v.registers()).append(v.instructions()).append('\n');
    }
    return b.append(m.instructions()).append(' ').append(m.virtualTime()).toString();
  }

  /**
   * {@return what a machine comes to in the middle of a turn} A save area then holds what of it
   * somebody has looked at, and is no part of this: SNP's lie in the guest's memory.
   */
  private static String state(Machine m, SevMode mode) {
    int memory =
        mode == SevMode.SNP ? 0 : Arrays.hashCode(m.observer().readPrivate(0, (int) MEMORY));
    return memory + " " + registers(m);
  }

  /** {@return states of a run that only goes on, by places, of which the last is its end} */
  private TreeMap<Long, String> plain(SevMode mode, long seed, int places) throws Exception {
    long all;
    try (Machine m = machine(mode, 2)) {
      assertThat(m.run().status()).isEqualTo(PASSED);
      all = m.instructions();
    }
    TreeMap<Long, String> hashes = new TreeMap<>();
    Random random = new Random(seed);
    for (int i = 0; i < places; i++) {
      hashes.put(1 + (long) (random.nextDouble() * (all - 1)), "");
    }
    try (Machine m = machine(mode, 2);
        Timeline t = new Timeline(m)) {
      hashes.replaceAll(
          (place, none) -> {
            t.run(Until.instructions(place));
            return state(m, mode);
          });
      assertThat(t.run(Until.end())).isEqualTo(new Stop.Ended(Outcome.guestExit(Locore.PASS)));
      hashes.put(all, m.stateHash());
    }
    return hashes;
  }

  @ParameterizedTest
  @CsvSource({"OFF, 0", "ES, 2", "ES, -1", "SNP, -1", "SNP, 0"})
  void eachPlaceIsWhatItIsWithoutGoingBack(SevMode mode, int execution) throws Exception {
    TreeMap<Long, String> hashes = plain(mode, 5, 12);
    List<Long> places = new ArrayList<>(hashes.keySet());
    try (Machine m = machine(mode, execution);
        Timeline t = new Timeline(m)) {
      assertThat(t.run(Until.end())).isInstanceOf(Stop.Ended.class);
      assertThat(m.stateHash()).isEqualTo(hashes.lastEntry().getValue());
      String said = console.toString();
      Collections.shuffle(places, new Random(6));
      for (long place : places) {
        Stop s = t.seek(place);
        assertThat(t.now()).isEqualTo(place);
        if (place < t.end()) {
          assertThat(s).isNull();
        }
        String here = place == t.end() ? m.stateHash() : state(m, mode);
        assertThat(here.equals(hashes.get(place))).as("at %d", place).isTrue();
      }
      t.seek(t.begin());
      assertThat(t.now()).isZero();
      assertThat(t.run(Until.end())).isEqualTo(new Stop.Ended(Outcome.guestExit(Locore.PASS)));
      assertThat(m.stateHash()).isEqualTo(hashes.lastEntry().getValue());
      assertThat(console.toString()).isEqualTo(said);
    }
  }

  @ParameterizedTest
  @CsvSource({"OFF, 2", "ES, -1", "SNP, 0"})
  void aStepBackAndAStepOnAreNone(SevMode mode, int execution) throws Exception {
    try (Machine m = machine(mode, execution);
        Timeline t = new Timeline(m)) {
      t.run(Until.end());
      long all = t.end();
      Random random = new Random(7);
      for (int i = 0; i < 40; i++) {
        long place = 20 + (long) (random.nextDouble() * (all - 20));
        assertThat(t.seek(place)).isNull();
        String here = registers(m);
        String hash = i % 10 == 0 ? state(m, mode) : "";
        int back = 0;
        int vcpu = m.observer().current().id();
        for (int k = 0; k < 10; k++) {
          long before = m.observer().vcpu(vcpu).instructions();
          Stop s = t.stepBack(vcpu);
          assertThat(s).isEqualTo(new Stop.Stepped(vcpu));
          assertThat(m.observer().vcpu(vcpu).instructions()).isEqualTo(before - 1);
          back++;
        }
        for (; back > 0; back--) {
          assertThat(t.step(vcpu)).isEqualTo(new Stop.Stepped(vcpu));
        }
        // Others may have gone on behind it, up to where the next instruction is this one's.
        assertThat(t.now()).isLessThanOrEqualTo(place);
        assertThat(t.seek(place)).isNull();
        assertThat(registers(m)).isEqualTo(here);
        if (!hash.isEmpty()) {
          assertThat(state(m, mode)).isEqualTo(hash);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, Execution.NATIVE})
  void breakpointsAreMetBackwardsInTheOtherOrder(int execution) throws Exception {
    try (Machine m = machine(SevMode.ES, execution);
        Timeline t = new Timeline(m)) {
      List<Long> met = new ArrayList<>();
      Registration b = m.breakpoint(m.symbols().running("ghcb_vmgexit"));
      Stop s = t.run(Until.end());
      for (; s instanceof Stop.Breakpoint && met.size() < 60; s = t.run(Until.end())) {
        met.add(t.now());
      }
      assertThat(met).hasSize(60);
      for (int i = met.size() - 1; i >= 0; i--) {
        if (s instanceof Stop.Ended || t.now() > met.get(i)) {
          s = t.back(Until.end());
          assertThat(s).isInstanceOf(Stop.Breakpoint.class);
        }
        while (t.now() > met.get(i) && i == met.size() - 1) {
          s = t.back(Until.end());
        }
        assertThat(t.now()).as("breakpoint %d", i).isEqualTo(met.get(i));
        assertThat(m.observer().current().rip()).isEqualTo(m.symbols().running("ghcb_vmgexit"));
      }
      assertThat(t.back(Until.end())).isEqualTo(new Stop.Limit(Stop.Measure.INSTRUCTIONS));
      assertThat(t.now()).isEqualTo(t.begin());
      assertThat(t.back(Until.end())).isEqualTo(new Stop.Limit(Stop.Measure.INSTRUCTIONS));
      assertThat(t.stepBack(0)).isEqualTo(new Stop.Limit(Stop.Measure.INSTRUCTIONS));
      // Forwards they are met again, each once.
      for (long place : met) {
        assertThat(t.run(Until.end())).isInstanceOf(Stop.Breakpoint.class);
        assertThat(t.now()).isEqualTo(place);
      }
      // With a condition.
      long wanted = met.get(20);
      assertThat(t.back(Until.end(), x -> m.instructions() == wanted))
          .isInstanceOf(Stop.Breakpoint.class);
      assertThat(t.now()).isEqualTo(wanted);
      b.close();
      assertThat(t.run(Until.end())).isInstanceOf(Stop.Ended.class);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, Execution.NATIVE})
  void aWatchpointIsMetBackwardsBeforeTheAccess(int execution) throws Exception {
    try (Machine m = machine(SevMode.ES, execution);
        Timeline t = new Timeline(m)) {
      long stack = m.symbols().running("tmpstk");
      List<Long> met = new ArrayList<>();
      List<Stop> stops = new ArrayList<>();
      t.run(Until.instructions(1_000));
      Registration w = m.watchpoint(stack - 4096, 4096, Access.WRITE);
      for (int i = 0; i < 40; i++) {
        Stop s = t.run(Until.end());
        assertThat(s).isInstanceOf(Stop.Watchpoint.class);
        met.add(t.now());
        stops.add(s);
      }
      t.run(Until.instructions(t.now() + 1));
      for (int i = met.size() - 1; i >= 0; i--) {
        Stop s = t.back(Until.end());
        assertThat(s).as("access %d", i).isEqualTo(stops.get(i));
        assertThat(t.now()).as("access %d", i).isEqualTo(met.get(i) - 1);
        assertThat(m.observer().current().rip()).isEqualTo(((Stop.Watchpoint) s).rip());
      }
      w.close();
    }
  }

  @Test
  void eventsAreMetBackwards() throws Exception {
    try (Machine m = machine(SevMode.ES, 2);
        Timeline t = new Timeline(m)) {
      List<Long> met = new ArrayList<>();
      Until vc = Until.event(Event.VcRaised.class);
      for (int i = 0; i < 30; i++) {
        assertThat(t.run(vc)).isInstanceOf(Stop.Happened.class);
        met.add(t.now());
      }
      t.run(Until.instructions(t.now() + 1));
      for (int i = met.size() - 1; i >= 0; i--) {
        assertThat(t.back(vc)).isInstanceOf(Stop.Happened.class);
        assertThat(t.now()).as("event %d", i).isEqualTo(met.get(i));
      }
      assertThat(t.back(vc)).isInstanceOf(Stop.Limit.class);
    }
  }

  /** {@return trace, events of a listener, console and hash} */
  private List<String> told(SevMode mode, boolean back) throws Exception {
    console.reset();
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    int[] heard = new int[1];
    try (Machine m = machine(mode, 2);
        JsonLinesWriter w = new JsonLinesWriter(text)) {
      m.trace(w, true);
      m.on(Event.VcRaised.class, v -> heard[0]++);
      if (back) {
        try (Timeline t = new Timeline(m)) {
          t.run(Until.instructions(20_000));
          t.seek(0);
          t.run(Until.instructions(40_000));
          t.seek(15_000);
          t.run(Until.end());
          t.seek(t.end() / 3);
          t.seek(0);
          t.run(Until.end());
        }
      }
      assertThat(m.run().status()).isEqualTo(PASSED);
      return List.of(text.toString(UTF_8), heard[0] + "", console.toString(), m.stateHash());
    }
  }

  @ParameterizedTest
  @CsvSource({"OFF", "ES", "SNP"})
  void everythingIsSaidOnce(SevMode mode) throws Exception {
    List<String> once = told(mode, false);
    List<String> again = told(mode, true);
    List<String> a = once.get(0).lines().toList();
    List<String> b = again.get(0).lines().toList();
    for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
      assertThat(b.get(i)).as("line %d of the trace", i).isEqualTo(a.get(i));
    }
    assertThat(b).hasSameSizeAs(a);
    assertThat(again.subList(1, 4)).isEqualTo(once.subList(1, 4));
  }

  /** Who listens only later hears what comes then, once. */
  @Test
  void whoListensLateHearsNothingTwice() throws Exception {
    List<Long> heard = new ArrayList<>();
    try (Machine m = machine(SevMode.ES, 2);
        Timeline t = new Timeline(m)) {
      t.run(Until.instructions(500_000));
      m.on(Event.VcRaised.class, v -> heard.add(v.at().instructions()));
      t.run(Until.instructions(900_000));
      int before = heard.size();
      assertThat(before).isPositive();
      t.seek(0);
      t.run(Until.instructions(900_000));
      assertThat(heard.size()).isEqualTo(before);
      t.run(Until.end());
      assertThat(heard.stream().distinct().count()).isEqualTo(heard.size());
      List<Long> after = new ArrayList<>(heard.subList(before, heard.size()));
      heard.clear();
      try (Machine other = machine(SevMode.ES, 2)) {
        other.run(Until.instructions(900_000));
        other.on(Event.VcRaised.class, v -> heard.add(v.at().instructions()));
        other.run();
      }
      assertThat(after.equals(heard)).isTrue();
    }
  }

  /** A run that begins at a breakpoint and behind the last checkpoint's interval passes it. */
  @Test
  void aRunPassesTheBreakpointItBeginsAtHoweverFarTheLastCheckpointIs() throws Exception {
    byte[] endless = KernelGuest.image("again:\ninc eax\njmp again");
    try (Machine m =
            new Machine(
                MachineSpec.builder(SevMode.OFF, endless, b -> {}).memoryBytes(16L << 20).build());
        Timeline t = new Timeline(m)) {
      t.run(Until.instructions(65_000_000));
      t.seek(1_000_000);
      t.seek(60_000_000);
      long at = m.observer().vcpu(0).rip();
      m.breakpoint(at);
      assertThat(t.run(Until.end())).isInstanceOf(Stop.Breakpoint.class);
      assertThat(t.now()).isEqualTo(60_000_002);
    }
  }

  @Test
  void aStopFromOutsideLeavesItAtAPlace() throws Exception {
    byte[] endless = KernelGuest.image("again:\ninc eax\njmp again");
    try (Machine m =
            new Machine(
                MachineSpec.builder(SevMode.OFF, endless, b -> {}).memoryBytes(16L << 20).build());
        Timeline t = new Timeline(m)) {
      t.run(Until.instructions(300_000_000));
      m.breakpoint(0x1234_5678);
      Thread stopper =
          Thread.ofPlatform()
              .start(
                  () -> {
                    while (m.instructions() >= 300_000_000) {
                      Thread.onSpinWait();
                    }
                    m.stop();
                  });
      assertThat(t.back(Until.end())).isEqualTo(new Stop.Requested());
      stopper.join();
      long place = t.now();
      assertThat(t.seek(place)).as("behind what comes before the next instruction").isNull();
      String hash = registers(m);
      assertThat(place).isLessThan(300_000_000);
      t.seek(300_000_000);
      t.seek(place);
      assertThat(registers(m)).isEqualTo(hash);
    }
  }

  /** What was typed once is typed at the same instructions, however often the guest goes back. */
  @ParameterizedTest
  @ValueSource(ints = {0, Execution.NATIVE})
  void whatWasTypedIsGivenAgain(int execution) throws Exception {
    String echoes =
        """
            mov dx, 0x3fd
        again:
            in al, dx
            test al, 1
            jz again
            mov dx, 0x3f8
            in al, dx
            out dx, al
            mov dx, 0x3fd
            add ebx, eax
            jmp again
        """;
    String typed = "reverse";
    int[] next = new int[1];
    ConsoleInput person =
        new ConsoleInput() {
          @Override
          public int poll() {
            return next[0] < typed.length() ? typed.charAt(next[0]++) : -1;
          }

          @Override
          public boolean closed() {
            return false;
          }

          @Override
          public void await(long nanos) {}
        };
    MachineSpec.Builder spec =
        MachineSpec.builder(SevMode.OFF, KernelGuest.image(echoes), b -> {})
            .console(console)
            .input(person)
            .memoryBytes(16L << 20);
    try (Machine lost = new Machine(spec.build())) {
      assertThatThrownBy(() -> new Timeline(lost)).isInstanceOf(IllegalStateException.class);
    }
    try (Machine m = new Machine(spec.inputs(InputLog.kept()).build())) {
      Execution.choose(m, execution);
      try (Timeline t = new Timeline(m)) {
        t.run(Until.console(typed));
        t.run(Until.instructions(t.now() + 1000));
        long place = t.now();
        String here = registers(m);
        for (long back = place - 10; back > 0; back -= place / 9) {
          t.seek(back);
          t.seek(place);
          assertThat(registers(m)).isEqualTo(here);
        }
        t.seek(0);
        assertThat(t.run(Until.console(typed))).isInstanceOf(Stop.Printed.class);
        t.run(Until.instructions(place));
        assertThat(registers(m)).isEqualTo(here);
        assertThat(console.toString()).isEqualTo(typed);
        assertThat(next[0]).isEqualTo(typed.length());
      }
    }
  }

  @Test
  void whatIsOutsideOfThePastIsRefused() throws Exception {
    try (Machine m = machine(SevMode.ES, 2);
        Timeline t = new Timeline(m)) {
      t.run(Until.instructions(100_000));
      assertThatThrownBy(() -> t.seek(100_001))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("known are instructions 0 to 100000, not 100001");
      assertThatThrownBy(() -> t.seek(-1)).isInstanceOf(IllegalArgumentException.class);
      t.seek(50_000);
      m.observer().vcpu(0).setGpr(3, 77);
      t.changed();
      assertThat(t.begin()).isEqualTo(50_000);
      assertThat(t.end()).isEqualTo(50_000);
      t.run(Until.instructions(50_200));
      String on = registers(m);
      assertThat(t.back(Until.end())).isInstanceOf(Stop.Limit.class);
      assertThat(t.now()).isEqualTo(50_000);
      assertThat(m.observer().vcpu(0).gpr(3)).isEqualTo(77);
      t.seek(50_200);
      assertThat(registers(m)).isEqualTo(on);
    }
  }
}
