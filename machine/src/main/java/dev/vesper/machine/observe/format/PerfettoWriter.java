package dev.vesper.machine.observe.format;

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
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;

/**
 * Writes a native Perfetto trace of TrackEvent packets (protos/perfetto/trace): a thread a vCPU
 * with a slice for each #VC, from delivery to IRET, and an instant for everything else; the console
 * on a track of its own. Time stamps are virtual nanoseconds.
 */
public final class PerfettoWriter implements TraceWriter {
  private static final int PID = 1;
  private static final long PROCESS = 1;
  private static final long CONSOLE = 2;
  private static final long FIRST_VCPU = 16;

  /** The one writer's sequence. */
  private static final int SEQUENCE = 1;

  // Field numbers of perfetto.protos.
  private static final int TRACE_PACKET = 1;
  private static final int PACKET_TIMESTAMP = 8;
  private static final int PACKET_SEQUENCE = 10;
  private static final int PACKET_TRACK_EVENT = 11;
  private static final int PACKET_SEQUENCE_FLAGS = 13;
  private static final int PACKET_TRACK_DESCRIPTOR = 60;
  private static final int EVENT_ANNOTATION = 4;
  private static final int EVENT_TYPE = 9;
  private static final int EVENT_TRACK = 11;
  private static final int EVENT_CATEGORY = 22;
  private static final int EVENT_NAME = 23;
  private static final int ANNOTATION_STRING = 6;
  private static final int ANNOTATION_NAME = 10;
  private static final int STATE_CLEARED = 1;

  private static final int BEGIN = 1;
  private static final int END = 2;
  private static final int INSTANT = 3;

  private final OutputStream out;
  private final Map<Integer, Slices> slices = new HashMap<>();
  private boolean started;
  private long last;

  /** The open slices of a vCPU: numbers of #VCs, and how often each is among them. */
  private static final class Slices {
    private final Deque<Long> open = new ArrayDeque<>();
    private final Map<Long, Integer> times = new HashMap<>();

    void begin(long vc) {
      open.push(vc);
      times.merge(vc, 1, Integer::sum);
    }

    /** {@return whether a #VC is open; asked of each return, however many are} */
    boolean has(long vc) {
      return times.containsKey(vc);
    }

    void end() {
      times.computeIfPresent(open.pop(), (vc, n) -> n == 1 ? null : n - 1);
    }
  }

  public PerfettoWriter(OutputStream out) {
    this.out = out;
  }

  private void packet(ProtoBuffer p) {
    p.number(PACKET_SEQUENCE, SEQUENCE);
    if (!started) {
      p.number(PACKET_SEQUENCE_FLAGS, STATE_CLEARED);
      started = true;
    }
    try {
      out.write(new ProtoBuffer().message(TRACE_PACKET, p).toBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static ProtoBuffer descriptor(long uuid) {
    return new ProtoBuffer().number(1, uuid);
  }

  private void describe(ProtoBuffer descriptor) {
    packet(new ProtoBuffer().message(PACKET_TRACK_DESCRIPTOR, descriptor));
  }

  private Slices vcpu(int n) {
    if (!started) {
      describe(
          descriptor(PROCESS).message(3, new ProtoBuffer().number(1, PID).text(6, "SEV-ES guest")));
      describe(descriptor(CONSOLE).text(2, "console").number(5, PROCESS));
    }
    Slices s = slices.get(n);
    if (s == null) {
      s = new Slices();
      slices.put(n, s);
      ProtoBuffer thread = new ProtoBuffer().number(1, PID).number(2, PID + 1L + n);
      describe(descriptor(FIRST_VCPU + n).message(4, thread.text(5, "vCPU " + n)));
    }
    return s;
  }

  private void event(Event e, int type, long track, String name) {
    ProtoBuffer t = new ProtoBuffer().number(EVENT_TYPE, type).number(EVENT_TRACK, track);
    if (type != END) {
      t.text(EVENT_CATEGORY, EventCodec.kind(e)).text(EVENT_NAME, Visible.of(name));
      if (track != CONSOLE) {
        annotate(t, "rip", Visible.of(e.at().place()));
        annotate(t, "instruction", Visible.of(e.at().instruction()));
        annotate(t, "mode", e.at().bits() + "-bit CPL " + e.at().cpl());
      }
      EventCodec.details(
          e,
          (key, value) -> {
            if (!key.forMachines()) {
              TextBuffer b = new TextBuffer();
              EventCodec.show(b, key, value);
              annotate(t, key.text, b.toString());
            }
          });
    }
    packet(
        new ProtoBuffer().number(PACKET_TIMESTAMP, e.at().time()).message(PACKET_TRACK_EVENT, t));
  }

  private static void annotate(ProtoBuffer t, String name, String value) {
    t.message(
        EVENT_ANNOTATION,
        new ProtoBuffer().text(ANNOTATION_NAME, name).text(ANNOTATION_STRING, value));
  }

  @Override
  public void accept(Event e) {
    if (e instanceof Place) {
      return;
    }
    Slices open = vcpu(e.at().vcpu());
    last = Math.max(last, e.at().time());
    long track = FIRST_VCPU + e.at().vcpu();
    switch (e) {
      case VcRaised v -> {
        open.begin(v.vc());
        event(e, BEGIN, track, EventCodec.name(e).replace("SVM_VMEXIT_", "#VC "));
      }
      case VcReturned v -> {
        while (open.has(v.vc())) {
          // Handlers inside that never returned end here too.
          event(e, END, track, "");
          open.end();
        }
      }
      case ConsoleLine c -> event(e, INSTANT, CONSOLE, c.text());
      case GhcbExchange x -> instant(e, track);
      case MsrExchange x -> instant(e, track);
      case AutomaticExit x -> instant(e, track);
      case WriteTrap x -> instant(e, track);
      case Injected x -> instant(e, track);
      case PageStateChanged x -> instant(e, track);
      case HostAccess x -> instant(e, track);
      case DmaNoise x -> instant(e, track);
      case ExecuteOnlyRead x -> instant(e, track);
      case VcpuStarted x -> instant(e, track);
      case Pvalidate x -> instant(e, track);
      case Rmpadjust x -> instant(e, track);
      case Rmpquery x -> instant(e, track);
      case RmpChanged x -> instant(e, track);
      case RmpViolation x -> instant(e, track);
      case ApCreationAsked x -> instant(e, track);
      case GhcbRegistered x -> instant(e, track);
      case GuestRequestAnswered x -> instant(e, track);
      case SvsmCalled x -> instant(e, track);
      case Omission x -> instant(e, track);
      case CpuidLaunched x -> instant(e, track);
      case KeyExposed x -> instant(e, track);
      case HostileRule x -> instant(e, track);
      case FlowFound x -> instant(e, track);
      case Launched x -> instant(e, track);
      case Ended x -> instant(e, track);
      case Place x -> {
        // names are where they are used
      }
    }
  }

  private void instant(Event e, long track) {
    event(e, INSTANT, track, EventCodec.kind(e) + " " + EventCodec.name(e));
  }

  @Override
  public void close() throws IOException {
    slices.forEach(
        (n, s) -> {
          for (int i = 0; i < s.open.size(); i++) {
            ProtoBuffer t = new ProtoBuffer().number(EVENT_TYPE, END);
            t.number(EVENT_TRACK, FIRST_VCPU + n);
            packet(new ProtoBuffer().number(PACKET_TIMESTAMP, last).message(PACKET_TRACK_EVENT, t));
          }
        });
    out.close();
  }
}
