/** JUnit support for testing guests. */
module dev.vesper.junit {
  requires static org.jspecify;
  requires transitive dev.vesper.machine;
  requires transitive org.junit.jupiter.api;
  requires transitive org.assertj.core;

  exports dev.vesper.junit;
}
