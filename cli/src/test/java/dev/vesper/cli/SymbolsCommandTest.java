package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import dev.vesper.guest.Locore;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The names that a kernel carries, as binutils read them. */
final class SymbolsCommandTest {
  @TempDir Path dir;

  private String names(byte[] kernel) throws Exception {
    Path image = Files.write(dir.resolve("kernel"), kernel);
    Path names = dir.resolve("names.elf");
    CommandResult r = CommandResult.of("symbols", image.toString(), "-o", names.toString());
    assertThat(r.status()).as(r.err()).isZero();
    assertThat(r.out()).contains(" names, where the kernel has them");
    return Tools.run("nm", names.toString());
  }

  @Test
  void aCompressedKernelUnpacksItself() throws Exception {
    assertThat(names(DebianKernel.image()))
        .containsPattern("(?m)^ffffffff81[0-9a-f]{6} T _text$")
        .containsPattern("(?m)^ffffffff8[0-9a-f]{7} T do_user_addr_fault$")
        .containsPattern("(?m)^ffffffff8[0-9a-f]{7} T start_kernel$")
        .as("data, which a debugger must not take for code")
        .containsPattern("(?m)^ffffffff8[0-9a-f]{7} B jiffies_64$")
        .containsPattern("(?m)^ffffffff8[0-9a-f]{7} B init_task$");
  }

  @Test
  void anImageWithNamesOfItsOwnIsNotRun() throws Exception {
    assertThat(names(Locore.image())).containsPattern("(?m) T vctrap$");
  }

  @ParameterizedTest
  @CsvSource({
    "/etc/passwd -o $/f, /etc/passwd: image is no bzImage",
    "/no/such/file -o $/f, no such file",
    "/etc/passwd, name the kernel and",
    "/etc/passwd -o /no/such/folder/f, no such file"
  })
  void mistakesAreSaidInALine(String line, String said) {
    String[] words = ("symbols " + line.replace("$", dir.toString())).split(" ");
    CommandResult r = CommandResult.of(words);
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err().lines()).singleElement().asString().startsWith("vesper: ").contains(said);
    assertThat(dir.resolve("f")).doesNotExist();
  }
}
