package dev.vesper.cli.monitor;

/** A text is no JSON. */
final class JsonError extends Exception {
  private static final long serialVersionUID = 1;

  JsonError(String message) {
    super(message, null, false, false);
  }
}
