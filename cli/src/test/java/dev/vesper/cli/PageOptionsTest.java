package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What happened to pages of a guest that gives one away and asks for things that cannot be. */
final class PageOptionsTest {
  /**
   * 0x300000 becomes shared by the MSR protocol, 0x301000 is accepted twice, and the guest asks for
   * termination.
   */
  private static final String GUEST =
      """
      mov eax, 0x300000
      xor ecx, ecx
      xor edx, edx
      pvalidate
      mov ecx, 0xc0010130
      mov eax, 0x300014
      mov edx, 0x200000
      wrmsr
      vmgexit
      mov eax, 0x301000
      xor ecx, ecx
      mov edx, 1
      pvalidate
      mov ecx, 0xc0010130
      mov eax, 0x100
      xor edx, edx
      wrmsr
      vmgexit
      """;

  @TempDir Path dir;
  private String image = "";
  private String trace = "";

  @BeforeEach
  void build() throws Exception {
    image = Files.write(dir.resolve("vmlinuz"), FlatGuest.image(GUEST)).toString();
    trace = dir.resolve("t.jsonl").toString();
  }

  private CommandResult run(String... more) {
    List<String> line =
        new ArrayList<>(
            List.of(
                "run",
                "--sev",
                "snp",
                image,
                "-serial",
                "none",
                "-m",
                "16M",
                "--limit-insns",
                "1000"));
    line.addAll(List.of(more));
    return CommandResult.of(line.toArray(String[]::new));
  }

  private static final String HISTORY =
      """
      page 0x300000
        [0us] cpu0 after 0 instructions: rmp launch .* Hypervisor → Guest-Valid
        [0us] cpu0 after 3 instructions: pvalidate rescind 4K 0x300000: Guest-Valid → Guest-Invalid, .*\\{pvalidate\\}
        [0us] cpu0 after 9 instructions: rmp MSR protocol 4K 0x300000 shared: Guest-Invalid → Hypervisor, .*
      at the end
        0x300000-0x300fff                     4K  shared
        together: 4K shared
      """;

  private static void isHistory(String text) {
    String[] expected = HISTORY.split("\n");
    String[] lines = text.split("\n");
    for (int i = 0; i < expected.length; i++) {
      String pattern = expected[i].replace("[", "\\[");
      assertThat(lines[i]).as(text).matches(pattern);
    }
  }

  @Test
  void aRunSaysWhatHappenedToAPage() {
    CommandResult r = run("--page", "0x300000");
    assertThat(r.out()).isEmpty();
    isHistory(r.err().substring(r.err().indexOf("page 0x300000")));
  }

  @Test
  void aTraceSaysTheSame() {
    run("--trace", trace);
    CommandResult r = CommandResult.of("check", trace, "--page", "0x300000");
    isHistory(r.out());
  }

  @Test
  void aMapShowsWhatMemoryHasBecome() {
    CommandResult r = run("--trace", trace, "--memory-map");
    assertThat(r.err())
        .contains("memory by state at the end\n")
        .containsPattern("  0x300000-0x300fff +4K  shared\n")
        .containsPattern("  0x301000-0xffffff +\\d+K  private, valid\n")
        .containsPattern(" 4K  firmware \\(Context\\)\n")
        .containsPattern("  0xfffffffff000-0xffffffffffff +4K  VMSA\n");
    assertThat(CommandResult.of("check", trace, "--memory-map").out())
        .containsPattern("  0x300000-0x300fff +4K  shared\n")
        .containsPattern("  0xfffffffff000-0xffffffffffff +4K  VMSA\n");
  }

  @Test
  void aRefusalIsInTheTextAndInTheReport() throws Exception {
    String text = dir.resolve("t.txt").toString();
    String page = dir.resolve("t.html").toString();
    run("--trace", text + "," + page, "--page", "0x301000");
    assertThat(Files.readString(Path.of(text)))
        .containsPattern("pvalidate validate .*cf=\\[0x1\\].*why=\\[the page was so already\\]");
    assertThat(Files.readString(Path.of(page))).contains("\"paged\":");
  }

  @Tag("slow")
  @Test
  void wiresharkFindsThePage() throws Exception {
    Tools.need("tshark", "tshark");
    String capture = dir.resolve("t.pcapng").toString();
    Path lua = dir.resolve("ghcb.lua");
    run("--trace", capture);
    Files.writeString(lua, CommandResult.of("dissector").out());
    String said =
        Tools.run(
            "tshark",
            "-X",
            "lua_script:" + lua,
            "-r",
            capture,
            "-Y",
            "ghcb.page == 0x300000",
            "-T",
            "fields",
            "-e",
            "ghcb.type",
            "-e",
            "ghcb.action");
    // The tool's bytes come as characters of one byte each.
    String text = new String(said.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
    assertThat(text.lines())
        .containsExactly(
            "7\tpvalidate rescind: 4K 0x300000: Guest-Valid → Guest-Invalid",
            "8\trmp MSR protocol: 4K 0x300000 shared: Guest-Invalid → Hypervisor");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--page x",
        "--page 0x1000-0x0",
        "--page -5",
        "--page 0x10000000000000",
        "--page 0x1000-",
        "--page 99999999999999999999"
      })
  void whatIsNoAddressIsRefusedInALine(String words) {
    CommandResult r = run(words.split(" "));
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err().lines()).as(r.err()).hasSize(1);
    assertThat(r.err()).contains("--page");
  }

  @Test
  void guestsWithoutATableHaveNoMap() {
    CommandResult r = CommandResult.of("run", image, "--sev", "es", "--memory-map");
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).contains("only --sev snp has");
    CommandResult off = CommandResult.of("run", image, "--sev", "off", "--page", "0x1000");
    assertThat(off.status()).isEqualTo(2);
    assertThat(off.err()).contains("--sev es or snp");
  }
}
