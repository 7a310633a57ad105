package dev.vesper.machine.device;

import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * The receiving side of a serial port: what waits for the guest, and when the guest listens.
 * Nothing that somebody has typed ahead is lost to a driver that clears the receiver when it
 * starts: it goes back to the one who typed it until the guest listens.
 */
public abstract class SerialPort implements PortDevice {
  /** So many looks at an empty receiver are no driver's start but somebody who waits for a key. */
  private static final int POLLING = 64;

  /** IER: received data available. */
  protected static final int IER_RECEIVE = 1;

  /** What the guest can read now. */
  protected final ArrayDeque<Integer> received = new ArrayDeque<>();

  private final ArrayDeque<Integer> back = new ArrayDeque<>();

  /** Interrupt enable register. */
  protected int ier;

  private int polls;

  /** The guest has read what it found by polling. */
  private boolean reader;

  /** The same of what it was told of by an interrupt, since it enabled that. */
  private boolean told;

  /** {@return whether the receiver can take another byte} */
  public abstract boolean canReceive();

  /**
   * Receives a byte, for which there must be room, or {@link
   * dev.vesper.machine.spec.ConsoleInput#BREAK}.
   */
  public abstract void receive(int b);

  /**
   * {@return whether the guest listens: it enabled the receive interrupt, or it polls for data}
   *
   * @param idle the guest is halted
   */
  public final boolean wantsInput(boolean idle) {
    return (ier & IER_RECEIVE) != 0 || polls > (reader && idle ? 0 : POLLING);
  }

  /** {@return the next byte that the guest had and did not take, or -1} */
  public final int returned() {
    Integer b = back.poll();
    return b == null ? -1 : b;
  }

  /** The guest writes the interrupt enable register. */
  protected final void enable(int v) {
    told &= (ier & IER_RECEIVE) != 0;
    ier = v;
  }

  /** The guest looks whether something is there. */
  protected final void polled() {
    polls = received.isEmpty() ? polls + 1 : 0;
  }

  /** The guest sends: it does not wait for a key. */
  protected final void sent() {
    polls = 0;
  }

  /** {@return the next byte, which the guest takes, or null} */
  protected final @Nullable Integer take() {
    reader |= !received.isEmpty() && (ier & IER_RECEIVE) == 0;
    told |= !received.isEmpty() && (ier & IER_RECEIVE) != 0;
    return received.poll();
  }

  /**
   * The guest throws away what is received. Before it listens that is not meant for what waits;
   * Linux enables the interrupt first and the FIFOs, which clears them, a moment later.
   */
  protected final void discard() {
    if ((ier & IER_RECEIVE) == 0 ? !reader : !told) {
      while (!received.isEmpty()) {
        back.addFirst(received.removeLast());
      }
    }
    received.clear();
    polls = 0;
  }
}
