package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Producer;
import dev.vesper.machine.observe.check.HandlerCoverage.Cell;
import dev.vesper.machine.observe.check.Rule.Severity;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.Visible;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * Writes a {@link Verdict} down: for the terminal, as JSON, SARIF 2.1.0, JUnit XML, Markdown. What
 * a trace names is anybody's text: each form has one method that makes it harmless there.
 */
public enum Reports {
  JSON(".json", Reports::json),
  SARIF(".sarif", Reports::sarif),
  JUNIT(".xml", Reports::junit),
  MARKDOWN(".md", Reports::markdown),
  TEXT(".txt", Reports::text);

  /** What Markdown, or a viewer that looks for addresses and names, might obey in a line. */
  private static final Pattern MARKUP =
      Pattern.compile(
          "[`*~$\\\\]|][(\\[]|!\\[|__|\\b_|_\\b|@\\w|#\\d|://|www\\.", Pattern.CASE_INSENSITIVE);

  private static final String SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json";

  /** What absolute names of source files are relative to. */
  private static final String BASE = "ROOT";

  /** The ending of a file's name that asks for this form. */
  public final String suffix;

  private final Function<Verdict, String> writer;

  Reports(String suffix, Function<Verdict, String> writer) {
    this.suffix = suffix;
    this.writer = writer;
  }

  /** {@return the report} */
  public String write(Verdict v) {
    return writer.apply(v);
  }

  // ---- terminal

  private static String text(Verdict v) {
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < v.findings().size(); i++) {
      Finding f = v.findings().get(i);
      b.append(f.rule().severity).append(": ").append(f.rule().id());
      b.append(" (").append(f.rule().side).append(") at ").append(Visible.of(f.place()));
      b.append(f.instruction().isEmpty() ? "" : " {" + Visible.of(f.instruction()) + "}");
      int n = v.counts().get(i);
      b.append(n > 1 ? ", " + n + " times" : "").append('\n');
      b.append("    ").append(Visible.of(f.message())).append('\n');
      b.append("    rule: ").append(f.rule().text).append(" [").append(f.rule().section);
      b.append("]\n    mend: ").append(f.rule().mend).append('\n');
    }
    b.append("check: ").append(v.summary()).append('\n');
    if (!v.recording().isEmpty()) {
      b.append("recorded in ").append(Visible.of(v.recording()));
      b.append(v.recordingSha256().isEmpty() ? "" : ", SHA-256 " + v.recordingSha256());
      b.append('\n');
    }
    return b.toString();
  }

  // ---- JSON

  private static String json(Verdict v) {
    Json j = new Json().object();
    j.key("schema").value("vesper.check/1");
    j.key("errors").value(v.count(Severity.ERROR));
    j.key("warnings").value(v.count(Severity.WARNING));
    j.key("notes").value(v.count(Severity.NOTE));
    if (!v.recording().isEmpty()) {
      j.key("recording").value(v.recording());
    }
    if (!v.recordingSha256().isEmpty()) {
      j.key("recordingSha256").value(v.recordingSha256());
    }
    j.key("findings").array();
    for (int i = 0; i < v.findings().size(); i++) {
      finding(j, v.findings().get(i), v.counts().get(i));
    }
    j.end().key("known").array();
    v.known().forEach(f -> finding(j, f, 0));
    j.end().key("coverage").object().key("seen").array();
    for (Cell c : v.coverage().cells()) {
      j.object().key("exit").value(c.exit()).key("form").value(c.form());
      j.key("mode").value(c.mode()).key("cpl").value(c.cpl()).key("count").value(c.count()).end();
    }
    j.end().key("unseen").array();
    v.coverage().unseen().forEach(j::value);
    return j.end().end().end() + "\n";
  }

  private static void finding(Json j, Finding f, int count) {
    j.object();
    j.key("rule").value(f.rule().id()).key("severity").value(f.rule().severity.toString());
    j.key("side").value(f.rule().side.toString()).key("section").value(f.rule().section);
    j.key("message").value(f.message()).key("mend").value(f.rule().mend);
    j.key("vcpu").value(f.vcpu()).key("cpl").value(f.cpl()).key("time_ns").value(f.time());
    j.key("vc").value(f.vc()).key("rip").value(Event.hex(f.rip())).key("symbol").value(f.symbol());
    j.key("source").value(f.source()).key("instruction").value(f.instruction());
    if (count > 0) {
      j.key("count").value(count);
    }
    j.key("fingerprint").value(f.fingerprint()).end();
  }

  // ---- SARIF

  private static String sarif(Verdict v) {
    Json j = new Json().object();
    j.key("$schema").value(SARIF_SCHEMA).key("version").value("2.1.0");
    j.key("runs").array().object().key("tool").object().key("driver").object();
    j.key("name").value(Producer.NAME).key("version").value(Producer.VERSION);
    j.key("informationUri").value(Producer.HOME).key("rules").array();
    Set<Rule> used = new LinkedHashSet<>();
    v.findings().forEach(f -> used.add(f.rule()));
    for (Rule r : used) {
      rule(j, r);
    }
    j.end().end().end();
    // What is relative to it is so wherever the guest was built.
    j.key("originalUriBaseIds").object().key(BASE).object().key("description").object();
    j.key("text").value("the root of the file system on which the guest was built");
    j.end().end().end().key("columnKind").value("utf16CodeUnits").key("results").array();
    for (Finding f : v.findings()) {
      result(j, f, List.copyOf(used).indexOf(f.rule()));
    }
    return j.end().end().end().end() + "\n";
  }

  private static void rule(Json j, Rule r) {
    j.object().key("id").value(r.id()).key("name").value(pascalCase(r.id()));
    j.key("shortDescription").object().key("text").value(sentence(r.text)).end();
    j.key("fullDescription").object().key("text");
    j.value(sentence(r.text) + " Broken by the " + r.side + ". Section: " + r.section + ".");
    j.end().key("help").object().key("text").value(sentence(r.mend) + " (" + r.section + ")");
    j.end().key("defaultConfiguration").object().key("level").value(r.severity.toString()).end();
    j.key("properties").object().key("tags").array().value("ghcb").value(r.side.toString());
    j.end().end().end();
  }

  /** {@return a name of one word for a rule, as viewers have them} */
  private static String pascalCase(String id) {
    StringBuilder b = new StringBuilder();
    for (String word : id.split("-", -1)) {
      b.append(Character.toUpperCase(word.charAt(0))).append(word, 1, word.length());
    }
    return b.toString();
  }

  private static String sentence(String s) {
    return s.isEmpty() ? "." : Character.toUpperCase(s.charAt(0)) + s.substring(1) + ".";
  }

  private static void result(Json j, Finding f, int index) {
    int colon = f.source().lastIndexOf(':');
    boolean known = colon > 0;
    long line = line(f.source().substring(colon + 1));
    j.object().key("ruleId").value(f.rule().id()).key("ruleIndex").value(index);
    j.key("level").value(f.rule().severity.toString());
    j.key("message").object().key("text");
    j.value(sentence(message(f.message() + (known ? "" : " (" + f.place() + ")")))).end();
    j.key("locations").array().object();
    j.key("physicalLocation").object().key("artifactLocation").object();
    // Viewers show nothing of a result that is in no file: without lines the guest is one.
    String file = !known ? "guest" : line == 0 ? f.source() : f.source().substring(0, colon);
    boolean absolute = known && file.startsWith("/");
    j.key("uri").value(uri(absolute ? file.replaceFirst("^/+", "") : file));
    if (absolute) {
      j.key("uriBaseId").value(BASE);
    }
    j.end().key("region").object().key("startLine").value(Math.max(1, line));
    j.end().end();
    j.key("logicalLocations").array().object();
    j.key("fullyQualifiedName");
    j.value(f.symbol().isEmpty() ? Event.hex(f.rip()) : Visible.of(f.symbol()));
    j.key("kind").value("function").end().end().end().end();
    j.key("partialFingerprints").object().key("vesper/v1").value(f.fingerprint()).end();
    j.key("properties").object().key("rip").value(Event.hex(f.rip()));
    j.key("instruction").value(Visible.of(f.instruction())).end().end();
  }

  /**
   * {@return text for a message} Viewers make links of {@code [words](target)} and look for
   * placeholders between braces (SARIF 2.1.0, sections 3.11.5 and 3.11.6).
   */
  private static String message(String s) {
    return Visible.of(s).replace("](", "] (").replaceAll("\\{(\\d+)}", "{{$1}}");
  }

  /** {@return the line of a source, 0 if it names none} */
  private static long line(String s) {
    boolean number = s.length() < 10 && s.chars().allMatch(c -> c >= '0' && c <= '9');
    return number && !s.isEmpty() ? Math.max(1, Long.parseLong(s)) : 0;
  }

  /** {@return a file's name as a URI reference} */
  private static String uri(String file) {
    StringBuilder b = new StringBuilder();
    for (byte c : file.getBytes(java.nio.charset.StandardCharsets.UTF_8)) {
      boolean plain = c > 0 && (Character.isLetterOrDigit(c) || "-._~/".indexOf(c) >= 0);
      b.append(plain ? (char) c + "" : String.format("%%%02X", c & 0xFF));
    }
    return b.toString();
  }

  // ---- JUnit XML: one test case a rule; docs/schema/junit.xsd

  private static String junit(Verdict v) {
    StringBuilder b = new StringBuilder("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    long failed =
        v.findings().stream()
            .filter(f -> f.rule().severity != Severity.NOTE)
            .map(Finding::rule)
            .distinct()
            .count();
    b.append("<testsuite name=\"vesper check\" tests=\"").append(Rule.values().length);
    b.append("\" failures=\"").append(failed).append("\" errors=\"0\" skipped=\"0\" time=\"0\">\n");
    for (Rule r : Rule.values()) {
      b.append("  <testcase classname=\"ghcb.").append(r.side).append("\" name=\"");
      b.append(r.id()).append("\" time=\"0\"");
      List<Finding> mine = v.findings().stream().filter(f -> f.rule() == r).toList();
      if (mine.isEmpty()) {
        b.append("/>\n");
        continue;
      }
      String tag = r.severity == Severity.NOTE ? "system-out" : "failure";
      b.append(">\n    <").append(tag);
      b.append(
          tag.equals("failure")
              ? " type=\""
                  + r.id()
                  + "\" message=\""
                  + xml(Visible.of(mine.get(0).message()))
                  + "\">"
              : ">");
      for (Finding f : mine) {
        b.append(xml(Visible.of(f.place() + ": " + f.message()) + "\n"));
      }
      b.append(xml("mend: " + r.mend)).append("</").append(tag).append(">\n  </testcase>\n");
    }
    return b.append("</testsuite>\n").toString();
  }

  /** {@return text for an element or an attribute: XML 1.0 has no way to write some characters} */
  private static String xml(String s) {
    StringBuilder b = new StringBuilder();
    for (char c : Visible.lines(s).toCharArray()) {
      switch (c) {
        case '&' -> b.append("&amp;");
        case '<' -> b.append("&lt;");
        case '>' -> b.append("&gt;");
        case '"' -> b.append("&quot;");
        case '\n' -> b.append("&#10;");
        default -> b.append(c);
      }
    }
    return b.toString();
  }

  // ---- Markdown

  private static String markdown(Verdict v) {
    StringBuilder b = new StringBuilder("## GHCB check: ").append(v.summary()).append("\n\n");
    if (!v.recording().isEmpty()) {
      b.append("Recorded in `").append(code(v.recording())).append('`');
      b.append(v.recordingSha256().isEmpty() ? "" : ", SHA-256 `" + v.recordingSha256() + "`");
      b.append(".\n\n");
    }
    if (!v.findings().isEmpty()) {
      b.append("| severity | rule | side | where | what | times |\n|---|---|---|---|---|---|\n");
    }
    for (int i = 0; i < v.findings().size(); i++) {
      Finding f = v.findings().get(i);
      b.append("| ").append(f.rule().severity).append(" | `").append(f.rule().id());
      b.append("` | ").append(f.rule().side).append(" | `").append(code(f.place()));
      b.append("` | ").append(cell(f.message())).append("<br>*").append(own(f.rule().mend));
      b.append("* | ").append(v.counts().get(i)).append(" |\n");
    }
    b.append("\n### What the handlers have seen\n\n");
    b.append("| exit | form | mode | CPL | times |\n|---|---|---|---|---|\n");
    for (Cell c : v.coverage().cells()) {
      b.append("| ").append(c.exit().replace("SVM_VMEXIT_", "")).append(" | `");
      b.append(code(c.form())).append("` | ").append(c.mode()).append(" | ").append(c.cpl());
      b.append(" | ").append(c.count()).append(" |\n");
    }
    List<String> unseen = v.coverage().unseen();
    b.append("\nNot seen: ");
    b.append(unseen.isEmpty() ? "nothing" : String.join(", ", unseen).replace("SVM_VMEXIT_", ""));
    return b.append(".\n").toString();
  }

  /** {@return text for a code span in a table: nothing in it means anything but its end} */
  private static String code(String s) {
    // A backslash of the text must not become one with that of the bar behind it.
    return Visible.of(s).replace("\\|", "\\ |").replace("|", "\\|").replace("`", "'");
  }

  /** {@return text for a cell in a table: as code if anything in it could be taken for markup} */
  private static String cell(String s) {
    boolean odd = MARKUP.matcher(s).find() || !Visible.of(s).equals(s);
    return odd ? '`' + code(s) + '`' : own(s);
  }

  /** {@return a text of ours for a cell} */
  private static String own(String s) {
    return s.replace("|", "\\|").replace("<", "&lt;");
  }
}
