package dev.vesper.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.MemoryStore;
import dev.vesper.machine.Until;
import dev.vesper.machine.device.net.UserNetwork;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Campaigns against a guest that asks the gateway of its network something, and is answered. */
final class NetworkCampaignTest {
  private static Harness harness() throws CampaignException {
    byte[] image = SmallDriver.image("network");
    return new Harness(
        () ->
            MachineSpec.builder(SevMode.ES, image, c -> {})
                .profile("openbsd")
                .memoryBytes(64L << 20)
                .cpuModel("vesper-min,+xsave")
                .network(new UserNetwork())
                .build(),
        Until.symbol("main"),
        null,
        8_000_000,
        SiteFilter.of("virtio", ""),
        null);
  }

  private static Input input(String lie) throws CampaignException {
    return InputReader.read((lie + "\n").getBytes(StandardCharsets.US_ASCII));
  }

  /** What the network has learnt in an execution is forgotten before the next one. */
  @Test
  void anExecutionIsTheSameWhateverTheNetworkHasHeardBefore() throws Exception {
    try (Executor x = new Executor(harness());
        Executor other = new Executor(harness())) {
      Execution first = x.run(Input.HONEST);
      String state = x.stateHash();
      byte[] edges = first.edges().clone();
      assertThat(first.finding()).as(first.end()).isNull();
      Execution lied = x.run(input("out:0x2010@1 used-length=0x7"));
      assertThat(Objects.requireNonNull(lied.finding()).stack()).contains("network_wrong");
      for (int i = 0; i < 2; i++) {
        Execution again = x.run(Input.HONEST);
        assertThat(again.edges()).isEqualTo(edges);
        assertThat(again.instructions()).isEqualTo(first.instructions());
        assertThat(x.stateHash()).isEqualTo(state);
      }
      other.run(Input.HONEST);
      assertThat(other.stateHash()).isEqualTo(state);
    }
  }

  @Test
  void anAnswerOfTheGatewaysIsLiedAbout() throws Exception {
    MemoryStore store = new MemoryStore();
    new Campaign(harness(), store, new Campaign.Options("test", 1, 1, 300, 1e9, false)).run();
    List<String> all = store.names(CampaignStore.Kind.CRASH);
    assertThat(all).hasSize(1);
    FindingFile f =
        FindingFile.read(Objects.requireNonNull(store.entry(CampaignStore.Kind.CRASH, all.get(0))));
    assertThat(f.finding().stack()).contains("network_wrong");
    assertThat(f.input().text()).contains("used-");
  }
}
