package dev.vesper.machine.state;

/**
 * An object with state that its fields do not show, or not in a form that could be kept: it gives
 * and takes that itself, besides its other fields.
 */
public interface OwnState {
  /**
   * {@return its state, in something that it will never change} Arrays of primitives, strings,
   * boxed numbers, enums, and arrays of these, nested; null for none.
   */
  Object ownState();

  /**
   * Has a state that {@link #ownState} has given, of this object or of its like in another machine.
   *
   * @throws IllegalArgumentException if it can be no state of this object
   */
  void ownState(Object state);
}
