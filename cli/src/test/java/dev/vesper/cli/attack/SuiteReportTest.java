package dev.vesper.cli.attack;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.JsonSchema;
import dev.vesper.machine.observe.format.JsonTree;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import javax.xml.XMLConstants;
import javax.xml.transform.stream.StreamSource;
import javax.xml.validation.SchemaFactory;
import org.junit.jupiter.api.Test;

/** Reports of attacks are what docs/schema says, whatever stands in them. */
final class SuiteReportTest {
  private static final Path SCHEMAS =
      Path.of(System.getProperty("vesper.root", "..")).resolve("docs/schema");

  private static final String HARM = "m<&>\"'](x){0}\n\u0007]]>";

  private static Suite.Result result(String name, Verdict v) {
    return new Suite.Result(
        Attack.lawful(name, "t " + HARM, "s " + HARM, "p " + HARM, "o " + HARM, r -> v), v);
  }

  /** One of each verdict; of the two weaknesses one is known. */
  private static Suite suite() {
    return new Suite(
        "g " + HARM,
        List.of(
            result("new-one", Verdict.vulnerable("why " + HARM, HARM, "two")),
            result("known-one", Verdict.vulnerable("why")),
            result("kept", Verdict.defended("why", HARM)),
            result("beyond", Verdict.limit("why", "nothing closes it", HARM)),
            result("stopped", Verdict.denied("why", HARM)),
            result("none", Verdict.notApplicable("why " + HARM))),
        Set.of("g " + HARM + "/known-one"));
  }

  @Test
  void junitXmlIsValid() throws Exception {
    String xml = SuiteReport.JUNIT.write(suite());
    SchemaFactory.newInstance(XMLConstants.W3C_XML_SCHEMA_NS_URI)
        .newSchema(SCHEMAS.resolve("junit.xsd").toFile())
        .newValidator()
        .validate(new StreamSource(new StringReader(xml)));
    assertThat(xml)
        .contains("tests=\"6\" failures=\"1\" errors=\"0\" skipped=\"1\"")
        .contains("limit: why; nothing closes it", "denial of service: why");
  }

  @Test
  void jsonIsWhatTheSchemaSays() throws Exception {
    JsonSchema schema =
        new JsonSchema(
            JsonTree.object(
                JsonTree.parse(Files.readString(SCHEMAS.resolve("attacks.schema.json")))));
    String good = SuiteReport.JSON.write(suite());
    assertThat(schema.wrong(JsonTree.parse(good))).isEmpty();
    String bad = good.replace("\"verdict\":\"limit\"", "\"verdict\":\"bad\"");
    assertThat(schema.wrong(JsonTree.parse(bad))).isNotEmpty();
  }

  /** SARIF 2.1.0: what 3.14, 3.19, 3.27 and 3.49 require of what is written. */
  @Test
  void sarifHasARuleForEachResult() throws Exception {
    Map<?, ?> log = JsonTree.object(JsonTree.parse(SuiteReport.SARIF.write(suite())));
    assertThat(log.get("version")).isEqualTo("2.1.0");
    Map<?, ?> run = (Map<?, ?>) list(log, "runs").getFirst();
    Map<?, ?> driver = object(object(run, "tool"), "driver");
    List<?> rules = list(driver, "rules");
    List<?> results = list(run, "results");
    assertThat(driver.get("name")).isNotNull();
    assertThat(results).hasSize(2);
    List<String> levels = new ArrayList<>();
    for (Object o : results) {
      Map<?, ?> result = (Map<?, ?>) o;
      int index = Integer.parseInt(String.valueOf(result.get("ruleIndex")));
      assertThat(((Map<?, ?>) rules.get(index)).get("id")).isEqualTo(result.get("ruleId"));
      assertThat(object(result, "message").get("text")).asString().doesNotContain("](");
      assertThat(result.get("partialFingerprints")).isInstanceOf(Map.class);
      levels.add(String.valueOf(result.get("level")));
    }
    assertThat(levels).containsExactly("error", "note");
  }

  private static List<?> list(Map<?, ?> of, String name) {
    return (List<?>) Objects.requireNonNull(of.get(name), name);
  }

  private static Map<?, ?> object(Map<?, ?> of, String name) {
    return (Map<?, ?>) Objects.requireNonNull(of.get(name), name);
  }
}
