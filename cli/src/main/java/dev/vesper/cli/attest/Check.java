package dev.vesper.cli.attest;

/**
 * A question about a report and its answer.
 *
 * @param name what is asked
 * @param state what came of it
 * @param text what was found, and what to do if it does not hold
 */
public record Check(String name, State state, String text) {
  /** What can come of a question. */
  public enum State {
    /** It holds. */
    PASSED,
    /** It does not hold: the report is not to be believed, or not of what was expected. */
    FAILED,
    /** It holds, and there is something that one should know. */
    WARNING,
    /** Nobody has asked, or it cannot be asked. */
    NOT_CHECKED
  }

  static Check passed(String name, String text) {
    return new Check(name, State.PASSED, text);
  }

  static Check failed(String name, String text) {
    return new Check(name, State.FAILED, text);
  }

  static Check warning(String name, String text) {
    return new Check(name, State.WARNING, text);
  }

  static Check notChecked(String name, String text) {
    return new Check(name, State.NOT_CHECKED, text);
  }

  static Check of(boolean holds, String name, String text, String otherwise) {
    return holds ? passed(name, text) : failed(name, otherwise);
  }
}
