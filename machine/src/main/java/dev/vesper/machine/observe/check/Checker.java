package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ApCreation;
import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.NaeEvent;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.AutomaticExit;
import dev.vesper.machine.observe.Event.ConsoleLine;
import dev.vesper.machine.observe.Event.CpuidLaunched;
import dev.vesper.machine.observe.Event.DmaNoise;
import dev.vesper.machine.observe.Event.Ended;
import dev.vesper.machine.observe.Event.ExecuteOnlyRead;
import dev.vesper.machine.observe.Event.FlowFound;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.GhcbRegistered;
import dev.vesper.machine.observe.Event.GuestRequestAnswered;
import dev.vesper.machine.observe.Event.HostAccess;
import dev.vesper.machine.observe.Event.HostileRule;
import dev.vesper.machine.observe.Event.Injected;
import dev.vesper.machine.observe.Event.KeyExposed;
import dev.vesper.machine.observe.Event.Launched;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Event.Omission;
import dev.vesper.machine.observe.Event.PageStateChanged;
import dev.vesper.machine.observe.Event.Place;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.Event.Rmpquery;
import dev.vesper.machine.observe.Event.SvsmCalled;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.machine.observe.Event.VcReturned;
import dev.vesper.machine.observe.Event.VcpuStarted;
import dev.vesper.machine.observe.Event.WriteTrap;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.GhcbUse;
import dev.vesper.machine.observe.PageState;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Holds guest and hypervisor to the {@link Rule}s, from the events of a deep trace. It keeps state
 * for each vCPU only; feeding it a live run or a trace that was written before gives the same.
 */
public final class Checker implements EventSink {
  private final Findings findings = new Findings();
  private final RequestRules requests = new RequestRules(findings);
  private final HostRules host = new HostRules(findings);
  private final OutcomeRules outcomes = new OutcomeRules(findings);
  private final SnpRules snp = new SnpRules(findings);
  private final SvsmRules svsm = new SvsmRules(findings);
  private final Instructions instructions = new Instructions();
  private final HandlerCoverage coverage = new HandlerCoverage();
  private final Map<Integer, VcpuLevels> vcpus = new HashMap<>();

  /**
   * Those that were told something by the MSR protocol since the last end of a run, by vCPU and, in
   * bits 1 to 0, VMPL.
   */
  private final SortedMap<Long, VcpuState> told = new TreeMap<>();

  /** Which vCPU used a GHCB page last. */
  private final Map<Long, Integer> owners = new HashMap<>();

  /** Type of an injected exception. */
  private static final int EXCEPTION = 3;

  private boolean negotiated;
  private int minVersion = 1;
  private int maxVersion = 2;
  private long features;
  private boolean featuresKnown;

  /** {@return the breaches, each rule once a place, in the order in which they were seen} */
  public List<Finding> findings() {
    return findings.all();
  }

  /** {@return how many breaches there are, without a list of them} */
  public int size() {
    return findings.size();
  }

  /** {@return the last of them, or null if there is none} */
  public @Nullable Finding latest() {
    return findings.latest();
  }

  /** {@return how often a breach was seen} */
  public int count(Finding f) {
    return findings.count(f);
  }

  /** {@return which forms of which events the guest's handler has seen} */
  public HandlerCoverage coverage() {
    return coverage;
  }

  @Override
  public void accept(Event e) {
    if (e instanceof Place p) {
      findings.place(p.at());
      return;
    }
    VcpuLevels levels = levels(e.at().vcpu());
    VcpuState v = levels.current();
    accesses(e.at(), v);
    boolean answers = e instanceof GhcbExchange || e instanceof MsrExchange;
    if (!answers && !(e instanceof RmpChanged)) {
      snp.settle(v);
    }
    if (e instanceof MsrExchange) {
      told.put((long) e.at().vcpu() << 2 | levels.level(), v);
    }
    judge(e, v);
    if (answers) {
      snp.settle(v);
    }
    switchLevels(e, levels);
  }

  private VcpuLevels levels(int vcpu) {
    return vcpus.computeIfAbsent(vcpu, k -> new VcpuLevels());
  }

  /** Another VMPL of a vCPU may run from now on. */
  private void switchLevels(Event e, VcpuLevels levels) {
    switch (e) {
      case GhcbExchange x -> levels.exchange(x);
      case MsrExchange x -> levels.exchange(x);
      case AutomaticExit x -> levels.exit(x);
      case ApCreationAsked x -> {
        if (x.why().isEmpty()) {
          ApCreation asked = ApCreation.of(x.info1());
          levels(asked.apicId()).created(asked, asked.apicId() == x.at().vcpu());
        }
      }
      default -> nothing();
    }
  }

  private void judge(Event e, VcpuState v) {
    switch (e) {
      case VcRaised x -> {
        Instructions.Known k = instructions.of(x);
        coverage.add(x, k.form());
        v.push(new VcpuState.Service(new TrapFrame(x, k.insn())));
      }
      case VcReturned x -> returned(x, v);
      case GhcbExchange x -> exchange(x, v);
      case MsrExchange x -> msrProtocol(x, v);
      case Injected x -> injected(x, v);
      case HostAccess x -> host.privateAccess(x, v.current(), snp.active());
      case DmaNoise x -> host.noise(x, v.current());
      case PageStateChanged x -> pageState(x, v);
      case ExecuteOnlyRead x -> executeOnly(x);
      case Ended x -> {
        told.forEach(this::closeAtEnd);
        told.clear();
      }
      case AutomaticExit x -> nothing();
      case WriteTrap x -> nothing();
      case VcpuStarted x -> nothing();
      case Pvalidate x -> snp.pvalidate(x, v);
      case Rmpadjust x -> snp.rmpadjust(x, v);
      case Rmpquery x -> nothing();
      case RmpChanged x -> snp.changed(x, v);
      case RmpViolation x -> snp.violation(x, v);
      case ApCreationAsked x -> snp.creation(x, v);
      case SvsmCalled x -> svsm.called(x);
      case Omission x -> snp.omission(x, v);
      case CpuidLaunched x -> snp.launched(x);
      case KeyExposed x -> snp.exposed(x);
      case HostileRule x -> {
        // What the host does shows in what follows.
      }
      case FlowFound x -> nothing();
      case GhcbRegistered x -> nothing();
      case GuestRequestAnswered x -> nothing();
      case ConsoleLine x -> nothing();
      case Place x -> nothing();
      case Launched x -> nothing();
    }
  }

  /** There is nothing to judge. */
  private static void nothing() {}

  private void accesses(At at, VcpuState v) {
    Accesses a = at.accesses();
    for (int i = 0; i < a.size(); i++) {
      switch (a.kind(i)) {
        case MSR_READ -> {
          if (MsrRequest.info(a.value(i)) == MsrRequest.SEV_INFO) {
            negotiated(a.value(i));
          }
          if (v.response != null) {
            v.response.read();
          }
        }
        case COMPARE -> {
          if (v.response != null) {
            v.response.compare();
          }
        }
        case MSR_WRITE -> {
          // What has been read is the guest's, and may be compared behind this.
          if (v.response != null && !v.response.isRead()) {
            closeResponse(v, MsrRequest.info(a.value(i)) == MsrRequest.TERM_REQ);
          }
        }
        case READ, WRITE -> {
          if (v.answer != null) {
            v.answer.access(a, i, at, v.current());
          }
        }
      }
    }
  }

  private void negotiated(long sevInfo) {
    negotiated = true;
    maxVersion = (int) (sevInfo >>> 48);
    minVersion = (int) (sevInfo >>> 32) & 0xFFFF;
  }

  private static void closeResponse(VcpuState v, boolean terminates) {
    if (v.response != null) {
      v.response.close(terminates);
      v.response = null;
    }
  }

  /** A level that does not run has asked for another, and has not seen the response yet. */
  private void closeAtEnd(long place, VcpuState s) {
    if (levels((int) (place >>> 2)).level() == (place & 3)) {
      closeResponse(s, true);
    }
  }

  private void returned(VcReturned e, VcpuState v) {
    closeResponse(v, false);
    closeAnswer(v);
    VcpuState.Service s = v.pop(e.vc());
    if (s == null) {
      return;
    }
    if (!e.ghcbChanged().isEmpty()) {
      clobbered(e, s, v);
    }
    outcomes.returned(e, s, v, snp.ownCpuid());
  }

  private void clobbered(VcReturned e, VcpuState.Service s, VcpuState v) {
    if (s.frame.event().ghcbOpen() == GhcbUse.REQUEST) {
      findings.add(
          Rule.NESTED_CLOBBER,
          s.frame.at(),
          s.id(),
          () ->
              "this #VC came while a request was being written and changed its bytes "
                  + ByteRange.text(e.ghcbChanged()));
    } else if (v.answer != null) {
      v.answer.clobbered(e);
    }
  }

  /** Remembers an answer that failed without the guest looking. */
  private static void closeAnswer(VcpuState v) {
    AnswerReads a = v.answer;
    if (a != null) {
      a.finish(v);
    }
  }

  private void exchange(GhcbExchange x, VcpuState v) {
    closeResponse(v, false);
    closeAnswer(v);
    if (x.page() == PageState.OUTSIDE) {
      findings.add(
          Rule.GHCB_NOT_SHARED,
          x.at(),
          x.vc(),
          () -> "the GHCB MSR holds " + Event.hex(x.ghcb()) + ", which is no memory");
      return;
    }
    negotiation(x, v);
    Integer owner = owners.put(x.ghcb(), x.at().vcpu());
    if (owner != null && owner != x.at().vcpu()) {
      findings.add(
          Rule.GHCB_IN_USE,
          x.at(),
          x.vc(),
          () ->
              "the GHCB at 0x" + Long.toHexString(x.ghcb()) + " is that of vCPU " + owner + " too");
    }
    if (requests.page(x)) {
      requests.request(x);
      features(x);
      VcpuState.Service s = v.find(x.vc());
      if (s != null) {
        requests.against(x, s, snp.ownCpuid());
        s.add(x);
      }
    }
    host.answer(x);
    snp.exchange(x, v);
    v.answer = new AnswerReads(x, findings);
  }

  private void negotiation(GhcbExchange x, VcpuState v) {
    if (!negotiated) {
      findings.add(
          Rule.VERSION_NOT_NEGOTIATED,
          x.at(),
          x.vc(),
          () -> "the GHCB is used, but nobody has asked for the protocol versions");
      negotiated = true;
    }
    int version = x.version();
    if (version != 0 && (version < minVersion || version > maxVersion)) {
      findings.add(
          Rule.PROTOCOL_VERSION,
          x.at(),
          x.vc(),
          () ->
              "PROTOCOL_VERSION is "
                  + version
                  + "; the hypervisor offers "
                  + minVersion
                  + " to "
                  + maxVersion);
    }
    if (v.refused == x.ghcb()) {
      findings.add(
          Rule.GHCB_UNREGISTERED,
          x.at(),
          x.vc(),
          () ->
              "the GHCB at 0x" + Long.toHexString(v.refused) + " is used although it was refused");
    }
  }

  private void features(GhcbExchange x) {
    NaeEvent event = NaeEvent.of(x.exit());
    if (event == NaeEvent.HV_FEATURES && x.status() == 0) {
      features = x.answer().get(GhcbField.SW_EXITINFO2);
      featuresKnown = true;
    }
    if (event == null || event.version < 2) {
      return;
    }
    long bit =
        switch (event) {
          case SNP_PAGE_STATE_CHANGE, SNP_GUEST_REQUEST, SNP_EXTENDED_GUEST_REQUEST -> 1;
          case SNP_AP_CREATION -> 2;
          default -> 0;
        };
    if (maxVersion < 2 || bit != 0 && (!featuresKnown || (features & bit) == 0)) {
      findings.add(
          Rule.FEATURES_NOT_NEGOTIATED,
          x.at(),
          x.vc(),
          () ->
              ExitCode.name(x.exit())
                  + (maxVersion < 2
                      ? " needs protocol version 2"
                      : featuresKnown
                          ? " needs a feature that the hypervisor does not offer"
                          : " needs a feature that nobody has asked for"));
    }
  }

  private void msrProtocol(MsrExchange e, VcpuState v) {
    long request = e.request();
    closeResponse(v, MsrRequest.info(request) == MsrRequest.TERM_REQ);
    closeAnswer(v);
    long response = e.response();
    if (MsrRequest.info(response) == MsrRequest.SEV_INFO) {
      negotiated(response);
    } else if (MsrRequest.info(response) == MsrRequest.HV_FEATURES_RESP) {
      features = response >>> 12;
      featuresKnown = true;
    }
    MsrResponse r = new MsrResponse(e, findings);
    r.checkHost();
    v.response = r;
    if (r.refusedGhcb() != -1) {
      v.refused = r.refusedGhcb();
    }
    snp.exchange(e, r, v);
    VcpuState.Service s = v.find(e.vc());
    if (s != null) {
      s.add(e);
    }
  }

  private void injected(Injected e, VcpuState v) {
    host.injected(e, v.current());
    VcpuState.Service s = v.innermost();
    if (s != null && e.type() == EXCEPTION) {
      s.injected = true;
    }
  }

  private void pageState(PageStateChanged e, VcpuState v) {
    if (e.ghcbOpen() == GhcbUse.REQUEST) {
      findings.add(
          Rule.GHCB_IN_USE,
          e.at(),
          v.current(),
          () ->
              "the GHCB at 0x"
                  + Long.toHexString(e.gpa())
                  + " becomes "
                  + e.to()
                  + " while a request is being written to it");
    }
  }

  private void executeOnly(ExecuteOnlyRead e) {
    boolean inHandler = e.vc() != 0;
    findings.add(
        Rule.EXECUTE_ONLY_READ,
        e.at(),
        e.vc(),
        () ->
            "execute-only text at 0x"
                + Long.toHexString(e.address())
                + " is read as data"
                + (inHandler
                    ? " by the #VC handler for the instruction at 0x" + Long.toHexString(e.vcRip())
                    : ""));
  }
}
