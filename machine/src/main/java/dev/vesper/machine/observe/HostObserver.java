package dev.vesper.machine.observe;

import dev.vesper.ghcb.GhcbField;
import java.util.Map;

/** Watches what crosses between guest and host. */
public interface HostObserver {
  /** Another vCPU's turn has come: what follows is about it. */
  default void running(int vcpu) {}

  /** An exit that carries no GHCB exchange. */
  void exit(int code, long info1, long info2);

  /** An exchange of the MSR protocol. */
  void msrProtocol(long request, long response);

  /** A GHCB exchange: the fields marked valid at VMGEXIT and those marked valid at the answer. */
  void ghcb(long gpa, Map<GhcbField, Long> request, Map<GhcbField, Long> answer);

  /** The host injects an event, in EVENTINJ format. */
  void inject(long event);
}
