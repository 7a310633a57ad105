package dev.vesper.cli;

import dev.vesper.fixtures.fuzz.FuzzTests;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;

/**
 * Every target takes its seeds, what fuzzers have found in it ({@code src/test/resources/fuzz}),
 * and inputs that are made of both. {@code ./vesper fuzz-self} goes on from there, led by coverage.
 */
final class FuzzTargetsTest {
  private static final ClassLoader LOADER = FuzzTargetsTest.class.getClassLoader();

  @TestFactory
  Stream<DynamicTest> seedsAndWhatWasFoundAreTaken() {
    return FuzzTests.replays(LOADER);
  }

  @Tag("slow")
  @TestFactory
  Stream<DynamicTest> changedInputsAreTaken() {
    return FuzzTests.changes(LOADER);
  }
}
