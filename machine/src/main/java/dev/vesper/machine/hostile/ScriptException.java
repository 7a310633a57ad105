package dev.vesper.machine.hostile;

/** A text is no script: what is wrong, and where. The message is one line. */
public final class ScriptException extends Exception {
  private static final long serialVersionUID = 1;

  private final int line;
  private final int column;

  ScriptException(int line, int column, String what) {
    super((line > 0 ? "line " + line + ", column " + column + ": " : "") + what);
    this.line = line;
    this.column = column;
  }

  /** {@return the line of the text, from 1 on; 0 if it is wrong as a whole} */
  public int line() {
    return line;
  }

  /** {@return the column in that line, from 1 on, 0 if it is wrong as a whole} */
  public int column() {
    return column;
  }
}
