package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuObserver;
import dev.vesper.machine.hostile.Firing;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.memory.MemoryObserver;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.Event.ConsoleLine;
import dev.vesper.machine.observe.Event.Ended;
import dev.vesper.machine.observe.Event.FlowFound;
import dev.vesper.machine.observe.Event.HostileRule;
import dev.vesper.machine.observe.Event.Launched;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.observe.RmpMap;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.Tally;
import dev.vesper.machine.observe.flow.FlowFinding;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.x86.Formatter;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Turns what happens in a machine into events. It looks at the guest's registers and plaintext,
 * which the host cannot, and changes nothing.
 */
public final class Tracer {
  private static final int MOST_LINE = 4096;

  private final boolean deep;
  private final Recorder recorder;
  private final ExchangeTracer exchanges;
  private final MemoryTracer memory;
  private final RmpTracer table;
  private final SvsmTracer calls;
  private final VcTracer processor;
  private final CodeCoverage coverage = new CodeCoverage();
  private final StringBuilder line = new StringBuilder();

  /**
   * @param sink is told of events; of those that say the same of pages which follow each other
   *     together, when another comes or the run is over: where a run pauses changes no trace
   * @param now is told of each when it happens
   * @param deep also watches what the guest itself does with its GHCB, which the checker needs
   */
  public Tracer(EventSink sink, EventSink now, boolean deep) {
    this.deep = deep;
    recorder = new Recorder(sink, now);
    table = new RmpTracer(recorder);
    calls = new SvsmTracer(recorder);
    exchanges = new ExchangeTracer(recorder, table, calls);
    memory = new MemoryTracer(recorder, deep, exchanges, table);
    processor = new VcTracer(recorder, deep, memory, table, coverage);
  }

  /** Says whom to look at. Once, before anything happens. */
  public void attach(List<Cpu> all, Symbols names) {
    recorder.attach(all, names);
  }

  /** {@return the observer of each processor} */
  public CpuObserver processor() {
    return processor;
  }

  /** {@return the observer of memory} */
  public MemoryObserver memory() {
    return memory;
  }

  /** {@return the observer of the host} */
  public HostObserver host() {
    return exchanges;
  }

  /** {@return what has happened until now} */
  public Tally tally() {
    return recorder.tally();
  }

  /** {@return which code was executed} */
  public CodeCoverage coverage() {
    return coverage;
  }

  /** {@return the names in use, moved to where the guest runs} */
  public Symbols symbols() {
    return recorder.symbols();
  }

  /** Takes a byte of the console; whole lines become events. */
  public void console(int b) {
    if (b == '\n' || line.length() >= MOST_LINE) {
      byte[] text = line.toString().getBytes(StandardCharsets.ISO_8859_1);
      line.setLength(0);
      recorder.record(
          new ConsoleLine(
              recorder.at(recorder.cpu().rip), new String(text, StandardCharsets.UTF_8)));
    } else if (b != '\r') {
      line.append((char) (b & 0xFF));
    }
  }

  /** The guest was launched: what its owner can know of it. */
  public void launched(String policy, String digest, @Nullable Measurement m) {
    recorder.record(
        new Launched(
            recorder.at(recorder.cpu().rip),
            policy,
            Bytes.of(HexFormat.of().parseHex(digest)),
            Bytes.of(m == null ? new byte[0] : m.measure()),
            Bytes.of(m == null ? new byte[0] : m.nonce())));
  }

  /**
   * Pages were launched under SEV-SNP.
   *
   * @param what their type, and what lies there
   * @param address of the first page in system memory
   */
  public void launchedPages(String what, long address, long bytes) {
    table.launched(what, address, bytes);
  }

  /** The page with the guest's keys was launched. */
  public void launchedSecrets(byte[] page) {
    table.launchedSecrets(page);
    calls.launchedSecrets(page);
  }

  /**
   * The page from which the guest takes CPUID was launched.
   *
   * @param page its header and its entries
   */
  public void launchedCpuid(long gpa, byte[] page) {
    table.launchedCpuid(gpa, page);
  }

  /** A rule of a script has fired. */
  public void fired(Firing f) {
    recorder.record(
        new HostileRule(
            recorder.atOnly(recorder.cpu().rip),
            f.rule(),
            f.line(),
            f.silicon(),
            f.aided(),
            f.trigger(),
            f.what()));
  }

  /** The oracle has found something. */
  public void flows(FlowFinding f) {
    recorder.recordBeside(
        new FlowFound(recorder.atOnly(f.at().rip()), f.kind(), f.origin(), f.sink(), f.exchange()));
  }

  /** The run is over. */
  public void ended(int status, String reason) {
    if (!line.isEmpty()) {
      console('\n');
    }
    calls.ended();
    if (deep) {
      table.ended();
    }
    recorder.record(new Ended(recorder.at(recorder.cpu().rip), status, reason));
  }

  /**
   * {@return memory by the states that the reverse map table has for it; empty if there is none}
   */
  public static RmpMap memoryMap(PhysicalMemory memory) {
    return RmpTracer.map(memory);
  }

  /**
   * {@return names of code: those given, moved to where the guest runs, or where there are none
   * those that a Linux kernel carries}
   */
  public static Symbols symbols(Cpu c, Symbols given) {
    return new KaslrSlide().adjust(c, given);
  }

  /** {@return registers and the instruction at RIP, for people} */
  public static String dump(Cpu c, Symbols symbols) {
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
    String source = symbols.source(c.rip);
    b.append("at rip: ").append(c.disassemble(Formatter.Syntax.INTEL));
    b.append(name.isEmpty() ? "" : " in " + Visible.of(name));
    return b.append(source.isEmpty() ? "" : " " + Visible.of(source)).toString();
  }
}
