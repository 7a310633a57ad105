package dev.vesper.machine.assembly;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.emit.NativeCode;
import dev.vesper.machine.cpu.jit.RegionTranslator;
import dev.vesper.machine.spec.Translator;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Has the processors of a machine execute guest code by what was chosen. */
public final class Tiers {
  /** System property that chooses for every machine, by a name in lower case. */
  public static final String PROPERTY = "vesper.translator";

  private Tiers() {}

  /**
   * {@return what the properties say} Who sets the threshold of regions means regions.
   *
   * @throws IllegalArgumentException if {@link #PROPERTY} has no such name
   */
  public static Translator standard() {
    String byDefault = System.getProperty(RegionTranslator.PROPERTY) == null ? "native" : "regions";
    String name = System.getProperty(PROPERTY, byDefault);
    for (Translator t : Translator.values()) {
      if (t.name().toLowerCase(Locale.ROOT).equals(name)) {
        return t;
      }
    }
    throw new IllegalArgumentException(
        "-D" + PROPERTY + " is native, regions or none, not '" + name + "'");
  }

  /**
   * Chooses for the processors of one machine.
   *
   * @param features what they have
   * @return native code, if they are to execute that
   */
  public static @Nullable NativeCode choose(List<Cpu> cpus, CpuFeatures features, Translator t) {
    NativeCode natives = t == Translator.NATIVE ? NativeCode.create(features) : null;
    int threshold = t == Translator.NONE ? 0 : RegionTranslator.standard();
    for (Cpu c : cpus) {
      RegionTranslator.attach(c, threshold);
      c.runNatively(natives);
    }
    return natives;
  }

  /** {@return why there can be no native code here, or null if there can} */
  public static @Nullable String lack() {
    return NativeCode.lack();
  }
}
