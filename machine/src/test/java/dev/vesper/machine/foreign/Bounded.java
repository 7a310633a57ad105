package dev.vesper.machine.foreign;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;

/** What reading a stranger's bytes may cost. */
public final class Bounded {
  private Bounded() {}

  /** What reads an input. */
  @FunctionalInterface
  public interface Read {
    void run() throws Exception;
  }

  /**
   * Reads something.
   *
   * @param seconds that it may take of a processor
   * @param mebibytes that it may allocate, all in all
   */
  public static void within(int seconds, int mebibytes, Read r) throws Exception {
    ThreadMXBean t = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long bytes = t.getCurrentThreadAllocatedBytes();
    long time = t.getCurrentThreadCpuTime();
    try {
      r.run();
    } finally {
      assertThat((t.getCurrentThreadAllocatedBytes() - bytes) >> 20).isLessThan(mebibytes);
      assertThat((t.getCurrentThreadCpuTime() - time) / 1_000_000_000).isLessThan(seconds);
    }
  }
}
