package dev.vesper.machine.host;

/**
 * Answers an exit in the profile's place, changes what the profile answers, or delays it.
 *
 * @param <E> kind of exit
 */
@FunctionalInterface
public interface Answer<E extends Exit> {
  /**
   * Answers an exit.
   *
   * @param next what would answer otherwise: the answer that was given before this one, at last the
   *     profile's. Not called, the exit is not answered but by what is done here
   */
  void answer(E exit, Runnable next);
}
