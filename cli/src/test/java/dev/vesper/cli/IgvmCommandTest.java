package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.IgvmBuilder;
import dev.vesper.x86.Assembler;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** IGVM files as users of the command have them; 5,000 damaged ones with -Dlong=true. */
final class IgvmCommandTest {
  private static final int MUTATIONS = Boolean.getBoolean("long") ? 5000 : 300;

  @TempDir static Path dir;

  /** Writes 0 to port 0xf4 by the GHCB, which ends the run with status 1. */
  private static final String GUEST =
      """
          mov esp, 0x180000
          mov ebp, 0x300000
          mov rax, rbp
          xor ecx, ecx
          xor edx, edx
          pvalidate
          mov rax, 0x0020000000300014
          call protocol
          btr qword [0x12008], 51
          mov rax, cr3
          mov cr3, rax
          mov eax, 0x300012
          call protocol
          mov qword [rbp+0x390], 0x7b
          mov eax, 0x00f40010
          mov [rbp+0x398], rax
          mov qword [rbp+0x1f8], 0
          mov rax, 0x8000000000000000
          mov [rbp+0x3f0], rax
          mov rax, 0x001c000000000000
          mov [rbp+0x3f8], rax
          mov eax, ebp
          call protocol
      protocol:
          mov rdx, rax
          shr rdx, 32
          mov ecx, 0xc0010130
          wrmsr
          vmgexit
          ret
      """;

  private static CommandResult vesper(String line) {
    return CommandResult.of(
        Stream.of(line.trim().split("\\s+"))
            .map(w -> w.replace("$", dir + "/"))
            .toArray(String[]::new));
  }

  private static IgvmBuilder builder() {
    return IgvmBuilder.flat(new Assembler(IgvmBuilder.CODE, 64).add(GUEST).finish(), 1);
  }

  @BeforeAll
  static void make() throws IOException {
    byte[] good = builder().build();
    Files.write(dir.resolve("g.igvm"), good);
    Files.write(
        dir.resolve("two.igvm"), builder().context(1, IgvmBuilder.area(0x10_0000, 1)).build());
    byte[] full =
        builder().area(0, 4096, new byte[0]).parameter(0x308, 0, 4090).insert(0x40_0000, 0).build();
    Files.write(dir.resolve("full.igvm"), full);
    Files.write(dir.resolve("new.igvm"), IgvmBuilder.snp().header(0x3FF, new byte[8]).build());
    Files.write(dir.resolve("raw"), new byte[4096]);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "run --sev snp -m 16M -igvm $g.igvm",
        "run --sev snp -m 16M --igvm=$g.igvm -smp 2",
        "run --sev snp -m 16M -igvm $two.igvm -smp 2",
        "run -m 16M -object sev-snp-guest,id=s -object igvm-cfg,id=i,file=$g.igvm"
            + " -machine q35,confidential-guest-support=s,igvm-cfg=i"
      })
  void aGuestRunsToItsEnd(String line) {
    CommandResult r = vesper(line);
    assertThat(r.status()).as(r.err()).isEqualTo(1);
  }

  /** More memory would be of no use. */
  @Test
  void whatNoGuestHasIsNotAskedForByMoreMemory() throws IOException {
    Files.write(
        dir.resolve("far.igvm"),
        IgvmBuilder.snp().range(0x305, 0xFFFF_FFFF_FFFF_F000L, 0x2000).build());
    CommandResult r = vesper("run --sev snp -m 16M -igvm $far.igvm");
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).contains("no guest has memory there").doesNotContain("-m");
  }

  @ParameterizedTest
  @CsvSource({"g.igvm, ''", "g.igvm, -smp 3", "two.igvm, -smp 2"})
  void whatIsMeasuredIsWhatIsLaunched(String file, String more) {
    CommandResult r = vesper("run --sev snp -m 16M -igvm $" + file + " --measure-only " + more);
    CommandResult m = vesper("measure --mode snp --igvm $" + file + " -m 16M " + more);
    assertThat(m.status()).as(m.err()).isZero();
    assertThat(m.out().strip()).hasSize(96);
    assertThat(r.out()).as(r.err()).contains(m.out().strip());
  }

  @Test
  void theMeasurementIsExplainedAndCompared() throws IOException {
    CommandResult a = vesper("measure --mode snp --igvm $g.igvm --explain --json");
    CommandResult b = vesper("measure --mode snp --igvm $two.igvm --vcpus 2 --explain --json");
    Files.writeString(dir.resolve("a.json"), a.out());
    Files.writeString(dir.resolve("b.json"), b.out());
    CommandResult d = vesper("measure --diff $a.json $b.json");
    assertThat(d.status()).isEqualTo(MeasureCommand.DIFFERENT);
    assertThat(d.out()).contains("IGVM file", "vCPU 1");
    CommandResult e = vesper("measure --mode snp --igvm $g.igvm --explain");
    assertThat(e.out()).contains("policy: 0x30000", "VMSA of vCPU 0", "0x100000");
  }

  @Test
  void headersAreShown() {
    CommandResult r = vesper("igvm show $g.igvm");
    assertThat(r.status()).as(r.err()).isZero();
    assertThat(r.out())
        .contains("SUPPORTED_PLATFORM (0x1) for 0x1: SEV_SNP (2)", "VP_CONTEXT (0x304)");
    assertThat(r.out().lines().count()).isLessThan(20);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "run --sev snp -igvm $none | cannot read the IGVM file",
        "run --sev snp -igvm $raw | -bios",
        "run --sev snp -bios $g.igvm | -igvm",
        "run --sev snp -bios $raw -igvm $g.igvm | -bios and -igvm",
        "run --sev es -igvm $g.igvm | SEV_ES (5), but for SEV_SNP (2)",
        "run --sev snp -m 1M -igvm $g.igvm | -m",
        "run --sev snp -m 16M -igvm $two.igvm | -smp",
        "run --sev snp -m 16M -igvm $full.igvm | no room for SRAT (0x308)",
        "run --sev snp -igvm $new.igvm | 0x3ff",
        "run --sev snp -m 16M -igvm $g.igvm --policy 0xb0000 | --policy",
        "run --sev snp -m 16M -igvm $g.igvm --guest-features 9 | --guest-features",
        "run --sev snp -M minimal -igvm $g.igvm | -M pc",
        "run --profile openbsd -igvm $g.igvm | -igvm",
        "measure --mode snp:ovmf-hash --igvm $g.igvm | --ovmf",
        "measure --mode snp --igvm $new.igvm | 0x3ff",
        "run -machine igvm-cfg=x | -igvm",
        "igvm show $raw | begin with",
        "igvm show | vesper igvm show FILE",
        "igvm build $raw | vesper igvm show FILE",
      })
  void mistakesAreOneLine(String line, String words) {
    CommandResult r = vesper(line);
    assertThat(r.err()).contains(words.strip());
    assertThat(r.err().strip().lines().count()).as(r.err()).isEqualTo(1);
    assertThat(r.status()).isEqualTo(2);
  }

  /** Most of the changes are made to headers, whose sum is made right again. */
  @Test
  void damagedFilesAreRefusedInOneLineOrMeasured() throws IOException {
    byte[] small =
        IgvmBuilder.snp()
            .policy(0x3_0000)
            .area(0, 4096, new byte[0])
            .parameter(0x309, 0, 64)
            .parameter(0x312, 0, 512)
            .insert(0x1000, 0)
            .pages(0x2000, new byte[4096])
            .page(0x3000, 1, 0, 1, new byte[0])
            .page(0x4000, 1, 0, 2, new byte[0])
            .page(0x20_0000, 1, 1, 0, new byte[0])
            .context(0, IgvmBuilder.area(0x2000, 1))
            .range(0x305, 0, 1 << 20)
            .build();
    Random random = new Random(5);
    int measured = 0;
    for (int i = 0; i < MUTATIONS; i++) {
      byte[] m = small.clone();
      for (int n = 1 + random.nextInt(3); n > 0; n--) {
        int at = random.nextInt(random.nextInt(4) == 0 ? m.length : Math.min(m.length, 400));
        switch (random.nextInt(4)) {
          case 0 -> m[at] ^= (byte) (1 << random.nextInt(8));
          case 1 -> m[at] = (byte) random.nextInt(256);
          case 2 -> m[at] = (byte) (random.nextBoolean() ? 0xFF : 0);
          default -> m = random.nextInt(10) == 0 ? Arrays.copyOf(m, Math.max(1, at)) : m;
        }
      }
      Files.write(dir.resolve("m"), random.nextInt(8) == 0 ? m : IgvmBuilder.signed(m));
      CommandResult r = vesper("measure --mode snp -m 8M --igvm $m");
      if (r.status() == 0) {
        measured++;
        continue;
      }
      assertThat(r.status()).as(r.err()).isEqualTo(2);
      assertThat(r.err().strip().lines().count()).as(r.err()).isEqualTo(1);
      assertThat(vesper("igvm show $m").status()).isIn(0, 2);
    }
    assertThat(measured).isBetween(MUTATIONS / 50, MUTATIONS * 9 / 10);
  }
}
