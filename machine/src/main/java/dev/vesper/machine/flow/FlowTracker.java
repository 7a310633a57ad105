package dev.vesper.machine.flow;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.NaeEvent;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuObserver;
import dev.vesper.machine.memory.MemoryObserver;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.flow.FlowFinding;
import dev.vesper.machine.observe.flow.FlowKind;
import dev.vesper.machine.observe.flow.FlowOptions;
import dev.vesper.machine.observe.flow.FlowReport;
import dev.vesper.machine.trace.KaslrSlide;
import dev.vesper.x86.Insn;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The oracle: watches a machine, has labels follow values, and finds private bytes that leave and
 * values of the host's that come in unchecked.
 */
public final class FlowTracker implements CpuObserver, HostObserver, MemoryObserver {
  private static final int LEVELS = 4;
  private static final int VC = 29;

  /** What is known of a vCPU. */
  private static final class Vcpu {
    final int id;
    final Cpu cpu;
    final @Nullable Propagation[] levels = new Propagation[LEVELS];

    /** The page of the GHCB MSR, or -1. */
    int ghcbFrame = -1;

    /** What it has asked for last in a GHCB, and by which exchange. */
    String event = "";

    long exchange;

    /** The host has injected an event, which is about to be delivered. */
    boolean injected;

    Vcpu(int id, Cpu cpu) {
      this.id = id;
      this.cpu = cpu;
    }
  }

  final Labels labels;
  final ShadowMemory memory;
  final FlowMemory access;
  final Places places;
  final boolean leaks;
  final boolean taint;
  private final Findings findings;
  private final List<Vcpu> vcpus = new ArrayList<>();
  private final KaslrSlide slide = new KaslrSlide();
  private Symbols symbols;
  private Vcpu running;
  private long exchanges;

  /** The page that the host answers in, or -1. */
  private int serving = -1;

  private String event = "";
  private final byte[] page = new byte[GhcbPage.SIZE];

  /**
   * @param all processors, the boot processor first
   * @param names of the image
   * @param mostLabels see {@link Labels}
   * @param told of each finding the first time
   */
  public FlowTracker(
      FlowOptions wanted,
      List<Cpu> all,
      Symbols names,
      int mostLabels,
      Consumer<FlowFinding> told) {
    symbols = names;
    leaks = wanted.leaks();
    taint = wanted.taint();
    labels = new Labels(mostLabels);
    memory = new ShadowMemory(all.get(0).memory.totalPages());
    places = new Places(labels, this::symbols, leaks, wanted.secrets());
    findings = new Findings(this::symbols, told);
    access = new FlowMemory(this, all.get(0).memory);
    for (Cpu c : all) {
      vcpus.add(new Vcpu(vcpus.size(), c));
    }
    running = vcpus.get(0);
  }

  /** The guest has run: what its registers have come from nobody knows. */
  public void beginLate() {
    for (Vcpu v : vcpus) {
      symbols = slide.adjust(v.cpu, symbols);
      v.ghcbFrame = MsrRequest.info(v.cpu.ghcbMsr) == 0 ? (int) (v.cpu.ghcbMsr >>> 12) : -1;
      if (places.everything()) {
        on(v).registers.unknown(places);
      }
    }
  }

  /** {@return the most labels that there can be} */
  public static int mostLabels() {
    return Labels.MOST;
  }

  private Symbols symbols() {
    return symbols;
  }

  /** {@return what was found so far} */
  public FlowReport report() {
    return findings.report(exchanges, labels.blurred());
  }

  private Vcpu of(Cpu c) {
    if (running.cpu == c) {
      return running;
    }
    for (Vcpu v : vcpus) {
      if (v.cpu == c) {
        return v;
      }
    }
    throw new AssertionError("an unknown processor");
  }

  private Propagation on(Vcpu v) {
    int level = v.cpu.vmpl();
    Propagation p = v.levels[level];
    if (p == null) {
      p = new Propagation(this);
      v.levels[level] = p;
    }
    return p;
  }

  void found(FlowKind kind, Cpu c, long rip, @Nullable Origin of, String name, String sink) {
    long exchange =
        kind.isLeak() ? exchanges + (serving < 0 ? 1 : 0) : of == null ? 0 : of.exchange;
    findings.found(kind, c, of(c).id, exchange, rip, of, name, sink);
  }

  int ghcbFrame(Cpu c) {
    return of(c).ghcbFrame;
  }

  private void collect() {
    BitSet live = new BitSet(Labels.MOST);
    memory.live(live);
    for (Vcpu v : vcpus) {
      for (Propagation p : v.levels) {
        if (p != null) {
          p.registers.live(live);
        }
      }
    }
    places.kept().forEach(live::set);
    labels.collect(live);
  }

  // ---- the processor

  @Override
  public void onInstruction(Cpu c, Insn in) {
    if (labels.scarce()) {
      collect();
    }
    on(of(c)).before(c, in);
  }

  @Override
  public void onExecuted(Cpu c, Insn in) {
    on(of(c)).after(c);
  }

  @Override
  public void onException(Cpu c, int before, int vector) {
    on(of(c)).interrupted(c);
  }

  @Override
  public void onDelivery(Cpu c, int vector, long error, int type, long from) {
    Vcpu v = of(c);
    char label = Labels.PUBLIC;
    if (v.injected && error >= 0 && taint) {
      String name =
          vector == VC ? "error code of an injected #VC" : "error code of an injected event";
      label = labels.origin(false, name, exchanges);
    }
    v.injected = false;
    on(v).delivered(c, error >= 0, label);
  }

  @Override
  public void onVc(Cpu c, int code) {
    symbols = slide.adjust(c, symbols);
  }

  @Override
  public void onGhcbMsr(Cpu c, boolean write, long value) {
    Vcpu v = of(c);
    if (write && MsrRequest.info(value) == 0 && c.memory.ram().hasPage(value >>> 12)) {
      v.ghcbFrame = (int) (value >>> 12);
    }
  }

  // ---- the host

  @Override
  public void running(int vcpu) {
    running = vcpus.get(vcpu);
  }

  @Override
  public void exit(int code, long info1, long info2) {
    // Automatic exits give the host nothing that is private, and nothing comes back by them.
  }

  @Override
  public void vmgexit(long msr) {
    exchanges++;
    event = MsrRequest.info(msr) == 0 ? "" : MsrRequest.name(msr);
  }

  @Override
  public void serves(long gpa) {
    serving = (int) (gpa >>> 12);
    running.cpu.memory.peek(serving, Page.SHARED, page);
    GhcbPage request = new GhcbPage(page);
    int code = (int) request.get(GhcbField.SW_EXITCODE);
    event = ExitCode.name(code);
    running.event = event;
    running.exchange = exchanges;
    if (leaks) {
      exported(request, NaeEvent.of(code));
    }
  }

  /** Looks what a request exports beyond its need. */
  private void exported(GhcbPage request, @Nullable NaeEvent e) {
    char @Nullable [] known = memory.known(serving);
    if (known == null || e == null) {
      return;
    }
    for (GhcbField f : request.valid()) {
      int needed = Needs.bytes(e, f, request);
      char label = Labels.PUBLIC;
      for (int i = needed; i < f.bytes; i++) {
        label = labels.join(label, known[f.offset + i]);
      }
      // A zero tells nothing, whoever has made it.
      boolean whole = needed == 0 && places.everything() && request.get(f) != 0;
      // A register is private by itself; constants in its unused bytes tell nothing.
      if (needed < f.bytes && (labels.secret(label) || whole && !labels.host(label))) {
        String sink =
            "GHCB " + f.name() + (needed == 0 ? "" : " above " + needed + " bytes") + ", " + event;
        long rip = memory.storedBy(serving, f.offset);
        if (labels.secret(label)) {
          access.report(FlowKind.EXPORT, running.cpu, label, rip, sink);
        } else {
          found(FlowKind.EXPORT, running.cpu, rip, null, "made of code alone", sink);
        }
      }
    }
  }

  @Override
  public void answered(long msr, @Nullable String ended) {
    if (serving < 0 && taint && !event.isEmpty()) {
      on(running).registers.ghcbMsr = labels.origin(false, "GHCB MSR after " + event, exchanges);
    }
    serving = -1;
  }

  @Override
  public void inject(long injected) {
    running.injected = true;
  }

  @Override
  public void resets(int vcpu) {
    Propagation p = vcpus.get(vcpu).levels[vcpus.get(vcpu).cpu.vmpl()];
    if (p != null) {
      p.registers.reset();
    }
  }

  // ---- memory

  @Override
  public void converted(int frame, int from, int to) {
    memory.scramble(frame);
  }

  @Override
  public void hostReads(int frame, boolean device) {
    // ciphertext
  }

  @Override
  public void hostWrites(int frame, int offset, int length, boolean device) {
    memory.scramble(frame);
  }

  @Override
  public void hostRefused(int frame, int offset, int length, boolean device) {
    // Nothing is written.
  }

  @Override
  public void hostReadShared(int frame, int offset, int length, boolean device) {
    if (device) {
      access.deviceRead(running.cpu, frame, offset, length);
    }
  }

  @Override
  public void hostWroteShared(int frame, int offset, int length, boolean device) {
    if (!running.cpu.memory.ram().hasPage(frame)) {
      return;
    }
    // vmm(4) writes its answers when it enters the guest again.
    boolean answer = frame == serving || !device && frame == running.ghcbFrame;
    if (!answer) {
      String name = device ? "written by a device" : "written by the host";
      access.hostWrote(frame, offset, length, name, 0);
    } else if (length <= 8) {
      answers(frame, offset, length);
    } else {
      // A host that writes the page back as a whole has chosen each field by itself.
      for (GhcbField f : GhcbField.values()) {
        if (f.offset >= offset && f.offset + f.bytes <= offset + length) {
          answers(frame, f.offset, f.bytes);
        }
      }
      int from = Math.max(offset, GhcbPage.SHARED_BUFFER);
      int end = Math.min(offset + length, GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE);
      if (from < end) {
        answers(frame, from, end - from);
      }
    }
  }

  private void answers(int frame, int offset, int bytes) {
    String name = FlowMemory.field(offset) + " of " + running.event;
    access.hostWrote(frame, offset, bytes, name, running.exchange);
  }
}
