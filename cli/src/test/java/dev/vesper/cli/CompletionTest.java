package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** What zsh and fish complete, as they do it themselves. */
final class CompletionTest {
  @TempDir static Path dir;

  @BeforeAll
  static void write() throws Exception {
    Reference.main(new String[] {dir.toString()});
  }

  private static String said(String... line) throws Exception {
    Process p = new ProcessBuilder(line).directory(dir.toFile()).redirectErrorStream(true).start();
    p.getOutputStream().close();
    String s = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(p.waitFor()).as(s).isZero();
    return s;
  }

  private static String fish(String line) throws Exception {
    return said("fish", "--no-config", "-c", "source vesper.fish; complete -C '" + line + "'");
  }

  @Test
  void fishCompletesCommandsOptionsAndValues() throws Exception {
    Tools.need("fish", "fish");
    assertThat(said("fish", "-n", "vesper.fish")).isEmpty();
    assertThat(fish("vesper che").lines()).anyMatch(l -> l.startsWith("check\tSays who broke"));
    assertThat(fish("vesper run --limit").lines()).anyMatch(l -> l.startsWith("--limit-insns\t"));
    assertThat(fish("vesper --sev ").lines().map(l -> l.split("\t")[0]))
        .contains("off", "sev", "es");
    // A file, and an option that another command has.
    assertThat(fish("vesper run -kernel vesper.f")).contains("vesper.fish");
    assertThat(fish("vesper check --stri")).contains("--strict");
    assertThat(fish("vesper measure --stri")).doesNotContain("--strict");
    assertThat(fish("vesper attest ver")).contains("verify");
    assertThat(fish("vesper measure ver")).doesNotContain("verify");
  }

  /** What the function hands to {@code _arguments}, word by word. */
  private static List<String> zsh(String words) throws Exception {
    String script =
        "_arguments() { print -rl -- \"$@\" }; _describe() { print -rl -- $commands }; _files() { };"
            + " words=(%s); CURRENT=$#words; source ./vesper.zsh".formatted(words);
    return said("zsh", "-f", "-c", script).lines().toList();
  }

  @Test
  void zshIsToldOfEachOptionOfEachCommand() throws Exception {
    Tools.need("zsh", "zsh");
    assertThat(said("zsh", "-n", "vesper.zsh")).isEmpty();
    List<String> commands = new ArrayList<>();
    for (CommandLine c : Main.commandLine().getSubcommands().values()) {
      commands.add(c.getCommandName());
      List<String> specs = zsh("vesper " + c.getCommandName() + " --x");
      for (OptionSpec o : c.getCommandSpec().options()) {
        for (String n : o.names()) {
          assertThat(specs).anyMatch(s -> s.replaceFirst("^\\*", "").startsWith(n + "["));
        }
      }
    }
    assertThat(zsh("vesper x").stream().map(s -> s.replaceFirst(":.*", "")))
        .containsExactlyElementsOf(commands);
    assertThat(zsh("vesper --se"))
        .contains("--sev[protection of the guest]:off|sev|es|snp:(off sev es snp)");
    assertThat(zsh("vesper attest x")).contains("1:what:(report verify diff certs)");
    assertThat(zsh("vesper measure x")).noneMatch(s -> s.startsWith("1:"));
    assertThat(zsh("vesper run -")).contains("*--trace[write every event to a file]:F:_files");
  }
}
