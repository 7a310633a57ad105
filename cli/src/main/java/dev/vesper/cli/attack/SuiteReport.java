package dev.vesper.cli.attack;

import dev.vesper.machine.observe.Producer;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.Visible;
import java.util.List;
import java.util.function.Function;

/** Writes a {@link Suite} down: for the terminal, as JSON, SARIF 2.1.0 and JUnit XML. */
public enum SuiteReport {
  TEXT(".txt", SuiteReport::text),
  JSON(".json", SuiteReport::json),
  SARIF(".sarif", SuiteReport::sarif),
  JUNIT(".xml", SuiteReport::junit);

  private static final String SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json";

  /** The ending of a file's name that asks for this form. */
  public final String suffix;

  private final Function<Suite, String> writer;

  SuiteReport(String suffix, Function<Suite, String> writer) {
    this.suffix = suffix;
    this.writer = writer;
  }

  /** {@return the report} */
  public String write(Suite s) {
    return writer.apply(s);
  }

  /** {@return lines about one result} */
  public static String text(Suite.Result r) {
    StringBuilder b = new StringBuilder();
    b.append(r.attack().name()).append(": ").append(r.verdict().word()).append(": ");
    b.append(Visible.of(r.verdict().why())).append('\n');
    for (String line : r.verdict().proof()) {
      b.append("    ").append(Visible.of(line)).append('\n');
    }
    return b.toString();
  }

  private static String text(Suite s) {
    StringBuilder b = new StringBuilder();
    s.results().forEach(r -> b.append(text(r)));
    return b.append(s.summary()).append('\n').toString();
  }

  private static String json(Suite s) {
    Json j = new Json().object().key("schema").value("vesper.attacks/1");
    j.key("target").value(s.target()).key("new").value(s.news()).key("attacks").array();
    for (Suite.Result r : s.results()) {
      Attack a = r.attack();
      j.object().key("name").value(a.name()).key("title").value(a.title());
      j.key("source").value(a.source()).key("needs").value(a.needs().toString());
      j.key("precondition").value(a.precondition()).key("oracle").value(a.oracle());
      j.key("verdict").value(r.verdict().word()).key("why").value(r.verdict().why());
      j.key("proof").array();
      r.verdict().proof().forEach(j::value);
      j.end();
      if (Suite.weak(r)) {
        j.key("fingerprint").value(s.fingerprint(r)).key("new").value(s.isNew(r) ? 1 : 0);
      }
      j.end();
    }
    return j.end().end() + "\n";
  }

  private static String sarif(Suite s) {
    List<Suite.Result> weak = s.results().stream().filter(Suite::weak).toList();
    Json j = new Json().object();
    j.key("$schema").value(SARIF_SCHEMA).key("version").value("2.1.0");
    j.key("runs").array().object().key("tool").object().key("driver").object();
    j.key("name").value(Producer.NAME).key("version").value(Producer.VERSION);
    j.key("informationUri").value(Producer.HOME).key("rules").array();
    for (Suite.Result r : weak) {
      Attack a = r.attack();
      j.object().key("id").value(a.name());
      j.key("shortDescription").object().key("text").value(sentence(a.title())).end();
      j.key("fullDescription").object().key("text");
      j.value(sentence(a.title()) + " Source: " + a.source() + ". Proof: " + a.oracle() + ".");
      j.end().end();
    }
    j.end().end().end().key("columnKind").value("utf16CodeUnits").key("results").array();
    for (Suite.Result r : weak) {
      j.object().key("ruleId").value(r.attack().name()).key("ruleIndex").value(weak.indexOf(r));
      j.key("level").value(s.isNew(r) ? "error" : "note");
      j.key("message").object().key("text").value(message(r)).end();
      j.key("locations").array().object();
      j.key("physicalLocation").object().key("artifactLocation").object();
      j.key("uri").value("guest").end().key("region").object().key("startLine").value(1);
      j.end().end().end().end();
      j.key("partialFingerprints").object().key("vesper/v1").value(s.fingerprint(r)).end().end();
    }
    return j.end().end().end().end() + "\n";
  }

  /** {@return what was found, without what viewers take for links and placeholders} */
  private static String message(Suite.Result r) {
    String all = r.verdict().why() + ". " + String.join("; ", r.verdict().proof());
    return sentence(Visible.of(all).replace("](", "] (").replaceAll("\\{(\\d+)}", "{{$1}}"));
  }

  private static String sentence(String s) {
    return s.isEmpty() ? "." : Character.toUpperCase(s.charAt(0)) + s.substring(1) + ".";
  }

  private static String junit(Suite s) {
    StringBuilder b = new StringBuilder("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    long skipped =
        s.results().stream().filter(r -> r.verdict() instanceof Verdict.NotApplicable).count();
    b.append("<testsuite name=\"vesper attack\" tests=\"").append(s.results().size());
    b.append("\" failures=\"").append(s.news()).append("\" errors=\"0\" skipped=\"");
    b.append(skipped).append("\" time=\"0\">\n");
    for (Suite.Result r : s.results()) {
      b.append("  <testcase classname=\"attack.").append(token(s.target()));
      b.append("\" name=\"");
      b.append(r.attack().name()).append("\" time=\"0\">\n    ");
      String lines = String.join("\n", r.verdict().proof());
      String why = xml(r.verdict().why());
      if (s.isNew(r)) {
        b.append("<failure type=\"vulnerable\" message=\"").append(why).append("\">");
        b.append(xml(lines)).append("</failure>");
      } else if (r.verdict() instanceof Verdict.NotApplicable) {
        b.append("<skipped message=\"").append(why).append("\"/>");
      } else {
        b.append("<system-out>").append(xml(r.verdict().word() + ": " + r.verdict().why()));
        b.append("</system-out>");
      }
      b.append("\n  </testcase>\n");
    }
    return b.append("</testsuite>\n").toString();
  }

  /** {@return a text as one word of the letters that names of classes in such reports have} */
  private static String token(String text) {
    return text.replaceAll("[^A-Za-z0-9._-]", "_");
  }

  /** {@return text for an element or an attribute: XML 1.0 has no way to write some characters} */
  private static String xml(String s) {
    return Visible.lines(s)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;")
        .replace("\n", "&#10;");
  }
}
