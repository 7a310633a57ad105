package dev.vesper.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A page of the documents, as far as tests read it: blocks of code, and prose with what is in it.
 *
 * @param file where it is
 * @param blocks of code, fenced or indented, in order
 * @param prose everything else, its lines as they are
 */
record MarkdownPage(Path file, List<Block> blocks, String prose) {
  /** The clone. */
  static final Path ROOT = Path.of(System.getProperty("vesper.root", "..")).normalize();

  private static final Pattern FENCE = Pattern.compile("```(.*)");
  private static final Pattern HEADING = Pattern.compile("(?m)^#{1,6} +(.*)$");
  private static final Pattern CODE = Pattern.compile("`([^`]+)`");
  private static final Pattern LINK = Pattern.compile("\\[[^\\[\\]]*]\\(([^()\\s]+)\\)");

  /**
   * A block of code.
   *
   * @param info what stands behind the fence; empty if there is none
   * @param line of the page, from 1, where the code begins
   * @param text the code, each line with its end
   */
  record Block(String info, int line, String text) {}

  static MarkdownPage of(Path file) throws IOException {
    List<Block> blocks = new ArrayList<>();
    StringBuilder prose = new StringBuilder();
    List<String> lines = Files.readAllLines(file);
    boolean blank = true;
    for (int i = 0; i < lines.size(); i++) {
      Matcher fence = FENCE.matcher(lines.get(i));
      StringBuilder code = new StringBuilder();
      int first = i + 1;
      if (fence.matches()) {
        for (i++; !lines.get(i).equals("```"); i++) {
          code.append(lines.get(i)).append('\n');
        }
        blocks.add(new Block(fence.group(1), first + 1, code.toString()));
      } else if (blank && lines.get(i).startsWith("    ")) {
        for (; i < lines.size() && lines.get(i).matches(" {4}.*|\\s*"); i++) {
          code.append(lines.get(i).replaceFirst("^ {4}", "")).append('\n');
        }
        i--;
        blocks.add(new Block("", first, code.toString()));
      } else {
        prose.append(lines.get(i)).append('\n');
      }
      blank = lines.get(i).isBlank();
    }
    return new MarkdownPage(file, blocks, prose.toString());
  }

  /** {@return all pages of the clone} */
  static List<MarkdownPage> all() throws IOException {
    return all(ROOT);
  }

  /** {@return the pages in a folder and in its docs} */
  static List<MarkdownPage> all(Path root) throws IOException {
    List<Path> files = new ArrayList<>();
    try (Stream<Path> top = Files.list(root);
        Stream<Path> below = Files.walk(root.resolve("docs"))) {
      Stream.concat(top, below)
          .filter(p -> p.toString().endsWith(".md"))
          .sorted()
          .forEach(files::add);
    }
    List<MarkdownPage> pages = new ArrayList<>();
    for (Path p : files) {
      pages.add(of(p));
    }
    return pages;
  }

  /** {@return where links and pictures lead, as it is written} */
  List<String> links() {
    return LINK.matcher(CODE.matcher(prose).replaceAll("code"))
        .results()
        .map(m -> m.group(1))
        .toList();
  }

  /** {@return the code within lines of prose, without line ends} */
  List<String> spans() {
    return CODE.matcher(prose).results().map(m -> m.group(1).replaceAll("\\s+", " ")).toList();
  }

  /** {@return the anchors of the headings, by GitHub's rule} */
  Set<String> anchors() {
    Set<String> all = new LinkedHashSet<>();
    Map<String, Integer> seen = new HashMap<>();
    Matcher m = HEADING.matcher(prose);
    while (m.find()) {
      String slug =
          m.group(1)
              .toLowerCase(Locale.ROOT)
              .replaceAll("[^\\p{L}\\p{N} _-]", "")
              .replace(' ', '-');
      int before = seen.merge(slug, 1, Integer::sum) - 1;
      all.add(before == 0 ? slug : slug + "-" + before);
    }
    return all;
  }

  @Override
  public String toString() {
    return ROOT.relativize(file).toString();
  }
}
