package dev.vesper.machine.hostile;

/**
 * A word of a script's text.
 *
 * @param text as it is written; of a string what is between the quotes
 * @param value of a number
 * @param column in its line, from 1 on
 */
record Token(Kind kind, String text, long value, int column) {
  /** Kinds of words. */
  enum Kind {
    WORD,
    NUMBER,
    STRING,
    SIGN,
    /** Behind the last one. */
    END
  }

  boolean is(String what) {
    return (kind == Kind.WORD || kind == Kind.SIGN) && text.equals(what);
  }

  /** {@return for people, what stands there} */
  String shown() {
    return switch (kind) {
      case END -> "the end of the line";
      case STRING -> "a text in quotes";
      default -> "'" + ValueReader.shortened(text) + "'";
    };
  }
}
