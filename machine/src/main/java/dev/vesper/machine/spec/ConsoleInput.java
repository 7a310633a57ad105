package dev.vesper.machine.spec;

/** Bytes that a person or a file sends to the guest's console. */
public interface ConsoleInput {
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

  /** {@return the next byte, or -1 if none is there now} */
  int poll();

  /** {@return whether no byte can come any more} */
  boolean closed();

  /** Waits until a byte may be there, the input closes, or real time has passed. */
  void await(long nanos);
}
