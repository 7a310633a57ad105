package dev.vesper.cli.attack;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Verdicts as they were found: a line each of column, attack, verdict and reason, with bars
 * between. Tests carry the attacks out and hold the lines.
 */
public final class Recorded {
  /** The resource. */
  public static final String RESOURCE = "verdicts.txt";

  private static final int PARTS = 4;

  private final Map<String, String[]> lines = new LinkedHashMap<>();

  private Recorded() {}

  /** {@return what is recorded} */
  public static Recorded read() {
    Recorded r = new Recorded();
    try (InputStream in = Recorded.class.getResourceAsStream(RESOURCE)) {
      if (in == null) {
        throw new AssertionError("the resource " + RESOURCE + " is missing");
      }
      new String(in.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(l -> !l.isBlank() && !l.startsWith("#"))
          .map(l -> l.split("\\|", PARTS))
          .forEach(p -> r.lines.put(p[0] + "|" + p[1], p));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return r;
  }

  /** {@return verdict and reason, with a bar between, or null if none is recorded} */
  public @Nullable String of(Column c, Attack a) {
    String[] p = lines.get(c.id + "|" + a.name());
    return p == null ? null : p[2] + "|" + p[3];
  }

  /** {@return a line for a result} */
  public static String line(Column c, Suite.Result r) {
    return c.id + "|" + r.attack().name() + "|" + r.verdict().word() + "|" + r.verdict().why();
  }
}
