package dev.vesper.machine.device;

/** Where devices drive interrupt lines: ISA interrupts 0 to 15, and whatever a board adds. */
@FunctionalInterface
public interface InterruptLines {
  /** Raises a line or lets it fall. */
  void line(int number, boolean on);
}
