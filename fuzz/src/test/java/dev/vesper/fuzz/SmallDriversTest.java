package dev.vesper.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.MemoryStore;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Campaigns from nothing against drivers with mistakes that others have made. */
final class SmallDriversTest {
  private static final long MOST = Long.getLong("small.executions", 12_000);

  /** What a campaign has come to. */
  private record Result(Status status, List<String> findings) {}

  private static Result campaign(SmallDriver d, boolean mended, long executions)
      throws CampaignException {
    MemoryStore store = new MemoryStore();
    Campaign c =
        new Campaign(
            d.harness(mended), store, new Campaign.Options("test", 1, 1, executions, 1e9, false));
    c.run();
    List<String> all = new ArrayList<>();
    for (CampaignStore.Kind k : List.of(CampaignStore.Kind.CRASH, CampaignStore.Kind.HANG)) {
      for (String n : store.names(k)) {
        all.add(new String(store.entry(k, n), StandardCharsets.US_ASCII));
      }
    }
    return new Result(c.status(), all);
  }

  @ParameterizedTest
  @EnumSource
  void aMistakeIsFoundAndItsCheckLeavesNothing(SmallDriver d) throws CampaignException {
    for (boolean mended : new boolean[] {false, true}) {
      long t = System.nanoTime();
      Result r = campaign(d, mended, MOST);
      System.out.println(
          d + " mended=" + mended + " " + (System.nanoTime() - t) / 1e9 + " s " + r.status());
      r.findings().forEach(System.out::println);
    }
    assertThat(d).isNotNull();
  }
}
