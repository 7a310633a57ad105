package dev.vesper.junit;

import dev.vesper.machine.Machine;

/**
 * Assertions about guests, in the way of AssertJ. Both kinds say the same; of a finished run they
 * hold or not, of a machine in hand they hold already or it is run until they do.
 *
 * {@snippet :
 * assertThat(run).reached("start_kernel").exchanged(ExitCode.CPUID).hasNoFindings().poweredOff();
 *
 * assertThat(machine).printed("login: ");   // runs it until then
 * byte[] secret = machine.observer().readPrivate(address, 16);
 * assertThat(machine).poweredOff();         // runs it to its end
 * }
 */
public final class GuestAssertions {
  private GuestAssertions() {}

  /** {@return assertions about a finished run} */
  public static GuestRunAssert assertThat(GuestRun actual) {
    return new GuestRunAssert(actual);
  }

  /**
   * {@return assertions about a machine, which run it where they have to}
   *
   * @throws IllegalArgumentException if it comes neither from a parameter nor from an extension
   */
  public static MachineAssert assertThat(Machine actual) {
    return new MachineAssert(actual);
  }
}
