package dev.vesper.machine.device.net;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** Who may talk to the guest from outside of its network, and whom the guest may talk to. */
public interface Outside {
  /** Nobody. */
  Outside NOBODY =
      new Outside() {
        @Override
        public boolean any() {
          return false;
        }

        @Override
        public @Nullable Visitor visitor() {
          return null;
        }

        @Override
        public @Nullable Stream connect(int port) {
          return null;
        }

        @Override
        public boolean await(long nanos) {
          return false;
        }
      };

  /** Somebody of whom all that was said is known: nobody is asked, and no socket is there. */
  Outside RECORDED =
      new Outside() {
        @Override
        public boolean any() {
          return true;
        }

        @Override
        public @Nullable Visitor visitor() {
          return null;
        }

        @Override
        public @Nullable Stream connect(int port) {
          return null;
        }

        @Override
        public boolean await(long nanos) {
          return false;
        }
      };

  /** {@return whether there is anybody at all} Without, a run can be repeated bit for bit. */
  boolean any();

  /** {@return somebody who has come and wants to talk to a port of the guest, or null} */
  @Nullable Visitor visitor();

  /** {@return what the guest reaches at a port of the gateway, or null if that is nothing} */
  @Nullable Stream connect(int port);

  /**
   * Waits until somebody says something, or real time has passed. {@return whether somebody has}
   */
  boolean await(long nanos);

  /** {@return what it does with sockets of the computer} */
  default Network.Sockets sockets() {
    return Network.Sockets.NONE;
  }

  /** Ends all conversations; nobody comes any more. */
  default void close() {}

  /**
   * Somebody who wants to talk to the guest.
   *
   * @param address the guest's IPv4 address, as a number
   * @param port the guest's port
   */
  record Visitor(Stream stream, int address, int port) {}

  /** Bytes in both directions. Nothing here waits. */
  interface Stream {
    /**
     * {@return whether the other end is there}
     *
     * @throws IOException if it does not want to be
     */
    boolean ready() throws IOException;

    /** Reads what is there. {@return how much, or -1 at the end} */
    int read(ByteBuffer to) throws IOException;

    /** Writes as much as goes at once. */
    void write(ByteBuffer from) throws IOException;

    /** Says that nothing more will be written. */
    void finish() throws IOException;

    /** Ends both directions. */
    void close();
  }
}
