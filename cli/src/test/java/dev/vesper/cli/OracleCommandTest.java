package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.JsonSchema;
import dev.vesper.machine.observe.format.JsonTree;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The oracle of flows at the command line. */
final class OracleCommandTest {
  @TempDir Path folder;

  @Test
  void whatCannotBeMeantIsOneLine() {
    for (Map.Entry<String, String> e :
        Map.of(
                "--oracle=all", "takes leak, taint",
                "--oracle=taint,secret=key", "add leak",
                "--oracle=leak,secret=0x1000", "say ADDRESS+LENGTH",
                "--oracle=leak,from=x", "not a number of instructions",
                "--fail-on=leak", "--fail-on needs --oracle")
            .entrySet()) {
      CommandResult r = CommandResult.of("run", e.getKey());
      assertThat(r.status()).as(e.getKey()).isEqualTo(2);
      assertThat(r.err()).contains(e.getValue()).hasLineCount(1);
    }
    assertThat(CommandResult.of("run", "--oracle=taint", "--fail-on=leak").err())
        .contains("does not look for it");
    assertThat(CommandResult.of("run", "--oracle=taint", "--sev", "sev").err())
        .contains("use --sev es or --sev snp");
  }

  @Test
  void theReferenceGuestUsesNothingOfTheHostsUncheckedAndDoesTheSameAsWithout() throws Exception {
    Path json = folder.resolve("run.json");
    Path alone = folder.resolve("alone.json");
    CommandResult r =
        CommandResult.of(
            "run", "-serial", "none", "--oracle=taint", "--fail-on=taint", "--json=" + json);
    assertThat(r.status()).isZero();
    assertThat(CommandResult.of("run", "-serial", "none", "--json=" + alone).status()).isZero();
    Map<String, Object> with = JsonTree.object(JsonTree.parse(Files.readString(json)));
    Map<String, Object> without = JsonTree.object(JsonTree.parse(Files.readString(alone)));
    assertThat(with).containsKey("flow");
    String form = Files.readString(MarkdownPage.ROOT.resolve("docs/schema/run.schema.json"));
    JsonSchema schema = new JsonSchema(JsonTree.object(JsonTree.parse(form)));
    assertThat(schema.wrong(JsonTree.parse(Files.readString(json)))).isEmpty();
    with.remove("flow");
    assertThat(with).isEqualTo(without);
    assertThat(r.err()).contains("exchanges").doesNotContain("address:").doesNotContain("jump:");
  }

  @Test
  void leaksEndTheRunWithTheirOwnStatusIfThatIsWanted() throws Exception {
    Path json = folder.resolve("run.json");
    CommandResult r =
        CommandResult.of(
            "run",
            "-serial",
            "none",
            "--oracle=leak,taint",
            "--fail-on=leak",
            "--limit-insns=1000000",
            "--json=" + json);
    assertThat(r.status()).isEqualTo(CheckOptions.VIOLATIONS);
    Map<String, Object> flow =
        JsonTree.object(JsonTree.object(JsonTree.parse(Files.readString(json))).get("flow"));
    List<Object> findings = JsonTree.array(flow.get("findings"));
    assertThat(findings)
        .anySatisfy(f -> assertThat(JsonTree.object(f)).containsEntry("kind", "leak"));
  }
}
