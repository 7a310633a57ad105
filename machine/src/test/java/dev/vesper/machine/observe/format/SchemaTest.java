package dev.vesper.machine.observe.format;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The JSON Schema of traces says what traces have. It uses few words of JSON Schema, which are all
 * understood here.
 */
final class SchemaTest {
  private static final Set<String> WORDS =
      Set.of("type", "const", "enum", "pattern", "minimum", "maximum");

  private final Map<String, Object> schema;
  private final Map<String, Object> properties;

  SchemaTest() throws IOException {
    Path root = Path.of(System.getProperty("vesper.root", ".."));
    String text = Files.readString(root.resolve("docs/schema/trace.schema.json"));
    schema = JsonTree.object(JsonTree.parse(text));
    properties = JsonTree.object(schema.get("properties"));
  }

  private static boolean fits(Map<String, Object> rule, Object v) {
    boolean number = v instanceof Long;
    return rule.getOrDefault("type", number ? "integer" : "string")
            .equals(number ? "integer" : "string")
        && rule.getOrDefault("const", v).equals(v)
        && (!rule.containsKey("enum") || JsonTree.array(rule.get("enum")).contains(v))
        && (!rule.containsKey("pattern")
            || v.toString().matches(Objects.requireNonNull(rule.get("pattern")).toString()))
        && (!number || (Long) v >= (Long) rule.getOrDefault("minimum", Long.MIN_VALUE))
        && (!number || (Long) v <= (Long) rule.getOrDefault("maximum", Long.MAX_VALUE));
  }

  private void conforms(String line) {
    Map<String, Object> record = JsonTree.object(JsonTree.parse(line));
    assertThat(record.keySet().containsAll(JsonTree.array(schema.get("required")))).isTrue();
    record.forEach(
        (name, value) -> {
          assertThat(properties).containsKey(name);
          assertThat(fits(JsonTree.object(properties.get(name)), value))
              .as(name + " is " + value)
              .isTrue();
        });
  }

  @Test
  void itSaysNothingThatIsNotLookedAt() {
    for (Object rule : properties.values()) {
      assertThat(WORDS).containsAll(JsonTree.object(rule).keySet());
    }
    assertThat(schema).containsEntry("additionalProperties", false);
  }

  @Test
  void itHasEachDetailAndNoOther() {
    Set<String> names = new TreeSet<>();
    JsonTree.array(schema.get("required")).forEach(r -> names.add(r.toString()));
    for (Key k : Key.values()) {
      names.add(k.text);
    }
    // Records of VMPL0 and of guests without VMPLs leave it out.
    names.add("level");
    assertThat(properties.keySet()).containsExactlyInAnyOrderElementsOf(names);
  }

  @Test
  void eventsOfEveryTypeConform() throws IOException {
    RandomEvents events = new RandomEvents(5);
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    Set<Object> kinds = new TreeSet<>();
    try (JsonLinesWriter w = new JsonLinesWriter(b)) {
      for (int i = 0; i < 800; i++) {
        var e = events.next();
        kinds.add(EventCodec.kind(e));
        w.accept(e);
      }
    }
    b.toString(StandardCharsets.UTF_8).lines().forEach(this::conforms);
    List<Object> said =
        new ArrayList<>(JsonTree.array(JsonTree.object(properties.get("kind")).get("enum")));
    assertThat(said).containsExactlyInAnyOrderElementsOf(kinds);
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference-guest.jsonl.gz", "reference-guest-openbsd.jsonl.gz"})
  void realTracesConform(String name) throws IOException {
    try (InputStream in = Objects.requireNonNull(SchemaTest.class.getResourceAsStream(name));
        BufferedReader lines =
            new BufferedReader(
                new InputStreamReader(new GZIPInputStream(in), StandardCharsets.UTF_8))) {
      lines.lines().forEach(this::conforms);
    }
  }
}
