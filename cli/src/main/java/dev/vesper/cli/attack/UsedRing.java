package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.spec.Outcome;
import java.util.List;

/** A device's used ring tells its driver what the driver has not asked for: VIA. */
final class UsedRing {
  private static final String VIA = "VIA, 2021; Linux d00d8da5869a, 939779f5152d; RT-Thread 11326";
  private static final String NEEDS =
      "a legacy virtio device on ports whose queue is one page of descriptors and one of used ring,"
          + " as the reference guest's entropy device under profile openbsd";

  // Legacy virtio registers, by offset from the device's first port.
  private static final int QUEUE_ADDRESS = 8;
  private static final int QUEUE_NOTIFY = 16;

  private static final int PORTS = 64;
  private static final int PAGE_BITS = 12;
  private static final long USED = 0x1000;

  /** Where the buffer is, from the used ring on. */
  private static final int BUFFER = 0x1000;

  private static final int REPLACED = 0x5A5A_5A5A;
  private static final int INPUT = 1;
  private static final int WORD = 0x20;
  private static final int LONG = 0x40;

  private UsedRing() {}

  static List<Attack> all() {
    return List.of(
        lie(
            "used-length",
            "the used ring says that more bytes were written than there are",
            8,
            4096),
        lie("used-number", "the used ring names a descriptor that the driver did not give", 4, 7),
        Attack.lawful(
            "unprotected-io",
            "what a device has written to a shared buffer is replaced before the driver reads it",
            "Li et al., USENIX Security 2019",
            NEEDS,
            "the driver reads the host's bytes, and the guest goes on to its untouched end",
            run -> isKnown(run) ? carryOut(run, BUFFER, REPLACED) : unknown()));
  }

  private static Attack lie(String name, String title, int offset, int value) {
    return Attack.lawful(
        name,
        title,
        VIA,
        NEEDS,
        "the driver takes the buffer, and the guest goes on to its untouched end",
        run -> {
          return isKnown(run) ? carryOut(run, offset, value) : unknown();
        });
  }

  private static boolean isKnown(AttackRun run) {
    return run.target().kind() == Target.Kind.LOCORE
        && run.target().spec().profile().startsWith("openbsd");
  }

  private static Verdict unknown() {
    return Verdict.notApplicable("no such device is known in this guest");
  }

  private static Verdict carryOut(AttackRun run, int offset, int value) {
    try (Trial t = run.trial()) {
      long[] queue = new long[2];
      t.machine()
          .hypervisor()
          .onEvent(
              ExitCode.IOIO,
              (exit, profile) -> {
                profile.run();
                write(t, exit, queue, offset, value);
              });
      Outcome o = t.run(false);
      if (t.lies() == 0) {
        return Verdict.notApplicable("the guest uses no such device");
      }
      if (offset == BUFFER && o.equals(run.untouched())) {
        return Verdict.limit(
            "takes the host's bytes for the device's",
            "guests that encrypt disks and networks themselves close it",
            o.reason());
      }
      return o.equals(run.untouched())
          ? Verdict.vulnerable("takes the buffer all the same", o.reason())
          : Verdict.defended("does not take the buffer", o.reason());
    }
  }

  /**
   * The guest may have written a register of the device.
   *
   * @param queue address of the queue, and first port of the device
   */
  private static void write(Trial t, Exit.Event exit, long[] queue, int offset, int value) {
    long info = exit.request(GhcbField.SW_EXITINFO1);
    if ((info & INPUT) != 0) {
      return;
    }
    long port = info >>> 16 & 0xFFFF;
    if ((info & LONG) != 0 && port % PORTS == QUEUE_ADDRESS) {
      queue[0] = (exit.request(GhcbField.RAX) & 0xFFFF_FFFFL) << PAGE_BITS;
      queue[1] = port - QUEUE_ADDRESS;
    } else if ((info & WORD) != 0
        && queue[0] != 0
        && port == queue[1] + QUEUE_NOTIFY
        && exit.memory().contains(queue[0] + USED, 16)) {
      exit.memory().write(queue[0] + USED + offset, 4, value);
      t.lied(exit);
    }
  }
}
