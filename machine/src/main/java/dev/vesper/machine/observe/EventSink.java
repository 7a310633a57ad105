package dev.vesper.machine.observe;

/** Takes events in the order in which they happen. */
@FunctionalInterface
public interface EventSink {
  /** Takes one event. */
  void accept(Event event);
}
