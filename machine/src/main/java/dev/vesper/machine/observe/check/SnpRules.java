package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.CpuidLaunched;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.KeyExposed;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Event.Omission;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;

/** The rules for guests under SEV-SNP and their hosts; nothing of them is for other guests. */
final class SnpRules {
  private final Findings findings;
  private final LaunchedPages launched = new LaunchedPages();
  private final PageRules pages;
  private final PageStateRules states;
  private final SaveAreaRules areas;
  private final CpuidRules cpuid;

  SnpRules(Findings findings) {
    this.findings = findings;
    pages = new PageRules(findings, new LastChanges(), launched);
    states = new PageStateRules(findings, pages);
    areas = new SaveAreaRules(findings);
    cpuid = new CpuidRules(findings);
  }

  /** {@return whether the guest was launched as one under SEV-SNP} */
  boolean active() {
    return launched.any();
  }

  /** {@return whether the guest takes CPUID from a page} */
  boolean ownCpuid() {
    return cpuid.table() != CpuidTable.NONE;
  }

  // ---- exchanges

  /** Judges an exchange by the GHCB. */
  void exchange(GhcbExchange x, VcpuState v) {
    if (!active()) {
      return;
    }
    if (x.exit() == ExitCode.TERMINATION) {
      v.unchanged = null;
    } else if (x.exit() == ExitCode.SNP_PAGE_STATE_CHANGE) {
      pages.goesOn(v, "changes the states of more pages");
    }
    registration(x, v);
    states.exchange(x);
    cpuid.exchange(x);
  }

  private void registration(GhcbExchange x, VcpuState v) {
    if (x.ghcb() == v.registered) {
      return;
    }
    boolean refused = x.ghcb() == v.refused;
    if (!refused) {
      findings.add(
          Rule.GHCB_NOT_REGISTERED,
          x.at(),
          x.vc(),
          () ->
              "the GHCB at "
                  + Event.hex(x.ghcb())
                  + " is used; this vCPU has registered "
                  + (v.registered < 0 ? "none" : Event.hex(v.registered)));
    }
    if (x.status() == 0 && x.ended() == null) {
      findings.add(
          Rule.HOST_UNREGISTERED,
          x.at(),
          x.vc(),
          () ->
              ExitCode.name(x.exit())
                  + " is served by the GHCB at "
                  + Event.hex(x.ghcb())
                  + (refused ? ", whose registration was refused" : ", which is not registered"));
    }
  }

  /** Judges an exchange by the MSR protocol. */
  void exchange(MsrExchange e, MsrResponse r, VcpuState v) {
    if (r.registeredGhcb() != -1) {
      v.registered = r.registeredGhcb();
    } else if (r.refusedGhcb() != -1) {
      v.registered = -1;
    }
    if (!active()) {
      return;
    }
    switch (MsrRequest.info(e.request())) {
      case MsrRequest.TERM_REQ -> v.unchanged = null;
      case MsrRequest.SNP_PAGE_STATE_REQ -> pages.goesOn(v, "changes the state of another page");
      default -> {
        // says nothing about what it makes of PVALIDATE
      }
    }
    states.exchange(e);
    cpuid.exchange(e);
  }

  // ---- pages

  /** Judges a change of the reverse map table by the host. */
  void changed(RmpChanged e, VcpuState v) {
    pages.changed(e, v.current());
    areas.changed(e, v.current());
  }

  /** Judges PVALIDATE. */
  void pvalidate(Pvalidate e, VcpuState v) {
    pages.pvalidate(e, v);
    areas.pvalidate(e, v.current());
  }

  /** Judges RMPADJUST. */
  void rmpadjust(Rmpadjust e, VcpuState v) {
    pages.rmpadjust(e, v.current());
    areas.rmpadjust(e, v.current());
  }

  /** Judges an access that the table has refused. */
  void violation(RmpViolation e, VcpuState v) {
    pages.violation(e, v.current());
  }

  /** Judges what the guest has left out. */
  void omission(Omission e, VcpuState v) {
    pages.omission(e, v, cpuid.table().evictionNeeded());
  }

  /** Judges AP creation. */
  void creation(ApCreationAsked e, VcpuState v) {
    pages.goesOn(v, "starts a processor");
    areas.creation(e, v.current());
  }

  /** Judges a key that the host can read. */
  void exposed(KeyExposed e) {
    findings.add(
        Rule.SECRETS_SHARED,
        e.at(),
        0,
        () -> "the host can read VMPCK" + e.key() + " at " + Event.hex(e.gpa()));
  }

  /** The guest was launched with a CPUID page. */
  void launched(CpuidLaunched e) {
    cpuid.launched(new CpuidTable(e.page()));
  }

  /** Something else than the host's changes of the table has happened. */
  void settle(VcpuState v) {
    if (pages.unsettled()) {
      pages.settle(v.current());
    }
  }
}
