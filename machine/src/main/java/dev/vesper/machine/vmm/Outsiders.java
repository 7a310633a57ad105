package dev.vesper.machine.vmm;

import dev.vesper.machine.device.Timed;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.spec.ConsoleInput;
import java.util.List;
import java.util.function.BooleanSupplier;

/** Those who may wake a guest that has nothing to do: who types, and who talks over a network. */
final class Outsiders {
  /**
   * Real time between looks whether to stop while nobody runs. A stop ends the wait for an input
   * that can be woken, so that it is one piece: each look costs a fifth of a millisecond.
   */
  private static final long LONGEST_WAIT = 100_000_000L;

  /** The same while more than one outside may do something: one is waited for, then the next. */
  private static final long SHORT_WAIT = 20_000_000L;

  /** Virtual time that is not worth a wait, which itself takes longer. */
  private static final long NO_WAIT = 20_000L;

  /** A wait that ends so much before its time was ended by something. */
  private static final long EARLY = 2_000_000L;

  private final Hypervisor host;

  /** How often they have been waited for. */
  private int waits;

  Outsiders(Hypervisor host) {
    this.host = host;
  }

  /** {@return whether nobody outside can wake the guest} */
  boolean none() {
    return host.inputs.consoleEnded() && host.platform.live().isEmpty();
  }

  /** {@return whether there are several of whom only one can be waited for at a time} */
  private boolean several() {
    return host.platform.live().size() + (host.inputs.consoleEnded() ? 0 : 1) > 1;
  }

  /**
   * Waits while nobody can run: with somebody outside idle time is real time, so that the computer
   * idles too.
   *
   * @param nanos until the next event, or {@link Timed#NEVER}
   * @param deadline point of {@link System#nanoTime} up to which there is time, or {@link
   *     Long#MAX_VALUE}
   * @param stop whether nobody is to be waited for any more
   */
  Inputs.Wait await(long nanos, long deadline, BooleanSupplier stop) {
    boolean network = !host.platform.live().isEmpty();
    long left = nanos == Timed.NEVER ? LONGEST_WAIT : nanos;
    long wait = several() ? Math.min(SHORT_WAIT, left) : left;
    long start = System.nanoTime();
    int heard = await(wait, deadline, start, stop);
    // So much of the time until then has passed.
    boolean part = stop.getAsBoolean() || network && (heard >= 0 || wait < nanos);
    return new Inputs.Wait(heard, part ? Math.min(wait, System.nanoTime() - start) : -1);
  }

  /** {@return the number of the network on which somebody has done something, or -1} */
  private int await(long virtualNanos, long deadline, long now, BooleanSupplier stop) {
    List<Network> live = host.platform.live();
    int number = live.isEmpty() ? -1 : waits++ % live.size();
    if (virtualNanos < NO_WAIT) {
      return -1;
    }
    long nanos =
        deadline == Long.MAX_VALUE
            ? virtualNanos
            : Math.max(0, Math.min(virtualNanos, deadline - now));
    ConsoleInput console = host.inputs.console();
    long longest = number < 0 && console.wakes() ? Long.MAX_VALUE : LONGEST_WAIT;
    // In pieces, so that it can be stopped; who comes back early has something for the guest.
    for (long left = nanos; left > 0 && !stop.getAsBoolean(); ) {
      long piece = Math.min(left, longest);
      long start = System.nanoTime();
      if (number < 0) {
        console.await(piece);
      } else if (live.get(number).await(piece)) {
        return number;
      }
      if (System.nanoTime() - start < piece - EARLY) {
        return -1;
      }
      left -= piece;
    }
    return -1;
  }
}
