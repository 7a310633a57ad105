package dev.vesper.cli;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.VcpuState;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.MachineSpec;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Tells whoever waits for a guest's first word what the guest does meanwhile. A thread counts how
 * long nothing has been printed and has the run come back; the thread that runs looks at the guest,
 * twice, so that it sees whether the guest comes along.
 */
final class Silence implements AutoCloseable {
  /** Seconds without a word that are too long. */
  static final double USUAL = 10;

  /** Looks at the clock in the time that is waited for a word. */
  private static final int LOOKS = 10;

  /** Between the two looks at the guest. */
  private static final long BETWEEN = TimeUnit.MILLISECONDS.toNanos(100);

  /** Code of a loop lies this near together, in bytes. */
  private static final long NEAR = 64;

  /** RFLAGS.IF. */
  private static final int IF = 1 << 9;

  private static final int PE = 1;
  private static final int LMA = 1 << 10;
  private static final int VM = 1 << 17;

  private final double seconds;
  private final boolean often;
  private final Thread clock;
  private @Nullable Machine machine;
  private ConsoleInput input = ConsoleInput.NONE;

  /** Anything since the last look at the clock. */
  private volatile boolean heard;

  /** Anything at all. */
  private volatile boolean spoken;

  private volatile boolean due;
  private volatile boolean closed;

  /** What was seen at the first look, or null before it. */
  private @Nullable Look before;

  /**
   * One look at the guest.
   *
   * @param places where each vCPU is
   * @param idle whether all of them wait for an interrupt
   */
  record Look(long[] places, boolean idle) {
    static Look at(Machine m) {
      List<? extends VcpuView> all = m.observer().vcpus();
      return new Look(
          all.stream().mapToLong(VcpuView::rip).toArray(), all.stream().allMatch(Silence::isIdle));
    }
  }

  /**
   * @param seconds without a word, 0 for never mind
   * @param often says it of each silence, not only of the first one
   */
  Silence(double seconds, boolean often) {
    this.seconds = seconds;
    this.often = often;
    clock = new Thread(this::watch, "silence of the guest");
    clock.setDaemon(true);
  }

  /** Who may type: a guest that has said something may wait for that. */
  void typedBy(ConsoleInput in) {
    input = in;
  }

  /** The guest has printed something. */
  void heard() {
    // For each byte: to look costs less than to write.
    if (!heard) {
      heard = true;
      spoken = true;
    }
  }

  /** This machine is to be looked at, from now on. */
  synchronized void of(Machine m) {
    machine = m;
    if (seconds > 0 && clock.getState() == Thread.State.NEW) {
      clock.start();
    }
  }

  private void watch() {
    long tick = Math.max(1, (long) (seconds * 1e9 / LOOKS));
    int quiet = 0;
    while (!closed) {
      // Ticks are counted, not time: while the process is suspended nobody waits.
      LockSupport.parkNanos(this, tick);
      if (heard) {
        heard = false;
        quiet = 0;
        continue;
      }
      quiet++;
      if (quiet == LOOKS) {
        look();
        LockSupport.parkNanos(this, BETWEEN);
        look();
        if (!often) {
          return;
        }
      }
    }
  }

  private synchronized void look() {
    Machine m = machine;
    if (!closed && m != null) {
      due = true;
      m.stop();
    }
  }

  /** The run has come back, and will go on: looks at the guest if it is time to. */
  void serve(Machine m) {
    if (!due) {
      return;
    }
    due = false;
    Look first = before;
    before = first == null ? Look.at(m) : null;
    String r = first == null ? null : remark(m, first);
    if (r != null) {
      Terminal.say(r);
    }
  }

  /**
   * {@return what is to be said of a machine that stands still, or null if all is well} A guest
   * that waits has its timers' interrupts to serve now and then: that it waits at one look is
   * enough.
   *
   * @param first how it was a moment ago
   */
  @Nullable String remark(Machine m, Look first) {
    boolean prompts = spoken && !input.closed() && (first.idle() || Look.at(m).idle());
    return prompts ? null : words(m, first.places());
  }

  private static boolean isIdle(VcpuView v) {
    return v.state() != VcpuState.RUNNABLE;
  }

  private String words(Machine m, long[] first) {
    VcpuView v = m.observer().current();
    String name = m.codeName(v);
    return "the guest has printed nothing on COM1 for "
        + (seconds == Math.rint(seconds) ? String.valueOf((long) seconds) : seconds)
        + " s: vCPU "
        + v.id()
        + " at RIP 0x"
        + Long.toHexString(v.rip())
        + (name.isEmpty() ? "" : " (" + name + ")")
        + ", "
        + mode(v)
        + ", "
        + activity(v, first[v.id()])
        + cause(m);
  }

  private static String mode(VcpuView v) {
    String mode =
        (v.efer() & LMA) != 0 && v.bits() == 64
            ? "64-bit mode"
            : (v.cr0() & PE) == 0
                ? "real mode"
                : (v.rflags() & VM) != 0
                    ? "virtual-8086 mode"
                    : "protected mode, " + v.bits() + "-bit code";
    return mode + ", CPL " + v.cpl();
  }

  private static String activity(VcpuView v, long first) {
    boolean off = (v.rflags() & IF) == 0;
    if (isIdle(v)) {
      return off
          ? "in HLT with interrupts off, which only an NMI ends"
          : "in HLT: it waits for an interrupt";
    }
    String loop = Math.abs(v.rip() - first) < NEAR ? "in a loop" : "running";
    return loop + " with interrupts " + (off ? "off" : "on");
  }

  /** {@return what the user may have left out, or nothing} */
  private String cause(Machine m) {
    if (spoken) {
      return "";
    }
    MachineSpec.Boot b = m.spec().boot();
    boolean kernel = b.image().length > 0;
    boolean linux = m.format().startsWith("bzImage") || kernel && b.firmware() != null;
    if (linux && !b.commandLine().contains("console=ttyS0")) {
      return "; Linux prints there with -append console=ttyS0";
    }
    if (m.spec().hardware().screen() != null) {
      return "; it may print to its screen: --screenshot F.png";
    }
    return b.firmware() != null && !kernel
        ? "; firmware may print to a screen alone: -vga std --screenshot F.png"
        : "";
  }

  @Override
  public void close() {
    closed = true;
    LockSupport.unpark(clock);
  }
}
