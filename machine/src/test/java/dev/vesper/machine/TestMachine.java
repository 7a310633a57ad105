package dev.vesper.machine;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A machine that a test runs to its end, with what its console has said and, where it is asked to
 * keep them, its events.
 */
public final class TestMachine {
  private final ByteArrayOutputStream console = new ByteArrayOutputStream();
  private final List<Event> events = new ArrayList<>();
  private final Machine machine;

  private TestMachine(MachineSpec.Builder spec) throws BootException {
    machine = new Machine(spec.console((int b) -> console.write(b)).build());
  }

  /** {@return a machine whose console is kept} */
  public static TestMachine of(MachineSpec.Builder spec) throws BootException {
    return new TestMachine(spec);
  }

  /** Keeps the events, with the registers of those that have them. */
  public TestMachine traced() {
    machine.trace(events::add, true);
    return this;
  }

  /** Runs the guest to its end. */
  public Outcome run(long mostInstructions) {
    machine.limit(mostInstructions, Long.MAX_VALUE);
    return machine.run();
  }

  public Machine machine() {
    return machine;
  }

  /** {@return what COM1 has written so far} */
  public String console() {
    return console.toString(StandardCharsets.ISO_8859_1);
  }

  /** {@return the events so far; none but of a {@linkplain #traced traced} machine} */
  public List<Event> events() {
    return events;
  }
}
