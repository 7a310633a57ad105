package dev.vesper.cli.attack;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianSuite;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Vectors come to what is recorded of them, and the page says so. */
final class VectorsTest {
  private static final Path RECORD =
      Path.of("src/main/resources/dev/vesper/cli/attack/" + VectorsPage.RESOURCE);
  private static final Path PAGE = Path.of("../docs/vectors.md");

  private static final int PIECE = 16;

  /** One of each kind: faults with and without an error code, interrupts, INT 0x80. */
  private static final List<Integer> SOME = List.of(0, 3, 6, 13, 14, 32, 128, 255);

  private static void hold(Column c, AttackRun run, List<Integer> vectors) throws IOException {
    List<String> found = new ArrayList<>();
    List<String> known = new ArrayList<>();
    VectorsPage recorded = VectorsPage.read();
    for (Vectors.Mode mode : Vectors.Mode.values()) {
      for (int v : vectors) {
        found.add(VectorsPage.line(c, mode, v, Vectors.of(run, mode, v)));
        Vectors.Result r = recorded.of(c, mode, v);
        known.add(r == null ? "" : VectorsPage.line(c, mode, v, r));
      }
    }
    if (Holding.records()) {
      List<String> all =
          new ArrayList<>(Files.exists(RECORD) ? Files.readAllLines(RECORD) : List.of());
      all.removeIf(l -> found.stream().anyMatch(f -> start(f).equals(start(l))));
      all.addAll(found);
      Files.write(RECORD, all);
      return;
    }
    assertThat(found).isEqualTo(known);
  }

  /** {@return column, mode and vector of a line} */
  private static String start(String line) {
    return line.replaceFirst("^([^|]*[|][^|]*[|][^|]*).*", "$1");
  }

  @Test
  void someOfThemComeToWhatIsRecordedOfTheReferenceGuest() throws IOException {
    hold(
        Column.LOCORE_ES,
        new AttackRun(Target.locore(SevMode.ES)),
        Holding.records() ? from(0, Vectors.COUNT) : SOME);
  }

  private static List<Integer> from(int first, int count) {
    return IntStream.range(first, first + count).boxed().toList();
  }

  /** {@return what is carried out at a time: each takes a while} */
  static IntStream pieces() {
    return IntStream.range(0, Vectors.COUNT / PIECE).map(i -> i * PIECE);
  }

  @EnabledIfSystemProperty(named = "long", matches = "true")
  @Tag("slow")
  @ParameterizedTest
  @MethodSource("pieces")
  void allOfThemComeToWhatIsRecordedOfDebian12(int first) throws IOException {
    AttackRun run = LinuxAttacksTest.run("linux-6.1", DebianKernel.image());
    hold(Column.LINUX_61, run, from(first, PIECE));
  }

  @EnabledIfSystemProperty(named = "long", matches = "true")
  @Tag("slow")
  @ParameterizedTest
  @MethodSource("pieces")
  void allOfThemComeToWhatIsRecordedOfDebian13(int first) throws Exception {
    AttackRun run = LinuxAttacksTest.run("linux-6.12", DebianSuite.of("trixie").kernel());
    hold(Column.LINUX_612, run, from(first, PIECE));
  }

  @Test
  void thePageIsWhatTheCommandWrites() throws IOException {
    String page = VectorsPage.read().page();
    if (Holding.records()) {
      Files.writeString(PAGE, page);
    }
    assertThat(Files.readString(PAGE)).isEqualTo(page);
  }
}
