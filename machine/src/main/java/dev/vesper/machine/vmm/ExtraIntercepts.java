package dev.vesper.machine.vmm;

import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import java.util.List;
import java.util.Map;

/** Intercepts that a user adds to those of a profile, to see a guest's handler at work. */
public final class ExtraIntercepts {
  private record Bit(int field, int mask) {}

  private static final Map<String, Bit> NAMES =
      Map.of(
          "rdtsc", new Bit(Vmcb.INTERCEPT_VECTOR3, Intercept.RDTSC),
          "rdpmc", new Bit(Vmcb.INTERCEPT_VECTOR3, Intercept.RDPMC),
          "invd", new Bit(Vmcb.INTERCEPT_VECTOR3, Intercept.INVD),
          "vmmcall", new Bit(Vmcb.INTERCEPT_VECTOR4, Intercept.VMMCALL),
          "rdtscp", new Bit(Vmcb.INTERCEPT_VECTOR4, Intercept.RDTSCP),
          "wbinvd", new Bit(Vmcb.INTERCEPT_VECTOR4, Intercept.WBINVD),
          "monitor", new Bit(Vmcb.INTERCEPT_VECTOR4, Intercept.MONITOR),
          "mwait", new Bit(Vmcb.INTERCEPT_VECTOR4, Intercept.MWAIT),
          "dr7", new Bit(Vmcb.INTERCEPT_DR, Intercept.DR7));

  private ExtraIntercepts() {}

  /**
   * Sets more intercept bits.
   *
   * @throws IllegalArgumentException if a name is not known
   */
  public static void add(VirtualCpu vcpu, List<String> names) {
    for (String n : names) {
      Bit b = NAMES.get(n);
      if (b == null) {
        throw new IllegalArgumentException(
            "cannot intercept '"
                + n
                + "': there are "
                + String.join(" ", new java.util.TreeSet<>(NAMES.keySet())));
      }
      vcpu.vmcb().setInt(b.field, vcpu.vmcb().getInt(b.field) | b.mask);
    }
  }
}
