package dev.vesper.junit;

import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A finished run of a guest: outcome, console and events.
 *
 * @param outcome how it ended
 * @param console what COM1 wrote
 * @param events what crossed between guest and host, in order
 * @param stateHash hash of memory and registers at the end
 */
public record GuestRun(Outcome outcome, String console, List<Event> events, String stateHash) {
  /**
   * Runs an image to its end.
   *
   * @param limit most instructions
   * @throws BootException if the image cannot be loaded
   */
  public static GuestRun of(SevMode mode, byte[] image, long limit) throws BootException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Machine m =
        new Machine(MachineSpec.builder(mode, image, out::write).memoryBytes(64L << 20).build());
    List<Event> events = new ArrayList<>();
    m.trace(events::add, true);
    m.limit(limit, Long.MAX_VALUE);
    Outcome o = m.run();
    return new GuestRun(o, out.toString(StandardCharsets.ISO_8859_1), events, m.stateHash());
  }

  /**
   * Asserts that the run ended with a status; the failure shows console and last events.
   *
   * @throws AssertionError otherwise
   */
  public GuestRun assertStatus(int status) {
    if (outcome.status() != status) {
      List<Event> tail = events.subList(Math.max(0, events.size() - 10), events.size());
      throw new AssertionError(
          "expected status "
              + status
              + " but was "
              + outcome
              + "\nconsole:\n"
              + console
              + "\nlast events: "
              + tail);
    }
    return this;
  }
}
