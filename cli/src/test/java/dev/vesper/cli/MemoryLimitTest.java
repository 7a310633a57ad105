package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the process may take: what is refused, and what the launcher makes of it. */
final class MemoryLimitTest {
  private static final long MIB = 1L << 20;

  @Test
  void aLimitThatAGuestDoesNotFitInIsRefused() {
    assertThatThrownBy(() -> MemoryLimit.check("900M", 512 * MIB, 600 * MIB))
        .isInstanceOf(UserError.class)
        .hasMessage(
            "--memory-limit 900M is too little for a guest of 512M, which takes 976M: allow so"
                + " much, or give the guest less with -m");
    assertThatCode(() -> MemoryLimit.check("976M", 512 * MIB, 720 * MIB))
        .doesNotThrowAnyException();
    assertThatThrownBy(() -> MemoryLimit.check("lots", 512 * MIB, 720 * MIB))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("--memory-limit takes a size such as 512M or 2G, not 'lots'");
  }

  @Test
  void aLimitThatNobodyKeepsToIsRefused() {
    assertThatThrownBy(() -> MemoryLimit.check("1G", 512 * MIB, 6_000 * MIB))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("./vesper");
  }

  @Test
  void aGuestMayBeLargerThanTheRoomForWhatItTouches() {
    assertThatCode(() -> MemoryLimit.check(null, 65_536 * MIB, 1536 * MIB))
        .doesNotThrowAnyException();
    assertThatThrownBy(() -> MemoryLimit.check("16G", 16_384 * MIB, 1536 * MIB))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("a guest of 16384M, which takes 17344M");
  }

  /** {@return what the launcher's function {@code heap} says for a command line} */
  private static String heap(String line) throws IOException, InterruptedException {
    Path launcher = Path.of(System.getProperty("vesper.root", ".."), "launcher", "run.sh");
    List<String> command = new ArrayList<>();
    command.addAll(List.of("/bin/sh", "-euc", ". \"$0\"\nheap \"$@\"\necho $heap"));
    command.add(launcher.toString());
    command.addAll(Arrays.asList(line.trim().split(" +")));
    Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8).trim();
    assertThat(p.waitFor()).as(said).isZero();
    return said;
  }

  @ParameterizedTest
  @CsvSource({
    "run, -Xmx640m -XX:MaxDirectMemorySize=640m -Dvesper.room=1152",
    "run -m 64M F, -Xmx528m -XX:MaxDirectMemorySize=192m -Dvesper.room=592",
    "run -m 1G, -Xmx768m -XX:MaxDirectMemorySize=1152m -Dvesper.room=1792",
    "run --memory=0512 F, -Xmx640m -XX:MaxDirectMemorySize=640m -Dvesper.room=1152",
    "run -m 128m -m 256M, -Xmx576m -XX:MaxDirectMemorySize=384m -Dvesper.room=832",
    "run -m --memory-limit, -Xmx640m -XX:MaxDirectMemorySize=640m -Dvesper.room=1152",
    "run -m nonsense, -Xmx640m -XX:MaxDirectMemorySize=640m -Dvesper.room=1152",
    "run -append -m=1G, -Xmx768m -XX:MaxDirectMemorySize=1152m -Dvesper.room=1792",
    "run --memory-limit 1000M -m 64M, -Xmx680m -XX:MaxDirectMemorySize=192m -Dvesper.room=744 -XX:MaxMetaspaceSize=80m -XX:ReservedCodeCacheSize=96m",
    "run --memory-limit=2G, -Xmx1280m -XX:MaxDirectMemorySize=640m -Dvesper.room=1792 -XX:MaxMetaspaceSize=80m -XX:ReservedCodeCacheSize=96m",
    "run --memory-limit 1M, -Xmx128m -XX:MaxDirectMemorySize=640m -Dvesper.room=-255 -XX:MaxMetaspaceSize=80m -XX:ReservedCodeCacheSize=96m",
    "run --memory-limit 99999999G, -Xmx640m -XX:MaxDirectMemorySize=640m -Dvesper.room=1152"
  })
  void theLauncherSaysItToTheJavaRuntime(String line, String heap) throws Exception {
    assertThat(heap(line)).isEqualTo(heap);
  }
}
