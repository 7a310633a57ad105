package dev.vesper.machine.device.net;

/** What is at the other end of a network adapter. */
public interface Network {
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
}
