package dev.vesper.machine.vmm;

/**
 * KVM's hypercalls (Linux, Documentation/virt/kvm/x86/hypercalls.rst). As under QEMU, what exists
 * may be called whether CPUID offers it or not.
 */
final class KvmHypercalls {
  private static final int VAPIC_POLL_IRQ = 1;
  private static final int KICK_CPU = 5;
  private static final int CLOCK_PAIRING = 9;
  private static final int SEND_IPI = 10;
  private static final int SCHED_YIELD = 11;

  private static final long PERMITTED_TO_THE_KERNEL = -1;
  private static final long FAULT = -14;
  private static final long INVALID = -22;
  private static final long NOT_SUPPORTED = -95;
  private static final long UNKNOWN = -1000;

  /** Logical destination, and shorthands. */
  private static final int NO_COMMAND_DESTINATION = 0xC_0800;

  /** The highest number of a local APIC that any vCPU can have. */
  private static final int MOST_NUMBER = 255;

  private final Hypervisor host;
  private final KvmClock clock;

  KvmHypercalls(Hypervisor host, KvmClock clock) {
    this.host = host;
    this.clock = clock;
  }

  /**
   * Serves a call; {@return what goes to RAX}
   *
   * @param v the vCPU that calls
   * @param cpl its privilege level
   * @param wide it is in 64-bit mode: else 32 bits of each register count
   * @param call RAX, RBX, RCX, RDX, RSI
   */
  long serve(HostVcpu v, int cpl, boolean wide, long... call) {
    long mask = wide ? -1L : 0xFFFF_FFFFL;
    if (cpl != 0) {
      return PERMITTED_TO_THE_KERNEL & mask;
    }
    long a = call[1] & mask;
    long b = call[2] & mask;
    long number = call[0] & mask;
    if (number >>> 31 != 0) {
      return UNKNOWN & mask;
    }
    return mask
        & switch ((int) number) {
          case VAPIC_POLL_IRQ -> 0;
          case KICK_CPU -> {
            host.kick((int) b);
            yield 0;
          }
          case CLOCK_PAIRING -> b != 0 ? NOT_SUPPORTED : clock.pair(v, a) ? 0 : FAULT;
          case SEND_IPI -> sendIpi(a, b, (int) call[3], (int) call[4], wide ? 64 : 32);
          // Virtual time says whose turn it is.
          case SCHED_YIELD -> 0;
          // MAP_GPA_RANGE is QEMU's to ask for, which it does for SNP guests alone.
          default -> UNKNOWN;
        };
  }

  /** Sends one interrupt to the processors in two words of a set that begins at a number. */
  private long sendIpi(long low, long high, int first, int command, int bits) {
    if ((command & NO_COMMAND_DESTINATION) != 0) {
      return INVALID;
    }
    return send(low, first, command, bits) + send(high, first + bits, command, bits);
  }

  private int send(long set, int first, int command, int bits) {
    int sent = 0;
    if (Integer.compareUnsigned(first, MOST_NUMBER) > 0) {
      return 0;
    }
    for (int i = 0; i < bits && first + i <= MOST_NUMBER; i++) {
      int number = first + i;
      if ((set >>> i & 1) != 0) {
        sent +=
            host.interrupts.deliver(
                a -> a.numbered(number),
                command >> 8 & 7,
                command & 0xFF,
                (command >> 15 & 1) != 0);
      }
    }
    return sent;
  }
}
