package dev.vesper.machine.spec;

/** By what guest code is executed besides the interpreter. Speed depends on it, results do not. */
public enum Translator {
  /** By native code of the computer; where there can be none, by regions. */
  NATIVE,
  /** By regions: methods of the JVM that are made of hot code. */
  REGIONS,
  /** By nothing. */
  NONE
}
