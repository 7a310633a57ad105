package dev.vesper.machine.observe.html;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Verdict;
import java.io.IOException;
import java.io.StringWriter;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Which events of a run with very many of them are in the page. */
final class HtmlReportTest {
  private final Checker checker = new Checker();
  private final StringWriter out = new StringWriter();
  private final HtmlReport report =
      new HtmlReport(out, "many", checker, () -> Verdict.of(checker, Set.of(), Set.of()));

  private void lines(int from, int to) {
    for (int i = from; i < to; i++) {
      At at = new At(i, i, 0, 64, 0, 0x1000, "", "", "nop", Accesses.NONE);
      Event e = new Event.ConsoleLine(at, "line " + i + ".");
      checker.accept(e);
      report.accept(e);
    }
  }

  private static long rows(String page) {
    return page.lines()
        .dropWhile(l -> !l.startsWith("\"rows\":"))
        .filter(l -> l.startsWith("["))
        .filter(l -> !l.equals("["))
        .count();
  }

  @Test
  void theFirstAndTheLastEventsAreKept() throws IOException {
    lines(0, 100_000);
    report.close();
    String page = out.toString();
    assertThat(page).contains("line 0.", "line 49999.", "line 90000.", "line 99999.");
    assertThat(page).doesNotContain("line 50000.").doesNotContain("line 89999.");
    assertThat(page).contains("\"dropped\":40000,");
    assertThat(rows(page)).isEqualTo(60_000);
  }

  @Test
  void aPageThatIsWrittenInBetweenHasWhatWasThenAndChangesNothing() throws IOException {
    lines(0, 55_000);
    StringWriter between = new StringWriter();
    report.write(between);
    assertThat(rows(between.toString())).isEqualTo(55_000);
    lines(55_000, 70_000);
    report.close();
    assertThat(rows(out.toString())).isEqualTo(60_000);
    assertThat(out.toString()).contains("\"dropped\":10000,", "line 69999.");
  }
}
