package dev.vesper.machine.guests;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.List;
import java.util.stream.Stream;

/**
 * One run of the reference guest or a variant of it, to its end.
 *
 * @param dump registers at the end
 */
record LocoreRun(
    Machine machine,
    Outcome outcome,
    String console,
    List<Event> events,
    String hash,
    String dump) {
  static final int PASSED = Locore.PASS << 1 | 1;

  private static final String MODEL = "vesper-min,+xsave";

  /** {@return the last step that was begun or the panic, and where the processor ended} */
  String place() {
    List<String> lines =
        console.lines().filter(l -> !l.isBlank() && !l.equals("locore: self-test FAILED")).toList();
    return (lines.isEmpty() ? "" : lines.getLast()) + "\n" + dump.lines().toList().getLast();
  }

  /** {@return the events of a type} */
  <T extends Event> Stream<T> events(Class<T> type) {
    return events.stream().filter(type::isInstance).map(type::cast);
  }

  /** {@return an unsigned 64-bit variable of the guest} */
  long variable(String name) {
    byte[] b = machine.observer().readPrivate(machine.symbols().address(name) & 0x7FFF_FFFFL, 8);
    long v = 0;
    for (int i = 7; i >= 0; i--) {
      v = v << 8 | b[i] & 0xFF;
    }
    return v;
  }

  static LocoreRun run(MachineSpec.Builder o) throws BootException {
    TestMachine m = TestMachine.of(o).traced();
    Outcome end = m.run(50_000_000L);
    return new LocoreRun(
        m.machine(), end, m.console(), m.events(), m.machine().stateHash(), m.machine().dump());
  }

  static LocoreRun run(String profile, SevMode mode, byte[] image, String... intercepts)
      throws BootException {
    return run(
        MachineSpec.builder(mode, image, b -> {})
            .memoryBytes(64L << 20)
            .profile(profile)
            .processors(profile.equals("kvm") ? 2 : 1)
            .cpuModel(MODEL)
            .intercepts(intercepts));
  }

  static LocoreRun run(SevMode mode, byte[] image) throws BootException {
    return run("kvm", mode, image);
  }
}
