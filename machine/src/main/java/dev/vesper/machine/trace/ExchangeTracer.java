package dev.vesper.machine.trace;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.PageStateList;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.AutomaticExit;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.GhcbRegistered;
import dev.vesper.machine.observe.Event.GuestRequestAnswered;
import dev.vesper.machine.observe.Event.Injected;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Event.VcpuStarted;
import dev.vesper.machine.observe.Event.WriteTrap;
import dev.vesper.machine.observe.GhcbContents;
import dev.vesper.machine.observe.GhcbUse;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.observe.PageState;
import dev.vesper.machine.observe.RmpCause;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Follows the host: exits, and VMGEXITs with their answers. */
final class ExchangeTracer implements HostObserver {
  private final Recorder recorder;
  private final RmpTracer table;
  private final SvsmTracer calls;
  private final GhcbSnapshot before = new GhcbSnapshot();
  private final GhcbSnapshot after = new GhcbSnapshot();

  // The VMGEXIT in service.
  private long requestMsr;
  private long servedPage = -1;
  private PageState page = PageState.UNKNOWN;
  private PageState mapping = PageState.UNKNOWN;
  private PageState scratch = PageState.UNKNOWN;

  /**
   * @param table is told of changes of the reverse map table
   * @param calls is told of levels that are to run
   */
  ExchangeTracer(Recorder recorder, RmpTracer table, SvsmTracer calls) {
    this.recorder = recorder;
    this.calls = calls;
    this.table = table;
  }

  /** {@return whether an address is that of the GHCB whose request is served or was served last} */
  boolean serving(long gpa) {
    return gpa == servedPage;
  }

  @Override
  public void running(int vcpu) {
    recorder.running(vcpu);
  }

  @Override
  public void exit(int code, long info1, long info2) {
    At at = recorder.at(recorder.cpu().exitRip);
    boolean trap = code >= ExitCode.EFER_WRITE_TRAP && code <= ExitCode.CR15_WRITE_TRAP;
    recorder.record(
        trap ? new WriteTrap(at, code, info1, info2) : new AutomaticExit(at, code, info1, info2));
  }

  @Override
  public void vmgexit(long msr) {
    requestMsr = msr;
    servedPage = -1;
  }

  @Override
  public void serves(long gpa) {
    servedPage = gpa;
    int frame = (int) (gpa >>> 12);
    page = state(frame);
    mapping = mappingOf(frame);
    recorder.peekShared(frame, before.bytes);
    long at = before.page.get(GhcbField.SW_SCRATCH) >>> 12;
    scratch = recorder.memory().ram().hasPage(at) ? state((int) at) : PageState.OUTSIDE;
  }

  private PageState state(int frame) {
    return recorder.memory().domain(frame) == Page.SHARED ? PageState.SHARED : PageState.PRIVATE;
  }

  /** How the guest's page tables have the GHCB now, whatever the TLB still says. */
  private PageState mappingOf(int frame) {
    Cpu c = recorder.cpu();
    TracedVcpu v = recorder.vcpu();
    long la = frame == v.ghcbFrame && v.ghcbLinear != -1 ? v.ghcbLinear : c.linearOf(frame);
    if (la == -1 || (c.cr0 & CpuState.CR0_PG) == 0) {
      return PageState.UNKNOWN;
    }
    long gpa = c.translateQuietly(la);
    return gpa >>> 12 != frame
        ? PageState.UNMAPPED
        : c.quietPrivate() ? PageState.PRIVATE : PageState.SHARED;
  }

  private long flags() {
    return recorder.cpu().flags() & 0xFFFF_FFFFL;
  }

  @Override
  public void answered(long msr, @Nullable String ended) {
    long vc = recorder.vcpu().inService();
    long exit = recorder.cpu().exitRip;
    if (servedPage >= 0) {
      GhcbExchange x = answeredPage(recorder.at(exit), vc, ended);
      recorder.record(x);
      recorder.vcpu().open = GhcbUse.ANSWER;
      if (x.exit() == ExitCode.SNP_RUN_VMPL && x.status() == 0 && ended == null) {
        calls.asked(x.request().get(GhcbField.SW_EXITINFO1));
      }
    } else if (MsrRequest.info(requestMsr) == 0) {
      recorder.record(
          new GhcbExchange(
              recorder.at(exit),
              vc,
              flags(),
              requestMsr,
              requestMsr,
              PageState.OUTSIDE,
              PageState.UNKNOWN,
              GhcbContents.NONE,
              GhcbContents.NONE,
              0,
              0,
              List.of(),
              List.of(),
              PageState.UNKNOWN,
              ended == null ? "nothing: no such page" : ended,
              null));
    } else {
      recorder.record(new MsrExchange(recorder.at(exit), vc, flags(), requestMsr, msr, ended));
      if (MsrRequest.info(requestMsr) == MsrRequest.RUN_VMPL_REQ
          && msr == MsrRequest.result(MsrRequest.RUN_VMPL_RESP, 0)) {
        calls.asked(requestMsr >>> 32 & 0xFF);
      }
    }
  }

  private GhcbExchange answeredPage(At at, long vc, @Nullable String ended) {
    recorder.peekShared((int) (servedPage >>> 12), after.bytes);
    int code = (int) before.page.get(GhcbField.SW_EXITCODE);
    long info1 = before.page.get(GhcbField.SW_EXITINFO1);
    long bytes = before.page.get(GhcbField.SW_EXITINFO2);
    boolean string = code == ExitCode.IOIO && (info1 & 4) != 0;
    bytes = string ? bytes * (info1 >> 4 & 7) : bytes;
    boolean list = code == ExitCode.SNP_PAGE_STATE_CHANGE;
    boolean buffered = string || list || code == ExitCode.MMIO_READ || code == ExitCode.MMIO_WRITE;
    long offset = before.page.get(GhcbField.SW_SCRATCH) - servedPage;
    long length = list ? listed(offset) : buffered ? bytes : 0;
    return new GhcbExchange(
        at,
        vc,
        flags(),
        servedPage,
        requestMsr,
        page,
        mapping,
        before.contents(offset, length),
        after.contents(offset, length),
        before.page.protocolVersion(),
        before.page.usage() & 0xFFFF_FFFFL,
        before.reserved(),
        after.written(before.bytes),
        buffered ? scratch : PageState.UNKNOWN,
        ended != null ? ended : AnswerWords.of(code, after.page),
        ended);
  }

  /** {@return bytes of the list of page states that the request has at an offset} */
  private int listed(long offset) {
    int room = GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE;
    if (offset < GhcbPage.SHARED_BUFFER || offset > room - PageStateList.HEADER) {
      return 0;
    }
    int entries = new PageStateList(before.bytes, (int) offset).end() + 1;
    return (int)
        Math.min(room - offset, PageStateList.HEADER + (long) PageStateList.ENTRY * entries);
  }

  @Override
  public void inject(long event) {
    recorder.record(new Injected(recorder.at(recorder.cpu().rip), event));
  }

  @Override
  public void changesPage(RmpCause cause, int entry, int operation, long gpa) {
    table.changesPage(cause, entry, operation, gpa);
  }

  @Override
  public void changedPage(String why) {
    table.changedPage(why);
  }

  @Override
  public void registered(long gpa) {
    recorder.record(new GhcbRegistered(recorder.at(recorder.cpu().exitRip), gpa));
  }

  @Override
  public void createdProcessor(long info1, long area, long features, String why) {
    At at = recorder.at(recorder.cpu().exitRip);
    recorder.record(new ApCreationAsked(at, info1, area, features, why));
    if (why.isEmpty()) {
      calls.created(info1, area);
    }
  }

  @Override
  public void answeredRequest(
      boolean extended, long request, long response, long info1, long info2, String why) {
    At at = recorder.at(recorder.cpu().exitRip);
    recorder.record(new GuestRequestAnswered(at, extended, request, response, info1, info2, why));
  }

  @Override
  public void started(int vcpu, String how) {
    recorder.record(new VcpuStarted(recorder.at(recorder.cpu().rip), vcpu, how));
  }
}
