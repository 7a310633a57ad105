package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.PageStateEntry;
import dev.vesper.ghcb.PageStateList;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.host.HypervisorProgram;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.spec.Outcome;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

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
    FATAL_UNKNOWN,
    /** CPUID says something else than it would. */
    CPUID_LEAF,
    /** A private page is read: guest physical page 0. */
    READ_PRIVATE,
    /** A page state change is answered as if all of it were done, and nothing is. */
    PAGE_STATE_UNDONE(true),
    /** A page state change is answered without an error, and its list is as it was. */
    PAGE_STATE_STUCK(true),
    /** A private page that is asked to be private becomes invalid. */
    PAGE_STATE_INVALID(true),
    /** The guest's page 0 is taken away from it at the first answer. */
    TAKE_PAGE(true);

    /** It needs a reverse map table. */
    private final boolean snp;

    Fault() {
      this(false);
    }

    Fault(boolean snp) {
      this.snp = snp;
    }

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
  private final @Nullable HostRmp rmp;
  private int answers;

  private HostFaults(@Nullable HostRmp rmp) {
    this.rmp = rmp;
  }

  /**
   * Has a hypervisor commit faults.
   *
   * @param names of {@link Fault}s, and what happens when N instructions are executed: {@code
   *     vc:CODE@N} injects #VC with that error code, others are {@link PageTampering}
   * @param rmp the reverse map table, null for a guest without SEV-SNP
   * @throws IllegalArgumentException for another name, and for a fault that needs SEV-SNP
   */
  public static void commit(
      List<String> names, HypervisorProgram hypervisor, @Nullable HostRmp rmp) {
    HostFaults f = new HostFaults(rmp);
    for (String n : names) {
      Matcher m = INJECTION.matcher(n);
      PageTampering page = PageTampering.parse(n);
      if (m.matches()) {
        long event = VC_EVENT | Long.parseLong(m.group(1).substring(2), 16) << 32;
        hypervisor.at(Long.parseLong(m.group(2)), host -> host.inject(event));
      } else if (page != null) {
        HostRmp table = needed(n, rmp);
        hypervisor.at(page.instructions(), host -> page.commit(host, table));
      } else {
        Fault fault = named(n);
        if (fault.snp) {
          needed(n, rmp);
        }
        f.faults.add(fault);
      }
    }
    if (!f.faults.isEmpty()) {
      hypervisor.onMsrs(f::answered);
      hypervisor.onEvents(f::answered);
    }
  }

  private static HostRmp needed(String n, @Nullable HostRmp rmp) {
    if (rmp == null) {
      throw new IllegalArgumentException(
          "the fault '" + n + "' is one of hypervisors under --sev snp");
    }
    return rmp;
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
    return b + "vc:CODE@INSTRUCTIONS, " + PageTampering.FORM + PageTampering.names();
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
    boolean list = exit.code() == ExitCode.SNP_PAGE_STATE_CHANGE;
    if (list && rmp != null && (has(Fault.PAGE_STATE_UNDONE) || has(Fault.PAGE_STATE_STUCK))) {
      undone(exit, next, rmp);
    } else {
      next.run();
    }
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
    if (has(Fault.READ_PRIVATE)) {
      exit.memory().read(0xF00, 1);
    }
    if (has(Fault.CPUID_LEAF) && exit.code() == ExitCode.CPUID) {
      exit.put(GhcbField.RAX, exit.get(GhcbField.RAX) ^ 1);
    }
    if (rmp != null) {
      changePages(exit, rmp, list);
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

  /** Takes back what the answer to a page state change does. */
  private void undone(Exit.Event exit, Runnable next, HostRmp table) {
    HostMemory m = exit.memory();
    long at = exit.request(GhcbField.SW_SCRATCH);
    List<PageStateEntry> entries = entries(m, at);
    List<RmpEntry> before = entries.stream().map(e -> table.read(e.gfn() << 12)).toList();
    long header = entries.isEmpty() ? 0 : m.read(at, PageStateList.HEADER);
    next.run();
    for (int i = 0; i < entries.size(); i++) {
      long gpa = entries.get(i).gfn() << 12;
      RmpEntry was = before.get(i);
      if (was.assigned() != table.read(gpa).assigned()) {
        table.update(gpa, was.assigned() ? RmpEntry.guest(gpa, was.asid()) : RmpEntry.HYPERVISOR);
      }
      if (has(Fault.PAGE_STATE_STUCK)) {
        m.write(at, PageStateList.HEADER, header);
        m.write(
            at + PageStateList.HEADER + (long) PageStateList.ENTRY * i,
            PageStateList.ENTRY,
            entries.get(i).raw());
      }
    }
  }

  /** {@return the entries of the list of a page state change, as far as there is memory} */
  private static List<PageStateEntry> entries(HostMemory m, long at) {
    int bytes = PageStateList.HEADER + PageStateList.ENTRY * PageStateList.MOST;
    if (!m.contains(at, bytes)) {
      return List.of();
    }
    PageStateList list = new PageStateList(m.bytes(at, bytes), 0);
    return IntStream.range(0, Math.min(list.end() + 1, PageStateList.MOST))
        .mapToObj(list::entry)
        .toList();
  }

  private void changePages(Exit.Event exit, HostRmp table, boolean list) {
    if (list && has(Fault.PAGE_STATE_INVALID)) {
      for (PageStateEntry e : entries(exit.memory(), exit.request(GhcbField.SW_SCRATCH))) {
        long gpa = e.gfn() << 12;
        RmpEntry is = table.read(gpa);
        if (e.operation() == PageStateEntry.PRIVATE && is.assigned()) {
          table.update(gpa, RmpEntry.HYPERVISOR);
          table.update(gpa, RmpEntry.guest(gpa, is.asid()));
        }
      }
    }
    if (has(Fault.TAKE_PAGE) && answers == 1) {
      table.update(0, RmpEntry.HYPERVISOR);
    }
  }

  private static void infos(Exit.Event exit, long info1, long info2) {
    exit.put(GhcbField.SW_EXITINFO1, info1);
    exit.put(GhcbField.SW_EXITINFO2, info2);
  }
}
