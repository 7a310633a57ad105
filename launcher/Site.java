import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.commonmark.Extension;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.node.AbstractVisitor;
import org.commonmark.node.Heading;
import org.commonmark.node.Image;
import org.commonmark.node.Link;
import org.commonmark.node.Node;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.html.HtmlRenderer;
import org.commonmark.renderer.text.TextContentRenderer;

/**
 * Makes a site of static pages from the documents: {@code java -cp commonmark Site.java ROOT DIR}.
 */
final class Site {
  private static final String STYLE =
      """
      :root { color-scheme: light dark; }
      body { max-width: 60rem; margin: 0 auto; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif;
        overflow-wrap: break-word; }
      pre, table { display: block; overflow-x: auto; }
      pre { padding: .75rem; background: #8881; font-size: .85rem; line-height: 1.4; }
      code { font-family: ui-monospace, monospace; }
      :not(pre) > code { background: #8881; padding: 0 .2em; }
      table { border-collapse: collapse; }
      td, th { border: 1px solid #8886; padding: .25rem .5rem; text-align: left; vertical-align: top; }
      img { max-width: 100%; height: auto; }
      nav { border-bottom: 1px solid #8886; padding-bottom: .5rem; }
      a { color: light-dark(#0550ae, #79b8ff); }
      """;

  private final Path root;
  private final Path to;
  private final List<Extension> extensions = List.of(TablesExtension.create());
  private final Parser parser = Parser.builder().extensions(extensions).build();
  private final TextContentRenderer text =
      TextContentRenderer.builder().extensions(extensions).build();

  private Site(Path root, Path to) {
    this.root = root;
    this.to = to;
  }

  public static void main(String[] args) throws IOException {
    new Site(Path.of(args[0]).toRealPath(), Path.of(args[1]).toAbsolutePath().normalize()).make();
  }

  private void make() throws IOException {
    List<Path> pages = new ArrayList<>();
    try (Stream<Path> top = Files.list(root);
        Stream<Path> docs = Files.walk(root.resolve("docs"))) {
      Stream.concat(top, docs).filter(p -> p.toString().endsWith(".md")).forEach(pages::add);
    }
    for (Path p : pages) {
      page(p);
    }
  }

  /** {@return the name of what becomes of a page} A folder's README is what its address shows. */
  private static String renamed(String page) {
    return page.replaceFirst("README\\.md(?=$|#)", "index.html")
        .replaceFirst("\\.md(?=$|#)", ".html");
  }

  private void page(Path source) throws IOException {
    Node page = parser.parse(Files.readString(source));
    String[] title = {source.getFileName().toString()};
    Map<Heading, String> anchors = new HashMap<>();
    Map<String, Integer> seen = new HashMap<>();
    page.accept(
        new AbstractVisitor() {
          @Override
          public void visit(Heading h) {
            String words = text.render(h).strip();
            if (anchors.isEmpty()) {
              title[0] = words;
            }
            // GitHub's rule, by which the pages' own links are written.
            String slug =
                words
                    .toLowerCase(Locale.ROOT)
                    .replaceAll("[^\\p{L}\\p{N} _-]", "")
                    .replace(' ', '-');
            int before = seen.merge(slug, 1, Integer::sum) - 1;
            anchors.put(h, before == 0 ? slug : slug + "-" + before);
          }

          @Override
          public void visit(Link link) {
            link.setDestination(destination(source, link.getDestination()));
            visitChildren(link);
          }

          @Override
          public void visit(Image image) {
            image.setDestination(destination(source, image.getDestination()));
          }
        });
    HtmlRenderer html =
        HtmlRenderer.builder()
            .extensions(extensions)
            .escapeHtml(true)
            .attributeProviderFactory(
                c ->
                    (node, tag, attributes) -> {
                      if (node instanceof Heading h) {
                        attributes.put("id", anchors.get(h));
                      }
                    })
            .build();
    String up = "../".repeat(root.relativize(source).getNameCount() - 1);
    write(to.resolve(renamed(root.relativize(source).toString())), title[0], up, html.render(page));
  }

  private static void write(Path file, String title, String up, String body) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(
        file,
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>%s</title><style>
        %s</style></head><body>
        <nav><a href="%sindex.html">Vesper</a> &middot; <a href="%sdocs/index.html">Documents</a></nav>
        %s</body></html>
        """
            .formatted(escaped(title), STYLE, up, up, body));
  }

  private static String escaped(String s) {
    return s.replace("&", "&amp;").replace("<", "&lt;");
  }

  /** {@return where a link leads in the site} What is no page is copied there. */
  private String destination(Path source, String link) {
    if (link.startsWith("#") || link.matches("[a-z]+:.*")) {
      return link;
    }
    Path target = source.resolveSibling(link.replaceFirst("#.*", "")).normalize();
    try {
      if (Files.isDirectory(target)) {
        folder(target);
        return link.replaceFirst("/?$", "/index.html");
      }
      if (!target.toString().endsWith(".md") && target.startsWith(root)) {
        copy(target);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return renamed(link);
  }

  private void copy(Path file) throws IOException {
    Path copy = to.resolve(root.relativize(file).toString());
    Files.createDirectories(copy.getParent());
    Files.copy(file, copy, StandardCopyOption.REPLACE_EXISTING);
  }

  /** Copies what a folder has, below which there may be more, with a page that lists it. */
  private void folder(Path folder) throws IOException {
    List<Path> files;
    try (Stream<Path> below = Files.walk(folder)) {
      files = below.filter(Files::isRegularFile).sorted().toList();
    }
    for (Path f : files) {
      copy(f);
    }
    Path place = root.relativize(folder);
    String list =
        files.stream()
            .map(f -> escaped(folder.relativize(f).toString()))
            .map(f -> "<li><a href=\"" + f + "\">" + f + "</a></li>\n")
            .collect(Collectors.joining());
    write(
        to.resolve(place.toString()).resolve("index.html"),
        place.toString(),
        "../".repeat(place.getNameCount()),
        "<h1>" + escaped(place.toString()) + "</h1>\n<ul>\n" + list + "</ul>\n");
  }
}
