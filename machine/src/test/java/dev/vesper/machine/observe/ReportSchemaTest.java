package dev.vesper.machine.observe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fixtures.JsonSchema;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Reports;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.JsonTree;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.xml.XMLConstants;
import javax.xml.transform.stream.StreamSource;
import javax.xml.validation.Schema;
import javax.xml.validation.SchemaFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.xml.sax.SAXException;

/** The checker's reports are what docs/schema says. */
final class ReportSchemaTest {
  private static final Path SCHEMAS =
      Path.of(System.getProperty("vesper.root", "..")).resolve("docs/schema");

  /** Nothing found; text that means harm; each rule broken, and known, once. */
  private static List<Verdict> verdicts() {
    Checker none = new Checker();
    List<Finding> all =
        Arrays.stream(Rule.values())
            .map(r -> new Finding(r, 3, 7, -1, "f+0x10", "a.c:12", "cpuid", 3, 9, "m<&>\"'\n"))
            .toList();
    Checker seen = HostileTextTest.checker();
    return List.of(
        Verdict.of(none, Set.of(), Set.of()),
        HostileTextTest.verdict(seen),
        new Verdict(
            all,
            all,
            Collections.nCopies(all.size(), 2),
            seen.coverage(),
            "run.rec",
            "00".repeat(32)));
  }

  private static Schema xsd() throws SAXException {
    return SchemaFactory.newInstance(XMLConstants.W3C_XML_SCHEMA_NS_URI)
        .newSchema(SCHEMAS.resolve("junit.xsd").toFile());
  }

  private static void validate(String xml) throws SAXException, IOException {
    xsd().newValidator().validate(new StreamSource(new StringReader(xml)));
  }

  @ParameterizedTest
  @MethodSource("verdicts")
  void junitXmlIsValid(Verdict v) throws Exception {
    validate(Reports.JUNIT.write(v));
  }

  /** What readers refuse is not valid here. */
  @Test
  void whatIsNoReportIsNotValid() {
    String good = Reports.JUNIT.write(verdicts().get(2));
    for (List<String> change :
        List.of(
            List.of(" errors=\"0\"", ""),
            List.of(" time=\"0\">", ">"),
            List.of(" type=\"", " kind=\""),
            List.of("<failure ", "<failed "),
            List.of("tests=\"", "tests=\"-"),
            List.of("</failure>", "<b/></failure>"))) {
      String bad = good.replace(change.get(0), change.get(1));
      assertThat(bad).isNotEqualTo(good);
      assertThatThrownBy(() -> validate(bad))
          .as(change.toString())
          .isInstanceOf(SAXException.class);
    }
  }

  private static JsonSchema schema() throws IOException {
    String text = Files.readString(SCHEMAS.resolve("check.schema.json"));
    return new JsonSchema(JsonTree.object(JsonTree.parse(text)));
  }

  @ParameterizedTest
  @MethodSource("verdicts")
  void jsonIsWhatTheSchemaSays(Verdict v) throws Exception {
    assertThat(schema().wrong(JsonTree.parse(Reports.JSON.write(v)))).isEmpty();
  }

  @Test
  void theSchemaRefusesWhatIsNotOurs() throws Exception {
    String good = Reports.JSON.write(verdicts().get(2));
    for (Map.Entry<String, String> change :
        Map.of(
                "vesper.check/1", "vesper.check/2",
                "\"vcpu\":3", "\"vcpu\":-3",
                "\"severity\":\"error\"", "\"severity\":\"fatal\"",
                "\"unseen\":[", "\"unseen\":[7,",
                "\"mend\":", "\"help\":",
                "\"rip\":\"0x", "\"rip\":\"")
            .entrySet()) {
      String bad = good.replace(change.getKey(), change.getValue());
      assertThat(schema().wrong(JsonTree.parse(bad))).as(change.toString()).isNotEmpty();
    }
  }
}
