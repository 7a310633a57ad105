package dev.vesper.machine;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuObserver;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.x86.Formatter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Turns what happens into {@link Event} records. An observer: it looks at the guest's registers and
 * plaintext, which the host cannot.
 */
public final class Tracer implements HostObserver, CpuObserver {
  private final EventSink sink;
  private List<Cpu> cpus = List.of();
  private Symbols symbols = Symbols.NONE;
  private int running;

  public Tracer(EventSink sink) {
    this.sink = sink;
  }

  void attach(List<Cpu> all, Symbols names) {
    cpus = all;
    symbols = names;
  }

  @Override
  public void running(int vcpu) {
    running = vcpu;
  }

  private Event event(String kind, String name, Map<String, String> details) {
    Cpu c = cpus.get(running);
    return new Event(
        kind,
        c.now(),
        c.icount,
        running,
        c.codeBits(),
        c.cpl,
        c.rip,
        symbols.at(c.rip),
        c.disassemble(Formatter.Syntax.INTEL),
        name,
        details);
  }

  private static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  @Override
  public void onVc(Cpu c, int code) {
    sink.accept(event("vc", ExitCode.name(code), Map.of("error_code", hex(code & 0xFFFF_FFFFL))));
  }

  @Override
  public void exit(int code, long info1, long info2) {
    boolean trap = code >= 0x8F && code <= 0x9F;
    sink.accept(
        event(
            trap ? "write_trap" : "exit",
            ExitCode.name(code),
            ordered("info1", hex(info1), "info2", hex(info2))));
  }

  @Override
  public void msrProtocol(long request, long response) {
    sink.accept(
        event(
            "msr_protocol",
            "SVM_VMEXIT_VMGEXIT",
            ordered(
                "request", MsrRequest.explain(request), "response", MsrRequest.explain(response))));
  }

  @Override
  public void ghcb(long gpa, Map<GhcbField, Long> request, Map<GhcbField, Long> answer) {
    long code = request.getOrDefault(GhcbField.SW_EXITCODE, 0L);
    Map<String, String> d = new LinkedHashMap<>();
    d.put("ghcb", hex(gpa));
    d.put("request", fields(request));
    d.put("answer", fields(answer));
    sink.accept(event("ghcb", ExitCode.name((int) code), d));
  }

  @Override
  public void inject(long event) {
    sink.accept(
        event(
            "inject",
            "vector " + (event & 0xFF),
            ordered("eventinj", hex(event), "type", Long.toString(event >>> 8 & 7))));
  }

  private static String fields(Map<GhcbField, Long> m) {
    StringBuilder b = new StringBuilder();
    for (GhcbField f : GhcbField.values()) {
      Long v = m.get(f);
      if (v != null) {
        b.append(b.isEmpty() ? "" : " ").append(f).append('=').append(hex(v));
      }
    }
    return b.toString();
  }

  private static Map<String, String> ordered(String k1, String v1, String k2, String v2) {
    Map<String, String> m = new LinkedHashMap<>();
    m.put(k1, v1);
    m.put(k2, v2);
    return m;
  }

  static String dump(Cpu c, Symbols symbols) {
    String[] n = {
      "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8 ", "r9 ", "r10", "r11", "r12",
      "r13", "r14", "r15"
    };
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < 16; i++) {
      b.append(String.format("%s=%016x%s", n[i], c.r[i], i % 4 == 3 ? "\n" : " "));
    }
    b.append(
        String.format(
            "rip=%016x rfl=%08x cpl=%d %d-bit cr0=%x cr2=%x cr3=%x cr4=%x efer=%x%n",
            c.rip, c.flags(), c.cpl, c.codeBits(), c.cr0, c.cr2, c.cr3, c.cr4, c.efer));
    String name = symbols.at(c.rip);
    b.append("at rip: ").append(c.disassemble(Formatter.Syntax.INTEL));
    b.append(name.isEmpty() ? "" : " in " + name);
    return b.toString();
  }
}
