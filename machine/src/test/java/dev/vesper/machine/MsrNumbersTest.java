package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.x86.Msr;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The numbers of model-specific registers stand in {@link Msr} and nowhere else. */
class MsrNumbersTest {
  private static final Path ROOT = Path.of(System.getProperty("vesper.root", ".."));

  /** Comments, text blocks and strings, in which assembly has numbers of its own. */
  private static final Pattern NO_CODE =
      Pattern.compile("(?s)/\\*.*?\\*/|//[^\\n]*|\"\"\".*?\"\"\"|\"(?:\\\\.|[^\"\\\\\\n])*\"");

  private static final Pattern NUMBER = Pattern.compile("\\b0[xX]([0-9a-fA-F_]+)[lL]?\\b");

  /** Smaller numbers mean too much else. */
  private static final long TELLING = 0x4B56_4D00L;

  /** Begins a range of the permission map as well. */
  private static final long ALSO_A_RANGE = 0xC001_0000L;

  private static Map<Long, String> names() throws IllegalAccessException {
    Map<Long, String> names = new HashMap<>();
    for (Field f : Msr.class.getFields()) {
      assertThat(names.put(Integer.toUnsignedLong(f.getInt(null)), f.getName()))
          .as("another name of " + f.getName())
          .isNull();
    }
    return names;
  }

  @Test
  void noOtherSourceHasThem() throws IOException, IllegalAccessException {
    Map<Long, String> names = names();
    List<String> wrong = new ArrayList<>();
    for (String module :
        List.of("ghcb", "x86", "machine", "guest", "junit", "fuzz", "cli", "bench")) {
      try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src/main"))) {
        for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
          if (file.endsWith("dev/vesper/x86/Msr.java")) {
            continue;
          }
          Matcher m = NUMBER.matcher(NO_CODE.matcher(Files.readString(file)).replaceAll(" "));
          while (m.find()) {
            long n = Long.parseUnsignedLong(m.group(1).replace("_", ""), 16);
            if (n >= TELLING && n != ALSO_A_RANGE && names.containsKey(n)) {
              wrong.add(file.getFileName() + ": " + m.group() + " is Msr." + names.get(n));
            }
          }
        }
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(names).hasSizeGreaterThan(100);
  }
}
