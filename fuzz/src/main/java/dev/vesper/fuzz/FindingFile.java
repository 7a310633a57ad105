package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A finding as a file: a hostile script that has the guest do it again from its beginning, with
 * what was found, the input, and the console's end in comments.
 *
 * @param finding what was found
 * @param input what the guest was told
 * @param script the rules of a hostile script
 * @param console the end of what the guest has written
 */
public record FindingFile(Finding finding, Input input, String script, String console) {
  private static final String HEAD = "# vesper finding 1";
  private static final String KIND = "# kind: ";
  private static final String TITLE = "# title: ";
  private static final String STACK = "# stack: ";
  private static final String LIE = "#= ";
  private static final String SAID = "#| ";
  private static final String BETWEEN = " < ";
  private static final int LINES = 60;
  private static final int LONGEST = 300;

  /** {@return the file} */
  public byte[] encode() {
    StringBuilder b = new StringBuilder(HEAD).append('\n');
    b.append(KIND).append(finding.kind().word()).append('\n');
    b.append(TITLE).append(plain(finding.title())).append('\n');
    if (!finding.stack().isEmpty()) {
      b.append(STACK).append(plain(String.join(BETWEEN, finding.stack()))).append('\n');
    }
    input.lies().forEach(l -> b.append(LIE).append(l).append('\n'));
    b.append(script);
    List<String> lines = console.lines().toList();
    for (String l : lines.subList(Math.max(0, lines.size() - LINES), lines.size())) {
      b.append(SAID).append(plain(l)).append('\n');
    }
    return b.toString().getBytes(StandardCharsets.US_ASCII);
  }

  private static String plain(String s) {
    String p = s.replaceAll("[^ -~]", "?");
    return p.length() > LONGEST ? p.substring(0, LONGEST) : p;
  }

  /**
   * {@return what a file says}
   *
   * @throws CampaignException if it is none, in a line
   */
  public static FindingFile read(byte[] bytes) throws CampaignException {
    List<String> lines = new String(bytes, StandardCharsets.ISO_8859_1).lines().toList();
    if (lines.isEmpty() || !lines.get(0).equals(HEAD)) {
      throw new CampaignException(
          "it is no finding of a campaign: those begin with '" + HEAD + "'");
    }
    Finding.Kind kind = null;
    String title = "";
    List<String> stack = List.of();
    StringBuilder lies = new StringBuilder();
    StringBuilder script = new StringBuilder();
    StringBuilder console = new StringBuilder();
    for (String l : lines.subList(1, lines.size())) {
      if (l.startsWith(KIND)) {
        kind = kind(l.substring(KIND.length()));
      } else if (l.startsWith(TITLE)) {
        title = plain(l.substring(TITLE.length()));
      } else if (l.startsWith(STACK)) {
        stack = parts(plain(l.substring(STACK.length())));
      } else if (l.startsWith(LIE)) {
        lies.append(l, LIE.length(), l.length()).append('\n');
      } else if (l.startsWith(SAID)) {
        console.append(plain(l.substring(SAID.length()))).append('\n');
      } else {
        script.append(plain(l)).append('\n');
      }
    }
    if (kind == null) {
      throw new CampaignException("it does not say what was found: '" + KIND.strip() + " ...'");
    }
    Input input = InputReader.read(lies.toString().getBytes(StandardCharsets.ISO_8859_1));
    return new FindingFile(
        new Finding(kind, title, stack), input, script.toString(), console.toString());
  }

  private static List<String> parts(String s) {
    List<String> all = new ArrayList<>();
    int from = 0;
    for (int i = s.indexOf(BETWEEN); i >= 0; i = s.indexOf(BETWEEN, from)) {
      all.add(s.substring(from, i));
      from = i + BETWEEN.length();
    }
    all.add(s.substring(from));
    return all;
  }

  private static Finding.Kind kind(String word) throws CampaignException {
    for (Finding.Kind k : Finding.Kind.values()) {
      if (k.word().equals(word)) {
        return k;
      }
    }
    throw new CampaignException("it says that something was found that no oracle finds");
  }

  /**
   * {@return the rules of a hostile script that tell the same lies}
   *
   * @param told as they were told in an execution
   */
  static String script(Input input, Collection<LyingHost.Told> told) {
    Map<Lie, List<Integer>> times = new LinkedHashMap<>();
    input.lies().forEach(l -> times.putIfAbsent(l, new ArrayList<>()));
    told.forEach(t -> times.computeIfAbsent(t.lie(), l -> new ArrayList<>()).add(t.nth()));
    StringBuilder b = new StringBuilder();
    times.forEach(
        (l, n) -> {
          boolean whole =
              l.site().kind() == Site.Kind.VC
                  || !l.site().condition().isEmpty()
                  || l.site().kind() == Site.Kind.PROTO;
          if (l.nth() == 0 && whole && !n.isEmpty()) {
            rule(b, l, n.get(0), true);
          } else {
            n.forEach(i -> rule(b, l, i, false));
          }
        });
    return b.toString();
  }

  private static void rule(StringBuilder b, Lie l, int nth, boolean always) {
    boolean proto = l.site().kind() == Site.Kind.PROTO;
    b.append("# ").append(l.site()).append('@').append(l.nth() == 0 ? "*" : l.nth()).append('\n');
    b.append("when ").append(proto ? "msr " : "vmgexit ");
    b.append(Site.hex(l.site().code() & 0xFFFF_FFFFL)).append(" nth ").append(nth);
    if (always) {
      String c = l.site().condition();
      b.append(c.isEmpty() ? "" : " if " + c).append(" always");
    }
    b.append('\n');
    l.changes().forEach(c -> b.append("  ").append(c.action()).append('\n'));
  }
}
