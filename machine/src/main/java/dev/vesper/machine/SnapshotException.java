package dev.vesper.machine;

/**
 * A snapshot cannot be read into a machine; the message says why, in words that follow its name.
 */
public final class SnapshotException extends Exception {
  private static final long serialVersionUID = 1;

  SnapshotException(String message) {
    super(message);
  }
}
