package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.sev.Vmcb;
import java.util.ArrayList;
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

  private record Injection(long code, long instructions) {}

  private final Set<Fault> faults = EnumSet.noneOf(Fault.class);
  private final List<Injection> injections = new ArrayList<>();
  private final byte[] request = new byte[GhcbPage.SIZE];
  private long page = -1;
  private int answers;

  /**
   * Takes names of {@link Fault}s, and {@code vc:CODE@N}: after N instructions #VC with that error
   * code is injected.
   *
   * @throws IllegalArgumentException for another name
   */
  public HostFaults(List<String> names) {
    for (String n : names) {
      Matcher m = INJECTION.matcher(n);
      if (m.matches()) {
        injections.add(
            new Injection(Long.parseLong(m.group(1).substring(2), 16), Long.parseLong(m.group(2))));
        continue;
      }
      Fault known =
          Arrays.stream(Fault.values())
              .filter(f -> f.toString().equals(n))
              .findFirst()
              .orElseThrow(
                  () ->
                      new IllegalArgumentException(
                          "the hypervisor has no fault '" + n + "': there are " + names()));
      faults.add(known);
    }
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

  /** A request in this page is about to be served. */
  void serving(HostView memory, long gpa) {
    if (!faults.isEmpty()) {
      page = gpa;
      memory.read(gpa, request, 0, GhcbPage.SIZE);
    }
  }

  /** A vCPU is about to run. */
  void entering(Hypervisor host, HostVcpu v) {
    if (!injections.isEmpty()
        && v.cpu.instructions() >= injections.get(0).instructions
        && (v.cpu.vmcb().get(Vmcb.EVENTINJ) & 1L << 31) == 0) {
      host.inject(v, VC_EVENT | injections.remove(0).code << 32);
    }
  }

  /** A VMGEXIT with this value of the GHCB MSR has been served. */
  void answered(Hypervisor host, HostVcpu v, long msr) {
    if (faults.isEmpty()) {
      return;
    }
    if (page != -1) {
      answeredPage(host);
      page = -1;
    } else if (MsrRequest.info(msr) != 0) {
      Vmcb b = v.cpu.vmcb();
      if (has(Fault.MSR_CODE) && MsrRequest.info(msr) != MsrRequest.TERM_REQ) {
        b.set(Vmcb.GHCB_GPA, b.get(Vmcb.GHCB_GPA) & ~0xFFFL | WRONG_CODE);
      }
      if (has(Fault.MSR_REGISTER) && MsrRequest.info(msr) == MsrRequest.REGISTER_GHCB_REQ) {
        b.set(Vmcb.GHCB_GPA, ALL_ONES | MsrRequest.REGISTER_GHCB_RESP);
      }
    }
  }

  private void answeredPage(Hypervisor host) {
    HostView m = host.memory;
    GhcbPage asked = new GhcbPage(request);
    int code = (int) asked.get(GhcbField.SW_EXITCODE);
    answers++;
    if (has(Fault.XSAVE_SIZE)
        && code == ExitCode.CPUID
        && asked.get(GhcbField.RAX) == 0xD
        && asked.get(GhcbField.RCX) == 0) {
      long at = page + GhcbField.RBX.offset;
      m.write(at, 8, m.read(at, 8) + 64);
    }
    if (has(Fault.STALE_INFO)) {
      m.write(page + GhcbField.SW_EXITINFO1.offset, 8, asked.get(GhcbField.SW_EXITINFO1));
      m.write(page + GhcbField.SW_EXITINFO2.offset, 8, asked.get(GhcbField.SW_EXITINFO2));
    }
    if (has(Fault.TOUCH_SAVE_AREA)) {
      m.write(page + GhcbField.RSI.offset, 8, 0x1BAD_1DEA);
    }
    if (has(Fault.TOUCH_PRIVATE)) {
      m.write(0xF00, 1, 0xEE);
    }
    if (has(Fault.BAD_EXCEPTION)) {
      infos(m, 1, NOT_VALID_BREAKPOINT);
    }
    if (has(Fault.REFUSE) && answers % 2 == 0) {
      infos(m, 2, MISSING_INPUT);
    }
    if (has(Fault.NO_VALID_BITS)) {
      m.write(page + GhcbPage.VALID_BITMAP, 8, 0);
      m.write(page + GhcbPage.VALID_BITMAP + 8, 8, 0);
    }
    if (has(Fault.FATAL_UNKNOWN)
        && m.read(page + GhcbField.SW_EXITINFO1.offset, 8) == 2
        && m.read(page + GhcbField.SW_EXITINFO2.offset, 8) == INVALID_EVENT) {
      host.end(Outcome.GAVE_UP, "the hypervisor does not know the event " + ExitCode.name(code));
    }
  }

  private void infos(HostView m, long info1, long info2) {
    m.write(page + GhcbField.SW_EXITINFO1.offset, 8, info1);
    m.write(page + GhcbField.SW_EXITINFO2.offset, 8, info2);
  }
}
