package dev.vesper.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.MemoryStore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.hostile.ScriptParser;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Campaigns against a guest with a planted fault. */
final class CampaignTest {
  /** The fault takes three answers that no honest host gives. */
  private static final long ENOUGH = 2_500;

  private static Campaign.Options options(long executions) {
    return new Campaign.Options("test", 1, 1, executions, 1e9, false);
  }

  private static List<String> contents(MemoryStore s) {
    List<String> all = new ArrayList<>();
    for (CampaignStore.Kind k : CampaignStore.Kind.values()) {
      for (String n : s.names(k)) {
        all.add(k + " " + n + "\n" + new String(s.entry(k, n), StandardCharsets.US_ASCII));
      }
    }
    return all;
  }

  @Test
  void aPlantedFaultIsFoundFromNothingAndItsScriptDoesTheSame() throws Exception {
    MemoryStore store = new MemoryStore();
    Campaign c = new Campaign(PlantedGuest.harness(), store, options(ENOUGH));
    c.run();
    assertThat(store.names(CampaignStore.Kind.CRASH)).as("%s", c.status()).hasSize(1);
    String name = store.names(CampaignStore.Kind.CRASH).get(0);
    byte[] bytes = Objects.requireNonNull(store.entry(CampaignStore.Kind.CRASH, name));
    FindingFile f = FindingFile.read(bytes);
    assertThat(f.finding().kind()).isEqualTo(Finding.Kind.TRIPLE_FAULT);
    assertThat(f.finding().stack().get(0)).isEqualTo("planted_fault");
    // A count of six, a number of 255 and a flag are what it takes.
    assertThat(f.input().size()).isEqualTo(3);
    assertThat(f.input().text())
        .contains("cpuid:0x40000001@1 rbx=0x60")
        .containsPattern("msr:0x1b@(1|\\*) rax=0xff0000")
        .contains("port:0x61@1 rax=0x80");
    MachineSpec spec =
        PlantedGuest.spec().toBuilder()
            .hostile(ScriptParser.parse(new String(bytes, StandardCharsets.US_ASCII)))
            .build();
    try (Machine m = new Machine(spec)) {
      assertThat(m.run().is(Outcome.SHUTDOWN)).isTrue();
      assertThat(Objects.requireNonNull(m.hostile()).fulfilled()).isTrue();
    }
  }

  @Test
  void theSameSeedIsTheSameCampaign() throws Exception {
    MemoryStore one = new MemoryStore();
    MemoryStore two = new MemoryStore();
    new Campaign(PlantedGuest.harness(), one, options(200)).run();
    new Campaign(PlantedGuest.harness(), two, options(200)).run();
    assertThat(one.names(CampaignStore.Kind.QUEUE)).isNotEmpty();
    assertThat(contents(one)).isEqualTo(contents(two));
  }

  @Test
  void anInputIsExecutedTheSameWhateverWasExecutedBefore() throws Exception {
    try (Executor x = new Executor(PlantedGuest.harness())) {
      Execution first = x.run(Input.HONEST);
      String state = x.stateHash();
      byte[] edges = first.edges().clone();
      Input lie =
          InputReader.read("cpuid:0x40000001@1 rbx=0x60\n".getBytes(StandardCharsets.US_ASCII));
      byte[] other = x.run(lie).edges().clone();
      assertThat(other).isNotEqualTo(edges);
      Execution again = x.run(Input.HONEST);
      assertThat(again.edges()).isEqualTo(edges);
      assertThat(again.instructions()).isEqualTo(first.instructions());
      assertThat(x.stateHash()).isEqualTo(state);
    }
  }

  @Test
  void executionsBeginAtTheSamePlaceForWhoeverIsToldWhereThatIs() throws Exception {
    Harness h = PlantedGuest.harness();
    try (Executor found = new Executor(h);
        Executor told = new Executor(h, found.begins())) {
      assertThat(told.begins()).isEqualTo(found.begins());
      assertThat(told.stack()).isEqualTo(found.stack()).startsWith("main");
      byte[] edges = found.run(Input.HONEST).edges().clone();
      assertThat(told.run(Input.HONEST).edges()).isEqualTo(edges);
      assertThat(told.stateHash()).isEqualTo(found.stateHash());
    }
  }
}
