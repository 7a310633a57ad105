/** Benchmarks. */
module dev.vesper.bench {
  requires static org.jspecify;
  requires dev.vesper.guest;
  requires dev.vesper.machine;
  requires java.management;
}
