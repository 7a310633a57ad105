package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.DirectoryStore;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A campaign's directory as one HTML page: its numbers over time, and what it has found. */
public final class CampaignPage {
  private static final int LARGEST = 64 << 20;
  private static final int WIDTH = 720;
  private static final int HEIGHT = 160;
  private static final int MOST_POINTS = 720;
  private static final int MOST_FINDINGS = 1000;

  /** Columns of {@code plot_data} that are drawn. */
  private static final int TIME = 0;

  private static final int CORPUS = 3;
  private static final int CRASHES = 7;
  private static final int RATE = 10;
  private static final int EDGES = 12;
  private static final int COLUMNS = 13;

  private CampaignPage() {}

  /**
   * {@return the page} It runs no script and loads nothing.
   *
   * @throws CampaignException if the directory is no campaign's
   */
  public static byte[] of(Path directory) throws CampaignException {
    Path plot = directory.resolve("plot_data");
    List<double[]> rows = rows(text(plot), plot);
    StringBuilder b = new StringBuilder();
    b.append("<!doctype html>\n<html lang=en><meta charset=utf-8><title>campaign</title>\n<style>")
        .append("body{font:14px sans-serif;margin:2em;max-width:60em}svg{background:#f6f6f6}")
        .append("pre{white-space:pre-wrap}td{padding:0 1em 0 0}</style>\n<h1>Campaign</h1>\n");
    Path stats = directory.resolve("fuzzer_stats");
    if (Files.isRegularFile(stats, LinkOption.NOFOLLOW_LINKS)) {
      b.append("<pre>").append(escaped(text(stats))).append("</pre>\n");
    }
    graph(b, rows, EDGES, "edges");
    graph(b, rows, CORPUS, "queue");
    graph(b, rows, CRASHES, "crashes");
    graph(b, rows, RATE, "executions a second");
    findings(b, directory, CampaignStore.Kind.CRASH, "Crashes");
    findings(b, directory, CampaignStore.Kind.HANG, "Hangs");
    return b.append("</html>\n").toString().getBytes(StandardCharsets.UTF_8);
  }

  private static String text(Path p) throws CampaignException {
    try {
      if (!Files.isRegularFile(p, LinkOption.NOFOLLOW_LINKS)) {
        throw new CampaignException(p + ": there is no such file: is this a campaign's directory?");
      }
      if (Files.size(p) > LARGEST) {
        throw new CampaignException(p + ": it is larger than " + LARGEST + " bytes: cut it");
      }
      return new String(Files.readAllBytes(p), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new CampaignException(p + ": it cannot be read: " + e.getMessage());
    }
  }

  private static List<double[]> rows(String text, Path p) throws CampaignException {
    List<double[]> all = new ArrayList<>();
    int number = 0;
    for (String l : text.lines().toList()) {
      number++;
      if (!l.startsWith("#") && !l.isBlank()) {
        all.add(row(l, p, number));
      }
    }
    return all;
  }

  private static double[] row(String line, Path p, int number) throws CampaignException {
    double[] v = new double[COLUMNS];
    int from = 0;
    for (int i = 0; i < COLUMNS; i++) {
      int to = line.indexOf(',', from);
      boolean last = i == COLUMNS - 1;
      if (to < 0 != last) {
        throw wrong(p, number);
      }
      String word = line.substring(from, last ? line.length() : to).strip();
      try {
        v[i] = Double.parseDouble(word.endsWith("%") ? word.substring(0, word.length() - 1) : word);
      } catch (NumberFormatException e) {
        throw wrong(p, number);
      }
      if (!Double.isFinite(v[i]) || v[i] < 0) {
        throw wrong(p, number);
      }
      from = to + 1;
    }
    return v;
  }

  private static CampaignException wrong(Path p, int line) {
    return new CampaignException(p + ", line " + line + ": " + COLUMNS + " numbers were expected");
  }

  private static void graph(StringBuilder b, List<double[]> rows, int column, String title) {
    double most = rows.stream().mapToDouble(r -> r[column]).max().orElse(0);
    double time = rows.stream().mapToDouble(r -> r[TIME]).max().orElse(0);
    b.append("<h2>")
        .append(title)
        .append("</h2>\n<svg width=")
        .append(WIDTH)
        .append(" height=")
        .append(HEIGHT)
        .append("><polyline fill=none stroke=#2060a0 stroke-width=1.5 points=\"");
    int step = Math.max(1, rows.size() / MOST_POINTS);
    for (int i = 0; i < rows.size(); i += step) {
      double x = time == 0 ? 0 : rows.get(i)[TIME] / time * (WIDTH - 1);
      double y = HEIGHT - 4 - (most == 0 ? 0 : rows.get(i)[column] / most * (HEIGHT - 20));
      b.append(String.format(Locale.ROOT, "%.1f,%.1f ", x, y));
    }
    b.append(
        String.format(
            Locale.ROOT,
            "\"/><text x=4 y=12>%.0f</text><text x=%d y=12>%.0f s</text></svg>%n",
            most,
            WIDTH - 70,
            time));
  }

  private static void findings(
      StringBuilder b, Path directory, CampaignStore.Kind kind, String title)
      throws CampaignException {
    Path folder = DirectoryStore.folder(directory, kind);
    List<Path> files = new ArrayList<>();
    if (Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
      try (DirectoryStream<Path> s = Files.newDirectoryStream(folder, "id_*")) {
        s.forEach(
            p -> {
              if (files.size() < MOST_FINDINGS
                  && Files.isRegularFile(p, LinkOption.NOFOLLOW_LINKS)) {
                files.add(p);
              }
            });
      } catch (IOException | java.nio.file.DirectoryIteratorException e) {
        throw new CampaignException(folder + ": it cannot be read: " + e.getMessage());
      }
    }
    files.sort(null);
    b.append("<h2>").append(title).append(": ").append(files.size()).append("</h2>\n");
    for (Path p : files) {
      String text = text(p);
      String head = "";
      try {
        Finding f = FindingFile.read(text.getBytes(StandardCharsets.ISO_8859_1)).finding();
        head = f.kind().word() + ": " + f.title();
      } catch (CampaignException e) {
        head = String.valueOf(e.getMessage());
      }
      b.append("<details><summary>")
          .append(escaped(head))
          .append("</summary><pre>")
          .append(escaped(p.getFileName() + "\n" + text))
          .append("</pre></details>\n");
    }
  }

  private static String escaped(String s) {
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '<' -> b.append("&lt;");
        case '>' -> b.append("&gt;");
        case '&' -> b.append("&amp;");
        case '"' -> b.append("&quot;");
        case '\n' -> b.append('\n');
        default -> b.append(c < ' ' || c == 0x7F ? '?' : c);
      }
    }
    return b.toString();
  }
}
