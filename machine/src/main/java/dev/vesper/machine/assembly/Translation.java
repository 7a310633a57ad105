package dev.vesper.machine.assembly;

import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NativeTier;
import dev.vesper.machine.cpu.emit.NativeCode;
import dev.vesper.machine.cpu.jit.RegionTranslator;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** By what guest code is executed besides the interpreter. Speed depends on it, results do not. */
public enum Translation {
  /** By native code; where there can be none, by regions. */
  NATIVE,
  /** By regions: JVM methods that are made of hot code. */
  REGIONS,
  /** By nothing. */
  NONE;

  /** System property that sets it for every machine, by its name in lower case. */
  public static final String PROPERTY = "vesper.translator";

  /**
   * {@return what the properties say} Who sets the threshold of regions means regions.
   *
   * @throws IllegalArgumentException if {@link #PROPERTY} has no such name
   */
  public static Translation standard() {
    String byDefault = System.getProperty(RegionTranslator.PROPERTY) == null ? "native" : "regions";
    return valueOf(System.getProperty(PROPERTY, byDefault).toUpperCase(Locale.ROOT));
  }

  /** {@return native code for a machine, or null if there is to be none or can be none} */
  public @Nullable NativeTier natives(CpuFeatures features) {
    return this == NATIVE ? NativeCode.create(features) : null;
  }

  /** {@return how often a block is interpreted before it becomes a region, 0 for never} */
  public int threshold() {
    return this == NONE ? 0 : RegionTranslator.standard();
  }
}
