package dev.vesper.machine.spec;

/** Bytes that a person or a file sends to the guest's console. */
public interface ConsoleInput {
  /** What is no byte but a break: the line is held low for longer than a byte takes. */
  int BREAK = 0x100;

  /** No input, ever. */
  ConsoleInput NONE =
      new ConsoleInput() {
        @Override
        public int poll() {
          return -1;
        }

        @Override
        public boolean closed() {
          return true;
        }

        @Override
        public void await(long nanos) {}
      };

  /** {@return the next byte, {@link #BREAK}, or -1 if nothing is there now} */
  int poll();

  /** {@return whether no byte can come any more} */
  boolean closed();

  /** Waits until a byte may be there, the input closes, or real time has passed. */
  void await(long nanos);

  /** {@return whether {@link #wake} ends a wait} Others are waited for in short pieces. */
  default boolean wakes() {
    return false;
  }

  /** Has who waits come back at once, or else who waits next; from any thread. */
  default void wake() {}
}
