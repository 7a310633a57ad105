package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Event.Pvalidate;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the checker knows about one vCPU at one VMPL. */
final class VcpuState {
  /** A guest may nest #VCs without end; only the innermost ones matter. */
  private static final int MOST = 64;

  /** A string instruction of 4 GiB takes two million; nobody needs them all to judge it. */
  private static final int MOST_EXCHANGES = 4096;

  /** A #VC whose handler has not returned. */
  static final class Service {
    final TrapFrame frame;

    /** Its exchanges by the GHCB. */
    final List<GhcbExchange> exchanges = new ArrayList<>();

    /** Its exchanges by the MSR protocol. */
    final List<MsrExchange> byMsr = new ArrayList<>();

    /** Bytes of the buffers of its exchanges for port I/O. */
    long portBytes;

    /** An answer said that the request failed, and the guest did not look. */
    @Nullable GhcbExchange ignored;

    /** The hypervisor has injected an exception since: the handler may take it for the answer. */
    boolean injected;

    Service(TrapFrame frame) {
      this.frame = frame;
    }

    /** Adds an exchange. A handler that makes too many of them is not judged by its outcome. */
    void add(GhcbExchange x) {
      bound();
      exchanges.add(x);
      portBytes += x.exit() == ExitCode.IOIO ? x.request().buffer().length() : 0;
    }

    void add(MsrExchange x) {
      bound();
      byMsr.add(x);
    }

    private void bound() {
      if (exchanges.size() + byMsr.size() == MOST_EXCHANGES) {
        exchanges.clear();
        byMsr.clear();
        portBytes = 0;
        injected = true;
      }
    }

    long id() {
      return frame.event().vc();
    }
  }

  /** DR7 after reset. */
  long dr7 = 0x400;

  /** The answer that the guest may be reading. */
  @Nullable AnswerReads answer;

  /** The MSR-protocol response that the guest should be reading. */
  @Nullable MsrResponse response;

  /** GHCB address whose registration was refused. */
  long refused = -1;

  /** GHCB address that is registered. */
  long registered = -1;

  /** PVALIDATE has said that a page was valid already, and the guest has done nothing since. */
  @Nullable Pvalidate unchanged;

  private final List<Service> services = new ArrayList<>();

  void push(Service s) {
    if (services.size() == MOST) {
      services.remove(0);
    }
    services.add(s);
  }

  /** {@return the #VC of a number, with everything inside it taken off} */
  @Nullable Service pop(long id) {
    for (int i = services.size() - 1; i >= 0; i--) {
      Service s = services.get(i);
      if (s.id() == id) {
        services.subList(i, services.size()).clear();
        return s;
      }
    }
    return null;
  }

  /** {@return the #VC of a number, or null} */
  @Nullable Service find(long id) {
    for (int i = services.size() - 1; i >= 0; i--) {
      if (services.get(i).id() == id) {
        return services.get(i);
      }
    }
    return null;
  }

  /** {@return the innermost #VC in service, or null} */
  @Nullable Service innermost() {
    return services.isEmpty() ? null : services.getLast();
  }

  /** {@return the number of the innermost #VC in service, 0 for none} */
  long current() {
    return services.isEmpty() ? 0 : services.getLast().id();
  }
}
