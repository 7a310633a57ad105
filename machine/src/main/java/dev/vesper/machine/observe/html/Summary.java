package dev.vesper.machine.observe.html;

import dev.vesper.ghcb.ApCreation;
import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.NaeEvent;
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
import dev.vesper.machine.observe.Operand;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.observe.format.EventCodec;
import dev.vesper.machine.observe.format.HostileEvents;
import dev.vesper.machine.observe.format.SnpWords;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import org.jspecify.annotations.Nullable;

/** What an event is about, in some words: the port, the register or the leaf, and the value. */
final class Summary {
  /** What an instruction does that #VC has interrupted: its return is about the same. */
  enum Direction {
    /** It takes a value. */
    IN,
    /** It gives one. */
    OUT,
    /** It does neither, or several times. */
    NONE
  }

  // SW_EXITINFO1 of IOIO (APM volume 2, figure 15-2).
  private static final int IN = 1;
  private static final int STRING = 4;

  private static final String TO = " ← ";
  private static final String FROM = " → ";

  private Summary() {}

  /**
   * {@return the words}
   *
   * @param direction of the #VC that an event is in
   */
  static String of(Event e, Direction direction) {
    return switch (e) {
      case VcRaised v -> raised(v);
      case VcReturned v -> returned(v, direction);
      case GhcbExchange x -> exchange(x);
      case MsrExchange x -> EventCodec.request(x) + FROM + EventCodec.response(x);
      case AutomaticExit x -> infos(x.info1(), x.info2());
      case WriteTrap t -> "new value " + Event.hex(t.info1());
      case Injected i ->
          switch (i.type()) {
                case 0 -> "interrupt ";
                case 2 -> "NMI ";
                case 3 -> "exception ";
                default -> "software interrupt ";
              }
              + Event.hex(i.vector());
      case PageStateChanged p -> Event.hex(p.gpa()) + ": " + p.from() + FROM + p.to();
      case HostAccess h -> Event.hex(h.gpa()) + " by " + (h.device() ? "a device" : "the host");
      case DmaNoise d -> Event.hex(d.gpa());
      case ExecuteOnlyRead x -> Event.hex(x.address());
      case VcpuStarted s -> s.how();
      case Pvalidate p -> SnpWords.pvalidate(p);
      case Rmpadjust a -> SnpWords.rmpadjust(a);
      case Rmpquery q -> SnpWords.rmpquery(q);
      case RmpChanged r -> SnpWords.changed(r);
      case RmpViolation v -> SnpWords.violation(v);
      case ApCreationAsked a -> SnpWords.creation(a);
      case GhcbRegistered g -> Event.hex(g.gpa());
      case GuestRequestAnswered g -> SnpWords.request(g);
      case SvsmCalled c -> SnpWords.called(c);
      case Omission o -> Event.hex(o.gpa());
      case CpuidLaunched l -> Event.hex(l.gpa());
      case KeyExposed k -> Event.hex(k.gpa());
      case HostileRule h -> HostileEvents.words(h);
      case FlowFound f -> f.kind().words() + ": " + f.origin() + " → " + f.sink();
      case ConsoleLine c -> c.text();
      case Place p -> "";
      case Launched l -> "policy " + l.policy();
      case Ended x -> x.reason();
    };
  }

  private static String infos(long info1, long info2) {
    return info1 == 0 && info2 == 0 ? "" : Event.hex(info1) + ", " + Event.hex(info2);
  }

  // ---- #VC

  private static @Nullable Insn decoded(VcRaised v) {
    byte[] b = v.bytes().toArray();
    Insn in = new Insn();
    return b.length != 0 && Decoder.decode(b, 0, b.length, v.at().bits(), in) == Decoder.Outcome.OK
        ? in
        : null;
  }

  /** {@return whether the interrupted instruction takes or gives a value} */
  static Direction direction(VcRaised v) {
    Insn in = v.exit() == ExitCode.MSR || v.exit() == ExitCode.IOIO ? decoded(v) : null;
    return switch (in == null ? "" : in.mnemonic()) {
      case "in", "rdmsr" -> Direction.IN;
      case "out", "wrmsr" -> Direction.OUT;
      default -> Direction.NONE;
    };
  }

  private static String raised(VcRaised v) {
    Registers r = v.registers();
    return switch (v.exit()) {
      case ExitCode.CPUID -> leaf(r.rax(), r.rcx());
      case ExitCode.MSR ->
          MsrNames.of((int) r.rcx()) + (direction(v) == Direction.OUT ? TO + pair(r) : "");
      case ExitCode.IOIO -> {
        Insn in = decoded(v);
        yield in == null ? "" : port(in, r);
      }
      case ExitCode.NPF -> {
        Operand o = v.operand() != null ? v.operand() : v.dest() != null ? v.dest() : v.source();
        yield o == null ? "" : "at " + Event.hex(o.mapped() ? o.gpa() : o.linear());
      }
      default -> "";
    };
  }

  private static String port(Insn in, Registers r) {
    long port = r.rdx() & 0xFFFF;
    int value = -1;
    for (int i = 0; i < in.form().operands.size(); i++) {
      OperandSpec o = in.form().operands.get(i);
      if (o.kind() == OperandKind.IMMEDIATE) {
        port = in.imm & 0xFF;
      } else if (in.mnemonic().equals("out") && i == 1) {
        value = o.width(in);
      }
    }
    return "port " + Event.hex(port) + (value > 0 ? TO + number(r.rax(), value) : "");
  }

  private static String returned(VcReturned v, Direction direction) {
    Registers r = v.registers();
    return switch (v.exit()) {
      case ExitCode.CPUID -> FROM.substring(1) + cpuid(r.rax(), r.rbx(), r.rcx(), r.rdx());
      case ExitCode.RDTSC, ExitCode.RDTSCP, ExitCode.RDPMC -> FROM.substring(1) + pair(r);
      case ExitCode.MSR -> direction == Direction.IN ? FROM.substring(1) + pair(r) : "";
      case ExitCode.IOIO ->
          direction == Direction.IN ? FROM.substring(1) + "rax " + Event.hex(r.rax()) : "";
      default -> "";
    };
  }

  private static String pair(Registers r) {
    return Event.hex(pair(r.rax(), r.rdx()));
  }

  private static long pair(long rax, long rdx) {
    return rdx << 32 | rax & 0xFFFF_FFFFL;
  }

  private static String leaf(long rax, long rcx) {
    return "leaf " + low(rax) + "/" + low(rcx);
  }

  private static String low(long v) {
    return Event.hex(v & 0xFFFF_FFFFL);
  }

  private static String cpuid(long rax, long rbx, long rcx, long rdx) {
    return "eax " + low(rax) + " ebx " + low(rbx) + " ecx " + low(rcx) + " edx " + low(rdx);
  }

  /** {@return the lowest bytes of a number, and the character that a byte is} */
  private static String number(long v, int bytes) {
    long low = bytes >= 8 ? v : v & (1L << 8 * bytes) - 1;
    return Event.hex(low) + (bytes == 1 && low > ' ' && low < 0x7F ? " '" + (char) low + "'" : "");
  }

  // ---- exchanges

  private static String exchange(GhcbExchange x) {
    String text = nae(x);
    String action = x.action().equals("done") ? "" : x.action();
    return text.isEmpty() || action.isEmpty() ? text + action : text + "; " + action;
  }

  private static String nae(GhcbExchange x) {
    NaeEvent event = NaeEvent.of(x.exit());
    boolean done = x.status() == 0;
    long info1 = x.request().get(GhcbField.SW_EXITINFO1);
    long info2 = x.request().get(GhcbField.SW_EXITINFO2);
    if (event == null) {
      return infos(info1, info2);
    }
    return switch (event) {
      case CPUID ->
          leaf(asked(x, GhcbField.RAX), asked(x, GhcbField.RCX))
              + (done
                  ? FROM
                      + cpuid(
                          told(x, GhcbField.RAX),
                          told(x, GhcbField.RBX),
                          told(x, GhcbField.RCX),
                          told(x, GhcbField.RDX))
                  : "");
      case IOIO -> ports(x, info1, done);
      case MSR -> {
        String name = MsrNames.of((int) asked(x, GhcbField.RCX));
        yield info1 != 0
            ? name + TO + Event.hex(pair(asked(x, GhcbField.RAX), asked(x, GhcbField.RDX)))
            : done
                ? name + FROM + Event.hex(pair(told(x, GhcbField.RAX), told(x, GhcbField.RDX)))
                : name;
      }
      case MMIO_READ -> Event.hex(info1) + (done ? FROM + memory(x.answer().buffer()) : "");
      case MMIO_WRITE -> Event.hex(info1) + TO + memory(x.request().buffer());
      case VMMCALL ->
          "rax "
              + Event.hex(asked(x, GhcbField.RAX))
              + (done ? FROM + Event.hex(told(x, GhcbField.RAX)) : "");
      case DR7_WRITE -> TO.substring(1) + Event.hex(asked(x, GhcbField.RAX));
      case DR7_READ -> done ? FROM.substring(1) + Event.hex(told(x, GhcbField.DR7)) : "";
      case RDTSC, RDTSCP, RDPMC ->
          done
              ? FROM.substring(1) + Event.hex(pair(told(x, GhcbField.RAX), told(x, GhcbField.RDX)))
              : "";
      case HV_FEATURES ->
          done ? FROM.substring(1) + Event.hex(told(x, GhcbField.SW_EXITINFO2)) : "";
      case SNP_AP_CREATION -> ApCreation.of(info1) + ", save area " + Event.hex(info2);
      case INVD,
          WBINVD,
          MONITOR,
          MWAIT,
          NMI_COMPLETE,
          AP_RESET_HOLD,
          AP_JUMP_TABLE,
          SNP_PAGE_STATE_CHANGE,
          SNP_GUEST_REQUEST,
          SNP_EXTENDED_GUEST_REQUEST,
          HV_DOORBELL_PAGE,
          HV_IPI,
          HV_TIMER,
          APIC_ID_LIST,
          SNP_RUN_VMPL,
          TERMINATION,
          UNSUPPORTED_EVENT ->
          infos(info1, info2);
    };
  }

  private static long asked(GhcbExchange x, GhcbField f) {
    return x.request().get(f);
  }

  private static long told(GhcbExchange x, GhcbField f) {
    return x.answer().get(f);
  }

  private static String ports(GhcbExchange x, long info1, boolean done) {
    String port = "port " + Event.hex(info1 >>> 16 & 0xFFFF);
    int bytes = (int) (info1 >>> 4) & 7;
    boolean in = (info1 & IN) != 0;
    if ((info1 & STRING) != 0) {
      Bytes b = in ? x.answer().buffer() : x.request().buffer();
      return port + (in ? FROM : TO) + b.length() + " bytes";
    }
    if (in) {
      return done ? port + FROM + number(told(x, GhcbField.RAX), bytes) : port;
    }
    return port + TO + number(asked(x, GhcbField.RAX), bytes);
  }

  /** {@return a number of up to eight bytes, which lies in memory with its lowest byte first} */
  private static String memory(Bytes b) {
    if (b.isEmpty() || b.length() > 8) {
      return b.length() + " bytes";
    }
    long v = 0;
    for (int i = b.length() - 1; i >= 0; i--) {
      v = v << 8 | b.get(i) & 0xFF;
    }
    return Event.hex(v) + " (" + b.length() + (b.length() == 1 ? " byte)" : " bytes)");
  }
}
