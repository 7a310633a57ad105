package dev.vesper.junit;

import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * A finished run of a guest: to its end, or to its limits. A guest that resets itself is not
 * started again.
 */
public final class GuestRun {
  private final Machine machine;
  private final Recording recording;
  private final Outcome outcome;

  GuestRun(Machine machine, Recording recording, Outcome outcome) {
    this.machine = machine;
    this.recording = recording;
    this.outcome = outcome;
  }

  /**
   * Runs a guest outside of a test; its machine is for the caller to close.
   *
   * @param limitInsns most instructions
   * @throws BootException if the image cannot be loaded
   */
  public static GuestRun of(MachineSpec spec, long limitInsns) throws BootException {
    GuestPlan p = new GuestPlan();
    p.limitInsns = limitInsns;
    return p.run(spec);
  }

  /** {@return how it ended} */
  public Outcome outcome() {
    return outcome;
  }

  /**
   * {@return what COM1 wrote, as UTF-8} Of a guest that writes more than 64 MiB the beginning is
   * forgotten.
   */
  public String console() {
    return recording.console();
  }

  /** {@return what a virtio console wrote, as UTF-8} */
  public String virtioConsole() {
    return recording.virtioConsole();
  }

  /** {@return breaches of the GHCB protocol, in order, without those that are known} */
  public List<Finding> findings() {
    return recording.verdict().findings();
  }

  /** {@return how often each request in a GHCB was made, by SW_EXITCODE} */
  public Map<Integer, Long> exchanges() {
    return Collections.unmodifiableMap(recording.exchanges());
  }

  /**
   * {@return the events of a type, in order}
   *
   * @throws IllegalArgumentException if they were not kept
   */
  public <E extends Event> List<E> events(Class<E> type) {
    List<Event> all = recording.events(type);
    if (all == null) {
      String name = type.getSimpleName();
      throw new IllegalArgumentException(
          "events of type " + name + " were not kept: say keep = " + name + ".class");
    }
    return all.stream().map(type::cast).toList();
  }

  /** {@return instructions executed by all vCPUs} */
  public long instructions() {
    return machine.instructions();
  }

  /** {@return virtual time in nanoseconds} */
  public long virtualTime() {
    return machine.virtualTime();
  }

  /** {@return SHA-256 over memory and the processor's state at the end, in hex} */
  public String stateHash() {
    return machine.stateHash();
  }

  /** {@return the machine as it is at the end, to be looked at} */
  public Machine machine() {
    return machine;
  }

  Recording recording() {
    return recording;
  }

  @Override
  public String toString() {
    return "run of " + recording.title() + ", " + recording.state();
  }
}
