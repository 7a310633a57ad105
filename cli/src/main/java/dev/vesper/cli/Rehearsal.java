package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;

/**
 * The command for the run from which a JVM learns what a start needs: the same but for the
 * restrictions, because that JVM has to write a file and start a program when the run has ended.
 */
public final class Rehearsal {
  private Rehearsal() {}

  /** Runs the command and exits with its status. */
  public static void main(String[] args) {
    Main.start(Confinement::rehearse, args);
  }
}
