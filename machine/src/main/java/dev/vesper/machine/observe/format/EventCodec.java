package dev.vesper.machine.observe.format;

import dev.vesper.ghcb.ApCreation;
import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.SvsmCall;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Bytes;
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
import dev.vesper.machine.observe.FieldValues;
import dev.vesper.machine.observe.GhcbContents;
import dev.vesper.machine.observe.GhcbUse;
import dev.vesper.machine.observe.Omitted;
import dev.vesper.machine.observe.Operand;
import dev.vesper.machine.observe.PageState;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.observe.RmpState;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Events as kinds, names and details, which is what files have: schema {@code vesper.trace/2} (see
 * docs/trace.md). Nothing else knows what a kind or a detail is called.
 */
public final class EventCodec {
  /** Name and version of the record layout. */
  public static final String SCHEMA = "vesper.trace/2";

  private static final String NO_PAGE = "no page";
  private static final String VMPCK = "VMPCK";
  private static final String VALIDATE = "validate";
  private static final String EXTENDED = "extended request";
  private static final String REFUSED_WRITE = "refused write";

  /** Takes the details of an event in the order in which they are written. */
  @FunctionalInterface
  public interface Details {
    /**
     * Takes one detail.
     *
     * @param value for {@link #append}
     */
    void accept(Key key, Object value);
  }

  private EventCodec() {}

  /** {@return the word for an event's type} */
  public static String kind(Event e) {
    return switch (e) {
      case VcRaised v -> "vc";
      case VcReturned v -> "vc_return";
      case GhcbExchange x -> "ghcb";
      case MsrExchange x -> "msr_protocol";
      case AutomaticExit x -> "exit";
      case WriteTrap t -> "write_trap";
      case Injected i -> "inject";
      case PageStateChanged p -> "page_state";
      case HostAccess h -> "host_private";
      case DmaNoise d -> "dma_noise";
      case ExecuteOnlyRead x -> "execute_only";
      case VcpuStarted s -> "ap_start";
      case Pvalidate p -> "pvalidate";
      case Rmpadjust a -> "rmpadjust";
      case Rmpquery q -> "rmpquery";
      case RmpChanged r -> "rmp";
      case RmpViolation v -> "rmp_violation";
      case ApCreationAsked a -> "ap_creation";
      case GhcbRegistered g -> "ghcb_register";
      case GuestRequestAnswered g -> "guest_request";
      case SvsmCalled c -> "svsm_call";
      case Omission o -> "omission";
      case CpuidLaunched l -> "cpuid_page";
      case KeyExposed k -> "key_exposed";
      case HostileRule h -> "hostile";
      case FlowFound f -> "flow";
      case ConsoleLine c -> "console";
      case Place p -> "place";
      case Launched l -> "launch";
      case Ended x -> "end";
    };
  }

  /** {@return the exit's name, or a word of the kind} */
  public static String name(Event e) {
    return switch (e) {
      case VcRaised v -> ExitCode.name(v.exit());
      case VcReturned v -> ExitCode.name(v.exit());
      case GhcbExchange x -> x.page() == PageState.OUTSIDE ? NO_PAGE : ExitCode.name(x.exit());
      case MsrExchange x -> MsrRequest.name(x.request());
      case AutomaticExit x -> ExitCode.name(x.exit());
      case WriteTrap t -> ExitCode.name(t.exit());
      case Injected i -> "vector " + i.vector();
      case PageStateChanged p -> p.to().toString();
      case HostAccess h -> !h.write() ? "read" : h.refused() ? REFUSED_WRITE : "write";
      case DmaNoise d -> "read";
      case ExecuteOnlyRead x -> "data read of text";
      case VcpuStarted s -> "vCPU " + s.vcpu();
      case Pvalidate p -> p.validate() ? VALIDATE : "rescind";
      case Rmpadjust a -> "VMPL" + a.vmpl();
      case Rmpquery q -> "VMPL" + q.vmpl();
      case RmpChanged r -> r.cause().toString();
      case RmpViolation v -> v.access().toString();
      case ApCreationAsked a -> ApCreation.of(a.info1()).toString();
      case GhcbRegistered g -> MsrRequest.name(MsrRequest.REGISTER_GHCB_REQ);
      case GuestRequestAnswered g -> g.extended() ? EXTENDED : "request";
      case SvsmCalled c -> SvsmCall.name(c.call());
      case Omission o -> o.what().toString();
      case CpuidLaunched l -> "page";
      case KeyExposed k -> VMPCK + k.key();
      case HostileRule h -> "rule " + h.rule();
      case FlowFound f -> f.kind().id();
      case ConsoleLine c -> "line";
      case Place p -> "access";
      case Launched l -> "LAUNCH_MEASURE";
      case Ended x -> "status " + x.status();
    };
  }

  // ---- details

  /** Hands on the details of an event that hold something. */
  public static void details(Event e, Details to) {
    switch (e) {
      case VcRaised v -> raised(v, to);
      case VcReturned v -> {
        to.accept(Key.ERROR_CODE, v.exit() & 0xFFFF_FFFFL);
        to.accept(Key.VC, v.vc());
        to.accept(Key.VC_RIP, v.vcRip());
        to.accept(Key.RFLAGS, v.rflags());
        to.accept(Key.SPENT, Long.toString(v.spent()));
        to.accept(Key.REGS, v.registers());
        bytes(to, Key.MEMORY, v.memory());
        ranges(to, Key.GHCB_CHANGED, v.ghcbChanged());
      }
      case GhcbExchange x -> exchange(x, to);
      case MsrExchange x -> {
        to.accept(Key.VC, x.vc());
        to.accept(Key.RFLAGS, x.rflags());
        to.accept(Key.REQUEST_MSR, x.request());
        to.accept(Key.RESPONSE_MSR, x.response());
        to.accept(Key.REQUEST, request(x));
        to.accept(Key.RESPONSE, response(x));
        text(to, Key.ENDED, x.ended());
      }
      case AutomaticExit x -> {
        to.accept(Key.INFO1, x.info1());
        to.accept(Key.INFO2, x.info2());
      }
      case WriteTrap t -> {
        to.accept(Key.INFO1, t.info1());
        to.accept(Key.INFO2, t.info2());
      }
      case Injected i -> {
        to.accept(Key.EVENTINJ, i.event());
        to.accept(Key.TYPE, Integer.toString(i.type()));
      }
      case PageStateChanged p -> {
        to.accept(Key.GPA, p.gpa());
        text(to, Key.FROM, p.from().toString());
        text(to, Key.TO, p.to().toString());
        text(to, Key.GHCB_OPEN, p.ghcbOpen().toString());
      }
      case HostAccess h -> {
        to.accept(Key.GPA, h.gpa());
        to.accept(Key.BY, h.device() ? "device" : "host");
      }
      case DmaNoise d -> to.accept(Key.GPA, d.gpa());
      case ExecuteOnlyRead x -> {
        to.accept(Key.ADDRESS, x.address());
        to.accept(Key.VC, x.vc());
        to.accept(Key.VC_RIP, x.vcRip());
      }
      case VcpuStarted s -> {
        to.accept(Key.STARTED, (long) s.vcpu());
        text(to, Key.HOW, s.how());
      }
      case Pvalidate p -> SnpEvents.pvalidate(p, to);
      case Rmpadjust a -> SnpEvents.rmpadjust(a, to);
      case Rmpquery q -> SnpEvents.rmpquery(q, to);
      case RmpChanged r -> SnpEvents.changed(r, to);
      case RmpViolation v -> SnpEvents.violation(v, to);
      case ApCreationAsked a -> SnpEvents.creation(a, to);
      case GhcbRegistered g -> to.accept(Key.GHCB, g.gpa());
      case GuestRequestAnswered g -> SnpEvents.request(g, to);
      case SvsmCalled c -> SnpEvents.called(c, to);
      case Omission o -> to.accept(Key.GPA, o.gpa());
      case CpuidLaunched l -> {
        to.accept(Key.GPA, l.gpa());
        bytes(to, Key.MEMORY, l.page());
      }
      case KeyExposed k -> to.accept(Key.GPA, k.gpa());
      case HostileRule h -> HostileEvents.fired(h, to);
      case FlowFound f -> HostileEvents.found(f, to);
      case ConsoleLine c -> text(to, Key.TEXT, c.text());
      case Place p -> {
        // nothing but the place
      }
      case Launched l -> {
        text(to, Key.POLICY, l.policy());
        bytes(to, Key.DIGEST, l.digest());
        bytes(to, Key.MEASUREMENT, l.measurement());
        bytes(to, Key.NONCE, l.nonce());
      }
      case Ended x -> {
        to.accept(Key.STATUS, Integer.toString(x.status()));
        text(to, Key.REASON, x.reason());
      }
    }
    if (e.at().accesses().size() != 0) {
      to.accept(Key.ACCESSES, e.at().accesses());
    }
  }

  private static void raised(VcRaised v, Details to) {
    to.accept(Key.ERROR_CODE, v.exit() & 0xFFFF_FFFFL);
    to.accept(Key.VC, v.vc());
    to.accept(Key.RFLAGS, v.rflags());
    to.accept(Key.REGS, v.registers());
    bytes(to, Key.BYTES, v.bytes());
    operand(to, Key.OPERAND, v.operand());
    operand(to, Key.SOURCE, v.source());
    operand(to, Key.DEST, v.dest());
    if (v.portsAllowed() != null) {
      to.accept(Key.PORTS_ALLOWED, v.portsAllowed() ? 1L : 0L);
    }
    bytes(to, Key.MEMORY, v.memory());
    if (v.exit() == ExitCode.CPUID) {
      to.accept(Key.XCR0, v.xcr0());
    }
    text(to, Key.GHCB_OPEN, v.ghcbOpen().toString());
    if (v.nestedIn() != 0) {
      to.accept(Key.NESTED_IN, v.nestedIn());
    }
  }

  private static void exchange(GhcbExchange x, Details to) {
    to.accept(Key.VC, x.vc());
    to.accept(Key.RFLAGS, x.rflags());
    to.accept(Key.GHCB, x.ghcb());
    if (x.page() == PageState.OUTSIDE) {
      text(to, Key.ACTION, x.action());
      return;
    }
    to.accept(Key.MSR, x.msr());
    text(to, Key.PAGE_STATE, x.page().toString());
    text(to, Key.MAPPING, x.mapping().toString());
    fields(to, Key.REQUEST, x.request().valid());
    bytes(to, Key.REQUEST_VALID, x.request().bitmap());
    fields(to, Key.REQUEST_UNMARKED, x.request().unmarked());
    to.accept(Key.VERSION, (long) x.version());
    to.accept(Key.USAGE, x.usage());
    ranges(to, Key.RESERVED, x.reserved());
    fields(to, Key.ANSWER, x.answer().valid());
    bytes(to, Key.ANSWER_VALID, x.answer().bitmap());
    fields(to, Key.ANSWER_UNMARKED, x.answer().unmarked());
    ranges(to, Key.CHANGED, x.changed());
    text(to, Key.ACTION, x.action());
    text(to, Key.SCRATCH_STATE, x.scratch().toString());
    bytes(to, Key.BUFFER, x.request().buffer());
    bytes(to, Key.ANSWER_BUFFER, x.answer().buffer());
    text(to, Key.ENDED, x.ended());
  }

  static void text(Details to, Key k, @Nullable String s) {
    if (s != null && !s.isEmpty()) {
      to.accept(k, s);
    }
  }

  private static void bytes(Details to, Key k, Bytes b) {
    if (!b.isEmpty()) {
      to.accept(k, b);
    }
  }

  private static void ranges(Details to, Key k, List<ByteRange> l) {
    if (!l.isEmpty()) {
      to.accept(k, l);
    }
  }

  private static void fields(Details to, Key k, FieldValues m) {
    if (!m.isEmpty()) {
      to.accept(k, m);
    }
  }

  private static void operand(Details to, Key k, @Nullable Operand o) {
    if (o != null) {
      to.accept(k, o);
    }
  }

  private static int vmpck(String name) {
    if (!name.matches(VMPCK + "[0-3]")) {
      throw new IllegalArgumentException("it has no key '" + name + "'");
    }
    return name.charAt(VMPCK.length()) - '0';
  }

  /** {@return what an MSR-protocol request says} */
  public static String request(MsrExchange x) {
    return MsrRequest.explain(x.request());
  }

  /** {@return what the response says} */
  public static String response(MsrExchange x) {
    return x.response() == x.request() ? "unchanged" : MsrRequest.explain(x.response());
  }

  /** Appends a detail as text. */
  public static void append(TextBuffer b, Key k, Object value) {
    switch (value) {
      case String s -> b.add(s);
      case Long l -> Grammar.number(b, l);
      case Registers r -> Grammar.registers(b, r);
      case Bytes v -> Grammar.bytes(b, v, k == Key.BYTES);
      case FieldValues v -> Grammar.fields(b, v);
      case List<?> l -> Grammar.ranges(b, l);
      case Operand o -> Grammar.operand(b, o);
      case Accesses a -> Grammar.accesses(b, a);
      case RmpState s -> Grammar.rmpState(b, s);
      default -> throw new IllegalArgumentException("no detail: " + value.getClass());
    }
  }

  /** Appends a detail as text for people, on one line: see {@link Visible}. */
  public static void show(TextBuffer b, Key k, Object value) {
    if (value instanceof String s) {
      b.add(Visible.of(s));
    } else {
      append(b, k, value);
    }
  }

  // ---- JSON

  private static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }

  private static final byte[] HEAD = ascii("{\"schema\":\"" + SCHEMA + "\",\"kind\":");
  private static final byte[] TIME = ascii(",\"time_ns\":");
  private static final byte[] INSTRUCTIONS = ascii(",\"instructions\":");
  private static final byte[] VCPU = ascii(",\"vcpu\":");
  private static final byte[] BITS = ascii(",\"bits\":");
  private static final byte[] CPL = ascii(",\"cpl\":");
  private static final byte[] LEVEL = ascii(",\"level\":");
  private static final byte[] RIP = ascii(",\"rip\":\"");
  private static final byte[] SYMBOL = ascii("\",\"symbol\":");
  private static final byte[] SOURCE = ascii(",\"source\":");
  private static final byte[] INSTRUCTION = ascii(",\"instruction\":");
  private static final byte[] NAME = ascii(",\"name\":");

  /**
   * Appends an event as a JSON object.
   *
   * @param texts of this file
   */
  static void write(TextBuffer b, QuotedTexts texts, Event e) {
    At at = e.at();
    b.add(HEAD);
    texts.append(b, kind(e));
    b.add(TIME).decimal(at.time()).add(INSTRUCTIONS).decimal(at.instructions());
    b.add(VCPU).decimal(at.vcpu()).add(BITS).decimal(at.bits()).add(CPL).decimal(at.cpl());
    if (at.vmpl() != 0) {
      b.add(LEVEL).decimal(at.vmpl());
    }
    b.add(RIP);
    Grammar.number(b, at.rip());
    b.add(SYMBOL);
    texts.append(b, at.symbol());
    b.add(SOURCE);
    texts.append(b, at.source());
    b.add(INSTRUCTION);
    texts.append(b, at.instruction());
    b.add(NAME);
    texts.append(b, name(e));
    details(
        e,
        (k, v) -> {
          b.add(k.member);
          if (v instanceof String s) {
            texts.append(b, s);
          } else {
            b.add('"');
            append(b, k, v);
            b.add('"');
          }
        });
    b.add('}');
  }

  /**
   * {@return the event of a JSON object}
   *
   * @throws IllegalArgumentException if it is none of this schema, with what is wrong
   */
  public static Event read(String json) {
    TraceRecord r = new TraceRecord(json);
    At at =
        new At(
            r.count("time_ns"),
            r.count("instructions"),
            r.below("vcpu", 1 << 16),
            r.oneOf("bits", 16, 32, 64),
            r.below("cpl", 4),
            r.belowOrZero("level", 4),
            r.count("rip"),
            r.common("symbol"),
            r.common("source"),
            r.common("instruction"),
            r.has(Key.ACCESSES)
                ? Grammar.accesses(Key.ACCESSES, r.text(Key.ACCESSES))
                : Accesses.NONE);
    String kind = r.common("kind");
    String name = r.common("name");
    return switch (kind) {
      case "vc" -> raised(at, r);
      case "vc_return" ->
          new VcReturned(
              at,
              r.integer(Key.ERROR_CODE),
              r.number(Key.VC),
              r.number(Key.VC_RIP),
              r.number(Key.RFLAGS),
              r.number(Key.SPENT),
              r.registers(Key.REGS),
              r.bytes(Key.MEMORY),
              r.ranges(Key.GHCB_CHANGED));
      case "ghcb" -> exchange(at, r, name.equals(NO_PAGE));
      case "msr_protocol" ->
          new MsrExchange(
              at,
              r.number(Key.VC),
              r.number(Key.RFLAGS),
              r.number(Key.REQUEST_MSR),
              r.number(Key.RESPONSE_MSR),
              r.optional(Key.ENDED));
      case "exit" -> new AutomaticExit(at, exit(name), r.number(Key.INFO1), r.number(Key.INFO2));
      case "write_trap" -> new WriteTrap(at, exit(name), r.number(Key.INFO1), r.number(Key.INFO2));
      case "inject" -> new Injected(at, r.number(Key.EVENTINJ));
      case "page_state" ->
          new PageStateChanged(
              at,
              r.number(Key.GPA),
              r.word(Key.FROM, PageState.class, PageState.UNKNOWN),
              r.word(Key.TO, PageState.class, PageState.UNKNOWN),
              r.word(Key.GHCB_OPEN, GhcbUse.class, GhcbUse.NONE));
      case "host_private" ->
          new HostAccess(
              at,
              !name.equals("read"),
              r.number(Key.GPA),
              r.text(Key.BY).equals("device"),
              name.equals(REFUSED_WRITE));
      case "dma_noise" -> new DmaNoise(at, r.number(Key.GPA));
      case "execute_only" ->
          new ExecuteOnlyRead(at, r.number(Key.ADDRESS), r.number(Key.VC), r.number(Key.VC_RIP));
      case "ap_start" -> new VcpuStarted(at, r.integer(Key.STARTED), r.text(Key.HOW));
      case "pvalidate" -> SnpEvents.pvalidate(at, r, name.equals(VALIDATE));
      case "rmpadjust" -> SnpEvents.rmpadjust(at, r);
      case "rmpquery" -> SnpEvents.rmpquery(at, r);
      case "rmp" -> SnpEvents.changed(at, r);
      case "rmp_violation" -> SnpEvents.violation(at, r);
      case "ap_creation" -> SnpEvents.creation(at, r);
      case "ghcb_register" -> new GhcbRegistered(at, r.number(Key.GHCB));
      case "guest_request" -> SnpEvents.request(at, r, name.equals(EXTENDED));
      case "svsm_call" -> SnpEvents.called(at, r);
      case "omission" ->
          new Omission(at, Grammar.word("name", name, Omitted.class), r.number(Key.GPA));
      case "key_exposed" -> new KeyExposed(at, vmpck(name), r.number(Key.GPA));
      case "cpuid_page" -> new CpuidLaunched(at, r.number(Key.GPA), r.bytes(Key.MEMORY));
      case "hostile" -> HostileEvents.fired(at, r);
      case "flow" -> HostileEvents.found(at, name, r);
      case "console" -> new ConsoleLine(at, r.text(Key.TEXT));
      case "place" -> new Place(at);
      case "launch" ->
          new Launched(
              at,
              r.text(Key.POLICY),
              r.bytes(Key.DIGEST),
              r.bytes(Key.MEASUREMENT),
              r.bytes(Key.NONCE));
      case "end" -> new Ended(at, r.integer(Key.STATUS), r.text(Key.REASON));
      default -> throw new IllegalArgumentException("its kind is " + Grammar.shown(kind));
    };
  }

  private static int exit(String name) {
    return ExitCode.of(name)
        .orElseThrow(() -> new IllegalArgumentException("its name is no exit's"));
  }

  private static VcRaised raised(At at, TraceRecord r) {
    return new VcRaised(
        at,
        r.integer(Key.ERROR_CODE),
        r.number(Key.VC),
        r.number(Key.RFLAGS),
        r.registers(Key.REGS),
        r.bytes(Key.BYTES),
        r.operand(Key.OPERAND),
        r.operand(Key.SOURCE),
        r.operand(Key.DEST),
        r.has(Key.PORTS_ALLOWED) ? r.number(Key.PORTS_ALLOWED) != 0 : null,
        r.bytes(Key.MEMORY),
        r.number(Key.XCR0),
        r.word(Key.GHCB_OPEN, GhcbUse.class, GhcbUse.NONE),
        r.number(Key.NESTED_IN));
  }

  private static GhcbExchange exchange(At at, TraceRecord r, boolean noPage) {
    return new GhcbExchange(
        at,
        r.number(Key.VC),
        r.number(Key.RFLAGS),
        r.number(Key.GHCB),
        noPage ? r.number(Key.GHCB) : r.number(Key.MSR),
        noPage ? PageState.OUTSIDE : r.word(Key.PAGE_STATE, PageState.class, PageState.UNKNOWN),
        r.word(Key.MAPPING, PageState.class, PageState.UNKNOWN),
        noPage
            ? GhcbContents.NONE
            : new GhcbContents(
                r.fields(Key.REQUEST),
                r.fields(Key.REQUEST_UNMARKED),
                r.bytes(Key.REQUEST_VALID),
                r.bytes(Key.BUFFER)),
        noPage
            ? GhcbContents.NONE
            : new GhcbContents(
                r.fields(Key.ANSWER),
                r.fields(Key.ANSWER_UNMARKED),
                r.bytes(Key.ANSWER_VALID),
                r.bytes(Key.ANSWER_BUFFER)),
        r.integer(Key.VERSION),
        r.number(Key.USAGE),
        r.ranges(Key.RESERVED),
        r.ranges(Key.CHANGED),
        r.word(Key.SCRATCH_STATE, PageState.class, PageState.UNKNOWN),
        r.text(Key.ACTION),
        r.optional(Key.ENDED));
  }
}
