package dev.vesper.machine.fuzz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.vesper.fixtures.fuzz.Campaign;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
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
    return FuzzTarget.all(FuzzTargetsTest.class.getClassLoader()).stream().map(FuzzTarget::name);
  }

  private static FuzzTarget named(String name) {
    return FuzzTarget.named(name, FuzzTargetsTest.class.getClassLoader());
  }

  private static Campaign campaign(FuzzTarget t) throws Exception {
    return new Campaign(t, List.of(FOUND.resolve(t.name())));
  }

  @ParameterizedTest
  @MethodSource("names")
  void seedsAndWhatWasFoundAreTaken(String name) throws Exception {
    FuzzTarget t = named(name);
    assertThat(t.seeds()).isNotEmpty().allMatch(b -> b.length <= t.longest());
    Campaign c = campaign(t);
    assertTimeoutPreemptively(LONGEST, c::replay, c::last);
  }

  @Tag("slow")
  @ParameterizedTest
  @MethodSource("names")
  void changedInputsAreTaken(String name) throws Exception {
    FuzzTarget t = named(name);
    Campaign c = campaign(t);
    int count = Integer.getInteger("fuzz.inputs", t.inputs());
    assertTimeoutPreemptively(LONGEST, () -> c.run(count, 1), c::last);
  }
}
