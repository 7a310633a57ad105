package dev.vesper.junit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/** Names of the pages of failed tests: each has one of its own in a build. */
final class Pages {
  private static final Namespace SPACE = Namespace.create(Pages.class);

  private final Set<Path> taken = new HashSet<>();

  private static Path folder(ExtensionContext context) {
    return context
        .getConfigurationParameter("vesper.reports")
        .map(Path::of)
        .orElseGet(
            () ->
                Files.exists(Path.of("build.gradle")) || Files.exists(Path.of("build.gradle.kts"))
                    ? Path.of("build", "vesper")
                    : Path.of("target", "vesper"));
  }

  /**
   * {@return the file of a test's next guest} What a former build has left there is deleted.
   *
   * @param context of the test or the class
   */
  static Path next(ExtensionContext context) {
    Pages p =
        context
            .getRoot()
            .getStore(SPACE)
            .computeIfAbsent(Pages.class, k -> new Pages(), Pages.class);
    String test = context.getTestMethod().map(m -> m.getName()).orElse("class");
    var mode = SevModesExtension.of(context);
    String name = mode == null ? test : test + "-" + mode.name().toLowerCase(Locale.ROOT);
    Path folder = folder(context).resolve(context.getRequiredTestClass().getName());
    Path file = p.take(folder.toAbsolutePath(), name);
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      // It is written over if there is anything to write.
    }
    return file;
  }

  private synchronized Path take(Path folder, String name) {
    Path file = folder.resolve(name + ".html");
    for (int i = 2; !taken.add(file); i++) {
      file = folder.resolve(name + "-" + i + ".html");
    }
    return file;
  }
}
