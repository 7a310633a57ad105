package dev.vesper.cli.monitor;

import java.util.List;

/**
 * States of a machine that are kept under names, for {@code savevm}, {@code loadvm} and {@code
 * delvm}. All is called on the thread that runs the machine, while it stands still.
 */
public interface Snapshots {
  /**
   * A state that is kept.
   *
   * @param bytes that it takes
   * @param date when it was taken, for people
   * @param id 0 for a file of another run
   * @param virtualTime of the machine in it, in nanoseconds; -1 if it is not known
   * @param instructions executed before it; -1 if it is not known
   */
  record Entry(int id, String name, long bytes, String date, long virtualTime, long instructions) {}

  /** {@return all states, in the order in which they were taken} */
  List<Entry> list();

  /**
   * Keeps the machine's state under a name, in place of what had it.
   *
   * @throws Failed if it cannot be
   */
  void save(String name) throws Failed;

  /**
   * Has the machine be in a state again.
   *
   * @throws Failed if there is none of that name, or it cannot be used
   */
  void load(String name) throws Failed;

  /**
   * Forgets a state.
   *
   * @throws Failed if there is none of that name
   */
  void delete(String name) throws Failed;

  /** Why something cannot be done, in one line for people. */
  final class Failed extends Exception {
    private static final long serialVersionUID = 1;

    /** One line says all. */
    public Failed(String message) {
      super(message, null, false, false);
    }
  }
}
