package dev.vesper.machine.trace;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuObserver;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.memory.MemoryObserver;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.x86.Formatter;
import dev.vesper.x86.Insn;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Turns what happens into {@link Event} records. An observer: it looks at the guest's registers and
 * plaintext, which the host cannot, and changes nothing.
 */
public final class Tracer implements HostObserver, CpuObserver, MemoryObserver {
  private static final int MOST_LINE = 4096;

  /** Addresses that are named; a guest may use ever new ones. */
  private static final int MOST_PLACES = 100_000;

  /** What is known about one vCPU. */
  private static final class Vcpu {
    final PendingVc pending = new PendingVc();
    Accesses accesses = new Accesses();
    final AnswerCheck answerCheck = new AnswerCheck();

    /** Frame of the GHCB in the MSR, or -1. */
    int ghcbFrame = -1;

    /** Linear address that the guest used for it last, or -1. */
    long ghcbLinear = -1;

    /** Fields were written since the last answer: "request"; an answer waits: "answer". */
    String open = "";
  }

  private final EventSink sink;
  private final boolean deep;
  private final Formatter formatter = new Formatter(Formatter.Syntax.INTEL);
  private final Set<Long> places = new HashSet<>();
  private final GhcbSnapshot before = new GhcbSnapshot();
  private final GhcbSnapshot after = new GhcbSnapshot();
  private final Map<Integer, int[]> deviceWrites = new HashMap<>();
  private final KaslrSlide kaslr = new KaslrSlide();
  private final StringBuilder line = new StringBuilder();
  private final CodeCoverage coverage = new CodeCoverage();
  private List<Cpu> cpus = List.of();
  private final List<Vcpu> vcpus = new ArrayList<>();
  private Symbols symbols = Symbols.NONE;
  private int running;
  private int lastVc;

  // The VMGEXIT in service.
  private long requestMsr;
  private long servedPage = -1;
  private String pageState = "";
  private String mapping = "";
  private String scratchState = "";

  /**
   * @param deep also watches what the guest itself does with its GHCB, which the checker needs
   */
  public Tracer(EventSink sink, boolean deep) {
    this.sink = sink;
    this.deep = deep;
  }

  public void attach(List<Cpu> all, Symbols names) {
    cpus = all;
    symbols = names;
    all.forEach(c -> vcpus.add(new Vcpu()));
  }

  private Cpu cpu() {
    return cpus.get(running);
  }

  private Vcpu vcpu() {
    return vcpus.get(running);
  }

  private PhysicalMemory memory() {
    return cpus.get(0).memory;
  }

  @Override
  public void running(int vcpu) {
    running = vcpu;
  }

  private static final class Details extends LinkedHashMap<String, Object> {
    private static final long serialVersionUID = 1;

    Details with(String key, Object value) {
      if (!(value instanceof String s) || !s.isEmpty()) {
        put(key, value);
      }
      return this;
    }
  }

  private void emit(String kind, String name, long rip, Details details) {
    Cpu c = cpu();
    Vcpu v = vcpu();
    if (v.accesses.size() != 0) {
      describePlaces(v.accesses);
      details.put("accesses", v.accesses);
      v.accesses = new Accesses();
    }
    sink.accept(event(kind, name, rip, c, details));
  }

  private Event event(String kind, String name, long rip, Cpu c, Details details) {
    Insn in = c.insnAt(rip);
    return new Event(
        kind,
        c.now(),
        c.icount,
        running,
        c.codeBits(),
        c.cpl,
        rip,
        symbols.at(rip),
        symbols.source(rip),
        in == null ? "?" : formatter.format(in, rip),
        name,
        details);
  }

  /** Names each address from which the GHCB was accessed, once. */
  private void describePlaces(Accesses a) {
    for (int i = 0; i < a.size(); i++) {
      long rip = a.get(i).rip();
      if (places.size() < MOST_PLACES && places.add(rip)) {
        sink.accept(event("place", "access", rip, cpu(), new Details()));
      }
    }
  }

  private static String registers(Cpu c) {
    StringBuilder b = new StringBuilder(200);
    for (int i = 0; i < 16; i++) {
      b.append(i == 0 ? "" : " ").append(Long.toHexString(c.r[i]));
    }
    return b.toString();
  }

  // ---- the processor

  @Override
  public void onVc(Cpu c, int code) {
    symbols = kaslr.adjust(c, symbols);
    Vcpu v = vcpu();
    PendingVc.Frame outer = v.pending.top();
    v.pending.interrupted(c);
    Insn in = c.insnAt(c.rip);
    PendingVc.Frame f = new PendingVc.Frame(c, ++lastVc, code);
    Details d =
        new Details()
            .with("error_code", code & 0xFFFF_FFFFL)
            .with("vc", (long) f.id)
            .with("rflags", (long) c.flags() & 0xFFFF_FFFFL)
            .with("regs", registers(c));
    if (in != null) {
      d.with("bytes", in.hex());
      MemoryOperands.describe(c, in, d);
      ports(c, in, code, f, d);
    }
    if (code == ExitCode.CPUID) {
      d.with("xcr0", c.xcr0);
    }
    if (!v.open.isEmpty() && v.ghcbFrame >= 0) {
      d.with("ghcb_open", v.open);
      f.ghcbFrame = v.ghcbFrame;
      f.ghcb = new byte[GhcbPage.SIZE];
      peekShared(v.ghcbFrame, f.ghcb);
    }
    if (outer != null && v.pending.top() == outer) {
      d.with("nested_in", (long) outer.id);
    }
    emit("vc", ExitCode.name(code), c.rip, d);
    v.pending.push(f);
  }

  private void ports(Cpu c, Insn in, int code, PendingVc.Frame f, Details d) {
    // A hypervisor that injects #VC can name this code at any instruction.
    boolean output = in.mnemonic().equals("out") || in.mnemonic().equals("outs");
    boolean input = in.mnemonic().equals("in") || in.mnemonic().equals("ins");
    if (code != ExitCode.IOIO || !output && !input) {
      return;
    }
    boolean string = MemoryOperands.isString(in);
    int bytes = in.form().operands.get(output ? 1 : 0).width(in);
    int port = hasImmediate(in) ? (int) in.imm & 0xFF : (int) c.r[2];
    if (c.cpl == 3) {
      d.with("ports_allowed", MemoryOperands.portsAllowed(c, port & 0xFFFF, bytes) ? 1L : 0L);
    }
    if (!string) {
      return;
    }
    long count = in.rep || in.repne ? c.r[1] & in.addressMask() : 1;
    if (output) {
      d.with("memory", MemoryOperands.sent(c, in, bytes, count));
    } else {
      f.insAddress = MemoryOperands.received(c, in);
      f.insBytes = bytes;
      f.insElements = count;
      f.down = (c.flags() & CpuState.DF) != 0;
    }
  }

  private static boolean hasImmediate(Insn in) {
    return in.form().operands.stream().anyMatch(o -> o.kind() == 'I');
  }

  @Override
  public void onDelivery(Cpu c, int vector, int type) {
    if (vector != 29) {
      vcpu().pending.interrupted(c);
    }
  }

  @Override
  public void onReturn(Cpu c) {
    Vcpu v = vcpu();
    PendingVc.Frame f = v.pending.returned(c);
    if (f == null) {
      return;
    }
    Details d =
        new Details()
            .with("error_code", f.code & 0xFFFF_FFFFL)
            .with("vc", (long) f.id)
            .with("vc_rip", f.rip)
            .with("rflags", (long) c.flags() & 0xFFFF_FFFFL)
            .with("spent", Long.toString(c.icount - f.start))
            .with("regs", registers(c));
    if (f.insAddress != -1) {
      d.with("memory", MemoryOperands.elements(c, f.insAddress, f.insBytes, f.insElements, f.down));
    }
    if (f.ghcbFrame >= 0) {
      peekShared(f.ghcbFrame, after.bytes);
      d.with("ghcb_changed", after.changed(f.ghcb));
    }
    emit("vc_return", ExitCode.name(f.code), c.rip, d);
    if (v.pending.top() == null) {
      v.open = "";
    }
  }

  @Override
  public void onGhcbMsr(Cpu c, boolean write, long value) {
    if (!deep) {
      return;
    }
    Vcpu v = vcpu();
    Accesses.Kind kind = write ? Accesses.Kind.MSR_WRITE : Accesses.Kind.MSR_READ;
    v.accesses.add(kind, 0, 8, value, c.instructionRip());
    if (!write) {
      if (MsrRequest.info(value) != 0) {
        v.answerCheck.begin();
        c.follow(true);
      }
      return;
    }
    if (MsrRequest.info(value) == 0 && value != 0 && value >>> 12 < memory().guestPages()) {
      int frame = (int) (value >>> 12);
      if (frame != v.ghcbFrame) {
        v.ghcbFrame = frame;
        v.ghcbLinear = -1;
        v.open = "";
        watch(frame, true);
      }
    }
  }

  private void watch(int frame, boolean on) {
    if (memory().watch(frame, on)) {
      cpus.forEach(c -> c.watchFrame(frame, on));
    }
  }

  @Override
  public void onWatched(
      Cpu c, Page page, long la, int offset, int bytes, boolean write, long value) {
    afterDevice(c, page, offset, bytes, write);
    Vcpu v = vcpu();
    if (page.frame != v.ghcbFrame) {
      return;
    }
    v.ghcbLinear = la & -4096L;
    if (write && offset < 0x400) {
      // Zeroes wipe what was there; anything else is the next request.
      v.open = value != 0 ? "request" : v.open.equals("answer") ? "" : v.open;
    }
    long masked = bytes >= 8 ? value : value & (1L << 8 * bytes) - 1;
    v.accesses.add(
        write ? Accesses.Kind.WRITE : Accesses.Kind.READ,
        offset,
        bytes,
        masked,
        c.instructionRip());
  }

  @Override
  public void onExecuteOnly(Cpu c, long la) {
    PendingVc.Frame f = vcpu().pending.top();
    emit(
        "execute_only",
        "data read of text",
        c.instructionRip(),
        new Details()
            .with("address", la)
            .with("vc", f == null ? 0L : f.id)
            .with("vc_rip", f == null ? 0L : f.rip));
  }

  @Override
  public void onBlock(Cpu c, long address, int bytes) {
    coverage.add(address, bytes);
  }

  /** {@return which code was executed} */
  public CodeCoverage coverage() {
    return coverage;
  }

  @Override
  public void onInstruction(Cpu c, Insn insn) {
    AnswerCheck a = vcpu().answerCheck;
    a.step(insn, () -> vcpu().accesses.add(Accesses.Kind.COMPARE, 0, 8, 0, c.rip));
    c.follow(a.active());
  }

  // ---- the host

  @Override
  public void exit(int code, long info1, long info2) {
    boolean trap = code >= 0x8F && code <= 0x9F;
    emit(
        trap ? "write_trap" : "exit",
        ExitCode.name(code),
        cpu().exitRip,
        new Details().with("info1", info1).with("info2", info2));
  }

  @Override
  public void vmgexit(long msr) {
    requestMsr = msr;
    servedPage = -1;
  }

  private void peekShared(int frame, byte[] to) {
    memory().peek(frame, Page.SHARED, to);
  }

  @Override
  public void serves(long gpa) {
    servedPage = gpa;
    int frame = (int) (gpa >>> 12);
    pageState = memory().domain(frame) == Page.SHARED ? "shared" : "private";
    mapping = mappingOf(frame);
    peekShared(frame, before.bytes);
    long scratch = before.page.get(GhcbField.SW_SCRATCH) >>> 12;
    scratchState =
        scratch < memory().guestPages() && scratch >= 0
            ? memory().domain((int) scratch) == Page.SHARED ? "shared" : "private"
            : "outside";
  }

  /** How the guest's page tables have the GHCB now, whatever the TLB still says. */
  private String mappingOf(int frame) {
    Cpu c = cpu();
    Vcpu v = vcpu();
    long la = frame == v.ghcbFrame && v.ghcbLinear != -1 ? v.ghcbLinear : c.linearOf(frame);
    if (la == -1 || (c.cr0 & CpuState.CR0_PG) == 0) {
      return "";
    }
    long gpa = c.translateQuietly(la);
    return gpa >>> 12 != frame ? "unmapped" : c.quietPrivate() ? "private" : "shared";
  }

  private Details exchange() {
    PendingVc.Frame f = vcpu().pending.top();
    return new Details()
        .with("vc", f == null ? 0L : f.id)
        .with("rflags", (long) cpu().flags() & 0xFFFF_FFFFL);
  }

  @Override
  public void answered(long msr, @Nullable String ended) {
    if (servedPage >= 0) {
      answeredPage(ended);
      return;
    }
    Details d = exchange();
    if (MsrRequest.info(requestMsr) == 0) {
      d.with("ghcb", requestMsr).with("action", ended == null ? "nothing: no such page" : ended);
      emit("ghcb", "no page", cpu().exitRip, d);
      return;
    }
    d.with("request_msr", requestMsr)
        .with("response_msr", msr)
        .with("request", MsrRequest.explain(requestMsr))
        .with("response", msr == requestMsr ? "unchanged" : MsrRequest.explain(msr));
    if (ended != null) {
      d.with("ended", ended);
    }
    emit("msr_protocol", MsrRequest.name(requestMsr), cpu().exitRip, d);
  }

  private void answeredPage(@Nullable String ended) {
    peekShared((int) (servedPage >>> 12), after.bytes);
    int code = (int) before.page.get(GhcbField.SW_EXITCODE);
    long info1 = before.page.get(GhcbField.SW_EXITINFO1);
    long bytes = before.page.get(GhcbField.SW_EXITINFO2);
    boolean string = code == ExitCode.IOIO && (info1 & 4) != 0;
    bytes = string ? bytes * (info1 >> 4 & 7) : bytes;
    boolean buffered = string || code == ExitCode.MMIO_READ || code == ExitCode.MMIO_WRITE;
    long offset = before.page.get(GhcbField.SW_SCRATCH) - servedPage;
    Details d =
        exchange()
            .with("ghcb", servedPage)
            .with("msr", requestMsr)
            .with("page_state", pageState)
            .with("mapping", mapping)
            .with("request", before.fields(true))
            .with("request_valid", before.bitmap())
            .with("request_unmarked", before.fields(false))
            .with("version", (long) before.page.protocolVersion())
            .with("usage", (long) before.page.usage() & 0xFFFF_FFFFL)
            .with("reserved", before.reserved())
            .with("answer", after.fields(true))
            .with("answer_valid", after.bitmap())
            .with("answer_unmarked", after.fields(false))
            .with("changed", after.written(before.bytes))
            .with("action", ended != null ? ended : AnswerWords.of(after.page));
    if (buffered) {
      d.with("scratch_state", scratchState)
          .with("buffer", before.buffer(offset, bytes))
          .with("answer_buffer", after.buffer(offset, bytes));
    }
    if (ended != null) {
      d.with("ended", ended);
    }
    emit("ghcb", ExitCode.name(code), cpu().exitRip, d);
    vcpu().open = "answer";
  }

  @Override
  public void inject(long event) {
    emit(
        "inject",
        "vector " + (event & 0xFF),
        cpu().rip,
        new Details().with("eventinj", event).with("type", Long.toString(event >>> 8 & 7)));
  }

  @Override
  public void started(int vcpu, String how) {
    emit(
        "ap_start",
        "vCPU " + vcpu,
        cpu().rip,
        new Details().with("started", (long) vcpu).with("how", how));
  }

  // ---- memory

  @Override
  public void converted(int frame, int from, int to) {
    if (frame >= memory().guestPages()) {
      return;
    }
    Details d =
        new Details()
            .with("gpa", (long) frame << 12)
            .with("from", from == Page.SHARED ? "shared" : "private")
            .with("to", to == Page.SHARED ? "shared" : "private");
    if (frame == vcpu().ghcbFrame) {
      d.with("ghcb_open", vcpu().open);
    }
    emit("page_state", to == Page.SHARED ? "shared" : "private", cpu().rip, d);
  }

  @Override
  public void hostReads(int frame, boolean device) {
    if (frame < memory().guestPages() && (long) frame << 12 != servedPage) {
      hostPrivate("read", (long) frame << 12, device);
    }
  }

  @Override
  public void hostWrites(int frame, int offset, int length, boolean device) {
    if (frame >= memory().guestPages()) {
      return;
    }
    hostPrivate("write", ((long) frame << 12) + offset, device);
    if (deep && device) {
      // Whether the guest has shared the page meanwhile shows when it looks at these bytes.
      deviceWrites.put(frame, new int[] {offset, offset + length});
      watch(frame, true);
    }
  }

  private void hostPrivate(String what, long gpa, boolean device) {
    emit(
        "host_private",
        what,
        cpu().rip,
        new Details().with("gpa", gpa).with("by", device ? "device" : "host"));
  }

  /** The guest accesses a page that a device has written to while it was private. */
  private void afterDevice(Cpu c, Page page, int offset, int bytes, boolean write) {
    int[] range = deviceWrites.get(page.frame);
    if (range == null) {
      return;
    }
    boolean isPrivate = memory().domain(page.frame) != Page.SHARED;
    boolean overlaps = offset < range[1] && range[0] < offset + bytes;
    if (isPrivate && !overlaps) {
      return;
    }
    if (isPrivate && !write) {
      emit(
          "dma_noise",
          "read",
          c.instructionRip(),
          new Details().with("gpa", ((long) page.frame << 12) + offset));
    }
    deviceWrites.remove(page.frame);
    if (vcpus.stream().noneMatch(v -> v.ghcbFrame == page.frame)) {
      watch(page.frame, false);
    }
  }

  // ---- the rest of the world

  /** Takes a byte of the console; whole lines become events. */
  public void console(int b) {
    if (b == '\n' || line.length() >= MOST_LINE) {
      byte[] text = line.toString().getBytes(StandardCharsets.ISO_8859_1);
      line.setLength(0);
      emit(
          "console",
          "line",
          cpu().rip,
          new Details().with("text", new String(text, StandardCharsets.UTF_8)));
    } else if (b != '\r') {
      line.append((char) (b & 0xFF));
    }
  }

  /** The guest was launched: what its owner can know of it. */
  public void launched(GuestPolicy policy, String digest, Measurement m) {
    HexFormat hex = HexFormat.of();
    emit(
        "launch",
        "LAUNCH_MEASURE",
        cpu().rip,
        new Details()
            .with("policy", policy.toString())
            .with("digest", digest)
            .with("measurement", hex.formatHex(m.measure()))
            .with("nonce", hex.formatHex(m.nonce())));
  }

  /** The run is over. */
  public void ended(int status, String reason) {
    if (!line.isEmpty()) {
      console('\n');
    }
    emit(
        "end",
        "status " + status,
        cpu().rip,
        new Details().with("status", Integer.toString(status)).with("reason", reason));
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
    b.append(name.isEmpty() ? "" : " in " + name).append(source.isEmpty() ? "" : " " + source);
    return b.toString();
  }

  /** {@return the names in use, moved to where the guest runs} */
  public Symbols symbols() {
    return symbols;
  }
}
