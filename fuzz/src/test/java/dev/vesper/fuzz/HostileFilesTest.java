package dev.vesper.fuzz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.hostile.ScriptParser;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What strangers put into a campaign's directory is read, or refused in one line. */
final class HostileFilesTest {
  private static final String INPUT =
      """
      cpuid:0x40000000@1 rbx=0x6e65704f rax=0x1
      cpuid:0x7:0x1@3 !rbx
      msr:0xc0000080@* rax=0xffffffff sw_exitinfo1=0x1
      mmio:0xfee00030@12 buf+0/4=0x1 irq=48 delay=1000
      out:0x3f8@2 used-id=0xffff used-length=0x7
      pci:0x80000810@3 vc=0x72 shared:0x1024008/4=0xffffffff
      out:0x3f8@2 used-id=0xffff used-length=0x7 desc-addr=0x1000 desc-len=0x0
      mmio-write:0xc0007000@3 desc-flags=0xffff desc-next=0x7 vc=0x81
      proto:0x4:0x100000001@1 msr=0x123
      vc:0x80000010@1 buf+16/8=0x8000000000000000 file:etc/acpi/tables+36=00ff
      """;

  private static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] mutated(byte[] of, Random r) {
    byte[] b = of.clone();
    for (int n = 1 + r.nextInt(4); n > 0; n--) {
      int at = r.nextInt(b.length);
      switch (r.nextInt(4)) {
        case 0 -> b[at] = (byte) r.nextInt();
        case 1 -> b[at] = (byte) "0123456789abcdefx:@=+/!*\n #".charAt(r.nextInt(27));
        case 2 -> b = Arrays.copyOf(b, Math.max(1, at));
        default -> {
          int from = r.nextInt(b.length);
          int length = Math.min(r.nextInt(40), b.length - Math.max(at, from));
          System.arraycopy(b.clone(), from, b, at, length);
        }
      }
    }
    return b;
  }

  @Test
  void anInputIsItsText() throws CampaignException {
    assertThat(InputReader.read(ascii(INPUT)).text()).isEqualTo(INPUT);
  }

  @Test
  void everyKindOfLieIsARuleOfAScript() throws Exception {
    Input in = InputReader.read(ascii(INPUT));
    String script =
        FindingFile.script(in, in.lies().stream().map(l -> new LyingHost.Told(l, 7)).toList());
    Script s = ScriptParser.parse(script);
    assertThat(s.rules()).hasSize(in.lies().size());
    assertThat(s.rules().stream().mapToInt(r -> r.actions().size()).sum()).isEqualTo(in.size());
    assertThat(script).contains("nth 7 if request.rcx & 0xffffffff == 0xc0000080");
  }

  @Test
  void tenThousandDamagedInputsAreReadOrRefusedInALine() {
    Random r = new Random(1);
    int refused = 0;
    for (int i = 0; i < 10_000; i++) {
      try {
        Input in = InputReader.read(mutated(ascii(INPUT), r));
        assertThat(InputReader.read(in.encode())).isEqualTo(in);
      } catch (CampaignException e) {
        refused++;
        assertThat(e.getMessage()).isNotBlank().hasSizeLessThan(300).matches("[ -~]*");
      }
    }
    assertThat(refused).isBetween(1_000, 9_999);
  }

  @Test
  void tenThousandDamagedFindingsAreReadOrRefusedInALine() throws CampaignException {
    Finding f =
        new Finding(Finding.Kind.OOPS, "BUG: \u001b[31m at 0x1", java.util.List.of("a", "b"));
    byte[] file =
        new FindingFile(f, InputReader.read(ascii(INPUT)), "when vmgexit 0x72 nth 1\n", "x\ny\n")
            .encode();
    assertThat(new String(file, StandardCharsets.US_ASCII)).doesNotContain("\u001b");
    Random r = new Random(2);
    for (int i = 0; i < 10_000; i++) {
      try {
        FindingFile g = FindingFile.read(mutated(file, r));
        assertThat(g.finding().title()).matches("[ -~]*");
      } catch (CampaignException e) {
        assertThat(e.getMessage()).isNotBlank().hasSizeLessThan(300).matches("[ -~]*");
      }
    }
  }

  @Test
  void aPageIsDrawnOfWhatIsThereAndShowsNoMarkupOfStrangers(@TempDir Path dir) throws Exception {
    assertThatThrownBy(() -> CampaignPage.of(dir))
        .isInstanceOf(CampaignException.class)
        .hasMessageContaining("plot_data");
    Files.writeString(
        dir.resolve("plot_data"),
        "# head\n1, 0, 0, 1, 1, 1, 0.10%, 0, 0, 0, 10.00, 10, 5\n"
            + "9, 1, 0, 4, 1, 1, 0.10%, 2, 0, 0, 12.00, 90, 50\n");
    Files.writeString(dir.resolve("fuzzer_stats"), "afl_banner : <script>\n");
    Files.createDirectories(dir.resolve("crashes"));
    Files.writeString(dir.resolve("crashes/id_000000,x"), "<b>no finding</b>\n");
    String page = new String(CampaignPage.of(dir), StandardCharsets.UTF_8);
    assertThat(page).contains("polyline").contains("&lt;script&gt;").doesNotContain("<b>");
    Files.writeString(dir.resolve("plot_data"), "1, 2, 3\n");
    assertThatThrownBy(() -> CampaignPage.of(dir)).hasMessageContaining("line 1: 13 numbers");
  }

  @Test
  void answersAreNamedByKindNumberAndRange() throws CampaignException {
    SiteFilter f = SiteFilter.of("cpuid:0x40000000-0x400000ff,port", "port:0x3f8-0x3ff");
    assertThat(f.takes(new Site(Site.Kind.CPUID, 0x4000_0001L, 0))).isTrue();
    assertThat(f.takes(new Site(Site.Kind.CPUID, 1, 0))).isFalse();
    assertThat(f.takes(new Site(Site.Kind.PORT, 0x60, 0))).isTrue();
    assertThat(f.takes(new Site(Site.Kind.PORT, 0x3FD, 0))).isFalse();
    assertThat(f.takes(SiteFilter.Way.IRQ)).isFalse();
    assertThat(SiteFilter.ALL.takes(new Site(Site.Kind.PORT, 0x3FD, 0))).isFalse();
    assertThat(SiteFilter.ALL.takes(SiteFilter.Way.IRQ)).isTrue();
    for (String wrong : new String[] {"cpu", "port:", "port:x", "irq:3", "port:0x1-"}) {
      assertThatThrownBy(() -> SiteFilter.of(wrong, ""))
          .isInstanceOf(CampaignException.class)
          .hasMessageStartingWith("--only: ");
    }
  }
}
