package dev.vesper.machine.input;

import org.jspecify.annotations.Nullable;

/** Who outside has given something. The numbers are those of recordings and do not change. */
public enum Source {
  /** A byte or a break for COM1: its number, in one byte or two, the low one first. */
  CONSOLE(1),
  /** Nothing more will come to COM1; no bytes. */
  CONSOLE_END(2),
  /** How a guest that has nothing to do has been woken, or how long it has waited. */
  IDLE(3),
  /** An answer of those outside of a network. */
  NETWORK(4),
  /** What somebody does to the machine that is no line's and no wire's: a key goes down. */
  ACTION(5);

  private final int code;

  Source(int code) {
    this.code = code;
  }

  /** {@return its number in recordings, 1 to 15} */
  public int code() {
    return code;
  }

  /** {@return the source of a number, or null if there is none} */
  public static @Nullable Source of(int code) {
    for (Source s : values()) {
      if (s.code == code) {
        return s;
      }
    }
    return null;
  }
}
