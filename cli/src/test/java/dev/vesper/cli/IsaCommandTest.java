package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.InstructionSet;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** {@code vesper isa} and the page of the documentation that it makes. */
final class IsaCommandTest {
  private static String run(int status, String... args) {
    PrintStream out = System.out;
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    System.setOut(new PrintStream(text, true, StandardCharsets.UTF_8));
    try {
      assertThat(Main.execute(args)).isEqualTo(status);
    } finally {
      System.setOut(out);
    }
    return text.toString(StandardCharsets.UTF_8);
  }

  @Test
  void showsWhatIsAskedFor() {
    String text = run(0, "isa", "vpgather*", "VADDPS");
    assertThat(text).contains("vaddps").contains("VEX.LIG.NP.0F.WIG 58 /r").contains("EPYC-v4");
    assertThat(text.lines().filter(l -> l.startsWith("vpgather"))).hasSize(8);
    assertThat(text).contains("10 forms, 10 done");
    assertThat(run(0, "isa", "--feature", "sse4a")).contains("6 forms, 6 done");
    run(2, "isa", "nosuch");
  }

  @Test
  void pageOfTheDocumentationIsCurrent() throws IOException {
    Path page = Path.of("../docs/isa.md");
    String table = IsaCommand.table(InstructionSet.forms(), true);
    if (System.getProperty("isa.page") != null) {
      String head = Files.readString(page);
      Files.writeString(page, head.substring(0, head.indexOf("| mnemonic")) + table);
    }
    assertThat(Files.readString(page)).endsWith(table);
  }
}
