package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.NaeEvent;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.Accesses.Access;
import dev.vesper.machine.observe.Accesses.Kind;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.TrapFrame.Operand;
import dev.vesper.x86.Insn;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The rules for what the guest puts into the GHCB. */
final class RequestRules {
  private static final int IF = 0x200;
  private static final int BUFFER_END = GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE;

  /** Fields that carry registers of the guest. */
  private static final Set<GhcbField> REGISTERS =
      EnumSet.complementOf(
          EnumSet.of(
              GhcbField.SW_EXITCODE,
              GhcbField.SW_EXITINFO1,
              GhcbField.SW_EXITINFO2,
              GhcbField.SW_SCRATCH));

  private final Findings findings;

  RequestRules(Findings findings) {
    this.findings = findings;
  }

  /**
   * Judges the page itself.
   *
   * @return whether the host could read what the guest wrote
   */
  boolean page(Event e, long vc) {
    String state = e.text("page_state");
    String mapping = e.text("mapping");
    boolean isPrivate = state.equals("private");
    if (isPrivate && !mapping.equals("shared")) {
      findings.add(
          Rule.GHCB_NOT_SHARED,
          e,
          vc,
          "the GHCB at 0x" + hex(e, "ghcb") + " is private: the host sees ciphertext");
    } else if (isPrivate || !mapping.isEmpty() && !mapping.equals("shared")) {
      findings.add(
          Rule.GHCB_STALE_TLB,
          e,
          vc,
          "the GHCB at 0x"
              + hex(e, "ghcb")
              + " is "
              + mapping
              + " in the page tables, but was written as "
              + state
              + " by an old translation");
    }
    return !isPrivate;
  }

  private static String hex(Event e, String key) {
    return Long.toHexString(e.number(key));
  }

  /** Judges a request on its own. */
  void request(Event e, Exchange x, long vc) {
    if ((e.number("rflags") & IF) != 0) {
      findings.add(
          Rule.GHCB_INTERRUPTIBLE,
          e,
          vc,
          "VMGEXIT for " + e.name() + " with RFLAGS.IF set: an interrupt may use the GHCB");
    }
    if (e.number("usage") != 0) {
      findings.add(Rule.GHCB_USAGE, e, vc, "GHCB_USAGE is 0x" + hex(e, "usage"));
      return;
    }
    if (!e.text("reserved").isEmpty()) {
      reserved(e, vc);
    }
    valid(e, x, vc);
    NaeEvent event = NaeEvent.of(x.code());
    if (event != null) {
      leaks(e, x, event, vc);
    }
    scratch(e, x, vc);
  }

  private void reserved(Event e, long vc) {
    String[] range = e.text("reserved").split(" ")[0].split("-");
    int from = Integer.parseInt(range[0], 16);
    int to = Integer.parseInt(range[range.length - 1], 16);
    findings.add(
        Rule.RESERVED_WRITE,
        e,
        writer(e, from, to - from + 1),
        vc,
        "reserved bytes of the GHCB are not zero: " + e.text("reserved"));
  }

  /** {@return the instruction that wrote to a range last, or VMGEXIT if nobody was seen} */
  private static long writer(Event e, int from, int length) {
    Accesses a = e.accesses();
    for (int i = a.size() - 1; i >= 0; i--) {
      Access x = a.get(i);
      if (x.kind() == Kind.WRITE && x.touches(from, length)) {
        return x.rip();
      }
    }
    return e.rip();
  }

  private void valid(Event e, Exchange x, long vc) {
    Set<GhcbField> basics =
        EnumSet.of(GhcbField.SW_EXITCODE, GhcbField.SW_EXITINFO1, GhcbField.SW_EXITINFO2);
    basics.removeAll(x.request().keySet());
    if (!basics.isEmpty()) {
      findings.add(
          Rule.EXIT_FIELDS_VALID, e, vc, "not marked valid for " + e.name() + ": " + basics);
    }
    NaeEvent event = NaeEvent.of(x.code());
    if (event == null) {
      return;
    }
    Set<GhcbField> missing = event.required(x::asked);
    missing.removeAll(x.request().keySet());
    if (missing.isEmpty()) {
      return;
    }
    Rule r =
        missing.contains(GhcbField.SW_SCRATCH)
            ? Rule.SCRATCH_VALID
            : event == NaeEvent.CPUID ? Rule.CPUID_INPUTS_VALID : Rule.INPUTS_VALID;
    findings.add(r, e, vc, "not marked valid for " + e.name() + ": " + missing);
  }

  private void leaks(Event e, Exchange x, NaeEvent event, long vc) {
    Set<GhcbField> allowed = event.allowed(x::asked);
    Set<GhcbField> extra = EnumSet.noneOf(GhcbField.class);
    extra.addAll(x.request().keySet());
    extra.removeAll(allowed);
    extra.retainAll(REGISTERS);
    if (!extra.isEmpty()) {
      GhcbField f = extra.iterator().next();
      findings.add(
          Rule.REGISTER_LEAK,
          e,
          writer(e, f.offset, f.bytes),
          vc,
          e.name() + " does not need " + extra + ", which the guest exports");
    }
    Accesses a = e.accesses();
    for (int i = 0; i < a.size(); i++) {
      Access w = a.get(i);
      if (w.kind() != Kind.WRITE || w.value() == 0) {
        continue;
      }
      for (GhcbField f : REGISTERS) {
        if (w.touches(f.offset, f.bytes)
            && !allowed.contains(f)
            && !x.request().containsKey(f)
            && x.unmarked().containsKey(f)) {
          findings.add(
              Rule.UNMARKED_LEAK,
              e,
              w.rip(),
              vc,
              f + " is written to the shared page, though " + e.name() + " does not need it");
        }
      }
    }
  }

  private static boolean usesScratch(Exchange x) {
    return x.code() == ExitCode.MMIO_READ
        || x.code() == ExitCode.MMIO_WRITE
        || x.code() == ExitCode.IOIO && (x.asked(GhcbField.SW_EXITINFO1) & 4) != 0;
  }

  private void scratch(Event e, Exchange x, long vc) {
    if (!usesScratch(x)) {
      return;
    }
    long bytes = x.asked(GhcbField.SW_EXITINFO2);
    if (x.code() == ExitCode.IOIO) {
      bytes *= x.asked(GhcbField.SW_EXITINFO1) >> 4 & 7;
    }
    long at = x.asked(GhcbField.SW_SCRATCH);
    long offset = at - e.number("ghcb");
    boolean inPage = offset >= 0 && offset < GhcbPage.SIZE;
    boolean elsewhere =
        !inPage && e.number("version") < 2 && !e.text("scratch_state").equals("outside");
    boolean inBuffer =
        offset >= GhcbPage.SHARED_BUFFER && bytes >= 0 && bytes <= BUFFER_END - offset;
    if (!elsewhere && !inBuffer) {
      findings.add(
          Rule.SCRATCH_BOUNDS,
          e,
          vc,
          bytes
              + " bytes at SW_SCRATCH 0x"
              + Long.toHexString(at)
              + " lie outside the shared buffer of the GHCB at 0x"
              + hex(e, "ghcb"));
    } else if (!inPage && e.text("scratch_state").equals("private")) {
      findings.add(
          Rule.SCRATCH_PRIVATE,
          e,
          vc,
          "SW_SCRATCH 0x" + Long.toHexString(at) + " is in a private page");
    }
  }

  // ---- against the interrupted instruction

  /**
   * Compares a request with what the reference handler would ask for.
   *
   * @param before exchanges of the same service
   */
  void against(Event e, Exchange x, VcpuState.Service s) {
    TrapFrame f = s.frame;
    Insn in = f.insn();
    if (in == null) {
      return;
    }
    Vctrap.Request want = Vctrap.request(f, in);
    boolean mmio = x.code() == ExitCode.MMIO_READ || x.code() == ExitCode.MMIO_WRITE;
    int asCode = mmio ? ExitCode.NPF : x.code();
    if (asCode != want.code()) {
      if (asCode == f.code()) {
        findings.add(
            Rule.OPCODE_MISMATCH,
            f.event(),
            s.id(),
            "error code "
                + f.event().name()
                + " is served, but the instruction is {"
                + f.event().instruction()
                + "}");
      }
      return;
    }
    if (f.event().cpl() == 3) {
      user(f, x, s.id());
    }
    if (mmio) {
      mmio(e, x, f, in, s.id());
    } else if (x.code() == ExitCode.IOIO) {
      ioio(e, x, s, in, want);
    } else if (x.code() == ExitCode.MSR
        && (x.asked(GhcbField.SW_EXITINFO1) != 0) != (want.info1() != 0)) {
      findings.add(
          Rule.MSR_DIRECTION,
          e,
          s.id(),
          "SW_EXITINFO1 is "
              + x.asked(GhcbField.SW_EXITINFO1)
              + " for {"
              + f.event().instruction()
              + "}, which needs "
              + want.info1());
    }
    values(e, x, want, s.id());
    if (x.code() == ExitCode.CPUID && x.request().containsKey(GhcbField.XCR0)) {
      long xcr0 = f.event().number("xcr0");
      if ((int) f.r()[0] == 0xD && x.asked(GhcbField.XCR0) != xcr0) {
        findings.add(
            Rule.CPUID_XCR0,
            e,
            s.id(),
            "CPUID leaf 0xD is asked with XCR0 0x"
                + Long.toHexString(x.asked(GhcbField.XCR0))
                + "; XCR0 is 0x"
                + Long.toHexString(xcr0));
      }
    }
  }

  private void values(Event e, Exchange x, Vctrap.Request want, long vc) {
    for (Map.Entry<GhcbField, Long> w : want.fields().entrySet()) {
      GhcbField f = w.getKey();
      if (!x.request().containsKey(f)) {
        continue;
      }
      long mask = want.masks().getOrDefault(f, -1L);
      long have = x.asked(f);
      if ((have & mask) != w.getValue()) {
        findings.add(
            x.code() == ExitCode.MSR && f == GhcbField.RCX ? Rule.MSR_NUMBER : Rule.EXPORT_VALUE,
            e,
            writer(e, f.offset, f.bytes),
            vc,
            f
                + " is exported as 0x"
                + Long.toHexString(have & mask)
                + " for "
                + e.name()
                + "; the interrupted code has 0x"
                + Long.toHexString(w.getValue()));
      } else if ((have & ~mask) != 0 && x.code() != ExitCode.DR7_WRITE) {
        findings.add(
            Rule.UPPER_HALF_LEAK,
            e,
            writer(e, f.offset, f.bytes),
            vc,
            f
                + " is exported as 0x"
                + Long.toHexString(have)
                + "; "
                + e.name()
                + " uses only the bits of 0x"
                + Long.toHexString(mask));
      }
    }
  }

  private void user(TrapFrame f, Exchange x, long vc) {
    @Nullable String why =
        switch (x.code()) {
          case ExitCode.MSR,
              ExitCode.WBINVD,
              ExitCode.INVD,
              ExitCode.MONITOR,
              ExitCode.MWAIT,
              ExitCode.DR7_READ,
              ExitCode.DR7_WRITE ->
              "the instruction is privileged";
          case ExitCode.IOIO ->
              f.event().has("ports_allowed") && f.event().number("ports_allowed") == 0
                  ? "IOPL and the I/O map forbid the port"
                  : kernelOperand(f);
          default -> kernelOperand(f);
        };
    if (why != null) {
      findings.add(
          Rule.USER_VC, f.event(), vc, f.event().name() + " of user code is served, but " + why);
    }
  }

  private static @Nullable String kernelOperand(TrapFrame f) {
    for (String s : new String[] {"operand", "source", "dest"}) {
      Operand o = f.operand(s);
      if (o != null && o.mapped() && !o.user()) {
        return "its operand at 0x" + Long.toHexString(o.linear()) + " belongs to the kernel";
      }
    }
    return null;
  }

  private void mmio(Event e, Exchange x, TrapFrame f, Insn in, long vc) {
    boolean write = x.code() == ExitCode.MMIO_WRITE;
    Operand o = Vctrap.mmioOperand(f, write);
    if (o == null || !o.mapped()) {
      return;
    }
    long gpa = x.asked(GhcbField.SW_EXITINFO1);
    long bytes = x.asked(GhcbField.SW_EXITINFO2);
    int size = Vctrap.accessBytes(in);
    if (o.isPrivate()) {
      findings.add(
          Rule.MMIO_PRIVATE,
          f.event(),
          vc,
          "MMIO at 0x"
              + Long.toHexString(o.gpa())
              + " is done through a private mapping (linear 0x"
              + Long.toHexString(o.linear())
              + ")");
    }
    boolean part = gpa >= o.gpa() && gpa + bytes <= o.gpa() + size;
    if (size != 0 && !part) {
      findings.add(
          Rule.MMIO_REQUEST,
          e,
          vc,
          "the request is for "
              + bytes
              + " bytes at 0x"
              + Long.toHexString(gpa)
              + "; the instruction accesses "
              + size
              + " at 0x"
              + Long.toHexString(o.gpa()));
      return;
    }
    byte[] stored = write ? Vctrap.stored(f, in) : null;
    if (stored != null && bytes == size && !Arrays.equals(stored, x.buffer())) {
      findings.add(
          Rule.EXPORT_VALUE,
          e,
          vc,
          "the buffer holds "
              + HexFormat.of().formatHex(x.buffer())
              + "; the instruction stores "
              + HexFormat.of().formatHex(stored));
    }
  }

  private void ioio(Event e, Exchange x, VcpuState.Service s, Insn in, Vctrap.Request want) {
    long info1 = x.asked(GhcbField.SW_EXITINFO1);
    if ((info1 & Vctrap.IOIO_MEANING) != want.info1()) {
      findings.add(
          Rule.IOIO_INFO,
          e,
          s.id(),
          "SW_EXITINFO1 is 0x"
              + Long.toHexString(info1)
              + " for {"
              + s.frame.event().instruction()
              + "}, which needs 0x"
              + Long.toHexString(want.info1()));
      return;
    }
    if (!in.mnemonic().equals("outs") || x.status() != 0) {
      return;
    }
    byte[] memory = Exchange.bytes(s.frame.event().text("memory"));
    int from = 0;
    for (Exchange b : s.exchanges) {
      from += b.code() == ExitCode.IOIO ? b.buffer().length : 0;
    }
    int n = Math.min(memory.length - from, x.buffer().length);
    if (n > 0 && !Arrays.equals(memory, from, from + n, x.buffer(), 0, n)) {
      findings.add(
          Rule.EXPORT_VALUE,
          e,
          s.id(),
          "the buffer holds "
              + HexFormat.of().formatHex(x.buffer(), 0, Math.min(n, 16))
              + "; the string that OUTS sends is "
              + HexFormat.of().formatHex(memory, from, from + Math.min(n, 16)));
    }
  }
}
