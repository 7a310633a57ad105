package dev.vesper.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.GhcbField;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What inputs are made of others, without a guest. */
final class MutatorTest {
  private static final Site COM1 = new Site(Site.Kind.PORT, 0x3FD, 0);
  private static final Site LEAF = new Site(Site.Kind.CPUID, 0x4000_0001L, 0);

  private static Seen seen(Site s, long rax, long rbx) {
    return new Seen(s, 1, rax, rbx, 0, 0, 0, List.of());
  }

  @Test
  void memoryMayChangeBehindAQuestionWhoseAnswerMayNot() {
    Noted noted =
        new Noted(
            List.of(seen(COM1, 0x20, 0), seen(LEAF, 1, 2)),
            List.of(new SharedRead(COM1, 1, 0x1000, 4, 7)),
            List.of());
    Mutator m = new Mutator(1, SiteFilter.ALL);
    List<Input> all = new ArrayList<>(m.first(Input.HONEST, noted, s -> true));
    Input last = Input.HONEST;
    for (int i = 0; i < 20_000; i++) {
      last = m.mutate(i % 50 == 0 ? Input.HONEST : last, noted, Input.HONEST);
      all.add(last);
    }
    List<Change> atCom1 =
        all.stream()
            .flatMap(i -> i.lies().stream())
            .filter(l -> l.site().equals(COM1))
            .flatMap(l -> l.changes().stream())
            .toList();
    // What is injected is no answer either.
    assertThat(atCom1)
        .isNotEmpty()
        .allMatch(c -> c instanceof Change.Shared || c instanceof Change.Raise);
  }

  @Test
  void whatWasComparedWithAnAnswerIsPutIntoItsPlace() {
    Noted noted =
        new Noted(
            List.of(seen(LEAF, 0x11, 0xAABB_4455L)),
            List.of(new SharedRead(LEAF, 1, 0x2000, 8, 0x1_0000_0063L)),
            List.of(new Comparison(0x4455, 0x1234, 2), new Comparison(0x99, 0x1_0000_0063L, 8)));
    List<Change> changes =
        InputToState.of(noted, SiteFilter.ALL).stream().map(l -> l.changes().get(0)).toList();
    assertThat(changes)
        .contains(
            new Change.Field(GhcbField.RBX, 0xAABB_1234L),
            new Change.Field(GhcbField.RBX, 0xAABB_1235L),
            new Change.Field(GhcbField.RBX, 0xAABB_1233L),
            new Change.Shared(0x2000, 8, 0x99))
        .doesNotContain(new Change.Field(GhcbField.RAX, 0x1234));
  }
}
