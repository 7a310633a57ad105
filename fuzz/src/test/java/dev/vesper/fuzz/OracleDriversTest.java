package dev.vesper.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.MemoryStore;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Campaigns with oracles, against drivers that go on when they have believed their host. */
final class OracleDriversTest {
  private static final long EXECUTIONS = 300;

  private static List<FindingFile> campaign(Harness h) throws Exception {
    MemoryStore store = new MemoryStore();
    new Campaign(h, store, new Campaign.Options("test", 1, 1, EXECUTIONS, 1e9, false)).run();
    List<FindingFile> all = new ArrayList<>();
    for (CampaignStore.Kind k : List.of(CampaignStore.Kind.CRASH, CampaignStore.Kind.HANG)) {
      for (String n : store.names(k)) {
        all.add(FindingFile.read(Objects.requireNonNull(store.entry(k, n))));
      }
    }
    return all;
  }

  @ParameterizedTest
  @EnumSource
  void whatOnlyAnOracleSeesIsFoundAndBehindItsCheckThereIsNothing(OracleDriver d) throws Exception {
    Harness h = d.harness(SevMode.ES, false, null);
    List<FindingFile> found = campaign(h);
    assertThat(found).extracting(f -> f.finding().title()).anyMatch(t -> t.startsWith(d.what));
    FindingFile f =
        found.stream()
            .filter(x -> x.finding().title().startsWith(d.what))
            .findFirst()
            .orElseThrow();
    assertThat(f.finding().kind()).isEqualTo(d.kind);
    assertThat(f.finding().stack()).contains(d.function);
    assertThat(f.input().size()).isEqualTo(1);
    try (Reproducer r = new Reproducer(h)) {
      assertThat(r.run(f.input(), f.finding()).signature()).isEqualTo(f.finding().signature());
      assertThat(r.run(Input.HONEST, f.finding()).signature()).isEmpty();
      assertThat(r.minimise(f).input()).isEqualTo(f.input());
    }
    assertThat(campaign(d.harness(SevMode.ES, true, null))).isEmpty();
  }

  @Test
  void aPageThatIsGivenAwayAndReadIsFoundUnderSnpToo() throws Exception {
    OracleDriver d = OracleDriver.CBIT_SHARES;
    Input lie = d.lie();
    try (Executor broken = new Executor(d.harness(SevMode.SNP, false, null));
        Executor mended = new Executor(d.harness(SevMode.SNP, true, null))) {
      assertThat(broken.run(Input.HONEST).others()).isEmpty();
      assertThat(broken.run(lie).others())
          .extracting(Finding::signature)
          .containsExactly("cbit read oracle_reads < main < locore_halt");
      assertThat(broken.run(Input.HONEST).others()).isEmpty();
      assertThat(mended.run(lie).others()).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource
  void anOracleChangesNothingAndFindsTheSameWhateverExecutesTheGuest(OracleDriver d)
      throws Exception {
    Input lie = d.lie();
    List<Finding> first = null;
    for (Translator t : Translator.values()) {
      Harness h = d.harness(SevMode.ES, false, t);
      try (Executor with = new Executor(h);
          Executor without = new Executor(h.with(Oracles.NONE))) {
        for (Input i : List.of(Input.HONEST, lie, Input.HONEST)) {
          byte[] edges = without.run(i).edges().clone();
          String state = without.stateHash();
          Execution plain = with.run(i);
          assertThat(plain.edges()).isEqualTo(edges);
          assertThat(with.stateHash()).isEqualTo(state);
          if (d.kind.isFlow()) {
            Execution followed = with.follow(i);
            assertThat(followed.edges()).isEqualTo(edges);
            assertThat(followed.instructions()).isEqualTo(plain.instructions());
            assertThat(with.stateHash()).isEqualTo(state);
          }
        }
        Execution e = d.kind.isFlow() ? with.follow(lie) : with.run(lie);
        assertThat(e.others()).extracting(Finding::kind).contains(d.kind);
        first = first == null ? e.others() : first;
        assertThat(e.others()).as("%s", t).isEqualTo(first);
      }
    }
  }
}
