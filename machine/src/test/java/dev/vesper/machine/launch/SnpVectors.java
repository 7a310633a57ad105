package dev.vesper.machine.launch;

import dev.vesper.machine.observe.format.JsonTree;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The vectors of SEV-SNP launches, as objects. */
final class SnpVectors {
  private SnpVectors() {}

  static byte[] bytes(String file) {
    try (InputStream in = SnpVectors.class.getResourceAsStream("snp/" + file)) {
      return Objects.requireNonNull(in).readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Map<String, Object> file(String name) {
    return JsonTree.object(JsonTree.parse(new String(bytes(name), StandardCharsets.UTF_8)));
  }

  static Stream<Map<String, Object>> objects(@Nullable Object list) {
    return JsonTree.array(list).stream().map(JsonTree::object);
  }

  static String text(Map<String, Object> o, String key) {
    return String.valueOf(Objects.requireNonNull(o.get(key), key));
  }

  static int number(List<Object> list, int i) {
    return ((Number) list.get(i)).intValue();
  }

  static byte[] hex(String s) {
    return HexFormat.of().parseHex(s);
  }

  static String hex(byte[] b) {
    return HexFormat.of().formatHex(b);
  }
}
