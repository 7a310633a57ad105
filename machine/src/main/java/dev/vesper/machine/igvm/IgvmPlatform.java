package dev.vesper.machine.igvm;

import org.jspecify.annotations.Nullable;

/** Kinds of isolation that an IGVM file can be for, by their numbers in its platform headers. */
public enum IgvmPlatform {
  NATIVE(0),
  VSM_ISOLATION(1),
  SEV_SNP(2),
  TDX(3),
  SEV(4),
  SEV_ES(5),
  CCA(6);

  private final int number;

  IgvmPlatform(int number) {
    this.number = number;
  }

  /** {@return the platform of a number, or null if nobody has given it one} */
  static @Nullable IgvmPlatform of(int number) {
    for (IgvmPlatform p : values()) {
      if (p.number == number) {
        return p;
      }
    }
    return null;
  }

  /** {@return its name and its number in the file, for messages} */
  public String words() {
    return name() + " (" + number + ")";
  }
}
