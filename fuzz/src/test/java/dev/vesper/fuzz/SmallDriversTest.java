package dev.vesper.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.hostile.ScriptParser;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Campaigns from nothing against drivers with mistakes that others have made. {@code -Dlong=true}
 * gives the mended ones twenty times as many executions.
 */
final class SmallDriversTest {
  private static final boolean LONG = Boolean.getBoolean("long");
  private static final int MORE = LONG ? 20 : 1;

  /** What is enough for each. */
  private static final long MOST = 6_000;

  /**
   * What a campaign has come to.
   *
   * @param executions at which it has found something, or has ended
   */
  private record Result(long executions, List<String> findings) {}

  private static Result campaign(SmallDriver d, boolean mended, long executions)
      throws CampaignException {
    UntilFound store = new UntilFound();
    Campaign c =
        new Campaign(
            d.harness(mended), store, new Campaign.Options("test", 1, 1, executions, 1e9, false));
    store.then(c::stop);
    c.run();
    List<String> all = new ArrayList<>();
    for (CampaignStore.Kind k : List.of(CampaignStore.Kind.CRASH, CampaignStore.Kind.HANG)) {
      for (String n : store.names(k)) {
        byte[] b = Objects.requireNonNull(store.entry(k, n));
        all.add(new String(b, StandardCharsets.US_ASCII));
      }
    }
    return new Result(c.status().executions(), all);
  }

  @ParameterizedTest
  @EnumSource
  void aMistakeIsFoundAndBehindItsCheckThereIsNone(SmallDriver d) throws Exception {
    Result broken = campaign(d, false, MOST);
    assertThat(broken.findings()).as("%s executions", broken.executions()).hasSize(1);
    String file = broken.findings().get(0);
    FindingFile f = FindingFile.read(file.getBytes(StandardCharsets.US_ASCII));
    assertThat(f.finding().kind())
        .isIn(Finding.Kind.OOPS, Finding.Kind.TRIPLE_FAULT, Finding.Kind.HANG, Finding.Kind.BREACH);
    assertThat(f.input().lies()).hasSizeLessThan(3);
    doesTheSame(d, f);
    try (Reproducer r = new Reproducer(d.harness(false))) {
      assertThat(r.run(f.input(), f.finding()).signature()).isEqualTo(f.finding().signature());
    }
    Result mended = campaign(d, true, broken.executions() * MORE);
    assertThat(mended.findings()).isEmpty();
    assertThat(mended.executions()).isEqualTo(broken.executions() * MORE);
  }

  /** A run of the same guest with the finding's script ends in the same way. */
  private static void doesTheSame(SmallDriver d, FindingFile f) throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    MachineSpec spec =
        d.spec(false).toBuilder()
            .console(console::write)
            .hostile(ScriptParser.parse(f.script()))
            .build();
    try (Machine m = new Machine(spec)) {
      m.run(Until.instructions(20_000_000));
      assertThat(Objects.requireNonNull(m.hostile()).fulfilled()).isTrue();
      switch (f.finding().kind()) {
        case OOPS ->
            assertThat(console.toString(StandardCharsets.US_ASCII)).contains(f.finding().title());
        case TRIPLE_FAULT -> assertThat(m.run().is(Outcome.SHUTDOWN)).isTrue();
        case BREACH -> assertThat(m.run().is(Outcome.DEFECT)).isFalse();
        default -> assertThat(m.instructions()).isEqualTo(20_000_000);
      }
    }
  }
}
