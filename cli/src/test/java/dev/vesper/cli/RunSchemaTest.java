package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.JsonSchema;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.observe.format.JsonTree;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code run --json F} writes is what its schema says. */
final class RunSchemaTest {
  private static final Path ROOT = Path.of(System.getProperty("vesper.root", ".."));

  @TempDir Path dir;

  @ParameterizedTest
  @CsvSource({
    "off, 'mov al, 3; mov dx, 0xf4; out dx, al', --exit-status=outcome",
    "es, 'ud2', --exit-status=guest",
    "sev, 'L: jmp short L', --limit-insns=1000",
    "snp, 'L: jmp short L', --limit-insns=1000"
  })
  void itIsWhatTheSchemaSays(String mode, String code, String option) throws Exception {
    Path image = dir.resolve("guest");
    Files.write(image, FlatGuest.image(code.replace("; ", "\n")));
    Path out = dir.resolve("r.json");
    List<String> args = new ArrayList<>(List.of("run", "--sev", mode, "-m", "16M", option));
    args.addAll(List.of("--json", out.toString(), image.toString()));
    CommandResult.of(args.toArray(String[]::new));
    String text = Files.readString(ROOT.resolve("docs/schema/run.schema.json"));
    JsonSchema schema = new JsonSchema(JsonTree.object(JsonTree.parse(text)));
    assertThat(schema.wrong(JsonTree.parse(Files.readString(out)))).isEmpty();
  }
}
