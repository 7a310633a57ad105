package dev.vesper.machine.sev;

import dev.vesper.machine.cpu.Cpu;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * An observer's way to a guest's registers, whatever protects them. It is not part of the modelled
 * world: neither host nor devices may use it.
 */
public final class GuestRegisters {
  private GuestRegisters() {}

  /**
   * Lets an observer look at a vCPU's processor, which has the guest's registers meanwhile. Nothing
   * that host or guest see changes.
   */
  public static <T> T look(VirtualCpu v, Function<Cpu, T> observer) {
    if (!v.inside()) {
      // The next VMRUN loads the same again.
      v.enter();
    }
    return observer.apply(v.cpu);
  }

  /** Lets an observer change the guest's registers, as a debugger does. */
  public static void change(VirtualCpu v, Consumer<Cpu> observer) {
    if (v.inside() || v.enter()) {
      observer.accept(v.cpu);
      if (!v.inside()) {
        v.leave();
      }
    }
  }
}
