package dev.vesper.cli;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.MachineOptions;
import dev.vesper.machine.boot.BootException;
import dev.vesper.machine.sev.SevMode;

/**
 * Loads and initialises classes that every machine needs on another thread while the command line
 * is being read: both take about as long. Nothing that it makes is used.
 */
final class WarmUp {
  private WarmUp() {}

  static void start() {
    Thread t = new Thread(WarmUp::load, "warm-up");
    t.setDaemon(true);
    t.start();
  }

  private static void load() {
    try {
      new Machine(MachineOptions.of(SevMode.ES, Locore.image(), b -> {}));
    } catch (BootException e) {
      throw new IllegalStateException("the reference guest does not load", e);
    }
  }
}
