package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.NaeEvent;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.Accesses.Access;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Holds guest and hypervisor to the {@link Rule}s, from the events of a deep trace. It keeps state
 * for each vCPU only; feeding it a live run or a trace that was written before gives the same.
 */
public final class Checker implements EventSink {
  private final Findings findings = new Findings();
  private final RequestRules requests = new RequestRules(findings);
  private final HostRules host = new HostRules(findings);
  private final OutcomeRules outcomes = new OutcomeRules(findings);
  private final HandlerCoverage coverage = new HandlerCoverage();
  private final Map<Integer, VcpuState> vcpus = new HashMap<>();

  /** Which vCPU used a GHCB page last. */
  private final Map<Long, Integer> owners = new HashMap<>();

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
    if (e.kind().equals("place")) {
      findings.place(e);
      return;
    }
    VcpuState v = vcpus.computeIfAbsent(e.vcpu(), k -> new VcpuState());
    accesses(e, v);
    switch (e.kind()) {
      case "vc" -> {
        TrapFrame f = TrapFrame.of(e);
        coverage.add(f);
        v.push(new VcpuState.Service(f));
      }
      case "vc_return" -> returned(e, v);
      case "ghcb" -> exchange(e, v);
      case "msr_protocol" -> msrProtocol(e, v);
      case "inject" -> injected(e, v);
      case "host_private" -> host.privateAccess(e, v.current());
      case "dma_noise" -> host.noise(e, v.current());
      case "page_state" -> pageState(e, v);
      case "execute_only" -> executeOnly(e);
      case "end" -> vcpus.values().forEach(s -> closeResponse(s, true));
      default -> {
        // nothing to judge
      }
    }
  }

  private void accesses(Event e, VcpuState v) {
    Accesses a = e.accesses();
    for (int i = 0; i < a.size(); i++) {
      Access x = a.get(i);
      switch (x.kind()) {
        case MSR_READ -> {
          if (MsrRequest.info(x.value()) == MsrRequest.SEV_INFO) {
            negotiated(x.value());
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
        case MSR_WRITE -> closeResponse(v, MsrRequest.info(x.value()) == MsrRequest.TERM_REQ);
        case READ, WRITE -> {
          if (v.answer != null) {
            v.answer.access(x, e, v.current());
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

  private void returned(Event e, VcpuState v) {
    closeResponse(v, false);
    closeAnswer(v);
    VcpuState.Service s = v.pop(e.number("vc"));
    if (s == null) {
      return;
    }
    if (e.has("ghcb_changed")) {
      clobbered(e, s, v);
    }
    outcomes.returned(e, s, v);
  }

  private void clobbered(Event e, VcpuState.Service s, VcpuState v) {
    if (s.frame.event().text("ghcb_open").equals("request")) {
      findings.add(
          Rule.NESTED_CLOBBER,
          s.frame.event(),
          s.id(),
          "this #VC came while a request was being written and changed its bytes "
              + e.text("ghcb_changed"));
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

  private void exchange(Event e, VcpuState v) {
    closeResponse(v, false);
    closeAnswer(v);
    long vc = e.number("vc");
    if (e.name().equals("no page")) {
      findings.add(
          Rule.GHCB_NOT_SHARED,
          e,
          vc,
          "the GHCB MSR holds 0x" + Long.toHexString(e.number("ghcb")) + ", which is no memory");
      return;
    }
    negotiation(e, v, vc);
    Integer owner = owners.put(e.number("ghcb"), e.vcpu());
    if (owner != null && owner != e.vcpu()) {
      findings.add(
          Rule.GHCB_IN_USE,
          e,
          vc,
          "the GHCB at 0x"
              + Long.toHexString(e.number("ghcb"))
              + " is that of vCPU "
              + owner
              + " too");
    }
    Exchange x = Exchange.of(e);
    if (requests.page(e, vc)) {
      requests.request(e, x, vc);
      features(e, x, vc);
      VcpuState.Service s = v.find(vc);
      if (s != null) {
        requests.against(e, x, s);
        s.add(x);
      }
    }
    host.answer(e, x, vc);
    v.answer = new AnswerReads(e, x, vc, findings);
  }

  private void negotiation(Event e, VcpuState v, long vc) {
    if (!negotiated) {
      findings.add(
          Rule.VERSION_NOT_NEGOTIATED,
          e,
          vc,
          "the GHCB is used, but nobody has asked for the protocol versions");
      negotiated = true;
    }
    long version = e.number("version");
    if (version != 0 && (version < minVersion || version > maxVersion)) {
      findings.add(
          Rule.PROTOCOL_VERSION,
          e,
          vc,
          "PROTOCOL_VERSION is "
              + version
              + "; the hypervisor offers "
              + minVersion
              + " to "
              + maxVersion);
    }
    if (v.refused == e.number("ghcb")) {
      findings.add(
          Rule.GHCB_UNREGISTERED,
          e,
          vc,
          "the GHCB at 0x" + Long.toHexString(v.refused) + " is used although it was refused");
    }
  }

  private void features(Event e, Exchange x, long vc) {
    NaeEvent event = NaeEvent.of(x.code());
    if (event == NaeEvent.HV_FEATURES && x.status() == 0) {
      features = x.answered(GhcbField.SW_EXITINFO2);
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
          e,
          vc,
          e.name()
              + (maxVersion < 2
                  ? " needs protocol version 2"
                  : featuresKnown
                      ? " needs a feature that the hypervisor does not offer"
                      : " needs a feature that nobody has asked for"));
    }
  }

  private void msrProtocol(Event e, VcpuState v) {
    long request = e.number("request_msr");
    closeResponse(v, MsrRequest.info(request) == MsrRequest.TERM_REQ);
    closeAnswer(v);
    long response = e.number("response_msr");
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
    VcpuState.Service s = v.find(e.number("vc"));
    if (s != null) {
      s.add(Exchange.of(e));
    }
  }

  private void injected(Event e, VcpuState v) {
    host.injected(e, v.current());
    VcpuState.Service s = v.innermost();
    if (s != null && e.text("type").equals("3")) {
      s.injected = true;
    }
  }

  private void pageState(Event e, VcpuState v) {
    if (e.text("ghcb_open").equals("request")) {
      findings.add(
          Rule.GHCB_IN_USE,
          e,
          v.current(),
          "the GHCB at 0x"
              + Long.toHexString(e.number("gpa"))
              + " becomes "
              + e.name()
              + " while a request is being written to it");
    }
  }

  private void executeOnly(Event e) {
    boolean inHandler = e.number("vc") != 0;
    findings.add(
        Rule.EXECUTE_ONLY_READ,
        e,
        e.number("vc"),
        "execute-only text at 0x"
            + Long.toHexString(e.number("address"))
            + " is read as data"
            + (inHandler
                ? " by the #VC handler for the instruction at 0x"
                    + Long.toHexString(e.number("vc_rip"))
                : ""));
  }
}
