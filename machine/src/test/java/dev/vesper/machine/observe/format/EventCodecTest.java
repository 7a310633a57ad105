package dev.vesper.machine.observe.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.machine.observe.Operand;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Rule;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.Reader;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

/** The schema of traces: what is written is read again, and what was written once still is. */
final class EventCodecTest {
  private static final long SEED = Long.getLong("vesper.seed", 22);

  private static String text(Event e) {
    TextBuffer b = new TextBuffer();
    EventCodec.write(b, new QuotedTexts(), e);
    return b.toString();
  }

  private static String recorded(String name) throws IOException {
    try (InputStream in = EventCodecTest.class.getResourceAsStream(name);
        InputStream unpacked = new GZIPInputStream(Objects.requireNonNull(in))) {
      return new String(unpacked.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static List<Event> read(String trace) throws IOException {
    List<Event> events = new ArrayList<>();
    JsonLinesReader.read(new StringReader(trace), events::add);
    return events;
  }

  @Test
  void everyEventIsReadAsItWasWritten() {
    RandomEvents random = new RandomEvents(SEED);
    Set<Class<?>> seen = new HashSet<>();
    for (int i = 0; i < 4000; i++) {
      Event e = random.next();
      String written = text(e);
      assertThat(EventCodec.read(written)).as("seed %d, event %d", SEED, i).isEqualTo(e);
      assertThat(text(EventCodec.read(written))).isEqualTo(written);
      seen.add(e.getClass());
    }
    assertThat(seen).containsExactlyInAnyOrder(Event.class.getPermittedSubclasses());
  }

  @Test
  void everyKindHasAWordOfItsOwn() {
    RandomEvents random = new RandomEvents(SEED);
    Set<String> words =
        Stream.generate(random::next).limit(2000).map(EventCodec::kind).collect(Collectors.toSet());
    assertThat(words).hasSize(Event.class.getPermittedSubclasses().length);
  }

  /** What an earlier version recorded is read, and written again byte for byte. */
  @Test
  void anEarlierVersionsTracesAreReadAndWrittenTheSame() throws IOException {
    for (String name : List.of("reference-guest.jsonl.gz", "reference-guest-openbsd.jsonl.gz")) {
      String trace = recorded(name);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      try (JsonLinesWriter w = new JsonLinesWriter(out)) {
        read(trace).forEach(w::accept);
      }
      List<String> before = trace.lines().toList();
      List<String> after = out.toString(StandardCharsets.UTF_8).lines().toList();
      for (int i = 0; i < before.size(); i++) {
        assertThat(after.get(i)).as("%s, line %d", name, i + 1).isEqualTo(before.get(i));
      }
      assertThat(out.toString(StandardCharsets.UTF_8)).isEqualTo(trace);
    }
  }

  /** The other forms, by the digests of what the earlier version made of the same trace. */
  @Test
  void theOtherFormsAreTheEarlierVersions() throws Exception {
    List<Event> events = read(recorded("reference-guest-openbsd.jsonl.gz"));
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    TextWriter lines = new TextWriter(new PrintStream(text, true, StandardCharsets.UTF_8));
    events.forEach(lines::accept);
    assertThat(sha256(text))
        .isEqualTo("c406726b220f8829140c302b6a4be4294e663852e5c93bdc942af411417026f1");
    ByteArrayOutputStream packets = new ByteArrayOutputStream();
    try (PcapngWriter w = new PcapngWriter(packets)) {
      events.forEach(w::accept);
    }
    assertThat(sha256(packets))
        .isEqualTo("9043cbeebb34176bc91f19a0672655df043e5a01a48872c375913fb1db047eef");
    ByteArrayOutputStream slices = new ByteArrayOutputStream();
    try (PerfettoWriter w = new PerfettoWriter(slices)) {
      events.forEach(w::accept);
    }
    assertThat(sha256(slices))
        .isEqualTo("a777a06216b4ad729e0ef46909ca824f5f1d314551b12cdf31e49cf287738b7f");
  }

  private static String sha256(ByteArrayOutputStream b) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(b.toByteArray()));
  }

  @Test
  void anEarlierVersionsTraceIsJudged() throws IOException {
    Checker c = new Checker();
    read(recorded("reference-guest-openbsd.jsonl.gz")).forEach(c::accept);
    assertThat(c.findings()).extracting(f -> f.rule()).containsExactly(Rule.VERSION_NOT_NEGOTIATED);
    assertThat(c.findings().get(0).place()).contains("<ghcb_vmgexit+0x3e>");
  }

  /** The operand of OUTS has the name that the line of source has, and comes behind it. */
  @Test
  void theSourceOperandAndTheLineOfSourceAreToldApart() throws IOException {
    List<VcRaised> strings =
        read(recorded("reference-guest.jsonl.gz")).stream()
            .filter(e -> e instanceof VcRaised v && v.source() != null)
            .map(VcRaised.class::cast)
            .toList();
    assertThat(strings).isNotEmpty();
    assertThat(strings).allMatch(v -> v.at().source().isEmpty());
    assertThat(strings)
        .extracting(VcRaised::source)
        .allMatch(Operand::mapped)
        .allMatch(o -> o.linear() != 0);
  }

  @Test
  void aRecordWithoutDetailsIsAsIfTheyWereZero() {
    String bare =
        "{\"schema\":\"vesper.trace/2\",\"kind\":\"vc\",\"time_ns\":1,\"instructions\":2,\"vcpu\":0,"
            + "\"bits\":64,\"cpl\":0,\"rip\":\"0x10\",\"symbol\":\"\",\"source\":\"\","
            + "\"instruction\":\"cpuid\",\"name\":\"SVM_VMEXIT_CPUID\",\"later\":\"unknown\"}";
    VcRaised v = (VcRaised) EventCodec.read(bare);
    assertThat(v.at().rip()).isEqualTo(0x10);
    assertThat(v.vc()).isZero();
    assertThat(v.registers().rax()).isZero();
    assertThat(v.operand()).isNull();
    assertThat(v.portsAllowed()).isNull();
  }

  @Test
  void whatIsDamagedIsNamedWithItsLine() throws IOException {
    String good = recorded("reference-guest-openbsd.jsonl.gz").lines().toList().get(0);
    for (String[] change :
        new String[][] {
          {"\"bits\":16", "\"bits\":63"},
          {"\"bits\":16", "\"bits\":\"0x4000000000\""},
          {"\"cpl\":0", "\"cpl\":4"},
          {"\"cpl\":0", "\"cpl\":[]"},
          {"\"vcpu\":0", "\"vcpu\":-1"},
          {"\"vcpu\":0", "\"vcpu\":99999999999999999999"},
          {"\"kind\":\"launch\"", "\"kind\":\"lunch\""},
          {"\"kind\":\"launch\"", "\"kind\":\"" + "x".repeat(100_000) + "\""},
          {"\"measurement\":\"", "\"measurement\":\"z"},
          {"\"nonce\":\"", "\"nonce\":\"0"},
          {"\"rip\":\"0x", "\"rip\":\"0xg"},
          {"vesper.trace/2", "vesper.trace/1"},
          {"}", "}}"},
          {"}", ""},
          {"{", "[".repeat(100_000)},
        }) {
      String bad = good.replace(change[0], change[1]);
      assertThat(bad).isNotEqualTo(good);
      assertThatThrownBy(() -> read(good + "\n\n" + bad + "\n"))
          .isInstanceOf(IOException.class)
          .hasMessageStartingWith("line 3 is no record of schema vesper.trace/2: ")
          .satisfies(x -> assertThat(x.getMessage()).hasSizeLessThan(200).doesNotContain("\n"));
    }
  }

  @Test
  void detailsThatCannotBeAreRefused() throws IOException {
    List<String> lines = recorded("reference-guest.jsonl.gz").lines().toList();
    for (String[] change :
        new String[][] {
          {"\"regs\":\"", "\"regs\":\"0 "},
          {"\"changed\":\"", "\"changed\":\"0-7fffffff "},
          {"\"changed\":\"", "\"changed\":\"8-7 "},
          {"\"request\":\"RAX=", "\"request\":\"RAQ="},
          {"\"accesses\":\"", "\"accesses\":\"r1000:8=0@0 "},
          {"\"accesses\":\"", "\"accesses\":\"q0:8=0@0 "},
          {"\"page_state\":\"shared\"", "\"page_state\":\"borrowed\""},
          {"\"error_code\":\"0x", "\"error_code\":\"0x100000000"},
          {" c=1 u=", " c=2 u="},
        }) {
      String good = lines.stream().filter(l -> l.contains(change[0])).findFirst().orElseThrow();
      assertThatThrownBy(() -> read(good.replace(change[0], change[1])))
          .as(change[1])
          .isInstanceOf(IOException.class)
          .hasMessageStartingWith("line 1 ");
    }
  }

  @Test
  void aLineWithoutAnEndIsGivenUp() {
    Reader endless =
        new Reader() {
          @Override
          public int read(char[] to, int from, int length) {
            java.util.Arrays.fill(to, from, from + length, ' ');
            return length;
          }

          @Override
          public void close() {}
        };
    assertThatThrownBy(() -> JsonLinesReader.read(endless, e -> {}))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("line 1 ")
        .hasMessageContaining("longer than");
  }

  private static String cutAt(String trace, List<Event> events) throws IOException {
    return JsonLinesReader.read(new StringReader(trace), events::add).orElse("");
  }

  @Test
  void aTraceThatIsCutIsReadAsFarAsItGoes() throws IOException {
    List<String> lines = recorded("reference-guest.jsonl.gz").lines().toList();
    String whole = String.join("\n", lines) + "\n";
    List<Event> all = new ArrayList<>();
    assertThat(cutAt(whole, all)).isEmpty();
    assertThat(all).hasSize(lines.size());
    // At each place of some lines: what is behind a whole record is the end of it, or no record.
    int tenth = whole.indexOf(lines.get(9));
    for (int at = tenth; at <= tenth + lines.get(9).length() + 1; at += 7) {
      List<Event> some = new ArrayList<>();
      String where = cutAt(whole.substring(0, at), some);
      assertThat(some).isEqualTo(all.subList(0, 9));
      assertThat(where)
          .isEqualTo(
              at == tenth
                  ? "behind line 9, which is no record of an end"
                  : "in the middle of line 10");
    }
    List<Event> some = new ArrayList<>();
    String ten = String.join("\n", lines.subList(0, 10));
    assertThat(cutAt(ten, some)).isEqualTo("behind line 10, which is no record of an end");
    assertThat(some).hasSize(10);
  }

  @Test
  void whatIsDamagedAndNotCutIsRefused() {
    assertThatThrownBy(() -> JsonLinesReader.read(new StringReader("{\"sche"), e -> {}))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("line 1 ");
    String good = "{\"schema\"";
    assertThatThrownBy(() -> JsonLinesReader.read(new StringReader(good + "\n" + good), e -> {}))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("line 1 ");
  }

  /** What comes out of damaged traces is judged or refused; nothing fails. */
  @Test
  void damagedTracesAreJudgedOrRefused() throws IOException {
    List<String> lines = recorded("reference-guest.jsonl.gz").lines().limit(120).toList();
    Random r = new Random(SEED);
    int judged = 0;
    for (int i = 0; i < 600; i++) {
      List<String> bad = new ArrayList<>(lines);
      int at = r.nextInt(bad.size());
      StringBuilder b = new StringBuilder(bad.get(at));
      int where = r.nextInt(b.length());
      switch (r.nextInt(3)) {
        case 0 -> b.setCharAt(where, "0123456789abcdefx=-@:\" ".charAt(r.nextInt(23)));
        case 1 -> b.deleteCharAt(where);
        default -> b.insert(where, "-0x:=@ 9f".charAt(r.nextInt(9)));
      }
      bad.set(at, b.toString());
      Checker c = new Checker();
      try {
        JsonLinesReader.read(new StringReader(String.join("\n", bad)), c::accept);
        judged++;
      } catch (IOException e) {
        assertThat(e.getMessage()).startsWith("line " + (at + 1) + " ");
      }
    }
    assertThat(judged).isBetween(100, 500);
  }
}
