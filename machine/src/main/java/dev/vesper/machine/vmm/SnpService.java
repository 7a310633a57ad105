package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.HvFeatures;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.PageStateEntry;
import dev.vesper.ghcb.PageStateList;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.observe.RmpCause;
import dev.vesper.machine.spec.Outcome;

/** What KVM does for guests under SEV-SNP alone (spec: snp section 3). */
final class SnpService {
  /** What it says that it can do: {@link HvFeatures}. */
  final long features;

  /** Upper half of a response that says that a page's state was not changed. */
  private static final int CHANGE_FAILED = 0x8000_0000;

  private static final int PAGE = 0x1000;

  final PageStates pages;
  final ApCreator creator;
  final MessageService messages;
  private final Hypervisor host;
  private final HostView memory;

  SnpService(Hypervisor host, HostRmp rmp) {
    this.host = host;
    memory = host.memory;
    pages = new PageStates(host, rmp);
    features =
        HvFeatures.SNP
            | HvFeatures.AP_CREATION
            | (host.restricted == null ? 0 : HvFeatures.RESTRICTED_INJECTION)
            | host.snp.host().features();
    creator = new ApCreator(host, offers(HvFeatures.MULTI_VMPL));
    messages = new MessageService(host, pages);
  }

  /** {@return whether it can do something} */
  boolean offers(long feature) {
    return (features & feature) != 0;
  }

  /** {@return whether it serves an event} */
  boolean serves(int code) {
    return switch (code) {
      case ExitCode.HV_DOORBELL_PAGE, ExitCode.HV_IPI -> offers(HvFeatures.RESTRICTED_INJECTION);
      case ExitCode.APIC_ID_LIST -> offers(HvFeatures.APIC_ID_LIST);
      case ExitCode.SNP_RUN_VMPL -> offers(HvFeatures.MULTI_VMPL);
      case ExitCode.SNP_PAGE_STATE_CHANGE,
          ExitCode.SNP_GUEST_REQUEST,
          ExitCode.SNP_EXTENDED_GUEST_REQUEST,
          ExitCode.SNP_AP_CREATION ->
          true;
      default -> false;
    };
  }

  /** {@return whether a vCPU runs another VMPL next} */
  boolean run(HostVcpu v, long level) {
    return offers(HvFeatures.MULTI_VMPL) && Vmpls.run(v, level);
  }

  /** {@return whether an inter-processor interrupt is sent} */
  static boolean send(HostVcpu v, long icr) {
    return v.apic != null && v.apic.command(icr, v.cpu.now());
  }

  /**
   * Writes the list of APIC IDs into shared pages, if they are enough: their number u32, then each
   * u32.
   *
   * @param pages how many there are
   * @return how many it takes, or -1 if they are none
   */
  long apicIds(long gpa, long pages) {
    int[] ids = host.vcpus.stream().mapToInt(v -> v.id).toArray();
    long needed = (4L * (1 + ids.length) + PAGE - 1) / PAGE;
    if (Long.compareUnsigned(pages, needed) < 0) {
      return needed;
    }
    for (long i = 0; i < needed; i++) {
      long at = gpa + i * PAGE;
      if ((at & PAGE - 1) != 0 || !this.pages.isShared(at)) {
        return -1;
      }
    }
    memory.write(gpa, 4, ids.length);
    for (int i = 0; i < ids.length; i++) {
      memory.write(gpa + 4L * (1 + i), 4, ids[i]);
    }
    return needed;
  }

  /** {@return the response to a request of the MSR protocol to register a GHCB} */
  static long register(Hypervisor host, HostVcpu v, long msr) {
    long page = msr & -PAGE;
    v.level().registeredGhcb = page;
    if (host.observer != null) {
      host.observer.registered(page);
    }
    return page | MsrRequest.REGISTER_GHCB_RESP;
  }

  /** {@return the response to a request of the MSR protocol to change a page} */
  long change(long msr) {
    boolean done =
        changed(
            RmpCause.MSR_PROTOCOL,
            -1,
            MsrRequest.pageStateOperation(msr),
            MsrRequest.pageStateGfn(msr) << 12);
    return MsrRequest.result(MsrRequest.SNP_PAGE_STATE_RESP, done ? 0 : CHANGE_FAILED);
  }

  /**
   * Serves a list of changes as far as it goes, and writes back how far that was.
   *
   * @param snapshot the GHCB as it was read
   * @param gpa where it is
   * @param at where in it the list begins
   * @return SW_EXITINFO2
   */
  long change(byte[] snapshot, long gpa, int at) {
    PageStateList list = new PageStateList(snapshot, at);
    int room =
        (GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE - at - PageStateList.HEADER)
            / PageStateList.ENTRY;
    if (list.end() >= room) {
      return PageStateList.BAD_HEADER;
    }
    long result = 0;
    for (int i = list.current(); i <= list.end() && result == 0; i++) {
      PageStateEntry e = list.entry(i);
      result = e.wellFormed() ? serve(list, i, e) : PageStateList.BAD_ENTRY;
      list.setCurrent(result == 0 ? i + 1 : i);
    }
    memory.write(
        gpa + at, snapshot, at, PageStateList.HEADER + PageStateList.ENTRY * (list.end() + 1));
    return result;
  }

  private long serve(PageStateList list, int i, PageStateEntry e) {
    int done = e.done();
    if (e.large() && done == 0 && changedLarge(i, e)) {
      done = e.pages();
    }
    while (done < e.pages()
        && changed(RmpCause.PAGE_STATE_CHANGE, i, e.operation(), e.gfn() + done << 12)) {
      done++;
    }
    list.setEntry(i, e.withDone(done));
    return done == e.pages() ? 0 : PageStateList.FAILED;
  }

  /** {@return whether 2 MiB are changed at once} */
  private boolean changedLarge(int entry, PageStateEntry e) {
    HostObserver o = host.observer;
    if (o != null) {
      o.changesPage(RmpCause.PAGE_STATE_CHANGE, entry, e.operation(), e.gfn() << 12);
    }
    boolean done = pages.changeLarge(e.gfn() << 12, e.operation());
    if (o != null && done) {
      o.changedPage("");
    }
    return done;
  }

  /** {@return whether a page's state is changed as far as it has to be} */
  private boolean changed(RmpCause cause, int entry, int operation, long gpa) {
    HostObserver o = host.observer;
    if (o != null) {
      o.changesPage(cause, entry, operation, gpa);
    }
    String why = "";
    if (cause == RmpCause.SIZE_CONFLICT) {
      pages.smash(gpa);
    } else {
      why = pages.change(gpa, operation);
    }
    if (o != null) {
      o.changedPage(why);
    }
    return why.isEmpty();
  }

  /** {@return whether a GHCB can be read: one that is private ends the run} */
  boolean readable(long gpa) {
    if (!pages.isPrivate(gpa)) {
      return true;
    }
    host.end(
        Outcome.GAVE_UP,
        "the GHCB at GPA 0x"
            + Long.toHexString(gpa)
            + " is a private page: nobody but the guest can read it");
    return false;
  }

  /** {@return whether an event comes by the page that was registered} */
  static boolean registered(HostVcpu v, long gpa) {
    return v.level().registeredGhcb == gpa;
  }

  /** A nested page fault that the reverse map table has caused. */
  void fault(long info1, long gpa) {
    long page = gpa & -PAGE;
    RmpEntry e = pages.entry(page);
    boolean encrypted = (info1 & HostRmp.ENCRYPTED) != 0;
    if ((info1 & HostRmp.PRIVILEGE_LEVEL) != 0) {
      refused(info1, gpa, e, "the VMPL that runs lacks the permission");
    } else if ((info1 & HostRmp.SIZE_MISMATCH) != 0) {
      changed(RmpCause.SIZE_CONFLICT, -1, PageStateEntry.PSMASH, page);
    } else if (encrypted == e.assigned()) {
      refused(info1, gpa, e, "the host has broken the page's entry");
    } else if (!host.snp.host().converts()) {
      refused(info1, gpa, e, "the guest has not asked for another state");
    } else if (!flipped(page, encrypted)) {
      refused(info1, gpa, e, "there is no memory");
    }
  }

  private void refused(long info1, long gpa, RmpEntry e, String why) {
    host.end(
        Outcome.PAGE_REFUSED,
        "the reverse map table refuses the guest a "
            + RefusedAccess.explain(info1)
            + " at GPA 0x"
            + Long.toHexString(gpa)
            + ", in a page that is "
            + RefusedAccess.state(e)
            + ": "
            + why);
  }

  static boolean isOurs(long info1) {
    return (info1 & HostRmp.VIOLATION) != 0;
  }

  /** The guest uses a page as what it is not, and did not ask: QEMU converts it all the same. */
  private boolean flipped(long page, boolean encrypted) {
    int operation = encrypted ? PageStateEntry.PRIVATE : PageStateEntry.SHARED;
    return changed(RmpCause.IMPLICIT, -1, operation, page);
  }
}
