package dev.vesper.junit;

import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.MachineSpec;

/**
 * What {@link SevGuest#setup} does to a guest that members of the annotation cannot say. A class of
 * it has a constructor without parameters, which need not be public.
 *
 * {@snippet :
 * final class NoHypervisorLeaf implements GuestSetup {
 *   public void prepare(Machine machine) {
 *     machine.hypervisor().onEvent(ExitCode.CPUID, (exit, profile) -> {
 *       profile.run();
 *       if (exit.request(GhcbField.RAX) == 0x4000_0000L) {
 *         exit.set(GhcbField.RBX, 0);
 *       }
 *     });
 *   }
 * }
 * }
 */
public interface GuestSetup {
  /**
   * Changes the description, which has what the annotation says.
   *
   * @throws Exception if it cannot; the test fails with its message
   */
  default void describe(MachineSpec.Builder spec) throws Exception {}

  /**
   * Prepares the machine, which is launched and has not run.
   *
   * @throws Exception if it cannot; the test fails with its message
   */
  default void prepare(Machine machine) throws Exception {}
}
