package dev.vesper.machine;

/** Something that was asked of a machine; closing it takes it back, once. */
@FunctionalInterface
public interface Registration extends AutoCloseable {
  @Override
  void close();
}
