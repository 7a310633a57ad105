package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.host.HypervisorProgram;
import dev.vesper.machine.spec.Outcome;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Breaches of the GHCB protocol that a user lets the hypervisor commit, to see what the guest makes
 * of them. They come on top of whatever the profile answers and use nothing that a host does not
 * have.
 */
public final class HostFaults {
  /** What may be wrong with every answer. */
  public enum Fault {
    /** Nothing is marked valid. */
    NO_VALID_BITS,
    /** SW_EXITINFO1 and 2 keep what the guest sent. */
    STALE_INFO,
    /** A field that is no result is overwritten. */
    TOUCH_SAVE_AREA,
    /** A private page is written to: guest physical page 0. */
    TOUCH_PRIVATE,
    /** MSR-protocol responses have a wrong code. */
    MSR_CODE,
    /** GHCB registrations are refused. */
    MSR_REGISTER,
    /** CPUID leaf 0xD returns a wrong size of the XSAVE area. */
    XSAVE_SIZE,
    /** Answers ask for an exception that is none. */
    BAD_EXCEPTION,
    /** Every second request is refused as malformed. */
    REFUSE,
    /** A request that is not known ends the guest. */
    FATAL_UNKNOWN;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  private static final Pattern INJECTION = Pattern.compile("vc:(0x[0-9a-fA-F]{1,8})@([0-9]{1,18})");
  private static final long ALL_ONES = -1L << 12;
  private static final int WRONG_CODE = 0xABC;
  private static final long NOT_VALID_BREAKPOINT = 3;
  private static final int INVALID_EVENT = 6;
  private static final int MISSING_INPUT = 4;
  private static final long VC_EVENT = 29 | 3 << 8 | 0x800;

  private final Set<Fault> faults = EnumSet.noneOf(Fault.class);
  private int answers;

  private HostFaults() {}

  /**
   * Has a hypervisor commit faults.
   *
   * @param names of {@link Fault}s, and {@code vc:CODE@N}: when N instructions are executed, #VC
   *     with that error code is injected
   * @throws IllegalArgumentException for another name
   */
  public static void commit(List<String> names, HypervisorProgram hypervisor) {
    HostFaults f = new HostFaults();
    for (String n : names) {
      Matcher m = INJECTION.matcher(n);
      if (m.matches()) {
        long event = VC_EVENT | Long.parseLong(m.group(1).substring(2), 16) << 32;
        hypervisor.at(Long.parseLong(m.group(2)), host -> host.inject(event));
      } else {
        f.faults.add(named(n));
      }
    }
    if (!f.faults.isEmpty()) {
      hypervisor.onMsrs(f::answered);
      hypervisor.onEvents(f::answered);
    }
  }

  private static Fault named(String n) {
    return Arrays.stream(Fault.values())
        .filter(f -> f.toString().equals(n))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "the hypervisor has no fault '" + n + "': there are " + names()));
  }

  /** {@return the names that are known, separated by commas} */
  public static String names() {
    StringBuilder b = new StringBuilder();
    for (Fault f : Fault.values()) {
      b.append(f).append(", ");
    }
    return b + "vc:CODE@INSTRUCTIONS";
  }

  private boolean has(Fault f) {
    return faults.contains(f);
  }

  private void answered(Exit.Msr exit, Runnable next) {
    next.run();
    int request = MsrRequest.info(exit.request());
    if (has(Fault.MSR_CODE) && request != MsrRequest.TERM_REQ) {
      exit.respond(exit.response() & ~0xFFFL | WRONG_CODE);
    }
    if (has(Fault.MSR_REGISTER) && request == MsrRequest.REGISTER_GHCB_REQ) {
      exit.respond(ALL_ONES | MsrRequest.REGISTER_GHCB_RESP);
    }
  }

  private void answered(Exit.Event exit, Runnable next) {
    next.run();
    answers++;
    if (has(Fault.XSAVE_SIZE)
        && exit.code() == ExitCode.CPUID
        && exit.request(GhcbField.RAX) == 0xD
        && exit.request(GhcbField.RCX) == 0) {
      exit.put(GhcbField.RBX, exit.get(GhcbField.RBX) + 64);
    }
    if (has(Fault.STALE_INFO)) {
      infos(exit, exit.request(GhcbField.SW_EXITINFO1), exit.request(GhcbField.SW_EXITINFO2));
    }
    if (has(Fault.TOUCH_SAVE_AREA)) {
      exit.put(GhcbField.RSI, 0x1BAD_1DEA);
    }
    if (has(Fault.TOUCH_PRIVATE)) {
      exit.memory().write(0xF00, 1, 0xEE);
    }
    if (has(Fault.BAD_EXCEPTION)) {
      infos(exit, 1, NOT_VALID_BREAKPOINT);
    }
    if (has(Fault.REFUSE) && answers % 2 == 0) {
      infos(exit, 2, MISSING_INPUT);
    }
    if (has(Fault.NO_VALID_BITS)) {
      HostMemory m = exit.memory();
      m.write(exit.ghcb() + GhcbPage.VALID_BITMAP, 8, 0);
      m.write(exit.ghcb() + GhcbPage.VALID_BITMAP + 8, 8, 0);
    }
    if (has(Fault.FATAL_UNKNOWN)
        && exit.get(GhcbField.SW_EXITINFO1) == 2
        && exit.get(GhcbField.SW_EXITINFO2) == INVALID_EVENT) {
      exit.end(
          Outcome.GAVE_UP, "the hypervisor does not know the event " + ExitCode.name(exit.code()));
    }
  }

  private static void infos(Exit.Event exit, long info1, long info2) {
    exit.put(GhcbField.SW_EXITINFO1, info1);
    exit.put(GhcbField.SW_EXITINFO2, info2);
  }
}
