package dev.vesper.machine.state;

/** What a value in a file of state is: one byte before it. */
enum StateTag {
  NULL,
  /** An object, by its number. */
  NODE,
  /** Something without state that the machine has in the same place anyway: it stays. */
  STAYS,
  /** The same, by the object that has it in a field, and the number of the field. */
  FIELD,
  STRING,
  LONG,
  INTEGER,
  SHORT,
  BYTE,
  BOOLEAN,
  CHARACTER,
  DOUBLE,
  /** Class and name of a constant. */
  ENUM,
  /** Values of its own, which are no objects: an array of numbers, of objects. */
  NUMBERS,
  VALUES;

  private static final StateTag[] ALL = values();

  /** {@return the tag with a number, or null} */
  static @org.jspecify.annotations.Nullable StateTag of(int n) {
    return n < ALL.length ? ALL[n] : null;
  }
}
