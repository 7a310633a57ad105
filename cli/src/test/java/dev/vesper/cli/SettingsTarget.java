package dev.vesper.cli;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Files of settings, as {@code --config} takes them. */
public final class SettingsTarget implements FuzzTarget {
  private static final Options OPTIONS = new RunCommand(null).options();

  @Override
  public String name() {
    return "settings";
  }

  @Override
  public List<String> covers() {
    return List.of("dev.vesper.cli.Settings");
  }

  @Override
  public int longest() {
    return 2048;
  }

  @Override
  public List<String> words() {
    return List.of("=", "[", "]", "\"", "'", "\\n", "#", "true", "memory", "trace", "v", "0x10");
  }

  @Override
  public List<byte[]> seeds() {
    return List.of(
            "memory = \"1G\" # as -m\nv = true\n[run]\ntrace = [ \"a\\t\", 'b', # both\n]\n",
            "'limit-insns' = 1_000\n[check]\nstrict=false\r\n")
        .stream()
        .map(s -> s.getBytes(StandardCharsets.UTF_8))
        .toList();
  }

  @Override
  public void take(byte[] input) {
    String text = new String(input, StandardCharsets.UTF_8);
    try {
      for (String word : Settings.words("F", text, "run", OPTIONS, List.of("-m", "1G"))) {
        if (!word.startsWith("-")) {
          throw new AssertionError("no option: " + word);
        }
      }
    } catch (UserError e) {
      if (!String.valueOf(e.getMessage()).startsWith("the settings F, line ")) {
        throw e;
      }
    }
  }
}
