package dev.vesper.machine;

import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.vmm.Profile;

/**
 * When a guest that has shut down is started again. vmd(8) takes a triple fault for a reset and
 * does so always, but not for the third time in a row within six seconds of the guest's time
 * (config_setvm of config.c). Each start is a launch of its own, with memory and devices as new;
 * disks and networks are those that were there.
 */
public final class Restarts {
  private static final long FAST = 6_000_000_000L;
  private static final int MOST_FAST = 3;

  private final boolean vmd;
  private int fast;

  /**
   * @param profile name of the hypervisor's profile
   * @param wanted whether a guest may be started again at all
   */
  public Restarts(String profile, boolean wanted) {
    vmd = wanted && Profile.named(profile).isVmd();
  }

  /** {@return whether the end of a run is a reset, which only {@link #again} may refuse} */
  public boolean isReset(Outcome o) {
    return vmd && o.is(Outcome.SHUTDOWN);
  }

  /**
   * {@return whether a guest that has reset itself is started again}
   *
   * @param lived virtual time since the start, in nanoseconds
   */
  public boolean again(long lived) {
    fast = lived < FAST ? fast + 1 : 0;
    return fast < MOST_FAST;
  }
}
