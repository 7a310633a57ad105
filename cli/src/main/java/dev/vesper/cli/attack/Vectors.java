package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Registers;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What becomes of a guest when its host injects an interrupt of a vector that it should never have:
 * Heckler's table, with what the machine knows to be the cause.
 */
public final class Vectors {
  /** How many there are. */
  public static final int COUNT = 256;

  private static final long ENOUGH = 3_000_000;

  /** Linux: every forced signal comes by here, with what is to be sent in RDI. */
  private static final String SIGNAL = "force_sig_info_to_task";

  private static final String PANIC = "panic";
  private static final String OOPS = "oops_begin";

  /** The reference guest ends its program here. */
  private static final String ENDED = "process_signal";

  private static final String REFUSED = "VMRUN refused";

  private static final Map<Integer, String> SIGNALS =
      Map.of(4, "SIGILL", 5, "SIGTRAP", 7, "SIGBUS", 8, "SIGFPE", 11, "SIGSEGV");

  private Vectors() {}

  /** Where the guest is interrupted. */
  public enum Mode {
    /** A program runs with CPL 3. */
    USER("user", Place.PROGRAM),
    /** An ordinary function of the kernel runs. */
    KERNEL("kernel", Place.KERNEL);

    /** By which results name it. */
    public final String id;

    private final Place place;

    Mode(String id, Place place) {
      this.id = id;
      this.place = place;
    }
  }

  /**
   * What has become of it.
   *
   * @param handler the guest's code that the vector leads to, or "-" if it leads nowhere
   * @param outcome in a few words
   */
  public record Result(String handler, String outcome) {}

  /**
   * Injects a vector as an interrupt, without an error code.
   *
   * @param run has a target whose programs are known
   */
  public static Result of(AttackRun run, Mode mode, int vector) {
    long n = mode.place.find(run);
    if (n < 0) {
      throw new IllegalArgumentException("nothing is known of " + mode.place + " in this guest");
    }
    try (Trial t = run.keptAt(n)) {
      Machine m = t.machine();
      m.hypervisor().at(n, host -> host.inject(vector));
      m.run(Until.instructions(n));
      VcpuView v = m.observer().current();
      long rip = v.rip();
      Registers before = v.registers();
      Stop first = m.step(v.id());
      if (first instanceof Stop.Ended e) {
        String ending = t.ending(e.outcome());
        boolean refused = e.outcome().reason().contains(REFUSED);
        return new Result("-", refused ? REFUSED : ending != null ? ending : e.outcome().reason());
      }
      if (v.cpl() == 3) {
        return new Result("-", "nothing: the event is not delivered");
      }
      String handler = m.codeName(v).replaceFirst("\\+0x[0-9a-f]+$", "");
      Until end =
          Stream.of(SIGNAL, PANIC, OOPS, ENDED, "do_int80_syscall_32", "process_end")
              .map(Until::symbol)
              .reduce(Until.address(rip).or(Until.instructions(n + ENOUGH)), Until::or);
      return new Result(handler, outcome(t, m.run(end), v, rip, before));
    }
  }

  private static String outcome(Trial t, Stop s, VcpuView v, long rip, Registers before) {
    if (s instanceof Stop.Breakpoint b) {
      if (b.address() == rip) {
        return v.registers().equals(before) ? "nothing" : "registers change";
      }
      return switch (String.valueOf(b.symbol())) {
        case SIGNAL -> signal(v);
        case PANIC -> "panic";
        case OOPS -> "oops";
        case ENDED -> "program ended";
        default -> "system call: control flow changed";
      };
    }
    String ending = s instanceof Stop.Ended e ? t.ending(e.outcome()) : null;
    return ending != null ? ending : "does not return";
  }

  private static String signal(VcpuView v) {
    byte[] b = v.read(v.gpr(VcpuView.RDI), Integer.BYTES);
    int number = ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN).getInt();
    return SIGNALS.getOrDefault(number, "signal " + number);
  }
}
