package dev.vesper.machine.observe.html;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.AutomaticExit;
import dev.vesper.machine.observe.Event.ConsoleLine;
import dev.vesper.machine.observe.Event.CpuidLaunched;
import dev.vesper.machine.observe.Event.DmaNoise;
import dev.vesper.machine.observe.Event.Ended;
import dev.vesper.machine.observe.Event.ExecuteOnlyRead;
import dev.vesper.machine.observe.Event.FlowFound;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.GhcbRegistered;
import dev.vesper.machine.observe.Event.GuestRequestAnswered;
import dev.vesper.machine.observe.Event.HostAccess;
import dev.vesper.machine.observe.Event.HostileRule;
import dev.vesper.machine.observe.Event.Injected;
import dev.vesper.machine.observe.Event.KeyExposed;
import dev.vesper.machine.observe.Event.Launched;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Event.Omission;
import dev.vesper.machine.observe.Event.PageStateChanged;
import dev.vesper.machine.observe.Event.Place;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.Event.Rmpquery;
import dev.vesper.machine.observe.Event.SvsmCalled;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.machine.observe.Event.VcReturned;
import dev.vesper.machine.observe.Event.VcpuStarted;
import dev.vesper.machine.observe.Event.WriteTrap;
import dev.vesper.machine.observe.PageSpan;
import dev.vesper.machine.observe.RmpMap;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.HandlerCoverage.Cell;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.EventCodec;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.TraceWriter;
import dev.vesper.machine.observe.format.Visible;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A page about a run: how it ended, the findings, where its time went, a time line for each vCPU,
 * and a table of all events that can be sorted and searched. It holds as many events as there are:
 * they go to the page's file, or to a temporary one, some thousand at a time ({@link Chunk}), and
 * the page makes rows only of those that somebody looks at.
 *
 * <p>All that comes of a run is in elements of JSON that nothing in them can close, and the page's
 * script shows it as text. A browser is told to run that script, which it knows by its digest, and
 * nothing else, and to load nothing.
 */
public final class HtmlReport implements TraceWriter {
  /** Where the template takes the data, and the policy. */
  private static final String DATA = "{{data}}";

  private static final String POLICY = "{{policy}}";

  private static final String ELEMENT = "<script type=\"application/json\" ";
  private static final String END = "</script>\n";

  /** The end of the console that the head shows, and how long a line of it may be. */
  private static final int CONSOLE_LINES = 40;

  private static final int CONSOLE_COLUMNS = 400;

  /** The most areas of memory that the head has; a guest may share every other page. */
  private static final int MOST_AREAS = 2000;

  /** Guests access their GHCBs at a hundred places or so. */
  private static final int MOST_PLACES = 4096;

  private final @Nullable Writer out;
  private final String title;
  private final String command;
  private final Checker checker;
  private final Supplier<Verdict> verdict;

  /** Where chunks wait that are not written yet; null if there are none. */
  private @Nullable Spool spool;

  /** Whether the page has its beginning. */
  private boolean begun;

  private Chunk chunk = new Chunk();
  private long rows;
  private final Vcs vcs = new Vcs();
  private final Map<Finding, Spot> spots = new HashMap<>();
  private final Set<Integer> vcpus = new TreeSet<>();
  private final Map<Long, String> places = new LinkedHashMap<>();
  private final Deque<String> console = new ArrayDeque<>();
  private @Nullable Launched launched;
  private @Nullable Ended ended;
  private long lastTime;
  private long instructions;
  private int findings;

  /** Rows that are about pages of memory. */
  private long paged;

  private final RmpMap map = new RmpMap();

  /**
   * Where a finding is to be seen.
   *
   * @param row what has shown it
   * @param vc the #VC that it is about
   * @param exchange the row of the exchange that it is about, -1 for none
   */
  private record Spot(long row, Vcs.Vc vc, long exchange) {}

  /**
   * A page that is written while things happen.
   *
   * @param out where it goes
   * @param command line that makes it, for people; may be empty
   * @param checker sees each event before this report does
   * @param verdict what to show, asked for at the end
   */
  public static HtmlReport to(
      Writer out, String title, String command, Checker checker, Supplier<Verdict> verdict) {
    return new HtmlReport(out, title, command, checker, verdict);
  }

  /**
   * A page that is kept, in a temporary file if it is long, until somebody wants to have it
   * written: see {@link #write}.
   *
   * @param checker sees each event before this report does
   * @param verdict what to show, asked for when it is written
   */
  public static HtmlReport kept(String title, Checker checker, Supplier<Verdict> verdict) {
    return new HtmlReport(null, title, "", checker, verdict);
  }

  private HtmlReport(
      @Nullable Writer out,
      String title,
      String command,
      Checker checker,
      Supplier<Verdict> verdict) {
    this.out = out;
    this.title = title;
    this.command = command;
    this.checker = checker;
    this.verdict = verdict;
  }

  /** {@return JSON text in which there is no markup: these characters are in its strings alone} */
  private static String inElement(String json) {
    return json.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026");
  }

  @Override
  public void accept(Event e) {
    At at = e.at();
    if (e instanceof Place) {
      if (places.size() < MOST_PLACES) {
        places.put(at.rip(), at.symbol());
      }
      return;
    }
    head(e);
    map.accept(e);
    paged += PageSpan.of(e).isEmpty() ? 0 : 1;
    long number = vc(e);
    Vcs.Vc vc = vcs.row(e, rows, number, EventCodec.name(e));
    if (checker.size() > findings) {
      findings(e);
    }
    boolean back = e instanceof VcReturned && vc.raised >= 0;
    chunk.add(
        e,
        Summary.of(e, number == 0 ? Summary.Direction.NONE : vc.direction),
        number,
        e instanceof VcReturned v ? v.spent() : -1,
        back ? at.time() - vc.time : -1);
    rows++;
    if (chunk.isFull()) {
      try {
        pass();
      } catch (IOException x) {
        throw new UncheckedIOException(x);
      }
    }
  }

  /** Takes what the head of the page says. */
  private void head(Event e) {
    vcpus.add(e.at().vcpu());
    lastTime = Math.max(lastTime, e.at().time());
    instructions = Math.max(instructions, e.at().instructions());
    switch (e) {
      case ConsoleLine c -> {
        String s = Visible.of(c.text());
        console.add(s.length() > CONSOLE_COLUMNS ? s.substring(0, CONSOLE_COLUMNS) + "…" : s);
        if (console.size() > CONSOLE_LINES) {
          console.remove();
        }
      }
      case Launched l -> launched = l;
      case Ended x -> ended = x;
      default -> {
        // in its row alone
      }
    }
  }

  /** Says which rows the newest findings are about. */
  private void findings(Event e) {
    List<Finding> all = checker.findings();
    for (; findings < all.size(); findings++) {
      Finding f = all.get(findings);
      Vcs.Vc vc = vcs.of(e, f.vc());
      // A finding of an earlier #VC belongs to its row.
      boolean here = f.rip() == e.at().rip() || vc.raised < 0;
      spots.put(f, new Spot(here ? rows : vc.raised, vc, vc.exchange));
    }
  }

  /** Hands the full chunk on. */
  private void pass() throws IOException {
    String element = ELEMENT + "class=\"chunk\">" + chunk.pack() + END;
    chunk = new Chunk();
    if (out != null) {
      begin(out);
      out.write(element);
      return;
    }
    if (spool == null) {
      spool = new Spool();
    }
    spool.add(element);
  }

  private void begin(Writer to) throws IOException {
    if (!begun) {
      String page = template();
      to.write(page.substring(0, page.indexOf(DATA)).replace(POLICY, policy(page)));
      begun = true;
    }
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
      case Pvalidate x -> 0;
      case Rmpadjust x -> 0;
      case Rmpquery x -> 0;
      case RmpChanged x -> 0;
      case RmpViolation x -> 0;
      case ApCreationAsked x -> 0;
      case GhcbRegistered x -> 0;
      case GuestRequestAnswered x -> 0;
      case SvsmCalled x -> 0;
      case Omission x -> 0;
      case CpuidLaunched x -> 0;
      case KeyExposed x -> 0;
      case HostileRule x -> 0;
      case FlowFound x -> 0;
      case ConsoleLine x -> 0;
      case Place x -> 0;
      case Launched x -> 0;
      case Ended x -> 0;
    };
  }

  private String data(Verdict v) {
    Json j = new Json().object();
    j.key("title").value(Visible.of(title)).key("command").value(Visible.of(command));
    j.key("rows").value(rows).key("chunk").value(Chunk.ROWS).key("time").value(lastTime);
    j.key("instructions").value(instructions).key("vcpus").array();
    vcpus.forEach(j::value);
    j.end();
    Ended end = ended;
    if (end != null) {
      j.key("outcome").object().key("status").value(end.status());
      j.key("reason").value(Visible.of(end.reason())).end();
    }
    Launched l = launched;
    if (l != null) {
      j.key("launch").object().key("policy").value(Visible.of(l.policy()));
      j.key("digest").value(l.digest().toString());
      j.key("measurement").value(l.measurement().toString());
      j.key("nonce").value(l.nonce().toString()).end();
    }
    j.key("console").array();
    console.forEach(j::value);
    j.end().key("byExit");
    vcs.byExit.write(j);
    j.key("byHandler");
    vcs.byHandler.write(j);
    j.key("byPlace");
    vcs.byPlace.write(j);
    j.key("places").array();
    places.forEach(
        (rip, symbol) -> j.array().value(Event.hex(rip)).value(Visible.of(symbol)).end());
    j.end().key("fields").array();
    for (GhcbField f : GhcbField.values()) {
      j.array().value(f.offset).value(f.bytes).value(f.name()).end();
    }
    j.end().key("findings").array();
    for (int i = 0; i < v.findings().size(); i++) {
      finding(j, v.findings().get(i), v.counts().get(i));
    }
    j.end().key("summary").value(v.summary()).key("coverage").array();
    for (Cell c : v.coverage().cells()) {
      j.object().key("exit").value(c.exit()).key("form").value(Visible.of(c.form())).key("mode");
      j.value(c.mode()).key("cpl").value(c.cpl()).key("count").value(c.count()).end();
    }
    j.end().key("unseen").array();
    v.coverage().unseen().forEach(j::value);
    j.end().key("paged").value(paged).key("map").array();
    List<RmpMap.Area> areas = map.areas();
    for (RmpMap.Area a : areas.subList(0, Math.min(MOST_AREAS, areas.size()))) {
      j.array().value(a.span().first()).value(a.span().pages()).value(a.words()).end();
    }
    j.end().key("areas").value(areas.size()).key("totals").array();
    map.totals().forEach((words, pages) -> j.array().value(words).value(pages).end());
    return j.end().end().toString();
  }

  private void finding(Json j, Finding f, int count) {
    j.object().key("rule").value(f.rule().id()).key("severity");
    j.value(f.rule().severity.toString()).key("side").value(f.rule().side.toString());
    j.key("text").value(f.rule().text).key("mend").value(f.rule().mend);
    j.key("section").value(f.rule().section).key("message");
    j.value(Visible.of(f.message())).key("place").value(Visible.of(f.place()));
    j.key("instruction").value(Visible.of(f.instruction()));
    j.key("t").value(f.time()).key("vcpu").value(f.vcpu()).key("vc").value(f.vc());
    j.key("count").value(count);
    Spot s = spots.get(f);
    if (s != null) {
      j.key("row").value(s.row);
      row(j, "raised", s.vc.raised);
      row(j, "exchange", s.exchange);
      row(j, "returned", s.vc.returned);
    }
    j.end();
  }

  private static void row(Json j, String key, long row) {
    if (row >= 0) {
      j.key(key).value(row);
    }
  }

  /**
   * Writes a page that was kept as it is now; more events may follow.
   *
   * @throws IOException if it cannot be written
   */
  public void write(Writer to) throws IOException {
    begun = false;
    begin(to);
    if (spool != null) {
      spool.writeTo(to);
    }
    end(to);
  }

  private void end(Writer to) throws IOException {
    if (!chunk.isEmpty()) {
      to.write(ELEMENT + "class=\"chunk\">" + chunk.pack() + END);
    }
    to.write(ELEMENT + "id=\"data\">" + inElement(data(verdict.get())) + END);
    String page = template();
    to.write(page.substring(page.indexOf(DATA) + DATA.length()));
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
    if (out != null) {
      try (out) {
        begin(out);
        end(out);
      }
    }
  }
}
