package dev.vesper.machine;

/** What a watchpoint waits for. */
public enum Access {
  READ,
  WRITE,
  READ_OR_WRITE
}
