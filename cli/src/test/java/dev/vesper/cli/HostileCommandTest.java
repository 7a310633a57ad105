package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.JsonSchema;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.observe.format.JsonTree;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Scripts of a host that means harm, as the command takes them and says what has become of them.
 */
final class HostileCommandTest {
  @TempDir Path dir;

  private Path script(String... lines) throws IOException {
    Path p = dir.resolve("s.hostile");
    Files.writeString(p, String.join("\n", lines));
    return p;
  }

  private CommandResult run(Path script, String... more) throws IOException {
    Path image = dir.resolve("guest");
    Files.write(image, FlatGuest.image("mov ecx, 100\nL: dec ecx\njne L\nhlt"));
    String[] args = new String[more.length + 6];
    System.arraycopy(
        new String[] {"run", "-m", "16M", "--hostile", script.toString(), image.toString()},
        0,
        args,
        0,
        6);
    System.arraycopy(more, 0, args, 6, more.length);
    return CommandResult.of(args);
  }

  @Test
  void scriptsOfTheDocumentDoWhatItSays() throws Exception {
    MarkdownPage page = MarkdownPage.of(MarkdownPage.ROOT.resolve("docs/hostile.md"));
    List<MarkdownPage.Block> scripts =
        page.blocks().stream().filter(b -> b.text().startsWith("# ")).toList();
    assertThat(scripts).hasSize(3);
    int[] status = {0, 35, 0};
    for (int i = 0; i < 3; i++) {
      Path p = script(scripts.get(i).text());
      CommandResult r = CommandResult.of("run", "--hostile", p.toString());
      assertThat(r.status()).as(r.err()).isEqualTo(status[i]);
      assertThat(r.err()).doesNotContain("never fired").contains("hostile: rule 1 (line 2) fired");
      if (i == 0) {
        String said = Files.readString(page.file());
        r.err().lines().forEach(l -> assertThat(said).contains("    " + l));
      }
      assertThat(r.err()).endsWith(i == 2 ? "hostile: broken silicon\n" : r.err());
    }
  }

  @Test
  void aRuleThatNeverFiresIsSaidAndIsAStatus() throws Exception {
    Path p =
        script(
            "when insn 50",
            "  note rcx = reg rcx",
            "",
            "when fetch 0x700000",
            "maybe when insn 99999",
            "expect status 0");
    CommandResult r = run(p);
    assertThat(r.status()).isEqualTo(HostileOptions.UNFULFILLED);
    assertThat(r.err())
        .contains(
            "hostile: rule 1 (line 1) fired once, first at instruction 50: noted rcx = 0x",
            "hostile: rule 2 (line 4) never fired\n",
            "hostile: expected: status 0\n",
            "hostile: lawful host\n")
        .doesNotContain("rule 3");
  }

  @Test
  void whatHasFiredIsInTraceAndSummary() throws Exception {
    Path p = script("silicon when insn 50", "  set rcx = 1");
    Path json = dir.resolve("r.json");
    Path trace = dir.resolve("t.jsonl");
    CommandResult r = run(p, "--json", json.toString(), "--trace", trace.toString());
    assertThat(r.status()).isEqualTo(6);
    assertThat(Files.readString(trace))
        .contains(
            "\"kind\":\"hostile\"",
            "\"name\":\"rule 1\"",
            "\"host\":\"silicon\"",
            "\"what\":\"rcx = 0x1\"");
    String text = Files.readString(json);
    String schema = Files.readString(MarkdownPage.ROOT.resolve("docs/schema/run.schema.json"));
    assertThat(new JsonSchema(JsonTree.object(JsonTree.parse(schema))).wrong(JsonTree.parse(text)))
        .isEmpty();
    Map<String, Object> hostile =
        JsonTree.object(JsonTree.object(JsonTree.parse(text)).get("hostile"));
    assertThat(hostile).containsEntry("host", "broken silicon").containsEntry("fulfilled", true);
    Path html = dir.resolve("t.html");
    assertThat(CommandResult.of("check", trace.toString(), "--convert", html.toString()).status())
        .isZero();
  }

  @Test
  void aTextThatIsNoScriptIsOneLine() throws Exception {
    Path p = script("when insn 50", "  inject 256 interrupt");
    CommandResult r = run(p);
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err())
        .isEqualTo(
            "vesper: --hostile " + p + ": line 2, column 10: a vector is 0 to 255, not 256\n");
    Files.write(p, new byte[] {0, (byte) 0xFF, 27, '[', '2', 'J'});
    assertThat(run(p).err())
        .isEqualTo("vesper: --hostile " + p + ": line 1, column 1: no word begins with U+0000\n");
    assertThat(run(dir.resolve("none")).err()).contains("cannot read the script");
  }
}
