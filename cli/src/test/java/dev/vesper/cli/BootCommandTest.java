package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code vesper boot}. */
final class BootCommandTest {
  @TempDir Path dir;

  private CommandResult boot(String options, String... command) {
    List<String> line = new ArrayList<>(List.of("boot"));
    line.addAll(List.of(options.split(" ")));
    line.add("--");
    line.addAll(List.of(command));
    return CommandResult.of(line.toArray(String[]::new));
  }

  @Test
  void mistakesAreOneLine() throws IOException {
    Path kernel = Files.writeString(dir.resolve("bzImage"), "no kernel");
    String none = " -serial none";
    assertRefused(boot("/no/such/kernel" + none, "ls"), "no such file");
    assertRefused(boot(kernel + " -initrd " + kernel + none, "ls"), "makes the initrd");
    assertRefused(boot(kernel + " -kernel " + kernel + none, "ls"), "once");
    assertRefused(boot(kernel + " --busybox " + kernel + none, "ls"), "no static program");
    assertRefused(boot(kernel + " -M minimal" + none, "ls"), "-M minimal");
    assertRefused(boot(kernel + " --no-such-option", "ls"), "no-such-option");
  }

  private static void assertRefused(CommandResult r, String words) {
    assertThat(r.status()).as(r.err()).isEqualTo(2);
    assertThat(r.err()).startsWith("vesper: ").contains(words);
    assertThat(r.err().lines().count()).isEqualTo(1);
  }

  @Test
  @Tag("slow")
  void aCommandHasTheFolderAndGivesItsStatus() throws IOException {
    Path kernel = Files.write(dir.resolve("vmlinuz-0"), DebianKernel.image());
    Path modules = Files.createDirectories(dir.resolve("lib/modules/0/kernel"));
    for (String m : List.of("drivers/virtio", "fs/fuse")) {
      Path folder = Files.createDirectories(modules.resolve(m));
      for (var f : DebianKernel.modules(m + "/.*").entrySet()) {
        Files.write(folder.resolve(f.getKey()), f.getValue());
      }
    }
    Path out = dir.resolve("out");
    CommandResult r =
        boot(
            kernel + " -serial file:" + out,
            "dmesg | grep -o 'SEV SEV-ES'; head -n 1 pom.xml; touch x || exit 7");
    assertThat(r.status()).as(r.err()).isEqualTo(7);
    assertThat(out)
        .hasContent(
            "SEV SEV-ES\n"
                + Files.readAllLines(Path.of("pom.xml")).getFirst()
                + "\ntouch: x: Read-only file system");
    assertThat(Path.of("x")).doesNotExist();
  }
}
