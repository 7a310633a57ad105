package dev.vesper.machine.sev;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.memory.Page;
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
    if (v.inside() || v.holds()) {
      return observer.apply(v.cpu);
    }
    // The general registers that the last exit left in the processor are those of a plain guest.
    byte[] left = new byte[Page.SIZE];
    SaveArea.store(v.cpu, left);
    SaveArea.storeProtected(v.cpu, left);
    v.enter();
    T seen = observer.apply(v.cpu);
    SaveArea.load(v.cpu, left);
    SaveArea.loadProtected(v.cpu, left);
    return seen;
  }

  /** {@return whether a vCPU is inside VMRUN, so that its save area is not up to date} */
  public static boolean inside(VirtualCpu v) {
    return v.inside();
  }

  /** Lets an observer change the guest's registers, as a debugger does. */
  public static void change(VirtualCpu v, Consumer<Cpu> observer) {
    if (v.inside() || v.enter() == VirtualCpu.ENTERED) {
      observer.accept(v.cpu);
      if (!v.inside()) {
        v.leave();
        v.settle();
      }
    }
  }
}
