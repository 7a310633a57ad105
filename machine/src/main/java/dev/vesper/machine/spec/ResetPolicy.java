package dev.vesper.machine.spec;

import org.jspecify.annotations.Nullable;

/**
 * Decides what becomes of a guest that resets itself: by the keyboard controller, port 92h or CF9h,
 * or a triple fault.
 */
public interface ResetPolicy {
  /** A reset ends the run. */
  ResetPolicy END = Reset::end;

  /**
   * A guest resets itself.
   *
   * @param end how the run ends if nothing else is wanted
   * @param lived virtual time since the guest started last, in nanoseconds
   * @param possible whether it can start again: nobody can reset processors whose state is
   *     encrypted, nor load an image again into memory that is
   */
  record Reset(Outcome end, long lived, boolean possible) {}

  /**
   * {@return how the run ends, or null for the guest to start again, which ends the run all the
   * same where it is not possible}
   */
  @Nullable Outcome decide(Reset r);
}
