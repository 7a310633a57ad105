package dev.vesper.machine.observe.html;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.RmpCause;
import dev.vesper.machine.observe.RmpState;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.JsonLinesReader;
import dev.vesper.machine.observe.format.JsonTree;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

/** What of a run is in the page. */
final class HtmlReportTest {
  private final Checker checker = new Checker();
  private final StringWriter out = new StringWriter();

  private Verdict verdict() {
    return Verdict.of(checker, Set.of(), Set.of());
  }

  private HtmlReport written() {
    return HtmlReport.to(out, "many", "vesper run", checker, this::verdict);
  }

  private HtmlReport kept() {
    return HtmlReport.kept("many", checker, this::verdict);
  }

  private static At at(long time) {
    return new At(time, time, 0, 64, 0, 0x1000, "", "", "nop", Accesses.NONE);
  }

  private static void lines(EventSink to, int from, int end) {
    for (int i = from; i < end; i++) {
      to.accept(new Event.ConsoleLine(at(i), "line " + i + "."));
    }
  }

  private static List<Object> expected(int end) {
    return IntStream.range(0, end).<Object>mapToObj(i -> "line " + i + ".").toList();
  }

  /** {@return the page of a trace that is a test's resource} */
  private PageData page(String trace) throws IOException {
    try (HtmlReport r = written();
        InputStream in =
            Objects.requireNonNull(
                HtmlReportTest.class.getResourceAsStream(
                    "/dev/vesper/machine/observe/format/" + trace));
        InputStreamReader text =
            new InputStreamReader(new GZIPInputStream(in), StandardCharsets.UTF_8)) {
      JsonLinesReader.read(
          text,
          e -> {
            checker.accept(e);
            r.accept(e);
          });
    }
    return PageData.of(out.toString());
  }

  @Test
  void allEventsAreKept() throws IOException {
    int n = 3 * Chunk.ROWS + 5;
    try (HtmlReport r = written()) {
      lines(r, 0, n);
    }
    PageData page = PageData.of(out.toString());
    assertThat(page.column("what", true)).isEqualTo(expected(n));
    assertThat(page.details()).hasSize(n).contains("text=line 12000.");
    assertThat(page.head()).containsEntry("rows", (long) n).doesNotContainKey("outcome");
    assertThat(page.chunks()).hasSize(4);
  }

  /** Of a run that takes as long as it likes no more than a piece is in memory. */
  @Test
  void rowsGoToTheFileAsTheyCome() throws IOException {
    try (HtmlReport r = written()) {
      lines(r, 0, Chunk.ROWS - 1);
      assertThat(out.toString()).isEmpty();
      lines(r, Chunk.ROWS - 1, 2 * Chunk.ROWS);
      assertThat(PageData.of(out.toString()).details()).hasSize(2 * Chunk.ROWS);
    }
  }

  @Test
  void aPageThatIsWrittenInBetweenHasWhatWasThenAndChangesNothing() throws IOException {
    int n = 2 * Chunk.ROWS + 7;
    HtmlReport r = kept();
    for (int end : List.of(5, Chunk.ROWS, n)) {
      lines(r, end == 5 ? 0 : end == n ? Chunk.ROWS : 5, end);
      StringWriter now = new StringWriter();
      r.write(now);
      assertThat(PageData.of(now.toString()).column("what", true)).isEqualTo(expected(end));
    }
    StringWriter again = new StringWriter();
    r.write(again);
    assertThat(PageData.of(again.toString()).details()).hasSize(n);
  }

  /** Every other page of 800 MB becomes shared, each by an event of its own. */
  @Test
  void aHundredThousandPageStateChangesMakeNoLongPage() throws IOException {
    int n = 100_000;
    RmpState before = new RmpState(RmpState.Kind.GUEST_VALID, false, false, 1, 0, 0x1F);
    try (HtmlReport r = written()) {
      for (int i = 0; i < n; i++) {
        long gpa = 0x2000L * i;
        RmpState was = before.behind(gpa);
        r.accept(
            new Event.RmpChanged(
                at(i),
                RmpCause.PAGE_STATE_CHANGE,
                "shared",
                gpa,
                1,
                was,
                RmpState.HYPERVISOR,
                i % 253,
                i % 253,
                ""));
      }
    }
    assertThat(out.getBuffer().length()).as("bytes").isLessThan(4_000_000);
    PageData page = PageData.of(out.toString());
    assertThat(page.head()).containsEntry("paged", (long) n).containsEntry("areas", (long) n);
    assertThat(JsonTree.array(page.head().get("map"))).as("what the head has").hasSize(2000);
    assertThat(JsonTree.array(page.head().get("totals")))
        .containsExactly(List.of("shared", (long) n));
    // The last one is found in the last chunk, by its page.
    List<Long> last = page.pages().getLast();
    assertThat(last.subList(last.size() - 4, last.size()))
        .containsExactly((n - 1L) % Chunk.ROWS, 2L * (n - 1), 1L, n - 1L);
    assertThat(page.pages().stream().mapToInt(List::size).sum()).isEqualTo(4 * n);
  }

  @Test
  void rowsOfOtherEventsAreOfNoPage() throws IOException {
    try (HtmlReport r = written()) {
      lines(r, 0, 5);
    }
    assertThat(PageData.of(out.toString()).pages()).containsExactly(List.of());
  }

  @Test
  void theHeadSaysHowTheRunBeganAndEnded() throws IOException {
    try (HtmlReport r = written()) {
      r.accept(
          new Event.Launched(
              at(0), "0x5 (NODBG ES)", Bytes.of((byte) 0xAB), Bytes.of((byte) 0xCD), Bytes.NONE));
      lines(r, 1, 100);
      r.accept(new Event.Ended(at(100), 3, "it\u001b[2Jpanicked"));
    }
    Map<String, Object> head = PageData.of(out.toString()).head();
    assertThat(head)
        .containsEntry("command", "vesper run")
        .containsEntry("time", 100L)
        .containsEntry("outcome", Map.of("status", 3L, "reason", "it\\x1b[2Jpanicked"));
    assertThat(JsonTree.object(head.get("launch")))
        .containsEntry("policy", "0x5 (NODBG ES)")
        .containsEntry("digest", "ab")
        .containsEntry("measurement", "cd");
    assertThat(JsonTree.array(head.get("console"))).hasSize(40).endsWith("line 99.");
  }

  @Test
  void rowsNameThePortTheRegisterAndTheLeafWithTheirValues() throws IOException {
    List<Object> what = page("reference-guest.jsonl.gz").column("what", true);
    assertThat(what)
        .anyMatch(w -> w.toString().matches("port 0x[0-9a-f]+ ← 0x5b '\\['"))
        .anyMatch(w -> w.toString().matches("port 0x[0-9a-f]+ → 0x[0-9a-f]+.*"))
        .anyMatch(w -> w.toString().matches("leaf 0x1/0x0"))
        .anyMatch(
            w ->
                w.toString().matches("leaf 0x[0-9a-f]+/0x[0-9a-f]+ → eax 0x\\w+ ebx 0x\\w+ ecx .*"))
        .anyMatch(w -> w.toString().matches("[A-Z0-9_]+ \\(0x[0-9a-f]+\\) ← 0x[0-9a-f]+"))
        .anyMatch(w -> w.toString().matches("[A-Z0-9_]+ \\(0x[0-9a-f]+\\) → 0x[0-9a-f]+"))
        .anyMatch(w -> w.toString().matches("0xfee000[0-9a-f]+ ← 0x[0-9a-f]+ \\(4 bytes\\)"))
        .anyMatch(w -> w.toString().matches("0xfee000[0-9a-f]+ → 0x[0-9a-f]+ \\(4 bytes\\)"));
  }

  private static long number(Map<String, Object> o, String key) {
    return (Long) Objects.requireNonNull(o.get(key), key);
  }

  @Test
  void aFindingLeadsToTheRequestAndTheAnswer() throws IOException {
    PageData page = page("reference-guest-openbsd.jsonl.gz");
    List<Object> kinds = page.column("kind", true);
    Map<String, Object> f = page.finding(0);
    assertThat(f).containsEntry("rule", "version-not-negotiated");
    int exchange = Math.toIntExact(number(f, "exchange"));
    assertThat(kinds.get(exchange)).isEqualTo("ghcb");
    assertThat(page.details().get(exchange)).contains("\nrequest=").contains("\nanswer=");
    // It is about a #VC, which is raised before and returns behind.
    long vc = number(f, "vc");
    assertThat(vc).isPositive();
    List<Object> vcs = page.column("vc", false);
    for (Map.Entry<String, String> e : Map.of("raised", "vc", "returned", "vc_return").entrySet()) {
      int row = Math.toIntExact(number(f, e.getKey()));
      assertThat(kinds.get(row)).isEqualTo(e.getValue());
      assertThat(vcs.get(row)).isEqualTo(vc);
    }
  }

  @Test
  void timeIsSummedUpByExitHandlerAndInterruptedFunction() throws IOException {
    PageData page = page("reference-guest-openbsd.jsonl.gz");
    List<Object> took = page.column("took", false);
    long all = took.stream().mapToLong(t -> Math.max(0, (Long) t)).sum();
    assertThat(all).isPositive();
    for (String by : List.of("byExit", "byHandler", "byPlace")) {
      long sum = 0;
      long count = 0;
      for (Object o : JsonTree.array(page.head().get(by))) {
        sum += number(JsonTree.object(o), "ns");
        count += number(JsonTree.object(o), "count");
      }
      assertThat(sum).as(by).isEqualTo(all);
      assertThat(count).isEqualTo(took.stream().filter(t -> (Long) t >= 0).count());
    }
    assertThat(String.valueOf(page.head().get("byHandler"))).contains("ghcb_vmgexit");
  }
}
