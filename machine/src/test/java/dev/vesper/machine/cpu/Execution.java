package dev.vesper.machine.cpu;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.Machine;
import dev.vesper.machine.cpu.emit.NativeCode;
import dev.vesper.machine.cpu.jit.RegionTranslator;
import dev.vesper.machine.spec.Translator;
import java.util.Arrays;

/**
 * By what a processor of a test executes code: the parameter of tests that hold with everything. A
 * threshold of regions, 0 for the interpreter alone, or one of the constants.
 */
public final class Execution {
  /** By native code, each block from the first time on. */
  public static final int NATIVE = -1;

  /** By what machines do without a choice, but for native code. */
  public static final int STANDARD = -2;

  /** Full after many blocks, so that it is emptied and filled again. */
  private static final int CODE_BYTES = 1 << 20;

  private Execution() {}

  /** {@return some, and native code where there can be any} */
  public static int[] andNative(int... some) {
    int[] all = Arrays.copyOf(some, some.length + (NativeCode.lack() == null ? 1 : 0));
    if (all.length > some.length) {
      all[some.length] = NATIVE;
    }
    return all;
  }

  /** Has a machine that has not run execute code so; the test is skipped where it cannot. */
  public static void choose(Machine m, int execution) {
    if (execution == NATIVE) {
      assumeTrue(NativeCode.lack() == null, () -> "no native code: " + NativeCode.lack());
      m.translator(Translator.NATIVE);
    } else if (execution != STANDARD) {
      m.translateAfter(execution);
    }
  }

  /** Has a processor execute code so; the test is skipped where it cannot. */
  public static void choose(Cpu cpu, CpuFeatures features, int execution) {
    if (execution == NATIVE) {
      assumeTrue(NativeCode.lack() == null, () -> "no native code: " + NativeCode.lack());
      cpu.runNatively(NativeCode.create(features, CODE_BYTES));
    } else {
      int threshold = execution == STANDARD ? RegionTranslator.standard() : execution;
      RegionTranslator.attach(cpu, threshold);
    }
  }
}
