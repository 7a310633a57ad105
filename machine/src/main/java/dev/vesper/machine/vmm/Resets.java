package dev.vesper.machine.vmm;

import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.ResetPolicy;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What becomes of a guest that resets itself. Processors and devices are as at power-on then, the
 * clock goes on, memory and flash keep what they have, and what is booted without firmware is
 * loaded anew.
 *
 * <p>Firmware sets a watchdog of five minutes for what it starts (UEFI 2.10, 7.5). Where nobody is
 * there to answer, five minutes of waiting take no time: its reset is none that the guest asked
 * for.
 */
final class Resets {
  private static final long SECOND = 1_000_000_000L;

  /** So long a guest waits that a watchdog resets: somewhat less than five minutes. */
  private static final long WATCHDOG = 270 * SECOND;

  /** A guest that executes for more than this part of the time does not wait. */
  private static final int BUSY = 10;

  private final Hypervisor host;
  private ResetPolicy policy = ResetPolicy.END;
  private @Nullable Supplier<IntFunction<LaunchState>> loader;
  private boolean bios;

  /** Virtual time at which the guest has started. */
  private long began;

  /** Virtual time until which it has done something. */
  private long busy;

  private long lookedAt;
  private long executed;

  Resets(Hypervisor host) {
    this.host = host;
  }

  /** Says what becomes of the guest. */
  void policy(ResetPolicy p) {
    policy = p;
  }

  /**
   * Says how the guest starts again.
   *
   * @param load puts what is booted into memory, and has the registers of each processor
   * @param afterBios a BIOS is taken to have run
   */
  void startsBy(Supplier<IntFunction<LaunchState>> load, boolean afterBios) {
    loader = load;
    bios = afterBios;
  }

  /** Nobody can run: looks whether the guest does more than wait. */
  void idles() {
    long now = host.now();
    if (now - lookedAt < SECOND) {
      return;
    }
    long n = host.instructions();
    if (n - executed > (now - lookedAt) / BUSY) {
      busy = now;
    }
    lookedAt = now;
    executed = n;
  }

  private boolean byWatchdog() {
    idles();
    long now = host.now();
    return host.platform.hasFirmware()
        && now - busy >= WATCHDOG
        && now - host.platform.spoke() >= SECOND;
  }

  /**
   * The guest resets itself.
   *
   * @param end how the run ends if it may not
   */
  void asked(Outcome end) {
    if (byWatchdog()) {
      host.end(
          Outcome.WATCHDOG,
          end.reason()
              + " after more than four minutes in which it only waited: a watchdog, as firmware"
              + " sets one for what it boots");
      return;
    }
    Supplier<IntFunction<LaunchState>> load = loader;
    Outcome wanted = policy.decide(new ResetPolicy.Reset(end, host.now() - began, load != null));
    if (wanted != null || load == null) {
      host.end(wanted != null ? wanted : end);
    } else {
      start(load, end.reason());
    }
  }

  private void start(Supplier<IntFunction<LaunchState>> load, String why) {
    Platform before = host.platform;
    long now = 0;
    for (HostVcpu v : host.vcpus) {
      now = Math.max(now, v.cpu.now());
    }
    HostObserver o = host.observer;
    if (o != null) {
      host.vcpus.forEach(v -> o.resets(v.id));
    }
    host.reset();
    host.platform.resetFrom(before);
    if (bios) {
      host.platform.afterBios();
    }
    IntFunction<LaunchState> states = load.get();
    for (HostVcpu v : host.vcpus) {
      if (v.cpu instanceof PlainVcpu p) {
        p.idleUntil(now);
        p.restartTimeStampCounter();
        p.reset(states.apply(v.id));
      }
    }
    began = now;
    busy = now;
    lookedAt = now;
    executed = host.instructions();
    host.interrupts.started(host.vcpus.get(0), "reset: " + why);
  }
}
