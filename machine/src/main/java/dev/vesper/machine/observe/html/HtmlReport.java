package dev.vesper.machine.observe.html;

import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.AutomaticExit;
import dev.vesper.machine.observe.Event.ConsoleLine;
import dev.vesper.machine.observe.Event.DmaNoise;
import dev.vesper.machine.observe.Event.Ended;
import dev.vesper.machine.observe.Event.ExecuteOnlyRead;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.HostAccess;
import dev.vesper.machine.observe.Event.Injected;
import dev.vesper.machine.observe.Event.Launched;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Event.PageStateChanged;
import dev.vesper.machine.observe.Event.Place;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.machine.observe.Event.VcReturned;
import dev.vesper.machine.observe.Event.VcpuStarted;
import dev.vesper.machine.observe.Event.WriteTrap;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.HandlerCoverage.Cell;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.EventCodec;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.Key;
import dev.vesper.machine.observe.format.TextBuffer;
import dev.vesper.machine.observe.format.TraceWriter;
import dev.vesper.machine.observe.format.Visible;
import java.io.IOException;
import java.io.InputStream;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.Deque;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Writes the report when it is closed, or before: a time line for each vCPU, the findings, and a
 * table of events that can be sorted and filtered. A run with very many events keeps the first
 * ones, the last ones and all that findings are about.
 *
 * <p>All that comes of a run is in one element of JSON that nothing in it can close, and the page's
 * script shows it as text. A browser is told to run that script, which it knows by its digest, and
 * nothing else, and to load nothing.
 */
public final class HtmlReport implements TraceWriter {
  private static final int MOST_FIRST = 50_000;
  private static final int MOST_LAST = 10_000;

  /**
   * Registers and accesses are shown for this many events at the beginning and at the end; findings
   * always have theirs.
   */
  private static final int MOST_LONG = 5_000;

  private static final int LAST_LONG = 1_000;

  /** Longer texts, such as a full shared buffer in hex, are cut. */
  private static final int MOST_TEXT = 6_000;

  /** Where the template takes the data, and the policy. */
  private static final String DATA = "{{data}}";

  private static final String POLICY = "{{policy}}";

  private static final Set<Key> LONG =
      EnumSet.of(Key.REGS, Key.ACCESSES, Key.REQUEST_VALID, Key.ANSWER_VALID);
  private static final Set<Key> HIDDEN = EnumSet.of(Key.VC, Key.ACTION);

  private final Writer out;
  private final String title;
  private final Checker checker;
  private final Supplier<Verdict> verdict;
  private final Map<String, Integer> strings = new HashMap<>();
  private final StringBuilder table = new StringBuilder();
  private final StringBuilder rows = new StringBuilder();

  /** The last events, of which it is not known yet whether they are kept. */
  private final Deque<Pending> last = new ArrayDeque<>();

  private final Map<Long, Row> rowOfVc = new HashMap<>();
  private final Map<Finding, Row> rowOfFinding = new HashMap<>();
  private final Set<Integer> vcpus = new HashSet<>();
  private int findings;
  private int kept;
  private long dropped;

  /** A row of the table, or what may become one. */
  private static final class Row {
    /** Findings are about it. */
    boolean finding;

    /** Its place in the table, -1 if it is in none. */
    int number = -1;
  }

  /** An event whose row is not written yet. */
  private record Pending(Event event, Row row) {}

  /**
   * @param out where the page goes when this is closed
   * @param checker sees each event before this report does
   * @param verdict what to show, asked for at the end
   */
  public HtmlReport(Writer out, String title, Checker checker, Supplier<Verdict> verdict) {
    this.out = out;
    this.title = title;
    this.checker = checker;
    this.verdict = verdict;
  }

  private int string(String text) {
    String s = text.length() > MOST_TEXT ? cut(text) + "…" : text;
    Integer i = strings.get(s);
    if (i != null) {
      return i;
    }
    int n = strings.size();
    strings.put(s, n);
    table.append(n == 0 ? "" : ",\n").append(inElement(Json.quote(s)));
    return n;
  }

  /** {@return the number of a stranger's text} */
  private int shown(String text) {
    return string(Visible.of(text));
  }

  private static String cut(String s) {
    int n = Character.isHighSurrogate(s.charAt(MOST_TEXT - 1)) ? MOST_TEXT - 1 : MOST_TEXT;
    return s.substring(0, n);
  }

  /** {@return JSON text in which there is no markup: these characters are in its strings alone} */
  private static String inElement(String json) {
    return json.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026");
  }

  @Override
  public void accept(Event e) {
    if (e instanceof Place) {
      return;
    }
    vcpus.add(e.at().vcpu());
    Row r = new Row();
    if (checker.size() > findings) {
      findings(e, r);
    }
    if (e instanceof VcRaised v) {
      rowOfVc.put(v.vc(), r);
    }
    if (kept < MOST_FIRST) {
      keep(e, r);
      return;
    }
    last.add(new Pending(e, r));
    if (last.size() > MOST_LAST) {
      Pending old = last.remove();
      if (old.row.finding) {
        keep(old.event, old.row);
      } else {
        dropped++;
        if (old.event instanceof VcRaised v) {
          rowOfVc.remove(v.vc());
        }
      }
    }
  }

  /** Says which rows the newest findings are about. */
  private void findings(Event e, Row r) {
    List<Finding> all = checker.findings();
    for (; findings < all.size(); findings++) {
      Finding f = all.get(findings);
      // A finding of an earlier #VC belongs to its row, if that was kept.
      Row vc = f.rip() == e.at().rip() ? null : rowOfVc.get(f.vc());
      Row about = vc == null ? r : vc;
      about.finding = true;
      r.finding = true;
      rowOfFinding.put(f, about);
    }
  }

  private void keep(Event e, Row r) {
    r.number = kept;
    row(rows, kept, e, r.finding || kept < MOST_LONG);
    kept++;
  }

  private void row(StringBuilder to, int number, Event e, boolean complete) {
    TextBuffer d = new TextBuffer();
    EventCodec.details(
        e,
        (k, v) -> {
          if (!HIDDEN.contains(k) && (complete || !LONG.contains(k))) {
            d.add(d.length() == 0 ? "" : "\n").add(k.text).add('=');
            EventCodec.show(d, k, v);
          }
        });
    At at = e.at();
    to.append(number == 0 ? "" : ",\n").append('[').append(at.time()).append(',');
    to.append(at.vcpu()).append(',').append(string(EventCodec.kind(e))).append(',');
    to.append(at.cpl()).append(',').append(at.bits()).append(',');
    to.append(string(Event.hex(at.rip()))).append(',');
    to.append(shown(at.symbol())).append(',').append(shown(at.source())).append(',');
    to.append(shown(at.instruction())).append(',').append(string(EventCodec.name(e)));
    to.append(',').append(shown(summary(e))).append(',');
    to.append(e instanceof VcReturned v ? v.spent() : -1).append(',').append(vc(e));
    to.append(',').append(string(d.toString())).append(']');
  }

  /** {@return the #VC that an event belongs to, 0 for none} */
  private static long vc(Event e) {
    return switch (e) {
      case VcRaised v -> v.vc();
      case VcReturned v -> v.vc();
      case GhcbExchange x -> x.vc();
      case MsrExchange x -> x.vc();
      case ExecuteOnlyRead x -> x.vc();
      case AutomaticExit x -> 0;
      case WriteTrap x -> 0;
      case Injected x -> 0;
      case PageStateChanged x -> 0;
      case HostAccess x -> 0;
      case DmaNoise x -> 0;
      case VcpuStarted x -> 0;
      case ConsoleLine x -> 0;
      case Place x -> 0;
      case Launched x -> 0;
      case Ended x -> 0;
    };
  }

  /** {@return the column that says what happened} */
  private static String summary(Event e) {
    return switch (e) {
      case GhcbExchange x -> x.action();
      case MsrExchange x -> EventCodec.request(x) + " → " + EventCodec.response(x);
      case ConsoleLine c -> c.text();
      case PageStateChanged p -> Event.hex(p.gpa()) + ": " + p.from() + " → " + p.to();
      case WriteTrap t -> "new value " + Event.hex(t.info1());
      case Ended x -> x.reason();
      case VcpuStarted s -> s.how();
      case VcRaised v -> "error code " + Event.hex(v.exit() & 0xFFFF_FFFFL);
      case VcReturned x -> "";
      case AutomaticExit x -> "";
      case Injected x -> "";
      case HostAccess x -> "";
      case DmaNoise x -> "";
      case ExecuteOnlyRead x -> "";
      case Place x -> "";
      case Launched x -> "";
    };
  }

  private static String data(Verdict v, Map<Finding, Row> rowOf) {
    Json j = new Json().object().key("findings").array();
    for (int i = 0; i < v.findings().size(); i++) {
      Finding f = v.findings().get(i);
      j.object().key("rule").value(f.rule().id()).key("severity");
      j.value(f.rule().severity.toString()).key("side").value(f.rule().side.toString());
      j.key("text").value(f.rule().text).key("mend").value(f.rule().mend);
      j.key("section").value(f.rule().section).key("message");
      j.value(Visible.of(f.message())).key("place").value(Visible.of(f.place()));
      j.key("instruction").value(Visible.of(f.instruction()));
      j.key("t").value(f.time()).key("vcpu").value(f.vcpu()).key("vc").value(f.vc());
      Row row = rowOf.get(f);
      j.key("count").value(v.counts().get(i)).key("row").value(row == null ? -1 : row.number).end();
    }
    j.end().key("summary").value(v.summary()).key("coverage").array();
    for (Cell c : v.coverage().cells()) {
      j.object().key("exit").value(c.exit()).key("form").value(Visible.of(c.form())).key("mode");
      j.value(c.mode()).key("cpl").value(c.cpl()).key("count").value(c.count()).end();
    }
    j.end().key("unseen").array();
    v.coverage().unseen().forEach(j::value);
    return j.end().end().toString();
  }

  /**
   * Writes the page as it is now; more events may follow.
   *
   * @throws IOException if it cannot be written
   */
  public void write(Writer to) throws IOException {
    StringBuilder tail = new StringBuilder();
    int n = kept;
    int left = last.size();
    for (Pending p : last) {
      p.row.number = n++;
      row(tail, p.row.number, p.event, p.row.finding || left <= LAST_LONG);
      left--;
    }
    String page = template();
    int at = page.indexOf(DATA);
    to.write(page.substring(0, at).replace(POLICY, policy(page)));
    to.write("{\"title\":" + inElement(Json.quote(Visible.of(title))) + ",\n");
    to.write("\"dropped\":" + dropped + ",\n");
    to.write("\"vcpus\":" + vcpus.stream().sorted().toList() + ",\n");
    to.write("\"check\":" + inElement(data(verdict.get(), rowOfFinding)) + ",\n");
    to.write("\"strings\":[\n" + table + "],\n");
    to.write("\"rows\":[\n" + rows + tail + "]}\n");
    to.write(page.substring(at + DATA.length()));
  }

  private static String template() throws IOException {
    try (InputStream in = HtmlReport.class.getResourceAsStream("report.html")) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  /** {@return a Content-Security-Policy by which the template's own script and style work alone} */
  private static String policy(String page) {
    return "default-src 'none'; script-src "
        + digest(page, "<script>", "</script>")
        + "; style-src "
        + digest(page, "<style>", "</style>")
        + "; base-uri 'none'; form-action 'none'";
  }

  private static String digest(String page, String begin, String end) {
    int from = page.indexOf(begin) + begin.length();
    byte[] text = page.substring(from, page.indexOf(end, from)).getBytes(StandardCharsets.UTF_8);
    try {
      byte[] d = MessageDigest.getInstance("SHA-256").digest(text);
      return "'sha256-" + Base64.getEncoder().encodeToString(d) + "'";
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }

  @Override
  public void close() throws IOException {
    write(out);
    out.close();
  }
}
