package dev.vesper.machine.device.net;

import dev.vesper.machine.device.Timed;

/** What is at the other end of a network adapter. */
public interface Network extends Timed {
  /** Takes a frame for the guest. */
  @FunctionalInterface
  interface Receiver {
    /** A frame arrives: Ethernet, without its check sequence. */
    void frame(byte[] bytes);
  }

  /** Says who takes frames for the guest. */
  void connect(Receiver guest);

  /** The guest sends a frame. */
  void send(byte[] frame);

  /** {@return whether frames may come that the guest has not asked for} Idle time is real then. */
  default boolean live() {
    return false;
  }

  /** Waits until a frame may come, or real time has passed; only where the network is live. */
  default void await(long nanos) {}

  @Override
  default long nextEvent() {
    return NEVER;
  }

  @Override
  default void advance(long now) {}
}
