package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Other people's programs read the traces of one run of the reference guest. */
final class TraceFilesTest {
  @TempDir static Path dir;

  private static int status;
  private static String err = "";

  private static Path file(String name) {
    return dir.resolve(name);
  }

  private static int vesper(String... args) {
    CommandResult r = CommandResult.of(args);
    err = r.err();
    return r.status();
  }

  /** OpenBSD's hypervisor, so that there is something to find. */
  @BeforeAll
  static void run() {
    String traces =
        String.join(
            ",",
            file("t.jsonl").toString(),
            file("t.perfetto").toString(),
            file("t.pcapng").toString(),
            file("t.html").toString(),
            file("t.txt").toString(),
            file("p.jsonl.gz").toString(),
            file("p.txt.gz").toString());
    status =
        vesper(
            "run",
            "--profile",
            "openbsd",
            "--check",
            "-serial",
            "none",
            "--trace",
            traces,
            "--report",
            String.join(
                ",",
                file("r.json").toString(),
                file("r.sarif").toString(),
                file("r.xml").toString(),
                file("r.md").toString()));
  }

  @Test
  void aRunWithFindingsHasStatus4AndSaysWhere() {
    assertThat(status).isEqualTo(4);
    vesper("check", file("t.jsonl").toString());
    assertThat(err)
        .contains("error: version-not-negotiated (guest) at 0x")
        .contains("<ghcb_vmgexit+0x")
        .contains("mend: ");
  }

  /** A trace that was written before gives the verdict and the files of the live run. */
  @Test
  void checkingATraceIsCheckingTheRun() throws IOException {
    int again =
        vesper(
            "check",
            file("t.jsonl").toString(),
            "--report",
            file("again.json").toString(),
            "--convert",
            file("again.pcapng") + "," + file("again.perfetto") + "," + file("again.jsonl"));
    assertThat(again).isEqualTo(4);
    assertThat(file("again.json")).hasSameTextualContentAs(file("r.json"));
    assertThat(file("again.pcapng")).hasSameBinaryContentAs(file("t.pcapng"));
    assertThat(file("again.perfetto")).hasSameBinaryContentAs(file("t.perfetto"));
    assertThat(file("again.jsonl")).hasSameTextualContentAs(file("t.jsonl"));
  }

  private static byte[] unpacked(String name) throws IOException {
    try (InputStream in = new GZIPInputStream(Files.newInputStream(file(name)))) {
      return in.readAllBytes();
    }
  }

  @Test
  void whatIsPackedIsTheSame() throws IOException {
    assertThat(unpacked("p.jsonl.gz")).isEqualTo(Files.readAllBytes(file("t.jsonl")));
    assertThat(unpacked("p.txt.gz")).isEqualTo(Files.readAllBytes(file("t.txt")));
    assertThat(Files.size(file("p.jsonl.gz"))).isLessThan(Files.size(file("t.jsonl")) / 10);
  }

  /** Whether it is packed the file says, not its name. */
  @Test
  void aPackedTraceIsReadAgain() throws IOException {
    Path odd = Files.copy(file("p.jsonl.gz"), file("odd.jsonl"));
    Path known = file("known.json");
    for (Path p : List.of(file("p.jsonl.gz"), odd)) {
      String to = file("back.jsonl") + "," + file("back.jsonl.gz");
      int status = vesper("check", "--strict", p + "", "--report", known + "", "--convert", to);
      assertThat(status).as(err).isEqualTo(4);
      assertThat(known).hasSameTextualContentAs(file("r.json"));
      assertThat(file("back.jsonl")).hasSameTextualContentAs(file("t.jsonl"));
      assertThat(file("back.jsonl.gz")).hasSameBinaryContentAs(file("p.jsonl.gz"));
    }
    assertThat(vesper("check", file("p.txt.gz").toString())).isEqualTo(2);
    assertThat(err).contains("it is a trace as text (.txt)");
  }

  @Test
  void findingsCanBeAllowedOrKnown() throws IOException {
    String t = file("t.jsonl").toString();
    assertThat(vesper("check", t, "--allow", "version-not-negotiated")).isZero();
    assertThat(err).contains("1 known");
    assertThat(vesper("check", t, "--write-baseline", file("base").toString())).isZero();
    assertThat(Files.readString(file("base"))).contains("version-not-negotiated ghcb_vmgexit");
    assertThat(vesper("check", t, "--baseline", file("base").toString())).isZero();
    Files.writeString(file("base"), "dma-private ghcb_vmgexit\n");
    assertThat(vesper("check", t, "--baseline", file("base").toString())).isEqualTo(4);
  }

  @Test
  void whatIsNoTraceIsRefusedInOneLine() throws IOException {
    for (String bad : List.of("", "{}", "{\"schema\":\"vesper.trace/1\"}", "not json", "{\"a\":")) {
      Files.writeString(file("bad.jsonl"), bad);
      assertThat(vesper("check", file("bad.jsonl").toString())).isEqualTo(2);
      assertThat(err.lines().toList()).as(err).hasSize(1);
      assertThat(err).contains("bad.jsonl").contains("vesper.trace/2");
    }
  }

  @Test
  void perfettosSchemaAcceptsTheTrace() throws Exception {
    Tools.need("protoc", "protobuf-compiler");
    Path proto = file("perfetto-subset.proto");
    try (var in = TraceFilesTest.class.getResourceAsStream("perfetto-subset.proto")) {
      Files.copy(java.util.Objects.requireNonNull(in), proto);
    }
    String text =
        Tools.run(
            "sh",
            "-c",
            "protoc --proto_path="
                + dir
                + " --decode=vesper.test.Trace "
                + proto
                + " < "
                + file("t.perfetto"));
    // protoc shows fields that the schema does not have by their numbers.
    assertThat(text).doesNotContainPattern("(?m)^ *[0-9]+[:\\s]");
    List<String> packets = new ArrayList<>(List.of(text.split("(?m)^packet ")));
    packets.removeIf(p -> !p.contains("track_event"));
    Map<String, Integer> depth = new HashMap<>();
    Map<String, Long> last = new HashMap<>();
    Pattern time = Pattern.compile("timestamp: (\\d+)");
    Pattern track = Pattern.compile("track_uuid: (\\d+)");
    for (String p : packets) {
      Matcher m = track.matcher(p);
      Matcher t = time.matcher(p);
      // The first event of all is at time 0, which protoc shows too.
      assertThat(m.find() && t.find()).as(p).isTrue();
      String uuid = m.group(1);
      assertThat(text).contains("uuid: " + uuid);
      long now = Long.parseLong(t.group(1));
      assertThat(now).isGreaterThanOrEqualTo(last.getOrDefault(uuid, 0L));
      last.put(uuid, now);
      int step = p.contains("TYPE_SLICE_BEGIN") ? 1 : p.contains("TYPE_SLICE_END") ? -1 : 0;
      assertThat(depth.merge(uuid, step, Integer::sum)).isNotNegative();
    }
    assertThat(depth.values()).allMatch(d -> d == 0);
    assertThat(text).contains("thread_name: \"vCPU 0\"").contains("name: \"#VC CPUID\"");
  }

  @Tag("slow")
  @Test
  void wiresharkDissectsTheCapture() throws Exception {
    Tools.need("tshark", "tshark");
    Path lua = file("ghcb.lua");
    CommandResult dissector = CommandResult.of("dissector");
    assertThat(dissector.status()).isZero();
    Files.writeString(lua, dissector.out());
    String[] fields = {
      "tshark",
      "-X",
      "lua_script:" + lua,
      "-r",
      file("t.pcapng").toString(),
      "-T",
      "fields",
      "-e",
      "_ws.col.Protocol",
      "-e",
      "ghcb.type",
      "-e",
      "ghcb.exit",
      "-e",
      "ghcb.rax",
      "-e",
      "ghcb.place",
      "-e",
      "_ws.malformed"
    };
    List<String> lines = Tools.run(fields).lines().toList();
    long exchanges =
        Files.readAllLines(file("t.jsonl")).stream()
            .filter(
                l ->
                    l.contains("\"kind\":\"ghcb\"")
                        || l.contains("\"kind\":\"msr_protocol\"")
                        || l.contains("\"kind\":\"vc"))
            .mapToInt(l -> l.contains("\"kind\":\"vc") ? 1 : 2)
            .sum();
    assertThat((long) lines.size()).isEqualTo(exchanges);
    assertThat(lines).allMatch(l -> l.startsWith("GHCB\t") && !l.contains("alformed"));
    assertThat(lines)
        .anyMatch(
            l ->
                l.startsWith("GHCB\t1\t0x00000072\t0x0000000080000000\t")
                    && l.contains("ghcb_vmgexit"));
    assertThat(
            Tools.run(
                "tshark",
                "-X",
                "lua_script:" + lua,
                "-r",
                file("t.pcapng").toString(),
                "-Y",
                "ghcb.exit == 0x7c && ghcb.type == 2"))
        .contains("SVM_VMEXIT_MSR: done");
  }

  @Tag("slow")
  @Test
  void theReportIsOneFileThatABrowserShows() throws Exception {
    String page = Files.readString(file("t.html"));
    assertThat(page.replace("http://www.w3.org/2000/svg", ""))
        .doesNotContain("http://")
        .doesNotContain("https://")
        .doesNotContain("src=")
        .doesNotContain("@import");
    String dom = shown("t.html");
    // The finding, its event in the table and in the detail, and bars in the time line.
    assertThat(dom)
        .contains("error: version-not-negotiated")
        .contains("class=\"row sel bad\"")
        .contains("Request: fields marked valid")
        .contains("vCPU 0")
        .contains("What the #VC handlers have seen");
    assertThat(dom.split("<rect ").length).isGreaterThan(5);
  }

  /** {@return what a browser makes of a page} */
  private static String shown(String name) throws Exception {
    Tools.need("chromium", "chromium");
    return Tools.run(
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=3000",
        "--dump-dom",
        "file://" + file(name) + "#finding0");
  }

  @Tag("slow")
  @Test
  void aBrowserShowsWhatATraceSaysAndDoesNotDoIt() throws Exception {
    String bad =
        "x</script><script>document.title='owned'</script><!--<script>"
            + "<img src=x onerror=document.title='owned'>";
    Files.writeString(
        file("evil.jsonl"),
        Files.readAllLines(file("t.jsonl")).stream()
            .map(
                l ->
                    l.replaceAll(
                        "(\"(symbol|instruction|action)\":)\"[^\"]*\"", "$1\"" + bad + "\""))
            .collect(Collectors.joining("\n")));
    vesper("check", file("evil.jsonl").toString(), "--convert", file("evil.html").toString());
    assertThat(shown("evil.html"))
        .contains("<title>evil.jsonl ")
        .doesNotContain("<img")
        .contains("&lt;img src=x")
        .contains("class=\"row sel bad\"");
  }

  @Test
  void reportsAreWhatTheirReadersExpect() throws Exception {
    String sarif = Files.readString(file("r.sarif"));
    assertThat(sarif)
        .contains("\"version\":\"2.1.0\"")
        .contains("\"ruleId\":\"version-not-negotiated\"")
        .contains("\"level\":\"error\"")
        .contains("\"uri\":\"guest\"},\"region\":{\"startLine\":1}")
        .contains("\"fullyQualifiedName\":\"ghcb_vmgexit+0x");
    var xml =
        javax.xml.parsers.DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(file("r.xml").toFile());
    var suite = xml.getDocumentElement();
    assertThat(suite.getAttribute("failures")).isEqualTo("1");
    assertThat(suite.getElementsByTagName("testcase").getLength())
        .isEqualTo(Integer.parseInt(suite.getAttribute("tests")));
    assertThat(suite.getElementsByTagName("failure").getLength()).isEqualTo(1);
    assertThat(Files.readString(file("r.json")))
        .contains("\"schema\":\"vesper.check/1\"")
        .contains("\"unseen\":[")
        .contains("\"form\":\"in al,imm8\"");
    assertThat(Files.readString(file("r.md"))).contains("| error | `version-not-negotiated` |");
  }

  @Test
  void tracesForPeopleNameThePlace() throws IOException {
    assertThat(Files.readAllLines(file("t.txt")))
        .anyMatch(
            l ->
                l.contains("ghcb SVM_VMEXIT_CPUID rip=0x")
                    && l.contains("<ghcb_vmgexit+0x")
                    && l.contains("{vmgexit}")
                    && l.contains("action=[done]"))
        .anyMatch(l -> l.contains("console") && l.contains("text=["))
        .noneMatch(l -> l.contains("accesses="));
  }
}
