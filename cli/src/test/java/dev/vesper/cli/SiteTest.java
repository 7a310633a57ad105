package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./vesper docs-site}: every page is there, and links lead from page to page. */
@EnabledOnOs({OS.LINUX, OS.MAC})
final class SiteTest {
  private static final Pattern LINK = Pattern.compile("(?:href|src)=\"([^\"]+)\"");

  @TempDir Path dir;

  @Test
  void linksLeadWithinTheSite() throws IOException, InterruptedException {
    Tools.need("mvn", "maven");
    Path site = dir.resolve("a site");
    Tools.run(MarkdownPage.ROOT.resolve("vesper").toString(), "docs-site", site.toString());
    List<String> lost = new ArrayList<>();
    List<Path> pages;
    try (Stream<Path> files = Files.walk(site)) {
      pages = files.filter(p -> p.toString().endsWith(".html")).toList();
    }
    for (Path p : pages) {
      Matcher m = LINK.matcher(Files.readString(p));
      while (m.find()) {
        String[] to = m.group(1).split("#", 2);
        if (to[0].matches("https?:.*")) {
          continue;
        }
        Path target = to[0].isEmpty() ? p : p.resolveSibling(to[0]).normalize();
        boolean there =
            target.startsWith(site)
                && Files.isRegularFile(target)
                && !target.toString().endsWith(".md")
                && (to.length == 1 || Files.readString(target).contains("id=\"" + to[1] + "\""));
        if (!there) {
          lost.add(site.relativize(p) + ": " + m.group(1));
        }
      }
    }
    assertThat(lost).isEmpty();
    assertThat(pages).hasSizeGreaterThanOrEqualTo(MarkdownPage.all().size());
    String guide = Files.readString(site.resolve("docs/tutorial.html"));
    assertThat(guide).contains("<pre><code class=\"language-asm\"># halt.s\n");
    assertThat(Files.readString(site.resolve("index.html")))
        .contains("<table>", "name=\"viewport\"", "light dark");
  }
}
