package dev.vesper.machine.fuzz;

import dev.vesper.machine.device.DeviceWork;

/** What devices have put off. */
final class Pending {
  private Pending() {}

  /** Has it done, as whoever runs the machine does before the guest goes on. */
  static void finish(DeviceWork work) {
    while (work.unfinished()) {
      work.goOn();
    }
    work.refill();
  }
}
