package dev.vesper.machine.fuzz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.fixtures.fuzz.Mutator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every target takes its seeds, what fuzzers have found in it ({@code src/test/resources/fuzz}),
 * and inputs that are made of both. {@code ./vesper fuzz-self} goes on from there, led by coverage.
 */
final class FuzzTargetsTest {
  private static final Path FOUND = Path.of("src/test/resources/fuzz");
  private static final Duration LONGEST = Duration.ofSeconds(60);

  static Stream<String> names() {
    return targets().stream().map(FuzzTarget::name);
  }

  private static List<FuzzTarget> targets() {
    return FuzzTarget.all(FuzzTargetsTest.class.getClassLoader());
  }

  private static FuzzTarget named(String name) {
    return targets().stream().filter(t -> t.name().equals(name)).findFirst().orElseThrow();
  }

  private static List<Path> found(String name) throws IOException {
    Path folder = FOUND.resolve(name);
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("names")
  void seedsAndWhatWasFoundAreTaken(String name) throws Exception {
    FuzzTarget t = named(name);
    assertThat(t.seeds()).isNotEmpty().allMatch(b -> b.length <= t.longest());
    for (byte[] b : t.seeds()) {
      t.take(b);
    }
    for (Path p : found(name)) {
      assertTimeoutPreemptively(LONGEST, () -> t.take(Files.readAllBytes(p)), p::toString);
    }
  }

  @Tag("slow")
  @ParameterizedTest
  @MethodSource("names")
  void changedInputsAreTaken(String name) throws Exception {
    FuzzTarget t = named(name);
    List<byte[]> from = new ArrayList<>(t.seeds());
    for (Path p : found(name)) {
      from.add(Files.readAllBytes(p));
    }
    Mutator m = new Mutator(1, t.longest());
    Random r = new Random(1);
    AtomicReference<byte[]> last = new AtomicReference<>(new byte[0]);
    int count = Integer.getInteger("fuzz.inputs", t.inputs());
    assertTimeoutPreemptively(
        LONGEST,
        () -> {
          for (int i = 0; i < count; i++) {
            byte[] b = m.change(from.get(r.nextInt(from.size())), from.get(r.nextInt(from.size())));
            last.set(b);
            try {
              t.take(b.clone());
            } catch (Throwable e) {
              throw new AssertionError("input " + HexFormat.of().formatHex(b), e);
            }
          }
        },
        () -> "input " + HexFormat.of().formatHex(last.get()));
  }
}
