package dev.vesper.machine.device.net;

import dev.vesper.machine.input.InputLog;
import java.util.Set;

/** What is at the other end of a network adapter. */
public interface Network {
  /** No event is due. */
  long NEVER = Long.MAX_VALUE;

  /** Takes a frame for the guest. */
  @FunctionalInterface
  interface Receiver {
    /** A frame arrives: Ethernet, without its check sequence. */
    void frame(byte[] bytes);
  }

  /**
   * What it does with sockets of the computer once the guest runs.
   *
   * @param accepts whether somebody may come in by those that listen already
   * @param connects TCP ports that it connects to
   */
  record Sockets(boolean accepts, Set<Integer> connects) {
    /** Nothing. */
    public static final Sockets NONE = new Sockets(false, Set.of());
  }

  /** {@return what it does with sockets of the computer} */
  default Sockets sockets() {
    return Sockets.NONE;
  }

  /**
   * Says where it asks for what comes from outside of the machine; before anything is sent. What a
   * network gives that does not ask there cannot be recorded.
   */
  default void log(InputLog log) {}

  /** Says who takes frames for the guest. */
  void connect(Receiver guest);

  /** The guest sends a frame. */
  void send(byte[] frame);

  /** {@return whether frames may come that the guest has not asked for} Idle time is real then. */
  default boolean live() {
    return false;
  }

  /**
   * Waits until somebody outside does something, or real time has passed; only where the network is
   * live. Nothing is changed by that.
   *
   * @return whether somebody has: {@link #heard} says so to the network itself
   */
  default boolean await(long nanos) {
    return false;
  }

  /** Somebody outside has done something, so that an event is due at once. */
  default void heard() {}

  /** Lets go of what it holds of the computer. */
  default void close() {}

  /** {@return when the next event is due, in virtual nanoseconds, or {@link #NEVER}} */
  default long nextEvent() {
    return NEVER;
  }

  /**
   * {@return when the next event is due, in virtual nanoseconds, that {@link #await} does not tell
   * of}
   */
  default long nextOwnEvent() {
    return nextEvent();
  }

  /** Lets everything happen that is due at a virtual time in nanoseconds. */
  default void advance(long now) {}
}
