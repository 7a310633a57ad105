package dev.vesper.machine.observe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Reports;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.HostileText;
import dev.vesper.machine.observe.format.JsonLinesReader;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.observe.format.PageHistory;
import dev.vesper.machine.observe.format.PcapngWriter;
import dev.vesper.machine.observe.format.PerfettoWriter;
import dev.vesper.machine.observe.format.TextWriter;
import dev.vesper.machine.observe.format.TraceWriter;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.observe.html.HtmlReport;
import dev.vesper.machine.observe.html.PageData;
import dev.vesper.machine.trace.CodeCoverage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** No form of a trace or a report does what somebody's symbol, line or trace tells it to. */
final class HostileTextTest {
  private static final Path ROOT = Path.of(System.getProperty("vesper.root", ".."));
  private static final List<Event> EVENTS = HostileText.events(HostileText.ALL);

  /** Whoever adds a writer adds it here. */
  @Test
  void theseAreAllWriters() throws IOException {
    List<String> writers = new ArrayList<>();
    Pattern writer =
        Pattern.compile("class (\\w+)[^{]* implements [^{]*(TraceWriter|EventSink)\\b");
    for (String module : List.of("machine", "cli", "junit")) {
      try (Stream<Path> files = Files.walk(ROOT.resolve(module + "/src/main/java"))) {
        for (Path p : files.filter(f -> f.toString().endsWith(".java")).toList()) {
          Matcher m = writer.matcher(Files.readString(p));
          while (m.find()) {
            writers.add(m.group(1));
          }
        }
      }
    }
    // Text and TraceSwitch are TextWriter in a file, Trace cuts another, BackgroundWriter hands on
    // to another, TraceFiles has all, Recording an HtmlReport, PageOptions a PageHistory,
    // PackedEvents
    // a JsonLinesWriter. RmpMap takes no text, EventDigest gives none.
    assertThat(writers)
        .containsExactlyInAnyOrder(
            "BackgroundWriter",
            "Checker",
            "EventDigest",
            "HtmlReport",
            "JsonLinesWriter",
            "PackedEvents",
            "PageHistory",
            "PageOptions",
            "PcapngWriter",
            "PerfettoWriter",
            "Recording",
            "RmpMap",
            "Text",
            "TextWriter",
            "Trace",
            "TraceSwitch",
            "TraceFiles");
  }

  private static String utf8(byte[] b) throws IOException {
    return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(b)).toString();
  }

  @Test
  void linesOfTextAreOneAnEventAndHarmless() throws IOException {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    TextWriter w = new TextWriter(new PrintStream(b, true, StandardCharsets.UTF_8));
    EVENTS.forEach(w::accept);
    String s = utf8(b.toByteArray());
    assertThat(HostileText.harmless(s)).isTrue();
    assertThat(s).contains("\\x1b]0;owned\\x07");
    assertThat(s.lines().count())
        .isEqualTo(EVENTS.stream().filter(e -> !(e instanceof Event.Place)).count());
  }

  @Test
  void aPagesHistoryHasALineAnEventAndIsHarmless() {
    PageHistory h = new PageHistory(List.of(new PageSpan(0, Long.MAX_VALUE)));
    EVENTS.forEach(h::accept);
    assertThat(HostileText.harmless(h.text())).isTrue();
    long lines = h.text().lines().takeWhile(l -> !l.equals("at the end")).count();
    long about = EVENTS.stream().filter(e -> !PageSpan.of(e).isEmpty()).count();
    assertThat(lines).isEqualTo(about + 1).isGreaterThan(100);
  }

  @Test
  void jsonLinesAreHarmlessAndReadAgainTheSame() throws IOException {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    try (JsonLinesWriter w = new JsonLinesWriter(b)) {
      EVENTS.forEach(w::accept);
    }
    String s = utf8(b.toByteArray());
    assertThat(HostileText.harmless(s)).isTrue();
    assertThat(s.lines().count()).isEqualTo(EVENTS.size());
    List<Event> again = new ArrayList<>();
    JsonLinesReader.read(new StringReader(s), again::add);
    assertThat(again).isEqualTo(EVENTS);
  }

  private interface Opened {
    TraceWriter on(ByteArrayOutputStream out) throws IOException;
  }

  private static String binary(Opened form) throws IOException {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    try (TraceWriter w = form.on(b)) {
      EVENTS.forEach(w::accept);
    }
    return b.toString(StandardCharsets.ISO_8859_1);
  }

  @Test
  void textsInBinaryFormsAreSpelledOut() throws IOException {
    for (Opened form : List.<Opened>of(PerfettoWriter::new, PcapngWriter::new)) {
      String s = binary(form);
      assertThat(s).contains("\\x1b]0;owned\\x07").contains("\\x9b31m\\x00\\x7f");
      // As bytes: escapes, C1 controls, and a change of direction in UTF-8.
      assertThat(s).doesNotContain("\u001b]0;").doesNotContain("\u00c2\u009b31m");
      assertThat(s).doesNotContain("\u00e2\u0080\u00aegpj");
    }
  }

  static Checker checker() {
    Checker c = new Checker();
    EVENTS.forEach(c::accept);
    return c;
  }

  /** {@return a verdict of the events, and of one finding whose message is hostile as well} */
  static Verdict verdict(Checker c) {
    Verdict v = Verdict.of(c, Set.of(), Set.of());
    List<Finding> found = new ArrayList<>(v.findings());
    List<Integer> counts = new ArrayList<>(v.counts());
    for (String source :
        List.of("a.c:ten", HostileText.ALL, ":1", "a.c:", "a.c:99999999999", "a:0")) {
      found.add(
          new Finding(
              Rule.DMA_PRIVATE,
              0,
              1,
              0x1000,
              HostileText.ALL,
              source,
              HostileText.ALL,
              0,
              0,
              HostileText.ALL));
      counts.add(1);
    }
    return new Verdict(found, v.known(), counts, v.coverage(), HostileText.ALL, "");
  }

  @ParameterizedTest
  @EnumSource
  void reportsAreHarmless(Reports form) throws Exception {
    String s = form.write(verdict(checker()));
    assertThat(HostileText.harmless(s)).isTrue();
    switch (form) {
      case JSON -> assertThat(JsonTree.object(JsonTree.parse(s))).containsKey("findings");
      case SARIF -> {
        Object run = JsonTree.array(JsonTree.object(JsonTree.parse(s)).get("runs")).get(0);
        for (Object result : JsonTree.array(JsonTree.object(run).get("results"))) {
          hasPhysicalLocation(result);
          Object message = JsonTree.object(JsonTree.object(result).get("message")).get("text");
          assertThat(String.valueOf(message)).doesNotContain("](").doesNotContain(" {0}");
        }
      }
      case JUNIT -> {
        var xml =
            DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(s.getBytes(StandardCharsets.UTF_8)));
        assertThat(xml.getElementsByTagName("script").getLength()).isZero();
        assertThat(xml.getDocumentElement().getTextContent()).contains("]]><img src=x");
      }
      case MARKDOWN -> {
        // A bar with a backslash before it is no border of a cell, nor is code anything but code.
        for (String line : s.lines().filter(l -> l.startsWith("| ")).toList()) {
          String plain = line.replace("<br>", "").replaceAll("`[^`]*`", "");
          assertThat(plain).doesNotContain("<", "](", "://", "![", "www.", "\\|");
          String cells = line.replaceAll("\\\\\\\\", "").replace("\\|", "");
          assertThat(cells.chars().filter(c -> c == '|').count()).as(line).isIn(6L, 7L);
        }
        assertThat(s.lines().filter(l -> l.startsWith("#"))).hasSize(2);
      }
      case TEXT -> assertThat(s.lines().filter(l -> l.startsWith("error: forged"))).isEmpty();
    }
  }

  /** GitHub shows a result only if it is in a file, with a relative name, and at a line. */
  private static void hasPhysicalLocation(Object result) {
    Object first = JsonTree.array(JsonTree.object(result).get("locations")).get(0);
    Map<String, Object> place = JsonTree.object(JsonTree.object(first).get("physicalLocation"));
    assertThat(String.valueOf(JsonTree.object(place.get("artifactLocation")).get("uri")))
        .matches("[\\w.~%-][\\w./~%-]*");
    assertThat((Long) JsonTree.object(place.get("region")).get("startLine")).isPositive();
  }

  /** Rules GH1001 to GH2012 of Microsoft's Sarif.Multitool ask for these. */
  @Test
  void sarifDescribesToolAndRulesInFull() {
    Object run =
        JsonTree.array(
                JsonTree.object(JsonTree.parse(Reports.SARIF.write(verdict(checker()))))
                    .get("runs"))
            .get(0);
    Map<String, Object> driver =
        JsonTree.object(JsonTree.object(JsonTree.object(run).get("tool")).get("driver"));
    assertThat(driver).containsKeys("name", "version", "informationUri");
    for (Object rule : JsonTree.array(driver.get("rules"))) {
      assertThat(JsonTree.object(rule))
          .containsKeys("id", "name", "shortDescription", "fullDescription", "help");
      assertThat(String.valueOf(JsonTree.object(rule).get("name"))).matches("([A-Z][a-z0-9]*)+");
      for (String text : List.of("shortDescription", "fullDescription", "help")) {
        assertThat(String.valueOf(JsonTree.object(JsonTree.object(rule).get(text)).get("text")))
            .matches("[A-Z].*[.)]");
      }
    }
  }

  @Test
  void aLineOfTheSourceIsNamedOnlyIfItIsANumber() {
    String s = Reports.SARIF.write(verdict(checker()));
    assertThat(s)
        .contains("\"uri\":\"a.c%3Aten\"")
        .contains("\"uri\":\"a\"},\"region\":{\"startLine\":1}");
  }

  @Test
  void coverageNamesFilesInLines() throws IOException {
    LineTable lines = new LineTable(List.of(new LineTable.Row(0x1000, HostileText.ALL, 1)));
    String lcov = new CodeCoverage().lcov(new Symbols(List.of(), lines, 0));
    assertThat(HostileText.harmless(lcov)).isTrue();
    assertThat(lcov.lines()).hasSize(6);
    String drcov = utf8(new CodeCoverage().drcov(HostileText.ALL));
    assertThat(HostileText.harmless(drcov)).isTrue();
    assertThat(drcov.lines()).hasSize(6);
  }

  @Test
  void fingerprintsAreLines() {
    assertThat(verdict(checker()).findings())
        .allMatch(f -> HostileText.harmless(f.fingerprint()) && f.fingerprint().indexOf('\n') < 0);
  }

  // ---- the page

  private static String page() throws IOException {
    StringWriter out = new StringWriter();
    Checker c = new Checker();
    try (HtmlReport r = HtmlReport.to(out, HostileText.ALL, HostileText.ALL, c, () -> verdict(c))) {
      for (Event e : EVENTS) {
        c.accept(e);
        r.accept(e);
      }
    }
    return out.toString();
  }

  private static String between(String s, String begin, String end) {
    int from = s.indexOf(begin) + begin.length();
    return s.substring(from, s.indexOf(end, from));
  }

  @Test
  void thePageIsOneScriptAndDataThatCannotCloseItsElement() throws IOException {
    String page = page();
    assertThat(HostileText.harmless(page)).isTrue();
    // The rows, the data, the script.
    assertThat(page.split("<script", -1)).hasSize(4);
    assertThat(page.split("</script", -1)).hasSize(4);
    assertThat(page).doesNotContain("<!--").doesNotContain("<img").doesNotContain(" style=");
    PageData data = PageData.of(page);
    String shown = Visible.of(HostileText.ALL);
    assertThat(data.head()).containsEntry("title", shown).containsEntry("command", shown);
    assertThat(JsonTree.array(data.head().get("findings"))).hasSizeGreaterThan(5);
    assertThat(data.column("symbol", true)).contains(shown).hasSizeGreaterThan(100);
    for (String column :
        List.of("kind", "name", "symbol", "rip", "source", "instruction", "what")) {
      assertThat(data.column(column, true))
          .allMatch(t -> Visible.of(t.toString()).equals(t.toString()));
    }
    assertThat(data.details()).allMatch(d -> Visible.lines(d).equals(d));
  }

  @Test
  void aBrowserIsToldToRunThePagesOwnScriptAlone() throws Exception {
    String page = page();
    String policy = between(page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    assertThat(policy)
        .startsWith("default-src 'none'; script-src 'sha256-")
        .doesNotContain("unsafe")
        .contains("base-uri 'none'", "form-action 'none'");
    for (String element : List.of("script", "style")) {
      String text = between(page, "<" + element + ">", "</" + element + ">");
      byte[] d = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      assertThat(policy)
          .contains(element + "-src 'sha256-" + Base64.getEncoder().encodeToString(d) + "'");
    }
    assertThat(page.indexOf("Content-Security-Policy")).isLessThan(page.indexOf("<style>"));
  }
}
